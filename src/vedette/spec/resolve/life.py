"""How the real servers of a virtual service come and go: drain, slow start, flap damping, quorum."""

from typing import TypeVar

from vedette.spec import defaults
from vedette.spec.model import balancing as model
from vedette.spec.resolve.scope import Scope, duration
from vedette.spec.resolved import Damping, Life, Quorum, VirtualService
from vedette.spec.tree import Path

DEFAULTS: Path = ("spec", "defaults", "virtualServices")
_T = TypeVar("_T")


class Lives:
    """Resolves these settings; what a service does not say is in ``shared``, the document's defaults."""

    def __init__(self, scope: Scope, shared: model.ServiceSettings) -> None:
        self._scope, self._shared = scope, shared
        self._reported: set[Path] = set()

    def of(self, written: model.VirtualService, path: Path) -> Life:
        """Read the settings of one service; what cannot work is reported at the place that says it."""
        drain, _ = _either(written.drain, self._shared.drain, (*path, "drain"))
        start, _ = _either(written.slow_start, self._shared.slow_start, (*path, "slowStart"))
        damping, damping_at = _either(written.flap_damping, self._shared.flap_damping, (*path, "flapDamping"))
        quorum, quorum_at = _either(written.quorum, self._shared.quorum, (*path, "quorum"))
        return Life(
            drain=defaults.DRAIN if drain is None else duration(drain.timeout, defaults.DRAIN),
            slow_start=0 if start is None else duration(start.duration, 0),
            damping=self._damping(damping, damping_at) if damping is not None else None,
            quorum=self._quorum(quorum, quorum_at) if quorum is not None else None,
        )

    def _damping(self, written: model.FlapDamping, path: Path) -> Damping:
        half_life = duration(written.half_life, defaults.DAMPING_HALF_LIFE)
        longest = duration(written.longest, max(defaults.DAMPING_LONGEST, half_life))
        if not half_life:
            self._fault((*path, "halfLife"), "`halfLife` is 0: every failure would be forgotten at once", "write 1m")
            half_life = defaults.DAMPING_HALF_LIFE
        if longest < half_life:
            message = "`longest` is shorter than `halfLife`, in which a penalty only comes down to a half"
            self._fault((*path, "longest"), message, f"write at least {written.half_life or '1m'}")
            longest = half_life
        return Damping(written.failures or defaults.DAMPING_FAILURES, half_life, longest)

    def _quorum(self, written: model.Quorum, path: Path) -> Quorum:
        hysteresis = written.hysteresis or 0
        if hysteresis >= written.weight:
            message = f"a quorum of {written.weight} with this hysteresis is never lost: it would be lost below 0 or 1"
            self._fault((*path, "hysteresis"), message, f"write at most {written.weight - 1}")
            hysteresis = 0
        return Quorum(written.weight, hysteresis)

    def _fault(self, path: Path, message: str, remedy: str) -> None:
        """Say it once, also where it stands in the defaults of many services."""
        if path not in self._reported:
            self._reported.add(path)
            self._scope.fault(path, message, remedy)


def check_weights(scope: Scope, service: VirtualService, path: Path) -> None:
    """Warn of settings that the servers' weights make useless."""
    servers = service.real_servers
    quorum = service.life.quorum
    most = sum(server.weight for server in servers)
    if servers and quorum is not None and most < quorum.weight + quorum.hysteresis:
        message = f"once lost, the quorum of {quorum.weight} is never reached again: all weights together are {most}"
        remedy = "needed are weight + hysteresis: raise the weights, or lower the quorum"
        scope.findings.warn((*path, "quorum"), message, remedy)
    if service.life.slow_start and servers and all(server.weight <= 1 for server in servers):
        message = "a slow start needs weights above 1: from 0 to 1 there is no step between"
        scope.findings.warn((*path, "slowStart"), message, "write a `weight` of 10 or more at each real server")


def _either(here: _T | None, shared: _T | None, path: Path) -> tuple[_T | None, Path]:
    """What the service says, or else the defaults; and where that is written."""
    return (here, path) if here is not None else (shared, (*DEFAULTS, path[-1]))
