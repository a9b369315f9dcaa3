"""The loop against a table in memory: adopts, changes little, repairs, and stumbles over nothing for long."""

import asyncio
import errno
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ipvs.documents import HTTP, SERVERS, VIP, WEB, at, document, service, verdicts
from tests.ipvs.fake import FakeScreen, FakeTable

from vedette.ipvs.inventory import Inventory
from vedette.ipvs.model import AddressKey, Destination, DestinationId, MarkKey, Service, ServiceKey, Settings, Timeouts
from vedette.ipvs.plan import Action
from vedette.ipvs.reconciler import Reconciler
from vedette.ipvs.repair import Drift, Repair
from vedette.kit.errors import PermanentError
from vedette.kit.units import SECOND
from vedette.reconcile.plan import Create, Delete, Update
from vedette.spec.resolved import ClusterSpec, IpvsTimeouts, Mark, Protocol, RealServer
from vedette.state.health import Health

SERVICE: ServiceKey = WEB
FOREIGN: ServiceKey = AddressKey(Protocol.TCP, ip_address("198.51.100.1"), 25)
OLD = replace(WEB, port=8080)


class World:
    """A reconciler on a fake table, with a clock that the test moves."""

    def __init__(self, folder: Path, table: FakeTable | None = None) -> None:
        self.now = SECOND
        self.table = table or FakeTable()
        self.screen = FakeScreen(self.table)
        self.repairs: list[Repair] = []
        self.reports = 0
        self.reconciler = Reconciler(
            run_dir=folder,
            driver=self.table,
            screen=self.screen,
            clock=lambda: self.now,
            jitter=lambda delay: delay,
            repaired=self.repairs.extend,
            report=self._reported,
        )

    def _reported(self) -> None:
        self.reports += 1

    def apply(
        self, spec: ClusterSpec, *, complete: bool = True, default: Health = Health.UP, **healths: Health
    ) -> None:
        by_address = {f"10.0.0.{name[1:]}": health for name, health in healths.items()}
        self.table.sent.clear()
        self.reconciler.update(spec, verdicts(spec, by_address, default), complete=complete)
        asyncio.run(self.reconciler.reconcile())

    def turn(self, *, after: int = 0) -> list[Action]:
        """Let time pass (ns) and make one pass; returns what was sent."""
        self.now += after
        self.table.sent.clear()
        asyncio.run(self.reconciler.reconcile())
        return list(self.table.sent)

    def settle(self) -> None:
        """Let everything drain that has no connections."""
        for _ in range(4):
            self.turn(after=SECOND)

    @property
    def servers(self) -> set[str]:
        return {str(key) for key in self.table.table[WEB].destinations}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def no_destination(code: int, address: str) -> Callable[[Action], int]:
    """Refuse whatever concerns the real server at ``address``."""
    return lambda action: (
        code if isinstance(action.key, DestinationId) and str(action.key.destination.address) == address else 0
    )


def test_a_document_is_programmed(world: World) -> None:
    world.apply(document(service()))
    assert world.servers == {"10.0.0.11:80", "10.0.0.12:80", "10.0.0.13:80"}


def test_one_changed_weight_is_one_message(world: World) -> None:
    world.apply(document(service()))
    heavier = replace(SERVERS[1], weight=9)
    world.apply(document(service(real_servers=(SERVERS[0], heavier, SERVERS[2])), digest="2"))
    assert world.table.sent == [Update(DestinationId(WEB, at("10.0.0.12")), Destination(1), Destination(9))]


def _heavier(spec: ClusterSpec, weight: int, *, digest: str = "2") -> ClusterSpec:
    """The second of the three servers has another weight."""
    (virtual,) = spec.virtual_services
    servers = (virtual.real_servers[0], replace(virtual.real_servers[1], weight=weight), *virtual.real_servers[2:])
    return replace(spec, virtual_services=(replace(virtual, real_servers=servers),), digest=digest)


def test_an_edited_weight_is_sent_before_the_table_is_looked_at(world: World) -> None:
    spec = document(service())
    world.apply(spec)
    looks = world.table.looks
    world.reconciler.update(_heavier(spec, 9), verdicts(spec), complete=True)
    assert world.table.table[WEB].destinations[at("10.0.0.12")].weight == 9
    assert world.table.looks == looks
    assert world.turn() == []
    assert world.table.looks > looks
    assert world.repairs == []


