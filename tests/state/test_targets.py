"""Which target decides on which real server."""

from dataclasses import replace
from ipaddress import ip_address

from vedette.kit.units import SECOND
from vedette.spec.resolved import (
    ClusterSpec,
    Endpoint,
    HealthCheck,
    Heartbeat,
    Protocol,
    RealServer,
    SorryPage,
    SorryServer,
    SplitBrainPolicy,
    TcpProbe,
    VirtualService,
)
from vedette.state.health import Health, Target, Verdict
from vedette.state.targets import UNCHECKED, all_targets, decisive, sorry_targets, sorry_verdict, targets

VIP = ip_address("203.0.113.80")
SERVER = ip_address("10.0.0.11")
CHECK = HealthCheck(probe=TcpProbe(), interval=SECOND, timeout=SECOND, rise=1, fall=1)


def endpoint(port: int, protocol: Protocol = Protocol.TCP) -> Endpoint:
    return Endpoint(VIP, port, protocol)


def service(*endpoints: Endpoint, checks: tuple[HealthCheck, ...] = (CHECK,)) -> VirtualService:
    return VirtualService(name="web", group="default", endpoints=endpoints, real_servers=(), checks=checks)


def ports(virtual: VirtualService, at: Endpoint, server: RealServer) -> list[int]:
    return [target.port for target in targets(virtual, at, server)]


def test_the_default_port_is_where_the_traffic_goes() -> None:
    web = service(endpoint(80), endpoint(443))
    assert ports(web, web.endpoints[1], RealServer(SERVER)) == [443]
    assert ports(web, web.endpoints[1], RealServer(SERVER, port=8443)) == [8443]


def test_the_checks_own_address_and_port_win() -> None:
    other = ip_address("192.0.2.1")
    check = HealthCheck(TcpProbe(), SECOND, SECOND, 1, 1, address=other, port=9000)
    web = service(endpoint(80), checks=(check,))
    assert targets(web, web.endpoints[0], RealServer(SERVER, port=8080)) == (Target(other, 9000, CHECK),)


def test_endpoints_that_share_a_real_port_share_their_target() -> None:
    web = service(endpoint(80), endpoint(8080))
    server = RealServer(SERVER, port=8000)
    assert targets(web, web.endpoints[0], server) == targets(web, web.endpoints[1], server)


def test_a_datagram_endpoint_is_checked_at_the_tcp_port_of_the_same_number() -> None:
    dns = service(endpoint(853), endpoint(53), endpoint(53, Protocol.UDP))
    assert ports(dns, dns.endpoints[2], RealServer(SERVER)) == [53]


def test_a_datagram_endpoint_is_else_checked_at_the_first_tcp_port() -> None:
    media = service(endpoint(5060), endpoint(7000, Protocol.UDP))
    assert ports(media, media.endpoints[1], RealServer(SERVER)) == [5060]


def test_a_service_without_tcp_is_always_up_unless_its_check_names_a_port() -> None:
    syslog = service(endpoint(514, Protocol.UDP))
    assert targets(syslog, syslog.endpoints[0], RealServer(SERVER)) == ()
    assert decisive(syslog, syslog.endpoints[0], RealServer(SERVER), {}) == UNCHECKED
    named = service(endpoint(514, Protocol.UDP), checks=(HealthCheck(TcpProbe(), SECOND, SECOND, 1, 1, port=601),))
    assert ports(named, named.endpoints[0], RealServer(SERVER)) == [601]


def test_down_decides_before_unknown_and_unknown_before_up() -> None:
    checks = tuple(HealthCheck(TcpProbe(), SECOND, SECOND, 1, 1, port=port) for port in (1, 2, 3))
    web = service(endpoint(80), checks=checks)
    up, down = Verdict(Health.UP, 1, ""), Verdict(Health.DOWN, 2, "connection refused")
    first, second, third = targets(web, web.endpoints[0], RealServer(SERVER))

    def decided(verdicts: dict[Target, Verdict]) -> Health:
        return decisive(web, web.endpoints[0], RealServer(SERVER), verdicts).health

    assert decided({first: up, second: down}) is Health.DOWN
    assert decided({first: up, second: up}) is Health.UNKNOWN
    assert decided({first: up, second: up, third: up}) is Health.UP


def test_a_service_without_checks_is_always_up() -> None:
    web = service(endpoint(80), checks=())
    assert decisive(web, web.endpoints[0], RealServer(SERVER), {}).health is Health.UP


def test_a_sorry_server_elsewhere_is_checked_at_its_own_port_by_its_own_checks() -> None:
    sorry = SorryServer(remote=RealServer(SERVER, port=8080), checks=(CHECK,))
    web = replace(service(endpoint(80), checks=()), sorry=sorry)
    (target,) = sorry_targets(web, web.endpoints[0])
    assert (target.address, target.port) == (SERVER, 8080)
    spec = ClusterSpec(
        name="web",
        digest="",
        nodes=(),
        keys=(),
        heartbeat=Heartbeat(1, 2, 3, 4, ()),
        policy=SplitBrainPolicy.MAJORITY,
        groups=(),
        virtual_services=(web,),
    )
    assert list(all_targets(spec)) == [target]
    verdict = sorry_verdict(web, web.endpoints[0], {target: Verdict(Health.DOWN, 1, "connection refused")})
    assert verdict is not None
    assert verdict.health is Health.DOWN
    page = replace(web, sorry=SorryServer(page=SorryPage(503, "sorry")))
    assert sorry_verdict(page, page.endpoints[0], {}) is None
