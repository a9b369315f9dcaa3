"""What the cluster core must know of the document, and the durations derived from it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Protocol

from vedette.kit.errors import UsageError
from vedette.kit.units import MILLISECOND, SECOND, show
from vedette.spec.resolved import ClusterSpec, Failback, Role, SplitBrainPolicy

MOST_NODES = 16
MOST_VOTERS = 7
MOST_GROUPS = 32
MOST_SCORE = 16
"""What a node says of itself that misses none of the ping nodes, of which a document has at most so many."""
STAGGER = 10 * MILLISECOND
"""s: how much later each next-ranked node tries; several times a round trip of a local network."""
DRIFT = 100
"""1/ρ: clocks may run 1 % fast or slow. A crystal is off by less than 0.01 %, a slewing NTP by 0.05 %."""
REPEATS = (3 * MILLISECOND, 10 * MILLISECOND, 30 * MILLISECOND)
"""When what must not get lost is said again."""
ASK_AGAIN = (10 * MILLISECOND, 30 * MILLISECOND)
"""When Prepare and Accept are repeated. Every link carried them, so that one is hardly ever lost; an answer takes
several ms where machines are slow, and would wait behind the repeats and their answers."""

_NAMELESS = "#"


class Random(Protocol):
    """The part of :class:`random.Random` that the core uses; injected, so that a simulation is reproducible."""

    def getrandbits(self, k: int, /) -> int: ...

    def randrange(self, start: int, stop: int, /) -> int: ...


@cache
def tag(name: str) -> int:
    """The 32-bit name of a node or group on the wire and in ballots: the head of its SHA-256, never 0."""
    if name.startswith(_NAMELESS):
        return int(name[len(_NAMELESS) :], 16)
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) or 1


@dataclass(frozen=True)
class Timings:
    """Durations in ns. ``interval`` is I and ``dead_after`` is D of cluster.md; the rest is derived, once."""

    interval: int
    warn_after: int
    dead_after: int
    startup_grace: int

    @cached_property
    def margin(self) -> int:
        """m: by how much an owner stops counting on its lease before the kernel's deadline.

        Safety does not need it (the gate is never late); it lets the daemon take the addresses off in order
        instead of having them cut off. A wake-up is late by about 1 ms, so 2 ms is the least; 1 % of D keeps it
        in proportion and costs no more than the clocks' tolerance does.
        """
        return max(2 * MILLISECOND, self.dead_after // 100)

    @cached_property
    def lease(self) -> int:
        """D_P = γ·D − 2 m: what a proposer counts on its own clock, γ = (1 − ρ)/(1 + ρ)."""
        return self.dead_after * (DRIFT - 1) // (DRIFT + 1) - 2 * self.margin

    @cached_property
    def silence(self) -> int:
        """Q: how long a voter that forgot its records keeps silent."""
        return self.dead_after

    @cached_property
    def courtesy(self) -> int:
        """How long all others leave a group that was handed over to its successor: 6 s, or D/4 where that is longer.

        A successor on a busy machine needs more than 6 s for its two rounds, and must not be overtaken meanwhile
        by the one that has just let go. It matters only when a hand-over fails.
        """
        return max(6 * STAGGER, self.dead_after // 4)

    @cached_property
    def attempt(self) -> int:
        """After this an attempt is void: 6 s, or a tenth of D where that is longer (slow links)."""
        return max(6 * STAGGER, self.dead_after // 10)


def nameless(number: int) -> str:
    """What stands for a node of which only its :func:`tag` is known; no name in a document looks like it."""
    return f"{_NAMELESS}{number:08x}"


@dataclass(frozen=True, slots=True)
class CoreNode:
    """``fence_delay`` (ns): the other one shoots it so much later.

    ``standby``: hand everything over, take nothing. ``maintenance``: keep what is held, take and move nothing.
    """

    name: str
    role: Role = Role.DIRECTOR
    standby: bool = False
    maintenance: bool = False
    fence_delay: int = 0


@dataclass(frozen=True, slots=True)
class CoreGroup:
    """``nodes`` may hold it; ``preferred_nodes``, best first, ranks them. ``failback_delay`` in ns."""

    name: str
    nodes: tuple[str, ...]
    preferred_nodes: tuple[str, ...] = ()
    failback: Failback = Failback.AUTOMATIC
    failback_delay: int = 0
    maintenance: bool = False

    @property
    def tag(self) -> int:
        return tag(self.name)


@dataclass(frozen=True)
class CoreConfig:
    """All that the core takes from a document. Raises :class:`UsageError` when a promise could not be kept.

    What follows from it is asked for thousands of times a second, and worked out once.
    ``epoch``, ``parent``, ``elders`` and ``before``: see :class:`vedette.cluster.charter.Charter`; the first
    config of a cluster has none. ``strict``: of the two voters of ``fence`` none decides alone for now, since the
    voters are about to change, or have only just changed (:mod:`vedette.cluster.charter`).
    """

    cluster: str
    nodes: tuple[CoreNode, ...]
    policy: SplitBrainPolicy
    timings: Timings
    groups: tuple[CoreGroup, ...] = ()
    revision: int = 0
    digest: str = ""
    voters: tuple[str, ...] = ()
    assume_watchdog: bool = False
    epoch: int = 0
    parent: bytes = bytes(8)
    elders: tuple[int, ...] = ()
    before: int = 0
    strict: bool = False
    id: bytes = field(init=False, default=b"")
    cluster_id: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        voters = tuple(sorted(self.voters or (node.name for node in self.nodes)))
        object.__setattr__(self, "voters", voters)
        object.__setattr__(self, "cluster_id", hashlib.sha256(self.cluster.encode()).digest()[:8])
        object.__setattr__(self, "id", self._digest())
        self._check()

    @cached_property
    def names(self) -> frozenset[str]:
        """The nodes of the document."""
        return frozenset(self._nodes)

    def node(self, name: str) -> CoreNode | None:
        return self._nodes.get(name)

    def group(self, name: str) -> CoreGroup | None:
        return self._groups.get(name)

    @cached_property
    def lone(self) -> bool:
        """One voter: its own vote is the quorum, and it takes everything itself."""
        return len(self.voters) == 1

    @cached_property
    def tolerant(self) -> bool:
        """Rule 28: a silent peer's groups are taken; two holders while cut is what the document asks for."""
        return not self.lone and self.policy is SplitBrainPolicy.TOLERATE

    @cached_property
    def fencing(self) -> bool:
        """Rules 26 and 27: a silent peer's groups are taken once it is confirmed to be off."""
        return not self.lone and self.policy is SplitBrainPolicy.FENCE

    @cached_property
    def endless(self) -> bool:
        """A lease has no end: what it takes to take it is a word of the holder, of a device, or a higher claim."""
        return self.tolerant or (self.fencing and not self.strict)

    @property
    def duel(self) -> int:
        """How long the less favoured of two waits before it shoots, when the document names no ``delay``.

        Longer than management controllers and outlets take (facts: 0.8 to 2.8 s), and one interval for the other's
        noticing later.
        """
        return 4 * SECOND + self.timings.interval

    @cached_property
    def majority(self) -> int:
        return len(self.voters) // 2 + 1

    def node_tags(self) -> Mapping[int, str]:
        return {tag(node.name): node.name for node in self.nodes}

    @cached_property
    def _nodes(self) -> dict[str, CoreNode]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def _groups(self) -> dict[str, CoreGroup]:
        return {group.name: group for group in self.groups}

    def _digest(self) -> bytes:
        """Rule 29: (id, voters, policy, timings); two nodes that differ in them do not vote for each other."""
        text = "\0".join(
            [
                "vedette config 2",
                self.cluster,
                ",".join(f"{number:08x}" for number in sorted(map(tag, self.voters))),
                "alone" if self.lone else self.policy.value + (" or watchdog" if self.assume_watchdog else ""),
                str(self.timings.interval),
                str(self.timings.dead_after),
                *([str(self.epoch), self.parent.hex()] if self.epoch else []),
            ]
        )
        return hashlib.sha256(text.encode()).digest()[:8]

    def _check(self) -> None:
        timings = self.timings
        if timings.interval <= 0 or timings.dead_after < 4 * timings.interval:
            raise UsageError(
                f"deadAfter {show(timings.dead_after)} must be at least 4 × interval {show(timings.interval)}"
            )
        if timings.lease <= timings.dead_after // 2:
            raise UsageError(f"deadAfter {show(timings.dead_after)} is too short: use 20ms or more")
        if len(self.nodes) > MOST_NODES:
            raise UsageError(f"{len(self.nodes)} nodes; at most {MOST_NODES} are possible")
        if len(self.voters) > MOST_VOTERS:
            raise UsageError(f"{len(self.voters)} nodes vote; at most {MOST_VOTERS} may")
        if len(self.groups) > MOST_GROUPS:
            raise UsageError(f"{len(self.groups)} groups; at most {MOST_GROUPS} are possible")
        if not self.epoch:  # what follows another may be on its way to something else
            self._check_policy()
        for names in ([node.name for node in self.nodes], [group.name for group in self.groups]):
            if len({tag(name) for name in names}) < len(names):
                raise UsageError("two names are equal or share a 32-bit digest: rename one of them")

    def _check_policy(self) -> None:
        if self.lone:
            return
        match self.policy:
            case SplitBrainPolicy.FENCE if len(self.voters) != 2:
                raise UsageError("splitBrain policy fence is for exactly 2 nodes; with 3 or more use majority")
            case SplitBrainPolicy.MAJORITY if len(self.voters) < 3:
                raise UsageError("splitBrain policy majority needs at least 3 nodes: add one with role: witness")
            case SplitBrainPolicy.TOLERATE if len(self.voters) != 2:
                raise UsageError("splitBrain policy tolerate is for exactly 2 nodes; with 3 or more use majority")


