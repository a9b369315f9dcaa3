"""What a document promises about a fault."""

from collections.abc import Callable
from dataclasses import replace

from vedette.kit.units import MILLISECOND, SECOND
from vedette.lab.drills import expectations
from vedette.lab.drills.ground import Ground
from vedette.spec.resolved import ClusterSpec, SplitBrainPolicy, VirtualService

Make = Callable[..., VirtualService]
MakeCluster = Callable[..., ClusterSpec]


def test_a_takeover_may_take_as_long_as_dead_after_says(make_cluster: MakeCluster) -> None:
    assert expectations.takeover(make_cluster()).gap == 1300 * MILLISECOND
    assert expectations.takeover(make_cluster(dead_after=3 * SECOND)).gap == 3300 * MILLISECOND


def test_two_holders_are_never_allowed_unless_the_document_tolerates_a_partition(make_cluster: MakeCluster) -> None:
    tolerant = make_cluster(policy=SplitBrainPolicy.TOLERATE)
    assert expectations.takeover(make_cluster(), partition=True).doubles
    assert expectations.takeover(tolerant).doubles
    assert not expectations.takeover(tolerant, partition=True).doubles


def test_a_planned_move_loses_no_connection_with_the_same_choice_on_both_sides(
    make_service: Make,
) -> None:
    steady, other = make_service(scheduler="mh"), replace(make_service(scheduler="wlc"), name="other")
    mixed = expectations.move([steady, other])
    assert (mixed.gap, mixed.failed) == (50 * MILLISECOND, expectations.STRADDLING)
    assert mixed.unbroken == {steady.name}


def test_a_silent_server_is_detected_one_time_out_later_than_one_that_refuses(make_service: Make) -> None:
    (check,) = make_service().checks
    assert expectations.detection(check, silent=False) == 3300 * MILLISECOND
    assert expectations.detection(check, silent=True) == 3800 * MILLISECOND


def test_the_slowest_check_of_all_users_of_a_server_counts(make_service: Make) -> None:
    slow = make_service()
    slow = replace(slow, checks=(replace(slow.checks[0], interval=10 * SECOND),))
    lost = expectations.server_lost([make_service(), slow], silent=False)
    assert lost.settled == 30 * SECOND + expectations.DETECTION_SLACK


def test_a_fault_of_somebody_else_loses_nothing() -> None:
    calm = expectations.nothing_lost("why")
    assert (calm.failed, calm.held, calm.reason) == (0, True, "why")


def test_a_router_that_is_switched_off_first_is_replaced_so_much_later(make_fencing: Callable[[], Ground]) -> None:
    spec = make_fencing().spec
    delay, device = 6 * SECOND, 5 * SECOND
    assert expectations.takeover(spec).gap == SECOND + delay + device + SECOND
    assert expectations.takeover(spec, failing=1).gap == SECOND + delay + device + SECOND + 2 * 5 * SECOND
    assert expectations.takeover(spec).doubles


def test_without_a_written_delay_the_slowest_device_is_waited_for(make_fencing: Callable[[], Ground]) -> None:
    spec = make_fencing().spec
    nodes = tuple(replace(node, fencing=replace(node.fencing, delay=0)) for node in spec.nodes if node.fencing)
    assert expectations.fencing_wait(replace(spec, nodes=nodes)) == 5 * SECOND + spec.heartbeat.interval
