"""Heartbeat timings, split-brain policy and keys: what the safety core needs to be right (cluster.md)."""

from collections.abc import Sequence

from vedette.kit.units import HOUR, MILLISECOND, SECOND, show
from vedette.spec import defaults
from vedette.spec.model import cluster as model
from vedette.spec.resolve.scope import NODES, Scope, duration
from vedette.spec.resolved import Heartbeat, Link, Node, Role, SplitBrainPolicy, Watchdog
from vedette.spec.tree import Path

HEARTBEAT: Path = ("spec", "heartbeat")
POLICY: Path = ("spec", "splitBrain", "policy")
WATCHDOG: Path = ("spec", "watchdog")
SHORTEST_WATCHDOG = 4 * SECOND
SHORTEST_INTERVAL = 10 * MILLISECOND
LONGEST_TIME = HOUR


def resolve_heartbeat(scope: Scope, links: tuple[Link, ...]) -> Heartbeat:
    """Fill in the timings and report those that cannot work together."""
    written = scope.spec.heartbeat or model.Heartbeat.model_construct()
    interval = duration(written.interval, defaults.INTERVAL)
    dead_after = duration(written.dead_after, defaults.DEAD_AFTER)
    heartbeat = Heartbeat(
        interval=interval,
        warn_after=duration(written.warn_after, max(dead_after // 2, interval)),
        dead_after=dead_after,
        startup_grace=duration(written.startup_grace, max(defaults.STARTUP_GRACE, dead_after)),
        links=links,
    )
    _check_timings(scope, written, heartbeat)
    return heartbeat


def _check_timings(scope: Scope, written: model.Heartbeat, heartbeat: Heartbeat) -> None:
    def place(*keys: str) -> Path:
        """Point at the first of ``keys`` that is written."""
        parts = {"interval": written.interval, "deadAfter": written.dead_after}
        return (*HEARTBEAT, next((key for key in keys if parts[key] is not None), keys[0]))

    if not scope.sound((*HEARTBEAT, "interval"), (*HEARTBEAT, "deadAfter")):
        return
    interval, dead_after = heartbeat.interval, heartbeat.dead_after
    if interval < SHORTEST_INTERVAL:
        scope.fault(
            place("interval"), f"interval {show(interval)} is too short", f"write {show(SHORTEST_INTERVAL)} or more"
        )
    elif dead_after < 4 * interval:
        scope.fault(
            place("deadAfter", "interval"),
            f"deadAfter {show(dead_after)} is less than 4 times the interval of {show(interval)}",
            f"write `deadAfter: {show(4 * interval)}` or more, or a shorter interval",
        )
    elif dead_after > LONGEST_TIME:
        scope.fault(
            place("deadAfter"), f"deadAfter {show(dead_after)} is too long", f"write {show(LONGEST_TIME)} or less"
        )
    else:
        _check_between(scope, heartbeat)


def _check_between(scope: Scope, heartbeat: Heartbeat) -> None:
    """Report what does not fit to an interval and a deadAfter that fit each other."""
    interval, dead_after = heartbeat.interval, heartbeat.dead_after
    if scope.sound((*HEARTBEAT, "warnAfter")) and not interval <= heartbeat.warn_after <= dead_after:
        scope.fault(
            (*HEARTBEAT, "warnAfter"),
            f"warnAfter {show(heartbeat.warn_after)} is not between interval and deadAfter",
            f"write {show(interval)} to {show(dead_after)}",
        )
    if scope.sound((*HEARTBEAT, "startupGrace")) and heartbeat.startup_grace < dead_after:
        scope.fault(
            (*HEARTBEAT, "startupGrace"),
            f"startupGrace {show(heartbeat.startup_grace)} is shorter than deadAfter",
            f"write {show(dead_after)} or more",
        )


def resolve_policy(scope: Scope, nodes: Sequence[Node]) -> SplitBrainPolicy:
    """Return the written policy or the one that follows from the nodes; report one that cannot hold."""
    written = scope.spec.split_brain.policy if scope.spec.split_brain else None
    sound = scope.intact(NODES, "role", "fencing") and scope.sound(("spec", "splitBrain"))
    directors = [node for node in nodes if node.role is Role.DIRECTOR]
    if written is None:
        return _default_policy(scope, nodes, directors, sound=sound)
    policy = SplitBrainPolicy(written)
    if not sound:
        return policy
    if policy is SplitBrainPolicy.MAJORITY and len(nodes) == 2:
        scope.fault(
            POLICY, "a majority of two nodes is both: when one dies, nobody serves", "add a third node: `role: witness`"
        )
    if policy is not SplitBrainPolicy.MAJORITY and not len(nodes) == len(directors) == 2:
        what = f"{len(nodes)} {'node' if len(nodes) == 1 else 'nodes'}" if len(nodes) == len(directors) else "a witness"
        remedy = "leave `splitBrain` out" if len(nodes) != 2 else "two directors, or three nodes with `majority`"
        scope.fault(POLICY, f"`{policy.value}` is for exactly two directors, and here is {what}", remedy)
    elif policy is SplitBrainPolicy.FENCE:
        _check_fenced(scope, nodes)
    return policy


def _default_policy(scope: Scope, nodes: Sequence[Node], directors: Sequence[Node], *, sound: bool) -> SplitBrainPolicy:
    """With two nodes it is `fence` if both can be fenced; there is no other that follows."""
    if len(nodes) != 2:
        return SplitBrainPolicy.MAJORITY
    fenced = [node for node in directors if node.fencing is not None]
    if len(fenced) == 2:
        return SplitBrainPolicy.FENCE
    if sound and fenced and len(directors) == 2:
        _check_fenced(scope, nodes)
    elif sound:
        scope.fault(
            ("spec", "splitBrain"),
            "two nodes alone cannot tell a dead peer from a cut cable, so `splitBrain` must be said",
            "add a third node (`role: witness`), or `fencing` to both, "
            "or accept that both may serve: `splitBrain: {policy: tolerate}`",
            at_key=True,
        )
    return SplitBrainPolicy.MAJORITY


def _check_fenced(scope: Scope, nodes: Sequence[Node]) -> None:
    """Report the nodes that nobody can switch off."""
    for index, node in enumerate(nodes):
        if node.fencing is None:
            message = f"node `{node.name}` has no `fencing`, so nobody can take over from it"
            scope.fault((*NODES, index), message, 'add `fencing: {levels: [{devices: [{name: pdu, plug: "3"}]}]}`')


def resolve_watchdog(scope: Scope) -> Watchdog | None:
    """Fill in what is not written, and report a device or a time-out that cannot work."""
    written = scope.spec.watchdog
    if written is None:
        return None
    device = defaults.WATCHDOG if written.device is None else written.device
    if not device.startswith("/"):
        scope.fault((*WATCHDOG, "device"), f"{device} does not name a device", "write it like /dev/watchdog0")
    path = (*WATCHDOG, "timeout")
    timeout = whole_seconds(scope, written.timeout, path)
    timeout = defaults.WATCHDOG_TIMEOUT if timeout is None else timeout
    if not SHORTEST_WATCHDOG <= timeout <= LONGEST_TIME and timeout % SECOND == 0 and scope.sound(path):
        scope.fault(
            path,
            f"a machine that resets after {written.timeout} is no help",
            f"write {show(SHORTEST_WATCHDOG)} to {show(LONGEST_TIME)}: a daemon that restarts needs a few seconds",
        )
    return Watchdog(device=device, timeout=timeout)


def resolve_assumption(scope: Scope, watchdog: Watchdog | None) -> bool:
    """Whether an armed watchdog may stand for a fencing device; report where that means nothing."""
    written = scope.spec.split_brain
    if written is None or not written.assume_watchdog:
        return False
    path = ("spec", "splitBrain", "assumeWatchdog")
    if written.policy != SplitBrainPolicy.FENCE.value:
        scope.fault(path, "`assumeWatchdog` is for `policy: fence`", "leave it out", at_key=True)
    elif watchdog is None and scope.sound(WATCHDOG):
        scope.fault(path, "no node has a watchdog to count on", "add `watchdog: {}` to `spec`", at_key=True)
    return True


def whole_seconds(scope: Scope, text: str | None, path: Path) -> int | None:
    """Read a time that the kernel keeps in seconds."""
    if text is None:
        return None
    value = duration(text, 0)
    if value % SECOND:
        scope.fault(path, f"{text} is not a whole number of seconds", f"write {value // SECOND + 1}s")
    return value
