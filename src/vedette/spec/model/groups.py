"""What moves as one: addresses, routes and services of one holder, and what decides who that is."""

from typing import Annotated, Literal

from pydantic import Field

from vedette.spec.model.base import (
    Address,
    Duration,
    FilePath,
    Interface,
    Item,
    Many,
    Name,
    Reference,
    Shape,
    Text,
    VirtualAddresses,
    Words,
    later,
    optional,
    required,
)
from vedette.spec.model.checks import Check
from vedette.spec.model.notify import Notification


class GroupAddress(Item):
    """A virtual address (VIP) or a range of them."""

    name: Name | None = optional("What virtualServices[].addresses refers to.", default="the address as written")
    address: VirtualAddresses = required("Address or range with an optional prefix length; without it /32 or /128.")
    interface: Interface | None = optional("Interface.", default="the one whose subnet contains the address")


class Route(Item):
    """A route that the holder has."""

    to: Text = required("Destination: default, or an address with a prefix length.")
    via: Address | None = optional("Next hop.")
    source: Address | None = optional("Preferred source address.")
    interface: Interface | None = optional("Interface.")
    metric: Annotated[int, Field(ge=0)] | None = optional("Metric.")
    table: Annotated[int, Field(ge=1)] | None = optional("Routing table.", default="main")


class Ocf(Shape):
    """A resource agent of the OCF."""

    agent: Text = required("The agent, like ocf:heartbeat:Filesystem.")
    params: Words | None = optional("Its parameters.")


class Script(Shape):
    """An LSB or resource.d script: called with its arguments and start, stop or status."""

    path: FilePath = required("The script.")
    args: Annotated[Many[Text], Field(max_length=32)] | None = optional("Arguments before the action.")


class ServiceExec(Shape):
    """Commands for starting, stopping and watching."""

    start: Annotated[Many[Text], Field(min_length=1, max_length=64)] = required("Program and arguments.")
    stop: Annotated[Many[Text], Field(min_length=1, max_length=64)] = required("Program and arguments.")
    status: Annotated[Many[Text], Field(min_length=1, max_length=64)] | None = optional("Program and arguments.")


class Service(Item):
    """Something that runs where the group is held."""

    one_of = ("systemd", "ocf", "script", "exec")

    name: Name = required("Name of the service.")
    systemd: Text | None = optional("Unit.")
    ocf: Ocf | None = optional("OCF resource agent.")
    script: Script | None = optional("LSB or resource.d script.")
    exec: ServiceExec | None = optional("Commands.")
    check: Check | None = optional("How to watch it.", default="ask the service itself")
    start_timeout: Duration | None = optional("Time to start.", default="60s")
    stop_timeout: Duration | None = optional("Time to stop.", default="60s")


class Track(Item):
    """Where the group may be (``require``) or would rather be (``weight``)."""

    one_of = ("interface", "check", "virtualService")

    interface: Interface | None = optional("The interface must have carrier.")
    check: Reference | None = optional("One of spec.checks, done by each node for itself.")
    virtual_service: Reference | None = optional("The virtual service must have a real server that is up.")
    weight: Annotated[int, Field(ge=1, le=1000)] | None = optional("Preference for nodes where it holds.", default="1")
    require: bool | None = optional("The group is held only where it holds.", default="false")


class Group(Item):
    """What moves as one; also called a line of haresources or a sync group."""

    name: Name | None = optional("Name of the group.", default="default")
    nodes: Annotated[Many[Reference], Field(min_length=1, max_length=16)] | None = optional(
        "Nodes that may hold it.", default="all directors"
    )
    preferred_nodes: Annotated[Many[Reference], Field(min_length=1, max_length=16)] | None = optional(
        "Nodes that should rather hold it, best first.", default="the group stays where it is"
    )
    placement: Literal["oneNode", "everyNode"] | None = later(
        "placement: everyNode",
        "oneNode: one holder. everyNode: held by all, for anycast.",
        values=("everyNode",),
        default="oneNode",
    )
    failback: Literal["automatic", "manual"] | None = optional(
        "Whether it moves back to a better node that has returned.", default="automatic"
    )
    failback_delay: Duration | None = optional("How long the better node must have been up.", default="0s")
    maintenance: bool | None = optional("Leave the group as it is.", default="false")
    conflict_detection: bool | None = optional(
        "Ask the network whether a stranger has an address before it is claimed, and do not claim it while that is so.",
        default="true",
    )
    addresses: Annotated[Many[GroupAddress], Field(min_length=1, max_length=256)] = required(
        "Virtual addresses.", stand_in=[{"address": "192.0.2.1"}]
    )
    routes: Annotated[Many[Route], Field(max_length=64)] | None = later("routes", "Routes of the holder.")
    services: Annotated[Many[Service], Field(max_length=64)] | None = later(
        "services", "Started in order after the addresses, stopped in reverse, watched."
    )
    track: Annotated[Many[Track], Field(max_length=64)] | None = later("track", "What decides where the group is.")
    notify: Annotated[Many[Notification], Field(max_length=32)] | None = later("notify", "Whom to tell.")
