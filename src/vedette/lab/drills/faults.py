"""What drills do to the lab, and how it is undone: power, processes, cables, heartbeats."""

import signal

from vedette.kit.errors import TransientError
from vedette.lab.drills.ground import Ground
from vedette.lab.drills.plugs import Plugs
from vedette.lab.lab import Lab
from vedette.spec.resolved import SplitBrainPolicy

_HUSHED = "hushed"


class Faults:
    """The faults of one drill."""

    def __init__(self, lab: Lab, ground: Ground, plugs: Plugs) -> None:
        self._lab, self._ground, self._plugs = lab, ground, plugs
        self._cut: set[tuple[str, str]] = set()

    # machines

    def power_off(self, node: str) -> None:
        """Pull a machine's plug. Where nodes are switched off by others, the controller that is built into it loses its
        power as well, if an outlet remains that can prove it."""
        if self._ground.spec.policy is SplitBrainPolicy.FENCE and self._plugs.outlets(node):
            for device in self._plugs.controllers(node):
                device.vanish()
        self._lab.machines[node].power_off()

    def powered(self, node: str) -> bool:
        """Whether a machine still runs; one that its watchdog has reset stays off."""
        return self._lab.machines[node].alive

    def freeze(self, node: str) -> None:
        self._lab.machines[node].freeze()

    def thaw(self, node: str) -> None:
        """Let a frozen machine go on, unless it was switched off meanwhile."""
        if self._lab.machines[node].alive:
            self._lab.machines[node].thaw()

    def revive_all(self) -> None:
        """Give every machine its power and its daemon back."""
        for machine in self._lab.machines.values():
            if not machine.alive:
                machine.power_on()
        self.start_missing_daemons()

    # daemons

    def start_daemon(self, node: str) -> None:
        self._lab.start_daemon(node)

    def start_missing_daemons(self) -> None:
        for name, machine in self._lab.machines.items():
            if machine.alive and self._lab.daemon_pid(name) is None:
                self._lab.start_daemon(name)

    def signal_daemon(self, node: str, number: signal.Signals) -> None:
        self._lab.signal_daemon(node, number)

    # cables

    def cut(self, node: str, network: str) -> None:
        self._lab.wire(node, network).cut()
        self._cut.add((node, network))

    def mend(self, node: str, network: str) -> None:
        self._lab.wire(node, network).heal()
        self._cut.discard((node, network))

    def mend_all(self) -> None:
        self.unhush()
        for node, network in sorted(self._cut):
            self.mend(node, network)

    def hush(self) -> None:
        """Let the lab's switch drop every heartbeat, whatever network it is on."""
        ports = ", ".join(sorted({str(link.port) for link in self._ground.spec.heartbeat.links}))
        rules = f"table bridge {_HUSHED} {{ chain forward {{ type filter hook forward priority 0; "
        rules += f"udp dport {{ {ports} }} drop; }}; }}"
        done = self._lab.switch.run(["nft", "-f", "-"], stdin=rules)
        if done.returncode:
            raise TransientError(f"heartbeats cannot be dropped: {done.stderr.strip()}")

    def unhush(self) -> None:
        """Let heartbeats pass again."""
        self._lab.switch.run(["nft", "delete", "table", "bridge", _HUSHED])

    # everything

    def undo(self) -> None:
        """Undo whatever a drill may have left behind, also one that ended in the middle."""
        self.mend_all()
        for device in self._lab.devices.values():
            device.recover()
        for server in self._lab.servers.values():
            server.recover()
        for name, machine in self._lab.machines.items():
            if machine.alive:
                machine.thaw()
                if self._lab.daemon_pid(name) is not None:
                    self._lab.signal_daemon(name, signal.SIGCONT)
        self.revive_all()
