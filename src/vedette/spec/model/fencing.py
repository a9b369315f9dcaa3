"""Devices that cut a node off for certain."""

from typing import Annotated

from pydantic import Field

from vedette.spec.model.base import Address, FilePath, Item, Name, Port, Secret, Shape, Text, Words, optional, required


class Redfish(Shape):
    """A management controller that speaks Redfish."""

    url: Text = required("Base URL, like https://10.9.0.11.")
    username: Text = required("User.")
    password: Secret = required("Password.")
    ca_file: FilePath | None = optional("Certificate authorities.", default="those of the system")
    system: Text | None = optional("Which system, if the controller has several.")


class Ipmi(Shape):
    """A management controller that speaks IPMI 2.0 (lanplus)."""

    address: Address = required("Address of the controller.")
    port: Port | None = optional("UDP port.", default="623")
    username: Text = required("User.")
    password: Secret = required("Password.")
    cipher: Annotated[int, Field(ge=0, le=17)] | None = optional("Cipher suite.", default="17, then 3")


class Apc(Shape):
    """A switched outlet of an APC power distribution unit, over SNMP."""

    address: Address = required("Address of the unit.")
    port: Port | None = optional("UDP port.", default="161")
    community: Secret | None = optional("SNMP v1 community.")
    username: Text | None = optional("SNMP v3 user.")
    auth_password: Secret | None = optional("SNMP v3 authentication password.")
    privacy_password: Secret | None = optional("SNMP v3 privacy password.")


class Ssh(Shape):
    """Any machine that can switch the node off when told by ssh."""

    address: Address = required("Address of the machine.")
    port: Port | None = optional("TCP port.", default="22")
    username: Text = required("User.")
    key_file: FilePath = required("Private key.")
    known_hosts_file: FilePath = required("Host keys that are accepted.")
    off: Text = required("Command that switches off.")
    status: Text = required("Command that prints on or off.")


class Agent(Shape):
    """A fence agent of the fence-agents project."""

    program: Text = required("The agent, like fence_apc_snmp.")
    options: Words | None = optional("Its options.")
    secret_files: Annotated[dict[str, FilePath], Field(max_length=16)] | None = optional(
        "Options whose values are read from files."
    )


class FencingDevice(Item):
    """A device; one unit with many outlets is one device."""

    one_of = ("redfish", "ipmi", "apc", "ssh", "agent")

    name: Name = required("What nodes[].fencing refers to.")
    redfish: Redfish | None = optional("Redfish controller.")
    ipmi: Ipmi | None = optional("IPMI controller.")
    apc: Apc | None = optional("APC power distribution unit.")
    ssh: Ssh | None = optional("Command over ssh.")
    agent: Agent | None = optional("Fence agent.")
