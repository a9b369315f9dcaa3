"""What a drill can see and do: the lab, the observers, and the facts of the moment before the fault.

Two kinds of questions are kept apart. What is *measured* comes from the observers and from the machines' own kernels;
the daemon's status is asked only to know when to go on (is a helper back, is a document applied).
"""

import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from vedette.kit.errors import TransientError
from vedette.kit.units import MILLISECOND, SECOND, seconds
from vedette.lab.attempts import Attempt
from vedette.lab.drills import tables
from vedette.lab.drills.clingers import Clingers, Hail
from vedette.lab.drills.ground import Ground
from vedette.lab.drills.judge import milliseconds
from vedette.lab.drills.tables import Kernel
from vedette.lab.handles import Device
from vedette.lab.lab import Lab
from vedette.lab.observers import Observers
from vedette.lab.outage import Accept, any_answer
from vedette.lab.probes import Probe
from vedette.lab.sightings import ANSWERS, silence
from vedette.lab.switchboard import Order
from vedette.spec.resolved import Group, Role, SplitBrainPolicy

PATIENCE = 20 * SECOND
"""How long (ns) a drill waits for what should have happened long before."""
POLL = 50 * MILLISECOND
"""Between two looks at what the observers have written."""
_HUSHED = "hushed"
ASK_PAUSE = 300 * MILLISECOND
"""Between two questions to daemons: each costs a machine a new process."""

ASK = r"""
import json, socket, sys
client = socket.socket(socket.AF_UNIX)
client.settimeout(5)
client.connect(sys.argv[1])
client.sendall(b'{"verb": "status"}\n')
print(client.makefile().readline())
"""
"""Print the daemon's answer as it came: `vedette status -o json` without the cost of a large program."""

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

Plain = dict[str, Any]


