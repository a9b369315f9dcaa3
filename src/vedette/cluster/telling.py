"""How things stand here, told to the others: periodically, and at once when it changes (rules 4, 18 and 30)."""

from typing import NamedTuple

from vedette.cluster.ballot import Ballot
from vedette.cluster.events import Outgoing
from vedette.cluster.keyring import Keyring
from vedette.cluster.messages import Flag, Message, Wishes
from vedette.cluster.outbox import Letterhead, Outbox
from vedette.cluster.owner import Owner
from vedette.cluster.peers import Peer
from vedette.cluster.preferences import Preferences
from vedette.cluster.site import Site
from vedette.cluster.steering import Steering


class _State(NamedTuple):
    """How things stand here; all are told at once when it changes."""

    config: bytes
    keys: tuple[bytes, ...]
    ready: bool
    silent: bool
    goodbye: bool
    score: int
    revision: int
    digest: bytes
    watchdog: int
    ethernet: tuple[bytes, ...]
    own: tuple[tuple[int, Ballot], ...]
    holds: tuple[int, ...]


class Telling:
    """``kernel`` is what this node's kernel holds as far as it was told to and has confirmed, ``watchdog`` (ns) how
    soon its armed watchdog resets this machine, 0 = none is armed, ``ethernet`` with which MACs it answers."""

    def __init__(
        self, site: Site, keyring: Keyring, peers: dict[str, Peer], preferences: Preferences, outbox: Outbox
    ) -> None:
        self._site, self._peers, self._preferences, self._outbox = site, peers, preferences, outbox
        self._keyring = keyring
        self.kernel: set[str] = set()
        self.watchdog = 0
        self.ethernet: tuple[bytes, ...] = ()
        self.running(site.config.revision, site.config.digest)
        self._next_heartbeat = site.started
        self._told: _State | None = None

    def running(self, revision: int, digest: str) -> None:
        """The document that this node runs now."""
        self.revision, self.digest, self._site.document = revision, digest, _short(digest)

    def speak(self, now: int, steering: Steering, owner: Owner, *, risen: bool) -> tuple[Outgoing, ...]:
        """Make the datagrams of this call; ``risen``: somebody has come up who should hear from us at once.

        While a release waits for the kernel nothing is announced: others can do nothing with a group that is half
        given up, and the Release that follows carries all of it. Each datagram before it would delay it.
        Of wishes only who made one tells all; who hears of one does not, since digests show who has missed it.
        """
        renewal = None
        if now >= self._next_heartbeat:
            renewal = owner.renewal(now)
            self._next_heartbeat = now + self._site.timings.interval
        state = self._state(now, steering, owner)
        if (state != self._told or self._preferences.news or risen) and not owner.releasing():
            self._outbox.announce(table=self._preferences.news)
            self._told, self._preferences.news = state, False
        secret = self._keyring.sign(now)

        def write(table: bool) -> Letterhead:
            return Letterhead(
                state=self._message(state),
                table=self._preferences.table(now) if table else Wishes(()),
                echoes={name: tuple(peer.echoes()) for name, peer in self._peers.items()},
                cluster=self._site.config.cluster_id,
                secret=secret,
            )

        alive = [peer for peer in self._peers.values() if peer.alive(now)]
        return self._outbox.flush(now, write, renewal=renewal, alive=alive)

    def next_at(self) -> list[int]:
        """When something is to be said although nothing has changed."""
        repeat = self._outbox.repeat_at()
        return [self._next_heartbeat] if repeat is None else [self._next_heartbeat, repeat]

    def _state(self, now: int, steering: Steering, owner: Owner) -> _State:
        return _State(
            config=self._site.config.id,
            keys=self._keyring.told,
            ready=steering.ready(now),
            silent=self._site.silent(now),
            goodbye=steering.leaving(),
            score=steering.score,
            revision=self.revision,
            digest=self._site.document,
            watchdog=self.watchdog,
            ethernet=self.ethernet,
            own=owner.claims(),
            holds=owner.tags(self.kernel),
        )

    def _message(self, state: _State) -> Message:
        said = {Flag.READY: state.ready, Flag.SILENT: state.silent, Flag.GOODBYE: state.goodbye}
        return Message(
            config=state.config,
            keys=state.keys,
            sender=self._site.tag,
            session=self._site.session,
            incarnation=self._site.incarnation,
            sequence=0,
            flags=frozenset({Flag.STATE, *(flag for flag, stands in said.items() if stands)}),
            score=state.score,
            wishes=self._preferences.digest,
            revision=state.revision,
            digest=state.digest,
            watchdog=state.watchdog,
            ethernet=state.ethernet,
            own=state.own,
            holds=state.holds,
        )


def _short(digest: str) -> bytes:
    try:
        return bytes.fromhex(digest[:16]).ljust(8, b"\0")
    except ValueError:
        return bytes(8)
