"""What cuts the machines' power in the simulation: slow and failing, but never lying devices, and the fencers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tests.cluster.simulation.world import World

from vedette.cluster.events import FenceRequest, FenceResult
from vedette.kit.units import MILLISECOND

if TYPE_CHECKING:
    from tests.cluster.simulation.node import Node

RETRY = 300 * MILLISECOND


@dataclass(slots=True)
class Power:
    """Every machine's plug. ``fails``: how often an order is not carried out; ``slowest`` (ns): from order to proof.

    ``cut`` is called when a machine has been switched off, so that somebody switches it on again some time.
    """

    world: World
    nodes: Mapping[str, "Node"]
    fails: float = 0.2
    slowest: int = 1500 * MILLISECOND
    works: bool = True
    cut: Callable[["Node"], None] | None = None

    def off(self, name: str) -> bool:
        """Carry an order out; whoever gave it may be dead by now."""
        target = self.nodes[name]
        if not self.works or self.world.random.random() < self.fails:
            return False
        if target.powered:
            target.power_off()
            if self.cut is not None:
                self.cut(target)
        return True


@dataclass(slots=True)
class Fencer:
    """One node's fencer: does what the latest ``Ready`` wants, and nothing that it does not want any more."""

    node: "Node"
    power: Power
    wanted: dict[str, FenceRequest] = field(default_factory=dict)

    def want(self, requests: tuple[FenceRequest, ...]) -> None:
        before, self.wanted = self.wanted, {request.node: request for request in requests}
        for request in requests:
            if before.get(request.node) != request:
                self.node.in_this_life(request.wait, partial(self._shoot, request))

    def _shoot(self, request: FenceRequest) -> None:
        if self.wanted.get(request.node) != request:
            return
        world = self.power.world
        takes = world.random.randint(50 * MILLISECOND, self.power.slowest)
        landed: list[bool] = []
        world.say(self.node.name, f"shoots {request.node}")
        world.after(takes // 2, lambda: landed.append(self.power.off(request.node)))
        self.node.in_this_life(takes, lambda: self._answered(request, landed))

    def _answered(self, request: FenceRequest, landed: list[bool]) -> None:
        confirmed = bool(landed) and landed[0]
        self.node.put(FenceResult(request.node, request.incarnation, confirmed, "device"))
        if not confirmed:
            self.node.in_this_life(RETRY, lambda: self._shoot(request))
