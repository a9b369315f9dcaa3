"""The process that owns a lab: its networks, its machines and its stand-ins. One a lab; nothing of a lab outlives it.

``python -m vedette.lab.supervisor DIRECTORY LIFELINE`` takes the descriptor of a socket to the process that wants the
lab, and inherits that of the locked lock file, which it only keeps open. It makes a process namespace, of which its
child becomes the init: whatever kills that, SIGKILL included, makes the kernel kill all machines and stand-ins, and
with them their network namespaces go. It ends itself when the lifeline closes, unless it was told to stay
(``vedette lab up``).
"""

import compileall
import contextlib
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import vedette
from vedette.kit import plain
from vedette.kit.errors import PermanentError, TransientError, UsageError, VedetteError
from vedette.lab import control, credentials, fabric, namespace, simulators
from vedette.lab.guest import Guest, Power
from vedette.lab.namespace import Namespace
from vedette.lab.switchboard import Fault, Machines, Switchboard
from vedette.lab.topology import DevicePlan, ServerPlan, Topology

TOPOLOGY, STATE, PID = "topology.json", "state.json", "pid"
CABLE, SILENT = "cable", "silent"
"""How a wire is cut: seen by the machine as a loss of carrier, or not seen."""
DAEMON = "daemon"
"""The label of a machine's daemon. A machine that a fencing device has booted starts it, as an init system would."""
VANISHED = "vanished"
CARRIER_LIMIT = 1.0
"""Seconds to wait for a machine to notice that its cable is cut, or back."""
SHELL_LIMIT = 7 * 86400.0
"""Seconds that a shell may stay open."""

Json = dict[str, Any]


