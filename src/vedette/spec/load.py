"""Read a document: text, structure, rules, meaning, keys; every fault of it in one pass.

``load`` is for those who need a usable document or none (the daemon), ``check`` for those who want to hear about
the faults (``vedette validate``).
"""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from vedette.spec import carried_files, companion_files, device_files, reader, rules, structure
from vedette.spec import secrets as secret_files
from vedette.spec.canonical import Canonical
from vedette.spec.carried_names import Contents
from vedette.spec.findings import MOST_PROBLEMS, Enough, Findings
from vedette.spec.model import HACluster
from vedette.spec.problem import Problem, Problems
from vedette.spec.resolve import resolve
from vedette.spec.resolve.expansions import Expansions
from vedette.spec.resolved import ClusterSpec
from vedette.spec.secrets import Secrets
from vedette.spec.tree import Tree

__all__ = ["Problem", "Problems", "Report", "Secrets", "check", "load", "load_text"]

KUBERNETES_METADATA = (
    "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers", "generateName", "generation",
    "managedFields", "ownerReferences", "resourceVersion", "selfLink", "uid",
)  # fmt: skip
"""What an API server adds to an object: means nothing here, and may be present."""


@dataclass(frozen=True, slots=True)
class Report:
    """What reading found. ``spec`` is None exactly when there are ``problems``; ``key_files``: cluster keys, and
    what fencing devices are logged into with, as far as known; ``companions``: files that hold parts of the document;
    ``carried``: what those of them hold that travel with it.
    """

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    spec: ClusterSpec | None
    key_files: tuple[Path, ...] = ()
    companions: tuple[Path, ...] = ()
    carried: Contents = field(default_factory=dict, repr=False)


def load(path: Path, *, secrets: bool = True) -> ClusterSpec:
    """Read a document from a file. Raises :class:`Problems` with all that is wrong.

    With ``secrets`` false no key file is looked at, and ``keys`` is empty.
    """
    return _usable(check(path, secrets=Secrets.REQUIRED if secrets else Secrets.IGNORED))


def load_text(text: str, *, name: str, directory: Path, secrets: bool = True) -> ClusterSpec:
    """Read a document from text; ``name`` is what faults call it, secrets are looked for in ``directory``."""
    mode = Secrets.REQUIRED if secrets else Secrets.IGNORED
    return _usable(check_text(text, name=name, directory=directory, secrets=mode))


def _usable(report: Report) -> ClusterSpec:
    if report.spec is None:
        raise Problems(report.problems)
    return report.spec


def check(path: Path, *, secrets: Secrets = Secrets.IF_PRESENT) -> Report:
    """Read a file and report; also a file that cannot be read is a problem, not an exception."""
    try:
        with open(path, "rb") as file:
            content = file.read(reader.LARGEST + 1)
    except OSError as error:
        problem = Problem(str(path), 0, 0, "", f"cannot be read: {os.strerror(error.errno or 0)}", "")
        return Report((problem,), (), None)
    return check_bytes(content, name=str(path), directory=path.parent, secrets=secrets)


def check_bytes(content: bytes, *, name: str, directory: Path, secrets: Secrets = Secrets.IF_PRESENT) -> Report:
    """Decode and report; YAML is UTF-8 here."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        return Report((Problem(name, line, column, "", "this is not UTF-8", "save the file as UTF-8"),), (), None)
    return check_text(text, name=name, directory=directory, secrets=secrets)


def check_text(text: str, *, name: str, directory: Path, secrets: Secrets = Secrets.IF_PRESENT) -> Report:
    """Read text and report everything that is wrong with it, in the order of the text."""
    return read(text, name=name, directory=directory, secrets=secrets).report


@dataclass(frozen=True, slots=True)
class Reading:
    """What was made of a text, and on the way to it; ``document``: as written, None where nothing useful is left."""

    report: Report
    findings: Findings
    document: HACluster | None = None


def read(
    text: str,
    *,
    name: str,
    directory: Path,
    secrets: Secrets,
    expansions: Expansions | None = None,
    canonical: Canonical | None = None,
    received: Contents | None = None,
) -> Reading:
    """The passes in their order; each goes on with what the one before it left sound.

    ``received``: the files that came with the document from another node, in place of those on the disk.
    ``expansions`` and ``canonical`` are filled with what helps to read the next version.
    """
    findings = Findings(name, Tree())
    document = None
    try:
        reader.read(text, findings)
        forget_kubernetes(findings.tree.root)
        digest = (canonical or Canonical()).digest(findings.tree.root)
        document = structure.validate(findings) if findings.tree.root else None
        if document is None:
            return Reading(_report(findings, None), findings)
        rules.check(document, findings)
        report = interpret(document, findings, digest, directory, secrets, expansions, received)
    except Enough:
        findings.problems.append(Problem(name, 0, 0, "", f"more than {MOST_PROBLEMS} problems: the rest is not shown"))
        report = _report(findings, None)
    return Reading(report, findings, document)


def interpret(
    document: HACluster,
    findings: Findings,
    digest: str,
    directory: Path,
    secrets: Secrets,
    expansions: Expansions | None = None,
    received: Contents | None = None,
) -> Report:
    """The passes behind the structure and its rules: what stands in other files, and what everything means."""
    keys = secret_files.read(document, directory, findings, secrets=secrets)
    devices = device_files.read(document, directory, findings, secrets=secrets, received=received)
    required = secrets is Secrets.REQUIRED
    carried = carried_files.read(document, directory, findings, required=required, received=received)
    parts = companion_files.read(document, directory, findings, required=required, carried=carried)
    digest = carried_files.digest(digest, carried)
    spec = resolve(document, findings, digest=digest, keys=keys, files=devices, companions=parts, expansions=expansions)
    named = (*companion_files.files(document, directory), *carried_files.files(document, directory))
    files = (*secret_files.files(document, directory), *device_files.files(document, directory))
    keys_of, beside = (tuple(dict.fromkeys(item.file for item in items)) for items in (files, named))
    return _report(findings, spec, keys_of, beside, carried)


def forget_kubernetes(root: dict[str, object]) -> None:
    """Leave out what ``kubectl get -o yaml`` prints beside what people write."""
    root.pop("status", None)
    metadata = root.get("metadata")
    if isinstance(metadata, dict):
        for key in KUBERNETES_METADATA:
            metadata.pop(key, None)


def _report(
    findings: Findings,
    spec: ClusterSpec | None,
    key_files: tuple[Path, ...] = (),
    companions: tuple[Path, ...] = (),
    carried: Contents | None = None,
) -> Report:
    problems, warnings = _once(findings.problems, findings.file), _once(findings.warnings, findings.file)
    return Report(problems, warnings, None if problems else spec, key_files, companions, carried or {})


def _once(problems: list[Problem], document: str) -> tuple[Problem, ...]:
    """Sort by place, the document first; what an alias repeats is said once."""
    unique: dict[tuple[str, int, int, str], Problem] = {}
    for item in problems:
        unique.setdefault((item.file, item.line, item.column, item.message), item)

    def place(item: Problem) -> tuple[bool, str, int, int]:
        return item.file != document, item.file, item.line or sys.maxsize, item.column

    return tuple(sorted(unique.values(), key=place))
