"""The document as a whole: what a file holds, and what a Kubernetes object of kind HACluster is."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from vedette.spec.model.balancing import Defaults, Ipvs, ServerPool, VirtualService
from vedette.spec.model.base import Address, Labels, Many, Shape, Words, later, optional, required
from vedette.spec.model.checks import NamedCheck
from vedette.spec.model.cluster import Auth, Heartbeat, Node, SplitBrain, Watchdog
from vedette.spec.model.fencing import FencingDevice
from vedette.spec.model.groups import Group
from vedette.spec.model.notify import Notification

API_VERSION = "vedette.dev/v1alpha1"
KIND = "HACluster"
ObjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=63)]


class Metadata(Shape):
    """Name and labels, as in every Kubernetes object."""

    name: ObjectName = required("Name of the cluster: lower case letters, digits, dots and dashes.", stand_in="x")
    namespace: ObjectName | None = optional("Namespace in Kubernetes; means nothing in a file.")
    labels: Labels | None = optional("Labels as in Kubernetes.")
    annotations: Words | None = optional("Annotations as in Kubernetes.")


class Spec(Shape):
    """Everything that is wanted."""

    auth: Auth | None = optional("How nodes prove that they belong to the cluster.")
    heartbeat: Heartbeat | None = optional("How the nodes hear each other.")
    split_brain: SplitBrain | None = optional("What makes it safe to take a group from a silent node.")
    ping_nodes: Annotated[Many[Address], Field(max_length=16)] | None = optional(
        "Addresses outside that answer ICMP echo; of two nodes who reaches more of them is preferred."
    )
    nodes: Annotated[Many[Node], Field(min_length=1, max_length=16)] = required(
        "The machines.", stand_in=[{"name": "x"}]
    )
    fencing_devices: Annotated[Many[FencingDevice], Field(max_length=64)] | None = optional(
        "Devices that cut a node off."
    )
    watchdog: Watchdog | None = optional("Resets a machine whose daemon no longer keeps time.")
    checks: Annotated[Many[NamedCheck], Field(max_length=256)] | None = optional("Checks shared by name.")
    groups: Annotated[Many[Group], Field(min_length=1, max_length=32)] = required(
        "What moves as one.", stand_in=[{"addresses": [{"address": "192.0.2.1"}]}]
    )
    server_pools: Annotated[Many[ServerPool], Field(max_length=4096)] | None = optional(
        "Servers that several virtual services share."
    )
    defaults: Defaults | None = optional("What holds where an item does not say otherwise.")
    virtual_services: Annotated[Many[VirtualService], Field(max_length=16384)] | None = optional(
        "Load-balanced services."
    )
    ipvs: Ipvs | None = optional("Settings of the kernel's load balancer as a whole.")
    notify: Annotated[Many[Notification], Field(max_length=32)] | None = later("notify", "Whom to tell.")
    spec_sync: bool | None = optional(
        "An edit on one node is carried, signed, to all others (TCP port 694 of nodes[].address).", default="false"
    )


class HACluster(Shape):
    """One highly available cluster: nodes, the addresses that move between them, and the services on these."""

    api_version: Literal["vedette.dev/v1alpha1"] = required("Version of this shape.", stand_in=API_VERSION)
    kind: Literal["HACluster"] = required("Kind of this document.", stand_in=KIND)
    metadata: Metadata = required("Name and labels.", stand_in={"name": "x"})
    spec: Spec = required("Everything that is wanted.")
