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

    def stand(self, seats: tuple[Seat, ...], leaving: frozenset[IPAddress]) -> frozenset[int]:
        """Make the gate know every address and cover every interface; return the interfaces that it covers.

        ``leaving`` are addresses of groups that are no longer in the document and still on some interface: they stay
        known, as closed, until they are gone. When nothing is left to guard, the gate is taken down.
        """
        groups: dict[IPAddress, str | None] = dict.fromkeys(leaving)
        groups |= {seat.vip.address: seat.vip.group for seat in seats}
        try:
            if groups:
                self._stand(groups, seats)
            else:
                self._stand_down()
        except PermanentError as error:
            self._failed(str(error))
        except (VedetteError, OSError) as error:
            event(_log, logging.WARNING, "gate.retry", reason=str(error))
        return self._covered if self._gate is not None else frozenset()

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

    def _stand(self, groups: Mapping[IPAddress, str | None], seats: tuple[Seat, ...]) -> None:
        if self._gate is None:
            self._gate = Gate.open(self._requests)
            self._covered = gate.covered(self._requests)
            self.stale = True
        self._gate.members(groups)
        wanted = frozenset(seat.link.index for seat in seats if seat.link is not None)
        # Filters go only when every address has its place elsewhere.
        settled = all(seat.link is not None for seat in seats) and None not in groups.values()
        if settled and self._covered - wanted:
            gate.uncover(self._requests, self._covered - wanted)
            self._covered &= wanted
        if not (self.stale or wanted - self._covered):
            return
        refused = self._gate.cover(wanted)
        self._covered = (self._covered | wanted) - refused.keys()
        self.stale = bool(refused)
        for error in sorted(refused.values(), key=lambda error: not isinstance(error, PermanentError)):
            raise error
        self._works()

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
