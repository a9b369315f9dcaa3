"""What a document means: defaults, ranges, references, port lists."""

from ipaddress import ip_address

from tests.spec.documents import HEAD, check, document, faults, resolve

from vedette.kit import plain
from vedette.kit.units import MILLISECOND, MINUTE, SECOND
from vedette.spec import defaults
from vedette.spec.resolved import (
    ClusterSpec,
    Endpoint,
    Failback,
    Forwarding,
    HealthCheck,
    HttpProbe,
    IpvsTimeouts,
    Link,
    OnFailure,
    Protocol,
    RealServer,
    Role,
    SorryPage,
    SplitBrainPolicy,
    TcpProbe,
    VirtualAddress,
    VirtualService,
)

TCP_CHECK = HealthCheck(probe=TcpProbe(), interval=2 * SECOND, timeout=SECOND, rise=2, fall=3)


def service(text: str, *, more: str = "") -> VirtualService:
    """Resolve one virtual service, written in flow style without its braces."""
    return resolve(document(f"{more}\nvirtualServices: [{{{text}}}]")).virtual_services[0]


def test_everything_has_a_default() -> None:
    spec = resolve(
        document("virtualServices: [{addresses: [public], ports: [80], realServers: [{address: 10.0.0.11}]}]")
    )
    assert spec.heartbeat.interval == 500 * MILLISECOND
    assert spec.heartbeat.warn_after == 1500 * MILLISECOND
    assert spec.heartbeat.dead_after == 3 * SECOND
    assert spec.heartbeat.startup_grace == 10 * SECOND
    addresses = {"r1": ip_address("10.0.0.2"), "r2": ip_address("10.0.0.3"), "w": ip_address("10.0.0.4")}
    assert spec.heartbeat.links == (Link(name="default", port=694, addresses=addresses),)
    assert spec.policy is SplitBrainPolicy.MAJORITY
    assert [node.role for node in spec.nodes] == [Role.DIRECTOR, Role.DIRECTOR, Role.WITNESS]
    (group,) = spec.groups
    assert (group.name, group.nodes, group.preferred_nodes) == ("default", ("r1", "r2"), ())
    assert (group.failback, group.failback_delay) == (Failback.AUTOMATIC, 0)
    assert group.addresses == (
        VirtualAddress("public", ip_address("203.0.113.80"), 24),
        VirtualAddress("gateway", ip_address("10.0.0.1"), 24),
    )
    (found,) = spec.virtual_services
    assert found == VirtualService(
        name="203.0.113.80:80",
        group="default",
        endpoints=(Endpoint(ip_address("203.0.113.80"), 80, Protocol.TCP),),
        real_servers=(RealServer(ip_address("10.0.0.11")),),
        checks=(TCP_CHECK,),
    )
    assert spec.ipvs_timeouts == IpvsTimeouts()


def test_an_address_without_prefix_is_one_host_and_named_by_its_text() -> None:
    spec = resolve(document(groups='[{addresses: [{address: 203.0.113.80}, {address: "2001:db8::80/64"}]}]'))
    assert spec.groups[0].addresses == (
        VirtualAddress("203.0.113.80", ip_address("203.0.113.80"), 32),
        VirtualAddress("2001:db8::80", ip_address("2001:db8::80"), 64),
    )


def test_a_ranges_name_means_all_of_it_and_one_inside_may_be_referred_to() -> None:
    groups = "[{addresses: [{name: clients, address: 203.0.113.81-203.0.113.83/24}]}]"
    for reference, count in (("clients", 3), ("203.0.113.82", 1)):
        text = f"virtualServices: [{{addresses: [{reference}], ports: [80], realServers: []}}]"
        assert len(resolve(document(text, groups=groups)).virtual_services[0].endpoints) == count


def test_a_service_without_addresses_has_all_of_the_group() -> None:
    endpoints = service("ports: [80], realServers: []").endpoints
    assert [str(endpoint.address) for endpoint in endpoints] == ["203.0.113.80", "10.0.0.1"]


