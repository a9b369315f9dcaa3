"""The table's entries for checks through the service, and how the loop keeps them."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.ipvs.documents import CHECK, SERVERS, VIP, WEB, document, service
from tests.ipvs.test_reconciler import World

from vedette.ipvs import model
from vedette.ipvs.model import Destination, DestinationKey, Flags, MarkKey, Method, Service, Settings
from vedette.ipvs.paths import led, table, title
from vedette.reconcile.plan import Create
from vedette.spec.resolved import (
    ClusterSpec,
    Encapsulation,
    Endpoint,
    Forwarding,
    Protocol,
    RealServer,
    Tunnel,
    Via,
    VirtualService,
)
from vedette.state.health import Health
from vedette.state.paths import with_paths

THROUGH = replace(CHECK, via=Via.SERVICE)
ONE = (replace(SERVERS[0], weight=0, maintenance=True, max_connections=7),)


def numbered(**changes: object) -> ClusterSpec:
    """A document with one direct-routed service that is checked through."""
    virtual: VirtualService = service(**({"forwarding": Forwarding.DIRECT_ROUTING, "checks": (THROUGH,)} | changes))
    return with_paths(document(virtual))


def keys(spec: ClusterSpec) -> list[MarkKey]:
    return [MarkKey(4, server.path) for server in spec.virtual_services[0].real_servers]


def test_a_path_has_one_server_of_weight_1_whatever_the_document_says_of_the_server() -> None:
    spec = numbered(real_servers=ONE, persistence_timeout=600, scheduler="mh")
    (key,) = keys(spec)
    server = {DestinationKey(SERVERS[0].address, 0): Destination(1, Method.DIRECT_ROUTING)}
    assert table(spec) == {key: Service(Settings("rr", Flags.ONE_PACKET), server)}


def test_a_masqueraded_path_remembers_and_goes_to_the_servers_own_port() -> None:
    spec = numbered(forwarding=Forwarding.MASQUERADE, real_servers=(RealServer(SERVERS[0].address, port=8080),))
    server = {DestinationKey(SERVERS[0].address, 8080): Destination(1, Method.MASQUERADE)}
    assert table(spec) == {keys(spec)[0]: Service(Settings("rr"), server)}


def test_a_tunnelled_path_has_the_services_tunnel() -> None:
    spec = numbered(forwarding=Forwarding.TUNNEL, tunnel=Tunnel(Encapsulation.GUE, 5555), real_servers=SERVERS[:1])
    (found,) = table(spec).values()
    tunnel = model.Tunnel(model.Encapsulation.GUE, 5555)
    assert list(found.destinations.values()) == [Destination(1, Method.TUNNEL, tunnel=tunnel)]


def test_a_path_into_the_other_family_is_of_the_virtual_addresses_family() -> None:
    endpoint = Endpoint(ip_address("2001:db8::80"), 80, Protocol.TCP)
    spec = numbered(forwarding=Forwarding.TUNNEL, endpoints=(endpoint,))
    assert {key.version for key in table(spec)} == {6}


def test_problems_name_the_server_that_a_path_leads_to() -> None:
    spec = numbered()
    assert title(keys(spec)[0], spec) == "checks through the service to 10.0.0.11"
    assert title(WEB, spec) == f"IPVS service tcp {VIP}:80"
    assert title(keys(spec)[0], None).startswith("IPVS service IPv4 mark")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_paths_are_programmed_before_what_clients_use(world: World) -> None:
    spec = numbered()
    world.apply(spec)
    made = [
        action.key for action in world.table.sent if isinstance(action, Create) and action.key in (WEB, *keys(spec))
    ]
    assert made == [*keys(spec), WEB]
    assert world.reconciler.led == {key.mark for key in keys(spec)}


def test_a_server_that_is_down_keeps_its_path(world: World) -> None:
    spec = numbered()
    world.apply(spec, default=Health.DOWN)
    assert world.table.table[WEB].destinations == {}
    assert set(keys(spec)) <= set(world.table.table)


def test_paths_are_no_services_of_the_status(world: World) -> None:
    world.apply(numbered())
    assert [item["endpoint"] for item in world.reconciler.status()] == [str(WEB)]


def test_a_path_that_somebody_deletes_or_changes_is_put_right(world: World) -> None:
    spec = numbered()
    world.apply(spec)
    first, second, _ = keys(spec)
    before = dict(world.table.table)
    del world.table.table[first]
    world.table.table[second] = Service(Settings("rr"), {})
    world.turn()
    assert world.table.table == before
    assert {repair.service for repair in world.repairs} == {first, second}


def test_paths_leave_with_the_checks_that_need_them(world: World) -> None:
    spec = numbered()
    world.apply(spec)
    world.apply(with_paths(document(service(forwarding=Forwarding.DIRECT_ROUTING), digest="2")))
    assert set(world.table.table) == {WEB}
    assert world.reconciler.led == frozenset()


def test_a_path_that_the_kernel_refuses_leads_nowhere_and_is_a_problem(world: World) -> None:
    spec = numbered()
    first, *others = keys(spec)
    world.table.refuse = lambda action: 1 if action.key == first else 0
    world.apply(spec)
    assert world.reconciler.led == {key.mark for key in others}
    assert [scope for scope, _ in world.reconciler.problems()] == ["checks through the service to 10.0.0.11"]
    assert world.reconciler.stalled == 1
    assert world.reconciler.barred == {first.mark}
    world.table.refuse = lambda _: 0
    world.turn(after=60_000_000_000)
    assert world.reconciler.led == {key.mark for key in keys(spec)}
    assert world.reconciler.barred == frozenset()


def test_it_is_reported_when_paths_come_and_go(world: World) -> None:
    world.apply(document(service(forwarding=Forwarding.DIRECT_ROUTING)))
    before = world.reports
    world.apply(with_paths(replace(numbered(), digest="2")))
    assert world.reports == before + 1


def test_a_path_without_a_server_leads_nowhere() -> None:
    spec = numbered()
    whole = table(spec)
    first = keys(spec)[0]
    assert led(whole) == {key.mark for key in keys(spec)}
    assert led({**whole, first: Service(Settings("rr"), {}), WEB: Service(Settings("rr"), {})}) == {
        key.mark for key in keys(spec)[1:]
    }
