"""Where every VIP belongs, and the changes that bring it there: pure functions of the wanted and the observed."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from vedette.addresses.model import LOOPBACK, Assigned, Change, Link, Observed, Put, Remove, Vip
from vedette.kit.net import IPAddress
from vedette.reconcile import plan as reconcile
from vedette.spec.resolved import Group, Node

LIFETIME = 30
"""Seconds an address lives without a daemon: the second line behind the gate, and what cleans up."""
REFRESH_BELOW = 20
"""Seconds of lifetime left at which it is set to :data:`LIFETIME` again."""

Place = tuple[IPAddress, int]
"""An address on an interface (index)."""


class Phase(IntEnum):
    """The order of one pass: let go first, then prepare, then take."""

    WITHDRAW = 1
    FORGET = 2
    PREPARE = 3
    ACQUIRE = 4


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a VIP belongs: ``link`` is ``None`` where nothing fits, and ``problem`` says why."""

    vip: Vip
    link: Link | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one pass wants, from the groups and what the gate says of them.

    ``acquire``: on their seats; ``leave``: neither added, refreshed nor removed there; ``prepare``: on ``lo``.
    ``seats`` are the document's VIPs; ``known`` are places where we have put an address before.
    """

    seats: tuple[Seat, ...]
    acquire: frozenset[IPAddress] = frozenset()
    leave: frozenset[IPAddress] = frozenset()
    prepare: frozenset[IPAddress] = frozenset()
    known: frozenset[Place] = frozenset()


def vips(groups: Sequence[Group], node: Node) -> tuple[Vip, ...]:
    """The addresses of these groups, with the node's own interface names."""
    return tuple(
        Vip(
            address=address.address,
            group=group.name,
            interface=None if address.interface is None else node.kernel_interface(address.interface),
            ask_first=group.conflict_detection,
        )
        for group in groups
        for address in group.addresses
    )


def seat(vip: Vip, observed: Observed) -> Seat:
    """Find the VIP's interface: the named one, else the one with the narrowest subnet that contains it."""
    if vip.interface is not None:
        link = observed.link_named(vip.interface)
        problem = f"there is no interface {vip.interface}"
    else:
        link = _around(vip.address, observed)
        problem = f"no interface has a subnet that contains {vip.address}"
    if link is not None and link.index == LOOPBACK:
        return Seat(vip, None, "lo has no neighbours: name the interface where the clients are")
    if link is None:
        return Seat(vip, None, problem)
    return Seat(vip, link, "" if link.up else f"interface {link.name} is down")


def _around(address: IPAddress, observed: Observed) -> Link | None:
    fitting = [
        (item.prefix_length, -item.index)
        for item in observed.networks
        if item.index in observed.links and _contains(item, address)
    ]
    return observed.links[-max(fitting)[1]] if fitting else None


def _contains(item: Assigned, address: IPAddress) -> bool:
    rest = address.max_prefixlen - item.prefix_length
    return item.address.version == address.version and int(item.address) >> rest == int(address) >> rest


def plan(wanted: Wanted, observed: Observed, *, mark: int) -> tuple[Change, ...]:
    """The changes of one pass, by :class:`Phase`. Addresses that bear ``mark`` are ours; other people's stay."""
    desired: dict[Place, int | None] = {(address, LOOPBACK): None for address in wanted.prepare}
    for item in wanted.seats:
        if item.vip.address in wanted.acquire and item.link is not None and item.link.up:
            desired[item.vip.address, item.link.index] = LIFETIME
    found = {(item.address, item.index): item for item in observed.addresses if item.host_route}
    judge = _Ours(wanted, mark)
    actions = reconcile.diff(
        desired,
        {place: item.valid for place, item in found.items()},
        owned=lambda place: judge.removable(found[place]),
        same=_lives_long_enough,
    )
    changes = [_change(action) for action in actions]
    return tuple(sorted(changes, key=_order))


def without_additions(changes: Sequence[Change], observed: Observed) -> tuple[Change, ...]:
    """What remains for a node that is left alone: addresses that are there stay alive, and what must go still goes."""
    there = {(item.address, item.index) for item in observed.addresses if item.host_route}
    return tuple(change for change in changes if isinstance(change, Remove) or (change.address, change.index) in there)


def _order(change: Change) -> tuple[Phase, int, int, int]:
    return phase(change), change.address.version, int(change.address), change.index


def phase(change: Change) -> Phase:
    """When in a pass a change comes: ``lo`` is the last that a VIP leaves and the first where it goes."""
    if isinstance(change, Remove):
        return Phase.FORGET if change.index == LOOPBACK else Phase.WITHDRAW
    return Phase.PREPARE if change.index == LOOPBACK else Phase.ACQUIRE


def ours(wanted: Wanted, observed: Observed, *, mark: int) -> tuple[Assigned, ...]:
    """The addresses that are ours, wherever they are, wanted there or not."""
    judge = _Ours(wanted, mark)
    return tuple(item for item in observed.addresses if item.host_route and judge.belongs(item))


def lingering(wanted: Wanted, observed: Observed, *, mark: int) -> frozenset[IPAddress]:
    """The addresses of ours that are still on an interface (``lo`` aside)."""
    return frozenset(item.address for item in ours(wanted, observed, mark=mark) if item.index != LOOPBACK)


def on_seat(item: Seat, observed: Observed) -> bool:
    """Whether the VIP is on its interface as /32 or /128."""
    return item.link is not None and (item.vip.address, item.link.index) in observed.seated


class _Ours:
    """Whose an address is: ours by the mark, by the inventory, or because the document names it for that very place."""

    def __init__(self, wanted: Wanted, mark: int) -> None:
        self._wanted, self._mark = wanted, mark
        self._seats = {(item.vip.address, item.link.index) for item in wanted.seats if item.link is not None}

    def belongs(self, item: Assigned) -> bool:
        place = (item.address, item.index)
        return item.protocol == self._mark or place in self._wanted.known or place in self._seats

    def removable(self, item: Assigned) -> bool:
        """Not what is to be left alone, nor what is wanted on an interface that happens to be down."""
        seated = item.address in self._wanted.acquire and (item.address, item.index) in self._seats
        left = item.address in self._wanted.leave and item.index != LOOPBACK
        return self.belongs(item) and not left and not seated


def _lives_long_enough(wanted: int | None, found: int | None) -> bool:
    if wanted is None or found is None:
        return wanted is found
    return found > REFRESH_BELOW


def _change(action: reconcile.Action[Place, int | None]) -> Change:
    address, index = action.key
    match action:
        case reconcile.Create(item=lifetime) | reconcile.Update(after=lifetime):
            return Put(address, index, lifetime)
        case reconcile.Delete():
            return Remove(address, index)