def test_ports_are_lists_ranges_and_protocols() -> None:
    endpoints = service("addresses: [public], ports: [80, 53/udp, 8000-8002], realServers: []").endpoints
    assert [(endpoint.port, endpoint.protocol.value) for endpoint in endpoints] == [
        (80, "tcp"), (53, "udp"), (8000, "tcp"), (8001, "tcp"), (8002, "tcp"),
    ]  # fmt: skip


def test_real_servers_are_expanded_and_pools_shared() -> None:
    pools = "serverPools: [{name: app, realServers: [{address: 10.0.0.11-10.0.0.12, weight: 5, port: 8080}]}]"
    found = service("addresses: [public], ports: [80], serverPool: app", more=pools)
    assert found.real_servers == tuple(
        RealServer(address=ip_address(address), port=8080, weight=5) for address in ("10.0.0.11", "10.0.0.12")
    )


def test_what_is_written_in_place_wins_over_the_named_check_and_that_over_the_defaults() -> None:
    more = (
        "defaults: {checks: {interval: 4s, fall: 9}}\n"
        "checks: [{name: app, http: {path: /up}, interval: 3s, timeout: 500ms, port: 81}]"
    )
    found = service("addresses: [public], ports: [80], realServers: [], checks: [{use: app, port: 82}]", more=more)
    assert found.checks == (
        HealthCheck(
            probe=HttpProbe(path="/up"), interval=3 * SECOND, timeout=500 * MILLISECOND, rise=2, fall=9, port=82
        ),
    )


def test_no_checks_and_the_default_check_differ() -> None:
    assert service("addresses: [public], ports: [80], realServers: [], checks: []").checks == ()
    assert service("addresses: [public], ports: [80], realServers: []").checks == (TCP_CHECK,)


def test_a_short_interval_shortens_the_default_timeout() -> None:
    (found,) = service("ports: [80], realServers: [], checks: [{tcp: {}, interval: 200ms}]").checks
    assert found.timeout == 200 * MILLISECOND


def test_a_udp_service_without_a_check_is_warned_of() -> None:
    report = check(document("virtualServices: [{ports: [53/udp], realServers: [{address: 10.0.0.11}]}]"))
    assert report.spec is not None
    assert report.spec.virtual_services[0].checks == ()
    assert [warning.path for warning in report.warnings] == ["spec.virtualServices[0]"]


def test_http_checks_keep_what_they_send_and_expect() -> None:
    written = "{path: /a?b=c, method: HEAD, host: www, headers: {X-Probe: '1'}, expect: {status: [200, 300-399]}}"
    (found,) = service(f"ports: [80], realServers: [], checks: [{{http: {written}}}]").checks
    assert found.probe == HttpProbe(
        path="/a?b=c", method="HEAD", host="www", headers=(("X-Probe", "1"),), statuses=((200, 200), (300, 399))
    )


def test_service_settings_come_from_the_defaults_unless_written() -> None:
    more = (
        "defaults: {virtualServices: {scheduler: mh, schedulerFlags: [port, fallback], forwarding: directRouting, "
        "onFailure: quiesce, persistence: {}, sorryServer: {page: {}}}}"
    )
    found = service("addresses: [public], ports: [80], realServers: []", more=more)
    assert (found.scheduler, found.scheduler_flags) == ("mh", ("fallback", "port"))
    assert (found.forwarding, found.on_failure) == (Forwarding.DIRECT_ROUTING, OnFailure.QUIESCE)
    assert found.persistence_timeout == 6 * MINUTE
    assert found.sorry is not None
    assert found.sorry.page == SorryPage(status=503, body=defaults.PAGE_BODY)
    found = service(
        "addresses: [public], ports: [80], realServers: [], scheduler: rr, persistence: {timeout: 0s}", more=more
    )
    assert (found.scheduler, found.scheduler_flags, found.persistence_timeout) == ("rr", (), 0)


def test_a_sorry_server_is_a_page_or_a_server_elsewhere() -> None:
    found = service("addresses: [public], ports: [80], realServers: [], sorryServer: {address: 10.0.0.99, port: 8080}")
    assert found.sorry is not None
    assert found.sorry.remote == RealServer(ip_address("10.0.0.99"), port=8080)
    found = service(
        "addresses: [public], ports: [80], realServers: [], "
        "sorryServer: {page: {status: 200, body: x, headers: {Retry-After: '9'}}}"
    )
    assert found.sorry is not None
    assert found.sorry.page == SorryPage(status=200, body="x", headers=(("Retry-After", "9"),))


