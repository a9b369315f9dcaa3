"""What a document asks of the machine that has certain addresses."""

from ipaddress import ip_address

import pytest
from tests.spec.documents import document, resolve

from vedette.realserver.desired import wanted
from vedette.realserver.model import Device, Kind, Port, Wanted
from vedette.state.names import Found, questions, with_names

VIP = ip_address("203.0.113.80")
DIRECT = "{addresses: [public], ports: [80], forwarding: directRouting, realServers: [{address: 10.0.0.11}]"


def _wanted(services: str, *own: str) -> Wanted:
    return wanted(resolve(document(f"virtualServices: [{services}]")), [ip_address(address) for address in own])


def test_a_real_server_of_direct_routing_has_the_virtual_address() -> None:
    found = _wanted(DIRECT + ", name: web}", "10.0.0.11")
    assert dict(found.vips) == {VIP: ("web",)}
    assert (found.devices, found.ports, found.notes) == ({}, frozenset(), ())


def test_services_on_one_address_ask_for_it_once() -> None:
    other = DIRECT.replace("[80]", "[443, 53/udp]")
    found = _wanted(f"{DIRECT}, name: web}}, {other}, name: more}}", "10.0.0.11")
    assert dict(found.vips) == {VIP: ("web", "more")}
    assert len(found.endpoints) == 3


NAMED = "{addresses: [public], ports: [80], name: web, forwarding: %s, realServers: [{hostname: app.example}]}"


def _named(forwarding: str, *answer: str) -> Wanted:
    spec = resolve(document(f"virtualServices: [{NAMED % forwarding}]"))
    found = tuple(Found(ip_address(address)) for address in answer)
    answers = dict.fromkeys(questions(spec), found) if answer else {}
    return wanted(with_names(spec, answers), [ip_address("10.0.0.11")])


@pytest.mark.parametrize("forwarding", ["directRouting", "tunnel"])
def test_a_real_server_by_name_is_known_by_what_the_name_stands_for(forwarding: str) -> None:
    assert VIP in _named(forwarding, "10.0.0.12", "10.0.0.11").vips
    assert VIP not in _named(forwarding, "10.0.0.12").vips


def test_until_every_name_is_known_nothing_is_taken_away() -> None:
    assert _named("directRouting").tentative
    assert not _named("directRouting", "10.0.0.12").tentative
    assert not _named("masquerade").tentative


def test_masquerade_asks_nothing() -> None:
    found = _wanted("{addresses: [public], ports: [80], name: web, realServers: [{address: 10.0.0.11}]}", "10.0.0.11")
    assert found.vips == {}
    assert "with masquerade" in found.notes[0]


def test_a_machine_that_the_document_does_not_name_has_nothing_to_do() -> None:
    found = _wanted(DIRECT + "}", "10.0.0.99")
    assert found.vips == {}
    assert "10.0.0.99" in found.notes[0]


def test_a_machine_without_an_address_is_told_so() -> None:
    (note,) = _wanted(DIRECT + "}").notes
    assert "has no address" in note


def test_an_address_that_was_said_and_that_nobody_forwards_to_is_a_problem() -> None:
    spec = resolve(document(f"virtualServices: [{DIRECT}, sorryServer: {{address: 10.0.0.98}}}}]"))
    said = [ip_address(f"10.0.0.{number}") for number in (11, 98, 99)]
    found = wanted(spec, said, named=True)
    assert ["10.0.0.99" in problem for problem in found.problems] == [True]
    assert VIP in found.vips
    assert wanted(spec, said).problems == ()


@pytest.mark.parametrize("forwarding", ["directRouting", "masquerade"])
def test_an_address_that_was_said_may_be_one_that_a_name_stands_for(forwarding: str) -> None:
    spec = resolve(document(f"virtualServices: [{NAMED % forwarding}]"))
    assert wanted(with_names(spec, {}), [ip_address("10.0.0.99")], named=True).problems == ()


def test_a_server_in_maintenance_keeps_its_clients() -> None:
    maintained = DIRECT.replace("10.0.0.11}", "10.0.0.11, maintenance: true, weight: 0}")
    assert VIP in _wanted(maintained + "}", "10.0.0.11").vips


def test_a_sorry_server_elsewhere_is_forwarded_to_like_a_real_server() -> None:
    assert VIP in _wanted(DIRECT + ", sorryServer: {address: 10.0.0.50}}", "10.0.0.50").vips


def test_a_director_is_left_to_its_daemon() -> None:
    local = DIRECT.replace("10.0.0.11}", "10.0.0.2}")
    found = _wanted(local + "}", "10.0.0.2")
    assert found.vips == {}
    assert "director r1" in found.problems[0]


def test_an_address_of_the_other_family_is_not_for_direct_routing() -> None:
    text = document(
        "virtualServices: [{addresses: [public, six], ports: [80], forwarding: directRouting, "
        'realServers: [{address: 10.0.0.11}, {address: "fd00::11"}]}]',
        groups='[{addresses: [{name: public, address: 203.0.113.80/24}, {name: six, address: "fd00::80/64"}]}]',
    )
    spec = resolve(text)
    assert set(wanted(spec, [ip_address("10.0.0.11")]).vips) == {VIP}
    assert set(wanted(spec, [ip_address("fd00::11")]).vips) == {ip_address("fd00::80")}


TUNNEL = DIRECT.replace("directRouting", "tunnel")


@pytest.mark.parametrize(
    ("tunnel", "own", "device", "ports"),
    [
        ("{}", "10.0.0.11", Kind.IPIP, set()),
        ("{type: gre}", "10.0.0.11", Kind.GRE, set()),
        ("{type: gue}", "10.0.0.11", Kind.IPIP, {Port(4, 6080)}),
        ("{type: gue, port: 7000}", "fd00::11", Kind.IP6TNL, {Port(6, 7000)}),
        ("{type: gre}", "fd00::11", Kind.IP6GRE, set()),
    ],
)
def test_a_tunnel_ends_at_the_machine_s_own_address(tunnel: str, own: str, device: Kind, ports: set[Port]) -> None:
    both = TUNNEL.replace("{address: 10.0.0.11}", '{address: 10.0.0.11}, {address: "fd00::11"}')
    found = _wanted(f"{both}, tunnel: {tunnel}}}", own)
    assert dict(found.devices) == {Device(device, ip_address(own)): frozenset({VIP})}
    assert set(found.ports) == ports
    assert not found.direct


def test_one_end_cannot_have_checksums_and_none() -> None:
    plain = TUNNEL + ", tunnel: {type: gre}}"
    summed = TUNNEL.replace("[80]", "[81]") + ", tunnel: {type: gre, checksum: full}}"
    assert _wanted(plain, "10.0.0.11").problems == ()
    assert "with and without `checksum`" in _wanted(f"{plain}, {summed}", "10.0.0.11").problems[0]


def test_a_foreign_mark_may_be_on_packets_to_any_address_of_its_group() -> None:
    found = _wanted(
        "{name: marked, group: default, firewallMark: 7, forwarding: directRouting, checks: [], "
        "realServers: [{address: 10.0.0.11}]}",
        "10.0.0.11",
    )
    assert {str(vip) for vip in found.vips} == {"203.0.113.80", "10.0.0.1"}
