"""The fencing devices of a drill: which of them belong to a node, and what they were told to do to it."""

from vedette.lab.drills.ground import Ground
from vedette.lab.handles import Device
from vedette.lab.lab import Lab
from vedette.lab.switchboard import Order


class Plugs:
    """The devices as far as the lab stands in for them."""

    def __init__(self, lab: Lab, ground: Ground) -> None:
        self._lab, self._ground = lab, ground

    def controllers(self, node: str) -> list[Device]:
        """The devices that are built into a node."""
        return [device for device in self._of(node) if not device.plan.simulator.feeds]

    def outlets(self, node: str) -> list[Device]:
        """The devices that feed a node."""
        return [device for device in self._of(node) if device.plan.simulator.feeds]

    def level(self, node: str, number: int) -> list[Device]:
        """The devices of one level of a node."""
        fencing = self._ground.spec.node(node).fencing
        uses = fencing.levels[number] if fencing is not None and number < len(fencing.levels) else ()
        return [self._lab.devices[use.device] for use in uses if use.device in self._lab.devices]

    def orders_off(self, node: str, *, since: int) -> list[Order]:
        """What devices were told to do to a node from ``since`` on, if it was to switch it off."""
        orders = self._lab.orders()
        return [order for order in orders if order.machine == node and order.to == "off" and order.at >= since]

    def _of(self, node: str) -> list[Device]:
        return [
            device
            for device in {device.name: device for device in self._lab.devices.values()}.values()
            if node in device.plan.plugs.values()
        ]
