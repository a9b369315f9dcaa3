"""Nodes, how they hear each other, and the groups that they hold."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from vedette.kit.net import IPAddress
from vedette.spec.resolved.fencing import Fencing


class Role(Enum):
    """What a node may do: hold groups and direct traffic, or only vote."""

    DIRECTOR = "director"
    WITNESS = "witness"


class SplitBrainPolicy(Enum):
    """What makes it safe to take a group from a silent node (cluster.md)."""

    MAJORITY = "majority"
    FENCE = "fence"
    TOLERATE = "tolerate"


class Failback(Enum):
    """Whether a group moves back to a better-ranked node that has returned."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Key:
    """A cluster key. ``id`` is derived from the secret, so it may be shown; the secret never is."""

    id: str
    secret: bytes = field(repr=False)


def key_id(secret: bytes) -> str:
    """Return the public name of a key: it is on the wire and in the status, and tells nothing of the secret."""
    return hmac.digest(secret, b"vedette key id", hashlib.sha256)[:4].hex()


UNSIGNED = Key(key_id(b"vedette: signed by nobody"), b"vedette: signed by nobody")
"""The key that everybody knows: among the keys of a cluster whose authentication is not enforced."""


@dataclass(frozen=True, slots=True)
class Link:
    """One path of heartbeats. ``addresses`` gives each node's own address on it (unicast destination and bind).

    A node without an address is not on a unicast link; on multicast and broadcast links every node is. A cluster of
    one node that writes no links has none.
    """

    name: str
    port: int
    addresses: Mapping[str, IPAddress]
    interface: str | None = None
    multicast: IPAddress | None = None
    broadcast: bool = False


@dataclass(frozen=True, slots=True)
class Heartbeat:
    interval: int
    warn_after: int
    dead_after: int
    startup_grace: int
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """``interfaces`` maps the document's logical names to this node's kernel names."""

    name: str
    role: Role
    address: IPAddress | None
    interfaces: Mapping[str, str]
    standby: bool = False
    maintenance: bool = False
    fencing: Fencing | None = None
    votes: bool = True

    def kernel_interface(self, logical: str) -> str:
        return self.interfaces.get(logical, logical)


@dataclass(frozen=True, slots=True)
class VirtualAddress:
    """``prefix_length`` is the subnet as written; the kernel always gets /32 or /128 (facts-kernel.md 1.2).

    ``interface`` is logical; ``None`` means the interface whose subnet contains the address.
    """

    name: str
    address: IPAddress
    prefix_length: int
    interface: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """What moves as one. ``nodes`` may hold it; ``preferred_nodes`` (best first, may be empty) ranks them."""

    name: str
    addresses: tuple[VirtualAddress, ...]
    nodes: tuple[str, ...]
    preferred_nodes: tuple[str, ...] = ()
    failback: Failback = Failback.AUTOMATIC
    failback_delay: int = 0
    maintenance: bool = False
    conflict_detection: bool = True


@dataclass(frozen=True, slots=True)
class Watchdog:
    """The device that resets a machine ``timeout`` (ns, whole seconds) after its daemon was last on time."""

    device: str
    timeout: int
