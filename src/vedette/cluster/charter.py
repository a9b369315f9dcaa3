"""Who votes, by which policy, and how long a vote binds, as values that follow one another (rule 29).

A *charter* is the part of the document that voters must agree on. Its successor differs in one voter (and with it in
the policy, where a pair begins or ends), in the policy of the same two, or in timings. So any majority of the one meets
any majority of the other, and since a voter keeps its records whatever the charter, two neighbours may be in use at
once. One voter is a majority of one, and two that are on their way to three one of two. What must not be in use at once
is a charter and the successor of its successor. Where a policy lets one of two decide alone, that ends before the
successor counts (:func:`binds`) or begins after its parent is over (:func:`unsettled`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from vedette.cluster.config import MOST_VOTERS, CoreConfig, nameless, tag
from vedette.kit.units import show
from vedette.spec.resolved import SplitBrainPolicy

PAIR = 2
"""Voters of the policies ``fence`` and ``tolerate``."""
FORCED = 1000
"""A forced charter is so much newer: more steps than voters that are believed to be off can have taken since."""
FORCED_PARENT = bytes(8)
"""It is nobody's child."""


class Rule(NamedTuple):
    """By what voters decide: the part of ``splitBrain`` that must be the same everywhere."""

    policy: SplitBrainPolicy
    assume_watchdog: bool = False

    def fits(self, voters: int) -> bool:
        if self.policy is SplitBrainPolicy.MAJORITY:
            return 1 <= voters <= MOST_VOTERS
        return voters == PAIR


MAJORITY = Rule(SplitBrainPolicy.MAJORITY)


@dataclass(frozen=True, slots=True)
class Charter:
    """``voters`` and ``elders`` (the voters before) are sorted tags; ``before`` (ns) is the deadAfter before.

    ``parent``: the config's id before. Durations in ns.
    """

    epoch: int
    parent: bytes
    voters: tuple[int, ...]
    interval: int
    dead_after: int
    elders: tuple[int, ...]
    before: int
    rule: Rule = MAJORITY


class Wanted(NamedTuple):
    """What the document says. Durations in ns."""

    voters: tuple[str, ...]
    interval: int
    dead_after: int
    rule: Rule = MAJORITY


def tags(names: Iterable[str]) -> tuple[int, ...]:
    return tuple(sorted(tag(name) for name in names))


def of(config: CoreConfig) -> Charter:
    """The charter of the config that runs."""
    timings = config.timings
    return Charter(
        config.epoch,
        config.parent,
        tags(config.voters),
        timings.interval,
        timings.dead_after,
        config.elders,
        config.before,
        _rule(config),
    )


def wanted(config: CoreConfig) -> Wanted:
    """What a document asks for, from the config that it would be by itself."""
    return Wanted(config.voters, config.timings.interval, config.timings.dead_after, _rule(config))


def _rule(config: CoreConfig) -> Rule:
    fence = config.policy is SplitBrainPolicy.FENCE
    return Rule(config.policy, assume_watchdog=fence and config.assume_watchdog)


def refused(running: CoreConfig, wanted: CoreConfig) -> list[str]:
    """What of another document cannot come into force while the daemons run, in words; empty: nothing.

    Voters, policy and timings can: the voters agree on them among themselves.
    """
    if wanted.cluster == running.cluster:
        return []
    return [f"the cluster would be {wanted.cluster}, not {running.cluster}"]


def differences(before: Wanted, after: Wanted) -> str:
    """What changes, in words."""
    added, gone = sorted(set(after.voters) - set(before.voters)), sorted(set(before.voters) - set(after.voters))
    found = [f"{name} votes" for name in added] + [f"{name} does not vote any more" for name in gone]
    found += [f"splitBrain.policy is {after.rule.policy.value}"] if before.rule.policy is not after.rule.policy else []
    watchdog = before.rule.assume_watchdog is not after.rule.assume_watchdog
    found += ["what is said of watchdogs in splitBrain changes"] if watchdog else []
    found += [f"interval is {show(after.interval)}"] if before.interval != after.interval else []
    found += [f"deadAfter is {show(after.dead_after)}"] if before.dead_after != after.dead_after else []
    return ", ".join(found)


