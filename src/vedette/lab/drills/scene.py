"""What a drill can see and do: the lab, the observers, and the facts of the moment before the fault.

Two kinds of questions are kept apart. What is *measured* comes from the observers and from the machines' own kernels
(:mod:`vedette.lab.drills.kernels`); the daemon's status (:mod:`vedette.lab.drills.operator`) is asked only to know when
to go on (is a helper back, is a document applied).
"""

import time
from collections.abc import Callable, Mapping

from vedette.kit.units import MILLISECOND, SECOND, seconds
from vedette.lab.attempts import Attempt
from vedette.lab.drills.clingers import Clingers, Hail
from vedette.lab.drills.faults import Faults
from vedette.lab.drills.floods import Flood
from vedette.lab.drills.ground import Ground
from vedette.lab.drills.helpers import Helper
from vedette.lab.drills.judge import milliseconds
from vedette.lab.drills.kernels import Kernels
from vedette.lab.drills.operator import Operator
from vedette.lab.drills.plugs import Plugs
from vedette.lab.lab import Lab
from vedette.lab.observers import Observers
from vedette.lab.outage import Accept, any_answer
from vedette.lab.probes import Probe
from vedette.lab.sightings import ANSWERS, silence
from vedette.spec.resolved import Group, Role

PATIENCE = 20 * SECOND
"""How long (ns) a drill waits for what should have happened long before."""
POLL = 50 * MILLISECOND
"""Between two looks (ns) at what the observers have written."""


