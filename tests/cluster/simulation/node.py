"""One machine: clock, kernel with latency, state files, and the shell around the real core.

The shell does what the daemon does, one step after the other, and may be paused or killed between any two: between
the clock being read and the effect, between persisting and sending, between the call into the kernel and its end.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import NamedTuple

from tests.cluster.simulation.network import Network
from tests.cluster.simulation.power import Fencer
from tests.cluster.simulation.world import Clock, World

from vedette.cluster import charter as charters
from vedette.cluster.config import CoreConfig
from vedette.cluster.events import (
    FOREVER,
    Datagram,
    Emptied,
    Event,
    Listed,
    Ready,
    Reconfigure,
    Rekey,
    Stop,
    Tick,
    What,
)
from vedette.cluster.machine import Machine
from vedette.cluster.storage import load_durable
from vedette.kit.units import MICROSECOND, MILLISECOND, SECOND
from vedette.spec.resolved import Key

KEYS = (Key(id="simulation", secret=b"0123456789abcdef0123456789abcdef"),)
SPARE_KEYS = tuple(Key(id=f"spare {number}", secret=bytes([number]) * 32) for number in range(1, 9))
INBOX = 400


@dataclass(slots=True)
class Habits:
    """How slow and how unreliable this machine is (ns)."""

    step: int = 200 * MICROSECOND
    jitter: int = MILLISECOND
    kernel: int = 2 * MILLISECOND
    kernel_slow: float = 0.0
    kernel_fails: float = 0.0
    stall: float = 0.0
    stall_longest: int = 0


@dataclass(slots=True)
class Kernel:
    """What the gate of this machine answers for: group → absolute deadline on its own clock.

    ``tolerated``: of these it was told under a policy that allows two holders.
    """

    deadlines: dict[str, int] = field(default_factory=dict)
    tolerated: set[str] = field(default_factory=set)


class Wish(NamedTuple):
    """What a kernel is to do about a group: answer until ``deadline`` (its own clock), or not at all.

    ``tolerant``: the policy under which it was told so allows two holders.
    """

    deadline: int | None
    tolerant: bool = False


NOTHING = Wish(None)


class Node:
    def __init__(
        self, world: World, network: Network, config: CoreConfig, name: str, *, percent: int, boots: int
    ) -> None:
        self.world, self.network, self.config, self.name = world, network, config, name
        self.habits = Habits()
        self.keys: tuple[Key, ...] = KEYS
        self.listed = self.installed = True
        self.clock = Clock(boots, percent)
        self.boot = 0
        self.durable: bytes | None = None
        self.volatile: bytes | None = None
        self.kernel = Kernel()
        self.machine: Machine | None = None
        self.powered = True
        self.stopped = self.stop_asked = False
        self.acquired: Callable[[], None] | None = None
        self._inbox: deque[Event] = deque()
        self._life = 0
        self._busy = False
        self._paused_until = 0
        self._wake = 0
        self._wanted: dict[str, Wish] = {}
        self._dirty: list[str] = []
        self._working = False
        self._in_flight: tuple[str, Wish] | None = None
        self.fencer: Fencer | None = None
        network.deliver[name] = self.hear
        world.answers[name] = self.answers
        world.tolerated[name] = self.kernel.tolerated

    # Ground truth

    def answers(self, group: str) -> bool:
        deadline = self.kernel.deadlines.get(group)
        return self.powered and deadline is not None and self.clock.read(self.world.now) < deadline

    # What happens to the machine

    def rekey(self, keys: tuple[Key, ...]) -> None:
        """Edit this node's document: its daemon, or the next one, runs with these keys."""
        self.keys = keys
        self.world.say(self.name, f"document lists {len(keys)} keys, {keys[0].id} first")
        self.put(Rekey(keys))

    def reload(self, document: CoreConfig) -> None:
        """Edit this node's document: its daemon, or the next one, runs with it, or holds nothing if it is not in it."""
        self.listed = document.node(self.name) is not None
        names = " ".join(node.name + ("*" if node.name in document.voters else "") for node in document.nodes)
        after = document.timings.dead_after // MILLISECOND
        self.world.say(self.name, f"document lists {names}, {document.policy.value}, deadAfter {after} ms")
        self.put(Listed(self.listed))
        if self.listed:
            self.config = document
            if not self.installed:
                self.installed = True
                self.start()
            self.put(
                Reconfigure(
                    groups=document.groups,
                    nodes=document.nodes,
                    timings=document.timings,
                    voters=document.voters,
                    rule=charters.wanted(document).rule,
                )
            )

    def start(self) -> None:
        """Start the daemon, with what the state files and the kernel hold now."""
        if self.machine is not None or not self.powered or not self.installed:
            return
        self._life += 1
        self._inbox.clear()
        self._busy = self._working = self.stopped = self.stop_asked = False
        self._in_flight = None
        self._wanted, self._dirty = {}, []
        self._paused_until = 0
        if self.fencer is not None:
            self.fencer.wanted = {}
        now = self.clock.read(self.world.now)
        self.machine = Machine(
            config=self.config,
            me=self.name,
            keys=self.keys,
            boot_id=f"{self.name}-{self.boot}",
            durable=self.durable,
            volatile=self.volatile,
            held=frozenset(self.kernel.deadlines),
            now=now,
            calendar=self.world.now * 4 // SECOND,
            random=Random(self.world.random.getrandbits(64)),
        )
        self.world.say(self.name, "daemon starts")
        self._busy = True
        self._perform(self.machine.start(now))
        if not self.listed:
            self.put(Listed(False))

    def kill(self) -> None:
        """SIGKILL: what the shell had not done is not done; a call into the kernel may or may not have ended."""
        if self.machine is None:
            return
        self.world.say(self.name, "daemon killed")
        self.machine = None
        self._life += 1
        if self._in_flight is not None and self.world.random.random() < 0.5:
            self._into_kernel(*self._in_flight)

    def power_off(self) -> None:
        self.world.say(self.name, "power off")
        self.machine = None
        self.powered = False
        self._life += 1
        self.kernel.deadlines.clear()
        self.volatile = None

    def power_on(self) -> None:
        """Boot: a new boot id, BOOTTIME from 0, nothing in /run and in the kernel."""
        if self.powered:
            return
        self.world.say(self.name, "power on")
        self.powered = True
        self.boot += 1
        self.clock = Clock(self.world.now, self.clock.percent)

    @property
    def founded(self) -> bool:
        """The node knows, also after a restart, what its cluster runs."""
        state = load_durable(self.durable) if self.durable is not None else None
        return state is not None and state.firm

    def pause(self, duration: int) -> None:
        self.world.say(self.name, f"paused for {duration / 1e6:.0f} ms")
        self._paused_until = max(self._paused_until, self.world.now + duration)

    def wake_up(self) -> None:
        self._paused_until = min(self._paused_until, self.world.now)

    # The shell

    def hear(self, link: str, data: bytes) -> None:
        if self.machine is not None and len(self._inbox) < INBOX:
            self.put(Datagram(link, data))

    def put(self, event: Event) -> None:
        if self.machine is None:
            return
        self._inbox.append(event)
        self.stop_asked = self.stop_asked or isinstance(event, Stop)
        if not self._busy:
            self._busy = True
            self._later(self.world.draw(0, self.habits.step), self._next)

    def in_this_life(self, delay: int, do: Callable[[], None]) -> None:
        """For what runs beside the core: not after the daemon's death, and late when the machine is paused."""
        self._later(delay, do)

    def _later(self, delay: int, do: Callable[..., None], *given: object) -> None:
        """Do it in this life of the daemon, and not while it is paused."""
        self.world.after(delay, partial(self._run, self._life, do, *given))

    def _run(self, life: int, do: Callable[..., None], *given: object) -> None:
        if life != self._life:
            return
        if self.world.now < self._paused_until:
            self.world.at(self._paused_until, partial(self._run, life, do, *given))
            return
        do(*given)

    def _next(self) -> None:
        if not self._inbox or self.machine is None or self.stopped:
            self._busy = False
            return
        event = self._inbox.popleft()
        ready = self.machine.handle(event, self.clock.read(self.world.now))
        if self.world.random.random() < self.habits.stall:
            self._paused_until = self.world.now + self.world.draw(0, self.habits.stall_longest)
        self._perform(ready)

    def _perform(self, ready: Ready) -> None:
        self._step((self._persist, self._release, self._send, self._hold), ready)

    def _step(self, steps: tuple[Callable[[Ready], None], ...], ready: Ready) -> None:
        self._later(self.world.draw(0, self.habits.step // 4), self._do, steps, ready)

    def _do(self, steps: tuple[Callable[[Ready], None], ...], ready: Ready) -> None:
        life = self._life
        steps[0](ready)
        if len(steps) > 1 and life == self._life:  # else it was killed in this step
            self._step(steps[1:], ready)

    def _persist(self, ready: Ready) -> None:
        if ready.durable is not None:
            self.durable = ready.durable
        if ready.volatile is not None:
            self.volatile = ready.volatile
        state = load_durable(self.durable) if ready.binding and self.durable is not None else None
        if state is not None and state.accepted is not None and self.acquired is not None:
            self.acquired()
        for event in ready.events:
            if event.what in (What.GROUP_ACQUIRED, What.CONFIG_CHANGED) and self.acquired is not None:
                self.acquired()
            words = [event.what.value, event.group or "", event.node or "", event.reason.value, event.detail]
            self.world.say(self.name, " ".join(word for word in words if word))

    def _release(self, ready: Ready) -> None:
        for group in ready.release:
            self._want(group, NOTHING)

    def _send(self, ready: Ready) -> None:
        for outgoing in ready.send:
            self.network.send(self.name, outgoing.data, outgoing.to)

    def _hold(self, ready: Ready) -> None:
        tolerant = self.machine is not None and self.machine.config.tolerant
        for group, deadline in ready.hold.items():
            if self._wanted.get(group, NOTHING).deadline != deadline:
                self._want(group, Wish(deadline, tolerant))
        if ready.stopped:
            self.world.say(self.name, "daemon stopped")
            self.stopped, self.machine = True, None
            self._life += 1
            return
        self._wake += 1
        wake = self._wake
        due = self.clock.when(ready.wake_at) if ready.wake_at < FOREVER else self.world.now
        delay = max(0, due - self.world.now) + self.world.draw(0, self.habits.jitter)

        def tick() -> None:
            if wake == self._wake:
                self.put(Tick())

        self._later(delay, tick)
        if self.fencer is not None:
            self.fencer.want(ready.fence)
        self._next()

    # The worker that talks to the kernel: one call at a time, the latest wish wins

    def _want(self, group: str, wish: Wish) -> None:
        self._wanted[group] = wish
        if group not in self._dirty:
            self._dirty.append(group)
        if not self._working:
            self._working = True
            self._later(0, self._work)

    def _work(self) -> None:
        if not self._dirty:
            self._working = False
            return
        group = self._dirty.pop(0)
        wanted = self._wanted[group]
        latency = self.world.draw(0, self.habits.kernel)
        if self.world.random.random() < self.habits.kernel_slow:
            latency *= 50
        self._in_flight = group, wanted
        self._later(latency, self._apply, group, wanted)

    def _apply(self, group: str, wanted: Wish) -> None:
        self._in_flight = None
        if self.world.random.random() < self.habits.kernel_fails:
            self._want(group, self._wanted[group])
        else:
            self._into_kernel(group, wanted)
            if wanted.deadline is None and self._wanted[group].deadline is None:
                self.put(Emptied(group))
        self._later(0, self._work)

    def _into_kernel(self, group: str, wanted: Wish) -> None:
        if wanted.deadline is None:
            self.kernel.deadlines.pop(group, None)
        else:
            self.kernel.deadlines[group] = wanted.deadline
            (self.kernel.tolerated.add if wanted.tolerant else self.kernel.tolerated.discard)(group)
            self.world.check(group)
