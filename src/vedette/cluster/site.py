"""What every part of one node's core shares: who it is, what it must keep to, and where it says what happened."""

from dataclasses import dataclass, field

from vedette.cluster.ballot import Ballot
from vedette.cluster.config import CoreConfig, Random, Timings, tag
from vedette.cluster.events import CoreEvent, Reason, What


@dataclass(slots=True)
class Site:
    """``silent_until``: a voter that forgot its records neither votes nor tries before (rule 12).

    It counts where a quorum need not have the own vote in it; the config may come to be such a one later.
    ``document``: the head of the digest of the document that runs, as it goes on the wire.
    ``founded``: the config is what the cluster runs, not only what this node's document says. ``elsewhere``: until when
    it counts that somebody was heard who holds something under another config. ``solo``: no charter of
    this cluster that this node has run had another voter.
    """

    me: str
    incarnation: int
    session: int
    boot_id: str
    started: int
    silent_until: int
    config: CoreConfig
    random: Random
    document: bytes = b""
    founded: bool = False
    elsewhere: int = 0
    solo: bool = False
    log: list[CoreEvent] = field(default_factory=list)
    tag: int = field(init=False)

    def __post_init__(self) -> None:
        self.tag = tag(self.me)

    @property
    def timings(self) -> Timings:
        return self.config.timings

    @property
    def votes(self) -> bool:
        """Whether this node is a voter; one that is not keeps its own votes, but they count for nobody else."""
        return self.me in self.config.voters

    def listed(self, node: str) -> bool:
        """Whether this node's document has that one."""
        return self.config.node(node) is not None

    @property
    def alone(self) -> bool:
        """This node's own vote is the quorum: nobody takes anything but with it, or after the next charter."""
        return self.config.lone and self.votes

    @property
    def solitary(self) -> bool:
        """Nobody else has ever had a vote, so nobody else can hold anything."""
        return self.alone and self.solo

    @property
    def endless(self) -> bool:
        """A lease of this node's has no end (:attr:`CoreConfig.endless`, or because it is :attr:`alone`)."""
        return self.alone or self.config.endless

    def foreign(self, now: int) -> bool:
        """All that this node knows is its document, and a voter that runs something else was heard to hold groups."""
        return not self.founded and now < self.elsewhere and not self.endless

    def silent(self, now: int) -> bool:
        """Rule 12; and new nodes found no cluster beside those who hold what they would take."""
        if self.foreign(now):
            return True
        return now < self.silent_until and not self.config.endless and not self.solitary

    def mine(self, ballot: Ballot) -> bool:
        """A ballot of this node, of whichever incarnation."""
        return ballot.node == self.tag

    def note(
        self,
        what: What,
        reason: Reason = Reason.NONE,
        *,
        node: str | None = None,
        group: str | None = None,
        detail: str = "",
    ) -> None:
        self.log.append(CoreEvent(what, reason, node, group, detail))
