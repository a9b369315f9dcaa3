"""Ballots and the records that voters keep (rule 7)."""

from dataclasses import dataclass
from typing import NamedTuple


class Ballot(NamedTuple):
    """One attempt of one incarnation of one node; ordered, and unique as long as the round is never reused.

    ``node`` is the node's tag (:func:`vedette.cluster.config.tag`): a ballot names its owner.
    """

    round: int
    incarnation: int
    node: int

    def above(self) -> "Ballot":
        """The least promise that a late duplicate of this ballot can no longer meet (rule 11)."""
        return Ballot(self.round + 1, 0, 0)


NOTHING = Ballot(0, 0, 0)
"""Below every ballot."""


@dataclass(frozen=True, slots=True)
class Record:
    """A voter's word to the ballot's owner: nobody else gets this vote before ``deadline`` (this voter's clock)."""

    ballot: Ballot
    deadline: int

    def lives(self, now: int) -> bool:
        return now < self.deadline

    def foreign(self, asker: Ballot) -> bool:
        """Neither the asker's own nor an older incarnation's of the asker's node (never the reverse)."""
        return self.ballot.node != asker.node or self.ballot.incarnation > asker.incarnation
