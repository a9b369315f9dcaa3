"""What one can do with the parts of a lab: machines, wires, networks and stand-in servers.

Handles are cheap and hold no state of their own; all state is with the lab's supervisor.
"""

import base64
import contextlib
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, NamedTuple

from vedette.kit.errors import PermanentError, TransientError
from vedette.kit.net import IPAddress
from vedette.lab import documents, fabric, namespace, topology
from vedette.lab.control import Control
from vedette.lab.guest import Power
from vedette.lab.namespace import Namespace
from vedette.lab.servers import Mood
from vedette.lab.switchboard import Fault
from vedette.lab.topology import DevicePlan, Leg, MachinePlan, ServerPlan

_SHELL = ("bash", "--noprofile", "--norc", "-i")
"""Not what the host's root has in its profile: that would be run by a slower machine."""


class Finished(NamedTuple):
    """What a command left; ``code`` is None when its time was up (it is killed then)."""

    code: int | None
    out: str
    err: str


class Machine:
    """One node's machine. Every method raises :class:`TransientError` when it is off or does not answer in time."""

    def __init__(self, control: Control, plan: MachinePlan, directory: Path) -> None:
        self.name, self.plan, self.directory = plan.name, plan, directory
        self._control = control

    @property
    def power(self) -> Power:
        return Power(self._control.ask("status")["machines"][self.name]["power"])

    @property
    def alive(self) -> bool:
        """Whether it has power; a frozen machine has."""
        return self.power is not Power.OFF

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str = "",
        timeout: float = 30.0,
        environment: Mapping[str, str] | None = None,
        directory: str = "/root",
    ) -> Finished:
        """Run a command in the machine to its end, at most ``timeout`` seconds."""
        answer = self._request(
            "run",
            limit=timeout,
            argv=list(argv),
            stdin=stdin,
            timeout=timeout,
            environment=dict(environment or {}),
            directory=directory,
        )
        return Finished(**answer)

    def spawn(self, argv: Sequence[str], *, log: str, label: str = "") -> int:
        """Start a process in the background; returns its number there.

        Its output is appended to the machine's file ``log`` (below ``/var/log/vedette`` it is readable on the host).
        With a ``label`` it is found again by :meth:`spawned`, also from another process of the host.
        """
        pid: int = self._request("spawn", argv=list(argv), log=log, label=label, environment={}, directory="/root")
        return pid

    def spawned(self, label: str) -> int | None:
        """The number of the last process started with this label, None when it does not run."""
        try:
            pid: int | None = self._request("spawned", limit=5.0, label=label)
        except TransientError:
            return None
        return pid

    def kill(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a process of the machine; raises :class:`PermanentError` when there is none."""
        self._request("kill", pid=pid, signal=int(number))

    def write(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """Replace a file of the machine in one step; it is gone with the next loss of power."""
        self._request("write", path=path, content=base64.b64encode(content).decode(), mode=mode)

    def replace_initial(self, path: PurePosixPath, content: bytes, *, mode: int = 0o644) -> None:
        """Replace a file of the machine, now if it is on and at every boot from now on."""
        documents.write(self.directory / "files", path, content, mode=mode)
        if self.alive:
            self.write(str(path), content, mode=mode)

    def read(self, path: str, *, offset: int = 0, size: int = 4 << 20) -> bytes:
        """Read a file of the machine, at most ``size`` bytes of it."""
        return base64.b64decode(self._request("read", path=path, offset=offset, size=size))

    def ping(self, *, timeout: float = 5.0) -> float:
        """Ask the machine for its CLOCK_BOOTTIME, in seconds."""
        answer: float = self._request("ping", limit=timeout)
        return answer

    def power_off(self) -> None:
        """Cut the power, as by pulling the plug."""
        self._control.ask("power", machine=self.name, to="off")

    def power_on(self) -> None:
        """Boot again, and wait until commands can be run."""
        self._control.ask("power", machine=self.name, to="on")

    def freeze(self) -> None:
        """Stop the whole machine as a hypervisor would, until :meth:`thaw`."""
        self._control.ask("power", machine=self.name, to="freeze")

    def thaw(self) -> None:
        self._control.ask("power", machine=self.name, to="thaw")

    def shell(self, join: Callable[[int, socket.socket], None], *, size: tuple[int, int]) -> None:
        """Open a shell and let ``join`` connect its terminal to the caller's (rows, columns) until it ends."""
        with self._control.terminal(
            "shell", machine=self.name, argv=_SHELL, rows=size[0], columns=size[1], environment={"PS1": r"\h:\w\$ "}
        ) as (terminal, ended):
            join(terminal, ended)

    def _request(self, op: str, *, limit: float = 30.0, **arguments: object) -> Any:
        return self._control.ask("machine", machine=self.name, limit=limit, request={"op": op} | arguments)


class Wire:
    """The wire between a machine's interface and its network."""

    def __init__(self, control: Control, machine: str, leg: Leg) -> None:
        self.machine, self.leg = machine, leg
        self._control = control

    def cut(self, *, silent: bool = False) -> None:
        """Nothing passes any more, in either direction, and the machine's interface loses its carrier.

        A ``silent`` cut is somewhere behind the machine's switch port: its interface notices nothing.
        """
        self._set(up=False, silent=silent)

    def heal(self) -> None:
        self._set(up=True, silent=False)

    def _set(self, *, up: bool, silent: bool) -> None:
        leg = self.leg
        self._control.ask("wire", machine=self.machine, port=leg.port, interface=leg.interface, up=up, silent=silent)


class Network:
    """One Ethernet segment of the lab."""

    def __init__(self, plan: topology.Network, switch: Namespace) -> None:
        self.name, self.bridge, self.subnets = plan.name, plan.bridge, plan.subnets
        self.namespace = switch
        """Where to sniff: on the interface :attr:`bridge`, promiscuously, every frame of the network is seen."""

    def capture(self, path: Path, *, expression: str = "") -> "Capture":
        """Write every frame (that matches a tcpdump ``expression``) to a pcap file, from now until it is stopped."""
        command = [
            "tcpdump",
            "-i",
            self.bridge,
            "-U",
            "--immediate-mode",
            "-Z",
            "root",
            "-w",
            str(path.resolve()),
            *expression.split(),
        ]
        try:
            process = self.namespace.popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
        except FileNotFoundError:
            raise PermanentError("a capture needs tcpdump: apt-get install tcpdump") from None
        return Capture(process)


class Capture:
    """A running tcpdump; it has begun to listen when this exists."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if "listening on" in line:
                return
        process.wait()
        raise PermanentError(f"the capture did not start: {said.strip()}")

    def wait(self, duration: float | None) -> None:
        """Let it run for so many seconds, or until Ctrl-C."""
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.wait(duration)

    def stop(self) -> None:
        """End the capture; the file is complete then."""
        self._process.terminate()
        self._process.communicate()

    def __enter__(self) -> "Capture":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class RealServerStandIn:
    """The stand-in for one real server (or for another address that the document checks)."""

    def __init__(self, control: Control, plan: ServerPlan, namespace: Namespace) -> None:
        self.address: IPAddress = plan.address
        self.plan, self.namespace = plan, namespace
        self._control = control

    def die(self) -> None:
        """Nothing listens any more; connections are reset, new ones refused."""
        self._become(Mood.DEAD)

    def hang(self) -> None:
        """Connections are accepted and never answered."""
        self._become(Mood.HANGING)

    def answer(self, status: int) -> None:
        """Answer every HTTP request with this status."""
        self._become(Mood.ANSWERING, status=status)

    def vanish(self) -> None:
        """Its wire is cut: silence."""
        self._become(Mood.ANSWERING, vanished=True)

    def lose_virtual(self) -> None:
        """The virtual addresses go from its ``lo``: who asks it at its own address notices nothing."""
        namespace.ip(
            [f"address delete {address}/{address.max_prefixlen} dev lo" for address in self.plan.virtual],
            within=self.namespace,
        )

    def regain_virtual(self) -> None:
        """Undo :meth:`lose_virtual`."""
        namespace.ip(fabric.virtual_addresses(self.plan), within=self.namespace)

    def recover(self) -> None:
        """Undo whatever was done to it, but for its virtual addresses."""
        self._become(Mood.ANSWERING)

    def _become(self, mood: Mood, *, status: int | None = None, vanished: bool = False) -> None:
        self._control.ask(
            "server",
            name=str(self.address),
            port=self.plan.leg.port,
            mood=mood.value,
            status=status,
            vanished=vanished,
        )


class Device:
    """The stand-in for a fencing device: a simulator whose power switch is the lab's. It has one fault at a time."""

    def __init__(self, control: Control, plan: DevicePlan) -> None:
        self.name, self.plan = plan.name, plan
        self._control = control

    def vanish(self) -> None:
        """Its wire is cut: nobody reaches it. What shares its address vanishes, too."""
        self._become(Fault.NONE, vanished=True)

    def refuse(self) -> None:
        """It says no to every order; it still tells states."""
        self._become(Fault.REFUSES)

    def pretend(self) -> None:
        """It acknowledges every order and switches nothing."""
        self._become(Fault.PRETENDS)

    def misread(self) -> None:
        """It says off whatever is, and switches nothing: as if it were connected to nothing."""
        self._become(Fault.MISREADS)

    def recover(self) -> None:
        """Undo whatever was done to it."""
        self._become(Fault.NONE)

    def _become(self, fault: Fault, *, vanished: bool = False) -> None:
        self._control.ask("device", device=self.name, fault=fault.value, port=self.plan.leg.port, vanished=vanished)
