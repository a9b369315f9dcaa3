"""Secrets from their files: who may read them; and of cluster keys how long they are and what they are called."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from vedette.spec import defaults
from vedette.spec.findings import Findings
from vedette.spec.model import HACluster
from vedette.spec.resolved import UNSIGNED, Key, key_id
from vedette.spec.tree import Path as Place

SHORTEST = 16
LARGEST = 4096
"""Bytes of a secret, without the line end behind it."""
OWN = Path(defaults.KEY_FILE).parent
"""The folder of documents and keys."""
_OF_ALL = (Path("/"), OWN.parent)
"""Folders with files of everybody: a document may lie there."""
KEYS: Place = ("spec", "auth", "keys")


class Secrets(Enum):
    """What to do with the files that hold secrets."""

    REQUIRED = "required"
    """Read them; one that is missing is a problem (the daemon)."""
    IF_PRESENT = "if present"
    """Check those that are here; one that is missing is a warning (``vedette validate``)."""
    IGNORED = "ignored"
    """Do not look (the lab, which makes its own)."""


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file that holds a cluster key, and where the document says so."""

    file: Path
    place: Place


def files(document: HACluster, directory: Path) -> tuple[SecretFile, ...]:
    """List the key files of a document, in its order; relative names count from ``directory``."""
    auth = document.spec.auth
    if auth is not None and auth.keys is None and auth.enforce is False:
        return ()
    if auth is None or auth.keys is None:
        return (SecretFile(Path(defaults.KEY_FILE), ("spec", "auth")),)
    return tuple(
        SecretFile(directory / key.secret_file, (*KEYS, index, "secretFile"))
        for index, key in enumerate(auth.keys)
        if key.secret_file is not None
    )


def read(document: HACluster, directory: Path, findings: Findings, *, secrets: Secrets) -> tuple[Key, ...]:
    """Read the cluster keys; every file that cannot be used is reported, without a word of its content.

    With ``auth.enforce: false`` the key that everybody knows is the last of them.
    """
    if secrets is Secrets.IGNORED or findings.tree.cut_off or not findings.sound(("spec", "auth")):
        return ()
    keys: list[Key] = []
    for item in files(document, directory):
        secret = _read(item, directory, findings, report=findings.add if secrets is Secrets.REQUIRED else findings.warn)
        if secret is None:
            continue
        key = Key(key_id(secret), secret)
        if key.id in {other.id for other in keys}:
            findings.add(item.place, f"{item.file} holds the same key as another", "list every key once")
        keys.append(key)
    auth = document.spec.auth
    if auth is None or auth.enforce is not False:
        return tuple(keys)
    findings.warn(("spec", "auth", "enforce"), "anybody on a link can forge heartbeats", "leave `enforce` out, later")
    return (*keys, UNSIGNED)


def _read(
    item: SecretFile, directory: Path, findings: Findings, *, report: Callable[[Place, str, str], None]
) -> bytes | None:
    make = f"make it with `vedette init --key {item.file}` on one node, and copy it to the others"
    secret = content(item, directory, findings, what="key file", make=make, largest=LARGEST, report=report)
    if secret is not None and not SHORTEST <= len(secret) <= LARGEST:
        message = f"the key in {item.file} has {len(secret)} bytes"
        remedy = f"a key has {SHORTEST} to {LARGEST}: name another file, one that `vedette init --key` has made"
        findings.add(item.place, message, remedy)
        return None
    return secret


def content(
    item: SecretFile,
    directory: Path,
    findings: Findings,
    *,
    what: str,
    make: str,
    largest: int,
    report: Callable[[Place, str, str], None],
    forbidden: int = 0o077,
) -> bytes | None:
    """Read at most ``largest`` + 2 bytes of a file, without the line end behind them; None when it was reported.

    ``directory``: the document's. ``report`` hears of a file that is not there or cannot be read; one whose mode has
    ``forbidden`` bits is a fault for everybody.
    """
    try:
        descriptor = os.open(item.file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        report(item.place, f"the {what} {item.file} does not exist", make)
        return None
    except OSError as error:
        report(
            item.place, f"the {what} {item.file} cannot be read: {os.strerror(error.errno or 0)}", "run as its owner"
        )
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            findings.add(item.place, f"{item.file} is not a regular file", f"name another: a {what} is a regular file")
            return None
        if status.st_mode & forbidden:
            mode = 0o600 if forbidden & 0o044 else 0o644
            remedy = f"chmod {mode:o} {item.file}"
            if not _is_ours(item.file, directory):
                remedy = (
                    f"name a file of the cluster's own, in the document's folder or below {OWN}, with mode {mode:o}"
                )
            findings.add(item.place, f"{item.file} is open to others than its owner", remedy)
            return None
        return os.read(descriptor, largest + 2).rstrip(b"\r\n")
    finally:
        os.close(descriptor)


def _is_ours(file: Path, directory: Path) -> bool:
    """Whether its mode is this cluster's business: what a slip of the pen names, /etc/passwd say, stays as it is."""
    real = Path(os.path.realpath(file))
    folders = [Path(os.path.realpath(folder)) for folder in (directory, OWN)]
    return any(folder in real.parents for folder in folders if folder not in _OF_ALL)
