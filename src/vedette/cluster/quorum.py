"""How many votes are enough, by policy (cluster.md, *Policy*)."""

from collections.abc import Collection, Mapping

from vedette.cluster.config import CoreConfig, tag
from vedette.cluster.fallen import Fallen
from vedette.cluster.peers import Peer
from vedette.cluster.site import Site


class Quorum:
    """Judges sets of *distinct* voters by name. ``me`` may be one; ``peers`` are all other nodes."""

    def __init__(self, site: Site, peers: Mapping[str, Peer], fallen: Fallen) -> None:
        self._site, self._me, self._peers, self._fallen = site, site.me, peers, fallen

    @property
    def _config(self) -> CoreConfig:
        return self._site.config

    @property
    def grace_ends(self) -> int:
        """When startupGrace is over."""
        return self._site.started + self._site.timings.startup_grace

    def reached(self, votes: Collection[str], now: int) -> bool:
        """Majority of *all* voters.

        In ``tolerate`` both, or I alone while the peer cannot be heard (rule 28); in ``fence`` both, or I alone while
        the peer is confirmed to be off (rule 26), unless the voters are about to change (rule 29).
        """
        config = self._config
        given = {voter for voter in config.voters if voter in votes}
        if config.tolerant:
            return self._me in given and (len(given) == 2 or self.abandoned(now))
        if config.fencing:
            return self._me in given and (len(given) == 2 or (not config.strict and self._other_is_off()))
        return len(given) >= config.majority

    def most(self, votes: Collection[str]) -> bool:
        """More than half of the voters, whatever the policy allows beyond that."""
        return len({voter for voter in self._config.voters if voter in votes}) >= self._config.majority

    def heard(self, now: int) -> bool:
        """I and the voters that are alive are enough."""
        return self.reached(self.alive(now), now)

    def willing(self, now: int) -> bool:
        """Those that would answer an attempt are enough: alive, not silent after a boot, of the same config."""
        config = self._config.id
        able = {
            name for name, peer in self._peers.items() if not peer.silent and peer.config == config and peer.alive(now)
        }
        able.add(self._me)
        return self.reached(able, now)

    def alive(self, now: int) -> set[str]:
        names = {name for name, peer in self._peers.items() if peer.alive(now)}
        names.add(self._me)
        return names

    def abandoned(self, now: int) -> bool:
        """``tolerate``: the peer is neither fresh nor heard one way within D, and startupGrace is over or it left.

        Datagrams that it signed count as heard even when it does not hear me: its claim will reach me.
        """
        if not self._config.tolerant:
            return False
        peer = next(peer for peer in self._peers.values() if peer.name in self._config.voters)
        if peer.left:
            return True
        silent = not peer.alive(now) and (not peer.heard or now >= self.silent_at(peer))
        return silent and (peer.proven or now >= self.grace_ends)

    def _other_is_off(self) -> bool:
        return any(tag(voter) in self._fallen.dead for voter in self._config.voters if voter != self._me)

    def silent_at(self, peer: Peer) -> int:
        """When the peer will not have been heard, even one way, for D."""
        return peer.heard + self._config.timings.dead_after
