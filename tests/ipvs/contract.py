"""What a table driver promises, asked of the fake one here and of the real one in a machine (``in_kernel``)."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.ipvs import strategies

from vedette.ipvs.model import (
    AddressKey,
    Checksum,
    Destination,
    DestinationId,
    DestinationKey,
    Encapsulation,
    Flags,
    MarkKey,
    Method,
    Service,
    ServiceKey,
    Settings,
    Table,
    Timeouts,
    Tuning,
    Tunnel,
)
from vedette.ipvs.plan import Action, plan
from vedette.reconcile.outcome import Done, RetryAfter, Stalled
from vedette.reconcile.plan import Create, Delete, Update
from vedette.spec.resolved import Protocol

WEB: ServiceKey = AddressKey(Protocol.TCP, ip_address("203.0.113.80"), 80)
WEB6: ServiceKey = AddressKey(Protocol.TCP, ip_address("2001:db8::80"), 80)
FIRST, SECOND = (DestinationKey(ip_address(f"10.0.0.{last}"), 80) for last in (1, 2))
OTHER_FAMILY = DestinationKey(ip_address("2001:db8::1"), 80)

EVERYTHING: Table = {
    WEB: Service(
        Settings("mh", Flags.PORT | Flags.FALLBACK),
        {FIRST: Destination(1), SECOND: Destination(0), DestinationKey(FIRST.address, 8080): Destination(65535)},
    ),
    AddressKey(Protocol.UDP, ip_address("203.0.113.80"), 53): Service(
        Settings("rr", Flags.ONE_PACKET),
        {DestinationKey(FIRST.address, 53): Destination(3, Method.DIRECT_ROUTING, upper=100, lower=50)},
    ),
    AddressKey(Protocol.SCTP, ip_address("203.0.113.80"), 132): Service(Settings("sh", Flags.PORT), {}),
    AddressKey(Protocol.TCP, ip_address("203.0.113.80"), 0): Service(
        Settings("wlc", persistence=300, granularity=24), {DestinationKey(FIRST.address, 0): Destination(1)}
    ),
    WEB6: Service(
        Settings("wrr", persistence=60, granularity=64),
        {OTHER_FAMILY: Destination(2), DestinationKey(ip_address("2001:db8::80"), 80): Destination(1, Method.LOCAL)},
    ),
    AddressKey(Protocol.TCP, ip_address("203.0.113.81"), 80): Service(
        Settings("wlc"),
        {
            OTHER_FAMILY: Destination(1, Method.TUNNEL),
            FIRST: Destination(1, Method.TUNNEL, tunnel=Tunnel(Encapsulation.GUE, 6080, Checksum.REMOTE)),
            SECOND: Destination(1, Method.TUNNEL, tunnel=Tunnel(Encapsulation.GRE, 0, Checksum.FULL)),
        },
    ),
    MarkKey(4, 7): Service(Settings("wlc", persistence=600), {FIRST: Destination(1)}),
    MarkKey(6, 7): Service(Settings("wlc"), {OTHER_FAMILY: Destination(1)}),
}
"""Every kind of entry; tests of the real table compare it with ipvsadm's words."""


def reach(table: Any, desired: Table) -> Sequence[Action]:
    """Bring a table to ``desired``; returns what had to be done."""
    actions = plan(desired, table.observe(), owned=lambda _: True)
    assert table.perform(actions) == [Done()] * len(actions)
    return actions


