"""What a document promises about a fault: every bound of the rehearsal, in one place, with its reason. Pure.

All bounds are nanoseconds and are computed from the document's own timings.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from vedette.kit.units import MILLISECOND, SECOND, show
from vedette.spec.resolved import ClusterSpec, HealthCheck, SplitBrainPolicy, VirtualService

TAKEOVER_SLACK = 300 * MILLISECOND
"""On top of deadAfter: the clock-rate allowance (2 %), the lease's two rounds, the kernel's own calls, the
announcement, and one period of the probe."""
MOVE = 50 * MILLISECOND
"""A planned move needs no time-out: release, lease, claim, announce take a few milliseconds (cluster.md)."""
CALM = 100 * MILLISECOND
"""Nothing should happen to the client; this much is allowed to the scheduling of a host that carries everything."""
ADDRESS_BACK = 150 * MILLISECOND
"""The kernel reports a deleted address at once; repair is one pass of the address reconciler."""
TABLE_BACK = 1 * SECOND
"""The kernel reports nothing about its IPVS table: the resync finds out."""
MOVED_TO_ANOTHER_GROUP = 2 * SECOND
"""An address that an edit gives to another group: the last node must be heard to have the document, and then nobody may
answer for it any more (addresses/moving.py, addresses/inquiry.py)."""
HELPER_BACK = 10 * SECOND
"""A helper process is restarted with back-off and must have checked everything again."""
DETECTION_SLACK = 300 * MILLISECOND
"""On top of a check's own times: the pass that changes the table, and requests already on their way."""
EDIT_APPLIED = 5 * SECOND
"""From saving a document to the kernel, on a host that also runs everything else."""
WHENEVER = 600 * SECOND
"""When a group returns is the returning node's business: it boots, checks, and waits for its failback delay."""
STRADDLING = 3
"""Handshakes through one endpoint that may straddle a move: the SYN by one director, the ACK by the other."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """``gap``: longest allowed without an answer. ``settled``: no attempt that starts later than this after the fault
    may fail. ``failed``: attempts of one probe that may fail, None = as many as fit the gap; with ``retried`` it speaks
    of connections only, which repeat what is lost on the way, and datagrams may be lost within the gap. ``held``:
    whether long-lived connections must survive. ``doubles``: whether two machines answering for one address count.

    ``unbroken``: services of which no connection may fail or break, whatever else is allowed.
    ``reason`` is what a person reads in the table.
    """

    reason: str
    gap: int
    settled: int
    failed: int | None = None
    retried: bool = False
    held: bool = False
    doubles: bool = True
    unbroken: frozenset[str] = frozenset()


def exclusive(spec: ClusterSpec) -> bool:
    """Whether the document promises that no two nodes ever hold a group at a time."""
    return spec.policy is not SplitBrainPolicy.TOLERATE


def nothing_lost(reason: str) -> Expectation:
    """The fault is none of the client's business."""
    return Expectation(reason=reason, gap=CALM, settled=0, failed=0, held=True)


def regrouped(reason: str, *, within: int = 0) -> Expectation:
    """Every address goes to another group by an edit, which reaches the last node ``within`` so long (ns)."""
    return Expectation(reason=reason, gap=MOVED_TO_ANOTHER_GROUP, settled=within + MOVED_TO_ANOTHER_GROUP)


def takeover(spec: ClusterSpec, *, partition: bool = False, failing: int = 0) -> Expectation:
    """The holder falls silent. ``partition``: it goes on or wakes up again, which ``tolerate`` lets both hold.

    With ``fence`` its power is cut first, and ``failing`` levels fail before one does it.
    """
    if spec.policy is SplitBrainPolicy.FENCE:
        return fenced(spec, failing=failing)
    return given_up(spec, partition=partition)


def fenced(spec: ClusterSpec, *, failing: int = 0) -> Expectation:
    """Nobody takes over before a device has shown that the holder is off: deadAfter + delay + device time + 1 s.

    Before the drill the devices' time is known as ``offTimeout`` at most; the drill compares with what they took.
    """
    bound = spec.heartbeat.dead_after + fencing_wait(spec) + device_time(spec) + SECOND
    reason = f"gap ≤ {show(bound)}: deadAfter, delay, offTimeout and 1s"
    if failing:
        bound += level_time(spec, failing)
        reason = f"gap ≤ {show(bound)}: deadAfter, delay, {failing} level in vain, offTimeout and 1s"
    return Expectation(reason=reason, gap=bound, settled=bound)


