"""What must be true after every call; a broken one is a bug, and then the core stops and releases (style.md)."""

from collections.abc import Iterable

from vedette.cluster.events import FOREVER, Ready
from vedette.cluster.leases import Lease
from vedette.cluster.site import Site
from vedette.cluster.voter import Voter
from vedette.kit.errors import InvariantError


def check(site: Site, leases: Iterable[Lease], voter: Voter, ready: Ready, now: int) -> None:
    """Raise :class:`InvariantError` when a promise of the core is broken."""
    for lease in leases:
        _check_lease(site, lease, voter, now)
        if (lease.name in ready.hold) is not (lease.own is not None):
            raise InvariantError(f"{lease.name}: the kernel is told to hold what is not owned")
    if ready.wake_at <= now:
        raise InvariantError("the next wake-up is in the past")
    for name in ready.release:
        if name in ready.hold:
            raise InvariantError(f"{name}: released and held at once")


def _check_lease(site: Site, lease: Lease, voter: Voter, now: int) -> None:
    own, attempt = lease.own, lease.attempt
    if own is not None:
        if lease.releasing is not None:
            raise InvariantError(f"{lease.name}: owned while it is being released")
        if now >= own.end:
            raise InvariantError(f"{lease.name}: owned beyond the lease's end")
        if own.end != FOREVER and own.kernel > own.end:
            raise InvariantError(f"{lease.name}: the kernel's deadline is beyond the lease's end")
        if not own.adopted:
            vote = voter.votes.get(lease.tag)
            if vote is None or vote.record is None or vote.record.ballot != own.ballot:
                raise InvariantError(f"{lease.name}: owned without the own vote")
            if own.end != FOREVER and vote.record.deadline < own.end:
                raise InvariantError(f"{lease.name}: the own vote ends before the lease")
    if attempt is not None:
        if lease.releasing is not None:
            raise InvariantError(f"{lease.name}: tried for while it is being released")
        if attempt.ballot.incarnation != site.incarnation or not site.mine(attempt.ballot):
            raise InvariantError(f"{lease.name}: tried for with another's ballot")
        if attempt.ballot.round > voter.highest:
            raise InvariantError(f"{lease.name}: a round above the highest seen")
