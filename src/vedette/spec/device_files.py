"""The files that fencing devices and checks need: passwords and private keys, certificates and known hosts."""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vedette.spec import secrets as secret_files
from vedette.spec.findings import Findings
from vedette.spec.model import HACluster, anatomy
from vedette.spec.model.base import Secret as WrittenSecret
from vedette.spec.model.base import Shape
from vedette.spec.model.fencing import Agent
from vedette.spec.model.slow_checks import Exec
from vedette.spec.resolve.scope import CHECKS, DEVICES, SERVICES, DeviceFiles
from vedette.spec.resolved import Secret
from vedette.spec.secrets import SecretFile, Secrets
from vedette.spec.tree import Path as Place

LARGEST = 16384
"""Bytes of a private key: RSA with 8192 bits has 6.4 KiB."""
_PLAIN = ("caFile", "certificateFile", "knownHostsFile")
"""Keys of files that hold no secret, but that nobody else may change."""
_PUBLIC = ("caFile", "knownHostsFile")
"""Those of them that are the same on every node."""
_PRIVATE = ("keyFile",)
"""Keys of files that hold a secret which whoever needs it reads by itself."""


@dataclass(frozen=True, slots=True)
class DeviceFile(SecretFile):
    """A file that is needed. ``secret``: others may not read it; ``lines``: it may have more than one line.

    ``public``: its name in the document, where it may travel with it (a certificate stays with its private key).
    """

    secret: bool = True
    lines: bool = False
    public: str = ""


def files(document: HACluster, directory: Path) -> tuple[DeviceFile, ...]:
    """List the files that the devices and the checks of a document name, in its order."""
    found: list[DeviceFile] = []
    for index, device in enumerate(document.spec.fencing_devices or ()):
        found += _below(device, (*DEVICES, index), directory)
    for index, check in enumerate(document.spec.checks or ()):
        found += _below(check, (*CHECKS, index), directory)
    for index, service in enumerate(document.spec.virtual_services or ()):
        for number, own in enumerate(service.checks or ()):
            found += _below(own, (*SERVICES, index, "checks", number), directory)
    return tuple(found)


def _below(shape: Shape, place: Place, directory: Path) -> Iterator[DeviceFile]:
    if isinstance(shape, Agent | Exec):
        for option, name in (shape.secret_files or {}).items():
            yield DeviceFile(directory / name, (*place, "secretFiles", option))
    for part in anatomy.parts(type(shape)).values():
        value, here = getattr(shape, part.attribute), (*place, part.key)
        if value is None:
            continue
        if isinstance(value, WrittenSecret):
            if value.secret_file is not None:
                lines = part.key == "privateKey"
                yield DeviceFile(directory / value.secret_file, (*here, "secretFile"), lines=lines)
        elif isinstance(value, Shape):
            yield from _below(value, here, directory)
        elif part.key in _PRIVATE:
            yield DeviceFile(directory / value, here, lines=True)
        elif part.key in _PLAIN:
            public = value if part.key in _PUBLIC else ""
            yield DeviceFile(directory / value, here, secret=False, lines=True, public=public)


def read(
    document: HACluster,
    directory: Path,
    findings: Findings,
    *,
    secrets: Secrets,
    received: Mapping[str, bytes] | None = None,
) -> DeviceFiles:
    """Read what is secret and look at the rest; what cannot be used is reported, without a word of its content.

    What was ``received`` with the document need not be here yet.
    """
    found: Mapping[Place, Secret] = {}
    if secrets is not Secrets.IGNORED and not findings.tree.cut_off:
        found = {
            item.place: secret
            for item in files(document, directory)
            if item.public not in (received or ()) and (secret := _read(item, directory, findings, secrets))
        }
    return DeviceFiles(str(directory.absolute()), found)


def _read(item: DeviceFile, directory: Path, findings: Findings, secrets: Secrets) -> Secret | None:
    what = "secret file" if item.secret else "file"
    data = secret_files.content(
        item,
        directory,
        findings,
        what=what,
        make=f"write it, and `chmod {'600' if item.secret else '644'} {item.file}`",
        largest=LARGEST,
        report=findings.add if secrets is Secrets.REQUIRED else findings.warn,
        forbidden=0o077 if item.secret else 0o022,
    )
    if data is not None and item.place[-1] == "caFile":
        _check_authorities(item, findings)
    if data is None or not item.secret:
        return None
    if fault := _fault(data, lines=item.lines):
        findings.add(item.place, f"the secret in {item.file} {fault}", "write the secret alone into the file")
        return None
    return Secret(data.decode())


def _check_authorities(item: DeviceFile, findings: Findings) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(item.file)
    except (ssl.SSLError, OSError):
        message = f"{item.file} holds no certificate, so that nothing that is verified with it passes"
        findings.warn(item.place, message, "write certificates in PEM: -----BEGIN CERTIFICATE-----")


def _fault(data: bytes, *, lines: bool) -> str | None:
    """What keeps a secret from being used, in words that do not show it."""
    if not data:
        return "is empty"
    if len(data) > LARGEST:
        return f"has more than {LARGEST} bytes"
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "is not UTF-8"
    if "\0" in text or (not lines and ("\n" in text or "\r" in text)):
        return "has more than one line" if "\0" not in text else "holds a zero byte"
    return None
