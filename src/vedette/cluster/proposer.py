"""Trying for a lease: Prepare, Accept, and what ends an attempt (rules 15 to 17)."""

from vedette.cluster.ballot import Ballot
from vedette.cluster.config import ASK_AGAIN, STAGGER
from vedette.cluster.events import FOREVER, Reason
from vedette.cluster.leases import Attempt, Granted, Lease, Own
from vedette.cluster.messages import Accept, Accepted, Grant, Nack, Prepare, Promise, Release
from vedette.cluster.outbox import Outbox
from vedette.cluster.peers import Peer
from vedette.cluster.quorum import Quorum
from vedette.cluster.site import Site
from vedette.cluster.voter import Voter


class Proposer:
    """Runs this node's attempts. A lease that is won is put into ``Lease.own``; nothing else is done about it."""

    def __init__(self, site: Site, voter: Voter, quorum: Quorum, outbox: Outbox) -> None:
        self._site, self._voter, self._quorum, self._outbox = site, voter, quorum, outbox

    def begin(self, lease: Lease, now: int, *, reason: Reason) -> None:
        """Send Prepare under a new ballot. The lease would end D_P after this moment, whenever it is won."""
        timings = self._site.timings
        ballot = Ballot(self._voter.next_round(), self._site.incarnation, self._site.tag)
        ask = Prepare(lease.tag, ballot, lease.seen)
        if isinstance(self._voter.prepare(ask, now, busy=None), Nack):
            self._retry_later(lease, now)
            return
        lease.attempt = Attempt(
            ballot=ballot,
            lease_end=now + timings.lease,
            void_at=now + min(timings.attempt, timings.lease),
            phase_began=now,
            reason=reason,
            promised={self._site.me},
        )
        self._outbox.broadcast(ask)
        self._count_promises(lease, now)

    def begin_granted(self, lease: Lease, granted: Granted, now: int, *, reason: Reason) -> None:
        """Rule 20a: the vote of the one that let go is here already, so Accept is all that is left to ask for.

        Accept repeats every test of Prepare (rule 9), so nothing is missed by not preparing. The ballot is mine and
        was never used: its round is above every round that I have used or seen.
        """
        timings = self._site.timings
        self._voter.saw(granted.ballot)
        lease_end = granted.asked + timings.lease
        attempt = Attempt(
            ballot=granted.ballot,
            lease_end=lease_end,
            void_at=min(now + timings.attempt, lease_end - timings.margin),
            phase_began=now,
            reason=reason,
            accepted={granted.voter},
        )
        lease.attempt = attempt
        self._ask_to_accept(lease, attempt, now)

    def decline(self, lease: Lease, now: int) -> None:
        """Give a vote back that came with a hand-over which this node cannot take: it would bind its voter for D."""
        granted, lease.granted = lease.granted, None
        if granted is not None and granted.ballot.round > self._voter.highest:
            self._voter.saw(granted.ballot)
            self.release(lease, (granted.ballot,), None, now)

    def usable(self, granted: Granted, now: int) -> bool:
        """Whether the grant is worth more than asking everyone: new to me, and not nearly over."""
        ends = granted.asked + self._site.timings.lease
        return granted.ballot.round > self._voter.highest and now < ends - self._site.timings.attempt

    def promised(self, lease: Lease, voter: str, answer: Promise, now: int) -> None:
        attempt = self._current(lease, answer.ballot, now)
        if attempt is None or attempt.accepting:
            return
        if answer.record is not None and (
            answer.record.node != attempt.ballot.node or answer.record.incarnation > attempt.ballot.incarnation
        ):
            return
        attempt.promised.add(voter)
        self._count_promises(lease, now)

    def accepted(self, lease: Lease, voter: str, answer: Accepted, now: int) -> None:
        attempt = self._current(lease, answer.ballot, now)
        if attempt is None or not attempt.accepting:
            return
        attempt.accepted.add(voter)
        self._count_accepts(lease, now)

    def refused(self, lease: Lease, voter: str, answer: Nack, now: int) -> None:
        """Stop as soon as those that have not refused are no quorum, and wait as long as the refusals last."""
        self._voter.saw(answer.promised)
        attempt = self._current(lease, answer.ballot, now)
        if attempt is None:
            return
        attempt.refused[voter] = now + answer.remaining
        if answer.remaining:
            lease.refused_by, lease.refused_for = voter, answer.promised
        if self._quorum.reached(self._quorum.alive(now) - attempt.refused.keys(), now):
            return
        over = self._could_succeed_at(attempt, now)
        self.abandon(lease, now)
        if over > now:
            lease.back_off = lease.free_since = over
        else:
            self._retry_later(lease, now)

    def advance(self, lease: Lease, now: int) -> None:
        """End an attempt that is void; say again what may have been lost."""
        attempt = lease.attempt
        if attempt is None:
            return
        if now >= attempt.void_at:
            self.abandon(lease, now)
            self._retry_later(lease, now)
            return
        if attempt.repeats < len(ASK_AGAIN) and now >= attempt.phase_began + ASK_AGAIN[attempt.repeats]:
            attempt.repeats += 1
            kind = Accept if attempt.accepting else Prepare
            self._outbox.broadcast(kind(lease.tag, attempt.ballot, lease.seen))

    def next_at(self, attempt: Attempt) -> int:
        """When :meth:`advance` has something to do."""
        if attempt.repeats < len(ASK_AGAIN):
            return min(attempt.void_at, attempt.phase_began + ASK_AGAIN[attempt.repeats])
        return attempt.void_at

    def abandon(self, lease: Lease, now: int) -> None:
        """Forget the attempt. What voters may have taken down is released, unless I hold the group meanwhile.

        While an adopted lease still runs, the attempt's records are all that keeps others from the group: they
        have replaced the older incarnation's.
        """
        attempt, lease.attempt = lease.attempt, None
        if attempt is None or not attempt.accepting or lease.own is not None:
            return
        self.release(lease, lease.ballots(), None, now)
        lease.litter = ()

    def release(self, lease: Lease, ballots: tuple[Ballot, ...], successor: Peer | None, now: int) -> None:
        """Tell everyone, this node's voter first, that these ballots are over; the last word has the grant."""
        for ballot in ballots:
            self._voter.release(lease.tag, ballot, now)
            lease.seen = max(ballot, lease.seen) if lease.seen is not None else ballot
        grant = self._grant(lease, successor, now) if successor is not None else None
        for ballot in sorted(ballots):
            last = ballot == max(ballots)
            self._outbox.announce(
                Release(lease.tag, ballot, successor.tag if successor is not None else 0, grant if last else None)
            )

    def _grant(self, lease: Lease, successor: Peer, now: int) -> Grant | None:
        """Vote for the successor at once, as if it had asked with the last that was heard of it (rule 20a)."""
        heard = successor.current
        voter = self._site.me in self._site.config.voters and not self._site.silent(now)
        if heard is None or not voter or not successor.usable(now):
            return None
        ballot = self._voter.grant(lease.tag, successor.tag, heard.incarnation, now)
        return Grant(ballot, heard.session, heard.sequence) if ballot is not None else None

    def _current(self, lease: Lease, ballot: Ballot, now: int) -> Attempt | None:
        """The attempt that an answer is for, as long as it may still succeed."""
        attempt = lease.attempt
        if attempt is None or attempt.ballot != ballot or now >= attempt.void_at:
            return None
        return attempt

    def _count_promises(self, lease: Lease, now: int) -> None:
        attempt = lease.attempt
        assert attempt is not None
        if not self._quorum.reached(attempt.promised, now):
            return
        self._ask_to_accept(lease, attempt, now)

    def _ask_to_accept(self, lease: Lease, attempt: Attempt, now: int) -> None:
        ask = Accept(lease.tag, attempt.ballot, lease.seen)
        if isinstance(self._voter.accept(ask, now, busy=None), Nack):
            self.abandon(lease, now)
            self._retry_later(lease, now)
            return
        attempt.accepting, attempt.phase_began, attempt.repeats = True, now, 0
        attempt.accepted.add(self._site.me)
        lease.litter = lease.litter_with(attempt.ballot)
        self._outbox.broadcast(ask)
        self._count_accepts(lease, now)

    def _count_accepts(self, lease: Lease, now: int) -> None:
        """A quorum has taken it down, my own voter too, and it has not ended meanwhile: it is mine."""
        attempt = lease.attempt
        assert attempt is not None
        record = self._voter.live(lease.tag, now)
        own_vote = record is not None and record.ballot == attempt.ballot
        if not own_vote or not self._quorum.reached(attempt.accepted, now):
            return
        endless = self._site.endless
        kernel = FOREVER if self._site.alone else attempt.lease_end
        over = tuple(ballot for ballot in lease.ballots() if ballot != attempt.ballot)
        lease.own = Own(
            ballot=attempt.ballot,
            end=FOREVER if endless else attempt.lease_end,
            kernel=kernel,
            since=now,
            reason=attempt.reason if lease.own is None else lease.own.reason,
            proven=attempt.lease_end if self._quorum.most(attempt.accepted) else 0,
        )
        lease.attempt, lease.litter = None, ()
        self._voter.changed = True
        self.release(lease, over, None, now)

    def _could_succeed_at(self, attempt: Attempt, now: int) -> int:
        """When enough of the refusals will be over for a quorum."""
        willing = self._quorum.alive(now) - attempt.refused.keys()
        for voter in sorted(attempt.refused, key=lambda name: (attempt.refused[name], name)):
            willing.add(voter)
            if self._quorum.reached(willing, now):
                return attempt.refused[voter]
        return now

    def _retry_later(self, lease: Lease, now: int) -> None:
        """A random 1 to 4 s, so that two who tried at once do not do so again."""
        lease.back_off = now + self._site.random.randrange(STAGGER, 4 * STAGGER)
