"""What a director makes of its checkers' and its kernel's words together."""

import asyncio
import errno
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast

from tests.ipvs.documents import CHECK, SERVERS, WEB, at, document, service
from tests.ipvs.fake import FakeTable

from vedette.daemon.balancing import Balancing
from vedette.daemon.keeper_link import KeeperLink
from vedette.health.lanes import Checkers
from vedette.ipvs.drivers import NoScreen
from vedette.ipvs.model import Destination, DestinationKey, MarkKey, Service, Settings
from vedette.ipvs.plan import Action
from vedette.reconcile.plan import Create
from vedette.spec.resolved import ClusterSpec, Forwarding, Node, Role, Via, VirtualService
from vedette.state.health import UNKNOWN, Health, Target, Verdict, Verdicts, guess
from vedette.state.placement import LeaseView, View

BEHIND = service(name="behind", forwarding=Forwarding.DIRECT_ROUTING, checks=(replace(CHECK, via=Via.SERVICE),))


class ToldCheckers:
    """Checkers whose verdicts the test says."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self.verdicts: dict[Target, Verdict] = {}
        self.guesses: Verdicts = {}

    def set_targets(self, targets: Iterable[Target], known: Verdicts | None = None) -> None:
        self.verdicts = {target: self.verdicts.get(target, UNKNOWN) for target in targets}

    @property
    def complete(self) -> bool:
        return UNKNOWN not in self.verdicts.values()

    def say(self, default: Health = Health.UP, **healths: Health) -> None:
        """``s12=Health.DOWN``: of 10.0.0.12."""
        for target in self.verdicts:
            server = target.address if target.behind is None else target.behind.server
            health = healths.get(f"s{str(server).rpartition('.')[2]}", default)
            self.verdicts[target] = Verdict(health, 1, "as the test says")
        self._changed()


class Keeper:
    """Notes what it is told."""

    view = View("router1", 0, True, (), ())

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def tell(self, message: dict[str, Any]) -> None:
        self.told.append(message)


class Director:
    """A director's balancing half on the fake kernel's table."""

    def __init__(self, folder: Path, found: dict[Any, Service] | None = None) -> None:
        self.table, self.keeper = FakeTable(), Keeper()
        self.table.table = found or {}
        self.balancing = Balancing(
            node="router1",
            run_dir=folder,
            state_dir=folder,
            keeper=cast(KeeperLink, self.keeper),
            checkers=cast(Callable[[Callable[[], None]], Checkers], ToldCheckers),
            driver=self.table,
            screen=NoScreen(),
        )
        self.balancing.hear()

    @property
    def checkers(self) -> ToldCheckers:
        return cast(ToldCheckers, self.balancing.checkers)

    async def apply(self, *services: VirtualService) -> None:
        self.balancing.apply(_on_this_node(document(*services)))
        await self.look()

    async def say(self, default: Health = Health.UP, **healths: Health) -> None:
        self.checkers.say(default, **healths)
        await self.look()

    async def look(self) -> None:
        for _ in range(3):  # what one pass has found may be what the next one waits for
            await self.balancing.reconciler.reconcile()

    @property
    def servers(self) -> set[DestinationKey]:
        return set(self.table.table[WEB].destinations)

    def close(self) -> None:
        self.balancing.connections.close()


def _on_this_node(spec: ClusterSpec) -> ClusterSpec:
    return replace(spec, nodes=(Node("router1", Role.DIRECTOR, ip_address("10.0.0.2"), {}),))


def run(scenario: Callable[[Director], Coroutine[None, None, None]], folder: Path, **found: Any) -> None:
    async def whole() -> None:
        director = Director(folder, **found)
        try:
            await scenario(director)
        finally:
            director.close()

    asyncio.run(whole())


def lacks_rr(action: Action) -> int:
    """A kernel without the scheduler of paths."""
    return errno.ENOENT if isinstance(action, Create) and isinstance(action.key, MarkKey) else 0


def test_a_director_whose_checks_all_go_through_services_is_not_ready_before_they_have_ended(tmp_path: Path) -> None:
    async def scenario(director: Director) -> None:
        await director.apply(BEHIND)
        assert len(director.checkers.verdicts) == len(SERVERS), "the paths lead to their servers"
        assert not director.balancing.reconciler.settled
        await director.say()
        assert director.balancing.reconciler.settled
        assert director.servers == {at("10.0.0.11"), at("10.0.0.12"), at("10.0.0.13")}

    run(scenario, tmp_path)


def test_nothing_is_deleted_before_they_have_ended(tmp_path: Path) -> None:
    there = {at("10.0.0.11"): Destination(1), at("10.0.0.99"): Destination(1)}

    async def scenario(director: Director) -> None:
        await director.apply(BEHIND)
        assert at("10.0.0.99") in director.servers
        await director.say(s11=Health.DOWN)
        assert at("10.0.0.11") not in director.servers

    run(scenario, tmp_path, found={WEB: Service(Settings("wlc"), there)})


def test_paths_that_wait_for_a_person_hold_up_no_other_service(tmp_path: Path) -> None:
    """What the kernel does not let through is not waited for: a dead server of another service goes."""
    other = service(name="other", endpoints=(replace(service().endpoints[0], port=81),))
    key = replace(WEB, port=81)
    there = {at(f"10.0.0.{last}", 81): Destination(1) for last in (11, 12, 13)}

    async def scenario(director: Director) -> None:
        director.table.refuse = lacks_rr
        await director.apply(BEHIND, other)
        await director.say(s12=Health.DOWN)
        assert set(director.table.table[key].destinations) == {at("10.0.0.11", 81), at("10.0.0.13", 81)}
        assert director.balancing.reconciler.settled

    run(scenario, tmp_path, found={key: Service(Settings("wlc"), there)})


def test_a_server_that_only_a_barred_path_could_check_is_taken_to_be_up(tmp_path: Path) -> None:
    async def scenario(director: Director) -> None:
        director.table.refuse = lacks_rr
        await director.apply(BEHIND)
        assert director.servers == {at("10.0.0.11"), at("10.0.0.12"), at("10.0.0.13")}
        reasons = {verdict.reason for verdict in director.balancing.verdicts.values()}
        assert reasons == {"taken to be up: no checks can go through the service"}

    run(scenario, tmp_path)


def test_services_whose_servers_this_node_cannot_check_count_against_it(tmp_path: Path) -> None:
    async def scenario(director: Director) -> None:
        other = service(name="other", endpoints=(replace(service().endpoints[0], port=81),))
        await director.apply(service(), other)
        await director.say()
        director.balancing.connections._ready = True
        (first, *_) = director.checkers.verdicts
        director.checkers.guesses = {first: guess("it is not checked: no such address")}
        await director.say()
        assert director.keeper.told[-1] == {"services": True, "stalled": 1}
        director.checkers.guesses = {}
        await director.say()
        assert director.keeper.told[-1] == {"services": True, "stalled": 0}

    run(scenario, tmp_path)


def test_who_holds_a_group_and_alone_checks_keeps_a_dead_server_out_while_its_check_is_edited(tmp_path: Path) -> None:
    """A takeover begins with all servers, but what the holder has found does not begin anew."""
    alone = service(checks_on_standby=False)
    edited = service(checks_on_standby=False, checks=(replace(CHECK, port=8080),))

    async def scenario(director: Director) -> None:
        await director.apply(alone)
        everybody = {at("10.0.0.11"), at("10.0.0.12"), at("10.0.0.13")}
        assert director.servers == everybody
        lease = LeaseView("default", "router1", True, 0, "preferred node")
        director.keeper.view = View("router1", 0, True, (), (lease,))
        director.balancing.hear()
        await director.look()
        assert director.servers == everybody
        await director.say(s12=Health.DOWN)
        await director.apply(edited)
        assert set(director.checkers.verdicts.values()) == {UNKNOWN}
        assert director.servers == everybody - {at("10.0.0.12")}

    run(scenario, tmp_path)
