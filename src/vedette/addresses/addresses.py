"""The addresses of the groups that this node holds: the face that the keeper sees.

A pass (:mod:`vedette.addresses.reconciler`) does everything that is not a single store to the gate. Whatever happens
(a call, a kernel event, a timer) only wakes the next pass.
"""

import asyncio
import logging
import random
import select
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from vedette.addresses import kernel, plan, reconciler, sysctls
from vedette.addresses.announcer import Announcer
from vedette.addresses.frames import MAC_SIZE, Claim
from vedette.addresses.guard import Guard
from vedette.addresses.inquiry import Inquiry
from vedette.addresses.inventory import Inventory
from vedette.addresses.known_nodes import KnownNodes
from vedette.addresses.model import (
    LOOPBACK,
    AbilityChanged,
    AddressEvent,
    AddressStatus,
    CarrierChanged,
    Cluster,
    Conflict,
    Emptied,
    Ethernet,
    Observed,
    Occupied,
    Repaired,
    Vacant,
)
from vedette.addresses.moving import Moving
from vedette.addresses.plan import Seat, Wanted
from vedette.addresses.reconciler import Outcome, Reconciler
from vedette.addresses.refusals import Refusals
from vedette.kit.clock import boottime
from vedette.kit.errors import VedetteError
from vedette.kit.log import event
from vedette.kit.net import IPAddress
from vedette.kit.units import MILLISECOND, MINUTE, SECOND, seconds
from vedette.reconcile.outcome import backoff
from vedette.spec.resolved import Group, Node

_log = logging.getLogger("vedette.addresses")

_RESYNC = 5 * SECOND
"""Between passes without a reason, ± 20 %: catches what has no event, and refreshes lifetimes."""
_FIRST_RETRY, _MOST_RETRY = 50 * MILLISECOND, 5 * SECOND
_CONFLICT_SHOWN = MINUTE
"""How long after the last foreign claim ``status`` still shows it, and how long one report of them lasts."""


