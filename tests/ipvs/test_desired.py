"""What the document and the verdicts want of the table."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from tests.ipvs.documents import CHECK, HTTP, SERVERS, VIP, WEB, at, document, service, verdicts

from vedette.ipvs import model
from vedette.ipvs.desired import desired
from vedette.ipvs.model import (
    AddressKey,
    Destination,
    DestinationKey,
    Flags,
    MarkKey,
    Method,
    Service,
    Settings,
    Table,
)
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import (
    Encapsulation,
    Endpoint,
    Forwarding,
    Mark,
    OnFailure,
    Protocol,
    RealServer,
    SorryPage,
    SorryServer,
    Tunnel,
    VirtualService,
)
from vedette.state.health import Health

FIRST, SECOND_SERVER, THIRD = (at(f"10.0.0.{last}") for last in (11, 12, 13))
PAGE = SorryServer(page=SorryPage(503, "sorry"))
SORRY = DestinationKey(VIP, 80)


def destinations(
    virtual: VirtualService, default: Health = Health.UP, previous: Table | None = None, **healths: Health
) -> dict[DestinationKey, Destination]:
    """The wanted destinations of the first endpoint; ``s11=Health.DOWN`` is the server 10.0.0.11's verdict."""
    spec = document(virtual)
    by_address = {f"10.0.0.{name[1:]}": health for name, health in healths.items()}
    return dict(desired(spec, verdicts(spec, by_address, default), previous or {})[WEB].destinations)


def there(**weights: int) -> Table:
    """A kernel's table in which these servers, or ``sorry``, have these weights."""
    items = {SORRY if name == "sorry" else at(f"10.0.0.{name[1:]}"): weight for name, weight in weights.items()}
    return {WEB: Service(Settings("wlc"), {key: Destination(weight) for key, weight in items.items()})}


def test_every_endpoint_gets_every_real_server() -> None:
    endpoints = tuple(
        Endpoint(address, port, protocol)
        for address in (VIP, ip_address("2001:db8::80"))
        for port, protocol in ((80, Protocol.TCP), (53, Protocol.UDP))
    )
    spec = document(service(endpoints=endpoints))
    table = desired(spec, verdicts(spec), {})
    assert set(table) == {AddressKey(item.protocol, item.address, item.port) for item in endpoints}
    for item in endpoints:
        wanted = table[AddressKey(item.protocol, item.address, item.port)].destinations
        assert set(wanted) == {DestinationKey(server.address, item.port) for server in SERVERS}


def test_a_real_servers_port_and_weight_are_its_own() -> None:
    server = RealServer(SERVERS[0].address, port=8080, weight=7)
    assert destinations(service(real_servers=(server,))) == {at("10.0.0.11", 8080): Destination(7)}


def test_a_server_that_is_down_is_removed_or_quiesced() -> None:
    assert set(destinations(service(), s12=Health.DOWN)) == {FIRST, THIRD}
    quiesced = destinations(service(on_failure=OnFailure.QUIESCE), s12=Health.DOWN)
    assert quiesced == {FIRST: Destination(1), SECOND_SERVER: Destination(0), THIRD: Destination(1)}


def test_an_undecided_server_stays_as_the_kernel_has_it() -> None:
    found = destinations(service(), s11=Health.UNKNOWN, s12=Health.UNKNOWN, previous=there(s11=1))
    assert set(found) == {FIRST, THIRD}


def test_an_undecided_server_takes_the_documents_new_weight_but_does_not_wake_from_zero() -> None:
    servers = tuple(replace(server, weight=5) for server in SERVERS)
    found = destinations(service(real_servers=servers), Health.UNKNOWN, there(s11=1, s12=0))
    assert found == {FIRST: Destination(5), SECOND_SERVER: Destination(0)}


def test_a_service_without_checks_needs_no_verdict() -> None:
    assert set(destinations(service(checks=()), Health.UNKNOWN)) == {FIRST, SECOND_SERVER, THIRD}


@pytest.mark.parametrize("whole", [False, True])
def test_maintenance_takes_no_new_connections_and_keeps_the_open_ones(whole: bool) -> None:
    servers = (SERVERS[0], replace(SERVERS[1], maintenance=True))
    found = destinations(service(real_servers=servers, maintenance=whole), previous=there(s11=1, s12=1))
    assert found == {FIRST: Destination(0 if whole else 1), SECOND_SERVER: Destination(0)}


def test_each_endpoint_asks_its_own_port() -> None:
    endpoints = (HTTP, replace(HTTP, port=443))
    spec = document(service(endpoints=endpoints))
    some = {target: verdict for target, verdict in verdicts(spec).items() if target.port == 443}
    table = desired(spec, some, {})
    assert not table[WEB].destinations
    assert len(table[replace(WEB, port=443)].destinations) == 3


def test_a_check_at_one_port_decides_for_all_endpoints() -> None:
    endpoints = (HTTP, replace(HTTP, port=443))
    spec = document(service(endpoints=endpoints, checks=(replace(CHECK, port=9000),)))
    table = desired(spec, verdicts(spec, {"10.0.0.11": Health.DOWN}), {})
    assert all(len(item.destinations) == 2 for item in table.values())


@pytest.mark.parametrize(
    ("forwarding", "method"),
    [
        (Forwarding.MASQUERADE, Method.MASQUERADE),
        (Forwarding.DIRECT_ROUTING, Method.DIRECT_ROUTING),
        (Forwarding.TUNNEL, Method.TUNNEL),
    ],
)
def test_the_forwarding_is_the_services(forwarding: Forwarding, method: Method) -> None:
    assert {item.method for item in destinations(service(forwarding=forwarding)).values()} == {method}


