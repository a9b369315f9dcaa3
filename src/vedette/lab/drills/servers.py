"""Real servers die, hang, answer errors; all of them die, and return."""

from collections.abc import Callable, Collection

from vedette.kit.net import IPAddress, endpoint
from vedette.lab.attempts import Attempt
from vedette.lab.drills import expectations
from vedette.lab.drills.drill import Concern, Drill, acceptable
from vedette.lab.drills.expectations import Expectation
from vedette.lab.drills.ground import Ground, asks, minds, needs_service, usable, users, watched
from vedette.lab.drills.scene import Scene
from vedette.lab.probes import Probe
from vedette.spec.resolved import Forwarding, Via, VirtualService

BROKEN = 500


def _spared(ground: Ground) -> VirtualService | None:
    """A checked service that can lose one server."""
    return next((service for service in watched(ground) if len(usable(service)) > 1), None)


def _asking(ground: Ground) -> VirtualService | None:
    return next((service for service in watched(ground) if len(usable(service)) > 1 and asks(service)), None)


def _minding(ground: Ground) -> VirtualService | None:
    """A service that can lose one server, all of whose probed users notice status 500."""
    return next(
        (
            service
            for service in watched(ground)
            if len(usable(service)) > 1 and any(minds(check, BROKEN) for check in service.checks)
        ),
        None,
    )


def _routed(ground: Ground) -> VirtualService | None:
    """A direct-routed service that can lose one server, and checks all of them the way that clients go."""
    return next(
        (
            service
            for service in watched(ground)
            if service.forwarding is Forwarding.DIRECT_ROUTING and len(usable(service)) > 1 and _goes_through(service)
        ),
        None,
    )


def _goes_through(service: VirtualService) -> bool:
    return any(check.via is Via.SERVICE for check in service.checks)


def _sorry(ground: Ground) -> VirtualService | None:
    """A checked service with a page of its own."""
    return next((one for one in watched(ground) if one.sorry is not None and one.sorry.page is not None), None)


def _skip(service: VirtualService | None, ground: Ground, why: str) -> str | None:
    return needs_service(ground) or (None if service is not None else why)


def _victim(service: VirtualService | None) -> IPAddress:
    assert service is not None
    return usable(service)[0].address


def _die(scene: Scene) -> None:
    scene.lab.servers[_victim(_spared(scene.ground))].die()


def _hang(scene: Scene) -> None:
    scene.lab.servers[_victim(_asking(scene.ground))].hang()


def _break(scene: Scene) -> None:
    scene.lab.servers[_victim(_minding(scene.ground))].answer(BROKEN)


def _die_all(scene: Scene) -> None:
    for address in _everybody(scene.ground):
        scene.lab.servers[address].die()


def _everybody(ground: Ground) -> list[IPAddress]:
    service = _sorry(ground)
    return [] if service is None else sorted({server.address for server in service.real_servers}, key=int)


def _lose_virtual(scene: Scene) -> None:
    scene.lab.servers[_victim(_routed(scene.ground))].lose_virtual()


def _noticed(scene: Scene) -> bool:
    """Clients may all be with another server: that traffic flows says nothing before the checks have had their time."""
    service = _routed(scene.ground)
    assert service is not None
    return scene.passed(expectations.server_lost([service], silent=True).gap) and scene.recovered()


def _regain_virtual(scene: Scene) -> None:
    scene.lab.servers[_victim(_routed(scene.ground))].regain_virtual()


def _out_everywhere(scene: Scene) -> list[str]:
    """No director, holder or not, sends clients to the server any more."""
    service = _routed(scene.ground)
    assert service is not None
    places = [endpoint(item.address, item.port) for item in service.endpoints]
    victim = str(_victim(service))
    return [
        f"{node} still sends clients of {key[1]} to {key[2]}"
        for node in scene.ground.directors
        for key, options in scene.kernels.look(node).entries.items()
        if len(key) == 3 and key[1] in places and key[2].strip("[").startswith(victim) and not options.endswith("-w 0")
    ]


def _losing(ground: Ground, service: VirtualService | None, *, silent: bool) -> Expectation:
    return expectations.server_lost(users(ground, _victim(service)), silent=silent)


def _concerned(scene: Scene, probe: Probe, victims: Collection[IPAddress], notice: bool) -> Concern:
    """A probe of a service that uses a victim; exempt when the service could not notice, or has nobody else."""
    for service in scene.ground.services:
        if service.name == probe.service and any(server.address in victims for server in service.real_servers):
            others = [server for server in usable(service) if server.address not in victims]
            return Concern.CONCERNED if notice and service.checks and (others or service.sorry) else Concern.EXEMPT
    return Concern.UNCONCERNED


def _concerned_by_death(scene: Scene, probe: Probe) -> Concern:
    return _concerned(scene, probe, {_victim(_spared(scene.ground))}, notice=True)