class Addresses:
    """Holds and releases groups in the kernel, and keeps it that way.

    Call from one asyncio loop. ``report`` is called from that loop, of your calls only from inside :meth:`flush`. All
    instants are CLOCK_BOOTTIME nanoseconds; :data:`vedette.addresses.model.FOREVER` is a deadline that never comes.
    """

    def __init__(self, *, run_dir: Path, report: Callable[[AddressEvent], None]) -> None:
        self._run_dir, self._reporter = run_dir, report
        self._wanted, self._observed = Wanted(()), Observed({}, ())
        self._known: Observed | None = None
        self._without_addresses: frozenset[str] = frozenset()
        self._emptying: set[str] = set()
        self._carriers: dict[str, bool] = {}
        self._refusals = Refusals()
        self._unable: dict[str, str] = {}
        self._seated: frozenset[IPAddress] = frozenset()
        self._conflicts: dict[IPAddress, tuple[int, str]] = {}
        self._told: dict[IPAddress, int] = {}
        """When a conflict was last reported (ns)."""
        self._inquiry, self._moving = Inquiry(), Moving()
        self._nodes = KnownNodes(run_dir / "addresses-known.json")
        self._own: tuple[bytes, ...] = ()
        self._changes = 0
        self._groups: dict[str, Group] = {}
        self._allowed: frozenset[str] = frozenset()
        self._occupied: dict[IPAddress, str] = {}
        self._asking: asyncio.TimerHandle | None = None
        self._unset: dict[str, str] = {}
        self._configured = False
        self._failures = 0
        self._flushing = False
        self._soon: asyncio.Handle | None = None
        self._later: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Listen to the kernel. Changes nothing: what an earlier daemon left is adopted by :meth:`configure`."""
        self._loop = asyncio.get_running_loop()
        self._requests = reconciler.requests()
        self._events = kernel.subscribe()
        self._guard = Guard(self._requests, self._report)
        inventory = Inventory(self._run_dir / "addresses.json")
        self._reconciler = Reconciler(
            self._guard, inventory, self._requests, doubts=self._inquiry.doubts, elsewhere=self._elsewhere
        )
        self._announcer = Announcer(self._hear_conflict, self._hear_claim)
        self._nodes.recall(self._moving)
        self._loop.add_reader(self._events.fileno(), self._hear_kernel)

    async def stop(self) -> None:
        """Stop listening and leave the kernel as it is: held addresses answer until their deadline."""
        for timer in (self._soon, self._later, self._asking):
            if timer is not None:
                timer.cancel()
        self._loop.remove_reader(self._events.fileno())
        self._announcer.close()
        self._guard.close()
        self._events.close()
        self._requests.close()

    def configure(self, groups: Sequence[Group], node: Node, *, director: bool) -> None:
        """Take the document's groups as wanted. Idempotent; touches only what differs.

        Addresses of groups that vanished are closed, then removed. What the kernel still answers for (see
        :meth:`held`) stays until its deadline unless :meth:`hold` or :meth:`release` says otherwise. An address that
        comes from another group is not claimed while a node that may hold that one is :meth:`behind <attend>`.
        """
        self._groups, self._node = {group.name: group for group in groups}, node
        self._allowed = frozenset(group.name for group in groups if director and node.name in group.nodes)
        for group in self._reconciler.holding.keys() - self._groups.keys():
            del self._reconciler.holding[group]
            self._emptying.add(group)
        self._moving.note(groups)
        self._place()
        self._configured = True
        self._audit()

    def _place(self) -> None:
        """Have the addresses of what this node may hold; and of what it may hold no more, until it is let go."""
        present = self._allowed | self._reconciler.holding.keys() | self._emptying
        mine = [group for name, group in self._groups.items() if name in present]
        self._reconciler.vips = plan.vips(mine, self._node)
        self._without_addresses = frozenset(group.name for group in mine if not group.addresses)

    def leave_alone(self, on: bool) -> None:
        """While ``on``, as in maintenance: put nothing back and set nothing, but let go of what must be let go."""
        if on != self._reconciler.left_alone:
            self._reconciler.left_alone = on
            self._loop.call_soon(self._audit)

    def attend(self, cluster: Cluster) -> None:
        """Take note of what is known of the other nodes: it decides who is a stranger, and who may have what moves."""
        moved = self._moving.attend(behind=cluster.behind, same=cluster.same, present=cluster.present)
        self._nodes.take(cluster.macs, moving=self._moving)
        nodes, strict = self._nodes.macs, self._moving.strict
        self._inquiry.attend(cluster.holders, nodes=nodes, strict=strict, now=boottime())
        if moved:
            self._wake()
        self._ask()

    @property
    def macs(self) -> tuple[bytes, ...]:
        """With which MACs this node answers for its addresses."""
        return self._own

    def _elsewhere(self, seat: Seat) -> bool:
        """Whether another node may rightly answer for it, by a document of before."""
        return self._moving.waits_for(seat.vip, self._reconciler.holding) != ()

    def held(self) -> frozenset[str]:
        """The groups whose addresses are all on their interfaces, with a gate deadline in the future."""
        whole = set(self._without_addresses)
        for group, seats in self._seats().items():
            if all(plan.on_seat(seat, self._observed) for seat in seats):
                whole.add(group)
        return frozenset(group for group in whole if self._answers(group))

    def fit(self, group: str) -> bool:
        """Whether clients could reach the group here.

        Every interface of its addresses is there, up, and has a carrier, and the kernel is not known to refuse any.
        """
        return self._carriers.get(group, True) and group not in self._unable

    def hold(self, group: str, deadline: int) -> None:
        """Answer for the group until ``deadline``. A renewal is one 8-byte store.

        The first call opens the gate at once; the addresses go on and are announced in the same turn of the loop.
        """
        renewal = group in self._reconciler.holding and self._answers(group)
        self._reconciler.holding[group] = deadline
        self._guard.grant(group, deadline)
        if not renewal:
            self._emptying.discard(group)
            self._wake()

    def release(self, group: str, *, lame_duck: int = 0) -> None:
        """Stop answering at once; reports ``Emptied(group)`` when the kernel has confirmed the removal.

        For ``lame_duck`` ns, but not beyond the old deadline, packets that stale neighbours still send are forwarded.
        """
        self._reconciler.holding.pop(group, None)
        self._guard.revoke(group, forward_until=boottime() + lame_duck)
        self._emptying.add(group)
        self._wake()

    def flush(self) -> None:
        """Do now what :meth:`hold` and :meth:`release` asked for, before anything else has its turn in the loop.

        A hand-over waits for it on both sides: a loop that is busy with datagrams would add its turns to the gap.
        """
        if self._soon is None:
            return
        news = select.poll()
        news.register(self._events.fileno(), select.POLLIN)
        self._flushing = True
        try:
            self._pass(before=None if news.poll(0) else self._known)
        finally:
            self._flushing = False

    def status(self) -> tuple[AddressStatus, ...]:
        """Every VIP of the document on this node, in the document's order."""
        on_lo = {item.address for item in self._observed.addresses if item.index == LOOPBACK}
        return tuple(
            AddressStatus(
                group=seat.vip.group,
                address=seat.vip.address,
                interface=seat.link.name if seat.link is not None else None,
                on_interface=plan.on_seat(seat, self._observed),
                on_lo=seat.vip.address in on_lo,
                answering=self._answers(seat.vip.group) and plan.on_seat(seat, self._observed),
                problem=self._problem(seat),
            )
            for seat in self._wanted.seats
        )

    def _problem(self, seat: Seat) -> str:
        """The first of what is wrong, the gravest first."""
        address = seat.vip.address
        mac = self._occupied.get(address, "")
        reasons = (
            self._guard.problem,
            seat.problem,
            self._reconciler.problems.get(address, ""),
            self._held_up(seat),
            f"not claimed here, because {mac} has it, which is no node of this cluster" if mac else "",
            self._conflict(address),
            self._announcer.problem if seat.vip.ask_first else "",
            next((f"cannot set net/{name}: {reason}" for name, reason in self._unset.items()), ""),
            self._missing(seat),
        )
        return next(filter(None, reasons), "")

    def _conflict(self, address: IPAddress) -> str:
        when, mac = self._conflicts.get(address, (0, ""))
        return f"{mac} claims this address too" if mac and boottime() - when < _CONFLICT_SHOWN else ""

    def _held_up(self, seat: Seat) -> str:
        waits = self._moving.waits_for(seat.vip, self._reconciler.holding)
        wanted = waits and seat.vip.group in self._reconciler.holding
        return f"it comes from another group, and {', '.join(waits)} has the former document" if wanted else ""

    def _missing(self, seat: Seat) -> str:
        """Say that an address which should be there is not put back; elsewhere a pass does it sooner than one reads."""
        wanted = seat.vip.address in self._wanted.acquire and not plan.on_seat(seat, self._observed)
        return "it is gone, and not put back in maintenance" if wanted and self._reconciler.left_alone else ""

    def _answers(self, group: str) -> bool:
        if group in self._without_addresses:
            return self._reconciler.holding.get(group, 0) > boottime()
        return self._reconciler.answers(group)

    def _seats(self) -> dict[str, list[Seat]]:
        groups: dict[str, list[Seat]] = {}
        for seat in self._wanted.seats:
            groups.setdefault(seat.vip.group, []).append(seat)
        return groups

    # What wakes a pass

    def _wake(self) -> None:
        """Run a pass in the next turn of the loop."""
        if self._soon is None:
            self._soon = self._loop.call_soon(self._pass)

    def _hear_kernel(self) -> None:
        changed = kernel.changed(self._events)
        self._guard.stale = self._guard.stale or changed.guard
        if changed.addresses or changed.guard:
            self._known = None
            self._wake()

    def _audit(self) -> None:
        """Run a pass that looks at everything, also at what has no event."""
        self._guard.stale = True
        vips = self._reconciler.vips
        settings = sysctls.wanted(ipv6=any(vip.address.version == 6 for vip in vips)) if vips else {}
        if not self._reconciler.left_alone:
            self._unset = sysctls.apply(settings)
        self._announcer.router = bool(settings) and not self._unset
        self._pass()

    def _pass(self, before: Observed | None = None) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if not self._configured:
            return
        try:
            self._known = None
            outcome = self._reconciler.run(quiet=sysctls.ARP_IGNORE not in self._unset, before=before)
            self._known = outcome.after
            self._failures = 0 if outcome.complete else self._failures + 1
            self._settle(outcome)
        except (VedetteError, OSError) as error:
            self._failures += 1
            event(_log, logging.WARNING, "addresses.pass_failed", reason=str(error))
        if self._later is not None:
            self._later.cancel()
        self._later = self._loop.call_later(seconds(self._rest()), self._audit)

    def _settle_macs(self, outcome: Outcome) -> None:
        links = (seat.link for seat in outcome.wanted.seats)
        own = tuple(sorted({link.mac for link in links if link is not None and len(link.mac) == MAC_SIZE}))
        if own != self._own:
            self._own = own
            self._report(Ethernet(own))

    def _settle_refused(self, there: Collection[IPAddress]) -> None:
        now, problems = boottime(), self._reconciler.problems
        self._refusals.note(refused=self._reconciler.refused, put=there, now=now)
        unable = {
            seat.vip.group: problems.get(seat.vip.address) or self._unable.get(seat.vip.group, "")
            for seat in self._wanted.seats
            if self._refusals.unable(seat.vip.address, now)
        }
        changed = unable.keys() ^ self._unable.keys()
        self._unable = unable
        for group in sorted(changed):
            self._report(AbilityChanged(group, unable.get(group, "")))

    def _ask(self) -> None:
        """Send the probes that are due; a pass follows where what may be claimed has changed."""
        now, deaf = boottime(), not self._announcer.listen()
        for link, address in self._inquiry.due(now, deaf=deaf):
            if not self._announcer.probe(link, address):
                self._inquiry.unsent(address)
        self._look_again()
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        if self._inquiry.at is not None:
            self._asking = self._loop.call_later(seconds(max(0, self._inquiry.at - now)), self._ask)

    def _inquire(self, seats: Sequence[Seat]) -> None:
        """Ask about what may be claimed here."""
        now = boottime()
        self._inquiry.keep(seats, now)
        self._inquiry.want(frozenset(self._reconciler.holding), now)
        self._announcer.attend(self._inquiry.asked)
        self._ask()

    def _rest(self) -> int:
        """How long (ns) until the next pass without a reason: a retry, the end of a left-over group, or the resync."""
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 (spreads load, hides nothing)
        if self._failures:
            return int(jitter * backoff(self._failures - 1, first=_FIRST_RETRY, most=_MOST_RETRY))
        now = boottime()
        ends = [self._guard.deadlines(group).answer - now for group in self._reconciler.left_over()]
        return max(0, min([int(jitter * _RESYNC), *ends]))

    # What a pass leads to

    def _settle(self, outcome: Outcome) -> None:
        self._wanted, self._observed = outcome.wanted, outcome.after
        seats = [seat for seat in outcome.wanted.seats if seat.vip.address in outcome.wanted.acquire]
        there = {
            seat.vip.address: seat.link for seat in seats if seat.link is not None and plan.on_seat(seat, outcome.after)
        }
        macs = frozenset(link.mac for link in outcome.after.links.values())
        self._announcer.keep(there, own_macs=macs)
        for seat in seats:
            address = seat.vip.address
            if address in self._seated and address in there and not plan.on_seat(seat, outcome.before):
                self._announcer.again(address)
                self._report(Repaired(address))
        holding = {seat.vip.address for seat in outcome.wanted.seats if seat.vip.group in self._reconciler.holding}
        self._seated = frozenset((self._seated | there.keys()) & holding)
        self._inquire(outcome.wanted.seats)
        self._settle_occupied(outcome)
        self._settle_emptied(outcome)
        self._settle_carriers()
        self._settle_refused(there)
        self._settle_macs(outcome)
        for news in outcome.news:
            self._loop.call_soon(news.tell)

    def _settle_emptied(self, outcome: Outcome) -> None:
        """A group is empty when the kernel, asked after the deletion, shows none of its addresses."""
        present = plan.lingering(outcome.wanted, outcome.after, mark=kernel.MARK)
        groups = self._seats()
        named = {seat.vip.address for seat in outcome.wanted.seats}
        for group in sorted(self._emptying):
            # A group that the document no longer has: whatever is left of ours may be of that group.
            mine = {seat.vip.address for seat in groups[group]} if group in groups else present - named
            if not present & mine:
                self._emptying.discard(group)
                self._report(Emptied(group))
                if group not in self._allowed:
                    self._place()
                    self._wake()

    def _settle_carriers(self) -> None:
        carriers = {
            group: all(seat.link is not None and seat.link.carrier for seat in seats)
            for group, seats in self._seats().items()
        }
        for group, up in carriers.items():
            if up != self._carriers.get(group, True):
                self._report(CarrierChanged(group, up))
        self._carriers = carriers

    def _hear_claim(self, interface: str, claim: Claim) -> None:
        self._inquiry.hear(interface, claim, boottime())
        self._look_again()

    def _look_again(self) -> None:
        """Run a pass where it is another thing what may be claimed, or who has it."""
        if self._inquiry.changes != self._changes:
            self._changes = self._inquiry.changes
            self._wake()

    def _settle_occupied(self, outcome: Outcome) -> None:
        """Say once who has what is to be claimed here, and once that nobody has it any more."""
        occupied = {
            seat.vip.address: mac.hex(":")
            for seat in outcome.wanted.seats
            if seat.vip.group in self._reconciler.holding and not plan.on_seat(seat, outcome.after)
            if (mac := self._inquiry.stranger(seat.vip.address))
        }
        for address, known in occupied.items():
            if self._occupied.get(address) != known:
                self._report(Occupied(address, known))
        for address in self._occupied.keys() - occupied.keys():
            self._report(Vacant(address))
        self._occupied = occupied

    def _hear_conflict(self, address: IPAddress, mac: bytes) -> None:
        now, text = boottime(), mac.hex(":")
        self._conflicts[address] = (now, text)
        if now - self._told.get(address, -_CONFLICT_SHOWN) >= _CONFLICT_SHOWN:
            self._told[address] = now  # whatever the MAC: a forger has as many as it likes
            self._report(Conflict(address, text))

    def _report(self, news: AddressEvent) -> None:
        if self._flushing:
            self._reporter(news)
        else:
            self._loop.call_soon(self._reporter, news)
