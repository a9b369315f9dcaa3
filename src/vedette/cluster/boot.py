"""Remembering: what the state files and the kernel say at a start becomes a core's first state (rules 12 and 14)."""

from dataclasses import dataclass, replace

from vedette.cluster import charter as charters
from vedette.cluster import storage
from vedette.cluster.choice import Choice
from vedette.cluster.config import CoreConfig, Random
from vedette.cluster.council import Council
from vedette.cluster.events import Reason, What
from vedette.cluster.fallen import Fallen
from vedette.cluster.leases import Lease
from vedette.cluster.messages import Wish
from vedette.cluster.preferences import Preferences
from vedette.cluster.site import Site
from vedette.cluster.storage import Durable, Owned, Volatile
from vedette.cluster.voter import Voter
from vedette.kit.errors import UsageError


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a start found."""

    site: Site
    voter: Voter
    own: dict[int, Owned]
    wishes: tuple[Wish, ...]
    choice: Choice


def recall(
    *,
    config: CoreConfig,
    me: str,
    boot_id: str,
    durable: bytes | None,
    volatile: bytes | None,
    now: int,
    calendar: int,
    random: Random,
) -> Recalled:
    """Read the state files; raises :class:`UsageError` when the document does not know this node.

    The incarnation is taken above the last one and from ``calendar``, which rises with the wall clock: a disk that was
    rolled back must not bring an incarnation again, with the old ballots (docs/design/lease-model.md).
    """
    if config.node(me) is None:
        raise UsageError(f"the document has no node {me}; it has {', '.join(node.name for node in config.nodes)}")
    lasting = storage.load_durable(durable) if durable is not None else None
    if lasting is not None and lasting.name != me:
        lasting = None
    passing = storage.load_volatile(volatile) if volatile is not None else None
    same_boot = passing if passing is not None and passing.boot_id == boot_id else None
    incarnations = [state.incarnation for state in (lasting, same_boot) if state is not None]
    choice = _choice(config, lasting)
    config = _chartered(config, lasting)
    site = Site(
        me=me,
        incarnation=max(max(incarnations, default=0) + 1, calendar),
        session=random.getrandbits(64),
        boot_id=boot_id,
        started=now,
        silent_until=_silent_until(config, lasting, same_boot, boot_id, now),
        config=config,
        random=random,
        founded=choice.firm,
        solo=choice.solo,
    )
    for data, state, name in ((durable, lasting, "durable"), (volatile, passing, "run-time")):
        if data is not None and state is None:
            site.note(What.STATE_LOST, Reason.UNREADABLE, detail=f"{name} state")
    voter = Voter(
        dead_after=config.timings.dead_after,
        votes=same_boot.votes if same_boot is not None else {},
        highest=same_boot.highest if same_boot is not None else 0,
        fallen=Fallen(same_boot.dead, same_boot.seen) if same_boot is not None else Fallen({}, {}),
    )
    return Recalled(
        site=site,
        voter=voter,
        own=same_boot.own if same_boot is not None else {},
        wishes=_wishes(lasting, boot_id, now) if lasting is not None else (),
        choice=choice,
    )


def _wishes(lasting: Durable, boot_id: str, now: int) -> tuple[Wish, ...]:
    """The stored wishes as of now; how long a machine was off is not known, so no time has passed in another boot."""
    passed = max(0, now - lasting.written) if lasting.boot_id == boot_id else 0
    return tuple(
        replace(wish, remaining=max(wish.remaining - passed, 1)) if wish.remaining else wish for wish in lasting.wishes
    )


def _chartered(config: CoreConfig, lasting: Durable | None) -> CoreConfig:
    """The document under the charter that was agreed on last: a file alone changes no voter, a restart neither."""
    if not _bound(config, lasting):
        return Choice().restrain(config)
    assert lasting is not None
    assert lasting.charter is not None
    agreed = charters.apply(config, lasting.charter, known=lasting.voters)
    return _choice(config, lasting).restrain(agreed)


def _bound(config: CoreConfig, lasting: Durable | None) -> bool:
    """Whether this node has run a charter of this cluster together with others, or has given its word under it."""
    if lasting is None or lasting.charter is None or lasting.cluster != config.cluster_id.hex():
        return False
    return _stored(lasting).binds


def _choice(config: CoreConfig, lasting: Durable | None) -> Choice:
    if not _bound(config, lasting):
        return Choice()
    assert lasting is not None
    return _stored(lasting)


def _stored(lasting: Durable) -> Choice:
    return Choice(lasting.promised, lasting.accepted, lasting.firm, lasting.settled, lasting.met, lasting.solo)


def _silent_until(
    config: CoreConfig, lasting: Durable | None, same_boot: Volatile | None, boot_id: str, now: int
) -> int:
    """Rule 12: a voter that may have forgotten a record keeps silent for as long as the record could live.

    The first start of a boot counts from the boot itself. A start that finds a durable state of this boot but no
    run-time state has lost it; one that finds neither cannot tell.
    """
    if same_boot is not None:
        return same_boot.silent_until
    silence = max(config.timings.silence, config.before)  # what was forgotten may be of the charter before
    if lasting is not None and lasting.boot_id != boot_id:
        return silence
    return now + silence


def persist(
    site: Site, voter: Voter, preferences: Preferences, leases: dict[int, Lease], council: Council, now: int
) -> tuple[bytes | None, bytes | None]:
    """The contents of the durable and the run-time state file, or ``None`` for what has not changed."""
    durable = volatile = None
    if preferences.changed or council.changed:
        preferences.changed = council.changed = False
        durable = storage.dump_durable(
            Durable(
                name=site.me,
                incarnation=site.incarnation,
                boot_id=site.boot_id,
                config=site.config.id.hex(),
                wishes=preferences.table(now).entries,
                written=now,
                charter=charters.of(site.config),
                voters=site.config.voters,
                cluster=site.config.cluster_id.hex(),
                firm=council.choice.firm,
                settled=council.choice.settled,
                met=council.choice.met,
                solo=council.choice.solo,
                promised=council.choice.promised,
                accepted=council.choice.accepted,
            )
        )
    if voter.changed or voter.fallen.changed:
        voter.changed = voter.fallen.changed = False
        own = {lease.tag: Owned(lease.own.ballot, lease.own.end) for lease in leases.values() if lease.own is not None}
        volatile = storage.dump_volatile(
            Volatile(
                boot_id=site.boot_id,
                incarnation=site.incarnation,
                highest=voter.highest,
                silent_until=site.silent_until,
                votes=voter.votes,
                own=own,
                dead=voter.fallen.dead,
                seen=voter.fallen.seen,
            )
        )
    return durable, volatile
