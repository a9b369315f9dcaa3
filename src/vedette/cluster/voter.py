"""The acceptor: what this node has promised, and to whom it has given its vote (rules 7 to 13).

It keeps its word for every group that anyone names, also for groups that this node's document does not have
(any more): a vote that is forgotten by an edit would be two votes.
"""

from dataclasses import dataclass

from vedette.cluster.ballot import NOTHING, Ballot, Record
from vedette.cluster.fallen import Fallen
from vedette.cluster.messages import Accept, Accepted, Nack, Prepare, Promise

MOST_VOTES = 256
"""Groups that a voter remembers; beyond them it does not vote for unknown ones."""


@dataclass(slots=True)
class Vote:
    """One group: ``promised`` and ``record`` as rule 7 has them; ``touched``: when either was last set."""

    promised: Ballot = NOTHING
    record: Record | None = None
    touched: int = 0

    def live(self, now: int) -> Record | None:
        return self.record if self.record is not None and self.record.lives(now) else None


class Voter:
    """This node's votes. ``changed`` is set by whatever must be persisted before anything is sent (rule 13)."""

    def __init__(self, *, dead_after: int, votes: dict[int, Vote], highest: int, fallen: Fallen) -> None:
        self._dead_after, self.fallen = dead_after, fallen
        self.votes = votes
        self.highest = highest
        self.changed = False

    def lives_for(self, dead_after: int) -> None:
        """Records that are given from now on live so long (ns)."""
        self._dead_after = dead_after

    def next_round(self) -> int:
        """Take a round above every round seen; it is never used again."""
        self.highest += 1
        self.changed = True
        return self.highest

    def saw(self, ballot: Ballot) -> None:
        """Raise the highest round above one seen in any datagram."""
        if ballot.round > self.highest:
            self.highest = ballot.round
            self.changed = True

    def live(self, group: int, now: int) -> Record | None:
        """The record that lives for the group, if any."""
        return self._living(self.votes.get(group), now)

    def prepare(self, ask: Prepare, now: int, *, busy: int | None) -> Promise | Nack:
        """Rule 8; a vote given is the end of what was known of its owner's death (rule 26).

        ``busy``: how long I hold or am releasing the group myself, ``None`` when I do not.
        """
        if ask.released is not None:
            self.release(ask.group, ask.released, now)
        refusal = self._refusal(ask, now, busy)
        if refusal is not None:
            return refusal
        vote = self._vote(ask.group, now)
        vote.promised = ask.ballot
        self.fallen.end(ask.ballot.node)
        record = self._living(vote, now)
        return Promise(ask.group, ask.ballot, record.ballot if record is not None else None)

    def accept(self, ask: Accept, now: int, *, busy: int | None) -> Accepted | Nack:
        """Rule 9: the tests of :meth:`prepare` once more, then the record. Deadlines of one owner never shrink."""
        if ask.released is not None:
            self.release(ask.group, ask.released, now)
        refusal = self._refusal(ask, now, busy)
        if refusal is not None:
            return refusal
        vote = self._vote(ask.group, now)
        vote.promised = ask.ballot
        vote.record = self._recorded(vote, ask.ballot, now)
        self.fallen.end(ask.ballot.node)
        return Accepted(ask.group, ask.ballot)

    def renew(self, group: int, ballot: Ballot, now: int, *, busy: int | None) -> bool:
        """Rule 10: extend exactly this record, or install it where none lives; True when this vote is given."""
        if busy is not None or self.fallen.covers(ballot):
            return False
        known = self.votes.get(group)
        record = self._living(known, now)
        if record is not None and record.ballot != ballot:
            return False
        if record is None and known is not None and ballot < known.promised:
            return False
        if known is None and len(self.votes) >= MOST_VOTES:
            return False
        vote = self._vote(group, now)
        vote.record = self._recorded(vote, ballot, now)
        vote.promised = max(vote.promised, ballot)
        self.fallen.end(ballot.node)
        return True

    def extend(self, group: int, ballot: Ballot, until: int, now: int) -> None:
        """Renew the own record before the renewal is sent (rule 18)."""
        vote = self._vote(group, now)
        assert vote.record is not None
        assert vote.record.ballot == ballot
        vote.record = Record(ballot, max(until, vote.record.deadline))

    def grant(self, group: int, node: int, incarnation: int, now: int) -> Ballot | None:
        """Rule 20a: vote for a successor that has not asked yet, under a ballot of its own that is new to it.

        ``None`` when a record still lives here: then the successor has to ask everyone.
        """
        if self.live(group, now) is not None:
            return None
        ballot = Ballot(self.next_round(), incarnation, node)
        vote = self._vote(group, now)
        if ballot < vote.promised:
            return None
        vote.promised, vote.record = ballot, Record(ballot, now + self._dead_after)
        self.fallen.end(node)
        return ballot

    def release(self, group: int, ballot: Ballot, now: int) -> bool:
        """Rule 11: clear exactly this record, and let no late duplicate of its ballot come back.

        True when a living record was cleared.
        """
        vote = self.votes.get(group)
        if vote is None:
            if len(self.votes) >= MOST_VOTES:
                return False
            vote = self._vote(group, now)
        exact = vote.record is not None and vote.record.ballot == ballot
        if not exact and vote.promised >= ballot.above():
            return False
        lived = exact and self._living(vote, now) is not None
        vote.promised = max(vote.promised, ballot.above())
        vote.touched, self.changed = now, True
        if exact:
            vote.record = None
        return lived

    def release_all(self, node: int, incarnation: int, now: int) -> None:
        """A goodbye: everything of this and older incarnations of the node is over (rule 20)."""
        for group, vote in sorted(self.votes.items()):
            record = vote.record
            if record is not None and record.ballot.node == node and record.ballot.incarnation <= incarnation:
                self.release(group, record.ballot, now)

    def forget(self, known: frozenset[int], now: int) -> None:
        """Drop what binds nobody any more: groups that the document lacks, untouched for two lives of a record."""
        for group in [
            group
            for group, vote in self.votes.items()
            if group not in known and now - vote.touched > 2 * self._dead_after and vote.live(now) is None
        ]:
            del self.votes[group]
            self.changed = True

    def _refusal(self, ask: Prepare | Accept, now: int, busy: int | None) -> Nack | None:
        vote = self.votes.get(ask.group)
        promised = vote.promised if vote is not None else NOTHING
        if busy is not None:
            return Nack(ask.group, ask.ballot, busy, promised)
        record = self._living(vote, now)
        if record is not None and record.foreign(ask.ballot):
            return Nack(ask.group, ask.ballot, record.deadline - now, promised)
        if ask.ballot < promised:
            return Nack(ask.group, ask.ballot, 0, promised)
        if vote is None and len(self.votes) >= MOST_VOTES:
            return Nack(ask.group, ask.ballot, self._dead_after, promised)
        return None

    def _living(self, vote: Vote | None, now: int) -> Record | None:
        """The record that binds: neither over in time nor that of a node which is confirmed to be off."""
        record = vote.live(now) if vote is not None else None
        return None if record is None or self.fallen.covers(record.ballot) else record

    def _recorded(self, vote: Vote, ballot: Ballot, now: int) -> Record:
        """A record that lives D, or as long as the same owner's did: it may count on what was longer before."""
        known, until = vote.record, now + self._dead_after
        return Record(ballot, max(until, known.deadline) if known is not None and _same(known, ballot) else until)

    def _vote(self, group: int, now: int) -> Vote:
        vote = self.votes.setdefault(group, Vote())
        vote.touched = now
        self.changed = True
        return vote


def _same(record: Record, ballot: Ballot) -> bool:
    return record.ballot.node == ballot.node
