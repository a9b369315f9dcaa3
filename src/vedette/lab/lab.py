"""A lab: the machines of a document, its real servers and a client, on networks of their own.

    with Lab.up(Path("cluster.yaml")) as lab:
        lab.start_daemon("router1")
        lab.machines["router1"].power_off()
        lab.client.run(["curl", "http://203.0.113.80/"])

The lab itself is owned by a supervisor process; this is the handle on it. A lab that was brought up in a ``with``
dies with it, or with this process; after :meth:`Lab.let_go` it stays until somebody calls :meth:`Lab.down`, and any
process can :meth:`Lab.attach`.
"""

import json
import signal
import sys
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any

from vedette.kit import plain
from vedette.kit.errors import TransientError, UsageError, VedetteError
from vedette.kit.net import IPAddress
from vedette.lab import credentials, derive, documents, home, launch
from vedette.lab.control import Control
from vedette.lab.credentials import Credentials
from vedette.lab.drills.documents import values
from vedette.lab.handles import Device, Machine, Network, RealServerStandIn, Wire
from vedette.lab.launch import Running
from vedette.lab.namespace import Namespace
from vedette.lab.supervisor import PID, STATE, TOPOLOGY
from vedette.lab.switchboard import Order
from vedette.lab.topology import Topology
from vedette.spec.resolved import ClusterSpec

DAEMON_LOG = "/var/log/vedette/daemon.log"
_DOCUMENT = "cluster.yaml"