class Scene:
    """One drill's scene. ``holders`` is who held each group just before, asked of the kernels, not of the daemons."""

    def __init__(
        self, lab: Lab, observers: Observers, ground: Ground, holders: Mapping[str, str], document: str, accept: Accept
    ) -> None:
        self.lab, self.observers, self.ground = lab, observers, ground
        self.holders, self.document, self._accept = holders, document, accept
        self.measured: dict[str, int] = {}
        self.remembered: dict[str, Kernel] = {}
        self.exempt: set[Probe] = set()
        """Probes that are promised nothing while the fault lasts."""
        self.notes: list[str] = []
        self.complaints: list[str] = []
        self.injected = time.monotonic_ns()
        """When the drill began to cause the fault."""
        self.struck: int | None = None
        """When the fault came into force, where causing it takes time; set by the drill."""
        self._cut: set[tuple[str, str]] = set()
        self._helper: tuple[str, int] = ("", 0)
        self._troubles: list[Plain] = []
        self._asked = 0
        self._flood: subprocess.Popen[str] | None = None
        self.clingers: Clingers | None = None
        self.hail: Hail | None = None
        self.hailed = 0
        """Until when (ns) the attempts of the hail have been counted."""

    # facts

    @property
    def group(self) -> Group:
        assert self.ground.group is not None
        return self.ground.group

    @property
    def reached(self) -> list[Group]:
        """The groups that the client reaches."""
        names = {probe.group for probe in self.ground.probes}
        return [group for group in self.ground.spec.groups if group.name in names]

    @property
    def active(self) -> str:
        """The node that held the drilled group before the fault."""
        return self.holders[self.group.name]

    @property
    def standby(self) -> str:
        """Another node that may hold the drilled group, one that holds nothing if there is one."""
        others = [name for name in self.ground.candidates if name != self.active]
        busy = set(self.holders.values())
        return min(others, key=lambda name: name in busy)

    @property
    def patient(self) -> str:
        """The node whose daemon can be spared: a standby, or else the only one."""
        return self.standby if len(self.ground.candidates) > 1 else self.active

    @property
    def witness(self) -> str:
        return self.ground.witnesses[0].name

    @property
    def directors(self) -> list[str]:
        return [node.name for node in self.ground.spec.nodes if node.role is Role.DIRECTOR]

    def note(self, text: str) -> None:
        """Report something that was measured."""
        self.notes.append(text)

    def complain(self, text: str) -> None:
        """Report something that is wrong."""
        self.complaints.append(text)

    # time

    def passed(self, duration: int) -> bool:
        """Whether the fault is at least this old (ns)."""
        return time.monotonic_ns() - self.injected >= duration

    def pause(self, duration: int) -> None:
        """Let time pass while the observers go on."""
        deadline = time.monotonic_ns() + duration
        while time.monotonic_ns() < deadline:
            time.sleep(seconds(POLL))
            self.observers.refresh()

    def wait(self, condition: Callable[[], bool], *, patience: int = PATIENCE) -> bool:
        """Wait until ``condition`` holds; whether it did in time."""
        deadline = time.monotonic_ns() + patience
        while True:
            self.observers.refresh()
            if condition():
                return True
            if time.monotonic_ns() > deadline:
                return False
            time.sleep(seconds(POLL))

    # what can be seen

    def latest(self) -> dict[Probe, list[Attempt]]:
        return self.observers.latest()

    def flowing(self) -> bool:
        """Every attempt of the last moments to which something is promised was answered acceptably."""
        self.observers.refresh()  # asking daemons takes time, and what was seen before is no longer recent
        return self.observers.flowing([probe for probe in self.ground.probes if probe not in self.exempt], self._accept)

    def recovered(self) -> bool:
        """Traffic flows, and the fault is old enough for the first attempts to have met it."""
        return self.passed(SECOND) and self.flowing()

    def holder(self, group: Group) -> str | None:
        """Who answers for all of the group's watched addresses on the wire; None when nobody or not one machine."""
        watched = {probe.address for probe in self.ground.probes if probe.group == group.name}
        found = {self.observers.holder(vip.address) for vip in group.addresses if vip.address in watched}
        return found.pop() if len(found) == 1 else None

    def taken_over(self) -> bool:
        """Somebody else answers for everything that the active node held, and traffic flows."""
        for group in self.reached:
            if self.holders.get(group.name) == self.active and self.holder(group) in (None, self.active):
                return False
        return self.flowing()

    def settled(self) -> bool:
        """Everything is up and in its place: asked of the wire first, then of every daemon."""
        for group in self.reached:
            holder, home = self.holder(group), self.home(group)
            if holder is None or home not in (None, holder):
                return False
        self.observers.refresh()
        return self.observers.flowing(self.ground.probes, any_answer) and self._all_ready()

    def home(self, group: Group) -> str | None:
        """Where failback brings a group; None when it stays where it is."""
        directors = {node.name for node in self.ground.spec.nodes if node.role is Role.DIRECTOR and not node.standby}
        if group.failback.value != "automatic" or group.failback_delay > PATIENCE:
            return None
        return next((name for name in group.preferred_nodes if name in directors), None)

    def silences(self, bound: int) -> list[str]:
        """The addresses of the drilled group that nobody answered for, on the wire, for longer than ``bound``."""
        self.pause(200 * MILLISECOND)
        since, until = self.injected, time.monotonic_ns() - 100 * MILLISECOND
        heard = self.observers.wire.between(since, until)
        found = []
        for address in {probe.address for probe in self.ground.probes if probe.group == self.group.name}:
            quiet = silence(heard, address, since=since, until=until)
            self.note(f"{address} unanswered on the wire for {milliseconds(quiet)} ms")
            if quiet > bound:
                found.append(f"nobody answered for {address} on the wire for {milliseconds(quiet)} ms")
        return found

    # the machines' kernels

    def kernel(self, node: str) -> Kernel:
        """Look at a machine's addresses and IPVS table with its own tools."""
        run = self.lab.machines[node].run
        return Kernel(
            addresses=tables.addresses(run(["ip", "-j", "addr", "show"])[1]),
            entries=tables.entries(run(["ipvsadm", "-Sn"])[1]),
            counters=tables.counters(run(["ipvsadm", "-Ln", "--stats", "--exact"])[1]),
        )

    def kernel_holders(self) -> dict[str, str]:
        """Who has each reached group's addresses on an interface, by the machines' kernels.

        Raises :class:`TransientError` when that is not exactly one machine for each.
        """
        kernels = {node: self.kernel(node) for node in self.directors if self.lab.machines[node].alive}
        found: dict[str, str] = {}
        for group in self.reached:
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

    def remember(self, node: str) -> None:
        self.remembered[node] = self.kernel(node)

    def kernel_changes(self, node: str) -> list[str]:
        """What is different from what was remembered."""
        return [f"{node}: {what}" for what in tables.changes(self.remembered[node], self.kernel(node))]

    def held_addresses(self, node: str) -> list[tuple[str, str]]:
        """The drilled group's addresses on a machine's interfaces: (address, interface)."""
        own = {str(vip.address) for vip in self.group.addresses}
        found = self.kernel(node).addresses
        return sorted((address, interface) for interface, address in found if interface != "lo" and address in own)

    def python(self, node: str, script: str, *arguments: str) -> str:
        """Run a small script in a machine; returns what it printed."""
        _, out, _ = self.lab.machines[node].run(["python3", "-S", "-c", script, *arguments], timeout=15)
        return out.strip()

    def processor_time(self, node: str) -> tuple[int, int]:
        """The processor time (ns) that all of Vedette's processes on a node have taken so far, by its kernel, and the
        time (ns) on its clock."""
        taken, now = (int(word) for word in self.python(node, PROCESSOR_TIME).split())
        return taken, now

    # the fencing devices

    def controllers(self, node: str) -> list[Device]:
        """The devices that are built into a node."""
        return [device for device in self._devices_of(node) if not device.plan.simulator.feeds]

    def outlets(self, node: str) -> list[Device]:
        """The devices that feed a node."""
        return [device for device in self._devices_of(node) if device.plan.simulator.feeds]

    def level(self, node: str, number: int) -> list[Device]:
        """The devices of one level of a node, as far as the lab stands in for them."""
        fencing = self.ground.spec.node(node).fencing
        uses = fencing.levels[number] if fencing is not None and number < len(fencing.levels) else ()
        return [self.lab.devices[use.device] for use in uses if use.device in self.lab.devices]

    def _devices_of(self, node: str) -> list[Device]:
        return [
            device
            for device in {device.name: device for device in self.lab.devices.values()}.values()
            if node in device.plan.plugs.values()
        ]

    def orders_off(self, node: str) -> list[Order]:
        """What devices were told to do to a node since the drill began, if it was to switch it off."""
        orders = self.lab.orders()
        return [order for order in orders if order.machine == node and order.to == "off" and order.at >= self.injected]

    def fenced(self, node: str) -> bool:
        """Whether a node was switched off by a device that obeyed."""
        return not self.lab.machines[node].alive and any(order.obeyed for order in self.orders_off(node))

    def fence_took(self, node: str) -> int | None:
        """From the order to the sight of ``node`` being off (ns), as the one who had it done has written it down."""
        for witness in self.directors:
            if witness != node and self.lab.machines[witness].alive:
                words = ["vedette", "fence", "history", node, "-o", "json"]
                code, out, _ = self.lab.machines[witness].run(words, timeout=15)
                entries = json.loads(out)["entries"] if code == 0 else []
                done = [entry["seconds"] for entry in entries if entry["result"] == "off"]
                if done:
                    return int(done[-1] * SECOND)
        return None

    def first_answer(self, group: Group, *, but: str) -> int | None:
        """When somebody else than ``but`` answered first for an address of the group on the wire, since the fault."""
        own = {vip.address for vip in group.addresses}
        others = {mac for mac, name in self.observers.machines.items() if name != but}
        heard = self.observers.wire.between(self.injected, time.monotonic_ns())
        found = (one.at for one in heard if one.address in own and one.mac in others and one.speech in ANSWERS)
        return min(found, default=None)

    # the daemons, for waiting only

    def status(self, node: str) -> Plain | None:
        """The status of a node's daemon; None when it does not answer."""
        try:
            code, out, _ = self.lab.machines[node].run(
                ["python3", "-S", "-c", ASK, "/run/vedette/vedette.sock"], timeout=10
            )
            answer = json.loads(out) if code == 0 else None
        except (ValueError, TransientError):
            return None
        return answer if isinstance(answer, dict) and "nodes" in answer else None

    def vedette(self, node: str, *words: str) -> None:
        """Run a verb in a machine as its operator would."""
        code, out, err = self.lab.machines[node].run(["vedette", *words], timeout=15)
        if code != 0:
            self.complain(f"vedette {' '.join(words)} on {node} ended with {code}: {(err or out).strip()}")

    def helper_is_back(self) -> bool:
        """The killed helper has another process, and the daemon has no trouble that it did not have before."""
        status = self._ask_now_and_then(self.active)
        if status is None:
            return False
        name, old = self._helper
        alive = [process["pid"] for process in status["processes"] if process["name"] == name]
        troubles = [problem for problem in status["problems"] if problem not in self._troubles]
        return bool(alive) and alive[0] not in (None, old) and not troubles

    def documents_agree(self) -> bool:
        """Every director runs another document than before, the same one, and finds nothing wrong with it."""
        found = [self._ask_now_and_then(node, always=True) for node in self.directors]
        digests = {status["spec"]["digest"] for status in found if status is not None and not status["spec"]["error"]}
        return None not in found and len(digests) == 1 and digests != {self.ground.spec.digest}

    def documents_refused(self) -> bool:
        """Every director says what is wrong with its document, and goes on with the former one."""
        found = [self._ask_now_and_then(node, always=True) for node in self.directors]
        return all(
            status is not None and status["spec"]["error"] and status["spec"]["digest"] == self.ground.spec.digest
            for status in found
        )

    def _all_ready(self) -> bool:
        if not self._may_ask():
            return False
        for node in self.directors:
            status = self.status(node)
            if status is None or status["spec"]["error"]:
                return False
            for other in status["nodes"]:
                witness = self.ground.spec.node(other["name"]).role is Role.WITNESS
                if other["state"] != "up" or not (other["ready"] or witness):
                    return False
        return True

    def _ask_now_and_then(self, node: str, *, always: bool = False) -> Plain | None:
        return self.status(node) if always or self._may_ask() else None

    def _may_ask(self) -> bool:
        now = time.monotonic_ns()
        if now - self._asked < ASK_PAUSE:
            return False
        self._asked = now
        return True

    # what can be done

    def power_off(self, node: str) -> None:
        """Pull a machine's plug. Where nodes are switched off by others, the controller that is built into it loses its
        power as well, if an outlet remains that can prove it."""
        if self.ground.spec.policy is SplitBrainPolicy.FENCE and self.outlets(node):
            for device in self.controllers(node):
                device.vanish()
        self.lab.machines[node].power_off()

    def revive_all(self) -> None:
        """Give every machine its power and its daemon back."""
        for machine in self.lab.machines.values():
            if not machine.alive:
                machine.power_on()
        self.start_missing_daemons()

    def start_missing_daemons(self) -> None:
        for name, machine in self.lab.machines.items():
            if machine.alive and self.lab.daemon_pid(name) is None:
                self.lab.start_daemon(name)

    def start_daemon(self, node: str) -> None:
        self.lab.start_daemon(node)

    def stop_daemon(self, node: str) -> None:
        """Ask the daemon to leave (SIGTERM) and wait until it has."""
        self.lab.signal_daemon(node, signal.SIGTERM)
        if not self.wait(lambda: self.lab.daemon_pid(node) is None):
            self.complain(f"the daemon of {node} does not stop")

    def signal_daemon(self, node: str, number: signal.Signals) -> None:
        self.lab.signal_daemon(node, number)

    def kill_helper(self, name: str) -> None:
        """Kill one of the active node's helper processes."""
        status = self.status(self.active) or {"processes": [], "problems": []}
        self._troubles = status["problems"]
        pids = [process["pid"] for process in status["processes"] if process["name"] == name and process["pid"]]
        if not pids:
            self.complain(f"{self.active} has no process {name}")
            return
        self._helper = (name, pids[0])
        self.lab.machines[self.active].run(["kill", "-KILL", str(pids[0])])

    def powered(self, node: str) -> bool:
        """Whether a machine still runs; one that its watchdog has reset stays off."""
        return self.lab.machines[node].alive

    def freeze(self, node: str) -> None:
        self.lab.machines[node].freeze()

    def thaw(self, node: str) -> None:
        """Let a frozen machine go on, unless it was switched off meanwhile."""
        if self.lab.machines[node].alive:
            self.lab.machines[node].thaw()

    def cut(self, node: str, network: str) -> None:
        self.lab.wire(node, network).cut()
        self._cut.add((node, network))

    def hush(self) -> None:
        """Let the lab's switch drop every heartbeat, whatever network it is on."""
        ports = ", ".join(sorted({str(link.port) for link in self.ground.spec.heartbeat.links}))
        rules = f"table bridge {_HUSHED} {{ chain forward {{ type filter hook forward priority 0; "
        rules += f"udp dport {{ {ports} }} drop; }}; }}"
        done = self.lab.switch.run(["nft", "-f", "-"], stdin=rules)
        if done.returncode:
            raise TransientError(f"heartbeats cannot be dropped: {done.stderr.strip()}")

    def unhush(self) -> None:
        """Let heartbeats pass again."""
        self.lab.switch.run(["nft", "delete", "table", "bridge", _HUSHED])

    def mend(self, node: str, network: str) -> None:
        self.lab.wire(node, network).heal()
        self._cut.discard((node, network))

    def mend_all(self) -> None:
        self.unhush()
        for node, network in sorted(self._cut):
            self.mend(node, network)

    def flood(self, node: str, network: str, rate: int) -> None:
        """Send a node forged, repeated and foreign heartbeats, ``rate`` a second, until :meth:`dry`."""
        leg = self.lab.machines[node].plan.leg(network)
        port = next(link.port for link in self.ground.spec.heartbeat.links if self.link_network(link.name) == network)
        command = [sys.executable, "-P", "-m", "vedette.lab.flood", self.lab.networks[network].bridge]
        place = self.lab.networks[network].namespace
        self._flood = place.popen(
            [*command, leg.mac, str(port), str(rate)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )

    def flooded(self) -> bool:
        """Whether the flood has begun; raises :class:`TransientError` when it has ended by itself."""
        assert self._flood is not None
        assert self._flood.stdout is not None
        if self._flood.poll() is not None:
            raise TransientError("the flood has ended by itself")
        return bool(select.select([self._flood.stdout], [], [], 0)[0])

    def dry(self) -> int:
        """End the flood; returns how many datagrams were sent, to the last second."""
        if self._flood is None:
            return 0
        self._flood.terminate()
        out, _ = self._flood.communicate()
        self._flood = None
        return int(out.split()[-1]) if out.split() else 0

    def let_go(self) -> None:
        """End what a drill about connections has running at the client."""
        for running in (self.clingers, self.hail):
            if running is not None:
                running.end()
        self.clingers = self.hail = None

    def link_network(self, link: str) -> str | None:
        return self.ground.link_networks.get(link)

    def edit(self, text: str) -> None:
        """Give every node another document, as an editor would."""
        self.lab.edit(text)

    def restore(self) -> None:
        """Undo whatever a drill may have left behind, also one that ended in the middle."""
        self.dry()
        self.let_go()
        self.mend_all()
        for device in self.lab.devices.values():
            device.recover()
        for server in self.lab.servers.values():
            server.recover()
        for name, machine in self.lab.machines.items():
            if machine.alive:
                machine.thaw()
                if self.lab.daemon_pid(name) is not None:
                    self.lab.signal_daemon(name, signal.SIGCONT)
        self.revive_all()
