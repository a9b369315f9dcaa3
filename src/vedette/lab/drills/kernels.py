"""The machines' kernels, looked at and remembered with the machines' own tools."""

from collections.abc import Iterable

from vedette.kit.errors import TransientError
from vedette.lab.drills import tables
from vedette.lab.drills.ground import Ground
from vedette.lab.drills.tables import Kernel
from vedette.lab.lab import Lab
from vedette.spec.resolved import Group

PROCESSOR_TIME = r"""
import os, time
taken = 0
for name in filter(str.isdigit, os.listdir("/proc")):
    try:
        with open(f"/proc/{name}/cmdline", "rb") as file:
            ours = b"vedette.cli.main\0run" in file.read()
        with open(f"/proc/{name}/stat") as file:
            figures = file.read().rpartition(")")[2].split()
    except OSError:
        continue
    if ours:
        taken += int(figures[11]) + int(figures[12])
print(taken * 1000000000 // os.sysconf("SC_CLK_TCK"), time.monotonic_ns())
"""
"""Print the processor time of everything that belongs to the daemon (proc(5)) and the time now, both in ns."""


class Kernels:
    """``remembered`` maps a machine to how its kernel was when a drill asked for that."""

    def __init__(self, lab: Lab, ground: Ground) -> None:
        self._lab, self._ground = lab, ground
        self.remembered: dict[str, Kernel] = {}

    def look(self, node: str) -> Kernel:
        """A machine's addresses and IPVS table."""
        run = self._lab.machines[node].run
        return Kernel(
            addresses=tables.addresses(run(["ip", "-j", "addr", "show"])[1]),
            entries=tables.entries(run(["ipvsadm", "-Sn"])[1]),
            counters=tables.counters(run(["ipvsadm", "-Ln", "--stats", "--exact"])[1]),
        )

    def holders(self, groups: Iterable[Group]) -> dict[str, str]:
        """Who has each group's addresses on an interface.

        Raises :class:`TransientError` when that is not exactly one machine for each.
        """
        kernels = {node: self.look(node) for node in self._ground.directors if self._lab.machines[node].alive}
        found: dict[str, str] = {}
        for group in groups:
            own = {str(vip.address) for vip in group.addresses}
            nodes = [
                node
                for node, kernel in kernels.items()
                if own <= {address for interface, address in kernel.addresses if interface != "lo"}
            ]
            if len(nodes) != 1:
                raise TransientError(f"the addresses of {group.name} are on {' and '.join(nodes) or 'no machine'}")
            found[group.name] = nodes[0]
        return found

    def held(self, node: str, group: Group) -> list[tuple[str, str]]:
        """A group's addresses on a machine's interfaces: (address, interface)."""
        own = {str(vip.address) for vip in group.addresses}
        found = self.look(node).addresses
        return sorted((address, interface) for interface, address in found if interface != "lo" and address in own)

    def remember(self, node: str) -> None:
        self.remembered[node] = self.look(node)

    def changes(self) -> list[str]:
        """What is different from what was remembered."""
        return [
            f"{node}: {what}"
            for node, then in self.remembered.items()
            for what in tables.changes(then, self.look(node))
        ]

    def python(self, node: str, script: str, *arguments: str) -> str:
        """Run a small script in a machine; returns what it printed."""
        _, out, _ = self._lab.machines[node].run(["python3", "-S", "-c", script, *arguments], timeout=15)
        return out.strip()

    def processor_time(self, node: str) -> tuple[int, int]:
        """The processor time (ns) that all of Vedette's processes on a node have taken so far, by its kernel, and the
        time (ns) on its clock."""
        taken, now = (int(word) for word in self.python(node, PROCESSOR_TIME).split())
        return taken, now
