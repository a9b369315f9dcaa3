"""The files that a lab's machines find: the document, and keys of the lab's own in place of the real ones.

A lab never reads a secret. Every key file that the document names gets a stand-in under the same name, the same in
all machines of a lab, so that rehearsing a production document neither needs nor endangers its keys.
"""

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from vedette.kit import files
from vedette.spec import load
from vedette.spec.load import Problems
from vedette.spec.resolved import ClusterSpec

FOLDER = PurePosixPath("/etc/vedette")
DOCUMENT = FOLDER / "cluster.yaml"
"""Where the document is in every machine, whatever its name on the host."""


def read(path: Path) -> tuple[str, ClusterSpec]:
    """Read a document without its secrets; raises :class:`vedette.spec.load.Problems`."""
    report = load.check(path, secrets=load.Secrets.IGNORED)
    if report.spec is None:
        raise Problems(report.problems)
    return path.read_text(encoding="utf-8-sig"), report.spec


def key_files(path: Path) -> dict[PurePosixPath, bytes]:
    """Stand-in keys for those that the document at ``path`` names, by their place in a machine."""
    report = load.check(path, secrets=load.Secrets.IGNORED)
    found = {}
    for key in report.key_files:
        found[_inside(key, path)] = secrets.token_hex(32).encode() + b"\n"
    return found


def companions(path: Path, made: Mapping[PurePosixPath, bytes]) -> dict[PurePosixPath, bytes]:
    """The files that hold parts of the document at ``path``, by their place in a machine.

    What the lab has ``made`` itself (certificate authorities, known hosts) is taken from there.
    """
    report = load.check(path, secrets=load.Secrets.IGNORED)
    found: dict[PurePosixPath, bytes] = {}
    for file in report.companions:
        place = _inside(file, path)
        if place in made:
            found[place] = made[place]
        elif file.is_file():
            found[place] = file.read_bytes()
    return found


def place(
    roots: Iterable[Path],
    text: str,
    keys: Mapping[PurePosixPath, bytes],
    beside: Mapping[PurePosixPath, bytes] = MappingProxyType({}),
) -> None:
    """Put the document, the files that hold parts of it, and keys below each machine's directory of initial files."""
    for root in roots:
        write(root, DOCUMENT, text.encode(), mode=0o644)
        for path, content in keys.items():
            write(root, path, content, mode=0o600)
        for path, content in beside.items():
            write(root, path, content, mode=0o644)


def _inside(file: Path, document: Path) -> PurePosixPath:
    """Where a machine has a file that the document names."""
    if file.is_absolute() and not file.is_relative_to(document.parent):
        return PurePosixPath(file)
    return PurePosixPath(os.path.normpath(FOLDER / os.path.relpath(file, document.parent)))


def write(root: Path, path: PurePosixPath, content: bytes, *, mode: int) -> None:
    """Write one initial file of a machine."""
    target = root / path.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    files.replace(target, content, mode=mode)