def test_scheduler_flags_and_persistence_are_the_documents() -> None:
    virtual = service(
        scheduler="mh", scheduler_flags=("port", "fallback"), persistence_timeout=90 * SECOND + 500 * MILLISECOND
    )
    spec = document(virtual)
    wanted = desired(spec, verdicts(spec), {})[WEB].settings
    assert wanted == Settings("mh", Flags.PORT | Flags.FALLBACK, persistence=91)


# The sorry server


def test_the_page_stands_in_when_all_are_down() -> None:
    assert destinations(service(sorry=PAGE), Health.DOWN) == {SORRY: Destination(1, Method.LOCAL)}


def test_the_page_stands_in_beside_quiesced_and_maintained_servers() -> None:
    quiesced = destinations(service(sorry=PAGE, on_failure=OnFailure.QUIESCE), Health.DOWN)
    assert quiesced == dict.fromkeys((FIRST, SECOND_SERVER, THIRD), Destination(0)) | {
        SORRY: Destination(1, Method.LOCAL)
    }
    assert SORRY in destinations(service(sorry=PAGE, maintenance=True))


def test_the_page_goes_when_one_is_back() -> None:
    assert set(destinations(service(sorry=PAGE), Health.DOWN, there(sorry=1), s13=Health.UP)) == {THIRD}


def test_the_page_waits_while_one_is_undecided_and_stays_where_it_is() -> None:
    assert destinations(service(sorry=PAGE), Health.DOWN, s13=Health.UNKNOWN) == {}
    assert set(destinations(service(sorry=PAGE), Health.UNKNOWN, there(sorry=1))) == {SORRY}


def test_a_datagram_service_has_no_page() -> None:
    spec = document(service(endpoints=(replace(HTTP, protocol=Protocol.UDP),), sorry=PAGE, real_servers=()))
    assert [dict(item.destinations) for item in desired(spec, {}, {}).values()] == [{}]


def test_a_remote_sorry_server_is_forwarded_to_as_its_service_is_unless_its_port_is_another() -> None:
    same = SorryServer(remote=RealServer(ip_address("10.0.0.99")))
    other = SorryServer(remote=RealServer(ip_address("10.0.0.99"), port=8080))
    direct = Forwarding.DIRECT_ROUTING
    assert destinations(service(sorry=same, forwarding=direct), Health.DOWN) == {
        at("10.0.0.99"): Destination(1, Method.DIRECT_ROUTING)
    }
    assert destinations(service(sorry=other, forwarding=direct), Health.DOWN) == {
        at("10.0.0.99", 8080): Destination(1, Method.MASQUERADE)
    }


def test_without_a_sorry_server_an_empty_service_stays_empty() -> None:
    assert destinations(service(), Health.DOWN) == {}


def test_a_mark_is_one_entry_whose_destinations_keep_the_clients_port() -> None:
    endpoints = (HTTP, replace(HTTP, port=443))
    spec = document(service(endpoints=endpoints, mark=Mark(4, 7, ours=True)))
    table = desired(spec, verdicts(spec), {})
    assert set(table) == {MarkKey(4, 7)}
    assert set(table[MarkKey(4, 7)].destinations) == {at(str(server.address), 0) for server in SERVERS}


def test_the_page_of_a_marked_service_is_reached_at_any_of_its_ports() -> None:
    spec = document(service(endpoints=(HTTP,), mark=Mark(4, 7, ours=True), sorry=PAGE))
    table = desired(spec, verdicts(spec, default=Health.DOWN), {})
    assert table[MarkKey(4, 7)].destinations == {DestinationKey(VIP, 0): Destination(1, Method.LOCAL)}


def test_a_sorry_server_is_tunnelled_as_its_service_is() -> None:
    gue = Tunnel(Encapsulation.GUE, 6080)
    sorry = SorryServer(remote=RealServer(ip_address("10.0.0.99")))
    found = destinations(service(forwarding=Forwarding.TUNNEL, tunnel=gue, sorry=sorry), Health.DOWN)
    assert found == {at("10.0.0.99"): Destination(1, Method.TUNNEL, tunnel=model.Tunnel(model.Encapsulation.GUE, 6080))}


def test_one_packet_scheduling_and_engines_are_for_datagrams_only() -> None:
    datagrams = Endpoint(VIP, 80, Protocol.UDP)
    virtual = service(
        endpoints=(HTTP, datagrams), one_packet=True, persistence_timeout=SECOND, persistence_engine="sip"
    )
    table = desired(document(virtual), {}, {})
    assert table[WEB].settings == Settings("wlc", persistence=1)
    over_udp = table[AddressKey(Protocol.UDP, VIP, 80)].settings
    assert over_udp == Settings("wlc", Flags.ONE_PACKET, persistence=1, engine="sip")


@pytest.mark.parametrize(("length", "granularity"), [(None, None), (24, 24), (32, None)])
def test_a_whole_address_is_no_granularity(length: int | None, granularity: int | None) -> None:
    virtual = service(persistence_timeout=SECOND, client_prefix_length=length)
    assert desired(document(virtual), {}, {})[WEB].settings.granularity == granularity


def test_thresholds_reach_the_destination_and_stay_when_it_is_quiesced() -> None:
    server = replace(SERVERS[0], max_connections=10, min_connections=5)
    virtual = service(real_servers=(server,), on_failure=OnFailure.QUIESCE)
    assert destinations(virtual) == {FIRST: Destination(1, upper=10, lower=5)}
    assert destinations(virtual, Health.DOWN) == {FIRST: Destination(0, upper=10, lower=5)}
