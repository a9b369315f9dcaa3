"""Labs of real machines: what they carry, how they are spoilt, and that nothing outlives them."""

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import kernel

from vedette.kit.errors import TransientError, UsageError
from vedette.kit.net import endpoint
from vedette.lab import home
from vedette.lab.guest import Power
from vedette.lab.lab import Lab
from vedette.spec.resolved import Endpoint, Forwarding, Protocol, VirtualService

pytestmark = pytest.mark.lab

HERE = Path(__file__).parent
SMALLEST = HERE / "topologies" / "smallest.yaml"
ALONE = HERE / "topologies" / "alone.yaml"


@pytest.fixture(scope="module", autouse=True)
def place() -> Iterator[Path]:
    """A place of its own for the labs of these tests: labs of this host are not touched."""
    if (lack := kernel.missing()) is not None:
        pytest.skip(lack)
    with tempfile.TemporaryDirectory(prefix="labs-") as path, pytest.MonkeyPatch.context() as patch:
        patch.setenv(home.PLACE, path)
        yield Path(path)


@pytest.fixture(scope="module")
def lab(place: Path) -> Iterator[Lab]:
    """Two routers and their servers; each test mends what it spoils."""
    with Lab.up(SMALLEST, name="shared") as lab:
        yield lab


def ask(where: str, port: int = 80, *, udp: bool = False) -> str:
    """Ask a stand-in who it is, from the namespace in which this is called."""
    kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET6 if ":" in where else socket.AF_INET, kind) as client:
        client.settimeout(3)
        client.connect((where, port))
        client.sendall(b"who\n")
        return client.recv(200).decode().split()[0]


