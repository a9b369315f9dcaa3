"""Two directors' kernels, each in a network namespace: what one knows, the other learns, entry for entry."""

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.ipvs.connections.datagrams import decode
from tests.ipvs.contract import reach
from tests.ipvs.namespace import ip, own_network, within

from vedette.ipvs.connections import wire
from vedette.ipvs.connections.dump import Dumps, Elsewhere
from vedette.ipvs.connections.kernel import Sender, SyncKernel
from vedette.ipvs.connections.model import ANY, SCTP, TCP, UDP, Connection, Daemon, Line, Role, parse
from vedette.ipvs.connections.plan import Start, Stop
from vedette.ipvs.connections.reconciler import SyncDaemons
from vedette.ipvs.connections.services import Services
from vedette.ipvs.kernel import KernelTable
from vedette.ipvs.model import AddressKey, Destination, DestinationKey, Flags, MarkKey, Method, Service, Settings, Table
from vedette.kit.net import IPAddress
from vedette.spec.resolved import Protocol

PATIENCE = 10.0
"""Seconds after which a test gives up."""
NOWHERE = Elsewhere()
GROUPS = ("224.0.0.81", "ff02::81")
CLIENT, CLIENT6 = (ip_address(text).packed for text in ("192.0.2.7", "2001:db8:1::7"))
VIP, VIP6 = ip_address("203.0.113.80"), ip_address("2001:db8::80")
SERVER, SERVER6 = ip_address("10.0.0.11"), ip_address("2001:db8:2::11")


def behind(server: IPAddress, method: Method, port: int = 80) -> dict[DestinationKey, Destination]:
    return {DestinationKey(server, port): Destination(1, method)}


TABLE: Table = {
    AddressKey(Protocol.TCP, VIP, 80): Service(
        Settings("wlc", Flags.NONE, persistence=600), behind(SERVER, Method.DIRECT_ROUTING)
    ),
    AddressKey(Protocol.TCP, VIP, 8080): Service(Settings("wlc"), behind(SERVER, Method.MASQUERADE)),
    AddressKey(Protocol.UDP, VIP, 53): Service(Settings("rr"), behind(SERVER, Method.MASQUERADE, 53)),
    AddressKey(Protocol.SCTP, VIP, 132): Service(Settings("rr"), behind(SERVER, Method.MASQUERADE, 132)),
    AddressKey(Protocol.TCP, VIP6, 80): Service(Settings("wlc"), behind(SERVER6, Method.DIRECT_ROUTING)),
    AddressKey(Protocol.UDP, VIP6, 53): Service(Settings("rr"), behind(SERVER6, Method.TUNNEL, 53)),
    MarkKey(4, 5): Service(Settings("wlc", persistence=30), behind(ip_address("10.0.0.12"), Method.TUNNEL, 0)),
    MarkKey(6, 6): Service(Settings("wlc", persistence=30), behind(ip_address("2001:db8:2::12"), Method.TUNNEL, 0)),
}
MARKED, MARKED6 = ip_address("10.0.0.12").packed, ip_address("2001:db8:2::12").packed


def known() -> list[Connection]:
    """A connection of every kind."""
    four = Connection(4, TCP, CLIENT, 40000, VIP.packed, 80, SERVER.packed, 80, state=1)
    six = Connection(6, TCP, CLIENT6, 40000, VIP6.packed, 80, SERVER6.packed, 80, state=1)
    of_mark = replace(four, virtual=ip_address("198.51.100.1").packed, virtual_port=443, server=MARKED, server_port=443)
    template = replace(four, client_port=0, state=1, template=True)
    return [
        *(replace(four, client_port=41000 + state, state=state) for state in (1, 3, 4, 7, 8)),
        replace(four, virtual_port=8080, client_port=42000),
        replace(four, protocol=UDP, virtual_port=53, server_port=53, state=0),
        replace(four, protocol=SCTP, virtual_port=132, server_port=132, state=8),
        replace(six, client_port=40004, state=4),
        six,
        replace(six, protocol=UDP, client_port=5353, virtual_port=53, server_port=53, state=0),
        of_mark,
        replace(six, virtual=ip_address("2001:db8::99").packed, server=MARKED6, client_port=40005),
        template,
        replace(template, protocol=ANY, virtual=(5).to_bytes(4), virtual_port=0, server=MARKED, server_port=0),
        replace(
            six,
            protocol=ANY,
            virtual=(6).to_bytes(4) + bytes(12),
            client_port=0,
            virtual_port=0,
            server=MARKED6,
            server_port=0,
            state=0,
            template=True,
        ),
    ]


def daemon(role: Role, group: str = GROUPS[0]) -> Daemon:
    return Daemon(role, "sync", 7, ip_address(group), 8848)


