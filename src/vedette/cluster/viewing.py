"""The core's knowledge as the values that status and the reconcilers read."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from vedette.cluster.config import MOST_SCORE, CoreConfig, tag
from vedette.cluster.council import Council
from vedette.cluster.detector import Detector
from vedette.cluster.events import FOREVER
from vedette.cluster.fencing import Fencing
from vedette.cluster.keyring import Keyring
from vedette.cluster.leases import Lease
from vedette.cluster.messages import About, State
from vedette.cluster.peers import Peer
from vedette.cluster.preferences import Preferences
from vedette.cluster.site import Site
from vedette.cluster.steering import Steering
from vedette.cluster.telling import Telling
from vedette.cluster.voter import Voter
from vedette.kit.units import about
from vedette.state.placement import ConfigView, KeysView, LeaseView, Liveness, NodeView, Order, OrderView, View


def view(
    *,
    site: Site,
    peers: Mapping[str, Peer],
    leases: Mapping[int, Lease],
    voter: Voter,
    detector: Detector,
    steering: Steering,
    telling: Telling,
    keyring: Keyring,
    preferences: Preferences,
    fencing: Fencing,
    council: Council,
    now: int,
) -> View:
    """Nodes in the document's order, groups too; last the nodes that are not in it and vote, or are still there."""
    names = {lease.tag: lease.name for lease in leases.values()}
    nodes = []
    for node in site.config.nodes:
        if node.name == site.me:
            nodes.append(_myself(site, steering, telling, keyring, now))
        else:
            other = _other(peers[node.name], detector, telling, keyring, names, site, now)
            nodes.append(replace(other, off=fencing.off(peers[node.name])))
    former = [peer for peer in peers.values() if not site.listed(peer.name)]
    parting = [peer for peer in former if peer.name in site.config.voters or peer.alive(now)]
    nodes += [_other(peer, detector, telling, keyring, names, site, now) for peer in parting]
    return View(
        me=site.me,
        now=now,
        quorum=detector.has_quorum,
        nodes=tuple(nodes),
        leases=tuple(_lease(lease, site, peers, voter, steering, now) for lease in leases.values()),
        keys=_keys(keyring, now),
        orders=tuple(_orders(preferences, site.config)),
        config=_config(site, council, telling, now),
    )


def _config(site: Site, council: Council, telling: Telling, now: int) -> ConfigView:
    pending = council.pending(now)
    return ConfigView(
        step=site.config.epoch,
        voters=site.config.voters,
        interval=site.timings.interval,
        dead_after=site.timings.dead_after,
        pending=pending,
        waits=council.obstacle(now, digest=site.document) if pending else "",
    )


def _orders(preferences: Preferences, config: CoreConfig) -> Iterator[OrderView]:
    """What operators have ordered about what the document has."""
    nodes, groups = config.node_tags(), {group.tag: group.name for group in config.groups}
    for wish, until in preferences.standing():
        if wish.kind is About.SERVER:
            yield OrderView(Order.SERVER_DRAIN, f"{wish.about:08x}", None, wish.author, wish.reason, until)
            continue
        about = (nodes if wish.kind is About.NODE else groups).get(wish.about)
        if about is None:
            continue
        match wish.kind:
            case About.PLACE:
                order = Order.MOVE
            case About.NODE:
                order = Order.STANDBY if wish.value == State.STANDBY else Order.NODE_MAINTENANCE
            case About.GROUP:
                order = Order.GROUP_MAINTENANCE
        to = nodes.get(wish.value) if wish.kind is About.PLACE else None
        yield OrderView(order, about, to, wish.author, wish.reason, until)


def _myself(site: Site, steering: Steering, telling: Telling, keyring: Keyring, now: int) -> NodeView:
    return NodeView(
        name=site.me,
        liveness=Liveness.UP,
        since=site.started,
        ready=steering.ready(now),
        holds=tuple(sorted(telling.kernel)),
        links=(),
        revision=telling.revision,
        digest=telling.digest,
        incarnation=site.incarnation,
        watchdog=telling.watchdog,
        ethernet=tuple(map(bytes.hex, telling.ethernet)),
        keys=tuple(map(bytes.hex, keyring.listed)),
        missing=MOST_SCORE - steering.score,
    )


def _keys(keyring: Keyring, now: int) -> KeysView:
    return KeysView(
        signs=keyring.signs.hex(),
        behind=tuple(keyring.missed_by(now)),
        retired={key.hex(): tuple(keyring.needed_by(key, now)) for key in keyring.retired},
    )


def _other(
    peer: Peer,
    detector: Detector,
    telling: Telling,
    keyring: Keyring,
    names: Mapping[int, str],
    site: Site,
    now: int,
) -> NodeView:
    liveness, since = detector.seen(peer.name)
    alive = peer.alive(now)
    same = peer.digest == site.document
    dead_after = site.timings.dead_after
    return NodeView(
        name=peer.name,
        liveness=liveness,
        since=since,
        ready=peer.usable(now),
        holds=tuple(sorted(names[group] for group in peer.holds if group in names)) if alive else (),
        links=tuple(sorted(link for link, heard in peer.links.items() if now - heard <= dead_after)),
        revision=peer.revision,
        digest=telling.digest if same else peer.digest.hex(),
        incarnation=peer.incarnation,
        keys=tuple(map(bytes.hex, keyring.listed_by(peer))),
        heard=dict(peer.links),
        watchdog=peer.watchdog,
        ethernet=tuple(map(bytes.hex, peer.ethernet)),
        missing=MOST_SCORE - peer.score,
        refused=peer.refused,
    )


def _lease(
    lease: Lease, site: Site, peers: Mapping[str, Peer], voter: Voter, steering: Steering, now: int
) -> LeaseView:
    own = lease.own
    if own is not None:
        until = 0 if own.end == FOREVER else own.end
        return LeaseView(lease.name, site.me, mine=True, until=until, reason=own.reason.value)
    claims = [peer for peer in peers.values() if peer.alive(now) and lease.tag in peer.own]
    record = voter.live(lease.tag, now)
    holder = max(claims, key=lambda peer: (peer.own[lease.tag], peer.name)).name if claims else None
    if holder is None and record is not None and not site.mine(record.ballot):
        holder = next((peer.name for peer in peers.values() if peer.tag == record.ballot.node), None)
    if holder is None and now < lease.back_off:
        holder = _said_to_hold(lease, peers)
    until = record.deadline if record is not None and holder is not None and record.ballot.node == tag(holder) else 0
    return LeaseView(lease.name, holder, mine=False, until=until, reason=_reason(lease, holder, peers, steering, now))


def _said_to_hold(lease: Lease, peers: Mapping[str, Peer]) -> str | None:
    """Whom a voter named when it refused us: a holder that we do not hear ourselves."""
    ballot = lease.refused_for
    return next((peer.name for peer in peers.values() if ballot is not None and peer.tag == ballot.node), None)


def _reason(lease: Lease, holder: str | None, peers: Mapping[str, Peer], steering: Steering, now: int) -> str:
    if lease.releasing is not None:
        return f"being released: {lease.releasing.reason.value}"
    if holder is not None:
        if peers[holder].alive(now):
            return f"held by {holder}"
        if now < lease.back_off and lease.refused_by is not None:
            return f"{lease.refused_by} says that {holder} holds it; not heard here"
        return f"{holder} is silent; its lease has not ended"
    obstacle = steering.obstacle(lease, now)
    if obstacle:
        return obstacle
    wait = steering.waits(lease, now)
    return f"tries in {about(wait)}" if wait > 0 else "trying"
