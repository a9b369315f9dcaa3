"""Links that lose, delay, duplicate, reorder and replay datagrams, and that can be cut one way or both."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from tests.cluster.simulation.world import World

from vedette.cluster.config import tag
from vedette.kit.units import MICROSECOND, MILLISECOND, SECOND

_KEY_AT = 19
"""Where a datagram says with which key it is signed (vedette.cluster.wire)."""

Deliver = Callable[[str, bytes], None]


@dataclass(frozen=True, slots=True)
class Weather:
    """``late``: share of datagrams that take up to ``latest``; ``replays``: share that come again, much later.

    ``orderly``: what is not late arrives in the order in which it was sent, as on a quiet local network.
    """

    shortest: int = 100 * MICROSECOND
    longest: int = 2 * MILLISECOND
    loss: float = 0.0
    duplicated: float = 0.0
    late: float = 0.0
    latest: int = SECOND
    replays: float = 0.0
    mangled: float = 0.0
    orderly: bool = False


@dataclass(slots=True)
class Network:
    world: World
    links: tuple[str, ...]
    deliver: dict[str, Deliver] = field(default_factory=dict)
    weather: Weather = field(default_factory=Weather)
    cuts: dict[tuple[str, str, str], int] = field(default_factory=dict)
    sent: int = 0
    strangers: set[str] = field(default_factory=set)
    """Nodes that sign with a key that nobody else has."""
    _calm: Weather = field(init=False)
    _last: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._calm = Weather(orderly=self.weather.orderly)

    def send(self, source: str, data: bytes, to: str | None) -> None:
        if source in self.strangers:
            data = data[:_KEY_AT] + b"????" + data[_KEY_AT + 4 :]
        wanted = tag(to) if to is not None else None  # its sender may not know its name
        for link in self.links:
            for target in self.deliver:
                if target != source and wanted in (None, tag(target)):
                    self._carry(link, source, target, data)

    def cut(self, link: str, source: str, target: str) -> None:
        self.cuts[link, source, target] = 1

    def heal(self) -> None:
        self.cuts.clear()

    def calm(self) -> None:
        self.heal()
        self.strangers.clear()
        self.weather = self._calm

    def _carry(self, link: str, source: str, target: str, data: bytes) -> None:
        chance, weather = self.world.random.random, self.weather
        self.sent += 1
        if (link, source, target) in self.cuts or chance() < weather.loss:
            return
        delay = self.world.draw(weather.shortest, weather.longest)
        if weather.orderly:
            path = link, source, target
            self._last[path] = max(self._last.get(path, 0), self.world.now + delay)
            delay = self._last[path] - self.world.now
        if chance() < weather.late:
            delay += self.world.draw(0, weather.latest)
        if chance() < weather.mangled:
            data = self._mangle(data)
        self._arrive(link, target, data, delay)
        if chance() < weather.duplicated:
            self._arrive(link, target, data, delay + self.world.draw(0, 5 * MILLISECOND))
        if chance() < weather.replays:
            self._arrive(link, target, data, self.world.draw(SECOND // 10, 8 * SECOND))

    def _arrive(self, link: str, target: str, data: bytes, delay: int) -> None:
        self.world.after(delay, partial(self.deliver[target], link, data))

    def _mangle(self, data: bytes) -> bytes:
        where = self.world.random.randrange(len(data))
        return data[:where] + bytes([data[where] ^ 1 << self.world.random.randrange(8)]) + data[where + 1 :]