def test_an_edited_weight_whose_destination_somebody_deleted_is_put_right_by_the_look(world: World) -> None:
    spec = document(service())
    world.apply(spec)
    world.table.edit([Delete(DestinationId(WEB, at("10.0.0.12")), Destination(1))])
    world.apply(_heavier(spec, 9))
    assert world.table.table[WEB].destinations[at("10.0.0.12")].weight == 9
    assert world.repairs == [Repair(WEB, Drift.MISSING, 1)]
    assert not world.reconciler.problems()


def test_an_edited_weight_waits_for_a_table_that_is_out_of_reach(world: World) -> None:
    spec = document(service())
    world.apply(spec)
    world.table.broken = OSError(errno.ENOBUFS, "No buffer space")
    world.apply(_heavier(spec, 9))
    assert world.reconciler.problems()
    world.table.broken = None
    world.turn(after=60 * SECOND)
    assert world.table.table[WEB].destinations[at("10.0.0.12")].weight == 9


def test_while_it_is_left_alone_no_edited_weight_is_sent(world: World) -> None:
    spec = document(service())
    world.apply(spec)
    world.reconciler.leave_alone(True)
    world.apply(_heavier(spec, 9))
    assert world.table.sent == []


def test_a_restart_sends_nothing_even_before_the_first_verdicts(world: World, tmp_path: Path) -> None:
    spec = document(service())
    world.apply(spec, s12=Health.DOWN)
    again = World(tmp_path, world.table)
    again.apply(spec, complete=False, default=Health.UNKNOWN)
    assert again.table.sent == []
    again.apply(spec, s12=Health.DOWN)
    assert again.table.sent == []


def test_nothing_is_deleted_before_the_first_verdicts_are_complete(world: World, tmp_path: Path) -> None:
    world.apply(document(service(), service(name="old", endpoints=(replace(HTTP, port=8080),))))
    again = World(tmp_path, world.table)
    again.apply(document(service()), complete=False, s11=Health.DOWN)
    assert OLD in again.table.table
    assert "10.0.0.11:80" in again.servers
    again.apply(document(service()), s11=Health.DOWN)
    assert OLD not in again.table.table
    assert "10.0.0.11:80" not in again.servers


def test_a_server_added_later_holds_up_no_removal(world: World) -> None:
    world.apply(document(service()))
    more = (*SERVERS, RealServer(ip_address("10.0.0.14")))
    world.apply(document(service(real_servers=more), digest="2"), complete=False, s11=Health.DOWN, s14=Health.UNKNOWN)
    assert world.servers == {"10.0.0.12:80", "10.0.0.13:80"}


def test_other_peoples_services_stay(world: World) -> None:
    world.table.edit([Create(FOREIGN, Settings("rr"))])
    world.apply(document(service()))
    world.apply(document(digest="2"))
    world.settle()
    assert set(world.table.table) == {FOREIGN}


def test_an_exclusive_document_leaves_nobody_elses_services(world: World) -> None:
    world.table.table[FOREIGN] = Service(Settings("rr"))
    world.apply(replace(document(service()), ipvs_exclusive=True))
    assert set(world.table.table) == {WEB}
    world.table.table[FOREIGN] = Service(Settings("rr"))
    world.apply(replace(document(digest="2"), ipvs_exclusive=True))
    assert set(world.table.table) == {WEB}
    world.settle()
    assert world.table.table == {}
    world.table.table[FOREIGN] = Service(Settings("rr"))
    world.turn(after=SECOND)
    assert world.table.table == {}


def test_packets_are_marked_when_the_new_service_is_there_and_before_the_old_one_goes(world: World) -> None:
    """Either way a service goes from ports to a mark or back, no packet meets neither."""
    by_mark = service(mark=Mark(4, 7, ours=True))
    for spec in (document(service()), document(by_mark, digest="2"), document(service(), digest="3")):
        world.apply(spec)
        assert world.screen.tables[-1] >= ({WEB, MarkKey(4, 7)} if len(world.screen.tables) > 1 else {WEB})
        before = len(world.screen.rules)
        world.settle()
        del world.screen.rules[before:]
    assert [bool(item.marks) for item in world.screen.rules] == [False, True, False]
    assert set(world.table.table) == {WEB}


