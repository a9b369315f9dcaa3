"""Keeps the gate in front of every interface that carries VIPs, and says whether it works."""

import logging
from collections.abc import Callable, Mapping

from vedette.addresses import gate
from vedette.addresses.gate import Deadlines, Gate
from vedette.addresses.model import AddressEvent, GateFailed, GateWorks
from vedette.addresses.plan import Seat
from vedette.kit.errors import PermanentError, VedetteError
from vedette.kit.log import event
from vedette.kit.net import IPAddress
from vedette.kit.netlink import Requests

_log = logging.getLogger("vedette.addresses")

_NEVER = Deadlines(0, 0)


class Guard:
    """``report`` hears :class:`GateFailed` and :class:`GateWorks`, once a change."""

    def __init__(self, requests: Requests, report: Callable[[AddressEvent], None]) -> None:
        self._requests, self._report = requests, report
        self._gate: Gate | None = None
        self._covered: frozenset[int] = frozenset()
        self._working: bool | None = None
        self.problem = ""
        self.stale = True
        """Whether something may have changed the filters since they were last looked at."""

    def close(self) -> None:
        """Let go; the kernel goes on enforcing what it was told."""
        if self._gate is not None:
            self._gate.close()
            self._gate = None

    def stand(
        self, seats: tuple[Seat, ...], *, leaving: frozenset[IPAddress], occupied: frozenset[int]
    ) -> frozenset[int]:
        """Make the gate know every address and cover every interface; return the interfaces that it covers.

        ``leaving`` are addresses that are no longer in the document and still somewhere: they stay known, as closed,
        until they are gone. ``occupied`` interfaces still have an address of ours, wanted there or not, and stay
        covered. When nothing is left to guard, the gate is taken down.
        """
        groups: dict[IPAddress, str | None] = dict.fromkeys(leaving)
        groups |= {seat.vip.address: seat.vip.group for seat in seats}
        known = self._try(lambda: self._know(groups) if groups else self._stand_down())
        if not known or not groups:
            return frozenset()
        if self._try(lambda: self._cover(seats, occupied)):
            self._works()
        return self._covered

    def grant(self, group: str, deadline: int) -> None:
        """Open the group until ``deadline``; without a gate nothing is opened, and nothing may be held."""
        if self._gate is not None:
            self._gate.grant(group, deadline)

    def revoke(self, group: str, *, forward_until: int) -> None:
        """Stop answering for the group."""
        if self._gate is not None:
            self._gate.revoke(group, forward_until=forward_until)

    def deadlines(self, group: str) -> Deadlines:
        """What the kernel enforces for the group; zeros without a gate."""
        return _NEVER if self._gate is None else self._gate.deadlines(group)

    def _try(self, step: Callable[[], None]) -> bool:
        """Do one step; a failure that only a person can cure is reported, any other will be tried again."""
        try:
            step()
        except PermanentError as error:
            self._failed(str(error))
        except (VedetteError, OSError) as error:
            event(_log, logging.WARNING, "gate.retry", reason=str(error))
        else:
            return True
        self.stale = True
        return False

    def _know(self, groups: Mapping[IPAddress, str | None]) -> None:
        if self._gate is None:
            self._gate = Gate.open(self._requests)
            self._covered = gate.covered(self._requests)
            self.stale = True
        self._gate.members(groups)

    def _cover(self, seats: tuple[Seat, ...], occupied: frozenset[int]) -> None:
        assert self._gate is not None
        wanted = frozenset(seat.link.index for seat in seats if seat.link is not None)
        # Filters go only when every address has its place elsewhere, and none of ours is behind them.
        needless = self._covered - wanted - occupied
        if needless and all(seat.link is not None for seat in seats):
            gate.uncover(self._requests, needless)
            self._covered -= needless
        if not (self.stale or wanted - self._covered):
            return
        refused = self._gate.cover(wanted)
        self._covered = (self._covered | wanted) - refused.keys()
        self.stale = False
        for error in sorted(refused.values(), key=lambda error: not isinstance(error, PermanentError)):
            raise error

    def _stand_down(self) -> None:
        if self._gate is not None or self.stale:
            gate.uncover(self._requests, gate.covered(self._requests))
        self.close()
        self._covered, self.stale = frozenset(), False
        self._works()

    def _works(self) -> None:
        if self._working is not True:
            self._working, self.problem = True, ""
            self._report(GateWorks())

    def _failed(self, reason: str) -> None:
        if self._working is not False or self.problem != reason:
            self._working, self.problem = False, reason
            self._report(GateFailed(reason))