class TableContract:
    """Subclasses give the fixture ``table``: an empty one for each test."""

    def test_every_kind_of_entry_is_observed_as_it_was_programmed(self, table: Any) -> None:
        reach(table, EVERYTHING)
        assert table.observe() == EVERYTHING

    def test_what_is_there_is_not_sent_again(self, table: Any) -> None:
        reach(table, EVERYTHING)
        assert reach(table, EVERYTHING) == []

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(desired=strategies.wanted_tables, before=strategies.tables)
    def test_any_table_is_reached_from_any_other(self, table: Any, desired: Table, before: Table) -> None:
        table.flush()
        reach(table, before)
        reach(table, desired)
        assert table.observe() == desired

    def test_every_setting_is_changed_in_place(self, table: Any) -> None:
        reach(table, {WEB: Service(Settings("wlc"), {FIRST: Destination(1)})})
        wanted = {
            WEB: Service(
                Settings("sh", Flags.FALLBACK, persistence=60, granularity=16),
                {FIRST: Destination(5, Method.TUNNEL, 10, 5, Tunnel(Encapsulation.GUE, 6080))},
            )
        }
        actions = reach(table, wanted)
        assert all(isinstance(action, Update) for action in actions)
        assert table.observe() == wanted
        reach(table, {WEB: Service(Settings("wlc"), {FIRST: Destination(1)})})
        assert table.observe()[WEB] == Service(Settings("wlc"), {FIRST: Destination(1)})

    def test_a_failed_action_leaves_those_behind_it(self, table: Any) -> None:
        outcomes = table.perform(
            [
                Create(WEB, Settings("wlc")),
                Create(WEB, Settings("wlc")),
                Create(DestinationId(WEB6, OTHER_FAMILY), Destination(1)),
                Update(DestinationId(WEB, SECOND), Destination(1), Destination(2)),
                Create(DestinationId(WEB, FIRST), Destination(1)),
            ]
        )
        assert [type(outcome) for outcome in outcomes] == [Done, RetryAfter, RetryAfter, RetryAfter, Done]
        assert table.observe() == {WEB: Service(Settings("wlc"), {FIRST: Destination(1)})}

    def test_deleting_what_is_gone_is_done(self, table: Any) -> None:
        reach(table, {WEB: Service(Settings("wlc"), {})})
        outcomes = table.perform(
            [
                Delete(DestinationId(WEB, FIRST), Destination(1)),
                Delete(DestinationId(WEB6, FIRST), Destination(1)),
                Delete(WEB6, Settings("wlc")),
            ]
        )
        assert outcomes == [Done()] * 3

    @pytest.mark.parametrize("before", [None, "wlc"])
    def test_a_scheduler_that_the_kernel_lacks_stalls_and_names_its_module(
        self, table: Any, before: str | None
    ) -> None:
        wanted = Settings("nonesuch")
        if before is not None:
            reach(table, {WEB: Service(Settings(before), {})})
        action: Action = Create(WEB, wanted) if before is None else Update(WEB, Settings(before), wanted)
        (outcome,) = table.perform([action])
        assert isinstance(outcome, Stalled)
        assert "ip_vs_nonesuch" in outcome.reason
        assert table.observe().get(WEB) == (None if before is None else Service(Settings(before), {}))

    def test_deleting_a_service_takes_its_destinations(self, table: Any) -> None:
        reach(table, EVERYTHING)
        reach(table, {})
        assert table.observe() == {}

    def test_the_fingerprint_tells_of_every_change_and_of_nothing_else(self, table: Any) -> None:
        seen = {table.fingerprint()}
        for weight in (1, 2):
            reach(table, {WEB: Service(Settings("wlc"), {FIRST: Destination(weight)})})
            assert table.fingerprint() not in seen
            seen.add(table.fingerprint())
        reach(table, {WEB: Service(Settings("wrr"), {FIRST: Destination(2)})})
        assert table.fingerprint() not in seen
        assert table.fingerprint() == table.fingerprint()

    def test_connections_are_counted_of_the_services_that_are_asked_for(self, table: Any) -> None:
        reach(table, EVERYTHING)
        counted = table.connections([WEB, WEB6])
        assert {key: set(found) for key, found in counted.items()} == {
            key: set(EVERYTHING[key].destinations) for key in (WEB, WEB6)
        }
        assert all(count == 0 for found in counted.values() for count in found.values())
        gone: ServiceKey = AddressKey(Protocol.TCP, ip_address("203.0.113.99"), 80)
        assert table.connections([gone]) == {gone: {}}

    def test_tuning_changes_what_differs_and_nothing_twice(self, table: Any) -> None:
        tuning = Tuning(Timeouts(udp=15), {"sloppy_tcp": 1})
        assert set(table.tune(tuning)) == {"timeout udp", "net.ipv4.vs.sloppy_tcp"}
        assert table.tune(tuning) == ()

    def test_more_than_one_batch_is_performed(self, table: Any) -> None:
        servers = [DestinationKey(ip_address(f"10.0.{high}.{low}"), 80) for high in range(4) for low in range(1, 201)]
        wanted = {WEB: Service(Settings("wrr"), dict.fromkeys(servers, Destination(1)))}
        reach(table, wanted)
        assert table.observe() == wanted