def wait_for_end(pid: int) -> None:
    """Return when a process has ended; fails when it does not."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 10)[0], f"process {pid} does not end"
    finally:
        os.close(descriptor)


def processes_of(directory: Path) -> list[int]:
    """Processes of this host that have the directory in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if str(directory).encode() in (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return found


# What a lab carries


def test_every_way_from_a_client_to_a_real_server_works() -> None:
    """Addresses and tables as the daemon would make them, made by hand: any failure is the lab's."""
    with Lab.up(HERE / "every-way.yaml", name="ways") as lab:
        commands = [*_addresses(lab), *(line for service in lab.spec.virtual_services for line in _table(service))]
        done = lab.machines["director"].run(["sh", "-e"], stdin="\n".join(commands))
        assert done.code == 0, done.err
        for service in lab.spec.virtual_services:
            for entry in service.endpoints:
                udp = entry.protocol is Protocol.UDP
                answers = {lab.client.call(ask, str(entry.address), entry.port, udp=udp) for _ in service.real_servers}
                assert answers == {str(server.address) for server in service.real_servers}, service.name


def _addresses(lab: Lab) -> Iterator[str]:
    interfaces = lab.spec.nodes[0].interfaces
    yield "modprobe ip_vs"
    for vip in lab.spec.groups[0].addresses:
        assert vip.interface is not None
        suffix = " nodad" if vip.address.version == 6 else ""
        yield f"ip address add {vip.address}/{vip.address.max_prefixlen} dev {interfaces[vip.interface]}{suffix}"


def _table(service: VirtualService) -> Iterator[str]:
    for entry in service.endpoints:
        yield f"ipvsadm -A {_flag(entry)} -s rr"
        for server in service.real_servers:
            real = endpoint(server.address, server.port or entry.port)
            yield f"ipvsadm -a {_flag(entry)} -r {real} {'-m' if service.forwarding is Forwarding.MASQUERADE else '-g'}"


def _flag(entry: Endpoint) -> str:
    return f"{'-u' if entry.protocol is Protocol.UDP else '-t'} {endpoint(entry.address, entry.port)}"


def test_a_machine_finds_the_document_and_a_key_that_only_root_reads(lab: Lab) -> None:
    machine = lab.machines["router1"]
    assert machine.read("/etc/vedette/cluster.yaml") == SMALLEST.read_bytes()
    assert machine.run(["stat", "-c", "%a", "/etc/vedette/cluster.key"]).out == "600\n"
    assert machine.read("/etc/vedette/cluster.key") == lab.machines["router2"].read("/etc/vedette/cluster.key")


def test_an_edit_reaches_every_machine_and_survives_a_loss_of_power(lab: Lab) -> None:
    text = SMALLEST.read_text() + "# edited\n"
    lab.machines["router2"].power_off()
    lab.edit(text)
    lab.machines["router2"].power_on()
    assert [machine.read("/etc/vedette/cluster.yaml").decode() for machine in lab.machines.values()] == [text, text]


def test_what_a_machine_keeps_in_its_state_directory_survives_a_loss_of_power(lab: Lab) -> None:
    machine = lab.machines["router1"]
    machine.write("/var/lib/vedette/kept", b"kept")
    machine.write("/root/lost", b"lost")
    machine.power_off()
    assert machine.power is Power.OFF
    with pytest.raises(TransientError):
        machine.run(["true"])
    machine.power_on()
    assert machine.read("/var/lib/vedette/kept") == b"kept"
    assert machine.run(["test", "-e", "/root/lost"]).code == 1


# How it is spoilt


def test_a_cut_cable_is_seen_by_the_machine_and_a_silent_cut_is_not(lab: Lab) -> None:
    machine, wire = lab.machines["router1"], lab.wire("router1", "eth1")
    for silent, carrier in ((False, b"0\n"), (True, b"1\n")):
        wire.cut(silent=silent)
        assert machine.read("/sys/class/net/eth1/carrier") == carrier
        assert not _reaches(lab, "203.0.113.254", patience=0.3)
        wire.heal()
        assert machine.read("/sys/class/net/eth1/carrier") == b"1\n"
        assert _reaches(lab, "203.0.113.254", patience=5.0)


def _reaches(lab: Lab, address: str, *, patience: float) -> bool:
    """Whether the client gets an answer from a port that nobody listens on: a refusal is one."""

    def refused() -> bool:
        with socket.socket() as client:
            client.settimeout(patience)
            try:
                client.connect((address, 9))
            except ConnectionRefusedError:
                return True
            except OSError:
                return False
        return True

    return lab.client.call(refused)


def test_a_machine_whose_cable_was_cut_while_it_was_off_boots_without_carrier(lab: Lab) -> None:
    machine, wire = lab.machines["router1"], lab.wire("router1", "203.0.113.0/24")
    machine.power_off()
    wire.cut()
    machine.power_on()
    assert machine.read("/sys/class/net/eth1/carrier") == b"0\n"
    wire.heal()


def test_a_frozen_machine_answers_nobody_until_it_is_thawed(lab: Lab) -> None:
    machine = lab.machines["router1"]
    machine.freeze()
    assert machine.power is Power.FROZEN
    with pytest.raises(TransientError):
        machine.ping(timeout=0.1)
    machine.thaw()
    assert machine.run(["true"]).code == 0


def test_a_command_that_hangs_holds_up_no_other(lab: Lab) -> None:
    machine = lab.machines["router1"]
    pid = machine.spawn(["sleep", "1000"], log="/var/log/vedette/sleep.log", label="sleep")
    assert machine.run(["sleep", "1000"], timeout=0.1).code is None
    assert machine.spawned("sleep") == pid
    machine.kill(pid, signal.SIGKILL)
    assert machine.run(["tail", f"--pid={pid}", "-f", "/dev/null"], timeout=5).code == 0
    assert machine.spawned("sleep") is None


def test_a_real_server_dies_hangs_errs_vanishes_and_recovers(lab: Lab) -> None:
    machine, server = lab.machines["router1"], lab.server("10.0.0.11")
    curl = ["curl", "-s", "-m", "1", "-o", "/dev/null", "-w", "%{http_code}", "http://10.0.0.11/"]
    refused, timed_out = 7, 28
    server.die()
    assert machine.run(curl).code == refused
    server.hang()
    assert machine.run(curl).code == timed_out
    server.answer(500)
    assert machine.run(curl).out == "500"
    server.vanish()
    assert machine.run(curl).code == timed_out
    server.recover()
    assert machine.run(curl).out == "200"


def test_a_capture_holds_the_packets_of_its_network(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "wire.pcap"
    with lab.networks["10.0.0.0/24"].capture(path):
        lab.machines["router1"].run(["curl", "-s", "-m", "2", "http://10.0.0.12/canary"])
    assert b"GET /canary" in path.read_bytes()


# Nothing outlives it


def test_two_labs_of_one_document_do_not_hear_of_each_other(lab: Lab) -> None:
    with Lab.up(ALONE, name="other") as other:
        assert home.living() == ["other", "shared"]
        other.server("203.0.113.11").die()
        with pytest.raises(UsageError):
            lab.server("203.0.113.11")
        assert lab.machines["router1"].run(["curl", "-s", "-m", "2", "http://10.0.0.11/"]).out == "10.0.0.11\n"
    assert home.living() == ["shared"]


def test_a_name_is_taken_once(lab: Lab) -> None:
    with pytest.raises(UsageError):
        Lab.up(ALONE, name="shared")
    assert lab.machines["router1"].alive


def test_a_killed_supervisor_takes_everything_with_it_and_the_next_call_removes_its_directory(place: Path) -> None:
    lab = Lab.up(ALONE, name="killed")
    lab.let_go()
    everything = processes_of(lab.directory)
    assert everything
    os.kill(lab.pid, signal.SIGKILL)
    for pid in everything:
        wait_for_end(pid)
    assert "killed" not in home.living()
    assert not (place / "killed").exists()


def test_a_killed_owner_takes_its_lab_with_it(place: Path) -> None:
    script = f"import pathlib, vedette.lab.lab as lab; held = lab.Lab.up(pathlib.Path({str(ALONE)!r}), name='owned'); "
    script += "print(held.pid, flush=True); input()"
    owner = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with owner:
        assert owner.stdout is not None
        supervisor = int(owner.stdout.readline())
        everything = processes_of(place / "owned")
        owner.kill()
    for pid in [supervisor, *everything]:
        wait_for_end(pid)
    assert "owned" not in home.living()


def test_a_lab_that_was_let_go_is_found_by_name_and_ended_by_anyone(place: Path) -> None:
    Lab.up(ALONE, name="stays").let_go()
    found = Lab.attach("stays")
    assert found.machines["only"].run(["hostname"]).out == "only\n"
    found.down()
    assert not (place / "stays").exists()
    with pytest.raises(UsageError):
        Lab.attach("stays")
