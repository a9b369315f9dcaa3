"""``python -m tests.cluster.timings``: how long a group is unanswered in each planned and unplanned event.

The table of cluster.md, measured on virtual time: round trips of 0.2 to 4 ms, a kernel that takes up to 1 ms, clocks
at ±1 %, timers late by up to 1 ms. Minimum, median and maximum in ms of the longest time without an answer.
"""

import argparse
import sys
from collections.abc import Callable
from statistics import median

from tests.cluster.simulation.network import Network, Weather
from tests.cluster.simulation.node import Habits, Node
from tests.cluster.simulation.world import World

from vedette.cluster.config import CoreConfig, CoreGroup, CoreNode, Timings
from vedette.cluster.events import Move, Stop
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import Role, SplitBrainPolicy

STEP = MILLISECOND // 4
HABITS = Habits(step=MILLISECOND // 10, jitter=MILLISECOND, kernel=MILLISECOND)


class Lab:
    """Two directors and a witness that have been up for an hour; a holds everything."""

    def __init__(self, seed: int, interval: int, dead_after: int, groups: int) -> None:
        self.world = World(seed)
        nodes = (CoreNode("a"), CoreNode("b"), CoreNode("w", Role.WITNESS))
        self.config = CoreConfig(
            cluster="timings",
            nodes=nodes,
            policy=SplitBrainPolicy.MAJORITY,
            timings=Timings(interval, dead_after // 2, dead_after, 10 * SECOND),
            groups=tuple(CoreGroup(f"g{index}", ("a", "b"), ("a", "b")) for index in range(groups)),
        )
        network = Network(self.world, ("one",), weather=Weather(orderly=True))
        self.nodes = {}
        for node in nodes:
            percent = self.world.random.choice((99, 100, 101))
            self.nodes[node.name] = Node(
                self.world, network, self.config, node.name, percent=percent, boots=-3600 * SECOND
            )
            self.nodes[node.name].habits = HABITS
            # not the first start in this boot that finds nothing: the durable state of the boot before
            self.nodes[node.name].durable = _of_the_boot_before(node.name)

    def settle(self) -> None:
        for name in sorted(self.nodes):
            self.nodes[name].start()
        self.run(3 * SECOND + self.world.random.randint(0, SECOND))

    def run(self, duration: int) -> None:
        self.world.run_until(self.world.now + duration)

    def outage(self, duration: int) -> int:
        """Let time pass; return the longest time (ns) in which some group was answered by nobody."""
        end, longest = self.world.now + duration, 0
        since = {group.name: self.world.now for group in self.config.groups}
        while self.world.now < end:
            self.run(STEP)
            for group in since:
                if self.world.holders(group):
                    since[group] = self.world.now
                longest = max(longest, self.world.now - since[group])
        return longest


def _of_the_boot_before(name: str) -> bytes:
    from vedette.cluster.storage import Durable, dump_durable

    return dump_durable(Durable(name=name, incarnation=3, boot_id="before", config=""))


def cold_start(lab: Lab) -> int:
    for name in sorted(lab.nodes):
        lab.nodes[name].start()
    return lab.outage(3 * SECOND)


def holder_dies(lab: Lab) -> int:
    lab.settle()
    lab.nodes["a"].power_off()
    return lab.outage(2 * lab.config.timings.dead_after)


def other_dies(lab: Lab) -> int:
    lab.settle()
    lab.nodes[lab.world.random.choice(("b", "w"))].power_off()
    return lab.outage(2 * lab.config.timings.dead_after)


def move(lab: Lab) -> int:
    lab.settle()
    for group in lab.config.groups:
        lab.nodes[lab.world.random.choice(("a", "b", "w"))].put(Move(group.name, "b", "timings", "test"))
    return lab.outage(SECOND)


def failback(lab: Lab) -> int:
    lab.settle()
    lab.nodes["a"].power_off()
    lab.run(3 * lab.config.timings.dead_after)
    lab.nodes["a"].power_on()
    lab.nodes["a"].start()
    return lab.outage(2 * lab.config.timings.dead_after)


def clean_stop(lab: Lab) -> int:
    lab.settle()
    lab.nodes["a"].put(Stop())
    return lab.outage(SECOND)


def restart(lab: Lab) -> int:
    lab.settle()
    longest = 0
    for name in ("a", "b", "w"):
        lab.nodes[name].kill()
        longest = max(longest, lab.outage(lab.config.timings.dead_after // 4))
        lab.nodes[name].start()
        longest = max(longest, lab.outage(lab.config.timings.dead_after))
    return longest


CASES: dict[str, tuple[Callable[[Lab], int], int]] = {
    "holder's machine dies": (holder_dies, 1),
    "any other node dies": (other_dies, 1),
    "planned move": (move, 1),
    "planned move, 8 groups": (move, 8),
    "node returns, failback": (failback, 1),
    "clean stop of the holder": (clean_stop, 1),
    "all daemons restart, one by one": (restart, 2),
    "cold start": (cold_start, 1),
}


def measure(case: str, interval: int, dead_after: int, seeds: int) -> list[int]:
    act, groups = CASES[case]
    return sorted(act(Lab(seed, interval, dead_after, groups)) for seed in range(seeds))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    for interval, dead_after in ((500, 3000), (200, 1200), (200, 1000), (50, 200)):
        print(f"D = {dead_after} ms, I = {interval} ms")
        for case in CASES:
            times = measure(case, interval * MILLISECOND, dead_after * MILLISECOND, seeds)
            low, middle, high = (value / MILLISECOND for value in (times[0], median(times), times[-1]))
            print(f"  {case:34} {low:7.1f} / {middle:7.1f} / {high:7.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
