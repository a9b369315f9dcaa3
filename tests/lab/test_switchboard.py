"""What a fencing device's order does to a machine, without machines."""

from ipaddress import ip_address

import pytest

from vedette.kit.errors import UsageError
from vedette.lab.switchboard import Fault, Machines, Switchboard
from vedette.lab.topology import OWN, DevicePlan, InterfaceAddress, Leg, Simulator

ADDRESS = ip_address("10.9.0.11")
LEG = Leg("management", "eth0", "d.0", "02:76:00:fe:00:00", (InterfaceAddress(ADDRESS, 24),))


def device(name: str, simulator: Simulator, plugs: dict[str, str]) -> DevicePlan:
    return DevicePlan((name,), simulator, ADDRESS, 623, LEG, plugs)


BMC = device("bmc", Simulator.IPMI, {OWN: "router1"})
LEFT = device("left", Simulator.PDU, {"1": "router1", "2": "router2"})
RIGHT = device("right", Simulator.PDU, {"1": "router1"})


class Room:
    """Machines that are switched at once."""

    def __init__(self, *devices: DevicePlan) -> None:
        self.alive = {"router1", "router2"}
        self.boots: list[str] = []
        self.board = Switchboard(devices, Machines(self.alive.__contains__, self._on, self.alive.discard))

    def _on(self, machine: str) -> None:
        self.alive.add(machine)
        self.boots.append(machine)


def test_a_controller_switches_its_own_machine_and_tells_whether_it_lives() -> None:
    room = Room(BMC)
    assert room.board.switch("bmc", OWN, "status") == "on"
    assert room.board.switch("bmc", OWN, "off") == "off"
    assert room.alive == {"router2"}
    assert room.board.switch("bmc", OWN, "on") == "on"
    assert room.boots == ["router1"]


def test_a_controller_sees_a_machine_that_died_by_itself() -> None:
    room = Room(BMC)
    room.alive.clear()
    assert room.board.switch("bmc", OWN, "status") == "off"


def test_an_outlet_stays_on_when_its_machine_dies_otherwise() -> None:
    room = Room(LEFT)
    room.alive.discard("router1")
    assert room.board.switch("left", "1", "status") == "on"


def test_a_machine_with_two_supplies_dies_with_the_last_and_boots_with_the_first() -> None:
    room = Room(LEFT, RIGHT)
    room.board.switch("left", "1", "off")
    assert "router1" in room.alive
    room.board.switch("right", "1", "off")
    assert room.alive == {"router2"}
    room.board.switch("left", "1", "on")
    room.board.switch("right", "1", "on")
    assert room.boots == ["router1"]


def test_a_controller_boots_no_machine_that_nothing_feeds() -> None:
    room = Room(BMC, LEFT)
    room.board.switch("left", "1", "off")
    assert room.board.switch("bmc", OWN, "on") == "off"
    assert not room.boots


def test_power_that_somebody_gives_back_is_back_at_every_outlet() -> None:
    room = Room(LEFT, RIGHT)
    for plug in ("left", "right"):
        room.board.switch(plug, "1", "off")
    room.board.restore("router1")
    assert [room.board.switch(name, "1", "status") for name in ("left", "right")] == ["on", "on"]


@pytest.mark.parametrize(("fault", "seen"), [(Fault.PRETENDS, "on"), (Fault.MISREADS, "off")])
def test_a_device_that_acknowledges_does_not_always_switch(fault: Fault, seen: str) -> None:
    room = Room(BMC)
    room.board.spoil("bmc", fault)
    assert room.board.switch("bmc", OWN, "off") == seen
    assert "router1" in room.alive
    room.board.spoil("bmc", Fault.NONE)
    assert room.board.switch("bmc", OWN, "off") == "off"
    assert "router1" not in room.alive


def test_a_device_that_refuses_still_tells_states() -> None:
    room = Room(BMC)
    room.board.spoil("bmc", Fault.REFUSES)
    with pytest.raises(UsageError):
        room.board.switch("bmc", OWN, "off")
    assert room.board.switch("bmc", OWN, "status") == "on"


@pytest.mark.parametrize(("name", "plug"), [("pdu", "1"), ("left", "9"), ("left", OWN)])
def test_what_there_is_not_is_neither_on_nor_off(name: str, plug: str) -> None:
    with pytest.raises(UsageError):
        Room(LEFT).board.switch(name, plug, "status")