@dataclass(frozen=True)
class Director:
    """Its kernel, reached from within its namespace only."""

    network: int
    kernel: SyncKernel
    table: KernelTable

    def lines(self) -> list[Line]:
        with within(self.network):
            return sorted(self.kernel.lines())

    def start(self, *daemons: Daemon) -> None:
        with within(self.network):
            self.kernel.tune()
            assert [self.kernel.perform(Start(item)) for item in daemons] == [""] * len(daemons)

    def everything(self, like: Daemon, but: Elsewhere = NOWHERE) -> int:
        with within(self.network):
            return asyncio.run(Dumps(self.kernel).everything(like, but)).connections

    def active(self) -> int:
        with within(self.network):
            usage = self.table.inspect().usage.values()
        return sum(found.connections.active for service in usage for found in service.destinations.values())


@pytest.fixture
def directors() -> Iterator[tuple[Director, Director]]:
    with own_network() as first, own_network() as second:
        ip(f"link add sync type veth peer name sync netns /proc/{os.getpid()}/fd/{first}")
        found = []
        for network, number in ((first, 1), (second, 2)):
            with within(network):
                ip("link set sync up", f"addr add 10.9.0.{number}/24 dev sync", f"addr add {VIP}/32 dev lo")
                found.append(Director(network, SyncKernel(), KernelTable()))
                reach(found[-1].table, TABLE)
                found[-1].kernel.daemons()  # the socket is the namespace's from its first use
        try:
            yield found[0], found[1]
        finally:
            for director in found:
                for role in Role:
                    director.kernel.perform(Stop(role))
                director.kernel.close()
                director.table.close()


def soon(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def teach(director: Director, other: Director, connections: list[Connection]) -> None:
    """Put connections into a kernel, as another one's sync daemon would."""
    with within(other.network):
        asyncio.run(Dumps(other.kernel).send(daemon(Role.MASTER), datagrams(connections)))
    soon(lambda: len(director.lines()) >= len(connections))


def datagrams(connections: list[Connection]) -> list[bytes]:
    return list(wire.datagrams(Services(TABLE).entries(connections), id=7))


@pytest.mark.parametrize("group", GROUPS)
def test_a_whole_table_goes_over_entry_for_entry(directors: tuple[Director, Director], group: str) -> None:
    """IPv4 and IPv6, TCP, UDP and SCTP, templates, firewall marks, every state: the lists are the same afterwards."""
    holder, fresh = directors
    holder.start(daemon(Role.BACKUP))
    teach(holder, fresh, known())
    soon(lambda: has_address(holder) and has_address(fresh))
    fresh.start(daemon(Role.BACKUP, group))
    assert holder.everything(daemon(Role.MASTER, group)) == len(known())
    soon(lambda: len(fresh.lines()) >= len(known()))
    assert fresh.lines() == holder.lines()
    assert list(parse(fresh.lines())) == sorted(known(), key=lambda item: fresh.lines().index(_line(item, fresh)))
    assert fresh.active() == holder.active() == sum(item.active for item in known())


def has_address(director: Director) -> bool:
    """IPv6 waits for it (RFC 4862)."""
    with within(director.network):
        shown = subprocess.run(["ip", "-6", "addr", "show", "dev", "sync"], capture_output=True, text=True, check=True)
    return "fe80" in shown.stdout and "tentative" not in shown.stdout


def _line(item: Connection, director: Director) -> Line:
    return next(line for line in director.lines() if next(parse([line])) == item)


def test_what_another_director_holds_is_not_sent(directors: tuple[Director, Director]) -> None:
    holder, fresh = directors
    holder.start(daemon(Role.BACKUP))
    teach(holder, fresh, known())
    fresh.start(daemon(Role.BACKUP))
    theirs = Elsewhere(frozenset({VIP.packed}), frozenset({5}))
    ours = [item for item in known() if item not in theirs]
    assert holder.everything(daemon(Role.MASTER), theirs) == len(ours) < len(known())
    soon(lambda: len(fresh.lines()) == len(ours))


def test_twenty_thousand_connections_arrive(directors: tuple[Director, Director]) -> None:
    holder, fresh = directors
    one = known()[0]
    many = [replace(one, client=(0xC6120000 + number).to_bytes(4)) for number in range(20_000)]
    fresh.start(daemon(Role.BACKUP))
    teach(fresh, holder, many)
    assert len(fresh.lines()) == len(many)


def test_what_we_send_is_what_the_kernel_sends_itself(directors: tuple[Director, Director]) -> None:
    """A real connection: the kernel's own datagram and ours for the same entry differ in the time-out at most."""
    holder, other = directors
    holder.start(daemon(Role.MASTER))
    with within(other.network), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("224.0.0.81", 8848))
        ear.setsockopt(
            socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("224.0.0.81") + socket.inet_aton("10.9.0.2")
        )
        ear.settimeout(PATIENCE)
        with within(holder.network):
            ip(f"addr add {SERVER}/32 dev lo")
            server = socket.create_server((str(SERVER), 80))
            with server, socket.create_connection((str(VIP), 8080), timeout=PATIENCE) as client:
                accepted, _ = server.accept()
                for _ in range(3):  # IPVS sees a connection of the host itself only on its way out
                    client.sendall(b"x")
                    accepted.recv(1)
                theirs = decode(ear.recv(2048))[1]
                with within(holder.network):
                    asyncio.run(Dumps(holder.kernel).everything(daemon(Role.MASTER), NOWHERE))
                ours = decode(ear.recv(2048))[1]
                accepted.close()
    assert [replace(item, timeout=0) for item in theirs] == [replace(item, timeout=0) for item in ours]


