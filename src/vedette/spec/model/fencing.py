"""Devices that cut a node off for certain."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from vedette.spec.model.base import (
    Address,
    Duration,
    FilePath,
    Item,
    Name,
    Port,
    Secret,
    Shape,
    Text,
    Words,
    optional,
    required,
)

PROGRAM = r"^fence_[a-z0-9_]+$"


class Redfish(Shape):
    """A management controller that speaks Redfish: iDRAC 7 and later, iLO 4 and later, XCC."""

    url: Text = required("Base URL, like https://10.9.0.11.")
    username: Text = required("User.")
    password: Secret = required("Password.")
    ca_file: FilePath | None = optional(
        "Certificate of the controller, or of who signed it.", default="the authorities of the system"
    )
    insecure: bool | None = optional("Believe any certificate: whoever is in between learns the password.")
    system: Text | None = optional(
        "Id of the system, like System.Embedded.1; needed if the controller has several.", default="the only one"
    )


class Ipmi(Shape):
    """A management controller that speaks IPMI 2.0 (lanplus)."""

    address: Address = required("Address of the controller.")
    port: Port | None = optional("UDP port.", default="623")
    username: Text = required("User.")
    password: Secret = required("Password, of 20 bytes at most.")
    cipher: Annotated[int, Field(ge=1, le=17)] | None = optional("Cipher suite.", default="17, then 3")


class Snmp(Shape):
    """An agent of SNMP."""

    one_of = ("community", "username")

    address: Address = required("Address of the unit.")
    port: Port | None = optional("UDP port.", default="161")
    community: Secret | None = optional("Community that may write; SNMP v1 or v2c, which send it in the clear.")
    version: Literal["v1", "v2c"] | None = optional("Version that goes with a community.", default="v1")
    username: Text | None = optional("User that may write; SNMP v3.")
    auth_password: Secret | None = optional("SNMP v3 authentication password.")
    auth_protocol: Literal["md5", "sha", "sha256", "sha512"] | None = optional(
        "SNMP v3 authentication protocol.", default="sha"
    )
    privacy_password: Secret | None = optional("SNMP v3 privacy password.", default="nothing is encrypted")
    privacy_protocol: Literal["des", "aes", "aes192", "aes256"] | None = optional(
        "SNMP v3 privacy protocol; aes192 and aes256 as APC and Cisco have them.", default="aes"
    )


class ApcPdu(Snmp):
    """Switched outlets of an APC power distribution unit, over SNMP; the plug is the outlet's number."""

    tree: Literal["auto", "rpdu", "masterSwitch", "rpdu2"] | None = optional(
        "Which objects of PowerNet-MIB hold the outlets: rpdu (AP79xx), masterSwitch (AP92xx), rpdu2 (AP8xxx).",
        default="auto: the unit is asked which it has",
    )


class ApcUps(Snmp):
    """An APC uninterruptible power supply that feeds this node alone; the plug is the number of an outlet group."""


class Ssh(Shape):
    """A machine that is logged into."""

    one_of = ("password", "privateKey")

    address: Address = required("Address of the machine.")
    port: Port | None = optional("TCP port.", default="22")
    username: Text = required("User.")
    password: Secret | None = optional("Password.")
    private_key: Secret | None = optional("Private key in OpenSSH's or PEM form, without a passphrase.")
    known_hosts_file: FilePath = required("Host keys that are accepted, as in known_hosts.")


class Drac(Ssh):
    """A controller of Dell that is told by racadm, over ssh; the plug is a module of a chassis, like server-3."""


class PowerOff(Ssh):
    """The node itself, told by ssh to switch itself off: weak, and allowed in the last level only."""

    command: Text | None = optional("Command that cuts the power at once.", default="`poweroff -f -f`")


class Agent(Shape):
    """A fence agent of ClusterLabs, from /usr/sbin."""

    program: Annotated[str, StringConstraints(pattern=PROGRAM, max_length=64)] = required(
        "The agent, like fence_apc_snmp."
    )
    options: Words | None = optional("Its options, as its metadata name them.")
    secret_files: Annotated[dict[str, FilePath], Field(max_length=16)] | None = optional(
        "Options whose values are secret: each in a file of mode 0600."
    )


class Manual(Shape):
    """A person: fencing waits for `vedette confirm-off NODE`."""


class FencingDevice(Item):
    """A device; one unit with many outlets is one device."""

    one_of = ("redfish", "ipmi", "apcPdu", "apcUps", "drac", "ssh", "agent", "manual")

    name: Name = required("What nodes[].fencing refers to.")
    off_timeout: Duration | None = optional("The longest that it may take from off until off is seen.", default="20s")
    redfish: Redfish | None = optional("Redfish controller.")
    ipmi: Ipmi | None = optional("IPMI controller.")
    apc_pdu: ApcPdu | None = optional("APC power distribution unit.")
    apc_ups: ApcUps | None = optional("APC uninterruptible power supply.")
    drac: Drac | None = optional("Dell controller, by racadm.")
    ssh: PowerOff | None = optional("The node itself, by ssh.")
    agent: Agent | None = optional("Fence agent of ClusterLabs.")
    manual: Manual | None = optional("A person.")
