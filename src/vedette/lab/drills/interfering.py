"""Somebody interferes by hand: deletes a VIP, flushes the IPVS table."""

import time

from vedette.kit.units import MILLISECOND, show
from vedette.lab.drills import expectations
from vedette.lab.drills.drill import Concern, Drill
from vedette.lab.drills.ground import needs_group, needs_service
from vedette.lab.drills.judge import milliseconds
from vedette.lab.drills.scene import Scene
from vedette.lab.probes import Probe

DELETE_AND_WAIT = r"""
import socket, struct, sys, time
text, device = sys.argv[1:]
family = socket.AF_INET6 if ":" in text else socket.AF_INET
packed = socket.inet_pton(family, text)
route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
route.bind((0, 0x10 | 0x100))
route.settimeout(5)
body = struct.pack("=BBBBI", family, len(packed) * 8, 0, 0, socket.if_nametoindex(device))
body += struct.pack("=HH", 4 + len(packed), 2) + packed
route.send(struct.pack("=IHHII", 16 + len(body), 21, 1, 1, 0) + body)
gone = 0
while True:
    data, now = route.recv(65536), time.monotonic()
    kind, = struct.unpack_from("=H", data, 4)
    if kind == 21 and packed in data:
        gone = now
    if kind == 20 and packed in data and gone:
        print(int((now - gone) * 1e9))
        break
"""
"""Delete ADDRESS from DEVICE and print the nanoseconds until the kernel has it again (rtnetlink(7))."""

FLUSH_AND_WAIT = r"""
import subprocess, time
def table():
    with open("/proc/net/ip_vs") as file:
        return sorted(tuple(line.split()[:4]) for line in file)
before, begun = table(), time.monotonic()
subprocess.run(["ipvsadm", "-C"], check=True)
flushed = table() != before
while flushed and table() != before and time.monotonic() < begun + 10:
    time.sleep(0.01)
print(int((time.monotonic() - begun) * 1e9) if flushed and table() == before else -1)
"""
"""Flush the table and print the nanoseconds until every entry is back as it was; -1: never, or nothing to flush."""


def _delete_vip(scene: Scene) -> None:
    for address, device in scene.kernels.held(scene.active, scene.group):
        scene.measured[address] = int(scene.kernels.python(scene.active, DELETE_AND_WAIT, address, device) or -1)


def _flush(scene: Scene) -> None:
    took = int(scene.kernels.python(scene.active, FLUSH_AND_WAIT) or -1)
    scene.measured["the table"] = took
    scene.struck = time.monotonic_ns() - max(0, took)


def _within(scene: Scene, bound: int) -> list[str]:
    """Compare what the machine's own kernel measured with the bound."""
    if not scene.measured:
        return ["there was nothing to take away"]
    found = []
    for what, took in scene.measured.items():
        if took < 0:
            found.append(f"{what} did not come back")
        elif took > bound:
            found.append(f"{what} was back after {milliseconds(took)} ms ({show(bound)} allowed)")
        scene.note(f"{what} back after {milliseconds(took)} ms")
    return found


def _addresses_back(scene: Scene) -> list[str]:
    return _within(scene, expectations.ADDRESS_BACK) + scene.silences(expectations.ADDRESS_BACK + 50 * MILLISECOND)


def _table_back(scene: Scene) -> list[str]:
    return _within(scene, expectations.TABLE_BACK)


def _table_users(scene: Scene, probe: Probe) -> Concern:
    held = scene.holders.get(probe.group) == scene.active
    return Concern.CONCERNED if held and probe.service else Concern.UNCONCERNED


DRILLS = (
    Drill(
        name="vip-deleted",
        summary="somebody deletes the group's addresses from the active router's interfaces",
        skip=needs_group,
        expect=lambda _: expectations.address_back(),
        inject=_delete_vip,
        over=Scene.flowing,
        verify=_addresses_back,
    ),
    Drill(
        name="ipvs-flushed",
        summary="somebody flushes the active router's IPVS table",
        skip=needs_service,
        expect=lambda _: expectations.table_back(),
        inject=_flush,
        over=Scene.flowing,
        verify=_table_back,
        concern=_table_users,
    ),
)