def test_a_kernel_that_refuses_to_mark_packets_costs_no_other_service(world: World) -> None:
    world.screen.broken = PermanentError("the kernel refuses BPF: Operation not permitted")
    world.apply(document(service()))
    assert world.servers == {"10.0.0.11:80", "10.0.0.12:80", "10.0.0.13:80"}
    assert world.reconciler.settled
    ((scope, reason),) = world.reconciler.problems()
    assert scope == "IPVS packets"
    assert "refuses BPF" in reason
    assert world.reconciler.stalled == 0
    world.apply(document(service(mark=Mark(4, 7, ours=True)), digest="2"))
    assert world.reconciler.stalled == 1
    world.screen.broken = OSError(errno.ENOMEM, "full")
    world.turn(after=SECOND)
    assert (world.reconciler.settled, world.reconciler.stalled) == (False, 0)
    world.screen.broken = None
    world.turn(after=SECOND)
    assert world.reconciler.problems() == []
    assert world.reconciler.stalled == 0
    assert world.reconciler.settled


@pytest.mark.parametrize("number", [0x56000123, 0x57000123])
def test_services_by_marks_of_ours_are_ours_though_the_list_of_them_is_lost(tmp_path: Path, number: int) -> None:
    world, theirs = World(tmp_path), MarkKey(4, 7)
    world.table.table = {key: Service(Settings("rr"), {}) for key in (MarkKey(4, number), theirs)}
    world.apply(document(service()))
    assert world.table.table.keys() == {SERVICE, theirs}


