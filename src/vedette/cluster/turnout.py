"""Which voters are there for a charter, and what follows: the next step, and whose charter is kept to (rule 29).

Nothing here changes anything: it is what :class:`vedette.cluster.council.Council` looks at before it acts.
"""

from collections.abc import Collection, Mapping

from vedette.cluster import charter as charters
from vedette.cluster.charter import Charter, Wanted
from vedette.cluster.config import CoreConfig, tag
from vedette.cluster.peers import Peer
from vedette.cluster.site import Site


class Turnout:
    def __init__(self, site: Site, peers: Mapping[str, Peer]) -> None:
        self._site, self._peers = site, peers

    def running(self, now: int | None = None) -> set[str]:
        """Who was last heard, or (with ``now``) is alive, with the charter that runs here."""
        config = self._site.config
        return {self._site.me} | {
            peer.name for peer in self._peers.values() if peer.config == config.id and (now is None or peer.alive(now))
        }

    def outranks(self, charter: Charter, now: int) -> bool:
        """Whether what another runs is what this node is to run: what is newer, unless they were founded apart.

        Who has always been alone gives way when enough of the other's voters are there; of two lone ones of one age the
        one with the higher tag does. Several that are enough for what they run do not give way to one, but to their
        own child, or to what has come of a person's word.
        """
        config = self._site.config
        other = charters.apply(config, charter, known=self._peers)
        newer, child = charter.epoch > config.epoch, charter.parent == config.id
        if config.lone and other.lone:
            return newer or (charter.epoch == config.epoch and charter.voters < charters.tags(config.voters))
        if self._site.solitary and not child:
            alive = {peer.name for peer in self._peers.values() if peer.config == other.id and peer.alive(now)}
            return enough(other, {self._site.me} | alive)
        forced = charter.epoch // charters.FORCED > config.epoch // charters.FORCED
        if other.lone and not (child or forced):
            return newer and not enough(config, self.running(now))
        return newer

    def possible(self, wanted: Wanted, now: int) -> list[Charter]:
        """Steps after which there is a quorum: of a new voter it must be known that it is there.

        Who is silent leaves first.
        """
        config = self._site.config
        there = {tag(name) for name in self.running(now)}
        aimed = set(charters.tags(wanted.voters))
        if config.lone:  # it is better off than two who need each other, and asks them for their votes at once
            there -= {peer.tag for peer in self._peers.values() if peer.silent}
        fewest = len(aimed) // 2 + 1 if config.lone else 0
        found = [
            step
            for step in charters.steps(config, wanted)
            if set(step.voters) - set(charters.tags(config.voters)) <= there
            and len(there & set(step.voters)) > len(step.voters) // 2
            and len(there & aimed) >= fewest
        ]
        return sorted(found, key=lambda step: (-len(there & set(step.voters)), len(step.voters), step.voters))

    def in_the_way(self, wanted: Wanted, now: int) -> list[str]:
        """Who holds something and would have no vote beside one or two that have: it would lose what it holds."""
        staying = {
            voter for step in self.possible(wanted, now) if len(step.voters) <= charters.PAIR for voter in step.voters
        }
        holding = [peer for peer in self._peers.values() if peer.alive(now) and (peer.own or peer.holds)]
        return sorted(peer.name for peer in holding if staying and peer.tag not in staying)


def enough(config: CoreConfig, names: Collection[str]) -> bool:
    """Whether these nodes are most of the voters of a config, whatever its policy allows beyond that."""
    return len(set(names) & set(config.voters)) >= config.majority
