"""Marks and untranslated packets, as a client and real servers see them."""

import asyncio
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.ipvs.documents import HTTP, VIP, document, service, verdicts
from tests.ipvs.namespace import ip, own_network, within

from vedette.ipvs.kernel import KernelTable
from vedette.ipvs.model import AddressKey, Destination, DestinationId, DestinationKey, MarkKey, ServiceKey, Settings
from vedette.ipvs.reconciler import Reconciler
from vedette.ipvs.screen.screen import Screen
from vedette.kit.net import IPAddress
from vedette.kit.units import SECOND
from vedette.reconcile.outcome import Done
from vedette.reconcile.plan import Create
from vedette.spec.resolved import ClusterSpec, Endpoint, Life, Mark, Protocol, RealServer, VirtualService

VIP6 = ip_address("2001:db8::80")
REALS = {4: ip_address("10.2.0.11"), 6: ip_address("fd02::11")}
VIPS = {4: VIP, 6: VIP6}
CLIENT = {4: "10.1.0.2", 6: "fd01::2"}
NUMBER = 0x56000007
PATIENCE = 20.0
both = pytest.mark.parametrize("version", [4, 6])


@dataclass(frozen=True)
class Site:
    """The test itself is in the director's namespace."""

    client: int
    servers: int
    reconciler: Reconciler

    def apply(self, *services: VirtualService, **changes: Any) -> ClusterSpec:
        spec = replace(document(*services), **changes)
        self.reconciler.update(spec, verdicts(spec), complete=True)
        asyncio.run(self.reconciler.reconcile())
        assert self.reconciler.problems() == []
        return spec


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with own_network() as servers, own_network() as client, own_network() as director:
        for network in (client, servers, director):
            with within(network):
                for scope in ("all", "default"):  # nobody waits for link-local addresses
                    Path(f"/proc/sys/net/ipv6/conf/{scope}/accept_dad").write_text("0")
        for network, name in ((client, "client"), (servers, "servers")):
            ip(
                f"link add {name} type veth peer name eth0 netns /proc/{os.getpid()}/fd/{network}",
                f"link set {name} up",
            )
        ip("addr add 10.1.0.1/24 dev client", "addr add 10.2.0.1/24 dev servers", f"addr add {VIP}/32 dev lo")
        ip("addr add fd01::1/64 dev client nodad", "addr add fd02::1/64 dev servers nodad")
        ip(f"addr add {VIP6}/128 dev lo nodad")
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")
        with within(client):
            ip(
                "addr add 10.1.0.2/24 dev eth0",
                "addr add fd01::2/64 dev eth0 nodad",
                "link set eth0 up",
            )
            ip("route add default via 10.1.0.1", "route add ::/0 via fd01::1")
        with within(servers):
            ip(
                "addr add 10.2.0.11/24 dev eth0",
                "addr add fd02::11/64 dev eth0 nodad",
                "link set eth0 up",
            )
            ip("route add default via 10.2.0.1", "route add ::/0 via fd02::1")
        table = KernelTable()
        screen = Screen()
        try:
            with within(director):
                yield Site(
                    client, servers, Reconciler(run_dir=tmp_path_factory.mktemp("run"), driver=table, screen=screen)
                )
        finally:
            table.close()
            screen.close()