def test_a_director_that_starts_in_maintenance_is_not_ready_while_its_table_is_another(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.reconciler.leave_alone(True)
    world.apply(document(service()))
    assert not world.reconciler.settled
    world.reconciler.leave_alone(False)
    world.turn()
    assert world.reconciler.settled
    again = World(tmp_path, world.table)
    again.reconciler.leave_alone(True)
    again.apply(document(service()))
    assert again.reconciler.settled, "it has found the table as it should be"
    again.table.flush()
    world.reconciler.leave_alone(True)
    world.turn()
    assert world.reconciler.settled, "this one has programmed it, and what a person does in maintenance is meant so"


def test_what_we_programmed_is_ours_after_a_restart_though_its_address_left_the_document(
    world: World, tmp_path: Path
) -> None:
    elsewhere = replace(HTTP, address=ip_address("203.0.113.99"))
    world.apply(document(service(endpoints=(elsewhere,))))
    world.table.edit([Create(FOREIGN, Settings("rr"))])
    again = World(tmp_path, world.table)
    again.apply(document(digest="2"))
    assert set(world.table.table) == {FOREIGN}


def test_an_unreadable_list_of_services_is_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "ipvs-services.json"
    path.write_bytes(b'[{"kind": "Owned"')
    assert WEB not in Inventory(path)


def test_a_flushed_table_comes_back_and_is_reported_once(world: World) -> None:
    world.apply(document(service()))
    before = world.table.table
    world.table.flush()
    world.turn(after=SECOND)
    assert world.table.table == before
    world.turn(after=SECOND)
    assert world.repairs == [Repair(WEB, Drift.MISSING, 4)]


def test_entries_changed_by_hand_are_put_right(world: World) -> None:
    world.apply(document(service()))
    before = world.table.table
    world.table.edit(
        [
            Update(DestinationId(WEB, at("10.0.0.11")), Destination(1), Destination(50)),
            Create(DestinationId(WEB, at("10.0.0.66")), Destination(1)),
            Update(SERVICE, Settings("wlc"), Settings("rr")),
        ]
    )
    world.turn(after=SECOND)
    assert world.table.table == before
    assert set(world.repairs) == {Repair(WEB, Drift.CHANGED, 2), Repair(WEB, Drift.FOREIGN, 1)}


def test_a_node_in_maintenance_shows_what_differs_and_touches_nothing_until_it_is_over(world: World) -> None:
    world.apply(document(service()))
    before = world.table.table
    world.table.flush()
    world.reconciler.leave_alone(True)
    assert world.turn(after=SECOND) == []
    world.apply(document(service(scheduler="rr"), digest="2"), s11=Health.DOWN)
    assert world.table.sent == []
    assert world.table.table == {}
    assert [scope for scope, _ in world.reconciler.problems()] == ["IPVS table"]
    world.apply(document(service()))
    world.reconciler.leave_alone(False)
    world.turn(after=SECOND)
    assert world.table.table == before
    assert world.reconciler.problems() == []


def test_an_edit_is_no_repair(world: World) -> None:
    world.apply(document(service()))
    world.apply(document(service(scheduler="mh"), digest="2"), s11=Health.DOWN)
    assert world.repairs == []


def test_an_undecided_server_that_was_taken_away_by_hand_comes_back(world: World, tmp_path: Path) -> None:
    spec = document(service())
    world.apply(spec)
    again = World(tmp_path, world.table)
    again.apply(spec, complete=False, default=Health.UNKNOWN)
    again.table.flush()
    again.turn(after=SECOND)
    assert len(again.servers) == 3


def test_one_refused_destination_stops_no_other(world: World) -> None:
    world.table.refuse = no_destination(errno.EINVAL, "10.0.0.12")
    world.apply(document(service()))
    assert world.servers == {"10.0.0.11:80", "10.0.0.13:80"}
    (problem,) = world.reconciler.problems()
    assert "10.0.0.12" in problem[1]


def test_a_refused_destination_is_tried_again_ever_more_rarely_until_it_holds(world: World) -> None:
    world.table.refuse = no_destination(errno.EINVAL, "10.0.0.12")
    world.apply(document(service()))
    tries = sum(bool(world.turn(after=SECOND)) for _ in range(120))
    assert 5 < tries < 15
    world.table.refuse = lambda _: 0
    world.turn(after=60 * SECOND)
    assert len(world.servers) == 3
    assert world.reconciler.problems() == []


def test_a_new_document_is_tried_at_once(world: World) -> None:
    world.apply(document(service(scheduler="nonesuch")))
    assert WEB not in world.table.table
    world.apply(document(service(scheduler="wlc"), digest="2"))
    assert len(world.servers) == 3


def test_a_service_without_its_scheduler_stops_no_other_and_names_the_module(world: World) -> None:
    broken = service(name="broken", scheduler="nonesuch", endpoints=(replace(HTTP, port=443),))
    world.apply(document(broken, service()))
    assert len(world.servers) == 3
    (problem,) = world.reconciler.problems()
    assert "modprobe ip_vs_nonesuch" in problem[1]
    sent = world.turn(after=SECOND)
    assert sent == []


def test_a_service_whose_scheduler_is_missing_counts_as_stalled_and_the_rest_as_settled(world: World) -> None:
    other = service(name="other", endpoints=(replace(HTTP, port=8080),), scheduler="nonesuch")
    world.apply(document(service(), other), complete=False)
    assert (world.reconciler.settled, world.reconciler.stalled) == (False, 1)
    world.apply(document(service(), other))
    assert (world.reconciler.settled, world.reconciler.stalled) == (True, 1)
    reports = world.reports
    world.apply(document(service(), digest="2"))
    assert (world.reconciler.settled, world.reconciler.stalled) == (True, 0)
    assert world.reports > reports


def test_a_scheduler_that_is_refused_leaves_the_running_service_and_its_weights_alive(world: World) -> None:
    world.apply(document(service()))
    heavier = (replace(SERVERS[0], weight=4), *SERVERS[1:])
    world.apply(document(service(scheduler="nonesuch", real_servers=heavier), digest="2"))
    left = {at("10.0.0.11"): Destination(4), at("10.0.0.12"): Destination(1), at("10.0.0.13"): Destination(1)}
    assert world.table.table[WEB] == Service(Settings("wlc"), left)
    world.apply(document(service(scheduler="nonesuch"), digest="2"))
    assert len(world.servers) == 3


@pytest.mark.parametrize(
    ("error", "settled", "stalled"),
    [
        (PermanentError("no IPVS here"), True, 1),
        (OSError(errno.EPERM, "denied"), True, 1),
        (OSError(errno.ENOBUFS, "full"), False, 0),
    ],
)
def test_a_kernel_that_does_not_answer_is_a_problem_and_tried_again(
    world: World, error: Exception, settled: bool, stalled: int
) -> None:
    """What only a person can change holds up nobody: it may be the same on every node."""
    world.table.broken = error
    world.apply(document(service()))
    assert len(world.reconciler.problems()) == 1
    assert (world.reconciler.settled, world.reconciler.stalled) == (settled, stalled)
    world.table.broken = None
    world.turn(after=60 * SECOND)
    assert (world.reconciler.settled, world.reconciler.stalled) == (True, 0)
    assert len(world.servers) == 3
    assert world.reconciler.problems() == []


def test_a_document_without_virtual_services_needs_no_ipvs(world: World) -> None:
    world.table.broken = PermanentError("this kernel has no IPVS")
    world.apply(document())
    assert world.reconciler.settled
    assert not world.reconciler.problems()


def test_it_is_settled_when_every_verdict_is_known_and_nothing_is_left_to_do(world: World) -> None:
    world.apply(document(service()), complete=False)
    assert not world.reconciler.settled
    world.apply(document(service()))
    assert world.reconciler.settled
    world.table.refuse = no_destination(errno.EINVAL, "10.0.0.12")
    world.table.flush()
    world.turn(after=SECOND)
    assert not world.reconciler.settled
    assert world.reports == 2


def test_time_outs_and_sysctls_are_set_and_kept(world: World) -> None:
    spec = replace(document(service()), ipvs_timeouts=IpvsTimeouts(udp=15 * SECOND))
    world.apply(spec)
    assert world.table.tuning.timeouts == Timeouts(900, 120, 15)
    assert world.table.tuning.sysctls["sloppy_tcp"] == 1


def test_status_shows_the_kernel_beside_the_verdicts(world: World) -> None:
    world.apply(document(service()), complete=False, s11=Health.DOWN)
    world.table.edit([Create(SERVICE, Settings("wlc")), Create(DestinationId(WEB, at("10.0.0.66")), Destination(1))])
    world.now += 2 * SECOND
    (shown,) = world.reconciler.status()
    assert (shown["virtualService"], shown["endpoint"], shown["present"]) == ("web", f"tcp {VIP}:80", True)
    roles = {item["address"]: (item["role"], item["health"]) for item in shown["destinations"]}
    assert roles["10.0.0.12"] == ("real", "up")
    assert roles["10.0.0.66"] == ("foreign", None)


def test_status_shows_a_change_at_once(world: World) -> None:
    for weight in (1, 2, 3):
        servers = (replace(SERVERS[0], weight=weight),)
        world.apply(document(service(real_servers=servers), digest=str(weight)))
        assert [item["weight"] for item in world.reconciler.status()[0]["destinations"]] == [weight]


def test_status_shows_nothing_of_a_table_that_cannot_be_read_any_more(world: World) -> None:
    world.apply(document(service()))
    assert world.reconciler.status()[0]["present"]
    world.table.broken = PermanentError("no IPVS here")
    world.now += 2 * SECOND
    assert not world.reconciler.status()[0]["present"]
    assert world.reconciler.problems() == [("IPVS table", "no IPVS here")]


def test_status_before_any_document_is_empty(world: World) -> None:
    assert world.reconciler.status() == []
    assert world.turn() == []


@given(data=st.data())
def test_whatever_fails_on_the_way_the_table_arrives(tmp_path_factory: Any, data: st.DataObject) -> None:
    """Errors at random actions, hands in the table, edits and verdicts; then quiet: it converges and then rests."""
    world = World(tmp_path_factory.mktemp("run"))
    codes = st.sampled_from((0, 0, errno.EINVAL, errno.ENOMEM, errno.EEXIST, errno.ENOENT, errno.ESRCH))
    world.table.refuse = lambda action: 0 if isinstance(action, Delete) else data.draw(codes)
    health = st.sampled_from((Health.UP, Health.DOWN, Health.UNKNOWN))
    spec = document()
    for step in range(data.draw(st.integers(1, 4))):
        scheduler = data.draw(st.sampled_from(("wlc", "mh")))
        spec = document(service(scheduler=scheduler), digest=str(step))
        world.apply(spec, s11=data.draw(health), s12=data.draw(health), s13=data.draw(health))
        if data.draw(st.booleans()):
            world.table.flush()
    world.table.refuse = lambda _: 0
    world.apply(spec)
    for _ in range(3):
        world.turn(after=60 * SECOND)
    assert len(world.servers) == 3
    assert world.table.table[WEB].settings == Settings(spec.virtual_services[0].scheduler)
    assert world.turn(after=SECOND) == []
    assert world.reconciler.settled
