"""A few cores on a table: one clock for all, every datagram in the hand, the kernel answers when told to."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from vedette.cluster import wire
from vedette.cluster.config import CoreConfig, CoreGroup, CoreNode, Timings, tag
from vedette.cluster.events import Datagram, Emptied, Event, Ready, Tick
from vedette.cluster.machine import Machine
from vedette.cluster.messages import Flag, Item, Message
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import Failback, Key, Role, SplitBrainPolicy

KEY = Key(id="one", secret=b"first secret of sixteen bytes up")
OTHER_KEY = Key(id="two", secret=b"another secret, also long enough")
TIMINGS = Timings(500 * MILLISECOND, 1500 * MILLISECOND, 3 * SECOND, 10 * SECOND)
LINK = "lan"


def config(
    *,
    nodes: Iterable[str] = ("a", "b", "w"),
    witnesses: Iterable[str] = ("w",),
    groups: tuple[CoreGroup, ...] | None = None,
    policy: SplitBrainPolicy = SplitBrainPolicy.MAJORITY,
    timings: Timings = TIMINGS,
    cluster: str = "web",
) -> CoreConfig:
    """Two directors and a witness with one group that prefers a, unless told otherwise."""
    members = tuple(CoreNode(name, Role.WITNESS if name in set(witnesses) else Role.DIRECTOR) for name in nodes)
    directors = tuple(node.name for node in members if node.role is Role.DIRECTOR)
    if groups is None:
        groups = (CoreGroup("g", directors, directors[:2]),)
    return CoreConfig(cluster=cluster, nodes=members, policy=policy, timings=timings, groups=groups)


def group(
    name: str, nodes: tuple[str, ...] = ("a", "b"), *, failback: Failback = Failback.AUTOMATIC, preferred: str = "ab"
) -> CoreGroup:
    return CoreGroup(name, nodes, tuple(preferred), failback)


@dataclass(slots=True)
class Seat:
    """A node at the table: what its files and its kernel hold, and what its core said last."""

    name: str
    boot: str
    machine: Machine | None = None
    durable: bytes | None = None
    volatile: bytes | None = None
    kernel: dict[str, int] = field(default_factory=dict)
    releasing: list[str] = field(default_factory=list)
    wake_at: int = 0
    said: list[Ready] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Letter:
    source: str
    target: str
    data: bytes


class Bench:
    """``kernel_obeys``: released groups are confirmed empty at once; else by :meth:`confirm`."""

    def __init__(
        self, core: CoreConfig, *, keys: dict[str, tuple[Key, ...]] | None = None, now: int = 100 * SECOND
    ) -> None:
        self.config, self.now = core, now
        self.keys = keys or {}
        self.kernel_obeys = True
        self.seats = {node.name: Seat(node.name, f"boot-{node.name}") for node in core.nodes}
        self.post: deque[Letter] = deque()
        self.cut: set[tuple[str, str]] = set()
        self.random = Random(7)

    # One core

    def machine(self, name: str) -> Machine:
        machine = self.seats[name].machine
        assert machine is not None
        return machine

    def start(self, *names: str) -> None:
        for name in names or tuple(self.seats):
            seat = self.seats[name]
            seat.machine = Machine(
                config=self.config,
                me=name,
                keys=self.keys.get(name, (KEY,)),
                boot_id=seat.boot,
                durable=seat.durable,
                volatile=seat.volatile,
                held=frozenset(seat.kernel),
                now=self.now,
                random=Random(self.random.getrandbits(32)),
            )
            self.take(name, seat.machine.start(self.now))

    def kill(self, *names: str) -> None:
        for name in names:
            self.seats[name].machine = None

    def reboot(self, name: str) -> None:
        """Power cycle: nothing in /run, nothing in the kernel, another boot."""
        seat = self.seats[name]
        seat.machine, seat.volatile, seat.boot = None, None, seat.boot + "+"
        seat.kernel.clear()

    def handle(self, name: str, event: Event) -> Ready:
        ready = self.machine(name).handle(event, self.now)
        self.take(name, ready)
        return ready

    def take(self, name: str, ready: Ready) -> None:
        """Perform a Ready in the order of rule 2."""
        seat = self.seats[name]
        seat.said.append(ready)
        seat.durable = ready.durable if ready.durable is not None else seat.durable
        seat.volatile = ready.volatile if ready.volatile is not None else seat.volatile
        seat.releasing += ready.release
        for outgoing in ready.send:
            to = None if outgoing.to is None else tag(outgoing.to)  # its sender may not know its name
            for target in [target for target in self.seats if to in (None, tag(target)) and target != name]:
                self.post.append(Letter(name, target, outgoing.data))
        seat.kernel.update(ready.hold)
        seat.wake_at = ready.wake_at
        if ready.stopped:
            seat.machine = None
        if self.kernel_obeys and seat.machine is not None:
            self.confirm(name)

    def confirm(self, name: str) -> None:
        """The kernel shows the released groups gone."""
        seat = self.seats[name]
        while seat.releasing:
            gone = seat.releasing.pop(0)
            seat.kernel.pop(gone, None)
            if seat.machine is not None:
                self.handle(name, Emptied(gone))

    # All of them

    def deliver(self, *, rounds: int = 10_000) -> list[Letter]:
        """Carry what is in the post, and what that causes, until nothing is left."""
        carried = []
        while self.post and rounds:
            rounds -= 1
            letter = self.post.popleft()
            if (letter.source, letter.target) in self.cut or self.seats[letter.target].machine is None:
                continue
            carried.append(letter)
            self.handle(letter.target, Datagram(LINK, letter.data))
        return carried

    def run(self, duration: int) -> None:
        """Let time pass: wake every core when it asks for it, carry everything at once."""
        end = self.now + duration
        self.deliver()
        while True:
            due = [(seat.wake_at, name) for name, seat in self.seats.items() if seat.machine is not None]
            if not due or min(due)[0] > end:
                self.now = end
                return
            wake_at, name = min(due)
            self.now = max(self.now, wake_at)
            self.handle(name, Tick())
            self.deliver()

    def run_until_something_is_said(self) -> None:
        """Wake cores in turn until there is post, and do not carry it."""
        while not self.post:
            wake_at, name = min((seat.wake_at, name) for name, seat in self.seats.items() if seat.machine is not None)
            self.now = max(self.now, wake_at)
            self.handle(name, Tick())

    def step(self) -> None:
        """Carry one letter, or, when there is none, let time pass until somebody has something to say."""
        if self.post:
            self.deliver(rounds=1)
        else:
            self.run_until_something_is_said()

    def isolate(self, name: str) -> None:
        for other in self.seats:
            self.cut |= {(name, other), (other, name)}

    def heal(self) -> None:
        self.cut.clear()

    # Looking

    def holders(self, name: str = "g") -> list[str]:
        """Whose gate lets the group through now."""
        return [seat.name for seat in self.seats.values() if seat.kernel.get(name, 0) > self.now]

    def owners(self, name: str = "g") -> list[str]:
        return [
            seat.name
            for seat in self.seats.values()
            if seat.machine is not None
            and any(lease.group == name and lease.mine for lease in seat.machine.view(self.now).leases)
        ]

    def read(self, letter: Letter) -> Message:
        message = wire.decode(letter.data, cluster=self.config.cluster_id, secrets=self.secrets())
        assert isinstance(message, Message)
        return message

    def items(self, kind: type[Item] | tuple[type[Item], ...]) -> list[Letter]:
        """The letters in the post that carry an item of this kind."""
        return [letter for letter in self.post if any(isinstance(item, kind) for item in self.read(letter).items)]

    def drop(self, letters: Iterable[Letter]) -> None:
        for letter in list(letters):
            self.post.remove(letter)

    def secrets(self) -> dict[bytes, bytes]:
        return {wire.fingerprint(key.secret): key.secret for key in (KEY, OTHER_KEY)}

    def show(self, letter: Letter) -> str:
        """One line: who to whom, what it says of its sender, what it asks and answers."""
        message, names = self.read(letter), {tag(name): name for name in self.seats}
        groups = {one.tag: one.name for one in self.config.groups}
        words = [flag.name.lower() for flag in Flag if flag in message.flags and flag.name and flag is not Flag.STATE]
        if message.own:
            words.append("own=" + ",".join(f"{groups.get(group, group)}:{own.round}" for group, own in message.own))
        if message.holds:
            words.append("holds=" + ",".join(groups.get(group, str(group)) for group in message.holds))
        for echo in message.echoes:
            if echo.node == tag(letter.target):
                acks = f" acks {echo.acked}:{echo.groups:b}" if echo.acked else ""
                words.append(f"heard {echo.sequence}{acks}")
        words += [_show_item(item, groups, names) for item in message.items]
        return f"{letter.source}>{letter.target} #{message.sequence} {' '.join(words)}"


def _show_item(item: Item, groups: dict[int, str], names: dict[int, str]) -> str:
    ballot = f"{item.ballot.round}.{item.ballot.incarnation}.{names.get(item.ballot.node, '?')}"
    rest = ""
    remaining = getattr(item, "remaining", None)
    if remaining is not None:
        rest = f" for {remaining // MILLISECOND}ms"
    successor = getattr(item, "successor", 0)
    if successor:
        rest = f" to {names[successor]}"
    return f"{type(item).__name__}({groups.get(item.group, item.group)} {ballot}{rest})"
