"""Which groups to try for, keep, move and leave, and when (rules 15, 21 to 25)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from vedette.cluster import charter as charters
from vedette.cluster.config import STAGGER, CoreGroup, tag
from vedette.cluster.events import DrainServer, Maintenance, Move, Reason, Reconfigure, Standby, What
from vedette.cluster.fencing import Fencing
from vedette.cluster.leases import Lease
from vedette.cluster.messages import About, State
from vedette.cluster.outbox import Outbox
from vedette.cluster.owner import Owner
from vedette.cluster.peers import Peer
from vedette.cluster.placement import Placement
from vedette.cluster.preferences import Preferences
from vedette.cluster.proposer import Proposer
from vedette.cluster.quorum import Quorum
from vedette.cluster.ranking import Ranking
from vedette.cluster.site import Site
from vedette.cluster.voter import Voter
from vedette.kit.errors import UsageError
from vedette.spec.resolved import Failback


class Steering:
    """Looks at every group once a call. ``gate``, ``services``, ``connected``, ``listed``: see the events."""

    def __init__(
        self,
        *,
        site: Site,
        leases: dict[int, Lease],
        voter: Voter,
        owner: Owner,
        proposer: Proposer,
        placement: Placement,
        ranking: Ranking,
        preferences: Preferences,
        peers: Mapping[str, Peer],
        quorum: Quorum,
        fencing: Fencing,
    ) -> None:
        self._site, self._leases, self._voter = site, leases, voter
        self._owner, self._proposer, self._placement = owner, proposer, placement
        self._ranking, self._preferences = ranking, preferences
        self._peers, self._quorum, self._fencing = peers, quorum, fencing
        self.gate = self.services = self.connected = self.listed = True
        self.stopping = self._in_place = False
        self._noted: dict[str, object] = {}
        self._was_silent = site.silent(site.started)

    # What operators and reloads want

    def wish(self, event: Move | Standby | Maintenance | DrainServer, now: int) -> None:
        """Enter an operator's wish into the preferences, and say so when it changes anything."""
        value: int
        match event:
            case Move(group, to):
                about, name, value = About.PLACE, group, tag(to) if to is not None else 0
            case Standby(name, on):
                about, value = About.NODE, State.STANDBY if on else 0
            case Maintenance(name, of_group, on):
                about, value = About.GROUP if of_group else About.NODE, State.MAINTENANCE if on else 0
            case DrainServer(name, on):
                about, value = About.SERVER, State.MAINTENANCE if on else 0
        made = self._preferences.wish(
            about,
            name,
            value,
            origin=self._site.tag,
            author=event.author,
            reason=event.reason,
            now=now,
            lasts=event.lasts,
        )
        if made is not None:
            self._site.note(
                What.PREFERENCE_CHANGED,
                group=name if about in (About.PLACE, About.GROUP) else None,
                node=name if about is About.NODE else getattr(event, "to", None),
                detail=f"{event.author}: {event.reason}" + (f" ({name})" if about is About.SERVER else ""),
            )

    def reconfigure(self, event: Reconfigure, now: int) -> None:
        """Take over what needs no voter's consent; raises :class:`UsageError` for what cannot be done (rule 29)."""
        before = self._site.config
        if self._site.me not in {node.name for node in event.nodes}:
            raise UsageError(f"{self._site.me} cannot be removed from its own document while it runs")
        agreed = before.timings
        timings = replace(event.timings or agreed, interval=agreed.interval, dead_after=agreed.dead_after)
        config = replace(before, groups=event.groups, nodes=event.nodes, timings=timings)
        self._site.config = replace(config, voters=charters.named(config, map(tag, config.voters)))
        for group in self._site.config.groups:
            self._leases.setdefault(group.tag, Lease(group.name, group.tag))
        for lease in self._leases.values():
            if self._site.config.group(lease.name) is None and lease.attempt is not None:
                self._proposer.abandon(lease, now)

    def stop(self, now: int, *, in_place: bool) -> None:
        """Hand over what somebody ready can take; what nobody can take stays as it is."""
        self.stopping, self._in_place = True, self._in_place or in_place
        for lease in self._leases.values():
            if lease.own is None or in_place:
                self._proposer.abandon(lease, now)
                continue
            group = self._site.config.group(lease.name)
            if group is None or self._ranking.paused(group) or self.maintained:
                continue
            successor = self._placement.successor(group, now)
            if successor is not None:
                self._owner.give_up(lease, now, Reason.STOPPING, successor=successor)

    def leaving(self) -> bool:
        """Stopping, and nothing is owned or in the kernel any more: a goodbye may be said."""
        return (
            self.stopping
            and not self._in_place
            and not any(lease.own is not None or lease.releasing is not None for lease in self._leases.values())
        )

    def stopped(self, outbox: Outbox, now: int) -> bool:
        """The daemon may exit: nothing waits for the kernel, and the last words have been said often enough."""
        if not self.stopping or self._in_place:
            return self.stopping
        if any(lease.releasing is not None for lease in self._leases.values()):
            return False
        return outbox.settled or not any(peer.alive(now) for peer in self._peers.values())

    # Every call

    def expire(self, now: int) -> None:
        """What has ended while nobody called: leases first, before anything that is heard now can count for them."""
        self._owner.expire(now)
        for wish in self._preferences.expire(now):
            self._site.note(What.PREFERENCE_CHANGED, detail=f"its time is over: {wish.author}: {wish.reason}")
        for lease in self._leases.values():
            own = lease.own
            if own is not None and now >= own.kernel and own.resume_at is None:
                own.resume_at = now + 3 * STAGGER

    def pursue(self, now: int) -> None:
        """Look at every group: try, keep, move or leave."""
        if self._was_silent and not self._site.silent(now):
            self._was_silent = False
            self._site.note(What.SPEAKING)
        for lease in list(self._leases.values()):
            self._proposer.advance(lease, now)
            group = self._site.config.group(lease.name)
            if lease.own is not None:
                self._keep(lease, group, now)
            elif lease.releasing is None and group is not None:
                self._try(lease, group, now)
            self._note_acquired(lease, group, now)
            if group is None and lease.own is None and lease.releasing is None:
                del self._leases[lease.tag]
        self._voter.forget(frozenset(self._leases), now)

    def ready(self, now: int) -> bool:
        """Rule 22: could take a group now if it were asked to."""
        return (
            self._able
            and self._whole
            and not self._site.silent(now)
            and not self._voteless
            and self._ranking.may_hold_any(self._site.me)
            and self._quorum.heard(now)
        )

    def obstacle(self, lease: Lease, now: int) -> str:
        """Why this node does not try for the group now; empty when nothing stands against it."""
        return next(self._obstacles(lease, now), "")

    def _obstacles(self, lease: Lease, now: int) -> Iterator[str]:
        """The weightiest first; it is asked for every group in every call, so no more is looked at than must be."""
        group = self._site.config.group(lease.name)
        if group is None or not self._ranking.may_hold(group, self._site.me):
            yield "not placed here"
        if not self.listed:
            yield "this node is not in its document"
        if not self._able:
            yield "this node is stopping or not working"
        if self._voteless:
            yield f"{self._site.config.voters[0]} has the only vote"
        if self._site.foreign(now):
            yield "a voter that does not have this document yet holds something"
        if self._site.silent(now):
            yield "keeps silent after the start"
        if lease.releasing is not None:
            yield "being released"
        claims = [peer.name for peer in self._peers.values() if lease.tag in peer.own and peer.alive(now)]
        if claims:
            yield f"held by {', '.join(claims)}"
        record = self._voter.live(lease.tag, now)
        if record is not None and not self._site.mine(record.ballot):
            yield "the last holder's lease still runs"
        if self._site.config.fencing:
            yield from filter(None, (self._fencing.blocks(peer, now) for peer in self._peers.values()))
        if not self._quorum.heard(now):
            yield "no quorum"
        if not self._quorum.willing(now):
            yield "waiting for voters that keep silent after their start"

    def waits(self, lease: Lease, now: int) -> int:
        """How long (ns) until this node tries for a group that is free."""
        group = self._site.config.group(lease.name)
        return self._try_at(lease, group, now) - now if group is not None else 0

    @property
    def score(self) -> int:
        """What this node says of itself for the ranking."""
        return self._ranking.score

    def next_at(self, now: int) -> list[int]:
        """When something is due for a group although nothing has been heard."""
        grace = self._quorum.grace_ends
        times = [self._site.silent_until, self._site.elsewhere, grace, *self._preferences.next_at()]
        for lease in self._leases.values():
            times += self._times(lease, now)
        return times

    # Inside

    def _times(self, lease: Lease, now: int) -> Iterator[int]:
        yield lease.back_off
        group, record = self._site.config.group(lease.name), self._voter.live(lease.tag, now)
        if record is not None:
            yield record.deadline
        if lease.attempt is not None:
            yield self._proposer.next_at(lease.attempt)
        if lease.own is not None:
            yield self._owner.next_at(lease.own)
            if lease.own.resume_at is not None:
                yield lease.own.resume_at
            if group is not None:
                yield from self._placement.move_times(group, lease)
        elif group is not None and lease.free_since is not None:
            yield self._try_at(lease, group, now)

    @property
    def _able(self) -> bool:
        return self.gate and self.listed and not self.stopping

    @property
    def _whole(self) -> bool:
        """Everything works here that makes holding worth while; what is missing is a reason to let others go first."""
        return self.services and self.connected

    @property
    def _voteless(self) -> bool:
        """Somebody else has the only vote, and gives it to nobody."""
        return self._site.config.lone and not self._site.votes

    @property
    def maintained(self) -> bool:
        node = self._site.config.node(self._site.me)
        return (node is not None and node.maintenance) or self._preferences.maintained(self._site.me)

    def _try(self, lease: Lease, group: CoreGroup, now: int) -> None:
        """Rule 15."""
        if self.obstacle(lease, now):
            self._proposer.decline(lease, now)
            lease.free_since = self._kept_wait(lease, now)
            return
        if lease.free_since is None:
            lease.free_since = now
        if lease.attempt is None and now >= self._try_at(lease, group, now):
            self._begin(lease, now, reason=self._why(lease, group, now))

    def _begin(self, lease: Lease, now: int, *, reason: Reason) -> None:
        granted, lease.granted = lease.granted, None
        if granted is not None and self._proposer.usable(granted, now):
            self._proposer.begin_granted(lease, granted, now, reason=reason)
        else:
            self._proposer.begin(lease, now, reason=reason)

    def _kept_wait(self, lease: Lease, now: int) -> int | None:
        """A wait that lies ahead (a hand-over to somebody else) outlives an obstacle; a past one does not."""
        return lease.free_since if lease.free_since is not None and lease.free_since > now else None

    def _try_at(self, lease: Lease, group: CoreGroup, now: int) -> int:
        free_since = lease.free_since if lease.free_since is not None else now
        if not self._whole:  # better here, with less behind it, than nowhere: but only when nobody else came
            patience = max(free_since + self._site.timings.dead_after, self._quorum.grace_ends)
            return max(lease.back_off, patience)
        if lease.invited or not self._ranking.may_hold(group, self._site.me):
            return max(lease.back_off, free_since)
        return max(lease.back_off, free_since + self._placement.delay(group, now), self._placement.grace(group))

    def _why(self, lease: Lease, group: CoreGroup, now: int) -> Reason:
        holder = self._peers.get(lease.holder) if lease.holder is not None else None
        if self._site.alone:
            return Reason.ONLY_NODE
        if lease.invited:
            return Reason.HANDED_OVER
        if holder is not None and not holder.alive(now):
            return Reason.HOLDER_SILENT
        if group.preferred_nodes[:1] == (self._site.me,):
            return Reason.PREFERRED
        return Reason.FREE

    def _keep(self, lease: Lease, group: CoreGroup | None, now: int) -> None:
        own = lease.own
        assert own is not None
        if group is None:
            self._owner.give_up(lease, now, Reason.REMOVED)
            return
        if own.resume_at is not None and now >= own.resume_at:
            own.kernel, own.resume_at = now + self._site.timings.dead_after, None
        if self.stopping:
            return
        if own.adopted and lease.attempt is None and now >= lease.back_off and self._quorum.willing(now):
            self._proposer.begin(lease, now, reason=Reason.ADOPTED)
            return
        if not self.listed or not (self._ranking.paused(group) or self.maintained):
            self._move(lease, group, now)

    def _move(self, lease: Lease, group: CoreGroup, now: int) -> None:
        """Rules 23 and 24, and leaving when this is no place for it and somebody else is ready."""
        reason = self._unfit(group)
        if reason is not None:
            move = self._placement.leave(group, lease, now, reason)
        else:
            move = self._placement.move(group, lease, now)
        if move is not None:
            lease.moved = now
            self._owner.give_up(lease, now, move.reason, successor=move.successor)

    def _unfit(self, group: CoreGroup) -> Reason | None:
        me = self._site.config.node(self._site.me)
        if not self.listed:
            return Reason.REMOVED
        if (me is not None and me.standby) or self._preferences.standby(self._site.me):
            return Reason.STANDBY
        if not self._ranking.may_hold(group, self._site.me):
            return Reason.NOT_ALLOWED
        return None if self.gate and self.connected else Reason.CUT_OFF

    def _note_acquired(self, lease: Lease, group: CoreGroup | None, now: int) -> None:
        """Once for every lease that was won."""
        if lease.own is None:
            self._noted.pop(lease.name, None)
            return
        noted, self._noted[lease.name] = self._noted.get(lease.name), lease.own.ballot
        if noted == lease.own.ballot:
            return
        lease.holder, lease.back_off = self._site.me, 0
        if lease.own.reason is Reason.ADOPTED or noted is not None:
            return  # it was mine already
        if lease.invited:
            lease.own.reason, lease.invited, lease.moved = Reason.HANDED_OVER, False, now
        self._site.note(What.GROUP_ACQUIRED, lease.own.reason, group=lease.name)
        self._placement.failed(lease, now)
        if group is not None and self._fulfilled(group):
            self._preferences.wish(
                About.PLACE, group.name, 0, origin=self._site.tag, author="", reason="fulfilled", now=now
            )

    def _fulfilled(self, group: CoreGroup) -> bool:
        """A wish for a group that stays where it is has done its work once the group has come."""
        stays = not group.preferred_nodes or group.failback is Failback.MANUAL
        return stays and self._preferences.wanted_on(group.name) == self._site.tag
