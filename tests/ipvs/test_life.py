"""How servers come and go, on virtual time."""

import errno
from dataclasses import replace
from pathlib import Path

import pytest
from tests.ipvs.documents import CHECK, HTTP, SERVERS, WEB, at, document, service
from tests.ipvs.lives import PAGE, World

from vedette.ipvs.model import MarkKey
from vedette.kit.units import MINUTE, SECOND
from vedette.reconcile.plan import Delete
from vedette.spec.probes import ExecProbe
from vedette.spec.resolved import Damping, Life, Mark, NameKind, OnFailure, Quorum, ServerName, VirtualService
from vedette.state.health import Advice, Health

MINUTE_OF_DRAIN = Life(drain=MINUTE)
HEAVY = tuple(replace(server, weight=100) for server in SERVERS)
SLOW = Life(slow_start=9 * SECOND)
DAMPED = Life(damping=Damping(3, MINUTE, 10 * MINUTE))


def web(**changes: object) -> VirtualService:
    return service(**({"real_servers": HEAVY} | changes))


def without(last: int, **changes: object) -> VirtualService:
    """The service, and the server 10.0.0.``last`` is not in the document any more."""
    return web(real_servers=tuple(item for item in HEAVY if not str(item.address).endswith(str(last))), **changes)


def resting(last: int, **changes: object) -> VirtualService:
    """The service with the server 10.0.0.``last`` in maintenance."""
    servers = tuple(replace(item, maintenance=str(item.address).endswith(str(last))) for item in HEAVY)
    return web(real_servers=servers, **changes)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.document(web())
    return world


# Drain


@pytest.mark.parametrize("edit", [without, resting])
def test_a_server_that_a_person_takes_out_drains_until_its_connections_are_gone(world: World, edit: object) -> None:
    world.connections("12", 3)
    world.document(edit(12))  # type: ignore[operator]
    assert world.weights == {"11": 100, "12": 0, "13": 100}
    world.run(30 * SECOND)
    assert world.weights["12"] == 0
    world.connections("12", 0)
    world.run(SECOND)
    assert world.weights == {"11": 100, "13": 100}


@pytest.mark.parametrize("edit", [without, resting])
def test_it_goes_when_the_time_is_up_though_it_has_connections(world: World, edit: object) -> None:
    world.connections("12", 3)
    world.document(edit(12, life=MINUTE_OF_DRAIN))  # type: ignore[operator]
    world.run(MINUTE - 2 * SECOND)
    assert "12" in world.weights
    world.run(3 * SECOND)
    assert "12" not in world.weights


def test_an_edit_of_the_deadline_holds_for_drains_under_way(world: World) -> None:
    world.connections("12", 3)
    world.document(without(12, life=MINUTE_OF_DRAIN))
    world.run(20 * SECOND)
    world.document(without(12, life=Life(drain=10 * SECOND)))
    world.run(SECOND)
    assert "12" not in world.weights


def test_a_drain_of_no_time_is_over_at_once(world: World) -> None:
    world.connections("12", 3)
    world.document(without(12, life=Life(drain=0)))
    world.run(SECOND)
    assert "12" not in world.weights


def test_a_server_that_comes_back_while_it_drains_has_its_whole_weight_at_once(world: World) -> None:
    world.connections("12", 3)
    for edit in (without(12, life=SLOW), resting(12, life=SLOW)):
        world.document(edit)
        world.run(5 * SECOND)
        assert world.weights["12"] == 0
        world.document(web(life=SLOW))
        assert world.weights["12"] == 100


def test_one_that_comes_back_while_it_drains_does_not_wait_for_its_first_check(world: World) -> None:
    world.connections("12", 3)
    world.document(without(12))
    world.document(web(), s12=Health.UNKNOWN)
    assert world.weights["12"] == 100


def test_a_server_that_has_drained_and_gone_comes_back_at_once(world: World) -> None:
    world.document(resting(12))
    world.run(2 * SECOND)
    assert "12" not in world.weights
    world.document(web())
    assert world.weights["12"] == 100


