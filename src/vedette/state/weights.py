"""What the checks of a real server say about its weight."""

from vedette.spec.resolved import Entry, RealServer, VirtualService
from vedette.state.health import UNKNOWN, Advice, Verdicts
from vedette.state.targets import targets


def advised(service: VirtualService, entry: Entry, server: RealServer, verdicts: Verdicts) -> Advice | None:
    """The advice that leaves the server the least; None where no check gives any."""
    found = (verdicts.get(target, UNKNOWN).advice for target in targets(service, entry, server))
    return min(filter(None, found), key=lambda advice: advice.weigh(server.weight), default=None)
