"""A reconciler on the fake kernel's table, on virtual time: it is called exactly when it asks for it."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.ipvs.documents import VIP, WEB, at, document, verdicts
from tests.ipvs.fake import FakeTable

from vedette.ipvs.model import AddressKey, Destination, DestinationId, DestinationKey
from vedette.ipvs.pace import TICK
from vedette.ipvs.reconciler import Reconciler
from vedette.kit.units import SECOND
from vedette.reconcile.plan import Create, Update
from vedette.spec.resolved import ClusterSpec, SorryPage, SorryServer, VirtualService
from vedette.state.health import Advice, Health, Verdict, Verdicts

PAGE = SorryServer(page=SorryPage(503, "sorry"))
KEY: AddressKey = WEB


def name(key: DestinationKey) -> str:
    return "sorry" if key.address == VIP else str(key.address).rpartition(".")[2]


class World:
    """``10.0.0.12`` is called ``12`` here, and the page ``sorry``."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000 * SECOND
        self.folder = folder
        self.table = FakeTable()
        self.digest = 0
        self.reconciler = self._start()

    def _start(self) -> Reconciler:
        return Reconciler(run_dir=self.folder, driver=self.table, clock=lambda: self.now, jitter=lambda delay: delay)

    def restart(self, *, forget: bool = False) -> None:
        """A new daemon on the old table; with ``forget`` what the old one had stored is lost."""
        if forget:
            (self.folder / "ipvs-servers.json").unlink()
        self.reconciler = self._start()

    def document(
        self,
        *services: VirtualService,
        complete: bool = True,
        default: Health = Health.UP,
        advice: Mapping[str, Advice] | None = None,
        **healths: Health,
    ) -> None:
        """Apply a document with these verdicts (``s12=Health.DOWN``)."""
        self.digest += 1
        spec = document(*services, digest=str(self.digest))
        self.reconciler.update(spec, self._verdicts(spec, default, advice or {}, healths), complete=complete)
        self.step()

    def _verdicts(
        self, spec: ClusterSpec, default: Health, advice: Mapping[str, Advice], healths: Mapping[str, Health]
    ) -> Verdicts:
        found = verdicts(spec, {f"10.0.0.{key[1:]}": health for key, health in healths.items()}, default)
        said = {f"10.0.0.{key}": item for key, item in advice.items()}
        return {
            target: Verdict(verdict.health, verdict.since, verdict.reason, advice=said.get(str(target.address)))
            for target, verdict in found.items()
        }

    def step(self) -> None:
        asyncio.run(self.reconciler.reconcile())

    def run(self, duration: int) -> None:
        """Let so much time pass (ns), a tick at a time."""
        end = self.now + duration
        while self.now < end:
            self.now = min(self.now + TICK, end)
            self.step()

    def course(self, server: str, duration: int) -> list[int]:
        """The weights that a server is given in this time, from the present one on, one for each message."""
        found = [self.weights[server]]
        self.table.sent.clear()
        self.run(duration)
        for action in self.table.sent:
            match action:
                case Update(DestinationId(_, key), _, Destination(weight)) if name(key) == server:
                    found.append(weight)
        return found

    def connections(self, server: str, count: int) -> None:
        self.table.busy[at(f"10.0.0.{server}")] = count

    def intrude(self, server: str, weight: int) -> None:
        self.table.edit([Create(DestinationId(WEB, at(f"10.0.0.{server}")), Destination(weight))])

    @property
    def weights(self) -> dict[str, int]:
        destinations = self.table.table[WEB].destinations
        return {name(key): destinations[key].weight for key in sorted(destinations, key=name)}

    def shown(self, server: str) -> dict[str, Any]:
        """What status says of a destination."""
        (entry,) = self.reconciler.status()
        found: dict[str, Any]
        (found,) = (item for item in entry["destinations"] if item["address"] == f"10.0.0.{server}")
        return found

    @property
    def residue(self) -> dict[str, Any]:
        """What is stored of servers, by address."""
        rows = json.loads((self.folder / "ipvs-servers.json").read_text())
        return {kept["address"]["address"]: kept for row in rows for kept in row["servers"]}