def test_a_service_of_both_families_becomes_one_for_each() -> None:
    groups = '[{addresses: [{name: v4, address: 203.0.113.80/24}, {name: v6, address: "2001:db8::80/64"}]}]'
    text = 'virtualServices: [{name: web, ports: [80], realServers: [{address: 10.0.0.11}, {address: "2001:db8::11"}]}]'
    four, six = resolve(document(text, groups=groups)).virtual_services
    assert (four.name, six.name) == ("web", "web/ipv6")
    for part in (four, six):
        (family,) = {endpoint.address.version for endpoint in part.endpoints}
        assert {server.address.version for server in part.real_servers} == {family}


def test_a_family_without_servers_is_warned_of() -> None:
    groups = '[{addresses: [{name: v4, address: 203.0.113.80/24}, {name: v6, address: "2001:db8::80/64"}]}]'
    report = check(document("virtualServices: [{ports: [80], realServers: [{address: 10.0.0.11}]}]", groups=groups))
    assert report.spec is not None
    assert "IPv6" in report.warnings[0].message


def test_the_group_follows_from_the_addresses() -> None:
    groups = "[{name: a, addresses: [{address: 203.0.113.80}]}, {name: b, addresses: [{address: 203.0.113.81}]}]"
    text = "virtualServices: [{addresses: [203.0.113.81], ports: [80], realServers: []}]"
    assert resolve(document(text, groups=groups)).virtual_services[0].group == "b"


def test_one_name_in_two_groups_needs_the_group_to_be_said() -> None:
    one, other = "addresses: [{name: v, address: 203.0.113.80}]", "addresses: [{name: v, address: 203.0.113.81}]"
    groups = f"[{{name: a, {one}}}, {{name: b, {other}}}]"
    text = "virtualServices: [{{addresses: [v], ports: [80], realServers: []{}}}]"
    assert "several groups" in faults(document(text.format(""), groups=groups))[0]
    found = resolve(document(text.format(", group: b"), groups=groups)).virtual_services[0]
    assert str(found.endpoints[0].address) == "203.0.113.81"


def test_links_take_their_addresses_from_the_nodes() -> None:
    more = """\
heartbeat:
  links:
    - {name: lan, interface: lan, unicast: {}}
    - {name: cross, unicast: {}, port: 695}
    - {name: all, interface: lan, multicast: {group: 239.192.69.4}}
    - {name: wide, interface: lan, broadcast: {}}
"""
    nodes = (
        "[{name: r1, address: 10.0.0.2, linkAddresses: {cross: 10.1.0.2}, interfaces: {lan: eth0}, standby: true}, "
        "{name: r2, address: 10.0.0.3, linkAddresses: {cross: 10.1.0.3}, maintenance: true}, "
        "{name: w, address: 10.0.0.4, role: witness}]"
    )
    spec = resolve(document(more, nodes=nodes))
    lan, cross, multicast, broadcast = spec.heartbeat.links
    assert lan.addresses == {"r1": ip_address("10.0.0.2"), "r2": ip_address("10.0.0.3"), "w": ip_address("10.0.0.4")}
    assert (cross.addresses, cross.port) == ({"r1": ip_address("10.1.0.2"), "r2": ip_address("10.1.0.3")}, 695)
    assert multicast.multicast == ip_address("239.192.69.4")
    assert broadcast.broadcast
    assert spec.node("r1").kernel_interface("lan") == "eth0"
    assert (spec.node("r1").standby, spec.node("r2").maintenance) == (True, True)


def test_one_node_needs_neither_policy_nor_links() -> None:
    spec = resolve(document(nodes="[{name: r1}]"))
    assert spec.policy is SplitBrainPolicy.MAJORITY
    assert spec.heartbeat.links == ()


def test_two_nodes_must_say_their_policy() -> None:
    nodes = "[{name: r1, address: 10.0.0.2}, {name: r2, address: 10.0.0.3}]"
    assert "splitBrain" in faults(document(nodes=nodes))[0]
    spec = resolve(document("splitBrain: {policy: tolerate}", nodes=nodes))
    assert spec.policy is SplitBrainPolicy.TOLERATE