def test_checks_that_fail_do_not_cut_a_drain_short(world: World) -> None:
    world.connections("12", 1)
    world.document(resting(12), s12=Health.DOWN)
    world.run(10 * SECOND)
    assert world.weights["12"] == 0


def test_a_drain_goes_on_after_a_restart_with_its_old_deadline(world: World) -> None:
    world.connections("12", 3)
    world.document(without(12, life=MINUTE_OF_DRAIN))
    world.run(40 * SECOND)
    world.restart()
    world.document(without(12, life=MINUTE_OF_DRAIN), default=Health.UNKNOWN, complete=False)
    world.run(SECOND)
    assert world.weights == {"11": 100, "12": 0, "13": 100}
    world.document(without(12, life=MINUTE_OF_DRAIN))
    world.run(17 * SECOND)
    assert world.weights["12"] == 0
    world.run(4 * SECOND)
    assert "12" not in world.weights


def test_a_destination_that_nobody_knows_of_is_drained_after_a_start(world: World) -> None:
    """It was removed from the document while no daemon ran."""
    world.connections("12", 3)
    world.restart(forget=True)
    world.document(without(12, life=MINUTE_OF_DRAIN))
    assert world.weights == {"11": 100, "12": 0, "13": 100}
    world.run(MINUTE + SECOND)
    assert "12" not in world.weights


def test_nothing_is_taken_for_removed_while_a_name_could_never_be_looked_up(world: World) -> None:
    """A director that starts without its resolvers keeps what it finds."""
    world.restart(forget=True)
    names = (ServerName(NameKind.HOST, "app.example"),)
    world.document(web(real_servers=(), names=names, unresolved=True))
    world.run(5 * MINUTE)
    assert world.weights == {"11": 100, "12": 100, "13": 100}
    world.document(without(12, names=names))
    assert world.weights == {"11": 100, "12": 0, "13": 100}


