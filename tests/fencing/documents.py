"""The fencing part of a document with two nodes, each with a controller of its own and an outlet of one unit."""

from vedette.fencing.messages import Assignment
from vedette.kit.net import parse
from vedette.kit.units import SECOND
from vedette.spec.resolved import (
    ApcPdu,
    Fencing,
    FencingDevice,
    FencingUse,
    Ipmi,
    Node,
    Role,
    Secret,
    Snmp,
)

SECRET = "correct-horse"


def bmc(name: str, host: int) -> FencingDevice:
    driver = Ipmi(address=parse(f"10.9.0.{host}"), username="vedette", password=Secret(SECRET))
    return FencingDevice(name, 20 * SECOND, driver)


def node(name: str, *levels: tuple[FencingUse, ...], delay: int = 0) -> Node:
    fencing = Fencing(delay=delay, levels=levels) if levels else None
    return Node(name=name, role=Role.DIRECTOR, address=None, interfaces={}, fencing=fencing)


PDU = FencingDevice("pdu", 20 * SECOND, ApcPdu(Snmp(address=parse("10.9.0.20"), community=Secret(SECRET))))
A = node("a", (FencingUse("bmc-a"),), (FencingUse("pdu", "3"),))
B = node("b", (FencingUse("bmc-b"),), (FencingUse("pdu", "4"),))
ASSIGNMENT = Assignment(me="a", dead_after=3 * SECOND, nodes=(A, B), devices=(bmc("bmc-a", 11), bmc("bmc-b", 12), PDU))
