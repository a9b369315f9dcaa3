"""What the lab's fencing devices are connected to: machines, outlets that feed them, and the faults of devices.

A controller that is built into a machine switches that machine. An outlet feeds one: it has a state of its own, a
machine falls when the last of its outlets is off, and boots when the first one is on again. Controllers keep their
power whatever the outlets do: the lab's machines have two supplies each for that.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from vedette.kit.errors import UsageError
from vedette.lab.topology import DevicePlan

KEPT = 256
"""Orders that are remembered."""


class Fault(Enum):
    """How a device fails. That it cannot be reached is a matter of its wire."""

    NONE = "none"
    REFUSES = "refuses"
    """It says no to every order; it still tells states."""
    PRETENDS = "pretends"
    """It acknowledges every order and switches nothing."""
    MISREADS = "misreads"
    """It says off whatever is, and switches nothing: as if it were connected to nothing."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a device's client wanted, at an instant of CLOCK_MONOTONIC (ns). ``obeyed``: the device has no fault."""

    at: int
    device: str
    plug: str
    machine: str
    to: str
    obeyed: bool


@dataclass(frozen=True, slots=True)
class Machines:
    """How machines are switched. ``power_on`` begins to boot and does not wait."""

    lives: Callable[[str], bool]
    power_on: Callable[[str], None]
    power_off: Callable[[str], None]


class Switchboard:
    """All devices of a lab. Methods may be called from any thread."""

    def __init__(self, devices: Sequence[DevicePlan], machines: Machines) -> None:
        self._devices = {name: plan for plan in devices for name in plan.names}
        self._machines = machines
        self._lock = threading.Lock()
        self._off: set[tuple[str, str]] = set()
        """Outlets that are off, by device and plug."""
        self.faults: dict[str, Fault] = {}
        """Of devices that have one, by name."""
        self.orders: deque[Order] = deque(maxlen=KEPT)
        """The last ones, oldest first, refused ones included."""

    def switch(self, device: str, plug: str, to: str) -> str:
        """Obey a device's client: ``to`` is ``on``, ``off`` or ``status``. Returns ``on`` or ``off``.

        Raises :class:`UsageError` for what there is not, and where the device refuses.
        """
        plan = self._plan(device)
        if plug not in plan.plugs:
            raise UsageError(f"{device} has no plug {plug or '(its own)'}")
        fault = self.faults.get(plan.name, Fault.NONE)
        with self._lock:
            if to != "status":
                order = Order(time.monotonic_ns(), plan.name, plug, plan.plugs[plug], to, fault is Fault.NONE)
                self.orders.append(order)
            if to != "status" and fault is Fault.REFUSES:
                raise UsageError(f"{device} refuses")
            if to != "status" and fault is Fault.NONE:
                self._obey(plan, plug, on=to == "on")
            return "off" if fault is Fault.MISREADS or not self._is_on(plan, plug) else "on"

    def spoil(self, device: str, fault: Fault) -> None:
        """Give a device a fault, or take it away; raises :class:`UsageError` for a device that there is not."""
        plan = self._plan(device)
        if fault is Fault.NONE:
            self.faults.pop(plan.name, None)
        else:
            self.faults[plan.name] = fault

    def restore(self, machine: str) -> None:
        """Somebody gives a machine its power back: all its outlets are on."""
        with self._lock:
            self._off -= self._feeds(machine)

    def _plan(self, device: str) -> DevicePlan:
        try:
            return self._devices[device]
        except KeyError:
            known = ", ".join(self._devices) or "none"
            raise UsageError(f"no fencing device is named {device}; there are: {known}") from None

    def _is_on(self, plan: DevicePlan, plug: str) -> bool:
        if plan.simulator.feeds:
            return (plan.name, plug) not in self._off
        return self._machines.lives(plan.plugs[plug])

    def _obey(self, plan: DevicePlan, plug: str, *, on: bool) -> None:
        machine = plan.plugs[plug]
        feeds = self._feeds(machine)
        if plan.simulator.feeds:
            feed = (plan.name, plug)
            dead = feeds <= self._off
            if on:
                self._off.discard(feed)
            else:
                self._off.add(feed)
            if dead is (feeds <= self._off):
                return  # another supply feeds it, or it was so before
        elif on and feeds and feeds <= self._off:
            return  # nothing feeds it
        self._set(machine, on=on)

    def _set(self, machine: str, *, on: bool) -> None:
        if self._machines.lives(machine) is on:
            return
        if on:
            self._machines.power_on(machine)
        else:
            self._machines.power_off(machine)

    def _feeds(self, machine: str) -> set[tuple[str, str]]:
        return {
            (plan.name, plug)
            for plan in {plan.name: plan for plan in self._devices.values()}.values()
            if plan.simulator.feeds
            for plug, fed in plan.plugs.items()
            if fed == machine
        }