def test_whoever_is_in_maintenance_from_the_start_is_not_there_at_all(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.document(resting(12))
    assert world.weights == {"11": 100, "13": 100}


def test_a_destination_that_somebody_else_adds_is_no_drain(world: World) -> None:
    world.intrude("99", 5)
    world.run(SECOND)
    assert "99" not in world.weights


# A service that leaves the document


def test_a_service_that_leaves_the_document_drains_as_it_said(world: World) -> None:
    world.connections("12", 3)
    world.document(web(life=MINUTE_OF_DRAIN))
    world.document()
    assert world.weights == {"11": 0, "12": 0, "13": 0}
    world.run(2 * SECOND)
    assert world.weights == {"12": 0}
    world.run(MINUTE - 4 * SECOND)
    assert world.weights == {"12": 0}
    world.run(4 * SECOND)
    assert world.table.table == {}
    assert world.residue == {}


def test_it_leaves_as_soon_as_its_last_connection_is_gone(world: World) -> None:
    world.connections("12", 3)
    world.document()
    world.run(5 * SECOND)
    world.connections("12", 0)
    world.run(SECOND)
    assert world.table.table == {}
    assert not world.reconciler.leaving()


def test_a_port_that_leaves_a_service_drains_and_the_others_serve(world: World) -> None:
    more = replace(HTTP, port=443)
    world.document(web(endpoints=(HTTP, more)))
    world.table.busy[at("10.0.0.12", 443)] = 1
    world.document(web())
    secure = replace(WEB, port=443)
    assert {item.weight for item in world.table.table[secure].destinations.values()} == {0}
    assert world.weights == {"11": 100, "12": 100, "13": 100}
    world.run(2 * SECOND)
    assert list(world.table.table[secure].destinations) == [at("10.0.0.12", 443)]


def test_a_service_without_a_drain_is_deleted_at_once(world: World) -> None:
    world.connections("12", 3)
    world.document(web(life=Life(drain=0)))
    world.document()
    assert world.table.table == {}


def test_a_service_whose_address_leaves_with_it_is_deleted_at_once(world: World) -> None:
    world.connections("12", 3)
    spec = replace(document(digest="without its address"), groups=())
    world.reconciler.update(spec, {}, complete=True)
    world.step()
    assert world.table.table == {}


def test_a_mark_of_other_peoples_drains_wherever_it_arrives(world: World) -> None:
    mark = MarkKey(4, 7)
    world.document(web(), web(name="marked", endpoints=(), mark=Mark(4, 7, ours=False), checks=()))
    world.table.busy[at("10.0.0.12", 0)] = 1
    world.document(web())
    world.run(2 * SECOND)
    assert list(world.table.table[mark].destinations) == [at("10.0.0.12", 0)]


@pytest.mark.parametrize("while_away", [False, True])
def test_a_restart_neither_forgets_nor_prolongs_the_drain_of_a_service(world: World, while_away: bool) -> None:
    """``while_away``: it left the document while no daemon ran."""
    world.connections("12", 3)
    world.document(web(life=MINUTE_OF_DRAIN))
    if not while_away:
        world.document()
    world.run(0 if while_away else 40 * SECOND)
    world.restart()
    world.document(complete=False)
    world.run(MINUTE - 2 * SECOND if while_away else 17 * SECOND)
    assert world.weights["12"] == 0
    world.document()
    world.run(4 * SECOND)
    assert world.table.table == {}


def test_a_service_that_comes_back_while_it_drains_has_its_weights_at_once(world: World) -> None:
    world.connections("12", 3)
    world.document()
    world.run(2 * SECOND)
    assert world.weights == {"12": 0}
    world.document(web(), s11=Health.UNKNOWN, s12=Health.UNKNOWN)
    assert world.weights == {"12": 100, "13": 100}
    assert not world.reconciler.leaving()
    world.document()
    world.run(MINUTE - 2 * SECOND)
    assert world.weights == {"12": 0}


def test_the_page_of_a_service_that_leaves_goes_at_once(world: World) -> None:
    world.connections("12", 3)
    world.document(web(sorry=PAGE, life=Life(quorum=Quorum(1000))))
    assert "sorry" in world.weights
    world.document()
    assert world.weights == {"11": 0, "12": 0, "13": 0}


def test_a_service_that_the_kernel_does_not_delete_does_not_begin_to_drain_anew(world: World) -> None:
    world.connections("12", 3)
    world.document(web(life=MINUTE_OF_DRAIN))
    world.document()
    world.table.refuse = lambda action: errno.EBUSY if isinstance(action, Delete) else 0
    world.run(2 * MINUTE)
    world.table.refuse = lambda _: 0
    world.run(MINUTE)
    assert world.table.table == {}


def test_status_shows_what_a_service_waits_for_that_has_left(world: World) -> None:
    world.connections("12", 3)
    world.document(web(life=MINUTE_OF_DRAIN))
    world.document()
    world.run(2 * SECOND)
    (shown,) = world.reconciler.leaving()
    assert (shown["name"], shown["endpoint"], shown["address"]) == ("web", "tcp 203.0.113.80:80", "10.0.0.12")
    assert shown["phase"]["state"] == "draining"
    assert shown["phase"]["until"] - shown["phase"]["since"] == MINUTE
    assert world.reconciler.status() == []
    assert world.reconciler.problems() == []


# What status shows


def test_status_shows_what_a_drain_waits_for(world: World) -> None:
    world.connections("12", 3)
    world.document(without(12, life=MINUTE_OF_DRAIN))
    began = world.now
    world.run(5 * SECOND)
    shown = world.shown("12")
    assert (shown["role"], shown["weight"]) == ("leaving", 0)
    assert shown["phase"]["state"] == "draining"
    assert shown["phase"]["until"] == began + MINUTE
    world.document(resting(12, life=MINUTE_OF_DRAIN))
    assert world.shown("12")["role"] == "real"


# Slow start


def test_a_server_that_recovers_starts_slowly_and_reaches_its_weight_in_ten_messages(world: World) -> None:
    world.document(web(life=SLOW), s12=Health.DOWN)
    world.document(web(life=SLOW))
    course = world.course("12", 10 * SECOND)
    assert course == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]


def test_so_does_a_new_one_that_an_edit_adds(world: World) -> None:
    world.document(without(12, life=SLOW))
    world.run(2 * SECOND)
    world.document(web(life=SLOW), s12=Health.UNKNOWN)
    assert "12" not in world.weights
    world.document(web(life=SLOW))
    assert world.course("12", 10 * SECOND)[::9] == [10, 100]


