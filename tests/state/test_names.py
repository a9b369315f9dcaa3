"""Names stand for the servers that were found, and never for one twice."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from tests.ipvs.documents import HTTP, document, service

from vedette.spec.resolved import Forwarding, NameKind, RealServer, ServerName, VirtualService
from vedette.state.names import Answers, Found, Question, questions, with_names

APP = Question(NameKind.HOST, "app.example")
SRV = Question(NameKind.SRV, "_http._tcp.example")


def servers(virtual: VirtualService, answers: Answers) -> list[RealServer]:
    return list(with_names(document(virtual), answers).virtual_services[0].real_servers)


def named(*names: ServerName, written: tuple[RealServer, ...] = (), **changes: object) -> VirtualService:
    return service(**({"real_servers": written, "names": names} | changes))


def found(*addresses: str) -> tuple[Found, ...]:
    return tuple(Found(ip_address(address)) for address in addresses)


def test_each_address_of_a_name_is_a_server_in_a_fixed_order() -> None:
    virtual = named(ServerName(NameKind.HOST, "app.example", port=8080, weight=5))
    result = servers(virtual, {APP: found("10.0.0.12", "10.0.0.11")})
    assert [(str(item.address), item.port, item.weight, item.origin) for item in result] == [
        ("10.0.0.11", 8080, 5, "app.example"),
        ("10.0.0.12", 8080, 5, "app.example"),
    ]


def test_a_name_without_an_answer_stands_for_no_server() -> None:
    assert servers(named(ServerName(NameKind.HOST, "app.example")), {}) == []


def test_only_addresses_of_the_services_family_count_and_none_twice() -> None:
    written = (RealServer(ip_address("10.0.0.11"), weight=9),)
    virtual = named(ServerName(NameKind.HOST, "app.example"), written=written)
    result = servers(virtual, {APP: found("10.0.0.11", "2001:db8::11", "10.0.0.12")})
    assert [(str(item.address), item.weight) for item in result] == [("10.0.0.11", 9), ("10.0.0.12", 1)]


def test_srv_records_say_port_and_weight_unless_the_document_says_a_weight() -> None:
    answers = {SRV: (Found(ip_address("10.0.0.11"), 8080, 3),)}
    for weight, expected in ((None, 3), (7, 7)):
        (server,) = servers(named(ServerName(NameKind.SRV, SRV.name, weight=weight)), answers)
        assert (server.port, server.weight) == (8080, expected)


def test_a_port_that_direct_routing_cannot_change_is_left_out() -> None:
    virtual = named(ServerName(NameKind.SRV, SRV.name), forwarding=Forwarding.DIRECT_ROUTING)
    answers = {SRV: (Found(ip_address("10.0.0.11"), 8080, 3), Found(ip_address("10.0.0.12"), 80, 3))}
    assert [str(item.address) for item in servers(virtual, answers)] == ["10.0.0.12"]


def test_the_services_own_address_is_not_its_server() -> None:
    assert servers(named(ServerName(NameKind.HOST, "app.example")), {APP: (Found(HTTP.address),)}) == []


def test_services_that_have_a_name_in_common_ask_once() -> None:
    web = named(ServerName(NameKind.HOST, "app.example"))
    other = replace(web, name="other", endpoints=(replace(HTTP, port=443),))
    assert questions(document(web, other)).keys() == {APP}
    assert questions(document(service())) == {}


def test_only_the_families_of_the_services_are_needed() -> None:
    web = named(ServerName(NameKind.HOST, "app.example"))
    sixth = replace(web, name="six", endpoints=(replace(HTTP, address=ip_address("2001:db8::80")),))
    assert questions(document(web))[APP].versions == {4}
    assert questions(document(web, sixth))[APP].versions == {4, 6}


@pytest.mark.parametrize("address", ["0.0.0.0", "224.0.0.1", "255.255.255.255", "203.0.113.80"])
def test_what_no_real_server_may_have_is_none_when_a_name_says_it(address: str) -> None:
    web = named(ServerName(NameKind.HOST, "app.example"))
    other = replace(web, name="other", endpoints=(replace(HTTP, address=ip_address("203.0.113.81")),), names=())
    spec = with_names(document(web, other), {APP: found(address, "10.0.0.11", "203.0.113.81")})
    assert [str(item.address) for item in spec.virtual_services[0].real_servers] == ["10.0.0.11"]