@contextmanager
def listening(site: Site, address: IPAddress, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with within(site.servers):
        server = socket.create_server((str(address), port), family=family)
    with server:
        server.settimeout(PATIENCE)
        yield server


def connect(network: int, address: IPAddress, port: int, timeout: float = PATIENCE) -> socket.socket:
    with within(network):
        return socket.create_connection((str(address), port), timeout=timeout)


def marked(version: int, *endpoints: Endpoint, **changes: Any) -> VirtualService:
    fields: dict[str, Any] = {
        "endpoints": endpoints,
        "real_servers": (RealServer(REALS[version]),),
        "checks": (),
        "mark": Mark(version, NUMBER, ours=True),
    }
    return service(**(fields | changes))


def ports(version: int, first: int, last: int, protocol: Protocol = Protocol.TCP) -> Endpoint:
    return Endpoint(VIPS[version], first, protocol, last)


@both
def test_a_range_of_ports_is_one_service_by_a_mark(site: Site, version: int) -> None:
    site.apply(marked(version, ports(version, 50000, 60000)))
    for port in (50000, 54321, 60000):
        with listening(site, REALS[version], port) as server, connect(site.client, VIPS[version], port) as client:
            accepted, peer = server.accept()
            assert peer[0] == CLIENT[version]
            accepted.sendall(b"hello")
            assert client.recv(5) == b"hello"
            accepted.close()
    for port in (49999, 60001):
        with pytest.raises(ConnectionRefusedError):
            connect(site.client, VIPS[version], port)


@both
def test_datagrams_to_a_range_are_answered(site: Site, version: int) -> None:
    site.apply(marked(version, ports(version, 50000, 60000, Protocol.UDP)))
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with within(site.servers):
        server = socket.socket(family, socket.SOCK_DGRAM)
    with within(site.client):
        client = socket.socket(family, socket.SOCK_DGRAM)
    with server, client:
        server.bind((str(REALS[version]), 55555))
        client.settimeout(PATIENCE)
        server.settimeout(PATIENCE)
        question = bytes(4000)  # in fragments, of which only the first has a port
        client.sendto(question, (str(VIPS[version]), 55555))
        found, peer = server.recvfrom(10000)
        assert found == question
        server.sendto(b"!", peer)
        answer, source = client.recvfrom(10)
        assert (answer, source[:2]) == (b"!", (str(VIPS[version]), 55555))


@both
def test_the_director_itself_reaches_a_range_too(site: Site, version: int) -> None:
    """Its packets come in by ``lo``."""
    site.apply(marked(version, ports(version, 50000, 60000)))
    where = (str(VIPS[version]), 51000)
    with listening(site, REALS[version], 51000) as server, socket.create_connection(where, PATIENCE) as client:
        accepted, _ = server.accept()
        accepted.sendall(b"hello")
        assert client.recv(5) == b"hello"
        accepted.close()


def test_the_kernel_has_no_port_0_without_persistence(site: Site) -> None:
    """Which is why ``any`` is a mark there."""
    site.apply()
    with kernel_table() as table:
        with_port_0: ServiceKey = AddressKey(Protocol.TCP, VIP, 0)
        reals = DestinationId(with_port_0, DestinationKey(REALS[4], 0))
        assert table.perform([Create(with_port_0, Settings("rr")), Create(reals, Destination(1))]) == [Done(), Done()]
        with listening(site, REALS[4], 3333), pytest.raises((ConnectionRefusedError, TimeoutError)):
            connect(site.client, VIP, 3333, timeout=1)
        table.flush()


def test_every_port_goes_to_one_service_but_those_that_have_their_own(site: Site) -> None:
    own = RealServer(REALS[4], port=8080)
    site.apply(
        marked(4, Endpoint(VIP, 0, Protocol.TCP)),
        service(name="own", endpoints=(HTTP,), real_servers=(own,), checks=()),
    )
    with listening(site, REALS[4], 8080) as other, listening(site, REALS[4], 2222) as any_port:
        with connect(site.client, VIP, 80):
            other.accept()[0].close()
        with connect(site.client, VIP, 2222):
            any_port.accept()[0].close()


def test_one_choice_holds_for_all_ports(site: Site) -> None:
    """A second server would get every other connection: round robin without persistence."""
    with within(site.servers):
        ip("addr add 10.2.0.12/24 dev eth0")
    pair = (RealServer(REALS[4]), RealServer(ip_address("10.2.0.12")))
    http, https = HTTP, Endpoint(VIP, 443, Protocol.TCP)
    site.apply(marked(4, http, https, real_servers=pair, scheduler="rr", persistence_timeout=60 * SECOND))
    with ExitStack() as stack:
        servers = {
            (str(real.address), port): stack.enter_context(listening(site, real.address, port))
            for real in pair
            for port in (80, 443)
        }
        for server in servers.values():
            server.settimeout(0)
        chosen = set()
        for port in (80, 443, 80, 443):
            with connect(site.client, VIP, port):
                for (address, number), server in servers.items():
                    try:
                        server.accept()[0].close()
                    except BlockingIOError:
                        continue
                    assert number == port
                    chosen.add(address)
        assert len(chosen) == 1


def test_a_filter_that_somebody_removes_is_put_back_and_none_is_left_when_no_service_needs_it(site: Site) -> None:
    site.apply(marked(4, ports(4, 50000, 60000)))
    for hook in ("ingress", "egress"):
        subprocess.run(["tc", "filter", "del", "dev", "client", hook], check=True)
    assert "vedette-screen" not in filters_of("client")
    subprocess.run(["tc", "filter", "replace", *FOREIGN.split()], check=True)
    asyncio.run(site.reconciler.reconcile())
    assert "vedette-screen" in filters_of("client")
    site.apply()
    assert "vedette-screen" not in filters_of("client") + filters_of("servers") + filters_of("lo")
    assert "matchall" in filters_of("client")


FOREIGN = "dev client ingress pref 77 protocol all matchall action ok"


def test_an_interface_that_comes_later_is_covered(site: Site) -> None:
    site.apply(marked(4, ports(4, 50000, 60000)))
    ip("link add later type veth peer name later2", "link set later up")
    asyncio.run(site.reconciler.reconcile())
    assert "vedette-screen" in filters_of("later")


def test_the_mark_service_goes_when_the_document_no_longer_has_it(site: Site) -> None:
    site.apply(marked(4, ports(4, 50000, 60000), life=Life(drain=0)))
    with kernel_table() as table:
        assert MarkKey(4, NUMBER) in table.observe()
        site.apply(service(endpoints=(HTTP,), real_servers=(RealServer(REALS[4]),), checks=()))
        assert MarkKey(4, NUMBER) not in table.observe()


def test_connections_by_a_mark_go_on_when_their_ports_leave_the_document_and_new_ones_are_refused(site: Site) -> None:
    """The kernel knows a connection by its addresses and ports; only new ones need the mark."""
    plain = service(endpoints=(HTTP,), real_servers=(RealServer(REALS[4]),), checks=())
    for number, after in enumerate((marked(4, ports(4, 50000, 50100)), plain)):
        site.apply(marked(4, ports(4, 50000, 60000)))
        port = 54321 + number
        with listening(site, REALS[4], port) as server, connect(site.client, VIPS[4], port) as client:
            accepted, _ = server.accept()
            with accepted:
                accepted.settimeout(PATIENCE)
                site.apply(after)
                client.sendall(b"are you there?")
                assert accepted.recv(100) == b"are you there?"
                accepted.sendall(b"yes")
                assert client.recv(3) == b"yes"
                with pytest.raises(ConnectionRefusedError):
                    connect(site.client, VIPS[4], port)


SYN, ACK, PUSH = 0x02, 0x10, 0x08


def segment(flags: int, *, port: int = 80, peer: int = 40000) -> bytes:
    """A TCP header without a sum, which no router looks at."""
    return struct.pack("!HHIIBBHHH", port, peer, 1, 1, 5 << 4, flags, 1000, 0, 0)


def datagram(*, port: int = 80, peer: int = 40000) -> bytes:
    return struct.pack("!HHHH", port, peer, 8, 0)


def init(*, kind: int) -> bytes:
    """An SCTP packet with one chunk."""
    return struct.pack("!HHIIBBH", 80, 40000, 0, 0, kind, 0, 4)


def passes(site: Site, version: int, protocol: int, packet: bytes) -> bool:
    """Whether the client sees a packet that the real server sends from its own address, past IPVS.

    Another packet, from a port that nothing is known of, follows and shows that the first has had its time.
    """
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    first, last = (struct.pack("!H", port) + packet[2:] for port in (81, 82))
    with within(site.client):
        seen = socket.socket(family, socket.SOCK_RAW, protocol)
    with within(site.servers):
        sender = socket.socket(family, socket.SOCK_RAW, protocol)
    with seen, sender:
        seen.settimeout(0.2)
        while not _arrives(seen, first):  # neighbours must find each other
            sender.sendto(first, (CLIENT[version], 0))
        seen.settimeout(PATIENCE)
        for item in (packet, last):
            sender.sendto(item, (CLIENT[version], 0))
        return _arrives(seen, packet, before=last)


def _arrives(seen: socket.socket, packet: bytes, before: bytes = b"") -> bool:
    while True:
        try:
            found = seen.recv(2000)[-len(packet) :]  # IPv4 with its header
        except TimeoutError:
            return False
        if found in (packet, before):
            return found == packet


def web(version: int) -> VirtualService:
    """The same port of three protocols, masqueraded."""
    endpoints = tuple(Endpoint(VIPS[version], 80, protocol) for protocol in Protocol)
    return service(endpoints=endpoints, real_servers=(RealServer(REALS[version]),), checks=())


@both
def test_what_ipvs_has_not_translated_never_leaves_the_director(site: Site, version: int) -> None:
    site.apply(web(version), drop_untranslated=False)
    assert passes(site, version, socket.IPPROTO_TCP, segment(ACK | PUSH))
    site.apply(web(version))
    for flags in (ACK, ACK | PUSH, SYN | ACK, 0x04):
        assert not passes(site, version, socket.IPPROTO_TCP, segment(flags))
    assert not passes(site, version, socket.IPPROTO_UDP, datagram())
    assert not passes(site, version, socket.IPPROTO_SCTP, init(kind=2))


@both
def test_what_a_real_server_begins_itself_passes(site: Site, version: int) -> None:
    site.apply(web(version))
    assert passes(site, version, socket.IPPROTO_TCP, segment(SYN))
    assert passes(site, version, socket.IPPROTO_TCP, segment(ACK))
    assert passes(site, version, socket.IPPROTO_SCTP, init(kind=1))
    assert passes(site, version, socket.IPPROTO_UDP, datagram(peer=53))


@both
def test_who_connects_to_the_real_server_itself_is_answered_and_so_is_who_uses_the_service(
    site: Site, version: int
) -> None:
    site.apply(web(version))
    with listening(site, REALS[version], 80) as server:
        for address in (REALS[version], VIPS[version]):
            with connect(site.client, address, 80) as client:
                accepted, _ = server.accept()
                accepted.sendall(b"hello")
                assert client.recv(5) == b"hello"
                accepted.close()


def filters_of(interface: str) -> str:
    found = [
        subprocess.run(["tc", "filter", "show", "dev", interface, hook], capture_output=True, text=True, check=True)
        for hook in ("ingress", "egress")
    ]
    return "".join(item.stdout for item in found)


@contextmanager
def kernel_table() -> Iterator[KernelTable]:
    table = KernelTable()
    try:
        yield table
    finally:
        table.close()
