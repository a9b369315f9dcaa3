"""Test benches: a simulator, the machine that it switches, and documents' ways to speak to it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path

from tests.fencing import certificates, machines
from tests.fencing.machines import COMMAND, Machine, free_port, running, wait, write

from vedette.kit.units import SECOND
from vedette.spec.resolved import (
    Agent,
    ApcPdu,
    ApcTree,
    ApcUps,
    Drac,
    Driver,
    FencingDevice,
    Ipmi,
    Redfish,
    Secret,
    Snmp,
    SnmpVersion,
    Ssh,
    SshLogin,
)

SIMULATORS = Path(__file__).parent / "simulators"
LOCAL = ip_address("127.0.0.1")
PASSWORD = "geheim-4711-xyz"
WRONG = Secret("falsch-0815-abc")
USER = "vedette"
UNUSED = 9
"""discard: nobody listens there."""


@dataclass(slots=True)
class Bench:
    """A device, its machine, and the same device with mistakes. ``stick`` makes it take orders and do nothing."""

    driver: Driver
    machine: Machine
    plug: str | None = None
    wrong_password: Driver | None = None
    unreachable: Driver | None = None
    missing_plug: str | None = None
    other_plug: str | None = None
    stuck: Path | None = None
    secrets: tuple[str, ...] = (PASSWORD,)
    leaks: bool = False
    on_again: bool = True
    off_timeout: int = field(default=20 * SECOND)

    def device(self, driver: Driver | None = None) -> FencingDevice:
        return FencingDevice("bench", self.off_timeout, driver or self.driver)


@contextlib.contextmanager
def ipmi_sim(folder: Path, *, stubborn: bool = False) -> Iterator[tuple[Ipmi, Machine]]:
    """OpenIPMI's ipmi_sim; ``stubborn``: its machine ignores being ended, so that the controller only says it was."""
    port, serial = free_port(socket.SOCK_DGRAM), free_port()
    machine = Machine(folder / "pid")
    trap = "trap '' TERM\n" if stubborn else ""
    start = write(folder / "machine", f"#!/bin/sh\n{trap}echo $$ > {machine.pid_file}\nexec {COMMAND}\n", mode=0o700)
    levels = "\n".join(
        f"    allowed_auths_{level} none md2 md5 straight" for level in ("callback", "user", "operator", "admin")
    )
    write(
        folder / "lan.conf",
        f"""name "node"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
{levels}
    guid a123456789abcdefa123456789abcdef
  endlan
  serial 15 127.0.0.1 {serial} codec VM
  startcmd "{start}"
  startnow true
  poweroff_wait {600 if stubborn else 1}
  kill_wait {600 if stubborn else 1}
  user 1 true "" "test" user 10 none md2 md5 straight
  user 2 true "{USER}" "{PASSWORD}" admin 10 none md2 md5 straight
""",
    )
    write(
        folder / "sim.emu",
        "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\n"
        "sel_enable 0x20 1000 0x0a\nmc_enable 0x20\n",
    )
    command = ["ipmi_sim", "-c", "lan.conf", "-f", "sim.emu", "-s", str(folder / "state"), "-n", "-p"]
    (folder / "state").mkdir()
    with running(command, folder):
        try:
            wait(machine.alive, "ipmi_sim's machine")
            yield Ipmi(LOCAL, USER, Secret(PASSWORD), port=port), machine
        finally:
            machine.end()


@contextlib.contextmanager
def ipmi(folder: Path, *, stubborn: bool = False) -> Iterator[Bench]:
    with ipmi_sim(folder, stubborn=stubborn) as (driver, machine):
        yield Bench(
            driver,
            machine,
            wrong_password=replace(driver, password=WRONG),
            unreachable=replace(driver, port=UNUSED),
        )


