"""The programs that stand in for a lab's fencing devices. None of them is ours: only what they switch is.

OpenIPMI's ipmi_sim, net-snmp's snmpd, sushy-tools' Redfish emulator and OpenSSH's sshd, one process a device, each in
the network namespace of its address. They are children of the lab's supervisor and die with its process namespace.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from vedette.kit.errors import PermanentError
from vedette.lab import control, plug
from vedette.lab.credentials import AUTHORIZED, FOLDER, HOST_KEY, SECRETS, USERS
from vedette.lab.devices import AUTH, PRIVACY, SYSTEM, TREE, USER
from vedette.lab.namespace import Namespace
from vedette.lab.topology import OWN, DevicePlan, Simulator

PROGRAMS = {
    Simulator.IPMI: ("ipmi_sim", "openipmi"),
    Simulator.PDU: ("snmpd", "snmpd"),
    Simulator.UPS: ("snmpd", "snmpd"),
    Simulator.DRAC: ("sshd", "openssh-server"),
}
"""What simulates a device, and the Debian package that has it; the emulator of Redfish is a Python package."""
START_LIMIT = 20.0
"""Seconds in which a simulator must listen."""
_LISTENING = "0A"
_PROTOCOLS = {Simulator.REDFISH: "tcp", Simulator.DRAC: "tcp"}

_EMULATION = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
"""
"""ipmi_sim's commands for the least of a controller (ipmi_sim_cmd(5))."""
_UNITS = {"auto": "5", "rpdu": "5", "masterSwitch": "1", "rpdu2": "6"}
"""The end of a unit's sysObjectID below products.system of PowerNet-MIB: masterSwitchrPDU, …V1, …rPDU2."""
_UPS = ".1.3.6.1.4.1.318.1.3.27"
_DIGESTS = {"md5": "MD5", "sha": "SHA", "sha256": "SHA-256", "sha512": "SHA-512"}
_CIPHERS = {"des": "DES", "aes": "AES", "aes192": "AES-192", "aes256": "AES-256"}
_IN_PRIVATE = """\
set -e
mount --bind "$1" /mnt
mount -t tmpfs tmpfs /run
mkdir /run/sshd
mount --bind "$2/passwd" /etc/passwd
mount --bind "$2/shadow" /etc/shadow
exec "$3" -D -e -f "$2/sshd_config"
"""
"""sshd with users of the lab's own: in mounts of its own, where the lab's directory is at /mnt."""


def lacking(plans: Iterable[DevicePlan]) -> list[str]:
    """What this host has not got and the simulators need, as a command that installs it."""
    kinds = {plan.simulator for plan in plans}
    packages = {package for kind, (program, package) in PROGRAMS.items() if kind in kinds and not _find(program)}
    found = [f"apt-get install {' '.join(sorted(packages))}"] if packages else []
    if Simulator.REDFISH in kinds and find_spec("sushy_tools") is None:
        found.append(f"{sys.executable} -m pip install sushy-tools")
    return found


def _find(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")


def start(directory: Path, plan: DevicePlan, place: Namespace) -> "subprocess.Popen[bytes]":
    """Start one; ``directory`` is the lab's. Raises :class:`PermanentError` with its last words if it ends at once."""
    folder = directory / FOLDER / plan.name
    secrets: list[dict[str, str]] = json.loads((folder / SECRETS).read_text())
    command = _PREPARE[plan.simulator](directory, folder, plan, secrets)
    with open(folder / "log", "ab") as log:
        process = place.popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {"SNMP_PERSISTENT_DIR": str(folder / "state"), "MIBS": "", "TMPDIR": str(folder)},
            start_new_session=True,
        )
    _wait(process, plan, folder)
    return process


