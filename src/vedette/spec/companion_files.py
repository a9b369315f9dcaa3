"""Files beside a document that hold parts of it: sorry pages and long lists of real servers. Nothing in them is secret.

A relative name counts from the document's directory. They are watched like the document, and read with it; specSync
carries those below it (:mod:`vedette.spec.carried_files`). They must be readable by everybody: whoever may write a
document could otherwise have a secret of this machine served as a page, or shown as a fault.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vedette.spec.findings import Findings
from vedette.spec.model import HACluster
from vedette.spec.model.balancing import ServiceSettings
from vedette.spec.resolve.scope import Companion, Companions
from vedette.spec.tree import Path as Place

LARGEST_PAGE = 64 << 10
LARGEST_LIST = 8 << 20
"""Bytes; a list of 65536 servers has at most 4 MiB."""


@dataclass(frozen=True, slots=True)
class CompanionFile:
    """A file, as the document names it and where, and the most bytes that it may have."""

    file: Path
    written: str
    place: Place
    largest: int


def files(document: HACluster, directory: Path) -> tuple[CompanionFile, ...]:
    """List the files that a document names, in its order."""
    return tuple(_named(document, directory))


def _named(document: HACluster, directory: Path) -> Iterator[CompanionFile]:
    spec = document.spec
    if spec.defaults is not None and spec.defaults.virtual_services is not None:
        yield from _page(spec.defaults.virtual_services, ("spec", "defaults", "virtualServices"), directory)
    for index, pool in enumerate(spec.server_pools or ()):
        if pool.real_servers_file is not None:
            place: Place = ("spec", "serverPools", index, "realServersFile")
            yield _file(pool.real_servers_file, place, LARGEST_LIST, directory)
    for index, service in enumerate(spec.virtual_services or ()):
        here: Place = ("spec", "virtualServices", index)
        if service.real_servers_file is not None:
            yield _file(service.real_servers_file, (*here, "realServersFile"), LARGEST_LIST, directory)
        yield from _page(service, here, directory)


def _page(settings: ServiceSettings, place: Place, directory: Path) -> Iterator[CompanionFile]:
    page = settings.sorry_server.page if settings.sorry_server is not None else None
    if page is not None and page.body_file is not None:
        yield _file(page.body_file, (*place, "sorryServer", "page", "bodyFile"), LARGEST_PAGE, directory)


def _file(written: str, place: Place, largest: int, directory: Path) -> CompanionFile:
    return CompanionFile(directory / written, written, place, largest)


def read(
    document: HACluster, directory: Path, findings: Findings, *, required: bool, carried: Mapping[str, bytes]
) -> Companions:
    """Read them all; what cannot be read is a fault, or, where it is not ``required``, a warning.

    ``carried``: what those hold that travel with the document.
    """
    found: dict[Place, Companion] = {}
    if not findings.tree.cut_off:
        for item in files(document, directory):
            shown = str(Path(findings.file).parent / item.written)
            known = carried.get(item.written)
            data = known if known is not None else content(item, shown, findings, required=required)
            text = _decoded(item, data, shown, findings) if data is not None else None
            if text is not None:
                found[item.place] = Companion(shown, text)
    return found


def content(item: CompanionFile, shown: str, findings: Findings, *, required: bool) -> bytes | None:
    """Read one; None when it was reported. ``shown``: what faults call it."""
    report = findings.add if required else findings.warn
    try:
        descriptor = os.open(item.file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        report(item.place, f"{shown} cannot be read: {os.strerror(error.errno or 0)}", "write that file")
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            findings.add(item.place, f"{shown} is not a regular file", "name a text file")
            return None
        if not status.st_mode & stat.S_IROTH:
            message = f"{shown} is private, and a part of the document is not: it is served, or sent, in the clear"
            findings.add(item.place, message, "name another file, one that everybody may read")
            return None
        return _bytes(descriptor, item.largest + 1)
    except OSError as error:
        report(item.place, f"{shown} cannot be read: {os.strerror(error.errno or 0)}", "write it anew")
        return None
    finally:
        os.close(descriptor)


def present(item: CompanionFile) -> bool:
    """Whether there is anything of that name."""
    return os.path.exists(item.file)  # noqa: PTH110 (Path.exists raises when a name is too long)


def _bytes(descriptor: int, most: int) -> bytes:
    found = bytearray()
    while len(found) < most and (part := os.read(descriptor, most - len(found))):
        found += part
    return bytes(found)


def _decoded(item: CompanionFile, data: bytes, shown: str, findings: Findings) -> str | None:
    if not fits(item, data, shown, findings):
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        findings.add(item.place, f"{shown} is not UTF-8 text", "save it as UTF-8")
        return None


def fits(item: CompanionFile, data: bytes, shown: str, findings: Findings) -> bool:
    """Whether it is not too large; reports it otherwise."""
    if len(data) > item.largest:
        findings.add(item.place, f"{shown} has more than {item.largest >> 10} KiB", "make it shorter")
    return len(data) <= item.largest
