"""Keeping leases and giving them up (rules 14 and 18 to 20)."""

from collections.abc import Mapping

from vedette.cluster.ballot import Ballot
from vedette.cluster.config import STAGGER
from vedette.cluster.events import FOREVER, Reason, What
from vedette.cluster.leases import Lease, Own, Releasing
from vedette.cluster.outbox import Outbox, Renewal
from vedette.cluster.peers import Peer
from vedette.cluster.proposer import Proposer
from vedette.cluster.quorum import Quorum
from vedette.cluster.site import Site
from vedette.cluster.storage import Owned
from vedette.cluster.voter import Voter


class Owner:
    """``release`` collects what the kernel must let go of; the rest lives in the leases and in the voter."""

    def __init__(
        self,
        site: Site,
        leases: dict[int, Lease],
        voter: Voter,
        quorum: Quorum,
        outbox: Outbox,
        proposer: Proposer,
        peers: Mapping[str, Peer],
    ) -> None:
        self._site, self._leases, self._voter, self._peers = site, leases, voter, peers
        self._quorum, self._outbox, self._proposer = quorum, outbox, proposer
        self.release: list[str] = []

    # Start

    def adopt(self, stored: Mapping[int, Owned], held: frozenset[str], now: int) -> None:
        """Rule 14: keep what the last daemon of this boot owned and what has not ended; release the rest.

        Where nobody else can have taken anything, what the kernel holds is kept in any case.
        """
        for lease in self._leases.values():
            owned = stored.get(lease.tag)
            if owned is None and self._site.solitary and lease.name in held:
                owned = Owned(Ballot(0, 0, self._site.tag), FOREVER)
            if owned is not None and self._adoptable(lease, owned, now):
                self._keep(lease, owned, now)
            elif not self._site.solitary:
                self._let_go(lease, owned, lease.name in held, now)

    def _adoptable(self, lease: Lease, owned: Owned, now: int) -> bool:
        if now >= owned.end - self._margin(owned.end):
            return False
        if owned.end == FOREVER and not self._site.endless:
            return False  # of another policy: now others may take it without asking this node
        if self._site.config.fencing:
            return self._kept_word(lease)
        if not self._site.config.tolerant:
            return True
        record = self._voter.live(lease.tag, now)
        return record is not None and self._site.mine(record.ballot)

    def _kept_word(self, lease: Lease) -> bool:
        """``fence``: my voter's last record is mine, so nobody can have taken the group but over my dead body."""
        vote = self._voter.votes.get(lease.tag)
        return vote is not None and vote.record is not None and self._site.mine(vote.record.ballot)

    def _keep(self, lease: Lease, owned: Owned, now: int) -> None:
        shared = self._site.config.endless
        kernel = now + self._site.timings.dead_after if shared and owned.end == FOREVER else owned.end
        lease.own = Own(owned.ballot, owned.end, kernel, now, Reason.ADOPTED, adopted=True)
        record = self._voter.live(lease.tag, now)
        if record is None and shared and self._site.config.fencing:  # away longer than D: listen for a higher claim
            lease.own.kernel, lease.own.resume_at = now, now + 3 * STAGGER
        if record is not None and self._site.mine(record.ballot) and record.ballot != owned.ballot:
            lease.litter = (record.ballot,)
        self._site.note(What.GROUP_ADOPTED, Reason.ADOPTED, group=lease.name)

    def _let_go(self, lease: Lease, owned: Owned | None, held: bool, now: int) -> None:
        record = self._voter.live(lease.tag, now)
        known = ([owned.ballot] if owned is not None else []) + ([record.ballot] if record is not None else [])
        ballots = [ballot for ballot in dict.fromkeys(known) if self._site.mine(ballot)]
        if not held and not ballots:
            return
        lease.releasing = Releasing(tuple(ballots), None, Reason.LEFTOVER, now)
        if held:
            self.release.append(lease.name)
            self._site.note(What.GROUP_RELEASING, Reason.LEFTOVER, group=lease.name)
        else:
            self.emptied(lease, now)

    # Keeping

    def renewal(self, now: int) -> Renewal:
        """Rule 18: extend the own records, then the heartbeat that asks the others to may go out.

        Without an end, the kernel's deadline is what the votes cover as long as they come, and D from now when they do
        not: so a lease can get an end at any time without the kernel's having been told too much (rule 29).
        """
        groups = []
        if self._site.alone:
            return Renewal(sent=now, groups=(), lease=self._site.timings.lease)
        for lease in self._leases.values():
            own = lease.own
            if own is None:
                continue
            if own.end == FOREVER and now < own.kernel < now + self._unanswered:
                own.kernel = now + self._site.timings.dead_after
            if not own.adopted:
                self._voter.extend(lease.tag, own.ballot, now + self._site.timings.dead_after, now)
            groups.append((lease.tag, own.ballot))
        return Renewal(sent=now, groups=tuple(groups), lease=self._site.timings.lease)

    @property
    def _unanswered(self) -> int:
        """What is left (ns) of a deadline in the kernel when the last renewal was not answered by enough voters."""
        return self._site.timings.lease - self._site.timings.interval * 3 // 2

    def acknowledged(self, voter: str, renewal: Renewal, positions: int, now: int) -> None:
        """A voter has extended these positions of a renewal; a quorum for one renewal extends the lease."""
        for position, (group, ballot) in enumerate(renewal.groups):
            lease = self._leases.get(group)
            if not positions >> position & 1 or lease is None or lease.own is None:
                continue
            own = lease.own
            if own.adopted or own.ballot != ballot or now >= own.end:
                continue
            votes = renewal.acks.setdefault(group, {self._site.me})
            votes.add(voter)
            end = renewal.sent + renewal.lease
            if end > own.proven and self._quorum.most(votes):
                own.proven, own.kernel = end, max(own.kernel, end)
                if own.end != FOREVER:
                    own.end, self._voter.changed = end, True

    def covered(self, now: int) -> bool:
        """Whether most voters' records cover every lease of mine for as long as the kernel was ever told to hold it."""
        owned = [lease.own for lease in self._leases.values() if lease.own is not None]
        return all(
            not own.adopted and own.kernel <= own.proven and now < own.proven - self._site.timings.margin
            for own in owned
        )

    def bind(self, now: int) -> None:
        """What had no end has one from now on: what voters' records cover; what they do not is given up."""
        for lease in self._leases.values():
            own = lease.own
            if own is None or own.end != FOREVER:
                continue
            if now >= own.proven - self._site.timings.margin:
                self.give_up(lease, now, Reason.LEASE_ENDED)
            else:
                own.end, own.kernel, own.resume_at = own.proven, min(own.kernel, own.proven), None
        self._voter.changed = True

    def unbind(self) -> None:
        """What is mine and not of an older incarnation has no end any more."""
        for lease in self._leases.values():
            own = lease.own
            if own is not None and not own.adopted:
                own.end = FOREVER
                if self._site.alone:
                    own.kernel, own.resume_at = FOREVER, None
        self._voter.changed = True

    def renounce(self, now: int, *, alone: bool) -> None:
        """What others may hold too is given up unless they have voted for it lately; ``alone``: no other had a vote."""
        for lease in self._leases.values():
            own = lease.own
            if own is not None and (alone or own.adopted or now >= own.proven - self._site.timings.margin):
                self.give_up(lease, now, Reason.LEASE_ENDED)

    def cover(self, now: int) -> None:
        """Not alone any more: what was held by the own vote alone is covered by it for the life of a record.

        Before that is over the others are asked for their votes, as for what was adopted: they may have promised more
        than the rounds that a lone voter uses.
        """
        for lease in self._leases.values():
            own = lease.own
            if own is None:
                continue
            if own.adopted:
                own.kernel = min(own.kernel, now + self._site.timings.dead_after)
                continue
            self._voter.extend(lease.tag, own.ballot, now + self._site.timings.dead_after, now)
            own.proven = own.kernel = now + self._site.timings.lease
            own.adopted = True

    def expire(self, now: int) -> None:
        """Rule 19: stop m before the end; the kernel enforces the end itself."""
        for lease in self._leases.values():
            if lease.own is not None and now >= lease.own.end - self._margin(lease.own.end):
                self.give_up(lease, now, Reason.LEASE_ENDED)

    def claimed(self, lease: Lease, claim: Ballot, now: int) -> None:
        """Another holds it too; the lower claim gives up, the higher never does (rule 28).

        In ``fence`` it means that somebody was wrong about this node's being off: the harm ends here.
        """
        if lease.own is not None and claim > lease.own.ballot:
            self.give_up(lease, now, Reason.HIGHER_CLAIM)

    # Giving up

    def give_up(self, lease: Lease, now: int, reason: Reason, *, successor: str | None = None) -> None:
        """Rule 20: the lease first, then the kernel; what others may know waits until the kernel is empty."""
        own = lease.own
        assert own is not None
        record = self._voter.live(lease.tag, now)
        ballots = lease.ballots()
        if record is not None and self._site.mine(record.ballot):
            ballots = tuple(dict.fromkeys((*ballots, record.ballot)))
        lease.own, lease.attempt, lease.litter, lease.invited = None, None, (), False
        lease.granted = None
        lease.releasing = Releasing(ballots, successor, reason, now)
        self._voter.changed = True
        self.release.append(lease.name)
        self._site.note(What.GROUP_RELEASING, reason, node=successor, group=lease.name)

    def emptied(self, lease: Lease, now: int) -> None:
        """The kernel was seen empty: now, and only now, others may take it."""
        releasing = lease.releasing
        if releasing is None:
            return
        successor = releasing.successor
        lease.releasing, lease.handed_to = None, successor
        lease.free_since = now + self._site.timings.courtesy if successor else now
        lease.back_off = 0
        self._proposer.release(lease, releasing.ballots, self._peers.get(successor) if successor else None, now)
        self._site.note(What.GROUP_RELEASED, releasing.reason, node=successor, group=lease.name)

    # Looking

    def releasing(self) -> bool:
        """Whether the kernel has not confirmed a release yet."""
        return any(lease.releasing is not None for lease in self._leases.values())

    def claims(self) -> tuple[tuple[int, Ballot], ...]:
        """Every lease that is mine, in the order of a renewal."""
        return tuple((lease.tag, lease.own.ballot) for lease in self._leases.values() if lease.own is not None)

    def tags(self, names: set[str]) -> tuple[int, ...]:
        """The tags of these groups, in the document's order."""
        return tuple(lease.tag for lease in self._leases.values() if lease.name in names)

    def busy(self, group: int, now: int) -> int | None:
        """How long (ns) I hold the group or am releasing it myself; ``None`` when I do neither (rule 8)."""
        lease = self._leases.get(group)
        if lease is None:
            return None
        if lease.releasing is not None:
            return 6 * STAGGER
        if lease.own is not None and now < lease.own.end:
            return min(lease.own.end - now, self._site.timings.dead_after)
        return None

    def next_at(self, own: Own) -> int:
        """When the lease must be stopped counting on."""
        return own.end - self._margin(own.end)

    def _margin(self, end: int) -> int:
        return 0 if end == FOREVER else self._site.timings.margin
