"""What a datagram changes: first whether it counts at all, then each of its parts (rules 4 to 11, 17, 18, 30)."""

from collections.abc import Mapping

from vedette.cluster import wire
from vedette.cluster.ballot import Ballot
from vedette.cluster.config import STAGGER
from vedette.cluster.council import Council
from vedette.cluster.events import Reason, What
from vedette.cluster.keyring import Keyring
from vedette.cluster.leases import Granted, Lease
from vedette.cluster.messages import (
    Accept,
    Accepted,
    Echo,
    Flag,
    Grant,
    Item,
    Message,
    Motion,
    Nack,
    Prepare,
    Promise,
    Release,
    Teach,
)
from vedette.cluster.outbox import Outbox
from vedette.cluster.owner import Owner
from vedette.cluster.peers import Peer, Verdict
from vedette.cluster.placement import Placement
from vedette.cluster.preferences import Preferences
from vedette.cluster.proposer import Proposer
from vedette.cluster.ranking import Ranking
from vedette.cluster.site import Site
from vedette.cluster.voter import Voter
from vedette.kit.units import MINUTE

MOST_COPIES = 64
"""Datagrams that are remembered as they came, so that the other link's copy costs next to nothing."""

_REFUSED = {Verdict.REPLAY: Reason.REPLAY, Verdict.STALE: Reason.STALE}


