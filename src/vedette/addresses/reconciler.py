"""One pass over the kernel: observe, set the gate in front of what is there, plan, perform, observe again."""

import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vedette.addresses import kernel, plan
from vedette.addresses.guard import Guard
from vedette.addresses.inventory import Inventory
from vedette.addresses.model import LOOPBACK, Change, Observed, Put, Vip
from vedette.addresses.plan import Place, Seat, Wanted
from vedette.kit.clock import boottime
from vedette.kit.log import event
from vedette.kit.net import IPAddress
from vedette.kit.netlink import Requests

_log = logging.getLogger("vedette.addresses")

_TIMEOUT = 2.0
"""Seconds that one kernel call may take: it holds the process that keeps time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass found and left. ``complete``: everything is as wanted. ``news``: for the log, when there is time."""

    before: Observed
    after: Observed
    wanted: Wanted
    complete: bool
    news: tuple["News", ...] = ()


@dataclass(frozen=True, slots=True)
class News:
    """One line of the log."""

    level: int
    name: str
    fields: Mapping[str, object]

    def tell(self) -> None:
        event(_log, self.level, self.name, **self.fields)


class Reconciler:
    """Knows nothing of events or timers. ``holding`` is the keeper's wish: {group: deadline}.

    What ``doubts`` says may be somebody else's is not put on an interface; it stays where it is already. What may
    rightly be ``elsewhere`` goes from there, too.
    """

    def __init__(
        self,
        guard: Guard,
        inventory: Inventory,
        requests: Requests,
        *,
        doubts: Callable[[Seat], bool],
        elsewhere: Callable[[Seat], bool],
    ) -> None:
        self._guard, self._inventory, self._requests = guard, inventory, requests
        self._doubts, self._elsewhere = doubts, elsewhere
        self.vips: tuple[Vip, ...] = ()
        self.holding: dict[str, int] = {}
        self.problems: dict[IPAddress, str] = {}
        self.refused: frozenset[IPAddress] = frozenset()
        """What the kernel would not have where clients are."""
        self.left_alone = False

    def run(self, *, quiet: bool, before: Observed | None = None) -> Outcome:
        """Do one pass. Raises ``OSError``, ``VedetteError``.

        ``quiet``: an address on ``lo`` answers no ARP there. ``before``: what the kernel has, where that is known.
        While this node is :attr:`left_alone` nothing is added; what it may not answer for goes all the same.
        """
        before = before or kernel.observe(self._requests)
        seats = tuple(plan.seat(vip, before) for vip in self.vips)
        known = self._remember(seats, before)
        ours = plan.ours(Wanted(seats, known=known), before, mark=kernel.MARK)
        covered = self._guard.stand(
            seats,
            leaving=frozenset(item.address for item in ours) - {vip.address for vip in self.vips},
            occupied=frozenset(item.index for item in ours),
        )
        self._open()
        barred = frozenset(seat.vip.address for seat in seats if self._doubts(seat) and not plan.on_seat(seat, before))
        wanted = self._want(seats, covered, known, barred=barred, quiet=quiet)
        changes = plan.plan(wanted, before, mark=kernel.MARK)
        if self.left_alone:
            changes = plan.without_additions(changes, before)
        failed = kernel.perform(self._requests, changes) if changes else {}
        news = self._note(changes, failed, before)
        after = Observed(before.links, kernel.observe_addresses(self._requests)) if changes else before
        return Outcome(before, after, wanted, complete=not failed and not self._guard.stale, news=news)

    def answers(self, group: str) -> bool:
        """Whether the gate is open for the group."""
        return self._guard.deadlines(group).answer > boottime()

    def left_over(self) -> set[str]:
        """Groups that an earlier daemon has opened and that nobody has taken over or released yet."""
        return {vip.group for vip in self.vips if vip.group not in self.holding and self.answers(vip.group)}

    def _remember(self, seats: Sequence[Seat], observed: Observed) -> frozenset[Place]:
        """Write down where addresses will be put, before they are; return where they were put so far."""
        names = {index: link.name for index, link in observed.links.items()}
        present = {(item.address, names.get(item.index, "")) for item in observed.addresses}
        earlier = self._inventory.spots
        planned = {(seat.vip.address, seat.link.name) for seat in seats if seat.link is not None}
        planned |= {(seat.vip.address, names.get(LOOPBACK, "lo")) for seat in seats}
        self._inventory.keep(planned | (earlier & present))
        indexes = {name: index for index, name in names.items()}
        return frozenset((address, indexes[name]) for address, name in earlier if name in indexes)

    def _open(self) -> None:
        """Give the gate the deadlines of groups that it did not know yet when they were granted."""
        for group, deadline in self.holding.items():
            if self._guard.deadlines(group).answer != deadline:
                self._guard.grant(group, deadline)

    def _want(
        self,
        seats: tuple[Seat, ...],
        covered: frozenset[int],
        known: frozenset[Place],
        *,
        barred: frozenset[IPAddress],
        quiet: bool,
    ) -> Wanted:
        acquire, leave = set(), set()
        for seat in seats:
            address, group = seat.vip.address, seat.vip.group
            guarded = seat.link is not None and seat.link.index in covered
            if self._elsewhere(seat):
                continue
            if group in self.holding and guarded and self.answers(group) and address not in barred:
                acquire.add(address)
            elif group in self.holding or self.answers(group):
                leave.add(address)
        return Wanted(
            seats=seats,
            acquire=frozenset(acquire),
            leave=frozenset(leave),
            prepare=frozenset(seat.vip.address for seat in seats if quiet),
            known=known,
        )

    def _note(self, changes: Sequence[Change], failed: Mapping[Change, int], before: Observed) -> tuple[News, ...]:
        """Tell what was done, a refresh of a lifetime aside; remember what could not be."""
        news = []
        self.problems = {
            change.address: f"the kernel refuses it: {os.strerror(code)}" for change, code in failed.items()
        }
        self.refused = frozenset(
            change.address for change in failed if isinstance(change, Put) and change.index != LOOPBACK
        )
        there = {(item.address, item.index) for item in before.addresses if item.host_route}
        for change in changes:
            put = isinstance(change, Put)
            link = before.links.get(change.index)
            fields: dict[str, object] = {"address": change.address, "interface": link.name if link else change.index}
            if change in failed:
                reason = {"reason": os.strerror(failed[change])}
                news.append(News(logging.WARNING, "address.refused", fields | reason))
            elif not put:
                news.append(News(logging.INFO, "address.removed", fields))
            elif (change.address, change.index) not in there:
                news.append(News(logging.INFO, "address.added", fields))
        return tuple(news)


def requests() -> Requests:
    """Open the rtnetlink socket that a reconciler and its guard share."""
    return Requests(socket.NETLINK_ROUTE, timeout=_TIMEOUT)