def test_a_young_connection_goes_over_long_before_the_kernel_tells_of_it(
    directors: tuple[Director, Director],
) -> None:
    """No master daemon runs here, so that nothing but ours can have told."""
    holder, fresh = directors
    fresh.start(daemon(Role.BACKUP))
    with within(holder.network):
        ip(f"addr add {SERVER}/32 dev lo")
        with socket.create_server((str(SERVER), 80)) as server:

            async def look() -> socket.socket:
                dumps = Dumps(holder.kernel)
                await dumps.young(daemon(Role.MASTER), NOWHERE)
                client = socket.create_connection((str(VIP), 8080), timeout=PATIENCE)
                client.sendall(b"x")
                await dumps.young(daemon(Role.MASTER), NOWHERE)
                assert dumps.sent_young == 1
                await dumps.young(daemon(Role.MASTER), NOWHERE)
                assert dumps.sent_young == 1
                return client

            with asyncio.run(look()):
                soon(lambda: fresh.lines() == holder.lines() != [])
                server.accept()[0].close()


def test_daemons_of_somebody_else_are_replaced_and_stopped_ones_return(
    directors: tuple[Director, Director], tmp_path: Path
) -> None:
    """With ipvsadm as the one who interferes, and the one who says what runs."""
    holder, _ = directors
    with within(holder.network):
        wanted = (daemon(Role.BACKUP), daemon(Role.MASTER))
        ipvsadm("--start-daemon", "master", "--mcast-interface", "lo", "--syncid", "9")
        target = SyncDaemons(tmp_path, driver=holder.kernel)
        target.look(wanted)
        assert set(holder.kernel.daemons()) == set(wanted)
        assert "mcast=sync, syncid=7" in ipvsadm("-L", "--daemon")
        ipvsadm("--stop-daemon", "backup")
        target.look(wanted)
        assert set(holder.kernel.daemons()) == set(wanted)
        target.look(())
        assert holder.kernel.daemons() == ()


def test_an_interface_that_is_missing_or_made_anew(directors: tuple[Director, Director], tmp_path: Path) -> None:
    holder, _ = directors
    with within(holder.network):
        target = SyncDaemons(tmp_path, driver=holder.kernel)
        wanted = tuple(replace(daemon(role), interface="later") for role in (Role.BACKUP, Role.MASTER))
        target.look(wanted)
        assert "there is no interface later" in target.problem
        add = (
            "link add later type veth peer name later2",
            "addr add 10.8.0.1/24 dev later",
            "link set later up",
            "link set later2 up",
        )
        ip(*add)
        target.look(wanted)
        assert (target.problem, set(holder.kernel.daemons())) == ("", set(wanted))
        target.learn()
        ip("link del later", "link add unused type dummy", *add)
        target.look(wanted)
        assert (target.problem, set(holder.kernel.daemons())) == ("", set(wanted))
        assert not target.learnt


def test_a_cut_wire_is_noticed_and_its_return(directors: tuple[Director, Director], tmp_path: Path) -> None:
    holder, other = directors
    with within(holder.network):
        target = SyncDaemons(tmp_path, driver=holder.kernel)
        wanted = (daemon(Role.BACKUP), daemon(Role.MASTER))
        target.look(wanted)
        assert target.problem == ""

        def look() -> str:
            target.look(wanted)
            return target.problem

        with within(other.network):
            ip("link set sync down")
        soon(lambda: "sync has no carrier" in look())
        with within(other.network):
            ip("link set sync up")
        soon(lambda: look() == "")
        assert target.returned


def test_the_sysctls_are_as_documented(directors: tuple[Director, Director]) -> None:
    holder, _ = directors
    with within(holder.network):
        holder.kernel.tune()
        threshold = Path("/proc/sys/net/ipv4/vs/sync_threshold")
        assert threshold.read_text().split() == ["2", "50"]
        threshold.write_text("3 50")
        assert holder.kernel.tune() == ("net.ipv4.vs.sync_threshold",)


def ipvsadm(*arguments: str) -> str:
    return subprocess.run(["ipvsadm", *arguments], capture_output=True, text=True, check=True).stdout


def test_a_sender_needs_its_interface(directors: tuple[Director, Director]) -> None:
    with pytest.raises(OSError, match=r"interface|device"):
        Sender(replace(daemon(Role.MASTER), interface="nowhere"))
