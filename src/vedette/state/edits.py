"""An edit of the document that changes weights of real servers and nothing else about them: the most frequent one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vedette.spec.resolved import ClusterSpec, RealServer, VirtualService


@dataclass(frozen=True, slots=True)
class Reweighing:
    """A real server of ``service`` (as it is now) that differs by its weight alone."""

    service: VirtualService
    before: RealServer
    after: RealServer


def reweighings(before: ClusterSpec, after: ClusterSpec) -> Sequence[Reweighing] | None:
    """The weights that differ; None when virtual services differ in anything else.

    Where it is not None, what must be checked is the same before and after.
    """
    if len(before.virtual_services) != len(after.virtual_services):
        return None
    found: list[Reweighing] = []
    for old, new in zip(before.virtual_services, after.virtual_services, strict=True):
        if old == new:
            continue
        if len(old.real_servers) != len(new.real_servers) or replace(old, real_servers=new.real_servers) != new:
            return None
        for was, now in zip(old.real_servers, new.real_servers, strict=True):
            if was is now or was == now:
                continue
            if replace(was, weight=now.weight) != now:
                return None
            found.append(Reweighing(new, was, now))
    return found
