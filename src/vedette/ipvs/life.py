"""How the real servers of one endpoint come and go: from what the checks and people say to weights.

A machine without clock and kernel: ``now``, what the table held before, and how many connections the kernel counts
come in; weights, and the next instant at which time alone changes them, come out.

=========================  ====================================================================================
a server is                its destination
=========================  ====================================================================================
up                         has its weight: the document's, or what a check makes of it; after a recovery it grows
down                       ``onFailure: remove``: none; ``quiesce``: weight 0
undecided                  stays as it was, with the document's weight or, where its checks measure one, the
                           table's; none before the first verdict
up, but held (damping)     none, or weight 0 if it is there; unless nothing else is up
taken out by a person      weight 0 until its connections are gone or ``drain.timeout`` is over, then none
=========================  ====================================================================================

A person takes a server out by deleting it from the document, by ``maintenance: true``, or by an order. While it drains
its checks do not matter: a program that finishes its work often refuses new connections.

*Quorum* is lost when the weights of all that are up are too little; then the sorry server takes all new connections,
and the servers that are left keep those that they have.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from vedette.ipvs import damping
from vedette.ipvs.damping import Penalty
from vedette.ipvs.model import Destination, DestinationKey, Method
from vedette.ipvs.ramp import next_step, ramp
from vedette.ipvs.records import Away, Candidate, Drain, Memory, Note, Result, Turn
from vedette.kit.units import SECOND
from vedette.spec.resolved import Life as Rules
from vedette.spec.resolved import OnFailure, Quorum
from vedette.state.health import Health

ANY = Quorum(1)
"""What holds where the document names no quorum: one server that is up is enough."""

_Destinations = Mapping[DestinationKey, Destination]


class Life:
    """The servers behind one endpoint. Everything that it keeps is about something that is under way.

    ``changed`` is set by whatever :attr:`memory` must be stored for.
    """

    def __init__(self, memory: Memory | None = None) -> None:
        memory = memory or Memory()
        self.drains = dict(memory.drains)
        self.ramps = dict(memory.ramps)
        self.penalties = dict(memory.penalties)
        self.lost = memory.lost
        self.capacity = 0
        self.changed = False
        self.away: dict[DestinationKey, Away] = {}
        """Servers of the document that were not in service at the last step."""
        self.settled = False
        """Whether every server has been decided on once: whoever comes up later has recovered, or is new."""

    @property
    def memory(self) -> Memory:
        return Memory(dict(self.drains), dict(self.ramps), dict(self.penalties), self.lost)

    @property
    def idle(self) -> bool:
        """Whether there is nothing that a restart could forget."""
        return not (self.drains or self.ramps or self.penalties or self.lost is not None)

    def concerned(self) -> list[DestinationKey]:
        """The destinations with which something is under way."""
        out = (key for key, away in self.away.items() if away is Away.OUT)
        return list(dict.fromkeys((*self.drains, *self.ramps, *self.penalties, *out)))

    def step(
        self,
        candidates: Iterable[Candidate],
        before: _Destinations,
        *,
        rules: Rules,
        on_failure: OnFailure,
        now: int,
        others: Iterable[DestinationKey] = (),
        connections: Mapping[DestinationKey, int] | None = None,
        has_sorry: bool = False,
        standing_in: bool = False,
        unresolved: bool = False,
        waiting: bool = True,
    ) -> Result:
        """Look at everything again.

        ``before``: the destinations as they were left; ``others``: those of them that the document neither names nor
        drains. ``connections``: what the kernel counted since the last step; a destination without a number was not
        counted. ``has_sorry``: there is a sorry server to take over; ``standing_in``: it is there now.
        ``unresolved``: not all servers of the document are known yet, so nothing that is there is taken for removed.
        ``waiting``: undecided servers may have their first verdict any moment; otherwise they had their time.
        """
        result = Result()
        turn = _Step(self, before, rules, on_failure, now, connections or {}, result)
        for candidate in candidates:
            turn.place(candidate)
        known = turn.seen.union(others)
        for key in before:
            if key not in known:
                result.leaving.append(key)
                if unresolved:
                    turn.keep(key)
                else:
                    turn.drain(key)
        result.leaving = [key for key in result.leaving if key in result.weights]
        turn.decide(has_sorry=has_sorry, standing_in=standing_in, waiting=waiting)
        turn.forget()
        return result

    def leave(
        self,
        before: _Destinations,
        *,
        rules: Rules,
        now: int,
        connections: Mapping[DestinationKey, int] | None = None,
    ) -> Result:
        """The endpoint itself has left the document: all its servers drain.

        The page of the director itself goes at once, and no quorum is looked at any more.
        """
        result = Result()
        turn = _Step(self, before, rules, OnFailure.REMOVE, now, connections or {}, result)
        for key, destination in before.items():
            if destination.method is not Method.LOCAL:
                turn.drain(key)
        result.leaving = list(result.weights)
        turn.forget()
        return result

    # What a step changes; every change of what a restart needs goes through one of these

    def remember(self, key: DestinationKey, item: Drain | Penalty | int) -> None:
        """Keep a drain, a penalty, or (an instant) the beginning of a slow start."""
        match item:
            case Drain():
                self.drains[key] = item
            case Penalty():
                self.penalties[key] = item
            case _:
                self.ramps[key] = item
        self.changed = True

    def drop(self, records: dict[DestinationKey, Drain] | dict[DestinationKey, int], key: DestinationKey) -> bool:
        """Forget a record; whether there was one."""
        if not records or records.pop(key, None) is None:
            return False
        self.changed = True
        return True


class _Step:
    """One step: candidates are placed one after the other, and then looked at together."""

    def __init__(
        self,
        life: Life,
        before: _Destinations,
        rules: Rules,
        on_failure: OnFailure,
        now: int,
        connections: Mapping[DestinationKey, int],
        result: Result,
    ) -> None:
        self._life, self._before, self._rules, self._on_failure = life, before, rules, on_failure
        self._now, self._connections, self._result = now, connections, result
        self._serving: list[tuple[DestinationKey, int]] = []
        self._fresh: set[DestinationKey] = set()
        self._held: dict[DestinationKey, int] = {}
        self._kept: set[DestinationKey] = set()
        """Those that have the weight of the table for now."""
        self.seen: set[DestinationKey] = set()
        """Servers of the document."""
        self._undecided = 0

    def place(self, candidate: Candidate) -> None:
        """Find what one server is, by itself."""
        key, life = candidate.key, self._life
        self.seen.add(key)
        if candidate.out:
            life.away[key] = Away.OUT
            self.drain(key)
            return
        cancelled = life.drains.get(key) if life.drains else None
        if cancelled is not None:
            life.drop(life.drains, key)
        weight = candidate.weight if candidate.advice is None else candidate.advice.weigh(candidate.weight)
        match candidate.health:
            case Health.UP:
                self._up(key, weight, back=cancelled is not None)
            case Health.DOWN:
                self._down(key)
            case Health.UNKNOWN:
                self._unknown(candidate, back=cancelled is not None and cancelled.served)

    def keep(self, key: DestinationKey) -> None:
        """A destination that the document may still have stays as it is."""
        self._serve(key, self._before[key].weight)

    def drain(self, key: DestinationKey) -> None:
        """No new connections; and no destination any more when those that are open are gone or time is up."""
        life, there = self._life, self._before.get(key)
        life.drop(life.ramps, key)
        if there is None:
            life.drop(life.drains, key)
            return
        record = life.drains.get(key)
        if record is None:
            record = Drain(self._now, served=there.weight > 0)
            life.remember(key, record)
        elif not record.over:
            record = self._count(key, record, there)
        if record.over:
            self._result.wake(self._now + SECOND)  # to forget it when it has gone
        else:
            self._result.weights[key] = 0
            self._result.wake(record.since + self._rules.drain)

    def _count(self, key: DestinationKey, record: Drain, there: Destination) -> Drain:
        """Time and connections count from the moment at which the kernel has weight 0."""
        if there.weight:
            record = replace(record, since=self._now)
            self._life.remember(key, record)
            return record
        left = self._connections.get(key)
        elapsed = self._now - record.since
        if left != 0 and elapsed < self._rules.drain:
            if left is not None and left != record.left:
                record = replace(record, left=left)
                self._life.drains[key] = record  # the next count finds it again: no reason to store it
            return record
        record = replace(record, left=left if left is not None else record.left, over=True)
        self._life.remember(key, record)
        detail = "its connections are gone" if left == 0 else f"time is up, {record.left or 0} connections are left"
        self._result.notes.append(Note(Turn.DRAINED, key, detail))
        return record

    def _up(self, key: DestinationKey, weight: int, *, back: bool) -> None:
        """``back``: it was draining, and never gone."""
        life = self._life
        penalty = self._review(key)
        if penalty is not None and penalty.held:
            self._held[key] = weight
            return
        away = life.away.pop(key, None) if life.away else None
        if away is Away.HELD:
            self._result.notes.append(Note(Turn.RELEASED, key, "it has not fallen for long enough"))
        if self._rules.slow_start and not back and (away is not None or key not in self._before):
            self._fresh.add(key)
        self._serve(key, weight)

    def _serve(self, key: DestinationKey, weight: int) -> None:
        self._serving.append((key, weight))
        self._result.weights[key] = weight

    def _down(self, key: DestinationKey) -> None:
        life = self._life
        was = life.away.get(key)
        if self._rules.damping is not None and (was is Away.HELD or (was is None and key in self._before)):
            before = life.penalties.get(key)
            penalty = damping.fall(before, self._rules.damping, self._now)
            life.remember(key, penalty)
            if penalty.held and (before is None or not before.held):
                held = (penalty.release(self._rules.damping) - self._now) // SECOND
                self._result.notes.append(Note(Turn.HELD, key, f"it falls too often: held out for {held} s"))
        self._review(key)
        life.away[key] = Away.DOWN
        life.drop(life.ramps, key)
        if self._on_failure is OnFailure.QUIESCE:
            self._result.weights[key] = 0

    def _unknown(self, candidate: Candidate, *, back: bool) -> None:
        """It stays as it was; a weight that its checks had given it goes on until they say another."""
        key, weight = candidate.key, candidate.weight
        life, there = self._life, self._before.get(key)
        self._undecided += weight
        self._review(key)
        if there is not None and (there.weight or back):
            life.away.pop(key, None)
            if candidate.measured and there.weight:
                self._kept.add(key)
                self._serve(key, there.weight)
            else:
                self._serve(key, weight)
            self._undecided -= weight
            return
        life.away.setdefault(key, Away.UNDECIDED)
        if there is not None:
            self._result.weights[key] = 0

    def _review(self, key: DestinationKey) -> Penalty | None:
        """What is left of the penalty of a server, if it ever had one."""
        life, rules = self._life, self._rules.damping
        penalty = life.penalties.get(key) if life.penalties else None
        if penalty is None:
            return None
        kept = damping.review(penalty, rules, self._now) if rules is not None else None
        if kept is None:
            del life.penalties[key]
            life.changed = True
        elif kept is not penalty:
            life.remember(key, kept)
        if kept is not None and rules is not None:
            self._result.wake(kept.release(rules) if kept.held else kept.end(rules))
        return kept

    # All of them together

    def decide(self, *, has_sorry: bool, standing_in: bool, waiting: bool) -> None:
        """Who serves, given all of them."""
        life, result = self._life, self._result
        self._hold()
        life.capacity = sum(weight for _, weight in self._serving)
        self._weigh_quorum(self._rules.quorum or ANY, expected=self._undecided if waiting else 0)
        result.sorry = has_sorry and (bool(life.lost) or (life.lost is None and standing_in and not life.capacity))
        if result.sorry:
            self._step_aside()
        elif self._fresh or life.ramps:
            settled = life.settled
            for key, weight in self._serving:
                if key not in self._kept:
                    result.weights[key] = self._ramp(key, weight, begins=settled and key in self._fresh)
        if self.seen and (not self._undecided or (life.capacity and not waiting)):
            life.settled = True

    def _step_aside(self) -> None:
        """The sorry server takes the new connections; those that are open stay with the servers that are left."""
        for key, _ in self._serving:
            if key in self._before:
                self._result.weights[key] = 0
            else:
                del self._result.weights[key]
            if key in self._fresh:
                self._life.away[key] = Away.ASIDE

    def _hold(self) -> None:
        """Servers that fall too often stay out, unless there is nobody else."""
        if not self._held:
            return
        if not any(weight for _, weight in self._serving):
            for key, weight in self._held.items():
                self._life.away.pop(key, None)
                self._serve(key, weight)
            return
        for key in self._held:
            self._life.away[key] = Away.HELD
            if key in self._before:
                self._result.weights[key] = 0

    def _weigh_quorum(self, quorum: Quorum, *, expected: int) -> None:
        """keepalived's rule: lost below weight - hysteresis, gained from weight + hysteresis on.

        ``expected``: weight that first verdicts may still bring.
        """
        life = self._life
        least = quorum.weight if life.lost is None else quorum.weight - quorum.hysteresis
        enough = quorum.weight + (quorum.hysteresis if life.lost else 0)
        if not life.lost and life.capacity + expected < least:
            self._turn_quorum(lost=True, quorum=quorum)
        elif life.lost is not False and life.capacity >= enough:
            self._turn_quorum(lost=False, quorum=quorum)

    def _turn_quorum(self, *, lost: bool, quorum: Quorum) -> None:
        life = self._life
        news = lost or life.lost is not None
        life.lost, life.changed = lost, True
        if news:
            detail = f"weight {life.capacity} of {quorum.weight} is up"
            turn = Turn.QUORUM_LOST if lost else Turn.QUORUM_GAINED
            self._result.notes.append(Note(turn, None, detail))

    def _ramp(self, key: DestinationKey, weight: int, *, begins: bool) -> int:
        life, duration = self._life, self._rules.slow_start
        if begins and duration and weight:
            life.remember(key, self._now)
        since = life.ramps.get(key) if life.ramps else None
        if since is None:
            return weight
        elapsed = self._now - since
        following = next_step(weight, elapsed, duration)
        if following is None:
            life.drop(life.ramps, key)
            return weight
        self._result.wake(since + following)
        return ramp(weight, elapsed, duration)

    def forget(self) -> None:
        """Keep nothing about servers that neither the document nor the table has."""
        life = self._life
        for key in [key for key in life.away if key not in self.seen]:
            del life.away[key]
        for key in [key for key in life.drains if key not in self._before]:
            life.drop(life.drains, key)
        if life.ramps:
            serving = {key for key, _ in self._serving}
            for key in [key for key in life.ramps if key not in serving]:
                life.drop(life.ramps, key)
        for key in [key for key in life.penalties if key not in self.seen]:
            del life.penalties[key]
            life.changed = True
