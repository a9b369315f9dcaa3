"""Secrets of the lab's own in place of those that the document names for fencing devices and checks; who knows them.

As with cluster keys, a real secret is never read. A file that the document names gets a stand-in under the same name
in every machine, and the device's simulator is told what is in it: passwords and communities by chance, the
certificate authority, the user's key and the known hosts of this lab alone. Stand-in servers that are checked over TLS
have a certificate of that authority.
"""

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from vedette.kit import files
from vedette.kit.errors import PermanentError
from vedette.lab.topology import DevicePlan, Simulator, Topology

FOLDER = "devices"
SECRETS, CERTIFICATE, CERTIFICATE_KEY, HOST_KEY, AUTHORIZED = (
    "secrets.json", "server.pem", "server.key", "host_key", "authorized_keys",
)  # fmt: skip
"""Files of a device, in ``devices/NAME`` of the lab's directory."""
USERS = "users"
"""Made from them by who starts the simulator: ``user:password`` lines."""
SERVERS, _CLIENT = "servers", "client"
"""Names of the certificate that all stand-in servers show, and of the one that checks show to them."""
_AUTHORITY, _USER_KEY = "ca", "user_key"
_OF_AGENTS = {
    "passwd": "password",
    "snmp_priv_passwd": "privacyPassword",
    "identity_file": "privateKey",
}
"""What an option of a fence agent is called in the document's own words."""
_KEYS, _AUTHORITIES, _HOSTS = ("privateKey",), ("caFile",), ("knownHostsFile",)
_SHOWN, _SHOWN_KEYS = ("certificateFile",), ("keyFile",)

_NAME = re.compile(r"[0-9A-Za-z._-]+")

Plain = dict[str, Any]


class Credentials:
    """Makes everything once, in the lab's ``directory``; ``place`` tells where a file that the document names is
    in a machine. ``values`` is the document in plain values."""

    def __init__(self, directory: Path, topology: Topology, values: Plain) -> None:
        self._directory, self._topology = directory / FOLDER, topology
        self._drivers = dict(_drivers(values))
        self._checks = list(_checks(values))
        self._texts: dict[str, bytes] = {}

    def make(self) -> Mapping[str, bytes]:
        """Write what the simulators need; returns the stand-ins for the document's files, by the names there."""
        over_tls = [check["https"] for check in self._checks if "https" in check]
        if not self._topology.devices and not any(dict(_named_files(check)) for check in self._checks):
            return {}
        self._directory.mkdir(mode=0o700)
        named = any(key in _AUTHORITIES for check in self._checks for key, _ in _named_files(check))
        if over_tls or named or any(plan.simulator is Simulator.REDFISH for plan in self._topology.devices):
            self._make_authority()
        if over_tls:
            self._make_certificates(over_tls)
        if any(plan.simulator is Simulator.DRAC for plan in self._topology.devices):
            _ssh_key(self._directory / _USER_KEY)
        for plan in self._topology.devices:
            folder = self._directory / plan.name
            folder.mkdir(mode=0o700)
            self._equip(plan, folder)
        for driver in (*self._drivers.values(), *self._checks):
            for key, file in _named_files(driver):
                self._text(key, file)
        for plan in self._topology.devices:
            known = [self._knows(name) for name in plan.names]
            files.replace(self._directory / plan.name / SECRETS, json.dumps(known).encode(), mode=0o600)
        return dict(self._texts)

    def _knows(self, device: str) -> dict[str, str]:
        """What a device must accept, by the document's words for it."""
        return {
            key: self._text(key, file).decode().strip()
            for key, file in _named_files(self._drivers.get(device, {}))
            if key not in (*_KEYS, *_AUTHORITIES, *_HOSTS)
        }

    def _text(self, key: str, file: str) -> bytes:
        """The stand-in for a file that the document names: the same one wherever it is named."""
        if file not in self._texts:
            if key in _AUTHORITIES:
                text = (self._directory / f"{_AUTHORITY}.pem").read_bytes()
            elif key in _KEYS:
                text = (self._directory / _USER_KEY).read_bytes()
            elif key in (*_SHOWN, *_SHOWN_KEYS):
                text = (self._directory / f"{_CLIENT}.{'pem' if key in _SHOWN else 'key'}").read_bytes()
            elif key in _HOSTS:
                text = "".join(self._known_hosts()).encode()
            else:
                text = secrets.token_hex(8).encode() + b"\n"  # 16 letters: IPMI holds 20, SNMP v3 wants 8
            self._texts[file] = text
        return self._texts[file]

    def _known_hosts(self) -> Iterator[str]:
        for plan in self._topology.devices:
            if plan.simulator is Simulator.DRAC:
                host = str(plan.address) if plan.port == 22 else f"[{plan.address}]:{plan.port}"
                kind, key = (self._directory / plan.name / f"{HOST_KEY}.pub").read_text().split()[:2]
                yield f"{host} {kind} {key}\n"

    def _equip(self, plan: DevicePlan, folder: Path) -> None:
        if plan.simulator is Simulator.REDFISH:
            self._make_certificate(plan.name, [f"IP:{plan.address}"], folder / CERTIFICATE, folder / CERTIFICATE_KEY)
        if plan.simulator is Simulator.DRAC:
            _ssh_key(folder / HOST_KEY)
            (folder / AUTHORIZED).write_bytes((self._directory / f"{_USER_KEY}.pub").read_bytes())

    def _make_authority(self) -> None:
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650"),
            *("-subj", "/CN=the lab's authority", "-keyout", str(self._directory / f"{_AUTHORITY}.key")),
            *("-out", str(self._directory / f"{_AUTHORITY}.pem")),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"),
        )

    def _make_certificates(self, checks: list[Plain]) -> None:
        """One for all stand-in servers, under every name and address that is checked, and one for the checks."""
        names = {
            str(check[key]).partition(":")[0] for check in checks for key in ("serverName", "host") if check.get(key)
        }
        named = [f"DNS:{name}" for name in sorted(names) if _NAME.fullmatch(name)]
        named += [f"IP:{plan.address}" for plan in self._topology.servers]
        for name in (SERVERS, _CLIENT):
            self._make_certificate(name, named, self._directory / f"{name}.pem", self._directory / f"{name}.key")

    def _make_certificate(self, name: str, named: list[str], certificate: Path, key: Path) -> None:
        authority = self._directory / _AUTHORITY
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650"),
            *("-subj", f"/CN={name}", "-addext", f"subjectAltName={','.join(named)}"),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
            *("-CA", f"{authority}.pem", "-CAkey", f"{authority}.key"),
            *("-keyout", str(key), "-out", str(certificate)),
        )


