"""Clusters and faults drawn from a seed: profiles, and what may go wrong in each."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from tests.cluster.simulation.network import Network, Weather
from tests.cluster.simulation.node import KEYS, SPARE_KEYS, Habits, Node
from tests.cluster.simulation.power import Fencer, Power
from tests.cluster.simulation.world import World

from vedette.cluster.charter import PAIR
from vedette.cluster.config import MOST_VOTERS, CoreConfig, CoreGroup, CoreNode, Timings
from vedette.cluster.events import FenceResult, Gate, Maintenance, Move, Reach, Readiness, Reconfigure, Standby, Stop
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import Failback, Key, Role, SplitBrainPolicy

LEAST_VOTERS = 3
TIMINGS = ((50, 200), (200, 1000), (250, 1200), (500, 3000))
"""interval and deadAfter in ms."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Which clusters and faults. ``weights``: how often each fault; ``every``: mean time between two (in D).

    ``spare``: of the nodes, so many have no vote, and documents list and drop them.
    ``pairs``: the policies that documents have when only the first two nodes are in them. ``singles``: some have only
    one of these two, the first document perhaps among them.
    ``ambush``: how often something happens to a node at the very moment in which it has won a lease, or accepted or
    learned another charter.
    """

    name: str
    nodes: tuple[int, ...]
    groups: tuple[int, ...]
    every: float
    lasts: int
    weights: dict[str, float]
    weather: Weather
    habits: Habits
    policy: SplitBrainPolicy = SplitBrainPolicy.MAJORITY
    timings: tuple[tuple[int, int], ...] = TIMINGS
    ambush: float = 0.0
    spare: int = 0
    pairs: tuple[SplitBrainPolicy, ...] = ()
    singles: bool = False

    @property
    def large(self) -> bool:
        return max(self.nodes) > MOST_VOTERS


_ALL = {
    "pause": 4.0, "kill": 3.0, "crash": 2.0, "stop": 1.5, "stop in place": 1.0, "isolate": 3.0, "split": 2.0,
    "one way": 3.0, "link": 1.5, "flap": 1.0, "move": 3.0, "standby": 1.0, "services": 0.5, "cut off": 0.7,
    "gate": 0.4, "lose run state": 0.7, "lose disk": 0.7, "roll back disk": 0.5, "reload": 0.7, "maintain": 1.0,
    "outside": 1.0,
}  # fmt: skip
_KEPT = {name: weight for name, weight in _ALL.items() if name not in ("lose disk", "roll back disk")}
"""Who votes is on the disks: a voter that has lost its own is not one that the others can count on (rule 29)."""
_FENCED = _ALL | {"person": 1.0, "key mistake": 0.3}
FENCE, TOLERATE = SplitBrainPolicy.FENCE, SplitBrainPolicy.TOLERATE
_ROUGH = Habits(
    kernel=5 * MILLISECOND, kernel_slow=0.03, kernel_fails=0.03, jitter=5 * MILLISECOND, stall=0.004,
    stall_longest=SECOND,
)  # fmt: skip

PROFILES = (
    Profile(
        "generic", (3, 3, 5), (1, 2, 4), 0.9, 14, _ALL,
        Weather(loss=0.03, duplicated=0.03, late=0.02, latest=2 * SECOND, replays=0.01, mangled=0.005), _ROUGH,
    ),
    Profile(
        "lease", (3,), (1,), 0.35, 10,
        {"isolate": 5, "one way": 4, "pause": 4, "kill": 3, "crash": 1.5, "move": 2, "lose run state": 1},
        Weather(loss=0.08, duplicated=0.1, late=0.25, latest=2 * SECOND, replays=0.03), _ROUGH,
        timings=((50, 200), (100, 500)),
    ),
    Profile(
        "restarts", (3,), (1, 2), 0.25, 10,
        {"kill": 5, "crash": 4, "lose run state": 2, "lose disk": 2, "stop": 2, "stop in place": 2, "isolate": 1},
        Weather(loss=0.02, duplicated=0.05, late=0.05, latest=SECOND), replace(_ROUGH, stall=0.001),
        timings=((50, 200), (200, 1000)),
    ),
    Profile(
        "boots", (3,), (1,), 0.4, 12, {"start twice": 5, "isolate": 3, "one way": 4, "move": 1, "crash": 1},
        Weather(loss=0.02), replace(_ROUGH, stall=0.001), timings=((50, 200), (100, 500)),
    ),
    Profile(
        "ambush", (3,), (1,), 0.8, 12, {"isolate": 2, "move": 2, "kill": 2, "one way": 1, "slow spell": 4},
        Weather(loss=0.02), replace(_ROUGH, stall=0.001),
        timings=((50, 200), (100, 500)), ambush=0.7,
    ),
    Profile(
        "moves", (3, 5), (2, 4, 8), 0.2, 10,
        {"move": 8, "standby": 3, "maintain": 2, "outside": 3, "cut off": 2, "stop": 1, "pause": 2, "one way": 2,
         "reload": 1},
        Weather(loss=0.05, duplicated=0.1, late=0.1, latest=SECOND), replace(_ROUGH, kernel_slow=0.1),
    ),
    Profile(
        "rotation", (3, 5), (1, 2), 0.5, 14, _ALL | {"rotate keys": 6},
        Weather(loss=0.03, duplicated=0.03, late=0.02, latest=2 * SECOND, replays=0.02), _ROUGH,
    ),
    Profile(
        "sixteen", (16,), (4, 8), 0.5, 6, _ALL | {"lose two": 6, "rotate keys": 0.5},
        Weather(loss=0.02, duplicated=0.01, late=0.02, latest=SECOND), replace(_ROUGH, kernel_slow=0.01, stall=0.001),
        timings=((200, 1000), (500, 3000)),
    ),
    Profile(
        "members", (5, 6), (1, 2), 0.5, 14, _ALL | {"edit nodes": 8},
        Weather(loss=0.03, duplicated=0.03, late=0.02, latest=2 * SECOND, replays=0.02), _ROUGH, spare=2,
    ),
    Profile(
        "configs", (5, 6), (1, 2), 0.7, 24, _KEPT | {"change config": 5},
        Weather(loss=0.03, duplicated=0.03, late=0.04, latest=2 * SECOND, replays=0.02), _ROUGH,
        timings=((50, 200), (100, 500), (200, 1000)), spare=2, ambush=0.3,
    ),
    Profile(
        "policies", (3,), (1,), 1.0, 30,
        {"change policy": 10, "isolate": 3, "one way": 3, "split": 2, "crash": 2, "kill": 2, "pause": 2, "move": 2,
         "stop": 1, "person": 1, "standby": 0.5},
        Weather(loss=0.03, duplicated=0.03, late=0.02, latest=SECOND, replays=0.02), replace(_ROUGH, stall=0.001),
        timings=((50, 200), (100, 500), (200, 1000)), ambush=0.4, pairs=(FENCE,),
    ),
    Profile(
        "tolerances", (3,), (1, 2), 0.6, 24, _KEPT | {"change policy": 6, "person": 0.5},
        Weather(loss=0.03, duplicated=0.03, late=0.04, latest=2 * SECOND, replays=0.02), _ROUGH,
        timings=((50, 200), (100, 500), (200, 1000)), ambush=0.2, pairs=(FENCE, TOLERATE, TOLERATE),
    ),
    Profile(
        "singles", (3,), (1,), 0.8, 30,
        {"change policy": 12, "isolate": 3, "one way": 3, "split": 2, "crash": 2, "kill": 3, "pause": 2, "move": 2,
         "stop": 1, "person": 0.5, "standby": 0.5, "lose run state": 1},
        Weather(loss=0.03, duplicated=0.03, late=0.02, latest=SECOND, replays=0.02), replace(_ROUGH, stall=0.001),
        timings=((50, 200), (100, 500), (200, 1000)), ambush=0.3, pairs=(FENCE, FENCE, TOLERATE), singles=True,
    ),
    Profile("tolerate", (2,), (1, 2), 0.8, 12, _ALL, Weather(loss=0.03, late=0.02), _ROUGH, TOLERATE),
    Profile("fence", (2,), (1, 2, 4), 0.9, 16, _FENCED, Weather(loss=0.03, duplicated=0.03, late=0.02), _ROUGH, FENCE),
    Profile(
        "duels", (2,), (1, 2), 0.5, 14,
        {"isolate": 5, "one way": 4, "crash": 3, "pause": 2, "kill": 3, "stop": 2, "move": 2, "person": 2,
         "roll back disk": 1},
        Weather(loss=0.05, duplicated=0.05, late=0.1, latest=SECOND, replays=0.02), _ROUGH, FENCE,
        timings=((50, 200), (200, 1000)),
    ),
    Profile(
        "alone", (1,), (1, 2), 0.5, 6, {"kill": 3, "stop": 3, "stop in place": 2, "pause": 2, "crash": 1},
        Weather(), _ROUGH,
    ),
)  # fmt: skip


@dataclass(slots=True)
class Scenario:
    """A cluster under way. ``longest`` (ns): the longest deadAfter that a document had before the present one.

    ``single``: the node that a document had alone. It is in all that follow: who decides alone can be replaced only
    when it does so no more, and an older document may reach a node after a newer one.
    """

    world: World
    network: Network
    profile: Profile
    config: CoreConfig
    nodes: dict[str, Node]
    power: Power
    faults: bool = True
    keys: tuple[Key, ...] = KEYS
    everyone: tuple[CoreNode, ...] = ()
    longest: int = 0
    single: str | None = None

    @property
    def dead_after(self) -> int:
        return self.config.timings.dead_after

    def node(self) -> Node:
        return self.nodes[self.world.random.choice(sorted(self.nodes))]

    def some_time(self, shortest: float, longest: float) -> int:
        """A duration between these multiples of D."""
        return int(self.dead_after * self.world.random.uniform(shortest, longest))

    def later(self, delay: int, do: Callable[[], None]) -> None:
        """Undo a fault, unless everything has been healed meanwhile."""
        self.world.after(delay, lambda: do() if self.faults else None)

    def keep_going(self) -> None:
        if not self.faults:
            return
        names = sorted(self.profile.weights)
        name = self.world.random.choices(names, [self.profile.weights[name] for name in names])[0]
        FAULTS[name](self)
        mean = self.profile.every * self.dead_after
        self.world.after(int(self.world.random.expovariate(1 / mean)), self.keep_going)

    def heal(self) -> None:
        """No more faults: links calm, machines and daemons up, nobody paused, on standby or out of order."""
        self.faults = False
        self.power.works = False
        self.world.say("world", "healed")
        self.network.calm()
        for name in sorted(self.nodes):
            node = self.nodes[name]
            node.habits = Habits()
            node.wake_up()
            node.power_on()
            if node.stop_asked:
                node.kill()
            node.start()
            node.rekey(self.keys)
            node.put(Gate(working=True))
            node.put(Readiness(services=True))
            node.put(Reach(0))
            node.reload(self.config)
        for teller in sorted(self.nodes):  # everyone: one that was away does not know yet what there is to take back
            for name in sorted(self.nodes):
                self.nodes[teller].put(Standby(name, False, "simulation", "healed"))
            for group in self.config.groups:
                self.nodes[teller].put(Maintenance(group.name, True, False, "simulation", "healed"))


def build(
    world: World, profile: Profile, *, percents: tuple[int, ...] = (99, 100, 101), endurance: bool = False
) -> Scenario:
    """Draw a cluster; its machines are up already (for long or just now) and their daemons start at once.

    ``endurance``: all timings are possible, and the longer ones are drawn more often, so that each has its share of the
    work: a second costs as much as it has heartbeats.
    """
    pick = world.random.choice
    count, groups = pick(profile.nodes), pick(profile.groups)
    if endurance:
        timings = sorted({*profile.timings, *TIMINGS})
        interval, dead_after = world.random.choices(timings, [dead_after**2 for _, dead_after in timings])[0]
    else:
        interval, dead_after = pick(profile.timings)
    witnesses = pick((0, 1)) if count > 2 else 0
    roles = [Role.DIRECTOR] * (count - witnesses) + [Role.WITNESS] * witnesses
    delays = (pick((0, 0, 2 * SECOND)), 0) if profile.policy is FENCE else (0,) * count
    nodes = tuple(
        CoreNode(f"n{index}", role, fence_delay=delay)
        for index, (role, delay) in enumerate(zip(roles, delays, strict=True))
    )
    directors = tuple(node.name for node in nodes if node.role is Role.DIRECTOR)
    config = CoreConfig(
        cluster="simulation",
        nodes=nodes,
        policy=profile.policy,
        timings=Timings(
            interval * MILLISECOND, dead_after // 2 * MILLISECOND, dead_after * MILLISECOND, pick((1, 3)) * SECOND
        ),
        groups=tuple(_group(world, index, directors) for index in range(groups)),
        voters=_voters(profile, nodes, witnesses),
    )
    network = Network(world, pick((("a",), ("a", "b"))))
    network.weather = profile.weather
    members = {}
    for node in nodes:
        boots = -pick((0, dead_after * MILLISECOND // 2, 3600 * SECOND))
        members[node.name] = Node(world, network, config, node.name, percent=pick(percents), boots=boots)
        members[node.name].habits = replace(profile.habits)
    power = Power(world, members)
    scenario = Scenario(world, network, profile, config, members, power, everyone=nodes)
    if profile.singles and pick((True, False)):
        _give(scenario, _document(scenario, SplitBrainPolicy.MAJORITY, nodes[:1]))
        for member in members.values():
            member.listed = member.installed = member.name in scenario.config.names
            member.config = scenario.config if member.listed else config
    power.cut = partial(_switched_on_later, scenario)
    for member in members.values():
        member.acquired = partial(_ambush, scenario, member)
        if config.fencing or FENCE in profile.pairs:
            member.fencer = Fencer(member, power)
    return scenario


def _voters(profile: Profile, nodes: tuple[CoreNode, ...], witnesses: int) -> tuple[str, ...]:
    """Witnesses first, as documents have it; never the spare ones."""
    directors = len(nodes) - witnesses
    names = tuple(node.name for node in (*nodes[directors:], *nodes[:directors]))
    return names[: min(MOST_VOTERS, len(nodes) - profile.spare)]


def _ambush(scenario: Scenario, node: Node) -> None:
    chance = scenario.world.random.random()
    if not scenario.faults or chance >= scenario.profile.ambush:
        return
    if chance < scenario.profile.ambush / 2:
        left = {node.name}
        if scenario.profile.spare:  # who has just learned who votes, with some of the others
            left |= {name for name in sorted(scenario.nodes) if scenario.world.random.random() < 0.4}
        scenario.world.say(node.name, f"ambush: split off {sorted(left)}")
        _split(scenario, left)
    elif chance < scenario.profile.ambush * 3 / 4:
        node.pause(scenario.some_time(0.3, 1.5))
    else:
        node.kill()
        scenario.later(scenario.some_time(0.01, 1.2), node.start)


def _group(world: World, index: int, directors: tuple[str, ...]) -> CoreGroup:
    pick = world.random.choice
    preferred = list(directors)
    world.random.shuffle(preferred)
    return CoreGroup(
        name=f"g{index}",
        nodes=directors,
        preferred_nodes=tuple(preferred) if pick((True, True, False)) else (),
        failback=pick((Failback.AUTOMATIC, Failback.AUTOMATIC, Failback.MANUAL)),
        failback_delay=pick((0, 0, 300 * MILLISECOND)),
    )


# Faults


def _pause(scenario: Scenario) -> None:
    scenario.node().pause(scenario.some_time(0.01, 1.8))


def _kill(scenario: Scenario) -> None:
    node = scenario.node()
    node.kill()
    scenario.later(scenario.some_time(0.01, scenario.world.random.choice((0.1, 1.5))), node.start)


def _crash(scenario: Scenario) -> None:
    _lose_power(scenario, scenario.node())


def _lose_power(scenario: Scenario, node: Node) -> None:
    node.power_off()

    def boot() -> None:
        node.power_on()
        scenario.later(scenario.some_time(0.0, 1.2), node.start)

    scenario.later(scenario.some_time(0.05, 2.5), boot)


def _switched_on_later(scenario: Scenario, node: Node) -> None:
    """A machine that was fenced stays off until somebody has looked at it."""

    def boot() -> None:
        node.power_on()
        scenario.later(scenario.some_time(0.0, 1.2), node.start)

    scenario.later(scenario.some_time(0.3, 5.0), boot)


def _person(scenario: Scenario) -> None:
    """Somebody sees that a machine is off, and says so to the other: the lives that node knows of are over."""
    for name, node in sorted(scenario.nodes.items()):
        for other in [other for other in sorted(scenario.nodes) if other != name]:
            machine = node.machine
            if machine is not None and not scenario.nodes[other].powered:
                scenario.world.say("world", f"a person confirms to {name} that {other} is off")
                node.put(FenceResult(other, machine.last_life(other), True, "human"))


def _key_mistake(scenario: Scenario) -> None:
    """For a while one node signs with a key that nobody else has."""
    node = scenario.node()
    scenario.world.say(node.name, "signs with a key of its own")
    scenario.network.strangers.add(node.name)
    scenario.later(scenario.some_time(0.5, 2.0), lambda: scenario.network.strangers.discard(node.name))


def _lose_two(scenario: Scenario) -> None:
    """Any two machines lose power at once."""
    for name in scenario.world.random.sample(sorted(scenario.nodes), k=min(2, len(scenario.nodes))):
        _lose_power(scenario, scenario.nodes[name])


def _start_twice(scenario: Scenario) -> None:
    """Power cut, quick boot, and a daemon that is killed soon after its first start."""
    node = scenario.node()
    node.power_off()

    def boot() -> None:
        node.power_on()
        node.start()
        scenario.later(scenario.some_time(0.02, 0.1), node.kill)
        scenario.later(scenario.some_time(0.1, 0.2), node.start)

    scenario.later(scenario.some_time(0.02, 0.2), boot)


def _stop(scenario: Scenario) -> None:
    node = scenario.node()
    node.put(Stop())
    scenario.later(scenario.some_time(0.3, 2.0), node.start)


def _stop_in_place(scenario: Scenario) -> None:
    node = scenario.node()
    node.put(Stop(in_place=True))
    scenario.later(scenario.some_time(0.1, 0.5), node.start)


def _split(scenario: Scenario, left: set[str], *, one_way: bool = False, links: tuple[str, ...] | None = None) -> None:
    for link in links or scenario.network.links:
        for source in sorted(scenario.nodes):
            for target in sorted(scenario.nodes):
                if (source in left and target not in left) or (not one_way and source not in left and target in left):
                    scenario.network.cut(link, source, target)
    scenario.later(scenario.some_time(0.2, 3.0), scenario.network.heal)


def _isolate(scenario: Scenario) -> None:
    name = scenario.node().name
    scenario.world.say(name, "isolated")
    _split(scenario, {name})


def _half(scenario: Scenario) -> None:
    left = {name for name in sorted(scenario.nodes) if scenario.world.random.random() < 0.5}
    scenario.world.say("world", f"split off {sorted(left)}")
    _split(scenario, left)


def _one_way(scenario: Scenario) -> None:
    source, target = scenario.node().name, scenario.node().name
    kind = scenario.world.random.choice(("pair", "deaf", "mute", "cut pair"))
    scenario.world.say("world", f"one way: {kind} {source} {target}")
    for link in scenario.network.links:
        for other in sorted(scenario.nodes):
            if kind == "deaf":
                scenario.network.cut(link, other, source)
            elif kind == "mute":
                scenario.network.cut(link, source, other)
        if kind in ("pair", "cut pair"):
            scenario.network.cut(link, source, target)
        if kind == "cut pair":
            scenario.network.cut(link, target, source)
    scenario.later(scenario.some_time(0.2, 3.0), scenario.network.heal)


def _link(scenario: Scenario) -> None:
    link = scenario.world.random.choice(scenario.network.links)
    scenario.world.say("world", f"link {link} down")
    _split(scenario, {name for name in scenario.nodes if scenario.world.random.random() < 0.7}, links=(link,))


def _flap(scenario: Scenario) -> None:
    name = scenario.node().name
    for turn in range(6):
        period = scenario.some_time(0.02, 0.4)
        scenario.later(turn * period, lambda: _split(scenario, {name}))
        scenario.later(turn * period + period // 2, scenario.network.heal)


def _slow_spell(scenario: Scenario) -> None:
    """Everything takes tens of milliseconds for a while: a lease won in it is older than it looks."""
    scenario.world.say("world", "slow spell")
    scenario.network.weather = replace(scenario.profile.weather, shortest=15 * MILLISECOND, longest=45 * MILLISECOND)

    def over() -> None:
        scenario.network.weather = scenario.profile.weather

    scenario.later(scenario.some_time(0.3, 1.0), over)


def _move(scenario: Scenario) -> None:
    group = scenario.world.random.choice(scenario.config.groups).name
    target = scenario.world.random.choice([*sorted(scenario.nodes), None])
    scenario.world.say("world", f"move {group} to {target}")
    scenario.node().put(Move(group, target, "simulation", "test", lasts=_lasts(scenario)))


def _lasts(scenario: Scenario) -> int:
    """How long an order lasts: until it is taken back, or shorter than most faults."""
    return scenario.world.random.choice((0, scenario.some_time(0.1, 2.0)))


def _maintain(scenario: Scenario) -> None:
    """A node or a group is left alone for a while; the order ends by itself, or is taken back by somebody else."""
    random = scenario.world.random
    of_group = random.random() < 0.5
    name = random.choice(scenario.config.groups).name if of_group else scenario.node().name
    scenario.world.say("world", f"maintenance of {name}")
    scenario.node().put(Maintenance(name, of_group, True, "simulation", "test", lasts=_lasts(scenario)))
    teller = scenario.node()
    scenario.later(
        scenario.some_time(0.3, 2), lambda: teller.put(Maintenance(name, of_group, False, "simulation", "test"))
    )


def _standby(scenario: Scenario) -> None:
    name, teller = scenario.node().name, scenario.node()
    scenario.world.say("world", f"standby {name}")
    teller.put(Standby(name, True, "simulation", "test", lasts=_lasts(scenario)))
    scenario.later(scenario.some_time(0.3, 2), lambda: teller.put(Standby(name, False, "simulation", "test")))


def _outside(scenario: Scenario) -> None:
    """A ping node is out of reach: for one node, or for all, of which each notices when it does."""
    names = sorted(scenario.nodes) if scenario.world.random.random() < 0.3 else [scenario.node().name]
    for name in names:
        node = scenario.nodes[name]
        scenario.later(scenario.some_time(0, 0.5), partial(node.put, Reach(1)))
        scenario.later(scenario.some_time(0.5, 4), partial(node.put, Reach(0)))


def _services(scenario: Scenario) -> None:
    node = scenario.node()
    node.put(Readiness(services=False))
    scenario.later(scenario.some_time(0.2, 2), lambda: node.put(Readiness(services=True)))


def _cut_off(scenario: Scenario) -> None:
    node = scenario.node()
    node.put(Readiness(services=True, connected=False))
    scenario.later(scenario.some_time(0.2, 2), lambda: node.put(Readiness(services=True)))


def _gate(scenario: Scenario) -> None:
    node = scenario.node()
    node.put(Gate(working=False))
    scenario.later(scenario.some_time(0.2, 2), lambda: node.put(Gate(working=True)))


def _lose(scenario: Scenario, *, run: bool, disk: bool) -> None:
    node = scenario.node()
    node.kill()
    scenario.world.say(node.name, f"loses {'run ' if run else ''}{'disk' if disk else ''}")
    node.volatile = None if run else node.volatile
    node.durable = None if disk else node.durable
    scenario.later(scenario.some_time(0.01, 0.6), node.start)


def _roll_back_disk(scenario: Scenario) -> None:
    """A machine comes back from an older snapshot: its incarnation goes back, too."""
    node = scenario.node()
    snapshot = node.durable

    def restore() -> None:
        node.power_off()
        node.durable = snapshot
        node.power_on()
        node.start()

    scenario.later(scenario.some_time(0.2, 2), restore)


def _reload(scenario: Scenario) -> None:
    """A reload drops a group on one node, and another reload brings it back."""
    node = scenario.node()
    groups = node.config.groups
    dropped = scenario.world.random.choice(groups)
    scenario.world.say(node.name, f"reloads without {dropped.name}")
    rest = tuple(group for group in groups if group is not dropped)
    node.put(Reconfigure(groups=rest, nodes=node.config.nodes))
    scenario.later(
        scenario.some_time(0.1, 1.5),
        lambda: node.put(Reconfigure(groups=node.config.groups, nodes=node.config.nodes)),
    )


def _edit_nodes(scenario: Scenario) -> None:
    """A node without a vote is added or removed: the new document reaches one node after the other, in any order."""
    spare = [node for node in scenario.everyone if node.name not in scenario.config.voters]
    changed, listed = scenario.world.random.choice(spare), set(scenario.config.nodes)
    nodes = tuple(node for node in scenario.everyone if (node in listed) is not (node is changed))
    names = {node.name for node in nodes}
    scenario.config = replace(
        scenario.config,
        nodes=nodes,
        groups=tuple(
            replace(
                group, nodes=tuple(node.name for node in scenario.everyone if node.name in names and _director(node))
            )
            for group in scenario.config.groups
        ),
    )
    for name in sorted(scenario.nodes):
        scenario.later(scenario.some_time(0.0, 0.6), partial(scenario.nodes[name].reload, scenario.config))


def _change_config(scenario: Scenario) -> None:
    """A document with other voters or timings reaches one node after the other, in any order.

    Not before the cluster is founded: then a document is all that the nodes know.
    """
    if not all(node.founded for node in scenario.nodes.values()):
        return
    pick, former = scenario.world.random.choice, scenario.config
    voters, others = list(former.voters), [node.name for node in former.nodes if node.name not in former.voters]
    kind = pick(("add", "add two", "remove", "replace", "replace two", "timings"))
    out = {"remove": 1, "replace": 1, "replace two": 2}.get(kind, 0)
    into = {"add": 1, "add two": 2, "replace": 1, "replace two": 2}.get(kind, 0)
    for _ in range(min(out, len(voters) + min(into, len(others)) - LEAST_VOTERS)):
        voters.remove(pick(voters))
    voters += scenario.world.random.sample(others, k=min(into, len(others)))
    timings = former.timings
    if kind == "timings":
        interval, dead_after = pick(scenario.profile.timings)
        timings = replace(
            timings,
            interval=interval * MILLISECOND,
            warn_after=dead_after // 2 * MILLISECOND,
            dead_after=dead_after * MILLISECOND,
        )
    scenario.longest = max(scenario.longest, scenario.dead_after)
    scenario.config = replace(former, voters=tuple(voters), timings=timings)
    scenario.world.say("world", f"change config: {kind}")
    longest = pick((0.3, 1, 5))
    for name in sorted(scenario.nodes):
        scenario.later(scenario.some_time(0.0, longest), partial(scenario.nodes[name].reload, scenario.config))


def _change_policy(scenario: Scenario) -> None:
    """Two nodes become three or three two, or two decide in another way, or timings change; in any order, as ever.

    Where a profile has it, one becomes several and several one, too. Of the nodes that a document has at most one is
    new: more of them could take it for that of a new cluster.
    """
    pick, former = scenario.world.random.choice, scenario.config
    if not all(node.founded for node in scenario.nodes.values() if former.node(node.name) is not None):
        return
    policy = pick((SplitBrainPolicy.MAJORITY, *scenario.profile.pairs))
    nodes = scenario.everyone if policy is SplitBrainPolicy.MAJORITY else scenario.everyone[:PAIR]
    if scenario.profile.singles and pick((True, False)):
        named = [node for node in scenario.everyone[:PAIR] if scenario.single in (None, node.name)]
        policy, nodes = SplitBrainPolicy.MAJORITY, (pick(named),)
    names = {node.name for node in nodes}
    if sum(not scenario.nodes[name].founded for name in sorted(names)) > 1:
        return
    interval, dead_after = pick(scenario.profile.timings)
    timings = replace(
        former.timings,
        interval=interval * MILLISECOND,
        warn_after=dead_after // 2 * MILLISECOND,
        dead_after=dead_after * MILLISECOND,
    )
    scenario.longest = max(scenario.longest, scenario.dead_after)
    _give(scenario, _document(scenario, policy, nodes, pick((former.timings, former.timings, timings))))
    scenario.world.say("world", f"change policy: {policy.value}")
    longest = pick((0.3, 1, 5))
    for name in sorted(scenario.nodes):
        scenario.later(scenario.some_time(0.0, longest), partial(scenario.nodes[name].reload, scenario.config))


def _document(
    scenario: Scenario, policy: SplitBrainPolicy, nodes: tuple[CoreNode, ...], timings: Timings | None = None
) -> CoreConfig:
    directors = tuple(node.name for node in nodes if _director(node))
    return replace(
        scenario.config,
        nodes=nodes,
        voters=tuple(node.name for node in nodes),
        policy=policy,
        timings=timings or scenario.config.timings,
        groups=tuple(replace(group, nodes=directors) for group in scenario.config.groups),
    )


def _give(scenario: Scenario, document: CoreConfig) -> None:
    """From now on this is what the nodes should have."""
    scenario.config = document
    if document.lone:
        (scenario.single,) = document.voters


def _director(node: CoreNode) -> bool:
    return node.role is Role.DIRECTOR


def _rotate_keys(scenario: Scenario) -> None:
    """The document with the next list of keys reaches one node after the other; some operators skip steps."""
    (former, *_), pick = scenario.keys, scenario.world.random.choice
    new = pick([key for key in SPARE_KEYS if key is not former])
    steps = pick((((former, new), (new, former), (new,)), ((former, new), (new, former), (new,)), ((new,),)))
    scenario.keys = (new,)
    shortest = 0.0
    for keys in steps:
        for name in sorted(scenario.nodes):
            scenario.later(scenario.some_time(shortest, shortest + 0.4), partial(scenario.nodes[name].rekey, keys))
        shortest += 0.5


FAULTS: dict[str, Callable[[Scenario], None]] = {
    "pause": _pause,
    "kill": _kill,
    "crash": _crash,
    "lose two": _lose_two,
    "start twice": _start_twice,
    "person": _person,
    "key mistake": _key_mistake,
    "stop": _stop,
    "stop in place": _stop_in_place,
    "isolate": _isolate,
    "split": _half,
    "one way": _one_way,
    "link": _link,
    "flap": _flap,
    "slow spell": _slow_spell,
    "move": _move,
    "standby": _standby,
    "maintain": _maintain,
    "outside": _outside,
    "services": _services,
    "cut off": _cut_off,
    "gate": _gate,
    "lose run state": lambda scenario: _lose(scenario, run=True, disk=False),
    "lose disk": lambda scenario: _lose(scenario, run=scenario.world.random.random() < 0.5, disk=True),
    "roll back disk": _roll_back_disk,
    "reload": _reload,
    "rotate keys": _rotate_keys,
    "edit nodes": _edit_nodes,
    "change config": _change_config,
    "change policy": _change_policy,
}
