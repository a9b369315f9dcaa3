"""Checks through the service, from the director to one real server: what they find, and what a direct check does not.

The test is in the director's namespace, which has the virtual addresses on ``lo`` as every director does.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.health.slow import trial
from tests.health.test_attempts import Result, Trial
from tests.ipvs.documents import CHECK, VIP, document, service, verdicts
from tests.ipvs.namespace import ip, own_network, within

from vedette.addresses.gate import Gate
from vedette.health.judge import Outcome
from vedette.ipvs.kernel import KernelTable
from vedette.ipvs.reconciler import Reconciler
from vedette.ipvs.screen.screen import Screen
from vedette.kit.net import IPAddress, family, parse
from vedette.kit.netlink import Requests
from vedette.spec.probes import DialogueProbe, Step
from vedette.spec.resolved import (
    Encapsulation,
    Endpoint,
    Forwarding,
    Probe,
    Protocol,
    RealServer,
    TcpProbe,
    Tunnel,
    UdpProbe,
    Via,
)
from vedette.state.health import Target
from vedette.state.paths import with_paths
from vedette.state.targets import targets

VIP6 = parse("2001:db8::80")
VIPS = {4: VIP, 6: VIP6}
OWN = {4: "10.2.0.1", 6: "fd02::1"}
REALS = {4: tuple(map(parse, ("10.2.0.11", "10.2.0.12"))), 6: tuple(map(parse, ("fd02::11", "fd02::12")))}
TUNNELS = {
    4: "link add end type ipip local 10.2.0.11 remote 10.2.0.1",
    6: "link add end type ip6tnl mode ip6ip6 local fd02::11 remote fd02::1",
}
PORT, ECHO = 80, 5000
PASSED = (Outcome.PASSED, "connection accepted")
SILENT = 1.0
"""Seconds after which a check that is meant to fail is given up."""
SETTINGS = Path("/proc/sys/net/ipv4/conf")
both = pytest.mark.parametrize("version", [4, 6], ids=["IPv4", "IPv6"])


@dataclass
class Site:
    """A director with one cable to all real servers, which are in one namespace."""

    director: int
    servers: int
    reconciler: Reconciler
    aims: dict[IPAddress, Target]

    def apply(self, forwarding: Forwarding, version: int = 4, probe: Probe | None = None, **changes: object) -> None:
        """Program a service on both ports with both servers, and aim a check at each."""
        check = replace(CHECK, probe=probe or TcpProbe(), via=Via.SERVICE)
        udp = isinstance(probe, UdpProbe)
        endpoint = Endpoint(VIPS[version], ECHO if udp else PORT, Protocol.UDP if udp else Protocol.TCP)
        fields = {
            "endpoints": (endpoint,),
            "real_servers": tuple(map(RealServer, REALS[version])),
            "checks": (check,),
            "forwarding": forwarding,
        }
        spec = with_paths(document(service(**(fields | changes)), digest=os.urandom(8).hex()))
        (virtual,) = spec.virtual_services
        self.reconciler.update(spec, verdicts(spec), complete=True)
        asyncio.run(self.reconciler.reconcile())
        assert self.reconciler.problems() == []
        self.aims = {server.address: targets(virtual, endpoint, server)[0] for server in virtual.real_servers}
        assert self.reconciler.led == {item.mark for item in self.aims.values()}

    def check(self, server: IPAddress) -> Result:
        return check(self.aims[server])


def check(aim: Target) -> Result:
    """Carry a check out once."""

    async def scenario() -> Result:
        running = Trial(aim)
        with suppress(TimeoutError):
            return await asyncio.wait_for(running.result(), SILENT)
        running.attempt.expire("1s")
        return running.results[0]

    return asyncio.run(scenario())


def direct(server: IPAddress, port: int = PORT) -> Result:
    return check(Target(server, port, CHECK))


def wait_for(*neighbours: IPAddress) -> None:
    """A new cable takes a moment."""
    for address in neighbours:
        while direct(address) != (Outcome.FAILED, "connection refused"):
            pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with own_network() as servers, own_network() as director:
        for network in (servers, director):
            with within(network):
                for name in ("accept_dad", "forwarding"):
                    for scope in ("all", "default"):
                        Path(f"/proc/sys/net/ipv6/conf/{scope}/{name}").write_text(str(int(name == "forwarding")))
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        ip(f"link add servers type veth peer name eth0 netns /proc/{os.getpid()}/fd/{servers}", "link set servers up")
        ip(f"addr add {OWN[4]}/24 dev servers", f"addr add {OWN[6]}/64 dev servers nodad")
        ip(f"addr add {VIP}/32 dev lo", f"addr add {VIP6}/128 dev lo nodad")
        with within(servers):
            ip(*(f"addr add {address}/24 dev eth0" for address in REALS[4]))
            ip(*(f"addr add {address}/64 dev eth0 nodad" for address in REALS[6]), "link set eth0 up")
            ip(f"route add default via {OWN[4]}", f"route add ::/0 via {OWN[6]}")
        wait_for(REALS[4][0], REALS[6][0])
        with closing(KernelTable()) as table, closing(Screen()) as screen:
            reconciler = Reconciler(run_dir=tmp_path, driver=table, screen=screen)
            yield Site(director, servers, reconciler, {})


@contextmanager
def listening(network: int, *addresses: IPAddress, port: int = PORT) -> Iterator[list[socket.socket]]:
    """The kernel accepts what comes, as for any server that is busy for a moment."""
    with ExitStack() as stack:
        with within(network):
            found = [
                stack.enter_context(socket.create_server((str(item), port), family=family(item))) for item in addresses
            ]
        yield found


def peer(server: socket.socket) -> str:
    """Who has connected."""
    accepted, address = server.accept()
    accepted.close()
    return str(address[0])


def have_vip(site: Site, version: int) -> None:
    """The servers get the virtual address, as for direct routing and tunnels."""
    with within(site.servers):
        ip(f"addr add {VIPS[version]}/{32 if version == 4 else 128} dev lo")


@both
def test_a_direct_routed_server_with_the_virtual_address_passes(site: Site, version: int) -> None:
    have_vip(site, version)
    site.apply(Forwarding.DIRECT_ROUTING, version)
    with listening(site.servers, VIPS[version]) as (server,):
        assert site.check(REALS[version][0]) == PASSED
        assert peer(server) == OWN[version]


@both
def test_a_server_without_the_virtual_address_fails_though_a_direct_check_passes(site: Site, version: int) -> None:
    site.apply(Forwarding.DIRECT_ROUTING, version)
    with listening(site.servers, *REALS[version]):
        assert direct(REALS[version][0]) == PASSED
        assert site.check(REALS[version][0])[0] is Outcome.FAILED


@both
def test_a_tunnelled_server_passes_until_its_tunnel_is_down(site: Site, version: int) -> None:
    have_vip(site, version)
    with within(site.servers):
        ip(TUNNELS[version], "link set end up")
        (SETTINGS / "end/rp_filter").write_text("0")
    site.apply(Forwarding.TUNNEL, version, tunnel=Tunnel(Encapsulation.IPIP))
    first = REALS[version][0]
    with listening(site.servers, VIPS[version], first):
        assert site.check(first) == PASSED
        with within(site.servers):
            ip("link set end down")
        assert site.check(first)[0] is Outcome.FAILED
        assert direct(first) == PASSED


@both
def test_a_masqueraded_server_passes_at_its_own_port(site: Site, version: int) -> None:
    servers = tuple(RealServer(address, port=8080) for address in REALS[version])
    site.apply(Forwarding.MASQUERADE, version, real_servers=servers)
    first, second = REALS[version]
    with listening(site.servers, first, port=8080):
        assert site.check(first) == PASSED
        assert site.check(second) == (Outcome.FAILED, "connection refused")


@pytest.mark.parametrize("forwarding", [Forwarding.DIRECT_ROUTING, Forwarding.MASQUERADE])
@both
def test_no_other_server_answers_for_one_that_is_dead(site: Site, version: int, forwarding: Forwarding) -> None:
    """Not even again and again, from all the ports that the kernel chooses."""
    first, second = REALS[version]
    with within(site.servers):
        ip(f"addr del {second}/{24 if version == 4 else 64} dev eth0")
        ip(f"neigh add {second} lladdr 02:00:00:00:00:99 dev eth0")
    ip(f"neigh replace {second} lladdr 02:00:00:00:00:99 dev servers")
    if forwarding is not Forwarding.MASQUERADE:
        have_vip(site, version)
    site.apply(forwarding, version)
    with listening(site.servers, first if forwarding is Forwarding.MASQUERADE else VIPS[version]):
        for _ in range(50):
            assert site.check(first) == PASSED
        assert site.check(second)[0] is Outcome.FAILED


@pytest.mark.parametrize("probe", [TcpProbe(), DialogueProbe((Step(expect="^hello"),))], ids=["fast", "slow"])
def test_a_dead_server_keeps_one_port_and_leaves_the_others_to_the_living(site: Site, probe: Probe) -> None:
    """IPVS would send any other server's check from the dead one's ports to the dead one, for a minute."""
    site.apply(Forwarding.DIRECT_ROUTING, probe=probe)
    first, _ = REALS[4]
    for _ in range(4):
        if isinstance(probe, TcpProbe):
            assert site.check(first)[0] is Outcome.FAILED
        else:
            assert not asyncio.run(trial.attempt(site.aims[first], trial.SHORT)).passed
    waiting = [line for line in Path("/proc/net/ip_vs_conn").read_text().splitlines() if "SYN_RECV" in line]
    assert len(waiting) == 1


def test_a_server_that_gets_no_clients_is_checked_all_the_same(site: Site) -> None:
    have_vip(site, 4)
    servers = tuple(RealServer(address, weight=0, max_connections=1) for address in REALS[4])
    site.apply(Forwarding.DIRECT_ROUTING, real_servers=servers, maintenance=True)
    with listening(site.servers, VIP):
        assert {site.check(address) for address in REALS[4] for _ in range(3)} == {PASSED}


@both
def test_datagrams_are_answered_and_leave_no_connection_behind(site: Site, version: int) -> None:
    have_vip(site, version)
    site.apply(Forwarding.DIRECT_ROUTING, version, UdpProbe(b"hello", "^hello$"))
    with within(site.servers):
        echo = socket.socket(family(VIPS[version]), socket.SOCK_DGRAM)
    with echo:
        echo.bind((str(VIPS[version]), ECHO))
        answering = threading.Thread(target=lambda: echo.sendto(*echo.recvfrom(100)), daemon=True)
        answering.start()
        assert site.check(REALS[version][0]) == (Outcome.PASSED, "answered")
        answering.join()
    assert not [line for line in Path("/proc/net/ip_vs_conn").read_text().splitlines() if line.startswith("UDP")]


def test_the_slow_lane_goes_the_same_way(site: Site) -> None:
    have_vip(site, 4)
    site.apply(Forwarding.DIRECT_ROUTING, probe=DialogueProbe((Step(expect="^hello"),)))
    with listening(site.servers, VIP) as (server,):

        def greet() -> None:
            accepted, peer = server.accept()
            accepted.sendall(b"hello " + peer[0].encode() + b"\n")
            accepted.close()

        threading.Thread(target=greet, daemon=True).start()
        assert asyncio.run(trial.attempt(site.aims[REALS[4][0]])).passed


@both
def test_a_server_that_routes_does_not_pass_the_check_on(site: Site, version: int) -> None:
    """Without the virtual address, but forwarding: the packet would come to whoever has it, such as the holder."""
    vip = VIPS[version]
    with own_network() as holder, within(site.director):
        with within(site.servers):
            ip(f"link add onward type veth peer name eth0 netns /proc/{os.getpid()}/fd/{holder}", "link set onward up")
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            ip("addr add 10.3.0.1/24 dev onward", "addr add fd03::1/64 dev onward nodad")
        with within(holder):
            ip("addr add 10.3.0.2/24 dev eth0", "addr add fd03::2/64 dev eth0 nodad", "link set eth0 up")
            ip(f"addr add {vip}/{32 if version == 4 else 128} dev lo")
            ip("route add default via 10.3.0.1", "route add ::/0 via fd03::1")
        with within(site.servers):
            onward = parse("10.3.0.2" if version == 4 else "fd03::2")
            ip(f"route add {vip} via {onward}")
            wait_for(onward)
        site.apply(Forwarding.DIRECT_ROUTING, version)
        first = REALS[version][0]
        with listening(holder, vip):
            aim = site.aims[first]
            assert aim.behind is not None
            assert check(aim)[0] is Outcome.FAILED
            assert check(replace(aim, behind=replace(aim.behind, near=False))) == PASSED


@contextmanager
def gate(*interfaces: str) -> Iterator[Gate]:
    with closing(Requests(socket.NETLINK_ROUTE)) as requests, closing(Gate.open(requests)) as found:
        found.members({VIP: "web", VIP6: "web"})
        assert found.cover([socket.if_nametoindex(name) for name in interfaces]) == {}
        yield found


@both
def test_a_standby_whose_gate_is_closed_checks_as_the_holder_does(site: Site, version: int) -> None:
    have_vip(site, version)
    site.apply(Forwarding.DIRECT_ROUTING, version)
    first = REALS[version][0]
    with gate("servers") as closed, listening(site.servers, VIPS[version]):
        assert site.check(first) == PASSED
        closed.grant("web", (1 << 63) - 1)
        ip(f"addr add {VIPS[version]}/{32 if version == 4 else 128} dev servers{' nodad' if version == 6 else ''}")
        assert site.check(first) == PASSED


def test_a_standby_that_takes_such_answers_in_does_not_pass_them_on(site: Site) -> None:
    """What a server sends to a client as the virtual address, by way of this director, stops at the gate."""
    have_vip(site, 4)
    site.apply(Forwarding.DIRECT_ROUTING)
    assert (SETTINGS / "all/accept_local").read_text().strip() == "1"
    with own_network() as client, within(site.director), gate("servers") as guard:
        ip(f"link add client type veth peer name eth0 netns /proc/{os.getpid()}/fd/{client}", "link set client up")
        ip("addr add 10.1.0.1/24 dev client")
        with within(client):
            ip("addr add 10.1.0.2/24 dev eth0", "link set eth0 up", f"route add {VIP} via 10.1.0.1")
            heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        wait_for(parse("10.1.0.2"))
        with within(site.servers):
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with heard, sender:
            heard.bind(("10.1.0.2", 9))
            heard.settimeout(SILENT)
            sender.bind((str(VIP), 9))
            guard.cover([socket.if_nametoindex("client")])
            sender.sendto(b"closed", ("10.1.0.2", 9))
            with pytest.raises(TimeoutError):
                heard.recv(100)
            guard.grant("web", (1 << 63) - 1)
            sender.sendto(b"open", ("10.1.0.2", 9))
            assert heard.recv(100) == b"open"


@pytest.mark.parametrize(("found", "left"), [("0", "0"), ("1", "2"), ("2", "2")])
def test_a_strict_filter_becomes_a_loose_one_and_no_filter_stays_none(site: Site, found: str, left: str) -> None:
    have_vip(site, 4)
    (SETTINGS / "all/rp_filter").write_text("0")
    (SETTINGS / "servers/rp_filter").write_text(found)
    site.apply(Forwarding.DIRECT_ROUTING)
    effective = max((SETTINGS / name / "rp_filter").read_text().strip() for name in ("all", "servers"))
    assert effective == left
    with listening(site.servers, VIP):
        assert site.check(REALS[4][0]) == PASSED


def test_masquerading_needs_no_setting(site: Site) -> None:
    (SETTINGS / "servers/rp_filter").write_text("1")
    site.apply(Forwarding.MASQUERADE)
    assert (SETTINGS / "all/accept_local").read_text().strip() == "0"
    assert (SETTINGS / "all/rp_filter").read_text().strip() == "0"


def test_a_server_on_the_director_itself_is_checked_where_clients_reach_it(site: Site) -> None:
    site.apply(Forwarding.DIRECT_ROUTING, real_servers=(RealServer(parse(OWN[4])),))
    aim = site.aims[parse(OWN[4])]
    assert check(aim) == (Outcome.FAILED, "connection refused")
    with socket.create_server((str(VIP), PORT)):
        assert check(aim) == PASSED


def test_an_address_to_come_from_may_be_written(site: Site) -> None:
    have_vip(site, 4)
    ip("addr add 10.2.0.5/24 dev servers")
    site.apply(Forwarding.DIRECT_ROUTING)
    aim = site.aims[REALS[4][0]]
    with listening(site.servers, VIP) as (server,):
        assert check(replace(aim, check=replace(aim.check, source=(parse("10.2.0.5"),)))) == PASSED
        assert peer(server) == "10.2.0.5"


def test_without_a_way_to_the_server_the_check_fails(site: Site) -> None:
    site.apply(Forwarding.DIRECT_ROUTING, real_servers=(RealServer(parse("192.0.2.9")),))
    assert site.check(parse("192.0.2.9")) == (Outcome.FAILED, "no route to the server")


def test_a_server_of_the_other_family_is_checked_from_the_address_that_is_written(site: Site) -> None:
    have_vip(site, 6)
    with within(site.servers):
        ip("link add end type sit mode ip6ip local 10.2.0.11 remote 10.2.0.1", "link set end up")
        (SETTINGS / "end/rp_filter").write_text("0")
    servers = (RealServer(REALS[4][0]),)
    site.apply(Forwarding.TUNNEL, 6, tunnel=Tunnel(Encapsulation.IPIP), real_servers=servers)
    aim = site.aims[REALS[4][0]]
    with listening(site.servers, VIP6):
        assert check(aim) == (
            Outcome.BLOCKED,
            "the servers have the other address family: write a `sourceAddress` for the checks",
        )
        assert check(replace(aim, check=replace(aim.check, source=(parse(OWN[6]),)))) == PASSED
