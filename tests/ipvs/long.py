"""A day in the life of real servers, on virtual time: they flap, people edit and drain, others meddle with the table,
the kernel refuses, the daemon restarts. What must hold is asserted after every pass, and in the end nothing is left.

``python -m tests.ipvs.long --hours 24 --seed 1`` runs a whole day in about a minute.
"""

import argparse
import errno
import gc
import logging
import pathlib
import tempfile
import time
import tracemalloc
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from random import Random

from tests.ipvs.documents import HTTP, WEB, document, service, verdicts
from tests.ipvs.fake import FakeTable

from vedette.ipvs.desired import destination_key
from vedette.ipvs.model import AddressKey, Destination, DestinationId, DestinationKey, ServiceKey, Settings
from vedette.ipvs.plan import Action
from vedette.ipvs.reconciler import Reconciler
from vedette.kit.units import HOUR, MILLISECOND, MINUTE, SECOND
from vedette.reconcile.plan import Create, Delete, Update
from vedette.spec.resolved import (
    ClusterSpec,
    Damping,
    Life,
    OnFailure,
    Quorum,
    RealServer,
    SorryPage,
    SorryServer,
    VirtualService,
)
from vedette.state.health import Advice, Health, Verdict, Verdicts

PAGE = SorryServer(page=SorryPage(503, "sorry"))
FOREIGN = AddressKey(WEB.protocol, ip_address("198.51.100.1"), 25)
POOL = tuple(RealServer(ip_address(f"10.0.0.{last}"), weight=last) for last in range(11, 19))
LIFE = Life(
    drain=40 * SECOND, slow_start=20 * SECOND, damping=Damping(3, MINUTE, 10 * MINUTE), quorum=Quorum(20, hysteresis=5)
)
PATIENCE = 3 * SECOND
"""How late a drain may end: a tick to notice, a tick to count, a refusal tried again."""


