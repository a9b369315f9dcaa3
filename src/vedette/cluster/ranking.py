"""Who may hold a group, and which of two nodes is the better place (rules 21 and 22).

Rank is a function of the document, of the operators' wishes and of what every node says of itself; never of how
well it is heard here, so that two nodes rank a pair alike. It changes rarely and is asked for at every event, so it is
kept until something that it depends on has changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from vedette.cluster.config import MOST_SCORE, CoreConfig, CoreGroup, tag
from vedette.cluster.peers import Peer
from vedette.cluster.preferences import Preferences
from vedette.cluster.site import Site
from vedette.spec.resolved import Role

Preference = tuple[int, int, int]
"""What makes one place *better* than another: smaller is better, equal is no reason to move."""


@dataclass(frozen=True, slots=True)
class Places:
    """One group: who may hold it, ``others`` of them best first, and which of the others come before this node."""

    allowed: frozenset[str]
    others: tuple[str, ...]
    better: tuple[str, ...]
    preference: Mapping[str, Preference]


class Ranking:
    """One node's view of all places. ``peers`` holds all other nodes by name."""

    def __init__(self, site: Site, peers: Mapping[str, Peer], preferences: Preferences) -> None:
        self._site, self._me, self._peers, self._preferences = site, site.me, peers, preferences
        self.score, self.score_since = MOST_SCORE, site.started
        self._known: dict[str, Places] = {}
        self._scored = 0
        self._basis: tuple[CoreConfig, int, int, int] | None = None

    # What nodes say of themselves

    def reaches(self, missing: int, now: int) -> None:
        """How many ping nodes do not answer this node."""
        score = max(0, MOST_SCORE - missing)
        if score != self.score:
            self.score, self.score_since = score, now
            self._scored += 1

    def scored(self, peer: Peer, score: int, now: int) -> None:
        """What another node has said of itself."""
        if score != peer.score:
            peer.score, peer.score_since = score, now
            self._scored += 1

    # Who may

    def may_hold(self, group: CoreGroup, name: str) -> bool:
        """The document and the operators allow the node to take the group."""
        return name in self.places(group).allowed

    def may_hold_any(self, name: str) -> bool:
        """Whether there is anything that the node could be asked to take."""
        return any(self.may_hold(group, name) for group in self._site.config.groups)

    def paused(self, group: CoreGroup) -> bool:
        """The document or an operator wants the group left where it is."""
        return group.maintenance or self._preferences.paused(group.name)

    # Who is better

    def places(self, group: CoreGroup) -> Places:
        """The group's places, as everything stands now."""
        # Nodes come with another config only, and no two peers part without there being fewer of them.
        basis = (self._site.config, self._preferences.version, self._scored, len(self._peers))
        if basis != self._basis:
            self._basis = basis
            self._known.clear()
        known = self._known.get(group.name)
        if known is None:
            known = self._known[group.name] = self._places(group)
        return known

    def rank(self, group: CoreGroup, name: str) -> tuple[Preference, int]:
        """A total order: preference first, then the order of the document."""
        return self._preference(group, name), group.nodes.index(name)

    def _places(self, group: CoreGroup) -> Places:
        allowed = frozenset(name for name in group.nodes if self._allows(group, name))
        places = [name for name in group.nodes if name == self._me or (name in allowed and name in self._peers)]
        places.sort(key=lambda name: self.rank(group, name))
        here = places.index(self._me) if self._me in places else len(places)
        return Places(
            allowed=allowed,
            others=(*places[:here], *places[here + 1 :]),
            better=tuple(places[:here]),
            preference={name: self._preference(group, name) for name in (*places, self._me)},
        )

    def _allows(self, group: CoreGroup, name: str) -> bool:
        node = self._site.config.node(name)
        return (
            node is not None
            and node.role is Role.DIRECTOR
            and not (node.standby or node.maintenance or self.paused(group))
            and not (self._preferences.standby(name) or self._preferences.maintained(name))
        )

    def _preference(self, group: CoreGroup, name: str) -> Preference:
        wanted = 0 if tag(name) == self._preferences.wanted_on(group.name) else 1
        score = self.score if name == self._me else self._peers[name].score
        order = group.preferred_nodes
        return wanted, -score, order.index(name) if name in order else len(order)
