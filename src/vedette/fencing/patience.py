"""How long an answer about a node's devices may take, by the times that the document gives them."""

from collections.abc import Iterable

from vedette.kit.units import SECOND
from vedette.spec.resolved import FencingDevice, Node

SLACK = 20 * SECOND
"""For all that is no device's time (ns): a fencer that loads its libraries, a call that does not let go at once."""


def longest(node: str, nodes: Iterable[Node], devices: Iterable[FencingDevice]) -> int:
    """The longest (ns) that any question about ``node`` may take.

    A test checks and reads each plug, those of one device one after the other; switching on goes level by level.
    """
    timeouts = {device.name: device.timeout for device in devices}
    uses = (
        use
        for item in nodes
        if item.name == node and item.fencing is not None
        for level in item.fencing.levels
        for use in level
    )
    return SLACK + 2 * sum(timeouts.get(use.device, 0) for use in uses)