class Day:
    """The world and its mischief; everything comes from ``seed``."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = Random(seed)
        self.folder = folder
        self.now = 1000 * SECOND
        self.table = FakeTable()
        self.events = self.messages = 0
        self.digest = 0
        self.healths: dict[str, Health] = {}
        self.advice: dict[str, Advice] = {}
        self.spec = document(self._service(POOL))
        self.refused_until = 0
        self.idle_since: dict[DestinationKey, int] = {}
        self.table.refuse = self._refuse
        self.reconciler = self._daemon()
        self._tell()

    def _daemon(self) -> Reconciler:
        return Reconciler(run_dir=self.folder, driver=self.table, clock=lambda: self.now, jitter=lambda delay: delay)

    def _refuse(self, action: Action) -> int:
        """The kernel is out of memory for a while, for whatever gives."""
        gives = not isinstance(action, Delete) and self.now < self.refused_until
        return errno.ENOMEM if gives and self.random.random() < 0.3 else 0

    def _service(self, servers: tuple[RealServer, ...], **changes: object) -> VirtualService:
        fields: dict[str, object] = {"real_servers": servers, "life": LIFE, "sorry": PAGE}
        return service(**(fields | changes))

    def _verdicts(self, spec: ClusterSpec) -> Verdicts:
        found = verdicts(spec, self.healths)
        return {
            target: Verdict(item.health, item.since, item.reason, advice=self.advice.get(str(target.address)))
            for target, item in found.items()
        }

    def _tell(self, *, complete: bool = True) -> None:
        self.reconciler.update(self.spec, self._verdicts(self.spec), complete=complete)

    # One pass, without an event loop: it only ever yields to others

    def step(self) -> None:
        self.table.sent.clear()
        work = self.reconciler.reconcile()
        try:
            while True:
                work.send(None)
        except StopIteration:
            pass
        self.messages += len(self.table.sent)

    def run(self, duration: int, *, mischief: bool) -> None:
        end = self.now + duration
        while self.now < end:
            self.now += self.random.choice((200, 500, 500, 1000, 3000) if mischief else (1000, 9000)) * MILLISECOND
            if mischief and self.random.random() < 0.5:
                self.happen()
            self._connect()
            self.step()
            self.judge()

    def happen(self) -> None:
        self.events += 1
        kinds = (self._flap, self._flap, self._flap, self._advise, self._edit, self._drift, self._trouble)
        self.random.choice(kinds)()
        if self.random.random() < 0.02:
            self.reconciler = self._daemon()
            self._tell(complete=False)
            self.step()
        self._tell()

    def _flap(self) -> None:
        address = str(self.random.choice(POOL).address)
        self.healths[address] = self.random.choice((Health.UP, Health.UP, Health.DOWN, Health.UNKNOWN))

    def _advise(self) -> None:
        address = str(self.random.choice(POOL).address)
        self.advice[address] = Advice(self.random.randrange(0, 101), absolute=self.random.random() < 0.3)

    def _edit(self) -> None:
        """Another set of servers, some of them in maintenance; sometimes other settings."""
        servers = tuple(
            replace(server, maintenance=self.random.random() < 0.2) for server in POOL if self.random.random() < 0.8
        )
        changes: dict[str, object] = {
            "on_failure": self.random.choice(tuple(OnFailure)),
            "life": self.random.choice((LIFE, LIFE, Life(), replace(LIFE, damping=None), replace(LIFE, slow_start=0))),
            "sorry": self.random.choice((PAGE, PAGE, None)),
            "maintenance": self.random.random() < 0.05,
        }
        self.digest += 1
        services = [self._service(servers, **changes)]
        if self.random.random() < 0.3:
            services.append(self._service(POOL[:3], name="other", endpoints=(replace(HTTP, port=8080),)))
        self.spec = document(*services, digest=str(self.digest))

    def _drift(self) -> None:
        """Somebody else changes the table."""
        key = DestinationKey(self.random.choice(POOL).address, 80)
        there = self.table.table.get(WEB)
        foreign: ServiceKey = FOREIGN
        web: ServiceKey = WEB
        actions: list[Action] = [Create(foreign, Settings("rr"))]
        if there is not None and key in there.destinations:
            before = there.destinations[key]
            actions.append(
                self.random.choice(
                    (Delete(DestinationId(WEB, key), before), Update(DestinationId(WEB, key), before, Destination(3)))
                )
            )
        elif there is not None and self.random.random() < 0.3:
            actions.append(Delete(web, there.settings))
        self.table.edit(actions)

    def _trouble(self) -> None:
        self.refused_until = self.now + self.random.randrange(3 * SECOND)

    def _connect(self) -> None:
        """Connections come where there is weight, and end one after the other where there is none."""
        for service_ in self.table.table.values():
            for key, item in service_.destinations.items():
                count = self.table.busy.get(key, 0)
                change = self.random.randrange(-3, 4) if item.weight else -self.random.randrange(2)
                self.table.busy[key] = max(0, count + change)

    # What must hold

    def judge(self) -> None:
        self._watch_drains()
        if self.now < self.refused_until + 35 * SECOND:
            return  # what the kernel refused is tried again with growing delays
        for virtual in self.spec.virtual_services:
            for endpoint in virtual.endpoints:
                self._judge(virtual, AddressKey(endpoint.protocol, endpoint.address, endpoint.port))

    def _judge(self, virtual: VirtualService, key: AddressKey) -> None:
        destinations = self.table.table[key].destinations
        known = {destination_key(HTTP, item): item for item in virtual.real_servers}
        if key.port != HTTP.port:
            return
        able = [
            item
            for item in virtual.real_servers
            if not (item.maintenance or virtual.maintenance)
            and self.healths.get(str(item.address), Health.UP) is Health.UP
            and self._weight(item)
        ]
        capacity = sum(item.weight for item in destinations.values())
        assert capacity or not able, "servers are up, and none gets connections"
        for name, item in destinations.items():
            server = known.get(name)
            leaving = server is None or server.maintenance or virtual.maintenance
            if name.address == HTTP.address:
                continue
            assert not (leaving and item.weight), "a server that was taken out gets connections"
            assert server is None or item.weight <= max(server.weight, self._weight(server)), "more than its weight"
            since = self.idle_since.get(name, self.now)
            assert self.now - since <= 60 * SECOND + 4 * PATIENCE, "a drain has no end"

    def _watch_drains(self) -> None:
        """Since when each destination has been one that should go."""
        virtual = self.spec.virtual_services[0]
        wanted = {
            destination_key(HTTP, item)
            for item in virtual.real_servers
            if not (item.maintenance or virtual.maintenance)
        }
        there = self.table.table[WEB].destinations if WEB in self.table.table else {}
        going = [name for name in there if name not in wanted and name.address != HTTP.address]
        self.idle_since = {name: self.idle_since.get(name, self.now) for name in going}

    def _weight(self, server: RealServer) -> int:
        advice = self.advice.get(str(server.address))
        return server.weight if advice is None else advice.weigh(server.weight)

    def rest(self) -> tracemalloc.Snapshot:
        """Everything is well for an hour, and nothing may be left over; returns what memory is in use then."""
        self.healths, self.advice = {}, {}
        self.refused_until = 0
        self.spec = document(self._service(POOL), digest="rest")
        self._tell()
        self.run(HOUR, mischief=False)
        wanted = {destination_key(HTTP, item): Destination(item.weight) for item in POOL}
        assert self.table.table[WEB].destinations == wanted, "a weight or an entry is left over"
        assert set(self.table.table) <= {WEB, FOREIGN}, "a service is left over"
        assert self.reconciler.problems() == []
        (life,) = self.reconciler._lives._lives.values()
        assert [life.drains, life.ramps, life.penalties, life.away] == [{}, {}, {}, {}], "something is remembered"
        self.step()
        assert not self.table.sent, "there is still something to do"
        self.table.busy.clear()
        gc.collect()
        # pathlib interns names, and the interpreter's table of those grows in one big step some time.
        return tracemalloc.take_snapshot().filter_traces(
            [tracemalloc.Filter(False, pathlib.__file__), tracemalloc.Filter(False, tracemalloc.__file__)]
        )


def live(folder: Path, *, seed: int, duration: int) -> Day:
    """A first part, a rest, the second part, and a rest; memory must be as it was after the first rest (ns)."""
    tracemalloc.start()
    try:
        day = Day(folder, seed)
        first = min(HOUR, duration // 2)
        day.run(first, mischief=True)
        before = day.rest()
        day.run(duration - first, mischief=True)
        changes = day.rest().compare_to(before, "lineno")
        grown = sum(change.size_diff for change in changes)
        largest = "; ".join(map(str, changes[:5]))
        assert grown < 64 << 10, f"{grown} bytes more than after the first part: {largest}"
    finally:
        tracemalloc.stop()
    return day


def main() -> None:
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--seed", type=int, default=time.time_ns() // SECOND)
    parser.add_argument("--days", type=int, default=1, help="with as many seeds")
    args = parser.parse_args()
    for seed in range(args.seed, args.seed + args.days):
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            day = live(Path(folder), seed=seed, duration=args.hours * HOUR)
        print(
            f"seed {seed}: {args.hours} h, {day.events} events, {day.messages} messages to the kernel, nothing left "
            f"({time.monotonic() - began:.0f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
