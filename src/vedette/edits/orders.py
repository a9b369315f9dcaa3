"""Orders to drain real servers, which go by name: an edit of the name ends them, and the server serves again."""

from collections.abc import Iterator

from vedette.edits.change import Change, Live, Severity
from vedette.edits.pairs import pairs
from vedette.spec.resolved import ClusterSpec, RealServer, VirtualService
from vedette.state.server_names import name_of, names_of


def changes(old: ClusterSpec, new: ClusterSpec, live: Live) -> Iterator[Change]:
    if not live.drained:
        return
    still = {
        name for service in new.virtual_services for item in service.real_servers for name in names_of(service, item)
    }
    for before, after in pairs(old, new):
        for server in before.real_servers:
            ordered = live.drained.intersection(names_of(before, server)) - still
            heir = _heir(server, before, after)
            if ordered and heir is not None and not (after.maintenance or heir.maintenance):
                name = name_of(after, heir)
                yield Change(
                    Severity.STEER,
                    f"real server {min(ordered)}",
                    f"it is called {name} from now on, and the order to drain it no longer means it",
                    "it takes new connections again: write `maintenance: true` at it in the same edit",
                )


def _heir(server: RealServer, before: VirtualService, after: VirtualService) -> RealServer | None:
    """The same server in the new document."""
    places = {server.port or entry.port for entry in before.entries}
    return next(
        (
            item
            for item in after.real_servers
            if item.address == server.address and places & {item.port or entry.port for entry in after.entries}
        ),
        None,
    )
