"""Who the machines are, how they hear each other, and when it is safe to take over."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from vedette.spec.model.base import (
    Address,
    Duration,
    FilePath,
    Interface,
    Item,
    KernelInterface,
    Many,
    Name,
    Port,
    Reference,
    Secret,
    Shape,
    optional,
    required,
)

PLUG = r"^[^\x00-\x20\x7f=,]([^\x00-\x1f\x7f=,]*[^\x00-\x20\x7f=,])?$"
"""An outlet's name: a comma would be two outlets for a fence agent."""


class Auth(Shape):
    """How nodes prove that they belong to the cluster."""

    keys: Annotated[Many[Secret], Field(min_length=1, max_length=8)] | None = optional(
        "Cluster keys. The first signs, all are accepted: rotate by adding one, then moving it to the front.",
        default="[{secretFile: /etc/vedette/cluster.key}], none with enforce: false",
    )
    enforce: bool | None = optional(
        "false: what no key has signed counts too, and anybody on a link can forge it; for switching authentication "
        "on, one node after the other.",
        default="true",
    )


class Unicast(Shape):
    """Datagrams to each node's own address."""


class Multicast(Shape):
    """Datagrams to a multicast group."""

    group: Address = required("Multicast group, like 239.192.69.4.")


class Broadcast(Shape):
    """Datagrams to the broadcast address of the interface."""


class Link(Item):
    """One path of heartbeats; every heartbeat goes out on every link."""

    one_of = ("unicast", "multicast", "broadcast")

    name: Name = required("What nodes[].linkAddresses refers to.")
    interface: Interface | None = optional("Interface; needed with multicast and broadcast.")
    port: Port | None = optional("UDP port.", default="694")
    unicast: Unicast | None = optional("Datagrams to each node's address on this link.")
    multicast: Multicast | None = optional("Datagrams to a multicast group.")
    broadcast: Broadcast | None = optional("Datagrams to the interface's broadcast address.")


class Heartbeat(Shape):
    """How the nodes hear each other."""

    interval: Duration | None = optional("Time between two heartbeats (keepalive).", default="500ms")
    warn_after: Duration | None = optional(
        "Silence after which a node is called late (warntime).", default="half of deadAfter"
    )
    dead_after: Duration | None = optional(
        "Silence after which a node is dead (deadtime); at least 4 intervals.", default="3s"
    )
    startup_grace: Duration | None = optional(
        "How long after its start a node waits for others (initdead).", default="10s, or deadAfter if more"
    )
    links: Annotated[Many[Link], Field(min_length=1, max_length=8)] | None = optional(
        "Paths of heartbeats.", default="one unicast link over nodes[].address, port 694"
    )


class SplitBrain(Shape):
    """What makes it safe to take a group from a silent node."""

    policy: Literal["majority", "fence", "tolerate"] | None = optional(
        "majority: more than half of all nodes agree. fence: two nodes, and the silent one is switched off first. "
        "tolerate: two nodes, and both may serve while they cannot hear each other.",
        default="fence with two nodes that both have fencing, majority with one node or three and more",
    )
    assume_watchdog: bool | None = optional(
        "With policy fence: where no fencing device can confirm that a silent node is off, take it for off after "
        "twice the timeout of the watchdog that it had armed. A healthy node that is cut off is not reset: your risk.",
        default="false",
    )


class FencingUse(Shape):
    """A device, and what of it is this node's."""

    name: Reference = required("Name of one of spec.fencingDevices.")
    plug: Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=PLUG)] | None = optional(
        "This node's outlet on the device, in quotes; needed where the device has outlets."
    )


class FencingLevel(Shape):
    """Devices that must all succeed."""

    devices: Annotated[Many[FencingUse], Field(min_length=1, max_length=8)] = required("The devices.")


class Fencing(Shape):
    """How this node is switched off by the others; the levels are tried in order."""

    delay: Duration | None = optional("This node is shot so much later, so it wins a duel.", default="0s")
    levels: Annotated[Many[FencingLevel], Field(min_length=1, max_length=9)] = required("Levels, first tried first.")


class Node(Item):
    """One machine."""

    name: Name = required("The machine's name, as `uname -n` prints it.")
    role: Literal["director", "witness"] | None = optional(
        "director: holds groups. witness: votes, holds nothing.", default="director"
    )
    votes: bool | None = optional(
        "Whether the node has a vote on who holds what; at most 7 have one.",
        default="true up to 7 nodes; beyond, witnesses first, then directors in their order",
    )
    address: Address | None = optional("The node's own address: default for unicast links.")
    link_addresses: Annotated[dict[str, Address], Field(max_length=8)] | None = optional(
        "The node's own address on each link, by the link's name."
    )
    interfaces: Annotated[dict[str, KernelInterface], Field(max_length=64)] | None = optional(
        "The document's interface names and what this node's kernel calls them."
    )
    standby: bool | None = optional("Hold nothing, give away what is held.", default="false")
    maintenance: bool | None = optional("Watch, but touch nothing on this node.", default="false")
    fencing: Fencing | None = optional("How the others switch this node off.")


class Watchdog(Shape):
    """A device that resets a machine which holds something when its daemon no longer keeps time."""

    device: FilePath | None = optional("The device, the same on every node.", default="/dev/watchdog")
    timeout: Duration | None = optional(
        "Time without feeding after which the machine resets, in whole seconds; 4s or more.", default="10s"
    )