def place(name: str, folder: PurePosixPath) -> PurePosixPath:
    """Where a file that the document names is in a machine whose document is in ``folder``."""
    if Path(name).is_absolute():
        return PurePosixPath(name)
    return PurePosixPath(os.path.normpath(folder / name))


def _drivers(values: Plain) -> Iterator[tuple[str, Plain]]:
    """Each device of the document with what stands under its driver's key."""
    for device in values.get("spec", {}).get("fencingDevices") or ():
        for key, value in device.items():
            if isinstance(value, dict) and key != "labels":
                yield str(device["name"]), value


def _checks(values: Plain) -> Iterator[Plain]:
    """Each check of real servers in the document, named or in place."""
    spec = values.get("spec", {})
    yield from spec.get("checks") or ()
    for service in spec.get("virtualServices") or ():
        yield from service.get("checks") or ()


def _named_files(driver: Plain) -> Iterator[tuple[str, str]]:
    """The files that a driver names: what for, and the name. ``password: {secretFile: F}``, ``caFile: F``, …"""
    for key, value in driver.items():
        if key == "secretFiles" and isinstance(value, dict):
            yield from ((_OF_AGENTS.get(str(option), str(option)), str(file)) for option, file in value.items())
        elif isinstance(value, dict) and "secretFile" in value:
            yield key, str(value["secretFile"])
        elif isinstance(value, dict):
            yield from _named_files(value)
        elif key.endswith("File") and isinstance(value, str):
            yield key, value


def _ssh_key(path: Path) -> None:
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(path), package="openssh-client")


def _openssl(*words: str) -> None:
    _run("openssl", *words, package="openssl")


def _run(*command: str, package: str) -> None:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True, capture_output=True, check=False)
    except FileNotFoundError:
        raise PermanentError(f"a lab of this document needs more here: apt-get install {package}") from None
    if done.returncode:
        raise PermanentError(f"{command[0]}: {done.stderr.strip()}")