def test_timings_are_read_and_warn_after_follows_dead_after() -> None:
    spec = resolve(document("heartbeat: {interval: 200ms, deadAfter: 1s}"))
    assert (spec.heartbeat.interval, spec.heartbeat.dead_after) == (200 * MILLISECOND, SECOND)
    assert spec.heartbeat.warn_after == 500 * MILLISECOND
    spec = resolve(document("heartbeat: {interval: 5s, deadAfter: 60s}"))
    assert spec.heartbeat.startup_grace == 60 * SECOND


def test_ipvs_timeouts_are_read() -> None:
    spec = resolve(document("ipvs: {timeouts: {udp: 15s, tcpFin: 1m}}"))
    assert spec.ipvs_timeouts == IpvsTimeouts(udp=15 * SECOND, tcp_fin=MINUTE)


def test_the_digest_is_that_of_the_meaningful_text() -> None:
    one = document("ipvs: {timeouts: {udp: 15s}}\nheartbeat: {interval: 500ms}")
    same = document("# a comment\nheartbeat:\n  interval: 500ms\nipvs: {timeouts: {udp: 15s}}")
    other = document("ipvs: {timeouts: {udp: 16s}}\nheartbeat: {interval: 500ms}")
    assert resolve(one).digest == resolve(same).digest
    assert resolve(one).digest != resolve(other).digest
    assert len(resolve(one).digest) == 64


def test_what_an_api_server_adds_is_ignored() -> None:
    text = document()
    added = text.replace("{name: t}", "{name: t, uid: 1-2, generation: 3, managedFields: [{manager: x}]}")
    assert resolve(added + "status: {holder: r1}\n").digest == resolve(text).digest


def test_an_interface_that_only_some_nodes_translate_is_warned_of() -> None:
    nodes = "[{name: r1, address: 10.0.0.2, interfaces: {net: eth1}}, {name: r2, address: 10.0.0.3}]"
    groups = "[{addresses: [{address: 203.0.113.80/24, interface: net}]}]"
    report = check(document("splitBrain: {policy: tolerate}", nodes=nodes, groups=groups))
    assert report.spec is not None
    assert "`r2`" in report.warnings[0].message


def test_an_interface_that_no_kernel_can_have_must_be_translated() -> None:
    groups = "[{addresses: [{address: 203.0.113.80/24, interface: a-name-beyond-ifnamsiz}]}]"
    assert faults(document(groups=groups))[0].startswith("spec.groups[0].addresses[0].interface: node `r1`")


def test_a_resolved_spec_crosses_a_pipe_unchanged() -> None:
    spec = resolve(document("virtualServices: [{ports: [80], realServers: [{address: 10.0.0.11}]}]"))
    assert plain.load(ClusterSpec, plain.dump(spec)) == spec


def test_faults_elsewhere_hide_nothing() -> None:
    """Each part is judged by what it depends on, and one mistake is reported once."""
    text = f"""\
{HEAD}spec:
  splitBrain: {{policy: tolerate}}
  nodes: [{{name: r1, address: 10.0.0.2, standby: 1}}, {{name: r2, adress: 10.0.0.3}}]
  groups:
    - {{addresses: [{{name: public, address: 203.0.113.80/24}}], preferredNodes: [r3], failback: sometimes}}
  virtualServices:
    - {{addresses: [publik], ports: [80], realServers: [{{address: 10.0.0.11, wait: 1}}]}}
    - {{addresses: [public], ports: [80], realServers: []}}
    - {{addresses: [public], ports: [80], realServers: []}}
"""
    assert [fault.partition(":")[0] for fault in faults(text)] == [
        "spec.nodes[0].standby",
        "spec.nodes[1].adress",
        "spec.groups[0].preferredNodes[0]",
        "spec.groups[0].failback",
        "spec.virtualServices[0].addresses[0]",
        "spec.virtualServices[0].realServers[0].wait",
        "spec.virtualServices[2]",
    ]


