"""What this node is fit for now, as the cluster core has to know it: table, carriers, gate, ping nodes.

A node is preferred while its table is programmed; one whose cable is out hands over to one that is ready; one whose
gate does not work must not hold anything that another could take.
"""

import asyncio
from collections.abc import Callable

from vedette.cluster import events
from vedette.kit import clock
from vedette.kit.units import SECOND, seconds
from vedette.spec.resolved import ClusterSpec, Role

SETTLE = 5 * SECOND
"""After a carrier has returned (ns): the port of a switch, and the checks through it, need a while to be of use."""


class Fitness:
    """``fit`` says whether clients could reach a group here; ``tell`` reaches the core, if there is one."""

    def __init__(self, node: str, *, fit: Callable[[str], bool], tell: Callable[[events.Event], None]) -> None:
        self._node, self._fit, self._tell = node, fit, tell
        self._spec: ClusterSpec | None = None
        self._services, self._stalled = False, 0
        self._connected_at = 0
        self._missing: int | None = None
        self.gate_trouble: str | None = None
        """Why the kernel would not let go in time; None while it would."""

    def configure(self, spec: ClusterSpec) -> None:
        self._spec = spec

    def say(self) -> None:
        """Say again what a new core, or one with another document, has to know."""
        self._tell(events.Gate(working=self.gate_trouble is None))
        self.say_readiness()
        self._say_reach()

    def services(self, programmed: bool, *, stalled: int | None = None) -> None:
        """Whether the table is as the document wants it, and of how many services a person must act for that."""
        self._services = programmed
        self.say_readiness()
        if stalled is not None and stalled != self._stalled:
            self._stalled = stalled
            self._say_reach()

    def carrier_changed(self, *, up: bool) -> None:
        if up:
            self._connected_at = clock.boottime() + SETTLE
            asyncio.get_running_loop().call_later(seconds(SETTLE) + 0.01, self.say_readiness)
        self.say_readiness()

    def ping_nodes(self, missing: int) -> None:
        """How many of them do not answer."""
        self._missing = missing
        self._say_reach()

    def gate(self, trouble: str | None) -> None:
        self.gate_trouble = trouble
        self._tell(events.Gate(working=trouble is None))

    def say_readiness(self) -> None:
        if self._spec is None:
            return
        fit = all(self._fit(group.name) for group in self._spec.groups if group.addresses)
        connected = fit and clock.boottime() >= self._connected_at
        self._tell(events.Readiness(services=self._services, connected=connected))

    def _say_reach(self) -> None:
        """How much is missing here: ping nodes that do not answer, and services that wait for a person.

        Before the director has asked them, no ping node is known to answer.
        """
        if self._spec is not None and self._spec.node(self._node).role is Role.DIRECTOR:
            missing = len(self._spec.ping_nodes) if self._missing is None else self._missing
            self._tell(events.Reach(missing=missing + self._stalled))