class Lab:
    """The handle on one lab."""

    def __init__(self, directory: Path, running: Running | None = None) -> None:
        self.directory = directory
        """On the host: ``machines/NAME/log``, ``machines/NAME/state`` and ``machines/NAME/console.log`` are in it."""
        self.name = directory.name
        self.control = Control(directory)
        self._running = running
        _, self.spec = _read(directory)
        self.topology: Topology = plain.load(Topology, json.loads((directory / TOPOLOGY).read_text()))
        state = json.loads((directory / STATE).read_text())
        self.pid = int((directory / PID).read_text())
        """The supervisor's number on the host."""
        self.client = Namespace(f"/proc/{self.pid}/fd/{state['client']}")
        self.switch = Namespace(f"/proc/{self.pid}/ns/net")
        """Where the bridges and the machines' taps are."""
        self.machines: Mapping[str, Machine] = {
            plan.name: Machine(self.control, plan, directory / "machines" / plan.name)
            for plan in self.topology.machines
        }
        self.servers: Mapping[IPAddress, RealServerStandIn] = {
            plan.address: RealServerStandIn(
                self.control, plan, Namespace(f"/proc/{self.pid}/fd/{state['servers'][str(plan.address)]}")
            )
            for plan in self.topology.servers
        }
        self.devices: Mapping[str, Device] = {
            name: Device(self.control, plan) for plan in self.topology.devices for name in plan.names
        }
        self.networks: Mapping[str, Network] = {
            network.name: Network(network, self.switch) for network in self.topology.networks
        }

    # Life

    @classmethod
    def up(cls, document: Path, *, name: str | None = None, progress: Callable[[str], None] = launch.silent) -> "Lab":
        """Build the lab of a document and boot its machines; ``progress`` hears what happens, a line at a time.

        Raises :class:`vedette.kit.errors.VedetteError`; nothing is left behind then.
        """
        text, spec = documents.read(document)
        topology = derive.topology(spec)
        keys = documents.key_files(document)
        for note in topology.notes:
            progress(f"note: {note}")

        def fill(directory: Path) -> None:
            (directory / _DOCUMENT).write_text(text)
            stand_ins = Credentials(directory, topology, values(text)).make()
            made = {credentials.place(name, documents.FOLDER): content for name, content in stand_ins.items()}
            beside = documents.companions(document, made)
            for place, content in beside.items():
                if place.is_relative_to(documents.FOLDER):
                    target = directory / place.relative_to(documents.FOLDER)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
            secrets = keys | {place: content for place, content in made.items() if place not in beside}
            roots = [directory / "machines" / node.name / "files" for node in spec.nodes]
            documents.place(roots, text, secrets, beside)

        running = launch.start(name or home.name_from(spec.name), topology, progress=progress, fill=fill)
        return cls(running.directory, running)

    @classmethod
    def attach(cls, name: str) -> "Lab":
        """The handle on a lab that is up already; raises :class:`UsageError` when none is of that name.

        Raises :class:`TransientError` for one that is being built or ended, or that no document has made.
        """
        directory = home.find(name)
        try:
            return cls(directory)
        except (OSError, VedetteError) as error:
            needed = (_DOCUMENT, TOPOLOGY, STATE, PID)
            lacking = next((file for file in needed if not (directory / file).exists()), None)
            if lacking is None:
                raise
            raise TransientError(
                f"lab {name} has no {lacking}: it is being built or ended, or was not made from a document"
            ) from error

    def let_go(self) -> None:
        """Let the lab stay when this process ends."""
        if self._running is not None:
            self._running.let_go()
            self._running = None

    def down(self) -> None:
        """End all machines and stand-ins and remove every trace of the lab."""
        if self._running is not None:
            self._running.end()
            self._running = None
        else:
            launch.end(self.directory)

    def __enter__(self) -> "Lab":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    # What is in it

    def status(self) -> dict[str, Any]:
        """What is on, cut and spoilt, as the supervisor knows it: ``machines``, ``cut`` (by port), ``servers``."""
        answer: dict[str, Any] = self.control.ask("status")
        return answer

    def orders(self) -> list[Order]:
        """What the fencing devices were told, oldest first."""
        return [plain.load(Order, order) for order in self.status()["orders"]]

    def machine(self, name: str) -> Machine:
        """A machine by name; raises :class:`UsageError` that says which there are."""
        try:
            return self.machines[name]
        except KeyError:
            raise UsageError(f"no machine is named {name}; there are {', '.join(self.machines)}") from None

    def network(self, name: str) -> Network:
        """A network by name; raises :class:`UsageError` that says which there are."""
        try:
            return self.networks[name]
        except KeyError:
            raise UsageError(f"no network is named {name}; there are {', '.join(self.networks)}") from None

    def server(self, address: str) -> RealServerStandIn:
        """A stand-in server by its address; raises :class:`UsageError` that says which there are."""
        try:
            return self.servers[ip_address(address)]
        except (KeyError, ValueError):
            known = ", ".join(map(str, self.servers))
            raise UsageError(f"no server has the address {address}; there are {known}") from None

    def device(self, name: str) -> Device:
        """The stand-in for a fencing device by its name; raises :class:`UsageError` that says which there are."""
        try:
            return self.devices[name]
        except KeyError:
            known = f"there are {', '.join(self.devices)}" if self.devices else "the document has none"
            raise UsageError(f"no fencing device is named {name}; {known}") from None

    def wire(self, machine: str, interface_or_network: str) -> Wire:
        """The wire of a machine's interface, or of its leg on a network; raises :class:`UsageError`."""
        plan = self.machine(machine).plan
        try:
            return Wire(self.control, machine, plan.leg(interface_or_network))
        except KeyError:
            known = ", ".join(f"{leg.interface} ({leg.network})" for leg in plan.legs)
            raise UsageError(f"{machine} has no interface {interface_or_network}; it has {known}") from None

    # Daemons and documents

    def start_daemon(self, node: str) -> int:
        """Start ``vedette run`` in a machine; returns its process number there. Its output is :meth:`daemon_log`."""
        command = [sys.executable, "-m", "vedette.cli.main", "run", "--spec", str(documents.DOCUMENT), "--node", node]
        return self.machine(node).spawn(command, log=DAEMON_LOG, label="daemon")

    def daemon_pid(self, node: str) -> int | None:
        """The daemon's process number in its machine; None when it does not run."""
        return self.machine(node).spawned("daemon")

    def signal_daemon(self, node: str, number: signal.Signals) -> None:
        """Send a signal to the daemon's main process; raises :class:`UsageError` when it does not run."""
        pid = self.daemon_pid(node)
        if pid is None:
            raise UsageError(f"no daemon runs in {node}")
        self.machine(node).kill(pid, number)

    def daemon_log(self, node: str) -> Path:
        """The daemon's output, on the host: readable whatever has become of its machine."""
        return self.machine(node).directory / "log" / "daemon.log"

    def edit(self, text: str, nodes: list[str] | None = None) -> None:
        """Replace the document in machines (all, or ``nodes``) in one step each; one that is off finds it at boot."""
        for name in self.machines if nodes is None else nodes:
            self.machine(name).replace_initial(documents.DOCUMENT, text.encode())


def _read(directory: Path) -> tuple[str, ClusterSpec]:
    return documents.read(directory / _DOCUMENT)