def _wait(process: "subprocess.Popen[bytes]", plan: DevicePlan, folder: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        if plan.port in _ports(process.pid, _PROTOCOLS.get(plan.simulator, "udp")):
            return
        time.sleep(0.05)
    words = (folder / "log").read_text(errors="replace").splitlines()[-5:]
    raise PermanentError(f"the simulator of {plan.name} does not listen: {' / '.join(words)}")


def _ports(pid: int, protocol: str) -> Iterator[int]:
    """The ports on which somebody listens in the network namespace of a process (proc(5))."""
    for version in ("", "6"):
        for line in Path(f"/proc/{pid}/net/{protocol}{version}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            if protocol == "udp" or state == _LISTENING:
                yield int(local.rpartition(":")[2], 16)


def _own_program(*words: str) -> list[str]:
    """A command that speaks for the lab's power switch."""
    return [sys.executable, "-I", "-S", plug.__file__, *words]


# What each simulator is told


def _ipmi(directory: Path, folder: Path, plan: DevicePlan, secrets: Sequence[dict[str, str]]) -> list[str]:
    """ipmi_lan(5). The machine is not its child: `chassis_control` asks and orders, so its state is always true."""
    program = " ".join(_own_program("ipmi", str(directory / control.SOCKET), plan.name))
    auths = [f"    allowed_auths_{level} none md2 md5 straight" for level in ("callback", "user", "operator", "admin")]
    user = f'"{plan.words[USER]}" "{_any(secrets, "password")}"'
    lines = [
        f'name "{plan.name}"',
        "set_working_mc 0x20",
        *("  startlan 1", f"    addr {plan.address} {plan.port}", "    priv_limit admin", *auths),
        *(f"    guid {uuid.uuid5(uuid.NAMESPACE_DNS, plan.name).hex}", "  endlan"),
        f'  chassis_control "{program}"',
        f"  user 2 true {user} admin 10 none md2 md5 straight",
    ]
    _write(folder / "lan.conf", "\n".join(lines) + "\n")
    _write(folder / "commands", _EMULATION)
    (folder / "state").mkdir(exist_ok=True)
    return ["ipmi_sim", "-c", str(folder / "lan.conf"), "-f", str(folder / "commands"), "-s", str(folder / "state"),
            "-n", "-p"]  # fmt: skip


def _snmp(directory: Path, folder: Path, plan: DevicePlan, secrets: Sequence[dict[str, str]]) -> list[str]:
    """snmpd.conf(5)."""
    ups = plan.simulator is Simulator.UPS
    tree = "ups" if ups else plan.words.get(TREE, "auto")
    own = _own_program(plan.simulator.value, str(directory / control.SOCKET), plan.name)
    own += [tree if tree in plug.TREES else "rpdu", *sorted(filter(None, plan.plugs))]
    six = "6" if plan.address.version == 6 else ""
    address = f"[{plan.address}]" if six else str(plan.address)
    lines = [f"agentaddress udp{six}:{address}:{plan.port}"]
    if plan.words.get(USER):
        auth, privacy = _any(secrets, "authPassword", "password"), _any(secrets, "privacyPassword")
        create = f"createUser {plan.words[USER]} {_DIGESTS[plan.words[AUTH]]} {auth}"
        create += f" {_CIPHERS[plan.words[PRIVACY]]} {privacy}" if privacy else ""
        lines += [create, f"rwuser {plan.words[USER]} {'priv' if privacy else 'auth'}"]
    else:
        lines += [f"rwcommunity{six} {known['community']}" for known in secrets if "community" in known]
    lines += [
        f"sysobjectid {_UPS if ups else f'.1.3.6.1.4.1.318.1.3.4.{_UNITS[tree]}'}",
        f"pass_persist {plug.APC} {' '.join(own)}",
    ]
    _write(folder / "snmpd.conf", "\n".join(lines) + "\n")
    (folder / "state").mkdir(exist_ok=True)
    program = _find("snmpd") or "snmpd"
    return [program, "-f", "-Lo", "-C", "-c", str(folder / "snmpd.conf"), "-I", "-smux"]


def _redfish(directory: Path, folder: Path, plan: DevicePlan, secrets: Sequence[dict[str, str]]) -> list[str]:
    _write(folder / USERS, f"{plan.words[USER]}:{_any(secrets, 'password')}\n")
    system = plan.words.get(SYSTEM) or str(uuid.uuid5(uuid.NAMESPACE_DNS, plan.name))
    words = [str(directory / control.SOCKET), str(folder), plan.name, str(plan.address), str(plan.port), system]
    return [sys.executable, "-P", "-m", "vedette.lab.redfish", *words]


def _drac(directory: Path, folder: Path, plan: DevicePlan, secrets: Sequence[dict[str, str]]) -> list[str]:
    """sshd_config(5). Whoever logs in gets the power switch for a shell."""
    mounted = Path("/mnt") / folder.relative_to(directory)
    force = _own_program("drac", f"/mnt/{control.SOCKET}", plan.name, *(plug or OWN for plug in plan.plugs))
    settings = {
        "Port": str(plan.port),
        "ListenAddress": str(plan.address),
        "HostKey": str(mounted / HOST_KEY),
        "AuthorizedKeysFile": str(mounted / AUTHORIZED),
        "ForceCommand": " ".join(word or "''" for word in force),
        "PermitRootLogin": "yes",
        "PasswordAuthentication": "yes",
        "KbdInteractiveAuthentication": "no",
        "UsePAM": "no",
        "StrictModes": "no",
        "PidFile": "none",
        "UseDNS": "no",
        "PrintMotd": "no",
    }
    _write(folder / "sshd_config", "".join(f"{key} {value}\n" for key, value in settings.items()))
    user, password = plan.words.get(USER) or "root", _any(secrets, "password")
    _accounts(folder, user, password)
    script = [str(directory), str(mounted), _find("sshd") or "sshd"]
    return ["unshare", "--mount", "sh", "-c", _IN_PRIVATE, "sh", *script]


def _accounts(folder: Path, user: str, password: str) -> None:
    """The host's users (sshd needs its own) and the controller's, who is nobody on the host."""
    others = [line for line in Path("/etc/passwd").read_text().splitlines() if not line.startswith(f"{user}:")]
    _write(folder / "passwd", "\n".join([f"{user}:x:0:0::/:/bin/sh", *others]) + "\n")
    hashed = "*"  # no password fits; "!" would lock the account
    if password:
        command = ["openssl", "passwd", "-6", "-stdin"]
        hashed = subprocess.run(command, input=password, text=True, capture_output=True, check=True).stdout.strip()
    _write(folder / "shadow", f"{user}:{hashed}:19000:0:99999:7:::\n")


_PREPARE = {
    Simulator.IPMI: _ipmi,
    Simulator.PDU: _snmp,
    Simulator.UPS: _snmp,
    Simulator.REDFISH: _redfish,
    Simulator.DRAC: _drac,
}


def _any(secrets: Sequence[dict[str, str]], *names: str) -> str:
    """The first secret of one of these names; empty when there is none."""
    return next((known[name] for known in secrets for name in names if name in known), "")


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
