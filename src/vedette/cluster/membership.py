"""Which nodes count while the document is edited: who is new, and who is gone but still holds something (rule 29).

A voter stays until the others have agreed that it is none any more. Whoever is not in the document any more keeps what
it holds until it has handed it over or fallen silent, and gets no vote for anything new: so the order in which
documents are edited, the leaving node's own included, costs no group its holder.
"""

from dataclasses import replace

from vedette.cluster import charter as charters
from vedette.cluster.config import MOST_NODES, nameless, tag
from vedette.cluster.detector import Detector
from vedette.cluster.events import What
from vedette.cluster.peers import Peer
from vedette.cluster.site import Site


class Membership:
    """Keeps ``peers``, which all parts of the core share, as the document has them."""

    def __init__(self, site: Site, peers: dict[str, Peer], detector: Detector) -> None:
        self._site, self._peers, self._detector = site, peers, detector
        self._charter = b""
        self._untold: set[int] = set()

    def change(self, now: int) -> None:
        """The document has other nodes than before, or gives a voter its name."""
        for node in self._site.config.nodes:
            if node.name != self._site.me and node.name not in self._peers:
                known = self._peers.pop(nameless(tag(node.name)), None)
                self._peers[node.name] = replace(known, name=node.name) if known else Peer(node.name, tag(node.name))
                self._site.note(What.NODE_ADDED, node=node.name)
        self.part(now)

    def part(self, now: int) -> None:
        """Let go of those that are neither in the document nor hold anything; called after every event.

        A voter that the document does not have (any more) is one until the others have agreed that it is none, and a
        peer until it is seen to know that.
        """
        self._learn()
        for name in self._site.config.voters:
            if name != self._site.me and name not in self._peers:
                self._peers[name] = Peer(name, tag(name))
        for name in self._former():
            if name not in self._peers and len(self._peers) < MOST_NODES - 1:
                self._peers[name] = Peer(name, tag(name))
        for peer in [self._peers[name] for name in self._peers if name not in self._site.config.names]:
            votes = peer.name in self._site.config.voters
            holds = peer.alive(now) and (peer.own or peer.holds)
            counts = holds or peer.tag in self._untold
            if not votes and (not counts or len(self._peers) >= MOST_NODES):
                del self._peers[peer.name]
                self._site.note(What.NODE_REMOVED, node=peer.name)
        self._detector.follow(now)

    def _learn(self) -> None:
        """Note which of the voters before are not known to run this charter."""
        config = self._site.config
        if config.id != self._charter:
            self._charter = config.id
            self._untold = (set(config.elders) | self._untold) - {*charters.tags(config.voters), self._site.tag}
        if self._untold:
            self._untold -= {peer.tag for peer in self._peers.values() if peer.config == config.id}

    def _former(self) -> tuple[str, ...]:
        return charters.named(self._site.config, sorted(self._untold), known=self._peers) if self._untold else ()

    @property
    def parting(self) -> frozenset[str]:
        """Nodes that are not in the document, and count until they hold nothing any more."""
        return frozenset(name for name in self._peers if not self._site.listed(name))
