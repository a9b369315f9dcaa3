"""The kernel's side: observe the table, perform a plan's actions, and say in words why one failed.

Needs CAP_NET_ADMIN in the network namespace, and the module ip_vs, which is loaded when it is missing.
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from vedette.ipvs import codec, sysctls
from vedette.ipvs.family import load, open_family
from vedette.ipvs.model import (
    AddressKey,
    Destination,
    DestinationId,
    DestinationKey,
    MarkKey,
    Observation,
    Service,
    ServiceKey,
    Settings,
    Timeouts,
    Tuning,
    Usage,
)
from vedette.ipvs.plan import Action
from vedette.ipvs.refusal import judge
from vedette.kit.errors import InvariantError
from vedette.kit.netlink import Message, Requests
from vedette.reconcile.outcome import Done, Outcome
from vedette.reconcile.plan import Create, Delete, Update

_TABLE_FILE = Path("/proc/net/ip_vs")
_CHANGING_COLUMNS = re.compile(rb"^(  -> \S+ +\S+ +-?\d+) .*$", re.MULTILINE)
_DONE = Done()


class KernelTable:
    """The load balancer of this network namespace. Opened at first use, and again after a socket has failed."""

    def __init__(self) -> None:
        self._socket: Requests | None = None
        self._family = 0

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def observe(self) -> dict[ServiceKey, Service]:
        """Read the table; raises ``OSError``, and :class:`PermanentError` where there is no IPVS.

        One dump for the services and one for each service's destinations, so a change made meanwhile by others may
        be half seen; the next look sees it whole.
        """
        table: dict[ServiceKey, Service] = {}
        for payload in self._dump(codec.get_services()):
            key, settings = codec.read_service(payload)
            answers = self._dump(codec.get_destinations(key))
            table[key] = Service(settings, dict(codec.read_destination(answer, key.version) for answer in answers))
        return table

    def inspect(self) -> Observation:
        """Read the table with its moving numbers, which costs five times as much."""
        observation = Observation({}, {})
        for payload in self._dump(codec.get_services()):
            key, settings = codec.read_service(payload)
            destinations, usages = {}, {}
            for answer in self._dump(codec.get_destinations(key)):
                name, destination = codec.read_destination(answer, key.version)
                destinations[name] = destination
                usages[name] = codec.read_usage(answer)
            observation.table[key] = Service(settings, destinations)
            observation.usage[key] = Usage(codec.read_counters(payload), usages)
        return observation

    def connections(self, services: Iterable[ServiceKey]) -> dict[ServiceKey, dict[DestinationKey, int]]:
        """Count the connections of these services' destinations: established, closing, and persistence templates."""
        found: dict[ServiceKey, dict[DestinationKey, int]] = {}
        for key in services:
            found[key] = {}
            for answer in self._dump(codec.get_destinations(key)):
                name, _ = codec.read_destination(answer, key.version)
                count = codec.read_usage(answer).connections
                found[key][name] = count.active + count.inactive + count.persistent
        return found

    def fingerprint(self) -> bytes:
        """A digest that changes when the table does, at a fraction of the price of :meth:`observe`; b"" without IPVS.

        /proc/net/ip_vs shows every service and destination with scheduler, persistence, forwarding and weight; not
        flags other than one-packet, thresholds and tunnels. The columns that count connections are left out.
        """
        try:
            text = _TABLE_FILE.read_bytes()
        except FileNotFoundError:
            return b""
        return hashlib.blake2b(_CHANGING_COLUMNS.sub(rb"\1", text), digest_size=16).digest()

    def perform(self, actions: Sequence[Action]) -> list[Outcome]:
        """Perform all, in order, going on behind those that fail; one outcome each. Raises ``OSError``."""
        family = self._open()
        failed = self._requests.perform([Message(family, 0, encode(action)) for action in actions])
        outcomes: list[Outcome] = [_DONE] * len(actions)
        loaded: dict[str, bool] = {}
        for index, code in failed.items():
            if code == errno.ENOENT and _load_for(actions[index], loaded):
                code = self._requests.perform([Message(family, 0, encode(actions[index]))]).get(0, 0)
            outcomes[index] = judge(actions[index], code) if code else _DONE
        return outcomes

    def tune(self, tuning: Tuning) -> tuple[str, ...]:
        """Set what differs; returns the names of what was changed.

        Raises ``OSError``, and :class:`PermanentError` for sysctls that cannot be set when all others are.
        """
        admitted = sysctls.admit_answers() if tuning.admit_answers else ()
        return (*admitted, *self._tune_timeouts(tuning.timeouts), *sysctls.apply(tuning.sysctls))

    def timeouts(self) -> Timeouts:
        return codec.read_timeouts(self._ask(codec.get_timeouts()))

    def info(self) -> tuple[tuple[int, int, int], int]:
        """The version of IPVS and the size of its connection table."""
        return codec.read_info(self._ask(codec.get_info()))

    def flush(self) -> None:
        """Delete every service, other people's too: for tests and drills; the daemon never does."""
        self._requests.perform([Message(self._open(), 0, codec.flush())])

    def _tune_timeouts(self, wanted: Timeouts) -> list[str]:
        if wanted == Timeouts():
            return []
        found = self.timeouts()
        names = [
            name for name in ("tcp", "tcp_fin", "udp") if getattr(wanted, name) not in (None, getattr(found, name))
        ]
        if names:
            failed = self._requests.perform([Message(self._open(), 0, codec.set_timeouts(wanted))])
            for code in failed.values():
                raise OSError(code, os.strerror(code))
        return [f"timeout {name}" for name in names]

    @property
    def _requests(self) -> Requests:
        self._open()
        assert self._socket is not None
        return self._socket

    def _open(self) -> int:
        if self._socket is None:
            self._socket, self._family = open_family()
        return self._family

    def _dump(self, payload: bytes) -> list[bytes]:
        family = self._open()
        return [answer for kind, answer in self._requests.dump(Message(family, 0, payload)) if kind == family]

    def _ask(self, payload: bytes) -> bytes:
        return self._requests.ask(Message(self._open(), 0, payload))[1]


def encode(action: Action) -> bytes:
    """The one message that performs an action."""
    match action:
        case Create(DestinationId(service, key), Destination() as item):
            return codec.new_destination(service, key, item)
        case Update(DestinationId(service, key), _, Destination() as item):
            return codec.set_destination(service, key, item)
        case Delete(DestinationId(service, key)):
            return codec.delete_destination(service, key)
        case Create(AddressKey() | MarkKey() as name, Settings() as settings):
            return codec.new_service(name, settings)
        case Update(AddressKey() | MarkKey() as name, _, Settings() as settings):
            return codec.set_service(name, settings)
        case Delete(AddressKey() | MarkKey() as name):
            return codec.delete_service(name)
    raise InvariantError(f"an action that is none: {action}")


def _load_for(action: Action, loaded: dict[str, bool]) -> bool:
    """Load what a refused service needs, each module once (``loaded``); whether there is reason to try again."""
    match action:
        case Create(item=Settings() as settings) | Update(after=Settings() as settings):
            modules = [f"ip_vs_{settings.scheduler}"] + ([f"ip_vs_pe_{settings.engine}"] if settings.engine else [])
            for module in modules:
                if module not in loaded:
                    loaded[module] = load(module)
            return all(loaded[module] for module in modules)
        case _:
            return False