def from_spec(spec: ClusterSpec, *, revision: int = 0) -> CoreConfig:
    """Take the core's part of a resolved document; raises :class:`UsageError` where the core cannot do it."""
    return CoreConfig(
        cluster=spec.name,
        nodes=nodes_of(spec),
        policy=spec.policy,
        timings=timings_of(spec),
        groups=groups_of(spec),
        revision=revision,
        digest=spec.digest,
        voters=spec.voters,
        assume_watchdog=spec.assume_watchdog,
    )


def timings_of(spec: ClusterSpec) -> Timings:
    heartbeat = spec.heartbeat
    return Timings(
        interval=heartbeat.interval,
        warn_after=heartbeat.warn_after,
        dead_after=heartbeat.dead_after,
        startup_grace=heartbeat.startup_grace,
    )


def nodes_of(spec: ClusterSpec) -> tuple[CoreNode, ...]:
    return tuple(
        CoreNode(
            name=node.name,
            role=node.role,
            standby=node.standby,
            maintenance=node.maintenance,
            fence_delay=node.fencing.delay if node.fencing is not None else 0,
        )
        for node in spec.nodes
    )


def groups_of(spec: ClusterSpec) -> tuple[CoreGroup, ...]:
    return tuple(
        CoreGroup(
            name=group.name,
            nodes=group.nodes,
            preferred_nodes=group.preferred_nodes,
            failback=group.failback,
            failback_delay=group.failback_delay,
            maintenance=group.maintenance,
        )
        for group in spec.groups
    )
