"""Which virtual service of a new document is which of the old one: by name, or by where clients connect."""

from vedette.spec.resolved import ClusterSpec, VirtualService


def pairs(old: ClusterSpec, new: ClusterSpec) -> list[tuple[VirtualService, VirtualService]]:
    """(before, after) of every service that goes on, in the new document's order."""
    named = {virtual.name: virtual for virtual in old.virtual_services}
    kept = {virtual.name for virtual in new.virtual_services}
    placed = {
        item: virtual for virtual in old.virtual_services if virtual.name not in kept for item in virtual.endpoints
    }
    found = []
    for virtual in new.virtual_services:
        former = named.get(virtual.name) or next((placed[item] for item in virtual.endpoints if item in placed), None)
        if former is not None:
            found.append((former, virtual))
    return found