def _concerned_by_hang(scene: Scene, probe: Probe) -> Concern:
    notices = _notices(scene.ground, probe, asks)
    return _concerned(scene, probe, {_victim(_asking(scene.ground))}, notice=notices)


def _concerned_by_loss(scene: Scene, probe: Probe) -> Concern:
    """Who is sent to the victim without being checked on the way is promised nothing."""
    return _concerned(
        scene, probe, {_victim(_routed(scene.ground))}, notice=_notices(scene.ground, probe, _goes_through)
    )


def _concerned_by_errors(scene: Scene, probe: Probe) -> Concern:
    notices = _notices(scene.ground, probe, lambda service: any(minds(check, BROKEN) for check in service.checks))
    return _concerned(scene, probe, {_victim(_minding(scene.ground))}, notice=notices)


def _concerned_by_all(scene: Scene, probe: Probe) -> Concern:
    return _concerned(scene, probe, set(_everybody(scene.ground)), notice=True)


def _notices(ground: Ground, probe: Probe, able: Callable[[VirtualService], bool]) -> bool:
    return any(able(service) for service in ground.services if service.name == probe.service)


def _page_counts(ground: Ground, attempt: Attempt) -> bool:
    """While nobody else is there, the sorry page is the right answer."""
    service = _sorry(ground)
    page = service.sorry.page if service is not None and service.sorry is not None else None
    return acceptable(ground, attempt) or (attempt.answered and page is not None and attempt.status == page.status)


def _sorry_is_shown(scene: Scene) -> list[str]:
    service = _sorry(scene.ground)
    assert service is not None
    assert service.sorry is not None
    assert service.sorry.page is not None
    wanted = service.sorry.page.status
    statuses = {
        attempt.status
        for probe, attempts in scene.latest().items()
        if probe.service == service.name and probe.http
        for attempt in attempts
    }
    return [f"clients see status {status}, not the page's {wanted}" for status in sorted(statuses - {wanted})]


def _servers_return(scene: Scene) -> None:
    for server in scene.lab.servers.values():
        server.recover()


def _return_expected(ground: Ground) -> Expectation:
    """Going back to real servers is nobody's loss."""
    return expectations.nothing_lost("nothing lost when they return")


def _sorry_bound(ground: Ground) -> Expectation:
    service = _sorry(ground)
    assert service is not None
    shared = {other.name: other for server in service.real_servers for other in users(ground, server.address)}
    return expectations.sorry_page([other for other in shared.values() if other.checks], silent=False)


DRILLS = (
    Drill(
        name="real-server-dies",
        summary="one real server refuses connections; it is taken out of the table",
        skip=lambda ground: _skip(_spared(ground), ground, "no checked TCP service has two real servers"),
        expect=lambda ground: _losing(ground, _spared(ground), silent=False),
        inject=_die,
        over=Scene.recovered,
        heal=_servers_return,
        concern=_concerned_by_death,
        expect_healing=_return_expected,
    ),
    Drill(
        name="real-server-hangs",
        summary="one real server accepts connections and never answers",
        skip=lambda ground: _skip(_asking(ground), ground, "only an HTTP check notices, and there is none"),
        expect=lambda ground: _losing(ground, _asking(ground), silent=True),
        inject=_hang,
        over=Scene.recovered,
        heal=_servers_return,
        concern=_concerned_by_hang,
        expect_healing=_return_expected,
    ),
    Drill(
        name="real-server-500",
        summary="one real server answers every request with status 500",
        skip=lambda ground: _skip(_minding(ground), ground, "no HTTP check minds status 500"),
        expect=lambda ground: _losing(ground, _minding(ground), silent=False),
        inject=_break,
        over=Scene.recovered,
        heal=_servers_return,
        concern=_concerned_by_errors,
        expect_healing=_return_expected,
    ),
    Drill(
        name="real-server-loses-vip",
        summary="one direct-routed real server loses the virtual address; checks through the service notice",
        skip=lambda ground: _skip(_routed(ground), ground, "no direct-routed service has checks with `via: service`"),
        expect=lambda ground: _losing(ground, _routed(ground), silent=True),
        inject=_lose_virtual,
        over=_noticed,
        heal=_regain_virtual,
        verify=_out_everywhere,
        concern=_concerned_by_loss,
        expect_healing=_return_expected,
    ),
    Drill(
        name="all-servers-die",
        summary="all real servers of a service die: clients get the sorry page until they return",
        skip=lambda ground: _skip(_sorry(ground), ground, "no checked TCP service has a sorry page of its own"),
        expect=_sorry_bound,
        inject=_die_all,
        over=Scene.recovered,
        heal=_servers_return,
        verify=_sorry_is_shown,
        concern=_concerned_by_all,
        expect_healing=_return_expected,
        accept=_page_counts,
    ),
)
