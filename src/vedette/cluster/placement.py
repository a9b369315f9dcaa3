"""Where a group should be, and when to try for it or to move it: advice, never safety (rules 21 to 24)."""

from collections.abc import Mapping
from dataclasses import dataclass

from vedette.cluster.config import STAGGER, CoreConfig, CoreGroup
from vedette.cluster.events import Reason
from vedette.cluster.leases import Lease
from vedette.cluster.peers import Peer
from vedette.cluster.ranking import Ranking
from vedette.cluster.site import Site
from vedette.kit.units import SECOND
from vedette.spec.resolved import Failback

MOVE_PAUSE = SECOND
"""One voluntary move per group in this time."""
MOST_FAILURES = 6
SETTLED = 5 * SECOND
"""So long a node must have reached more than the holder before a group moves for it: when an address outside dies,
nodes notice one after the other, by some seconds at most, and it is nobody's advantage."""


@dataclass(frozen=True, slots=True)
class MoveTo:
    """A voluntary move that is due."""

    successor: str
    reason: Reason


class Placement:
    """One node's view of where groups belong. ``peers`` holds all other nodes by name."""

    def __init__(self, site: Site, peers: Mapping[str, Peer], ranking: Ranking) -> None:
        self._site, self._me, self._peers, self._ranking = site, site.me, peers, ranking
        self._started = site.started

    @property
    def config(self) -> CoreConfig:
        """The document's part, as it runs now."""
        return self._site.config

    # When to try

    def delay(self, group: CoreGroup, now: int) -> int:
        """s for every better-ranked node that could take it; in the first interval also for one not yet ready."""
        settling = now < self._started + self.config.timings.interval
        better = [self._peers[name] for name in self._ranking.places(group).better]
        return STAGGER * sum(1 for peer in better if peer.alive(now) and (peer.ready or settling))

    def grace(self, group: CoreGroup) -> int:
        """Until when a preferred node that was never heard is waited for: 0, or the end of startupGrace."""
        places = self._ranking.places(group)
        mine = places.preference[self._me]
        for name in places.others:
            peer = self._peers[name]
            if not peer.proven and not peer.left and places.preference[name] < mine:
                return self._started + self.config.timings.startup_grace
        return 0

    # When to move

    def successor(self, group: CoreGroup, now: int) -> str | None:
        """The best other node that could take the group at once."""
        return next((name for name in self._ranking.places(group).others if self._peers[name].usable(now)), None)

    def move(self, group: CoreGroup, lease: Lease, now: int) -> MoveTo | None:
        """Rule 23: a better node, alive and ready for failbackDelay, that hand-overs to do not keep failing.

        That it is preferred is the document's word, so it must have the same document.
        """
        if self._waiting(lease, now):
            return None
        places = self._ranking.places(group)
        mine = places.preference[self._me]
        for name in places.others:
            peer, theirs = self._peers[name], places.preference[name]
            if theirs >= mine:
                return None
            if not peer.usable(now) or now < lease.hold_down.get(name, 0):
                continue
            if theirs[0] < mine[0]:
                return MoveTo(name, Reason.OPERATOR)
            if theirs[1] < mine[1]:
                if now >= self._outreached_at(peer):
                    return MoveTo(name, Reason.REACHES_MORE)
                continue
            agreed = peer.digest == self._site.document  # of another mind, it might hand the group straight back
            if agreed and group.failback is Failback.AUTOMATIC and now >= peer.ready_since + group.failback_delay:
                return MoveTo(name, Reason.BETTER_NODE)
        return None

    def leave(self, group: CoreGroup, lease: Lease, now: int, reason: Reason) -> MoveTo | None:
        """Somebody else who can take what should not be here."""
        if self._waiting(lease, now):
            return None
        for name in self._ranking.places(group).others:
            if self._peers[name].usable(now) and now >= lease.hold_down.get(name, 0):
                return MoveTo(name, reason)
        return None

    def move_times(self, group: CoreGroup, lease: Lease) -> list[int]:
        """When :meth:`move` or :meth:`leave` may answer differently although nothing has been heard."""
        times = list(lease.hold_down.values())
        if lease.moved is not None:
            times.append(lease.moved + MOVE_PAUSE)
        others = [self._peers[name] for name in self._ranking.places(group).others]
        times += [self._outreached_at(peer) for peer in others]
        if group.failback_delay:
            times += [peer.ready_since + group.failback_delay for peer in others]
        return times

    def failed(self, lease: Lease, now: int) -> None:
        """Rule 24: what I handed over came back untaken, so its successor is not asked again for a while."""
        if lease.handed_to is None:
            return
        lease.hold_down[lease.handed_to] = now + self.config.timings.dead_after * 2 ** (lease.failures + 1)
        lease.failures, lease.handed_to = min(lease.failures + 1, MOST_FAILURES), None

    def succeeded(self, lease: Lease, holder: str) -> None:
        """Somebody else was seen to hold it: a hand-over to that node works again."""
        if lease.handed_to is not None:
            lease.failures, lease.handed_to = 0, None
        lease.hold_down.pop(holder, None)

    def _outreached_at(self, peer: Peer) -> int:
        """When the difference between what that node reaches and what this one does will have lasted long enough."""
        return max(peer.score_since, self._ranking.score_since) + SETTLED

    def _waiting(self, lease: Lease, now: int) -> bool:
        return lease.moved is not None and now < lease.moved + MOVE_PAUSE
