"""Who is up, late, dead or unknown, and since when; changes go into the log once (rule 6)."""

from vedette.cluster.config import Timings
from vedette.cluster.events import What
from vedette.cluster.peers import Peer
from vedette.cluster.quorum import Quorum
from vedette.cluster.site import Site
from vedette.state.placement import Liveness

_CHANGES = {Liveness.UP: What.NODE_UP, Liveness.LATE: What.NODE_LATE, Liveness.DEAD: What.NODE_DEAD}


def liveness(peer: Peer, now: int, timings: Timings) -> Liveness:
    """Not heard since this start is ``UNKNOWN``, not dead; late is for the log and nothing else."""
    if not peer.proven and not peer.left:
        return Liveness.UNKNOWN
    if not peer.alive(now):
        return Liveness.DEAD
    return Liveness.LATE if now - peer.fresh >= timings.warn_after else Liveness.UP


class Detector:
    """Remembers what was last seen, so that only changes are told."""

    def __init__(self, site: Site, peers: dict[str, Peer], quorum: Quorum) -> None:
        self._site, self._peers, self._quorum = site, peers, quorum
        self._seen: dict[str, tuple[Liveness, int]] = {}
        self._incarnations: dict[str, int] = {}
        self.follow(site.started)
        self.has_quorum = False

    def follow(self, now: int) -> None:
        """Nodes may have come or gone."""
        if self._seen.keys() == self._peers.keys():
            return
        for book in (self._seen, self._incarnations):
            for name in book.keys() - self._peers.keys():
                del book[name]
        for name in self._peers.keys() - self._seen.keys():
            self._seen[name], self._incarnations[name] = (Liveness.UNKNOWN, now), 0

    def look(self, now: int) -> bool:
        """Note what has changed; True when somebody has come up, who should hear from us at once."""
        risen, timings = False, self._site.timings
        for name, peer in self._peers.items():
            before, is_now = self._seen[name][0], liveness(peer, now, timings)
            restarted = peer.proven and peer.incarnation != self._incarnations[name]
            if restarted and before in (Liveness.UP, Liveness.LATE):
                self._site.note(What.NODE_RESTARTED, node=name, detail=f"incarnation {peer.incarnation}")
                risen = True
            if peer.proven:
                self._incarnations[name] = peer.incarnation
            if is_now is before:
                continue
            self._seen[name] = (is_now, now)
            risen = risen or (is_now is Liveness.UP and before is not Liveness.LATE)
            left = is_now is Liveness.DEAD and peer.left
            self._site.note(What.NODE_LEFT if left else _CHANGES[is_now], node=name)
        self._look_for_quorum(now)
        return risen

    def seen(self, name: str) -> tuple[Liveness, int]:
        """What the node was at the last look, and since when."""
        return self._seen[name]

    def next_at(self, now: int) -> list[int]:
        """When somebody becomes late or dead if nothing is heard."""
        times, timings = [], self._site.timings
        for peer in self._peers.values():
            if peer.alive(now):
                times += [peer.fresh + timings.warn_after, peer.alive_until]
            times.append(self._quorum.silent_at(peer))
        return times

    def _look_for_quorum(self, now: int) -> None:
        heard = self._quorum.heard(now)
        if heard is not self.has_quorum:
            self.has_quorum = heard
            self._site.note(What.QUORUM_GAINED if heard else What.QUORUM_LOST)
