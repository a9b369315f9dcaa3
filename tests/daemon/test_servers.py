"""Orders about real servers: whom they mean, and what the document looks like with them."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from tests.ipvs.documents import HTTP, SERVERS, document, service

from vedette.daemon import servers
from vedette.daemon.orders import server_tag
from vedette.daemon.server_orders import ServerOrders
from vedette.kit.errors import UsageError
from vedette.spec.resolved import RealServer
from vedette.state.placement import Order, OrderView, View
from vedette.state.server_names import name_of

SECOND = SERVERS[1]
SIXTH = RealServer(ip_address("2001:db8::11"), port=8080)
WEB6 = service(name="web/ipv6", endpoints=(replace(HTTP, address=ip_address("2001:db8::80")),), real_servers=(SIXTH,))
DOCUMENT = document(service(), WEB6)


def view(*names: str) -> View:
    orders = tuple(OrderView(Order.SERVER_DRAIN, server_tag(name), None, "alice", "test", 0) for name in names)
    return View("router1", 1, True, (), (), orders=orders)


def drained(orders: ServerOrders) -> list[str]:
    assert orders.spec is not None
    return [
        str(server.address)
        for item in orders.spec.virtual_services
        for server in item.real_servers
        if server.maintenance
    ]


def test_an_order_means_the_same_as_maintenance_in_the_document() -> None:
    orders = ServerOrders()
    orders.apply(DOCUMENT)
    assert orders.spec is None  # the orders are not known yet: none may lapse for a moment
    assert orders.hear(view("web 10.0.0.12", "web [2001:db8::11]:8080"))
    assert drained(orders) == ["10.0.0.12", "2001:db8::11"]
    assert not orders.hear(view("web 10.0.0.12", "web [2001:db8::11]:8080"))
    assert orders.hear(view())
    assert drained(orders) == []


def test_an_order_outlives_an_edit() -> None:
    orders = ServerOrders()
    orders.hear(view("web 10.0.0.12"))
    orders.apply(document(service(real_servers=(SERVERS[0],))))
    assert drained(orders) == []
    orders.apply(DOCUMENT)
    assert drained(orders) == ["10.0.0.12"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("web", "10.0.0.12"), "web 10.0.0.12"),
        (("web", "2001:db8::11"), "web [2001:db8::11]:8080"),
        (("web", "[2001:db8::11]:8080"), "web [2001:db8::11]:8080"),
        (("web/ipv6", "2001:DB8:0::11"), "web [2001:db8::11]:8080"),
    ],
)
def test_a_server_is_named_as_an_operator_writes_it(words: tuple[str, str], expected: str) -> None:
    assert name_of(*servers.find(DOCUMENT, *words)) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("wbe", "10.0.0.12"), "web"),
        (("web", "10.0.0.99"), "no real server"),
        (("web", "app"), "no real server"),
        (("both", "10.0.0.11"), "10.0.0.11:81, 10.0.0.11:82"),
    ],
)
def test_one_that_is_not_there_or_not_the_only_one_is_refused_with_those_that_are(
    words: tuple[str, str], said: str
) -> None:
    both = service(name="both", real_servers=(replace(SERVERS[0], port=81), replace(SERVERS[0], port=82)))
    with pytest.raises(UsageError, match=said):
        servers.find(document(service(), both), *words)


def test_what_the_document_says_cannot_be_taken_back_by_order() -> None:
    orders = ServerOrders()
    orders.hear(view())
    orders.apply(document(service(real_servers=(replace(SECOND, maintenance=True),))))
    with pytest.raises(UsageError, match="it is the document"):
        orders.read({"what": "enable", "service": "web", "server": "10.0.0.12"})


def test_an_order_about_a_server_that_the_document_has_no_more_can_be_taken_back() -> None:
    orders = ServerOrders()
    orders.hear(view("web 10.0.0.99"))
    orders.apply(DOCUMENT)
    assert orders.read({"what": "enable", "service": "web", "server": "10.0.0.99"}).name == "web 10.0.0.99"
    shown = orders.named(view("web 10.0.0.12", "web 10.0.0.99"))
    assert shown is not None
    assert [item.about.partition(" (")[0] for item in shown.orders] == ["web 10.0.0.12", server_tag("web 10.0.0.99")]


def test_an_order_means_a_server_whether_its_services_only_port_is_written_or_not() -> None:
    orders = ServerOrders()
    bare, full = service(), service(real_servers=tuple(replace(item, port=80) for item in SERVERS))
    for name in ("web 10.0.0.12", "web 10.0.0.12:80"):
        orders.hear(view(name))
        for written in (bare, full):
            orders.apply(document(written))
            assert drained(orders) == ["10.0.0.12"]
            asked = orders.read({"what": "enable", "service": "web", "server": "10.0.0.12"})
            assert (asked.name, asked.stood) == (name, True)
    orders.apply(document(service(real_servers=(replace(SECOND, port=8080),))))
    assert drained(orders) == []
