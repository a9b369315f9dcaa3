"""From any table to any other: it arrives, with the fewest messages, and nobody meets an empty service."""

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from tests.ipvs import strategies

from vedette.ipvs.model import (
    AddressKey,
    Destination,
    DestinationId,
    DestinationKey,
    Flags,
    Method,
    Service,
    ServiceKey,
    Settings,
    Table,
)
from vedette.ipvs.plan import apply, plan
from vedette.ipvs.repair import Drift, Repair, repairs
from vedette.reconcile.plan import Create, Delete, Update
from vedette.spec.resolved import Protocol

WEB: ServiceKey = AddressKey(Protocol.TCP, ip_address("203.0.113.80"), 80)
OTHER: ServiceKey = AddressKey(Protocol.TCP, ip_address("198.51.100.1"), 25)
FIRST, SECOND = (DestinationKey(ip_address(f"10.0.0.{last}"), 80) for last in (1, 2))


def everything(_: ServiceKey) -> bool:
    return True


def web(settings: Settings | None = None, **destinations: Destination) -> Service:
    names = {"first": FIRST, "second": SECOND}
    return Service(settings or Settings("wlc"), {names[name]: item for name, item in destinations.items()})


def capacity(table: Table, key: ServiceKey) -> int:
    return sum(destination.weight for destination in table[key].destinations.values()) if key in table else 0


@given(desired=strategies.wanted_tables, observed=strategies.tables)
def test_a_plan_arrives_from_any_table(desired: Table, observed: Table) -> None:
    assert apply(observed, plan(desired, observed, owned=everything)) == desired


@given(desired=strategies.wanted_tables, observed=strategies.tables, data=st.data())
def test_a_plan_interrupted_anywhere_and_made_again_arrives(
    desired: Table, observed: Table, data: st.DataObject
) -> None:
    table = observed
    for _ in range(3):
        actions = plan(desired, table, owned=everything)
        table = apply(table, actions[: data.draw(st.integers(0, len(actions)))])
    assert apply(table, plan(desired, table, owned=everything)) == desired


@given(desired=strategies.wanted_tables)
def test_the_desired_table_needs_no_message(desired: Table) -> None:
    assert plan(desired, desired, owned=everything) == []


@given(desired=strategies.wanted_tables, observed=strategies.tables)
def test_no_entry_is_deleted_and_made_again(desired: Table, observed: Table) -> None:
    actions = plan(desired, observed, owned=everything)
    made = {action.key for action in actions if isinstance(action, Create)}
    deleted = {action.key for action in actions if isinstance(action, Delete)}
    assert not made & deleted


@given(desired=strategies.wanted_tables, observed=strategies.tables)
def test_each_entry_that_differs_costs_one_message(desired: Table, observed: Table) -> None:
    """But for a new service that is hashed, which gets its scheduler when it is complete: two."""
    actions = plan(desired, observed, owned=everything)
    differing = 0
    for key in desired.keys() | observed.keys():
        wanted, found = desired.get(key), observed.get(key)
        if wanted is None:
            differing += 1
            continue
        before = found.destinations if found else {}
        differing += sum(
            wanted.destinations.get(k) != before.get(k) for k in wanted.destinations.keys() | before.keys()
        )
        differing += found is None or wanted.settings != found.settings
        differing += found is None and wanted.settings.scheduler == "mh" and bool(wanted.destinations)
    assert len(actions) == differing


@given(desired=strategies.wanted_tables, observed=strategies.tables)
def test_a_service_that_keeps_capacity_never_loses_it_on_the_way(desired: Table, observed: Table) -> None:
    kept = [key for key in desired if capacity(desired, key) and capacity(observed, key)]
    table = dict(observed)
    for action in plan(desired, observed, owned=everything):
        table = apply(table, [action])
        assert all(capacity(table, key) for key in kept)


@given(desired=strategies.wanted_tables, observed=strategies.tables)
def test_before_all_is_known_nothing_is_deleted(desired: Table, observed: Table) -> None:
    actions = plan(desired, observed, owned=everything, deletions=False)
    assert not any(isinstance(action, Delete) for action in actions)


@given(desired=strategies.wanted_tables, observed=strategies.tables)
def test_other_peoples_services_stay(desired: Table, observed: Table) -> None:
    reached = apply(observed, plan(desired, observed, owned=lambda _: False))
    assert reached == {**observed, **desired}


def test_one_changed_weight_is_one_message() -> None:
    before = {WEB: web(first=Destination(1), second=Destination(1))}
    after = {WEB: web(first=Destination(7), second=Destination(1))}
    assert plan(after, before, owned=everything) == [Update(DestinationId(WEB, FIRST), Destination(1), Destination(7))]


def test_a_scheduler_and_a_forwarding_method_are_changed_in_place() -> None:
    before = {WEB: web(Settings("wlc"), first=Destination(1, Method.MASQUERADE))}
    after = {WEB: web(Settings("mh", Flags.PORT), first=Destination(1, Method.DIRECT_ROUTING))}
    actions = plan(after, before, owned=everything)
    assert len(actions) == 2
    assert all(isinstance(action, Update) for action in actions)


def test_a_new_hashed_service_gets_its_scheduler_when_it_is_complete() -> None:
    actions = plan({WEB: web(Settings("mh"), first=Destination(1))}, {}, owned=everything)
    assert actions == [
        Create(WEB, Settings("none")),
        Create(DestinationId(WEB, FIRST), Destination(1)),
        Update(WEB, Settings("none"), Settings("mh")),
    ]


def test_a_flushed_service_is_a_repair() -> None:
    left = {WEB: web(Settings("mh"), first=Destination(1))}
    assert repairs(plan(left, {}, owned=everything), left) == (Repair(WEB, Drift.MISSING, 2),)


def test_a_new_document_is_no_repair() -> None:
    left = {WEB: web(first=Destination(1))}
    wanted = {WEB: web(first=Destination(2), second=Destination(1)), OTHER: web()}
    assert repairs(plan(wanted, left, owned=everything), left) == ()


def test_each_kind_of_drift_has_its_name() -> None:
    left = {WEB: web(first=Destination(1))}
    by_hand = {WEB: web(first=Destination(9), second=Destination(1))}
    assert set(repairs(plan(left, by_hand, owned=everything), left)) == {
        Repair(WEB, Drift.CHANGED, 1),
        Repair(WEB, Drift.FOREIGN, 1),
    }
