"""The director's side of orders about real servers: the document with them, and how far one has been carried out."""

from dataclasses import dataclass
from typing import Any

from vedette.daemon import servers
from vedette.daemon.orders import server_tag
from vedette.ipvs.desired import destination_key, service_key
from vedette.ipvs.model import DestinationId
from vedette.ipvs.reconciler import Reconciler
from vedette.kit.errors import UsageError
from vedette.spec.resolved import ClusterSpec, RealServer, VirtualService
from vedette.state.health import Health, Verdicts
from vedette.state.placement import View
from vedette.state.server_names import names_of
from vedette.state.targets import decisive


@dataclass(frozen=True, slots=True)
class Asked:
    """One order. ``stood``: an order to drain it stood before. ``place`` None: the document does not have it."""

    name: str
    drain: bool
    stood: bool
    place: tuple[VirtualService, RealServer] | None

    def pending(self, orders: "ServerOrders", reconciler: Reconciler) -> str:
        """What is still missing here, in words."""
        if self.place is None:
            return ""
        if orders.standing(self.name) is not self.drain:
            return "the order is on its way"
        return reconciler.remaining(self._destinations()) if self.drain else ""

    def done(self, verdicts: Verdicts) -> str:
        """How it is now that it has been carried out; empty where there is nothing to add."""
        if self.place is None or not (self.drain or self.stood):
            return ""
        if self.drain:
            return f"{self.name} has no connections here and is out of the table"
        service, server = self.place
        if service.maintenance or server.maintenance:
            return f"{self.name}: the order is taken back; the document still says `maintenance: true`"
        verdict = min(
            (decisive(service, entry, server, verdicts) for entry in service.entries),
            key=lambda item: item.health is Health.UP,
        )
        if verdict.health is not Health.UP:
            return f"{self.name} is enabled, but {verdict.health.value}: {verdict.reason}"
        return f"{self.name} is in service again"

    def _destinations(self) -> list[DestinationId]:
        assert self.place is not None
        service, server = self.place
        return [DestinationId(service_key(item), destination_key(item, server)) for item in service.entries]


class ServerOrders:
    """The orders that stand, as the core says, applied to the document."""

    def __init__(self) -> None:
        self._document: ClusterSpec | None = None
        self._tags: frozenset[str] | None = None
        self._spec: ClusterSpec | None = None

    @property
    def spec(self) -> ClusterSpec | None:
        """The document with the orders that stand; None until both are known."""
        return self._spec

    def apply(self, document: ClusterSpec) -> None:
        """Take a new document."""
        self._document = document
        self._combine()

    def hear(self, view: View | None) -> bool:
        """Take the orders of the core's view; whether anything has changed."""
        tags = servers.ordered(view)
        if view is None or tags == self._tags:
            return False
        self._tags = tags
        self._combine()
        return True

    def standing(self, name: str) -> bool:
        """Whether the server of that name is to be drained by order."""
        return server_tag(name) in (self._tags or ())

    def read(self, request: dict[str, Any]) -> Asked:
        """Understand an order. Raises :class:`UsageError` where it makes no sense."""
        drain = request.get("what") == "drain"
        service, server = str(request.get("service")), str(request.get("server"))
        assert self._document is not None
        try:
            place = servers.find(self._document, service, server)
        except UsageError:
            if drain or not self.standing(name := f"{service} {server}"):
                raise
            return Asked(name, drain, stood=True, place=None)
        names = names_of(*place)
        name = next(filter(self.standing, names), names[0])
        if not drain and not self.standing(name) and (place[0].maintenance or place[1].maintenance):
            raise UsageError(f"no order stands about {name}: it is the document that says `maintenance: true`")
        return Asked(name, drain, self.standing(name), place)

    def named(self, view: View | None) -> View | None:
        """The view with the names of the servers that its orders are about."""
        return servers.named(view, self._document) if self._document is not None else view

    def _combine(self) -> None:
        """A director that has just started waits for the core's word: an order must not lapse for a moment."""
        if self._document is not None and self._tags is not None:
            self._spec = servers.with_orders(self._document, self._tags)