def fencing_wait(spec: ClusterSpec) -> int:
    """The longest that one of two nodes waits before it has the other switched off (cluster.md, rule 27)."""
    fencing = [node.fencing for node in spec.nodes if node.fencing is not None]
    written = max((item.delay for item in fencing), default=0)
    return written or device_time(spec) + spec.heartbeat.interval


def device_time(spec: ClusterSpec) -> int:
    """The longest that a device may take from off until off is seen."""
    return max((device.timeout for device in spec.fencing_devices), default=0)


def level_time(spec: ClusterSpec, levels: int) -> int:
    """The longest that the first ``levels`` of a node take to fail: each is tried twice."""
    timeouts = {device.name: device.timeout for device in spec.fencing_devices}
    found = [
        sum(2 * max(timeouts[use.device] for use in level) for level in node.fencing.levels[:levels])
        for node in spec.nodes
        if node.fencing is not None
    ]
    return max(found, default=0)


def given_up(spec: ClusterSpec, *, partition: bool = False) -> Expectation:
    """The holder lets go or is given up, and its lease ends."""
    bound = spec.heartbeat.dead_after + TAKEOVER_SLACK
    return Expectation(
        reason=f"gap ≤ deadAfter {show(spec.heartbeat.dead_after)} + {show(TAKEOVER_SLACK)}",
        gap=bound,
        settled=bound,
        doubles=exclusive(spec) or not partition,
    )


def move(services: Iterable[VirtualService]) -> Expectation:
    """A group goes from one healthy node to another because somebody wants it to.

    With ``mh`` not even a handshake is lost: both directors choose the same real server, and the new one accepts a
    connection that it has not seen begin (facts-kernel.md section 4).
    """
    seamless = frozenset(service.name for service in services if service.scheduler == "mh")
    return Expectation(
        reason=f"gap ≤ {show(MOVE)}" + ("; mh: no connection lost" if seamless else ""),
        gap=MOVE,
        settled=MOVE,
        failed=STRADDLING,
        retried=True,
        unbroken=seamless,
    )


def failback(spec: ClusterSpec) -> Expectation:
    """What has returned takes its group back. It is a planned move, made while a machine boots or wakes beside it on
    the same processors: the bound is the document's own, and the table shows what it was."""
    bound = spec.heartbeat.dead_after
    return Expectation(reason=f"gap ≤ deadAfter {show(bound)}", gap=bound, settled=WHENEVER)


def detection(check: HealthCheck, *, silent: bool) -> int:
    """From a server's fault to its removal at the latest: the check that just passed, ``fall`` failing ones, and,
    where the server is ``silent`` instead of refusing, the last one's time-out. The one that passed may have been
    early by the jitter; what it is where nobody says so is within the slack."""
    return check.interval * check.fall + (check.jitter or 0) + check.timeout * silent + DETECTION_SLACK


def server_lost(services: Iterable[VirtualService], *, silent: bool) -> Expectation:
    """A real server no longer works, and others do."""
    bound = max(detection(check, silent=silent) for service in services for check in service.checks)
    return Expectation(reason=f"out of the table in {show(bound)}", gap=bound, settled=bound, held=False)


def sorry_page(services: Iterable[VirtualService], *, silent: bool) -> Expectation:
    """All real servers of a service are gone: after their detection the sorry page answers, and they return."""
    bound = max(detection(check, silent=silent) for service in services for check in service.checks)
    return Expectation(reason=f"sorry page in {show(bound)}", gap=bound, settled=bound, held=False)


def returned(services: Iterable[VirtualService]) -> int:
    """From a server's recovery to its first client at the latest (ns)."""
    checks = [check for service in services for check in service.checks]
    return max(check.interval * (check.rise + 1) + check.timeout for check in checks) + DETECTION_SLACK


def address_back() -> Expectation:
    """Somebody deletes a VIP from its interface by hand."""
    return Expectation(
        reason=f"back in {show(ADDRESS_BACK)}", gap=ADDRESS_BACK, settled=ADDRESS_BACK, failed=None, held=True
    )


def table_back() -> Expectation:
    """Somebody flushes the IPVS table by hand: its connections are lost, new ones work again soon."""
    return Expectation(reason=f"back in {show(TABLE_BACK)}", gap=TABLE_BACK, settled=TABLE_BACK)
