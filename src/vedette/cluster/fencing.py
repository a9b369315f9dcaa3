"""Whom to have switched off, and when (rules 26 and 27). The devices are somebody else's business."""

from collections.abc import Mapping

from vedette.cluster.config import CoreConfig
from vedette.cluster.events import FenceRequest, FenceResult, Reason, What
from vedette.cluster.fallen import Fallen
from vedette.cluster.leases import Lease
from vedette.cluster.peers import Peer
from vedette.cluster.site import Site
from vedette.kit.units import show


class Fencing:
    """Names the peers that must be off before their groups can be taken, as long as that is so."""

    def __init__(self, site: Site, peers: Mapping[str, Peer], leases: Mapping[int, Lease], fallen: Fallen) -> None:
        self._site, self._peers, self._leases, self._fallen = site, peers, leases, fallen
        self._asked: dict[str, FenceRequest] = {}
        self._proofs: dict[str, str] = {}

    def wanted(self, now: int, *, idle: bool) -> tuple[FenceRequest, ...]:
        """Everyone whom the shell should have switched off now; who is not named any more is to be left in peace.

        ``idle``: this node stops or is in maintenance, and switches nobody off.
        """
        if not self._site.config.fencing or not self._site.founded:
            return ()  # two that have not met may not know of each other what they run
        asked = {}
        self._assume(now)
        for peer in self._rivals():
            if not idle and self._due(peer, now):
                asked[peer.name] = self._request(peer)
        for name, request in asked.items():
            if self._asked.get(name) != request:
                self._site.note(
                    What.FENCE_WANTED, Reason.SILENT, node=name, detail=f"incarnation {request.incarnation}"
                )
        for name in sorted(self._asked.keys() - asked.keys()):
            self._site.note(What.FENCE_WITHDRAWN, node=name)
        self._asked = asked
        return tuple(asked[name] for name in sorted(asked))

    def next_at(self, now: int) -> list[int]:
        """When a silent peer becomes one that must be off."""
        if not self._site.config.fencing:
            return []
        silent = [peer for peer in self._rivals() if not peer.alive(now)]
        return [self._due_at(peer) for peer in silent] + [self._bitten_at(peer) for peer in silent if peer.watchdog]

    def result(self, result: FenceResult, now: int) -> None:
        """A device's or a person's word, perhaps not for the first time.

        It counts for the lives that were known when it was asked for, and for a peer that is not heard.
        """
        peer = self._peers.get(result.node)
        if peer not in self._rivals() or not self._site.config.fencing:
            return
        assert peer is not None
        if not result.confirmed:
            self._site.note(What.FENCE_FAILED, node=peer.name, detail=result.reason)
        elif self._fallen.over(peer.tag, result.incarnation):
            pass
        elif peer.alive(now):
            self._site.note(What.FENCE_VOID, node=peer.name, detail="it is heard")
        elif not self._fallen.confirm(peer.tag, result.incarnation, now):
            self._site.note(What.FENCE_VOID, node=peer.name, detail="it has started again since this was asked for")
        else:
            peer.fall()
            self._proofs[peer.name] = result.reason
            self._site.note(What.NODE_OFF, node=peer.name, detail=result.reason)

    def off(self, peer: Peer) -> str:
        """Why the peer counts as off, in words; empty when it does not, or has only left."""
        if peer not in self._rivals() or not self._site.config.fencing or peer.left:
            return ""
        if peer.tag not in self._fallen.dead:
            return ""
        return self._proofs.get(peer.name, "known before this daemon started")

    def blocks(self, peer: Peer, now: int) -> str:
        """Why the peer's groups cannot be taken, in words; empty when nothing stands against it."""
        if peer not in self._rivals() or not self._site.config.fencing:
            return ""
        if peer.alive(now) or peer.tag in self._fallen.dead:
            return ""
        if not self._site.founded:
            return f"{peer.name} and this node have not met yet: start it"
        if peer.tag not in self._fallen.seen:
            return f"{peer.name} was not heard since this machine booted: start it, or vedette confirm-off {peer.name}"
        if self._refused(peer, now):
            return f"{peer.name} is not fenced: datagrams with an unknown key come from it"
        return f"{peer.name} is not confirmed off"

    def _rivals(self) -> list[Peer]:
        """The other voter: who has no vote is nobody's business, and has no business to have anybody shot."""
        return (
            [peer for peer in self._peers.values() if peer.name in self._site.config.voters] if self._site.votes else []
        )

    def _due(self, peer: Peer, now: int) -> bool:
        return (
            not peer.alive(now)
            and peer.tag in self._fallen.seen
            and not self._fallen.over(peer.tag, self._fallen.seen[peer.tag])
            and now >= self._due_at(peer)
            and not self._refused(peer, now)
        )

    def _assume(self, now: int) -> None:
        """Where the document allows it: a peer whose armed watchdog must have reset it counts as off, unverified.

        Twice the timeout after it became due: once for the feeder to notice, once for the device (facts: sbd).
        """
        if not self._site.config.assume_watchdog:
            return
        for peer in self._rivals():
            if peer.watchdog and self._due(peer, now) and now >= self._bitten_at(peer):
                self._fallen.confirm(peer.tag, self._fallen.seen[peer.tag], now)
                peer.fall()
                self._proofs[peer.name] = detail = (
                    f"assumed: its watchdog of {show(peer.watchdog)} was armed, and twice that has passed"
                )
                self._site.note(What.NODE_OFF, Reason.ASSUMED, node=peer.name, detail=detail)

    def _bitten_at(self, peer: Peer) -> int:
        return self._due_at(peer) + 2 * peer.watchdog

    def _due_at(self, peer: Peer) -> int:
        """D after the last proof of life, after a new life was heard of, and after my own start."""
        dead_after = self._site.timings.dead_after
        refused = peer.refused + dead_after if peer.refused else 0
        return max(peer.alive_until, peer.born + dead_after, self._site.started + dead_after, refused)

    def _refused(self, peer: Peer, now: int) -> bool:
        """It sends with a key that is unknown here: somebody's mistake, and no reason to kill it (hole 37)."""
        return bool(peer.refused) and now < peer.refused + self._site.timings.dead_after

    def _request(self, peer: Peer) -> FenceRequest:
        """What was asked for stands as it is, unless it has a new life."""
        asked = self._asked.get(peer.name)
        if asked is not None and asked.incarnation == self._fallen.seen[peer.tag]:
            return asked
        return FenceRequest(
            peer.name, self._fallen.seen[peer.tag], wait(self._site.config, self._site.me, peer, self._mine())
        )

    def _mine(self) -> set[int]:
        return {lease.tag for lease in self._leases.values() if lease.own is not None}


def wait(config: CoreConfig, me: str, peer: Peer, mine: set[int]) -> int:
    """How long (ns) to wait before the first shot, so that of two that see each other silent one shoots first.

    With ``delay`` in the document, what is written at the one that is to be shot. Without, nothing for the favoured
    one, which holds more, then is preferred for more, then comes first; longer than devices take for the other.
    """
    target = config.node(peer.name)
    if any(node.fence_delay for node in config.nodes):
        return target.fence_delay if target is not None else 0
    return 0 if _favour(config, me, len(mine)) > _favour(config, peer.name, len(peer.own)) else config.duel


def _favour(config: CoreConfig, name: str, holds: int) -> tuple[int, int, int]:
    preferred = sum(1 for group in config.groups if group.preferred_nodes[:1] == (name,))
    names = [node.name for node in config.nodes]
    return holds, preferred, -(names.index(name) if name in names else len(names))