def named(config: CoreConfig, voters: Iterable[int], *, known: Iterable[str] = ()) -> tuple[str, ...]:
    """Voters by name, as far as the document, or ``known``, has it."""
    names = {tag(name): name for name in (*known, *config.voters, *config.names)}
    return tuple(names.get(voter, nameless(voter)) for voter in voters)


def apply(config: CoreConfig, charter: Charter, *, known: Iterable[str] = ()) -> CoreConfig:
    """The config under another charter. ``known``: names of nodes that the document may not have (any more)."""
    return replace(
        config,
        voters=named(config, charter.voters, known=known),
        policy=charter.rule.policy,
        assume_watchdog=charter.rule.assume_watchdog,
        timings=replace(config.timings, interval=charter.interval, dead_after=charter.dead_after),
        epoch=charter.epoch,
        parent=charter.parent,
        elders=charter.elders,
        before=charter.before,
        strict=False,
    )


def steps(config: CoreConfig, aim: Wanted) -> list[Charter]:
    """The charters that may come next on the way to what the document wants; empty when it is reached."""
    now = of(config)
    base = replace(now, epoch=now.epoch + 1, parent=config.id, elders=now.voters, before=now.dead_after)
    aimed = set(tags(aim.voters))
    added, gone = sorted(aimed - set(now.voters)), sorted(set(now.voters) - aimed)
    if not added and not gone:
        if aim.rule != now.rule:
            return [replace(base, rule=aim.rule)]
        timings = (aim.interval, aim.dead_after)
        same = timings == (now.interval, now.dead_after)
        return [] if same else [replace(base, interval=aim.interval, dead_after=aim.dead_after)]
    found = [replace(base, voters=tuple(sorted((*now.voters, one)))) for one in added]
    found += [replace(base, voters=tuple(voter for voter in now.voters if voter != one)) for one in gone]
    ruled = [replace(step, rule=aim.rule if set(step.voters) == aimed else MAJORITY) for step in found]
    return [step for step in ruled if step.rule.fits(len(step.voters)) and _leads(step, now, aimed)]


def _leads(step: Charter, now: Charter, aimed: set[int]) -> bool:
    """Fewer than three voters are where a way ends, not what it leads through, unless it begins or ends with one."""
    count = len(step.voters)
    lone = 1 in (len(now.voters), len(aimed))
    return count > PAIR or set(step.voters) == aimed or (count == PAIR and lone)


def follows(config: CoreConfig, charter: Charter) -> bool:
    """Whether a charter is one step from the config that runs: the test that safety rests on."""
    now = of(config)
    different = len(set(charter.voters) ^ set(now.voters))
    timings = (charter.interval, charter.dead_after) != (now.interval, now.dead_after)
    ruling = charter.rule != now.rule and not different  # with another voter it goes by their number
    return (
        (charter.epoch, charter.parent, charter.elders, charter.before)
        == (now.epoch + 1, config.id, now.voters, now.dead_after)
        and different + timings + ruling == 1
        and charter.rule.fits(len(charter.voters))
    )


def binds(config: CoreConfig, charter: Charter) -> bool:
    """Whether who has accepted this charter must not decide alone any more, before it is in force.

    Under ``fence`` one of two decides alone once the other is confirmed off. A majority of three is neither met by
    that nor waits for it.
    """
    return config.fencing and charter.rule.policy is SplitBrainPolicy.MAJORITY


def unsettled(charter: Charter) -> bool:
    """Whether a node that runs this charter may not decide alone yet: those before may still count as a majority."""
    return charter.rule.policy is SplitBrainPolicy.FENCE and len(charter.elders) > PAIR
