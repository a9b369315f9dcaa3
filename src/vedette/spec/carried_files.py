"""The files beside a document that travel with it (``specSync``): lists of servers, pages, certificate authorities and
known hosts.

Only what is named relative to the document, without a step upwards and without a hidden part, is carried: what stands
elsewhere is each node's own. Nothing secret is: documents travel signed, not encrypted. With its files a document is
one thing, so their content is part of its digest.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from vedette.spec import companion_files, device_files
from vedette.spec.carried_names import LARGEST, MOST, Contents, is_carried
from vedette.spec.companion_files import CompanionFile
from vedette.spec.findings import Findings
from vedette.spec.model import HACluster

LARGEST_CERTIFICATES = 1 << 20


def files(document: HACluster, directory: Path) -> tuple[CompanionFile, ...]:
    """The files that travel with a document, each once; none without ``specSync``."""
    if not document.spec.spec_sync:
        return ()
    found: dict[str, CompanionFile] = {}
    for item in _named(document, directory):
        if is_carried(item.written):
            found.setdefault(item.written, item)
    return tuple(found.values())


def _named(document: HACluster, directory: Path) -> Iterator[CompanionFile]:
    yield from companion_files.files(document, directory)
    for item in device_files.files(document, directory):
        if item.public:
            yield CompanionFile(item.file, item.public, item.place, LARGEST_CERTIFICATES)


def read(
    document: HACluster, directory: Path, findings: Findings, *, required: bool, received: Contents | None
) -> dict[str, bytes]:
    """What they hold: as ``received`` with the document, or as it stands on the disk.

    What is private or too large, or has not come with the document, is a fault.
    """
    named = files(document, directory)
    if findings.tree.cut_off or not named:
        return {}
    found: dict[str, bytes] = {}
    for item in named:
        if received is None and not companion_files.present(item):
            continue  # who needs it says so
        if received is None:
            shown = str(Path(findings.file).parent / item.written)
            data = companion_files.content(item, shown, findings, required=required)
        else:
            data = received.get(item.written)
            if data is None:
                findings.add(item.place, f"{item.written} has not come with the document", "save it once more there")
        if data is not None and companion_files.fits(item, data, item.written, findings):
            found[item.written] = data
    if len(found) > MOST:
        message = f"specSync carries {MOST} files, and the document has {len(found)}"
        findings.add(named[MOST].place, message, "copy some to every node, and name them by their whole path")
    elif (total := sum(map(len, found.values()))) > LARGEST:
        message = f"specSync carries {LARGEST >> 20} MiB of files, and those of the document have {total >> 20} MiB"
        largest = max(named, key=lambda item: len(found.get(item.written, b"")))
        findings.add(largest.place, message, "copy the largest to every node, and name it by its whole path")
    return found


def digest(document: str, contents: Contents) -> str:
    """The digest of a document with its files, from that of its text (hex); the same without files."""
    if not contents:
        return document
    whole = hashlib.sha256(document.encode())
    for name, data in sorted(contents.items()):
        whole.update(f"\n{name}\0{hashlib.sha256(data).hexdigest()}".encode())
    return whole.hexdigest()