def test_so_many_faults_are_cut_short() -> None:
    servers = "".join(f"    - {{address: x{number}}}\n" for number in range(1500))
    report = check(f"{document()}  serverPools:\n  - name: a\n    realServers:\n{servers}")
    assert len(report.problems) == 1001
    assert "not shown" in report.problems[-1].message


def test_what_ranges_expand_to_is_bounded() -> None:
    groups = "[{addresses: [{address: '2001:db8::-2001:db8::ffff/64'}, {address: 203.0.113.80}]}]"
    (fault,) = faults(document(groups=groups))
    assert "more than 4096 virtual addresses" in fault
    one, other = (f"realServers: [{{address: 10.{number}.1.0-10.{number}.200.0}}]" for number in (1, 2))
    (fault,) = faults(document(f"serverPools: [{{name: one, {one}}}, {{name: other, {other}}}]"))
    assert fault == "spec.serverPools[1].realServers[0]: more than 65536 real servers"


def test_the_kernels_table_is_bounded() -> None:
    groups = "[{addresses: [{address: 203.0.112.1-203.0.115.0}]}]"
    text = "virtualServices: [{ports: [8000-8015, 9000-9015], realServers: [{address: 10.0.0.11-10.0.0.30}]}]"
    (fault,) = faults(document(text, groups=groups))
    assert "more than 262144 destinations" in fault
    ports = ", ".join(f"{start}-{start + 15}" for start in range(8000, 9024, 16))
    (fault,) = faults(document(f"virtualServices: [{{ports: [{ports}], realServers: []}}]", groups=groups))
    assert "more than 65536 endpoints" in fault


def nodes_of(*extras: str) -> str:
    """That many directors; each of ``extras`` is what stands behind one's address."""
    return (
        "["
        + ", ".join(f"{{name: n{at}, address: 10.0.0.{at + 10}{extra}}}" for at, extra in enumerate(extras, 1))
        + "]"
    )


def test_up_to_seven_nodes_vote_and_beyond_them_witnesses_first() -> None:
    plain_ones = resolve(document(nodes=nodes_of(*[""] * 7)))
    assert len(plain_ones.voters) == 7
    spec = resolve(document(nodes=nodes_of(*[""] * 14, ", role: witness", ", role: witness")))
    assert spec.voters == ("n1", "n15", "n16", "n2", "n3", "n4", "n5")


def test_a_node_may_be_said_to_vote_or_not() -> None:
    spec = resolve(document(nodes=nodes_of(", votes: false", *[""] * 7, ", votes: true")))
    assert spec.voters == ("n2", "n3", "n4", "n5", "n6", "n7", "n9")


def test_too_many_voters_too_few_and_an_idle_witness_are_mistakes() -> None:
    assert faults(document(nodes=nodes_of(*[", votes: true"] * 8))) == [
        "spec.nodes[7].votes: 8 nodes vote; at most 7 may"
    ]
    assert faults(document(nodes=nodes_of("", "", ", votes: false"))) == ["spec.nodes: 2 of 3 nodes vote"]
    assert faults(document(nodes=nodes_of("", "", "", ", role: witness, votes: false"))) == [
        "spec.nodes[3]: witness `n4` has no vote, and nothing else to do"
    ]


def test_ping_nodes_are_addresses_outside_each_once() -> None:
    assert resolve(document("pingNodes: [203.0.113.1, 2001:db8::1]")).ping_nodes == (
        ip_address("203.0.113.1"),
        ip_address("2001:db8::1"),
    )
    assert faults(document("pingNodes: [10.0.0.2, 203.0.113.80, 127.0.0.1, 192.0.2.1, 192.0.2.1]")) == [
        "spec.pingNodes[0]: 10.0.0.2 is an address of node `r1`",
        "spec.pingNodes[1]: 203.0.113.80 is an address of a group",
        "spec.pingNodes[2]: 127.0.0.1 is not the address of a machine outside",
        "spec.pingNodes[4]: 192.0.2.1 is listed twice",
    ]


def test_documents_travel_only_between_nodes_with_an_address_and_with_keys() -> None:
    assert resolve(document("specSync: true")).spec_sync
    assert faults(document("specSync: true\nauth: {enforce: false}")) == [
        "spec.specSync: with `enforce: false` anybody could hand the nodes a document"
    ]
