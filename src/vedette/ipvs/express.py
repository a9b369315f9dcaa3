"""Weights that were edited, straight to the kernel: what the next look at everything would do to these destinations.

It goes by the table as it was left, and is followed by that look. So it touches only destinations that had exactly the
weight of the former document: one that drains, starts slowly or is down has another. A weight is taken to 0 only where
another destination goes on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from vedette.ipvs.desired import destination_key, service_key
from vedette.ipvs.model import Destination, DestinationId, Table
from vedette.reconcile.plan import Update
from vedette.state.edits import Reweighing


def reweigh(edits: Iterable[Reweighing], left: Table) -> Iterator[Update[DestinationId, Destination]]:
    """One action for each destination; ``left``: the table as we left it."""
    for edit in edits:
        if edit.service.maintenance or edit.after.maintenance or not edit.before.weight:
            continue
        for entry in edit.service.entries:
            service, key = service_key(entry), destination_key(entry, edit.after)
            there = left[service].destinations if service in left else {}
            found = there.get(key)
            if found is None or found.weight != edit.before.weight:
                continue
            if edit.after.weight or any(other.weight for name, other in there.items() if name != key):
                yield Update(DestinationId(service, key), found, replace(found, weight=edit.after.weight))
