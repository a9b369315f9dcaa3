"""The cluster core of one node, put together: events and the time in, one :class:`Ready` out.

A call goes through the same steps whatever the event was: leases that have ended are dropped first, then the event
is taken in, then everything that time alone may have made due is looked at. Nothing depends on a timer having fired.
"""

from vedette.cluster import boot, invariants, viewing, wire
from vedette.cluster import charter as charters
from vedette.cluster.choice import Choice
from vedette.cluster.config import CoreConfig, Random, tag
from vedette.cluster.council import Council
from vedette.cluster.detector import Detector
from vedette.cluster.events import (
    Datagram,
    DrainServer,
    Emptied,
    Ethernet,
    Event,
    FenceResult,
    ForceConfig,
    Gate,
    Listed,
    Maintenance,
    Move,
    Reach,
    Readiness,
    Ready,
    Reason,
    Reconfigure,
    Rekey,
    SpecRunning,
    Standby,
    Stop,
    Tick,
    WatchdogArmed,
    What,
)
from vedette.cluster.fencing import Fencing
from vedette.cluster.hearing import Hearing
from vedette.cluster.keyring import Keyring
from vedette.cluster.leases import Lease
from vedette.cluster.membership import Membership
from vedette.cluster.outbox import Outbox
from vedette.cluster.owner import Owner
from vedette.cluster.peers import Peer
from vedette.cluster.placement import Placement
from vedette.cluster.preferences import Preferences
from vedette.cluster.proposer import Proposer
from vedette.cluster.quorum import Quorum
from vedette.cluster.ranking import Ranking
from vedette.cluster.steering import Steering
from vedette.cluster.telling import Telling
from vedette.spec.resolved import Key
from vedette.state.placement import View


