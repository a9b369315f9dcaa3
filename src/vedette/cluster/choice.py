"""What one voter has promised and accepted about the charter that comes next, as it is kept on disk (rule 29)."""

from dataclasses import dataclass, replace

from vedette.cluster import charter as charters
from vedette.cluster.ballot import NOTHING, Ballot
from vedette.cluster.charter import Charter
from vedette.cluster.config import CoreConfig


@dataclass(slots=True)
class Choice:
    """What this voter has promised and accepted about the child of the charter that it runs.

    ``firm``: the charter is what the cluster runs, not only what this node's document says. ``met``: some other node
    was heard under it, however it came, so that others may count on what this one said. ``solo``: neither it nor any
    before it has had another voter. ``settled``: the charter before is over, where that matters to what this one
    allows.
    """

    promised: Ballot = NOTHING
    accepted: tuple[Ballot, Charter] | None = None
    firm: bool = False
    settled: bool = True
    met: bool = False
    solo: bool = False

    @property
    def binds(self) -> bool:
        """Whether anybody may count on this node's running the charter that it runs."""
        return self.firm or self.met or self.promised != NOTHING or self.accepted is not None

    def begun(self, config: CoreConfig) -> Charter | None:
        """A child that this voter has accepted and that binds it before it knows whether it was decided."""
        charter = self.accepted[1] if self.accepted is not None else None
        return charter if charter is not None and charters.binds(config, charter) else None

    def restrain(self, config: CoreConfig) -> CoreConfig:
        """The config, of which nobody decides alone before it is clear who else may."""
        early = not self.settled and charters.unsettled(charters.of(config))
        unfounded = config.fencing and not self.firm
        return replace(config, strict=early or unfounded or self.begun(config) is not None)