@contextlib.contextmanager
def fence_ipmilan(folder: Path, *, stubborn: bool = False) -> Iterator[Bench]:
    with ipmi_sim(folder, stubborn=stubborn) as (driver, machine):
        options = {"ip": "127.0.0.1", "ipport": str(driver.port), "username": USER, "lanplus": "1", "cipher": "3"}
        options |= {"power_timeout": "4", "power_wait": "0"}
        agent = Agent("fence_ipmilan", options, {"password": Secret(PASSWORD)})
        yield Bench(
            agent,
            machine,
            wrong_password=replace(agent, secrets={"password": WRONG}),
            unreachable=replace(agent, options={**options, "ipport": str(UNUSED)}),
            leaks=True,
            off_timeout=30 * SECOND,
        )


@contextlib.contextmanager
def snmpd(folder: Path, trees: str) -> Iterator[tuple[int, Machine]]:
    """net-snmp's snmpd with an APC unit behind it: community, user and passwords are :data:`PASSWORD`."""
    port = free_port(socket.SOCK_DGRAM)
    for number in (1, 2, 3):
        write(folder / f"outlet.{number}", "off")
    write(folder / "command.3", COMMAND)
    script = f"{sys.executable} -I {SIMULATORS / 'apc.py'} {folder} {trees}"
    write(
        folder / "snmpd.conf",
        f"""rwcommunity {PASSWORD} 127.0.0.1
createUser {USER} SHA "{PASSWORD}" AES "{PASSWORD}-privacy"
rwuser {USER} priv
sysobjectid .1.3.6.1.4.1.318.1.3.4.5
pass_persist .1.3.6.1.4.1.318.1.1 {script}
""",
    )
    subprocess.run([*script.split(), "on", "3"], check=True)
    machine = Machine(folder / "pid.3")
    with agent(folder, port, PASSWORD):
        try:
            yield port, machine
        finally:
            machine.end()


@contextlib.contextmanager
def agent(folder: Path, port: int, community: str) -> Iterator[None]:
    """snmpd with ``FOLDER/snmpd.conf``, as soon as it answers to a community."""
    (folder / "persistent").mkdir()
    command = ["/usr/sbin/snmpd", "-f", "-Lo", "-C", "-c", "snmpd.conf", "-I", "-smux", f"udp:127.0.0.1:{port}"]
    get = ["snmpget", "-v2c", "-c", community, "-t", "0.2", "-r0", f"127.0.0.1:{port}", "1.3.6.1.2.1.1.2.0"]
    with running(command, folder, environment={"SNMP_PERSISTENT_DIR": str(folder / "persistent")}):
        wait(lambda: subprocess.run(get, capture_output=True, check=False).returncode == 0, "snmpd")
        yield


def _snmp(port: int, version: SnmpVersion) -> tuple[Snmp, Snmp]:
    """The right way to log in, and one with the wrong password."""
    if version is SnmpVersion.V3:
        right = Snmp(
            LOCAL,
            port,
            version,
            username=USER,
            auth_password=Secret(PASSWORD),
            privacy_password=Secret(f"{PASSWORD}-privacy"),
        )
        return right, replace(right, auth_password=WRONG)
    right = Snmp(LOCAL, port, version, community=Secret(PASSWORD))
    return right, replace(right, community=WRONG)


@contextlib.contextmanager
def apc_pdu(
    folder: Path, *, trees: str = "rpdu", version: SnmpVersion = SnmpVersion.V1, tree: ApcTree = ApcTree.AUTO
) -> Iterator[Bench]:
    with snmpd(folder, trees) as (port, machine):
        right, wrong = _snmp(port, version)
        versioned = version is not SnmpVersion.V1
        yield Bench(
            ApcPdu(right, tree),
            machine,
            plug="3",
            wrong_password=ApcPdu(wrong, tree) if "rpdu2" in trees else None,
            unreachable=ApcPdu(replace(right, port=UNUSED), tree) if trees == "rpdu" and not versioned else None,
            missing_plug="99",
            other_plug="1",
            stuck=folder / "stuck",
        )