class Machine:
    """A node's part in the cluster. It does no I/O, reads no clock and keeps no timer.

    ``durable`` and ``volatile`` are the contents of the state files (/var/lib, /run) as the last ``Ready`` that
    carried them said, or ``None``; ``held`` are the groups that the kernel shows as held; ``keys`` are accepted,
    and the first that everyone heard accepts too signs. ``calendar`` rises with the wall clock, 0 = unknown (see
    :func:`vedette.kit.clock.calendar`). Every ``now`` is CLOCK_BOOTTIME in ns. Call :meth:`start`
    once, perform its ``Ready``, then :meth:`handle` for every event.

    A ``Ready`` must be performed as a whole. When its files cannot be written nothing of it may be done: hand it
    back with :meth:`not_performed`, and what must not get lost is in the next one.
    """

    def __init__(
        self,
        *,
        config: CoreConfig,
        me: str,
        keys: tuple[Key, ...],
        boot_id: str,
        durable: bytes | None,
        volatile: bytes | None,
        held: frozenset[str],
        now: int,
        random: Random,
        calendar: int = 0,
    ) -> None:
        found = boot.recall(
            config=config,
            me=me,
            boot_id=boot_id,
            durable=durable,
            volatile=volatile,
            now=now,
            calendar=calendar,
            random=random,
        )
        self._site, self._now = found.site, now
        self._last = Ready()
        self._rest: Ready | None = None
        self._own, self._held = found.own, held
        self._voter = found.voter
        self._preferences = Preferences(found.wishes, now)
        names = dict.fromkeys((*(node.name for node in config.nodes), *self._site.config.voters))
        self._peers = {name: Peer(name, tag(name)) for name in names if name != me}
        self._leases = {group.tag: Lease(group.name, group.tag) for group in config.groups}
        self._keyring = Keyring(self._site, keys, self._peers)
        self._build(charters.wanted(config), found.choice)

    def _build(self, wanted: charters.Wanted, choice: Choice) -> None:
        site, leases, voter, peers = self._site, self._leases, self._voter, self._peers
        self._quorum = Quorum(site, peers, voter.fallen)
        self._fencing = Fencing(site, peers, leases, voter.fallen)
        self._outbox = Outbox(dead_after=max(site.timings.dead_after, site.config.before))
        self._proposer = Proposer(site, voter, self._quorum, self._outbox)
        self._owner = Owner(site, leases, voter, self._quorum, self._outbox, self._proposer, peers)
        self._ranking = Ranking(site, peers, self._preferences)
        self._placement = Placement(site, peers, self._ranking)
        self._detector = Detector(site, peers, self._quorum)
        self._membership = Membership(site, peers, self._detector)
        self._council = Council(
            site=site,
            peers=peers,
            leases=leases,
            voter=voter,
            outbox=self._outbox,
            proposer=self._proposer,
            owner=self._owner,
            choice=choice,
            wanted=wanted,
        )
        self._telling = Telling(site, self._keyring, peers, self._preferences, self._outbox)
        self._steering = Steering(
            site=site,
            leases=leases,
            voter=voter,
            owner=self._owner,
            proposer=self._proposer,
            placement=self._placement,
            ranking=self._ranking,
            preferences=self._preferences,
            peers=peers,
            quorum=self._quorum,
            fencing=self._fencing,
        )
        self._hearing = Hearing(
            site=site,
            keyring=self._keyring,
            peers=peers,
            leases=leases,
            voter=voter,
            owner=self._owner,
            proposer=self._proposer,
            placement=self._placement,
            ranking=self._ranking,
            preferences=self._preferences,
            outbox=self._outbox,
            council=self._council,
        )

    # The shell's side

    def start(self, now: int) -> Ready:
        """Begin: what may be adopted is, what may not is released, and the first heartbeat goes out."""
        self._voter.changed = self._council.changed = True
        self._site.note(What.STARTED, detail=f"incarnation {self._site.incarnation}")
        self._telling.kernel |= self._held
        self._owner.adopt(self._own, self._held, now)
        unknown = self._held - {lease.name for lease in self._leases.values()}
        self._owner.release += sorted(unknown)
        return self._finish(max(now, self._now))

    def handle(self, event: Event, now: int) -> Ready:
        """Take in one event at ``now``, which was read after the event came."""
        now = max(now, self._now)
        if isinstance(event, Datagram) and now < self._last.wake_at:
            if not self._hearing.datagram(event.link, event.data, now):
                return self._unchanged()  # a flood of forgeries or copies costs no more than looking at each
            return self._finish(now)
        self._steering.expire(now)
        self._take(event, now)
        return self._finish(now)

    def not_performed(self, ready: Ready) -> None:
        """The files could not be written, so nothing of ``ready`` was done; the network may lose what it would send."""
        self._voter.changed = True
        self._preferences.changed = self._preferences.changed or ready.durable is not None
        self._council.changed = self._council.changed or ready.binding
        self._owner.release = list(dict.fromkeys((*ready.release, *self._owner.release)))
        self._last, self._rest = Ready(), None

    def view(self, now: int) -> View:
        """What this node knows, for status and for the reconcilers."""
        return viewing.view(
            site=self._site,
            peers=self._peers,
            leases=self._leases,
            voter=self._voter,
            detector=self._detector,
            steering=self._steering,
            telling=self._telling,
            keyring=self._keyring,
            preferences=self._preferences,
            fencing=self._fencing,
            council=self._council,
            now=now,
        )

    def last_life(self, node: str) -> int:
        """The latest incarnation of another node that was alive in this boot of this machine; 0 when none was."""
        return self._voter.fallen.seen.get(tag(node), 0)

    @property
    def refused(self) -> dict[str, int]:
        """Datagrams that did not count, by reason."""
        return {reason.value: count for reason, count in sorted(self._hearing.refused.items(), key=_by_value)}

    @property
    def refused_on(self) -> dict[str, int]:
        """Datagrams that did not count, by the link on which they came."""
        return dict(self._hearing.refused_on)

    @property
    def parting(self) -> frozenset[str]:
        """Nodes that are not in the document any more, and count until they hold nothing."""
        return self._membership.parting

    @property
    def config(self) -> CoreConfig:
        """What this machine keeps to."""
        return self._site.config

    # Inside

    def _take(self, event: Event, now: int) -> None:
        match event:
            case Datagram(link, data):
                self._hearing.datagram(link, data, now)
            case Tick():
                pass
            case FenceResult():
                self._fencing.result(event, now)
            case Emptied(group):
                self._emptied(group, now)
            case Gate(working):
                self._steering.gate = working
            case Readiness(services, connected):
                self._steering.services, self._steering.connected = services, connected
            case Reach(missing):
                self._ranking.reaches(missing, now)
            case SpecRunning(revision, digest):
                self._telling.running(revision, digest)
            case Move() | Standby() | Maintenance() | DrainServer():
                self._steering.wish(event, now)
            case Reconfigure():
                self._steering.reconfigure(event, now)
                self._wish_for(event)
                self._membership.change(now)
            case Listed(listed):
                self._steering.listed = listed
            case ForceConfig(author):
                self._council.force(author, now)
            case Rekey(keys):
                self._keyring.change(keys, now)
            case WatchdogArmed(timeout):
                self._telling.watchdog = timeout or 0
            case Ethernet(macs):
                self._telling.ethernet = macs[: wire.MOST_INTERFACES]
            case Stop(in_place):
                self._steering.stop(now, in_place=in_place)

    def _wish_for(self, event: Reconfigure) -> None:
        """What the document says that voters must agree on."""
        wanted = self._council.wanted
        timings = event.timings
        self._council.wanted = charters.Wanted(
            voters=tuple(sorted(event.voters)) if event.voters is not None else wanted.voters,
            interval=timings.interval if timings is not None else wanted.interval,
            dead_after=timings.dead_after if timings is not None else wanted.dead_after,
            rule=event.rule if event.rule is not None else wanted.rule,
        )

    def _emptied(self, group: str, now: int) -> None:
        lease = self._leases.get(tag(group))
        if lease is None or lease.own is None:
            self._telling.kernel.discard(group)
        if lease is not None:
            self._owner.emptied(lease, now)

    def _finish(self, now: int) -> Ready:
        """What time alone makes due, and what the shell must do about all of it."""
        self._now = now
        self._membership.part(now)
        risen = self._detector.look(now)
        self._keyring.forget(now)
        self._council.look(now, digest=self._site.document, stopping=self._steering.stopping)
        self._steering.pursue(now)
        self._telling.kernel |= {lease.name for lease in self._leases.values() if lease.own is not None}
        if self._steering.leaving():
            self._voter.fallen.clear()
        fence = self._fencing.wanted(now, idle=self._steering.stopping or self._steering.maintained)
        saying = self._telling.speak(now, self._steering, self._owner, risen=risen)
        hold = {lease.name: lease.own.kernel for lease in self._leases.values() if lease.own is not None}
        binding = self._council.changed
        durable, volatile = boot.persist(self._site, self._voter, self._preferences, self._leases, self._council, now)
        release, self._owner.release = tuple(self._owner.release), []
        log, self._site.log = tuple(self._site.log), []
        ready = Ready(
            durable=durable,
            binding=binding,
            volatile=volatile,
            release=release,
            send=saying,
            hold=hold,
            fence=fence,
            wake_at=self._wake_at(now),
            events=log,
            stopped=self._steering.stopped(self._outbox, now),
        )
        invariants.check(self._site, self._leases.values(), self._voter, ready, now)
        self._last, self._rest = ready, None
        return ready

    def _unchanged(self) -> Ready:
        if self._rest is None:
            last = self._last
            self._rest = Ready(
                hold=last.hold, fence=last.fence, wake_at=last.wake_at, unchanged=True, stopped=last.stopped
            )
        return self._rest

    def _wake_at(self, now: int) -> int:
        """The earliest time at which anything is due; whatever is due already has just been looked at."""
        times = [
            *self._detector.next_at(now),
            *self._steering.next_at(now),
            *self._telling.next_at(),
            *self._fencing.next_at(now),
            *self._council.next_at(),
        ]
        return min([time for time in times if time > now], default=now + self._site.timings.interval)


def _by_value(entry: tuple[Reason, int]) -> str:
    return entry[0].value
