"""Which target decides on which real server."""

from dataclasses import replace
from ipaddress import ip_address
from itertools import permutations

import pytest
from tests.spec.documents import document, resolve

from vedette.kit.units import SECOND
from vedette.spec.probes import Arguments, DnsProbe, ExecProbe, FileProbe, ProcessProbe, Transport
from vedette.spec.resolved import (
    ClusterSpec,
    Endpoint,
    HealthCheck,
    Heartbeat,
    PingProbe,
    Protocol,
    RealServer,
    SorryPage,
    SorryServer,
    SplitBrainPolicy,
    TcpProbe,
    UdpProbe,
    VirtualService,
)
from vedette.state.health import UNKNOWN, Health, Target, Verdict
from vedette.state.targets import (
    ASSUMED,
    LOCAL,
    UNCHECKED,
    all_targets,
    decisive,
    sorry_targets,
    sorry_verdict,
    targets,
)

VIP = ip_address("203.0.113.80")
SERVER = ip_address("10.0.0.11")
UP, DOWN = Verdict(Health.UP, 1, "connection accepted"), Verdict(Health.DOWN, 2, "connection refused")
PING = HealthCheck(PingProbe(), SECOND, SECOND, 1, 1)
UDP = HealthCheck(UdpProbe(), SECOND, SECOND, 1, 1)
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


def test_a_datagram_check_goes_to_the_datagram_port() -> None:
    check = HealthCheck(DnsProbe(), SECOND, SECOND, 1, 1)
    dns = service(endpoint(53), endpoint(5353, Protocol.UDP), endpoint(53, Protocol.UDP), checks=(check,))
    assert [ports(dns, at, RealServer(SERVER)) for at in dns.endpoints] == [[53], [5353], [53]]
    over_tcp = HealthCheck(DnsProbe(transport=Transport.TCP), SECOND, SECOND, 1, 1)
    dns = service(endpoint(53), endpoint(5353, Protocol.UDP), checks=(over_tcp,))
    assert [ports(dns, at, RealServer(SERVER)) for at in dns.endpoints] == [[53], [53]]


def test_a_check_of_this_node_is_made_once_for_all_servers_and_endpoints() -> None:
    checks = tuple(HealthCheck(probe, SECOND, SECOND, 1, 1) for probe in (FileProbe("/run/ready"), ProcessProbe("x")))
    mixed = service(endpoint(80), endpoint(514, Protocol.UDP), checks=checks)
    found = {targets(mixed, at, RealServer(ip_address(f"10.0.0.{n}"))) for at in mixed.endpoints for n in (11, 12)}
    assert found == {tuple(Target(LOCAL, 0, check) for check in checks)}


def test_a_file_that_is_named_after_its_server_is_another_check_for_each() -> None:
    check = HealthCheck(FileProbe("/run/{address}.weight", dynamic_weight=True), SECOND, SECOND, 1, 1)
    mixed = service(endpoint(80), endpoint(514, Protocol.UDP), checks=(check,))
    found = {targets(mixed, at, RealServer(ip_address(f"10.0.0.{n}"))) for at in mixed.endpoints for n in (11, 12)}
    assert {(target.address, target.check.probe) for (target,) in found} == {
        (LOCAL, FileProbe(f"/run/10.0.0.{n}.weight", dynamic_weight=True)) for n in (11, 12)
    }


def test_a_command_applies_to_datagrams_too_and_knows_who_asks_if_it_wants_to() -> None:
    for arguments, known in ((Arguments.SERVER, None), (Arguments.LDIRECTORD, VIP)):
        check = HealthCheck(ExecProbe(("/bin/true",), arguments=arguments), SECOND, SECOND, 1, 1)
        syslog = service(endpoint(514, Protocol.UDP), checks=(check,))
        (found,) = targets(syslog, syslog.endpoints[0], RealServer(SERVER, port=1514))
        assert (found.address, found.port) == (SERVER, 1514)
        assert isinstance(found.check.probe, ExecProbe)
        assert (found.check.probe.virtual_address, found.check.probe.virtual_port) == (known, 514 if known else 0)


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


@pytest.mark.parametrize(
    ("required", "ups", "downs", "health"),
    [
        (1, 1, 2, Health.UP),
        (1, 0, 2, Health.UNKNOWN),
        (1, 0, 3, Health.DOWN),
        (2, 2, 1, Health.UP),
        (2, 2, 0, Health.UP),
        (2, 1, 1, Health.UNKNOWN),
        (2, 1, 2, Health.DOWN),
        (3, 2, 1, Health.DOWN),
        (8, 2, 0, Health.UNKNOWN),
        (8, 3, 0, Health.UP),
    ],
)
def test_as_many_checks_must_pass_as_the_service_wants(required: int, ups: int, downs: int, health: Health) -> None:
    checks = tuple(HealthCheck(TcpProbe(), SECOND, SECOND, 1, 1, port=port) for port in (1, 2, 3))
    web = replace(service(endpoint(80), checks=checks), checks_required=required)
    all_three = targets(web, web.endpoints[0], RealServer(SERVER))
    for order in permutations(all_three):
        verdicts = dict.fromkeys(order[:ups], UP) | dict.fromkeys(order[ups : ups + downs], DOWN)
        assert decisive(web, web.endpoints[0], RealServer(SERVER), verdicts).health is health


def test_a_ping_has_no_port_and_applies_to_every_service() -> None:
    syslog = service(endpoint(514, Protocol.UDP), checks=(PING,))
    assert targets(syslog, syslog.endpoints[0], RealServer(SERVER, port=7)) == (Target(SERVER, 0, PING),)


def test_a_datagram_check_goes_where_the_datagrams_go() -> None:
    dns = service(endpoint(853), endpoint(53, Protocol.UDP), checks=(UDP,))
    assert ports(dns, dns.endpoints[0], RealServer(SERVER)) == [53]
    assert ports(dns, dns.endpoints[1], RealServer(SERVER, port=5353)) == [5353]
    web = service(endpoint(80), checks=(UDP,))
    assert ports(web, web.endpoints[0], RealServer(SERVER)) == []


def test_who_does_not_hold_the_group_leaves_alone_what_only_the_holder_checks() -> None:
    spec = resolve(
        document(
            "virtualServices:\n"
            "  - {ports: [80], realServers: [{address: 10.0.0.11}], checksOnStandby: false}\n"
            "  - {ports: [81], realServers: [{address: 10.0.0.11}]}"
        )
    )
    assert [target.port for target in all_targets(spec)] == [80, 81]
    assert [target.port for target in all_targets(spec, {"default"})] == [80, 81]
    assert [target.port for target in all_targets(spec, ())] == [81]


def test_a_server_that_only_the_holder_checks_counts_as_up_until_it_is_checked() -> None:
    web = replace(service(endpoint(80)), checks_on_standby=False)
    (only,) = targets(web, web.endpoints[0], RealServer(SERVER))
    assert decisive(web, web.endpoints[0], RealServer(SERVER), {}) == ASSUMED
    assert decisive(web, web.endpoints[0], RealServer(SERVER), {only: DOWN}) == DOWN
    assert decisive(web, web.endpoints[0], RealServer(SERVER), {only: UNKNOWN}) == UNKNOWN


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