@contextlib.contextmanager
def apc_ups(folder: Path, *, plug: str | None = "3") -> Iterator[Bench]:
    with snmpd(folder, "ups") as (port, machine):
        right, _ = _snmp(port, SnmpVersion.V2C)
        yield Bench(
            ApcUps(right),
            machine,
            plug=plug,
            unreachable=ApcUps(replace(right, port=UNUSED)) if plug is None else None,
            missing_plug="99",
            other_plug=None if plug is None else "1",
            stuck=folder / "stuck",
        )


@contextlib.contextmanager
def fence_apc_snmp(folder: Path, *, version: str) -> Iterator[Bench]:
    with snmpd(folder, "rpdu") as (port, machine):
        options = {"ip": "127.0.0.1", "ipport": str(port), "snmp_version": version, "power_timeout": "4"}
        secrets, wrong = {"community": Secret(PASSWORD)}, {"community": WRONG}
        if version == "3":
            options |= {
                "username": USER,
                "snmp_auth_prot": "SHA",
                "snmp_priv_prot": "AES",
                "snmp_sec_level": "authPriv",
            }
            secrets = {"password": Secret(PASSWORD), "snmp_priv_passwd": Secret(f"{PASSWORD}-privacy")}
            wrong = {**secrets, "password": WRONG}
        agent = Agent("fence_apc_snmp", options, secrets)
        yield Bench(
            agent,
            machine,
            plug="3",
            wrong_password=replace(agent, secrets=wrong),
            unreachable=replace(agent, options={**options, "ipport": str(UNUSED)}) if version == "2c" else None,
            missing_plug="99",
            other_plug="1",
            stuck=folder / "stuck",
            leaks=True,
            off_timeout=30 * SECOND,
        )


@contextlib.contextmanager
def redfish(folder: Path) -> Iterator[Bench]:
    """sushy-tools' emulator with TLS and a password."""
    port, machine = free_port(), Machine(folder / "pid")
    authority = certificates.make(folder)
    write(folder / "command", COMMAND)
    write(folder / "users", certificates.htpasswd(USER, PASSWORD))
    system = {"uuid": "27946b59-9e44-4fa7-8e91-f3527a1ef094", "name": "node", "power_state": "On", "nics": []}
    settings = {
        "SUSHY_EMULATOR_LISTEN_IP": "127.0.0.1",
        "SUSHY_EMULATOR_LISTEN_PORT": port,
        "SUSHY_EMULATOR_AUTH_FILE": str(folder / "users"),
        "SUSHY_EMULATOR_STATE_DIR": str(folder),
        "SUSHY_EMULATOR_FAKE_SYSTEMS": [system],
    }
    write(folder / "redfish.conf", "".join(f"{name} = {value!r}\n" for name, value in settings.items()))
    command = [sys.executable, str(SIMULATORS / "redfish.py"), str(folder), "--fake", "--config", "redfish.conf"]
    command += ["--ssl-certificate", str(folder / "server.pem"), "--ssl-key", str(folder / "server.key")]
    with running([*command, "--interface", "127.0.0.1", "--port", str(port)], folder):
        try:
            wait(lambda: machines.answers(port) and machine.alive(), "the Redfish emulator")
            right = Redfish(f"https://127.0.0.1:{port}", USER, Secret(PASSWORD), ca_file=str(authority))
            yield Bench(
                right,
                machine,
                wrong_password=replace(right, password=WRONG),
                unreachable=replace(right, url=f"https://127.0.0.1:{UNUSED}"),
                stuck=folder / "stuck",
            )
        finally:
            machine.end()