class Scene:
    """One drill's scene. ``holders`` is who held each group just before, asked of the kernels, not of the daemons."""

    def __init__(
        self, lab: Lab, observers: Observers, ground: Ground, holders: Mapping[str, str], document: str, accept: Accept
    ) -> None:
        self.lab, self.observers, self.ground = lab, observers, ground
        self.holders, self.document, self._accept = holders, document, accept
        self.kernels, self.plugs = Kernels(lab, ground), Plugs(lab, ground)
        self.operator, self.faults = Operator(lab, ground, self.complain), Faults(lab, ground, self.plugs)
        self.measured: dict[str, int] = {}
        self.exempt: set[Probe] = set()
        """Probes that are promised nothing while the fault lasts."""
        self.notes: list[str] = []
        self.complaints: list[str] = []
        self.injected = time.monotonic_ns()
        """When the drill began to cause the fault."""
        self.struck: int | None = None
        """When the fault came into force, where causing it takes time; set by the drill."""
        self.killed: Helper | None = None
        self.flood: Flood | None = None
        self.clingers: Clingers | None = None
        self.hail: Hail | None = None
        self.hailed = 0
        """Until when (ns) the attempts of the hail have been counted."""

    # facts

    @property
    def group(self) -> Group:
        assert self.ground.group is not None
        return self.ground.group

    @property
    def reached(self) -> list[Group]:
        """The groups that the client reaches."""
        names = {probe.group for probe in self.ground.probes}
        return [group for group in self.ground.spec.groups if group.name in names]

    @property
    def active(self) -> str:
        """The node that held the drilled group before the fault."""
        return self.holders[self.group.name]

    @property
    def standby(self) -> str:
        """Another node that may hold the drilled group, one that holds nothing if there is one."""
        others = [name for name in self.ground.candidates if name != self.active]
        busy = set(self.holders.values())
        return min(others, key=lambda name: name in busy)

    @property
    def patient(self) -> str:
        """The node whose daemon can be spared: a standby, or else the only one."""
        return self.standby if len(self.ground.candidates) > 1 else self.active

    @property
    def witness(self) -> str:
        return self.ground.witnesses[0].name

    def note(self, text: str) -> None:
        """Report something that was measured."""
        self.notes.append(text)

    def complain(self, text: str) -> None:
        """Report something that is wrong."""
        self.complaints.append(text)

    # time

    def passed(self, duration: int) -> bool:
        """Whether the fault is at least this old (ns)."""
        return time.monotonic_ns() - self.injected >= duration

    def pause(self, duration: int) -> None:
        """Let time pass while the observers go on."""
        deadline = time.monotonic_ns() + duration
        while time.monotonic_ns() < deadline:
            time.sleep(seconds(POLL))
            self.observers.refresh()

    def wait(self, condition: Callable[[], bool], *, patience: int = PATIENCE) -> bool:
        """Wait until ``condition`` holds; whether it did in time."""
        deadline = time.monotonic_ns() + patience
        while True:
            self.observers.refresh()
            if condition():
                return True
            if time.monotonic_ns() > deadline:
                return False
            time.sleep(seconds(POLL))

    # what can be seen

    def latest(self) -> dict[Probe, list[Attempt]]:
        return self.observers.latest()

    def flowing(self) -> bool:
        """Every attempt of the last moments to which something is promised was answered acceptably."""
        self.observers.refresh()  # asking daemons takes time, and what was seen before is no longer recent
        return self.observers.flowing([probe for probe in self.ground.probes if probe not in self.exempt], self._accept)

    def recovered(self) -> bool:
        """Traffic flows, and the fault is old enough for the first attempts to have met it."""
        return self.passed(SECOND) and self.flowing()

    def holder(self, group: Group) -> str | None:
        """Who answers for all of the group's watched addresses on the wire; None when nobody or not one machine."""
        watched = {probe.address for probe in self.ground.probes if probe.group == group.name}
        found = {self.observers.holder(vip.address) for vip in group.addresses if vip.address in watched}
        return found.pop() if len(found) == 1 else None

    def taken_over(self) -> bool:
        """Somebody else answers for everything that the active node held, and traffic flows."""
        for group in self.reached:
            if self.holders.get(group.name) == self.active and self.holder(group) in (None, self.active):
                return False
        return self.flowing()

    def settled(self) -> bool:
        """Everything is up and in its place: asked of the wire first, then of every daemon."""
        for group in self.reached:
            holder, home = self.holder(group), self.home(group)
            if holder is None or home not in (None, holder):
                return False
        self.observers.refresh()
        return self.observers.flowing(self.ground.probes, any_answer) and self.operator.all_ready()

    def home(self, group: Group) -> str | None:
        """Where failback brings a group; None when it stays where it is."""
        directors = {node.name for node in self.ground.spec.nodes if node.role is Role.DIRECTOR and not node.standby}
        if group.failback.value != "automatic" or group.failback_delay > PATIENCE:
            return None
        return next((name for name in group.preferred_nodes if name in directors), None)

    def silences(self, bound: int) -> list[str]:
        """The addresses of the drilled group that nobody answered for, on the wire, for longer than ``bound``."""
        self.pause(200 * MILLISECOND)
        since, until = self.injected, time.monotonic_ns() - 100 * MILLISECOND
        heard = self.observers.wire.between(since, until)
        found = []
        for address in {probe.address for probe in self.ground.probes if probe.group == self.group.name}:
            quiet = silence(heard, address, since=since, until=until)
            self.note(f"{address} unanswered on the wire for {milliseconds(quiet)} ms")
            if quiet > bound:
                found.append(f"nobody answered for {address} on the wire for {milliseconds(quiet)} ms")
        return found

    def first_answer(self, group: Group, *, but: str) -> int | None:
        """When somebody else than ``but`` answered first for an address of the group on the wire, since the fault."""
        own = {vip.address for vip in group.addresses}
        others = {mac for mac, name in self.observers.machines.items() if name != but}
        heard = self.observers.wire.between(self.injected, time.monotonic_ns())
        found = (one.at for one in heard if one.address in own and one.mac in others and one.speech in ANSWERS)
        return min(found, default=None)

    # the end

    def let_go(self) -> None:
        """End what a drill about connections has running at the client."""
        for running in (self.clingers, self.hail):
            if running is not None:
                running.end()
        self.clingers = self.hail = None

    def dry(self) -> int:
        """End the flood; returns how many datagrams were sent, to the last second."""
        flood, self.flood = self.flood, None
        return flood.end() if flood is not None else 0

    def restore(self) -> None:
        """Undo whatever a drill may have left behind, also one that ended in the middle."""
        self.dry()
        self.let_go()
        self.faults.undo()