def test_a_server_that_has_no_verdict_in_its_time_keeps_neither_the_page_nor_a_slow_start_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    services = web(sorry=PAGE, life=SLOW)
    world.document(services, default=Health.DOWN, s13=Health.UNKNOWN, complete=False)
    assert world.weights == {}, "the verdict on the last one may come any moment"
    world.document(services, default=Health.DOWN, s13=Health.UNKNOWN)
    assert list(world.weights) == ["sorry"]
    world.document(services, s12=Health.DOWN, s13=Health.UNKNOWN)
    world.run(20 * SECOND)
    world.document(services, s13=Health.UNKNOWN)
    assert world.course("12", 10 * SECOND) == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]


def test_at_the_start_of_a_director_nobody_starts_slowly(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.document(web(life=SLOW), default=Health.UNKNOWN, complete=False)
    world.document(web(life=SLOW), s12=Health.UNKNOWN, complete=False)
    world.document(web(life=SLOW))
    assert world.weights == {"11": 100, "12": 100, "13": 100}


def test_a_slow_start_goes_on_after_a_restart(world: World) -> None:
    world.document(web(life=SLOW), s12=Health.DOWN)
    world.document(web(life=SLOW))
    world.run(4 * SECOND)
    before = world.weights["12"]
    world.restart()
    world.document(web(life=SLOW), default=Health.UNKNOWN, complete=False)
    assert world.weights["12"] == before < 100
    world.document(web(life=SLOW))
    world.run(6 * SECOND)
    assert world.weights["12"] == 100


def test_a_server_that_falls_while_it_starts_begins_anew(world: World) -> None:
    for _ in range(2):
        world.document(web(life=SLOW), s12=Health.DOWN)
        world.document(web(life=SLOW))
        assert world.weights["12"] == 10
        world.run(5 * SECOND)


# The weight that a check gives


def test_a_check_gives_its_server_a_share_of_its_weight_or_another_weight(world: World) -> None:
    world.document(web(), advice={"12": Advice(25), "13": Advice(7, absolute=True)})
    assert world.weights == {"11": 100, "12": 25, "13": 7}
    world.document(web(), advice={"12": Advice(0)})
    world.run(2 * MINUTE)
    assert world.weights == {"11": 100, "12": 0, "13": 100}


def test_an_undecided_server_keeps_the_weight_that_its_checks_gave_it(world: World) -> None:
    """At a restart, or when the check is edited; the document's would be a jump for the clients."""
    measured = replace(CHECK, probe=ExecProbe(("/bin/load",), dynamic_weight=True))
    weighed = web(checks=(measured,), life=SLOW)
    world.document(weighed, advice={"11": Advice(2, absolute=True), "12": Advice(50), "13": Advice(0)})
    before = world.weights
    assert before == {"11": 2, "12": 50, "13": 0}
    world.restart()
    world.document(weighed, default=Health.UNKNOWN, complete=False)
    assert world.weights == before
    world.document(weighed, advice={"11": Advice(3, absolute=True)})
    assert world.weights == {"11": 3, "12": 100, "13": 100}


def test_a_slow_start_leads_to_the_weight_that_the_check_gives(world: World) -> None:
    world.document(web(life=SLOW), s12=Health.DOWN)
    world.document(web(life=SLOW), advice={"12": Advice(50)})
    assert world.course("12", 10 * SECOND)[-1] == 50


# Flap damping


def flap(world: World, times: int, pause: int = SECOND) -> None:
    for _ in range(times):
        world.document(web(life=DAMPED), s12=Health.DOWN)
        world.run(pause)
        world.document(web(life=DAMPED))
        world.run(pause)


def test_a_server_that_falls_again_and_again_stays_out_until_its_penalty_is_low(world: World) -> None:
    flap(world, 2)
    assert world.weights["12"] == 100
    flap(world, 1)
    assert "12" not in world.weights
    (out,) = world.reconciler.status()[0]["out"]
    assert out["phase"]["state"] == "damped"
    world.run(out["phase"]["until"] - world.now - SECOND)
    assert "12" not in world.weights
    world.run(2 * SECOND)
    assert world.weights["12"] == 100


def test_a_penalty_survives_a_restart(world: World) -> None:
    flap(world, 3)
    world.restart()
    world.document(web(life=DAMPED), default=Health.UNKNOWN, complete=False)
    world.document(web(life=DAMPED))
    assert "12" not in world.weights


def test_nobody_is_held_out_when_there_is_no_one_else(world: World) -> None:
    flap(world, 3)
    world.document(web(life=DAMPED), s11=Health.DOWN, s13=Health.DOWN)
    assert world.weights == {"12": 100}
    world.document(web(life=DAMPED))
    assert world.weights == {"11": 100, "12": 0, "13": 100}


def test_without_damping_in_the_document_penalties_are_forgotten(world: World) -> None:
    flap(world, 3)
    world.document(web())
    assert world.weights["12"] == 100


# Quorum and the sorry server

FEW = Life(quorum=Quorum(200, hysteresis=50))


def test_the_sorry_server_takes_over_when_the_quorum_is_lost_and_open_connections_stay(world: World) -> None:
    world.document(web(life=FEW, sorry=PAGE))
    world.document(web(life=FEW, sorry=PAGE), s11=Health.DOWN)
    assert world.weights == {"12": 100, "13": 100}
    world.document(web(life=FEW, sorry=PAGE), s11=Health.DOWN, s12=Health.DOWN)
    assert world.weights == {"13": 0, "sorry": 1}
    assert any("the quorum is lost" in message for _, message in world.reconciler.problems())


def test_it_is_gained_again_above_the_hysteresis_only(world: World) -> None:
    world.document(web(life=FEW, sorry=PAGE), s11=Health.DOWN, s12=Health.DOWN)
    world.document(web(life=FEW, sorry=PAGE), s12=Health.DOWN)
    assert world.weights == {"13": 0, "sorry": 1}
    world.document(web(life=FEW, sorry=PAGE))
    assert world.weights == {"11": 100, "12": 100, "13": 100}
    assert world.reconciler.problems() == []


def test_without_a_sorry_server_what_is_left_goes_on(world: World) -> None:
    world.document(web(life=FEW), s11=Health.DOWN, s12=Health.DOWN)
    assert world.weights == {"13": 100}
    assert world.reconciler.problems()


def test_a_quorum_survives_a_restart_with_its_hysteresis(world: World) -> None:
    world.document(web(life=FEW, sorry=PAGE))
    world.document(web(life=FEW, sorry=PAGE), s11=Health.DOWN)
    world.restart()
    for complete in (False, True):
        world.document(web(life=FEW, sorry=PAGE), s11=Health.DOWN, complete=complete)
        assert world.weights == {"12": 100, "13": 100}


def test_servers_that_a_person_takes_out_do_not_count(world: World) -> None:
    world.connections("11", 1)
    world.document(resting(11, life=Life(quorum=Quorum(250)), sorry=PAGE))
    assert world.weights == {"11": 0, "12": 0, "13": 0, "sorry": 1}


def test_the_sorry_server_leaves_at_once_and_does_not_drain(world: World) -> None:
    world.document(web(sorry=PAGE), default=Health.DOWN)
    assert world.weights == {"sorry": 1}
    world.document(web(sorry=PAGE))
    assert world.weights == {"11": 100, "12": 100, "13": 100}


def test_quiesced_servers_that_recover_start_slowly_too(world: World) -> None:
    world.document(web(life=SLOW, on_failure=OnFailure.QUIESCE), s12=Health.DOWN)
    assert world.weights["12"] == 0
    world.document(web(life=SLOW, on_failure=OnFailure.QUIESCE))
    assert world.weights["12"] == 10


def test_nothing_is_kept_of_what_is_over(world: World) -> None:
    world.connections("12", 1)
    world.document(without(12, life=SLOW))
    world.connections("12", 0)
    world.run(5 * SECOND)
    world.document(web(life=SLOW))
    world.run(20 * SECOND)
    flap(world, 3)
    world.run(30 * MINUTE)
    world.document(web(life=SLOW))
    assert world.residue == {}
    assert WEB in world.table.table