@contextlib.contextmanager
def sshd(
    folder: Path, *, address: str = "127.0.0.1", inside: tuple[str, ...] = (), extra: str = ""
) -> Iterator[SshLogin]:
    """Debian's sshd for root with one key; ``inside``: how to start it somewhere else."""
    port = free_port()
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    host_key = (folder / "host.pub").read_text()
    write(folder / "known_hosts", f"[{address}]:{port} {host_key}")
    shutil.copy(folder / "user.pub", folder / "authorized_keys")
    write(
        folder / "sshd_config",
        f"""ListenAddress {address}:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/sshd.pid
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin prohibit-password
{extra}""",
    )
    with running([*inside, "/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd_config")], folder):
        wait(lambda: (folder / "sshd.pid").exists(), "sshd")
        key = Secret((folder / "user").read_text().rstrip("\n"))
        yield SshLogin(ip_address(address), "root", str(folder / "known_hosts"), port=port, key=key)


def another_key(folder: Path) -> Secret:
    """A key that the server does not know."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "other")], check=True)
    return Secret((folder / "other").read_text())


@contextlib.contextmanager
def drac(folder: Path) -> Iterator[Bench]:
    """A real sshd; behind it the few words of racadm are ours."""
    machine = Machine(folder / "pid")
    write(folder / "command", COMMAND)
    force = f"ForceCommand {sys.executable} -I {SIMULATORS / 'racadm.py'} {folder}\n"
    with sshd(folder, extra=force) as login, contextlib.ExitStack() as stack:
        stack.callback(machine.end)
        process = subprocess.Popen(COMMAND.split(), start_new_session=True)
        stack.callback(process.wait)
        stack.callback(process.kill)
        write(machine.pid_file, str(process.pid))
        yield Bench(
            Drac(login),
            machine,
            wrong_password=Drac(replace(login, key=another_key(folder))),
            unreachable=Drac(replace(login, port=UNUSED)),
            stuck=folder / "stuck",
            secrets=(login.key.text.splitlines()[1] if login.key else "",),
        )


@contextlib.contextmanager
def ssh(folder: Path) -> Iterator[Bench]:
    """A node in a network namespace: what switches it off takes its end of the wire down and ends its sshd.

    This end forgets within seconds, not within a minute, whom it has heard.
    """
    name, machine = f"vf-{folder.name[-6:]}", Machine(folder / "sshd.pid")
    inside = ("ip", "netns", "exec", name)
    subprocess.run(["ip", "netns", "add", name], check=True)
    wire = f"{name}w"[-15:]
    try:
        subprocess.run(["ip", "link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", name], check=True)
        subprocess.run(["ip", "address", "add", "198.18.77.1/30", "dev", wire], check=True)
        subprocess.run(["ip", "link", "set", wire, "up"], check=True)
        for setting, value in (
            ("base_reachable_time_ms", 500),
            ("delay_first_probe_time", 1),
            ("retrans_time_ms", 200),
        ):
            Path(f"/proc/sys/net/ipv4/neigh/{wire}/{setting}").write_text(str(value))
        subprocess.run([*inside, "ip", "address", "add", "198.18.77.2/30", "dev", "eth0"], check=True)
        subprocess.run([*inside, "ip", "link", "set", "eth0", "up"], check=True)
        script = (
            f"#!/bin/sh\n[ -e {folder}/stuck ] && exit 0\n"
            f"[ -e {folder}/half ] || [ -e {folder}/closed ] || ip link set eth0 down\n"
            f"[ -e {folder}/closed ] && nft -f {folder}/closed\n"
            f"kill -9 $(cat {folder}/sshd.pid)\n"
        )
        off = write(folder / "poweroff", script, mode=0o700)
        with sshd(folder, address="198.18.77.2", inside=inside) as login:
            yield Bench(
                Ssh(login, str(off)),
                machine,
                wrong_password=Ssh(replace(login, key=another_key(folder)), str(off)),
                unreachable=Ssh(replace(login, port=UNUSED), str(off)),
                stuck=folder / "stuck",
                secrets=(login.key.text.splitlines()[1] if login.key else "",),
                on_again=False,
            )
    finally:
        # A session of sshd outlives the daemon, and its namespace with it.
        inmates = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=True).stdout
        for process in inmates.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        subprocess.run(["ip", "link", "delete", wire], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", name], check=True)