class Supervisor:
    """Builds the lab, answers questions about it, and ends it."""

    def __init__(self, directory: Path, topology: Topology, lifeline: socket.socket) -> None:
        self.directory, self.topology = directory, topology
        self._lifeline = lifeline
        self._stay = False
        self._bridges = fabric.bridges(topology)
        self._cut: dict[str, str] = {}
        self._moods: dict[str, Json] = {}
        self._vanished: set[str] = set()
        self._boots: dict[str, Future[None]] = {}
        self._daemons: dict[str, Json] = {}
        self._simulators: dict[str, subprocess.Popen[bytes]] = {}
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="boot")
        self._board = Switchboard(topology.devices, Machines(self._lives, self._boot, self._pull))
        self._lock = threading.Lock()
        self.guests = {
            plan.name: Guest(
                directory / "machines" / plan.name,
                fabric.boot(plan, directory=directory / "machines" / plan.name),
                role=plan.role,
            )
            for plan in topology.machines
        }
        self._operations: dict[str, Callable[[Json], object]] = {
            "status": self._status,
            "machine": self._machine,
            "power": self._power,
            "wire": self._wire,
            "server": self._server,
            "plug": self._plug,
            "device": self._device,
            "stay": self._set_stay,
        }

    # Life

    def start(self) -> None:
        """Build everything and boot all machines at once; raises the first failure."""
        self._fabric = fabric.build(self.topology)
        certificate = self.directory / credentials.FOLDER / f"{credentials.SERVERS}.pem"
        self._servers = _Servers(self.topology.servers, self._fabric.servers, certificate)
        self._listen()
        self._write_state()
        self.say(f"{len(self.topology.networks)} networks, {len(self.topology.servers)} stand-in servers, a client")
        with ThreadPoolExecutor(max_workers=max(4, os.cpu_count() or 1)) as pool:
            # Machines are slow at it, and most of what they run is ours.
            pool.submit(compileall.compile_dir, Path(vedette.__file__).parent, quiet=2)
            devices = [pool.submit(self._simulate, plan) for plan in self.topology.devices]
            boots = {pool.submit(guest.power_on): name for name, guest in self.guests.items()}
            for boot in as_completed(boots):
                self.say(f"{boots[boot]} booted in {boot.result():.1f} s")
            for device in devices:
                device.result()
        if self.topology.devices:
            self.say(f"{len(self.topology.devices)} fencing devices answer")

    def say(self, text: str) -> None:
        self.tell({"progress": text})

    def tell(self, message: Json) -> None:
        """Tell the one who wants the lab; once it has gone nobody listens any more."""
        with contextlib.suppress(OSError):
            self._lifeline.sendall(json.dumps(message).encode() + b"\n")

    def watch(self) -> None:
        """End the lab when the lifeline closes, unless somebody said that it should stay."""
        with contextlib.suppress(OSError):
            while self._lifeline.recv(64):
                continue
        if not self._stay:
            self.end()

    def end(self) -> None:
        """End at once. As this is the init of its process namespace, the kernel ends everything else."""
        os._exit(0)

    def _listen(self) -> None:
        path = self.directory / control.SOCKET
        supervisor = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                supervisor.answer(self.connection, self.rfile.readline())

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            request_queue_size = 128

        server = Server(str(path), Handler)
        path.chmod(0o600)
        threading.Thread(target=server.serve_forever, name="control", daemon=True).start()

    def _write_state(self) -> None:
        state = {
            "client": self._fabric.client,
            "servers": {
                str(plan.address): descriptor
                for plan, descriptor in zip(self.topology.servers, self._fabric.servers, strict=True)
            },
        }
        (self.directory / STATE).write_text(json.dumps(state))

    # Questions

    def answer(self, connection: socket.socket, line: bytes) -> None:
        """Answer one question; an error belongs to the one who asked."""
        try:
            question = json.loads(line)
            if question["op"] == "stop":
                self.end()
            if question["op"] == "shell":
                answer: Json = {"ok": self._shell(question, connection)}
            else:
                answer = {"ok": self._operations[question["op"]](question)}
        except Exception as error:
            answer = control.answer_of(error)
        with contextlib.suppress(OSError):
            connection.sendall(json.dumps(answer).encode() + b"\n")

    def _guest(self, name: str) -> Guest:
        try:
            return self.guests[name]
        except KeyError:
            raise UsageError(f"no machine is named {name}; there are {', '.join(self.guests)}") from None

    def _status(self, question: Json) -> Json:
        return {
            "machines": {name: {"power": guest.power.value, "pid": guest.pid} for name, guest in self.guests.items()},
            "cut": dict(self._cut),
            "servers": dict(self._moods),
            "orders": [plain.dump(order) for order in list(self._board.orders)],
            "devices": {plan.name: self._fault(plan) for plan in self.topology.devices},
        }

    def _machine(self, question: Json) -> object:
        """Pass a request on to a machine's agent; to one that is just booting, when it is up."""
        name, request = question["machine"], question["request"]
        guest = self._guest(name)
        self._booted(name)
        if request["op"] == "spawn" and request.get("label") == DAEMON:
            self._daemons[name] = dict(request)
        return guest.request(request.pop("op"), limit=question["limit"], **request)

    def _power(self, question: Json) -> float | None:
        guest = self._guest(question["machine"])
        match question["to"]:
            case "on":
                self._booted(guest.name)
                self._board.restore(guest.name)
                return self._power_on(guest)
            case "off":
                guest.power_off()
            case "freeze":
                guest.freeze()
            case "thaw":
                guest.thaw()
        return None

    def _power_on(self, guest: Guest) -> float:
        """Boot, and wait for it; cables that are cut are cut for the booted machine, too."""
        took = guest.power_on()
        for leg in self.topology.machine(guest.name).legs:
            if self._cut.get(leg.port) == CABLE:
                self._carrier(guest.name, leg.interface, up=False)
        return took

    # Fencing devices

    def _simulate(self, plan: DevicePlan) -> None:
        place = Namespace(f"/proc/{os.getpid()}/fd/{self._fabric.devices[plan.leg.port]}")
        self._simulators[plan.name] = simulators.start(self.directory, plan, place)

    def _plug(self, question: Json) -> str:
        """What simulators ask: switch a plug, or tell its state."""
        return self._board.switch(question["device"], question["plug"], question["to"])

    def _device(self, question: Json) -> None:
        """Spoil a device, or repair it."""
        self._board.spoil(question["device"], Fault(question["fault"]))
        with self._lock:
            self._connect(question["port"], up=not question["vanished"])
            self._vanished.discard(question["port"])
            if question["vanished"]:
                self._vanished.add(question["port"])

    def _fault(self, plan: DevicePlan) -> str:
        if plan.leg.port in self._vanished:
            return VANISHED
        return self._board.faults.get(plan.name, Fault.NONE).value

    def _lives(self, machine: str) -> bool:
        return self.guests[machine].power is not Power.OFF

    def _pull(self, machine: str) -> None:
        self.guests[machine].power_off()

    def _boot(self, machine: str) -> None:
        """Begin to boot, as a device makes a machine do, which then starts its daemon if it ever ran one."""
        self._boots[machine] = self._pool.submit(self._boot_up, machine)

    def _boot_up(self, machine: str) -> None:
        try:
            self._power_on(self.guests[machine])
            if machine in self._daemons:
                request = dict(self._daemons[machine])
                self.guests[machine].request(request.pop("op"), **request)
        except VedetteError as error:
            print(f"{machine} was switched on by a device: {error}", file=sys.stderr, flush=True)

    def _booted(self, machine: str) -> None:
        """Wait until a boot that a device began has ended, well or badly."""
        if machine in self._boots:
            self._boots[machine].exception()

    def _wire(self, question: Json) -> None:
        """Cut or heal a wire; the machine's interface loses its carrier with it, unless the cut is a silent one."""
        port, up = question["port"], question["up"]
        with self._lock:
            self._connect(port, up=up)
            silent = self._cut.pop(port, None) == SILENT if up else question["silent"]
            if not up:
                self._cut[port] = SILENT if silent else CABLE
        if not silent:
            self._carrier(question["machine"], question["interface"], up=up)

    def _connect(self, port: str, *, up: bool) -> None:
        if up:
            fabric.plug(port, self._bridges[port])
        else:
            fabric.unplug(port)

    def _carrier(self, machine: str, interface: str, *, up: bool) -> None:
        # A machine that is off or frozen learns of it when it is back.
        with contextlib.suppress(TransientError):
            self._guest(machine).request("carrier", limit=CARRIER_LIMIT, interface=interface, up=up)

    def _server(self, question: Json) -> None:
        order = {key: question[key] for key in ("name", "mood", "status")}
        with self._lock:
            self._servers.order(order)
            self._connect(question["port"], up=not question["vanished"])
            self._moods[question["name"]] = order | {"vanished": question["vanished"]}

    def _set_stay(self, question: Json) -> None:
        self._stay = True

    def _shell(self, question: Json, connection: socket.socket) -> object:
        guest = self._guest(question["machine"])
        guest.request("ping", limit=5.0)
        terminal = guest.terminal
        if terminal is None:
            raise TransientError(f"{guest.name} is off")
        socket.send_fds(connection, [b"T"], [terminal])
        return guest.request(
            "shell",
            limit=SHELL_LIMIT,
            argv=question["argv"],
            rows=question["rows"],
            columns=question["columns"],
            environment=question["environment"],
        )


