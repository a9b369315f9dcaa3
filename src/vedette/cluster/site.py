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

    def silent(self, now: int) -> bool:
        return now < self.silent_until and not self.config.endless

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
