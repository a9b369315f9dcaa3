"""One seed: faults, then healing, then the demand that everything is held by exactly one and stays there."""

from dataclasses import dataclass

from tests.cluster.simulation import reading
from tests.cluster.simulation.scenario import PROFILES, Profile, Scenario, build
from tests.cluster.simulation.world import World

from vedette.cluster.config import CoreConfig, tag
from vedette.cluster.machine import Machine
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import Failback, SplitBrainPolicy

STEP = 5 * MILLISECOND
RARELY = 100
GAP = 250 * MILLISECOND
"""How long a group may be unanswered while it moves in a healed cluster: late wake-ups and a slow kernel."""


class MisplacedError(AssertionError):
    """A group is in peace where neither the document, an operator nor its failback rule wants it."""


class NotConvergedError(AssertionError):
    """A healed cluster does not hold a group exactly once, or does not leave it in peace."""


@dataclass(frozen=True, slots=True)
class Result:
    """``simulated`` ns of virtual time; ``settled``: ns from healing until every group was held once for good."""

    seed: int
    profile: str
    simulated: int
    settled: int
    datagrams: int
    digest: str
    trace: tuple[str, ...]


def profile_of(seed: int) -> Profile:
    """All in turn; the large clusters, which take thirty times as long, more rarely."""
    if seed % RARELY == RARELY - 1:
        return next(profile for profile in PROFILES if profile.large)
    small = [profile for profile in PROFILES if not profile.large]
    return small[seed % len(small)]


def run(seed: int, profile: Profile | None = None, *, at_least: int = 0) -> Result:
    """Faults for as long as the profile says, or ``at_least`` so long (ns), then healing.

    Raises :class:`ViolationError`, :class:`NotConvergedError` or what the core itself finds broken."""
    profile = profile or profile_of(seed)
    world = World(seed)
    world.two_allowed = profile.policy is SplitBrainPolicy.TOLERATE
    scenario = build(world, profile, endurance=at_least > 0)
    for name in sorted(scenario.nodes):
        world.after(world.random.randint(0, SECOND // 2), scenario.nodes[name].start)
    world.after(scenario.dead_after, scenario.keep_going)
    try:
        with reading.once():
            world.run_until(max(at_least, profile.lasts * scenario.dead_after))
            scenario.heal()
            _agree(scenario)
            settled = _converge(scenario)
        _check_places(scenario)
    except AssertionError as error:
        error.add_note("\n".join(world.trace[-60:]))
        raise
    return Result(
        seed=seed,
        profile=profile.name,
        simulated=world.now,
        settled=settled,
        datagrams=scenario.network.sent,
        digest=world.digest(),
        trace=tuple(world.trace),
    )


def patience(scenario: Scenario) -> int:
    """What a healed cluster may take: silence after a boot, then a lease to run out, both on slow clocks.

    The silence is as long as a record could live under any charter before.
    """
    return scenario.dead_after * 125 // 100 + max(scenario.dead_after, scenario.longest) + SECOND


def _agree(scenario: Scenario) -> None:
    """A healed cluster comes to run the voters and timings of its documents, one step after the other."""
    world, aim = scenario.world, scenario.config
    if not {"change config", "change policy"} & scenario.profile.weights.keys():
        return
    nodes = {name: node for name, node in scenario.nodes.items() if aim.node(name) is not None}
    running = [node.machine.config.timings.dead_after for node in scenario.nodes.values() if node.machine is not None]
    steps = len(scenario.nodes) + 2  # every node joins or leaves, the timings, and the rest of a step under way
    deadline = world.now + steps * (3 * max(aim.timings.dead_after, *running) + SECOND)
    while not all(_runs(node.machine, aim) for node in nodes.values()):
        if world.now > deadline:
            found = [f"{name}: {_shown(node.machine)}" for name, node in sorted(nodes.items())]
            raise NotConvergedError(f"seed {world.seed}: not the document's voters and timings: {'; '.join(found)}")
        world.run_until(world.now + STEP)


def _runs(machine: Machine | None, aim: CoreConfig) -> bool:
    return (
        machine is not None
        and machine.config.voters == aim.voters
        and machine.config.policy is aim.policy
        and machine.config.timings.dead_after == aim.timings.dead_after
        and machine.config.timings.interval == aim.timings.interval
    )


def _shown(machine: Machine | None) -> str:
    if machine is None:
        return "down"
    return f"step {machine.config.epoch} {machine.config.policy.value} {' '.join(machine.config.voters)}"


def _converge(scenario: Scenario) -> int:
    world, healed = scenario.world, scenario.world.now
    deadline = healed + patience(scenario)
    end = deadline + max(2 * scenario.dead_after, SECOND)
    settled = healed
    missing = dict.fromkeys((group.name for group in scenario.config.groups), 0)
    while world.now < end:
        world.run_until(world.now + STEP)
        for group in missing:
            holders = world.holders(group)
            missing[group] = 0 if len(holders) == 1 else missing[group] + STEP
            if missing[group]:
                settled = world.now
            strangers = [name for name in holders if scenario.config.node(name) is None]
            late = world.now > deadline and missing[group] > GAP
            if late or (world.now >= end and (len(holders) != 1 or strangers)):
                raise NotConvergedError(f"seed {world.seed}: {group} is held by {holders or 'nobody'}")
    return settled - healed


def _check_places(scenario: Scenario) -> None:
    """Failback has brought every group home, at once or after its delay; what is manual stays where it is.

    Only a hand-over that kept failing may still be waited with (rule 24). All agree on what operators have ordered.
    """
    members = [node for name, node in scenario.nodes.items() if scenario.config.node(name) is not None]
    tables = {node.machine._preferences.digest for node in members if node.machine is not None}
    if len(tables) > 1:
        raise MisplacedError(f"seed {scenario.world.seed}: nodes disagree about the orders that stand")
    for group in scenario.config.groups:
        (holder,) = scenario.world.holders(group.name)
        machine = scenario.nodes[holder].machine
        assert machine is not None
        wanted = [name for name in group.nodes if tag(name) == machine._preferences.wanted_on(group.name)]
        preferred = group.preferred_nodes if group.failback is Failback.AUTOMATIC else ()
        homes = [name for name in (*wanted, *preferred) if scenario.config.node(name) is not None]
        lease = machine._leases[group.tag]
        if homes and holder != homes[0] and not lease.hold_down.get(homes[0], 0) > machine._now:
            raise MisplacedError(f"seed {scenario.world.seed}: {group.name} is on {holder} and not on {homes[0]}")
