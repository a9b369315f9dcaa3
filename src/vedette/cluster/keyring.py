"""The cluster's keys while they are being rotated: which are accepted, and which signs (rule 30).

A new key in front signs only when everyone heard lists it. A key that the document has dropped is *retired*: it is
accepted from those who have signed with nothing better yet, and forgotten when nobody alive is left of them. So
documents may be edited on one node after the other, in any order, and no heartbeat is lost.
"""

from collections.abc import Mapping

from vedette.cluster import wire
from vedette.cluster.events import Reason, What
from vedette.cluster.peers import Peer
from vedette.cluster.site import Site
from vedette.kit.errors import UsageError
from vedette.spec.resolved import UNSIGNED, Key

MOST_LISTED = 8
"""Keys of a document; on the wire there is room for a retired one more."""
RETIRED = bytes(4)
"""What stands between the listed and the retired keys of a node on the wire."""


class Keyring:
    """``secrets``: every accepted key by its fingerprint; ``listed``: the document's, in its order; ``signs``: one."""

    def __init__(self, site: Site, keys: tuple[Key, ...], peers: Mapping[str, Peer]) -> None:
        self._site, self._peers = site, peers
        self.listed = _fingerprints(keys)
        self.retired: tuple[bytes, ...] = ()
        self.secrets: dict[bytes, bytes] = {wire.fingerprint(key.secret): key.secret for key in keys}
        self.signs = self.listed[0]

    @property
    def told(self) -> tuple[bytes, ...]:
        """What the others are told: also what is accepted from those of them who need it."""
        return (*self.listed, RETIRED, *self.retired) if self.retired else self.listed

    def change(self, keys: tuple[Key, ...], now: int) -> None:
        """Run with another list of keys. Raises :class:`UsageError` for too many or none."""
        listed = _fingerprints(keys)
        if listed == self.listed:
            return
        known = (*self.listed, *self.retired)
        self.secrets |= {wire.fingerprint(key.secret): key.secret for key in keys}
        self.listed = listed
        self.retired = tuple(key for key in known if key not in listed)[: wire.MOST_KEYS - 1 - len(listed)]
        self.secrets = {key: self.secrets[key] for key in (*listed, *self.retired)}
        self._site.note(What.KEYS_CHANGED, detail=", ".join(map(bytes.hex, listed)))
        self.forget(now)

    def forget(self, now: int) -> None:
        """Drop the retired keys that nobody alive signs with; the one that anybody could sign with at once."""
        for key in self.retired:
            if key == _ANYBODY or not any(self.needed_by(key, now)):
                self.retired = tuple(other for other in self.retired if other != key)
                del self.secrets[key]
                self._site.note(What.KEY_FORGOTTEN, Reason.REMOVED, detail=key.hex())

    def needed_by(self, key: bytes, now: int) -> list[str]:
        """Who alive signed with it last."""
        return [peer.name for peer in self._peers.values() if peer.alive(now) and peer.signed == key]

    def counts(self, key: bytes, peer: Peer) -> bool:
        """Whether a datagram of ``peer`` with this key may count.

        Who has signed with a listed key does not go back to a retired one; whoever does so in its name stole that key.
        """
        return key in self.listed or peer.signed not in self.listed

    def sign(self, now: int) -> bytes:
        """The secret to sign with: the first key that everyone heard lately accepts, and rather lists.

        Where there is none, what most of them accept: a stray node must not make this one mute for all others.
        """
        if len(self.listed) == 1 and not self.retired:
            return self._signing(self.listed[0])
        dead_after = self._site.timings.dead_after
        heard = [peer.keys for peer in self._peers.values() if peer.heard and now - peer.heard <= dead_after]
        best = max(
            (*self.listed, *self.retired),
            key=lambda key: (sum(key in accepted for accepted in heard), sum(key in _listed(keys) for keys in heard)),
        )
        return self._signing(best)

    def _signing(self, key: bytes) -> bytes:
        if key != self.signs:
            self.signs = key
            self._site.note(What.KEY_SIGNS, detail=key.hex())
        return self.secrets[key]

    def listed_by(self, peer: Peer) -> tuple[bytes, ...]:
        """The keys of that node's document, as far as it has said."""
        return _listed(peer.keys)

    def missed_by(self, now: int) -> list[str]:
        """Who alive does not list the first key yet, so that it cannot sign."""
        return [
            peer.name for peer in self._peers.values() if peer.alive(now) and self.listed[0] not in _listed(peer.keys)
        ]


_ANYBODY = wire.fingerprint(UNSIGNED.secret)


def _listed(told: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return told[: told.index(RETIRED)] if RETIRED in told else told


def _fingerprints(keys: tuple[Key, ...]) -> tuple[bytes, ...]:
    if not 1 <= len(keys) <= MOST_LISTED:
        raise UsageError(f"{len(keys)} cluster keys; between 1 and {MOST_LISTED} are needed")
    return tuple(wire.fingerprint(key.secret) for key in keys)
