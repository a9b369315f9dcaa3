"""Who votes and how long a vote binds, as values that follow one another (rule 29).

A *charter* is the part of the document that voters must agree on. Its successor differs in one voter, or in timings. So
any majority of the one meets any majority of the other, and since a voter keeps its records whatever the charter, two
neighbours may be in use at once. What must not be in use at once is a charter and the successor of its successor.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from vedette.cluster.config import MOST_VOTERS, CoreConfig, differences, tag
from vedette.spec.resolved import SplitBrainPolicy

LEAST_VOTERS = 3


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


class Wanted(NamedTuple):
    """What the document says. Durations in ns."""

    voters: tuple[str, ...]
    interval: int
    dead_after: int


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
    )


def wanted(config: CoreConfig) -> Wanted:
    """What a document asks for, from the config that it would be by itself."""
    return Wanted(config.voters, config.timings.interval, config.timings.dead_after)


def changeable(config: CoreConfig) -> bool:
    """Only majorities of neighbouring charters meet; other policies, and a lone voter, have no charters."""
    return config.policy is SplitBrainPolicy.MAJORITY and not config.alone


def refused(running: CoreConfig, wanted: CoreConfig) -> list[str]:
    """What of another document cannot come into force while the daemons run, in words; empty: nothing.

    What the voters can agree on among themselves, voters and timings, is not refused.
    """
    if changeable(running):
        timings = wanted.timings if changeable(wanted) else running.timings
        voters = wanted.voters if changeable(wanted) else running.voters
        running = replace(running, voters=voters, timings=timings)
    return differences(running, wanted)


def apply(config: CoreConfig, charter: Charter) -> CoreConfig | None:
    """The config under another charter; ``None`` while a voter's name is unknown here."""
    names = {tag(name): name for name in (*config.voters, *(node.name for node in config.nodes))}
    if not all(voter in names for voter in charter.voters):
        return None
    return replace(
        config,
        voters=tuple(names[voter] for voter in charter.voters),
        timings=replace(config.timings, interval=charter.interval, dead_after=charter.dead_after),
        epoch=charter.epoch,
        parent=charter.parent,
        elders=charter.elders,
        before=charter.before,
    )


def steps(config: CoreConfig, aim: Wanted) -> list[Charter]:
    """The charters that may come next on the way to what the document wants; empty when it is reached."""
    now = of(config)
    base = replace(now, epoch=now.epoch + 1, parent=config.id, elders=now.voters, before=now.dead_after)
    aimed = set(tags(aim.voters))
    added, gone = sorted(aimed - set(now.voters)), sorted(set(now.voters) - aimed)
    found = []
    if len(now.voters) < MOST_VOTERS:
        found += [replace(base, voters=tuple(sorted((*now.voters, one)))) for one in added]
    if len(now.voters) > LEAST_VOTERS:
        found += [replace(base, voters=tuple(voter for voter in now.voters if voter != one)) for one in gone]
    if not added and not gone and (aim.interval, aim.dead_after) != (now.interval, now.dead_after):
        found.append(replace(base, interval=aim.interval, dead_after=aim.dead_after))
    return found


def follows(config: CoreConfig, charter: Charter) -> bool:
    """Whether a charter is one step from the config that runs: the test that safety rests on."""
    now = of(config)
    different = set(charter.voters) ^ set(now.voters)
    timings = (charter.interval, charter.dead_after) != (now.interval, now.dead_after)
    return (
        (charter.epoch, charter.parent, charter.elders, charter.before)
        == (now.epoch + 1, config.id, now.voters, now.dead_after)
        and len(different) + timings == 1
        and LEAST_VOTERS <= len(charter.voters) <= MOST_VOTERS
    )