class _Servers:
    """The process of all stand-in servers, seen from here."""

    def __init__(self, plans: tuple[ServerPlan, ...], descriptors: tuple[int, ...], certificate: Path) -> None:
        """``certificate``: what they show over TLS, if that file exists; its key is beside it."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "vedette.lab.servers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for plan, descriptor in zip(plans, descriptors, strict=True):
            self.order(
                {
                    "name": str(plan.address),
                    "namespace": f"/proc/{os.getpid()}/fd/{descriptor}",
                    "addresses": [str(plan.address), *map(str, plan.virtual)],
                    "listeners": [[listener.protocol, listener.port] for listener in plan.listeners],
                    "pages": [[page.path, page.status, page.body] for page in plan.pages],
                    "certificate": str(certificate) if certificate.exists() else None,
                }
            )

    def order(self, order: Json) -> None:
        """Give an order and wait until it is in force."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise PermanentError("the stand-in servers have ended: see supervisor.log")
        if "error" in (said := json.loads(answer)):
            raise PermanentError(said["error"])


def main(directory: str, lifeline: str) -> None:
    """Become a lab's supervisor. The process that was started ends as soon as its child, the supervisor, exists."""
    namespace.isolate()
    if os.fork():
        os._exit(0)
    pid = int(Path("/proc/self").readlink().name)  # as the host counts; from here on /proc shows the lab only
    namespace.settle()
    home = Path(directory)
    (home / PID).write_text(str(pid))
    topology = plain.load(Topology, json.loads((home / TOPOLOGY).read_text()))
    supervisor = Supervisor(home, topology, socket.socket(fileno=int(lifeline)))
    threading.Thread(target=supervisor.watch, name="lifeline", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.end())
    try:
        supervisor.start()
        supervisor.tell({"ready": True})
    except Exception as error:
        supervisor.tell(control.answer_of(error))
        supervisor.end()
    while True:
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