class Hearing:
    """``refused`` counts what did not count, by reason; ``refused_on`` the same, by link."""

    def __init__(
        self,
        *,
        site: Site,
        keyring: Keyring,
        peers: Mapping[str, Peer],
        leases: dict[int, Lease],
        voter: Voter,
        owner: Owner,
        proposer: Proposer,
        placement: Placement,
        ranking: Ranking,
        preferences: Preferences,
        outbox: Outbox,
        council: Council,
    ) -> None:
        self._council = council
        self._site, self._keyring, self._leases = site, keyring, leases
        self._peers = peers
        self._voter, self._owner, self._proposer = voter, owner, proposer
        self._placement, self._ranking, self._preferences, self._outbox = placement, ranking, preferences, outbox
        self.refused: dict[Reason, int] = {}
        self.refused_on: dict[str, int] = {}
        self._counted: dict[bytes, Peer] = {}
        self._refusal_noted: int | None = None

    def datagram(self, link: str, data: bytes, now: int) -> bool:
        """Take in a datagram; False when it did not count and has changed nothing but statistics."""
        original = self._counted.get(data)
        if original is not None:
            original.copied(link, now)
            return False
        message = wire.decode(data, cluster=self._site.config.cluster_id, secrets=self._keyring.secrets)
        if isinstance(message, Reason):
            self._blame(message, data, now)
            return self._refuse(message, link, now)
        echoed_by_link = message.sender == self._site.tag and message.session == self._site.session
        if echoed_by_link or message.to not in (0, self._site.tag):
            return False
        peer = self._named(message.sender)
        if peer is None:
            return self._refuse(Reason.UNKNOWN_NODE, link, now)
        if not self._keyring.counts(wire.signer(data), peer):
            return self._refuse(Reason.UNKNOWN_KEY, link, now)
        self._council.meet()
        echo = self._echo_of_me(message)
        sent = self._outbox.sent_at(echo.sequence) if echo is not None else None
        verdict = peer.receive(message, link=link, sent=sent, now=now, dead_after=self._site.timings.dead_after)
        match verdict:
            case Verdict.FRESH:
                assert echo is not None
                peer.signed = wire.signer(data)
                self._remember(data, peer)
                self._fresh(peer, message, echo, now)
            case Verdict.UNPROVEN:
                self._unproven(peer, message, now)
            case Verdict.DUPLICATE:
                return False
            case Verdict.REPLAY | Verdict.STALE:
                return self._refuse(_REFUSED[verdict], link, now)
        return True

    def _named(self, number: int) -> Peer | None:
        for peer in self._peers.values():
            if peer.tag == number:
                return peer
        return None

    def _remember(self, data: bytes, peer: Peer) -> None:
        if len(self._counted) >= MOST_COPIES:
            del self._counted[next(iter(self._counted))]
        self._counted[data] = peer

    def _echo_of_me(self, message: Message) -> Echo | None:
        for echo in message.echoes:
            if echo.node == self._site.tag and echo.session == self._site.session:
                return echo
        return None

    def _refuse(self, reason: Reason, link: str, now: int) -> bool:
        """Count it; say so at most once a minute, whatever is thrown at us (then True: there is something to log)."""
        self.refused[reason] = self.refused.get(reason, 0) + 1
        self.refused_on[link] = self.refused_on.get(link, 0) + 1
        if self._refusal_noted is not None and now - self._refusal_noted < MINUTE:
            return False
        self._refusal_noted = now
        self._site.note(What.DATAGRAM_REFUSED, reason, detail=f"on link {link}")
        return True

    def _blame(self, reason: Reason, data: bytes, now: int) -> None:
        """Remember whom a datagram with an unknown key names: such a node may be alive, and must not be shot."""
        named = self._named(wire.named_sender(data)) if reason is Reason.UNKNOWN_KEY else None
        if named is not None:
            named.refused = now

    # What is authentic but proves nothing

    def _unproven(self, peer: Peer, message: Message, now: int) -> None:
        """Greet it, so that its next one can prove that it is alive; in ``tolerate`` its claims already count."""
        self._holds_elsewhere(peer, message, now)
        self._voter.fallen.heard(peer.tag, message.incarnation, proven=False)
        if peer.greeted is None or now - peer.greeted >= STAGGER:
            peer.greeted = now
            self._outbox.answer(peer.name)
        if self._site.config.tolerant and message.config == self._site.config.id:
            self._claims(message, now)

    def _claims(self, message: Message, now: int) -> None:
        for group, claim in message.own:
            lease = self._leases.get(group)
            if lease is not None:
                self._owner.claimed(lease, claim, now)

    # What counts

    def _holds_elsewhere(self, peer: Peer, message: Message, now: int) -> None:
        """Whoever founds a cluster with its document waits for those of its voters that run another."""
        if message.config != self._site.config.id and message.own and peer.name in self._site.config.voters:
            self._site.elsewhere = now + self._site.timings.dead_after

    def _fresh(self, peer: Peer, message: Message, echo: Echo, now: int) -> None:
        self._holds_elsewhere(peer, message, now)
        peer.echoed = max(peer.echoed, echo.sequence)
        self._voter.fallen.heard(peer.tag, message.incarnation, proven=True)
        self._contradicted(peer, message, echo)
        if message.config != peer.config:
            peer.config = message.config
            if message.config != self._site.config.id:
                self._site.note(What.CONFIG_DIFFERS, node=peer.name)
        for item in message.items:
            if isinstance(item, Teach):
                self._council.taught(peer, item, now)
        if message.config != self._site.config.id:
            self._council.teach(peer, now)
        over = self._voter.fallen.over(peer.tag, message.incarnation)
        votes = message.config == self._site.config.id and not over
        if Flag.STATE in message.flags:
            self._state(peer, message, now, votes=votes)
        if votes:
            self._acknowledged(peer, echo, now)
            for item in message.items:
                self._item(peer, message, item, now)
        if message.table is not None:
            for wish in self._preferences.merge(message.table, now):
                words = f"{wish.author}: {wish.reason}" if wish.author else f"version {wish.version}"
                self._site.note(What.PREFERENCE_CHANGED, node=peer.name, detail=words)
        if Flag.STATE in message.flags:
            self._teach(peer, now)
        if Flag.GOODBYE in message.flags:
            self._goodbye(peer, message, now, votes=votes)

    def _contradicted(self, peer: Peer, message: Message, echo: Echo) -> None:
        """It is said to be off and is not: whoever said so was wrong, and nothing may be built on it any more."""
        sent = self._outbox.sent_at(echo.sequence)
        leaving = Flag.GOODBYE in message.flags
        if sent is not None and not leaving and self._voter.fallen.contradicted(peer.tag, message.incarnation, sent):
            self._voter.fallen.end(peer.tag)
            self._site.note(What.NODE_NOT_OFF, node=peer.name, detail="it was confirmed off, and is heard")

    def _teach(self, peer: Peer, now: int) -> None:
        """Send my wishes to a peer that lacks some of them, also when it has just sent me those that I lacked."""
        lacking = peer.wishes != self._preferences.digest
        if lacking and (peer.taught is None or now - peer.taught >= self._site.timings.interval):
            peer.taught = now
            self._outbox.send_table(peer.name)

    def _state(self, peer: Peer, message: Message, now: int, *, votes: bool) -> None:
        ready = votes and Flag.READY in message.flags  # with another config it could never win what it is handed
        if ready and not peer.ready:
            peer.ready_since = now
        self._ranking.scored(peer, message.score, now)
        peer.ready, peer.silent = ready, Flag.SILENT in message.flags
        peer.revision, peer.digest = message.revision, message.digest
        peer.watchdog, peer.ethernet = message.watchdog, message.ethernet
        peer.holds = frozenset(message.holds)
        peer.wishes = message.wishes
        if votes:
            self._holdings(peer, message, now)

    def _holdings(self, peer: Peer, message: Message, now: int) -> None:
        """What it owns: votes for its renewal, and news of who holds what."""
        peer.own = dict(message.own)
        for group, ballot in message.own:
            self._voter.saw(ballot)
            lease = self._leases.get(group)
            if lease is not None:
                lease.holder = peer.name
                self._placement.succeeded(lease, peer.name)
        if self._site.config.tolerant or self._site.config.fencing:
            self._claims(message, now)
        if message.own and Flag.PERIODIC in message.flags:
            self._renew(peer, message, now)

    def _renew(self, peer: Peer, message: Message, now: int) -> None:
        """Rule 10. Who has no vote notes the lease like a voter, to know who holds what, and says nothing."""
        extended = 0
        for position, (group, ballot) in enumerate(message.own):
            if ballot.incarnation != message.incarnation:
                continue  # adopted: not renewed, but tried for anew (rule 14)
            if self._voter.renew(group, ballot, now, busy=self._owner.busy(group, now)):
                extended |= 1 << position
        if not self._site.votes:
            return
        assert peer.current is not None
        peer.current.acked, peer.current.groups = message.sequence, extended
        self._outbox.answer(peer.name)

    def _acknowledged(self, peer: Peer, echo: Echo, now: int) -> None:
        renewal = self._outbox.renewals.get(echo.acked)
        if renewal is not None and echo.groups:
            self._voter.fallen.end(peer.tag)
            self._owner.acknowledged(peer.name, renewal, echo.groups, now)

    def _goodbye(self, peer: Peer, message: Message, now: int, *, votes: bool) -> None:
        if votes:
            self._voter.release_all(peer.tag, message.incarnation, now)
        if self._site.config.fencing:
            self._voter.fallen.confirm(peer.tag, message.incarnation, now)
        peer.leave()

    # Lease messages

    def _item(self, peer: Peer, message: Message, item: Item, now: int) -> None:
        self._voter.saw(item.ballot)
        match item:
            case Prepare() | Accept():
                self._vote(peer, message, item, now)
            case Motion():
                self._council.hear(peer, item, now)
            case Teach():
                pass  # counts whatever its sender runs
            case Promise() | Accepted() | Nack():
                lease = self._leases.get(item.group)
                if lease is not None and self._site.mine(item.ballot):
                    self._answered(peer, lease, item, now)
            case Release():
                if item.ballot.node == peer.tag and item.ballot.incarnation <= message.incarnation:
                    self._released(peer, item, now)

    def _vote(self, peer: Peer, message: Message, ask: Prepare | Accept, now: int) -> None:
        """Rules 8 and 9; only the ballot's owner may ask; who is silent or has no vote does not answer.

        Who is not in the document any more keeps what it has until it hands it over, and gets nothing new. Who has the
        only vote takes everything itself.
        """
        asker = ask.ballot.node == peer.tag and ask.ballot.incarnation == message.incarnation
        if not asker or self._voter.fallen.covers(ask.ballot) or self._site.silent(now):
            return
        if ask.released is not None:
            self._voter.saw(ask.released)
            self._saw_release(ask.group, ask.released)
        if not self._site.votes or self._site.alone or not self._site.listed(peer.name):
            return
        busy = self._owner.busy(ask.group, now)
        match ask:
            case Prepare():
                self._outbox.answer(peer.name, self._voter.prepare(ask, now, busy=busy))
            case Accept():
                self._outbox.answer(peer.name, self._voter.accept(ask, now, busy=busy))

    def _answered(self, peer: Peer, lease: Lease, answer: Promise | Accepted | Nack, now: int) -> None:
        self._voter.fallen.end(peer.tag)  # its vote counts again, so mine alone must not any more (hole 17)
        match answer:
            case Promise():
                self._proposer.promised(lease, peer.name, answer, now)
            case Accepted():
                self._proposer.accepted(lease, peer.name, answer, now)
            case Nack():
                self._proposer.refused(lease, peer.name, answer, now)

    def _released(self, peer: Peer, item: Release, now: int) -> None:
        """Rule 20 at the other end: its successor tries at once, the rest 6 s later."""
        cleared = self._voter.release(item.group, item.ballot, now)
        lease = self._leases.get(item.group)
        if lease is None:
            return
        news = lease.seen is None or item.ballot > lease.seen
        self._saw_release(item.group, item.ballot)
        if not news:
            return
        if peer.own.get(item.group) == item.ballot:
            del peer.own[item.group]
        if lease.holder == peer.name:
            lease.holder = None
        lease.invited = item.successor == self._site.tag
        lease.granted = self._granted(peer, item.grant) if lease.invited else None
        if cleared or lease.invited:
            lease.back_off = 0
        if item.successor:
            lease.free_since = now if lease.invited else now + self._site.timings.courtesy

    def _granted(self, peer: Peer, grant: Grant | None) -> Granted | None:
        """The vote that came with a hand-over to me, if it is for this life of mine and I know when I asked."""
        if grant is None or grant.session != self._site.session:
            return None
        if grant.ballot.incarnation != self._site.incarnation:
            return None
        asked = self._outbox.sent_at(grant.nonce)
        return Granted(peer.name, grant.ballot, asked) if asked is not None else None

    def _saw_release(self, group: int, ballot: Ballot) -> None:
        lease = self._leases.get(group)
        if lease is not None and (lease.seen is None or ballot > lease.seen):
            lease.seen = ballot
