"""Devices that switch nodes off, and which of them switches whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from vedette.kit.net import IPAddress
from vedette.spec.secret import Secret


@dataclass(frozen=True, slots=True)
class FencingUse:
    """A device as one node uses it; ``plug`` is that node's outlet, None where the device has none."""

    device: str
    plug: str | None = None


@dataclass(frozen=True, slots=True)
class Fencing:
    """How a node is switched off: the levels in order, all devices of a level. ``delay`` (ns) 0 = none written."""

    delay: int
    levels: tuple[tuple[FencingUse, ...], ...]


@dataclass(frozen=True, slots=True)
class Redfish:
    """``ca_file`` None = the system's authorities. ``system`` None = the only one that the controller has."""

    url: str
    username: str
    password: Secret
    ca_file: str | None = None
    insecure: bool = False
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Ipmi:
    """``cipher`` None = suite 17, then 3."""

    address: IPAddress
    username: str
    password: Secret
    port: int = 623
    cipher: int | None = None


class SnmpVersion(Enum):
    V1 = "v1"
    V2C = "v2c"
    V3 = "v3"


class SnmpAuth(Enum):
    """Authentication of SNMP v3 (RFC 3414, RFC 7860)."""

    MD5 = "md5"
    SHA = "sha"
    SHA256 = "sha256"
    SHA512 = "sha512"


class SnmpPrivacy(Enum):
    """Encryption of SNMP v3 (RFC 3414, RFC 3826; 192 and 256 bits as Cisco and APC do it)."""

    DES = "des"
    AES = "aes"
    AES192 = "aes192"
    AES256 = "aes256"


@dataclass(frozen=True, slots=True)
class Snmp:
    """How an agent is spoken to: v1 and v2c have a ``community``, v3 a ``username`` and its passwords."""

    address: IPAddress
    port: int = 161
    version: SnmpVersion = SnmpVersion.V1
    community: Secret | None = None
    username: str = ""
    auth_password: Secret | None = None
    auth_protocol: SnmpAuth = SnmpAuth.SHA
    privacy_password: Secret | None = None
    privacy_protocol: SnmpPrivacy = SnmpPrivacy.AES


class ApcTree(Enum):
    """Which objects of PowerNet-MIB hold the outlets; ``AUTO`` asks the unit which it has."""

    AUTO = "auto"
    RPDU = "rpdu"
    MASTER_SWITCH = "masterSwitch"
    RPDU2 = "rpdu2"


@dataclass(frozen=True, slots=True)
class ApcPdu:
    """A power distribution unit; the plug is the outlet's number."""

    snmp: Snmp
    tree: ApcTree = ApcTree.AUTO


@dataclass(frozen=True, slots=True)
class ApcUps:
    """An uninterruptible power supply; the plug is an outlet group's number, None = all that it feeds."""

    snmp: Snmp


@dataclass(frozen=True, slots=True)
class SshLogin:
    """How a machine is logged into: by exactly one of a password and a private key."""

    address: IPAddress
    username: str
    known_hosts_file: str
    port: int = 22
    password: Secret | None = None
    key: Secret | None = None


@dataclass(frozen=True, slots=True)
class Drac:
    """A controller with racadm; the plug is a module of a chassis (``server-3``), None = the server that it is in."""

    login: SshLogin


@dataclass(frozen=True, slots=True)
class Ssh:
    """The node itself, told to switch itself off by ``command``."""

    login: SshLogin
    command: str


@dataclass(frozen=True, slots=True)
class Agent:
    """A fence agent: ``program`` in /usr/sbin, its options, and those whose values came from files."""

    program: str
    options: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manual:
    """A person, who says `vedette confirm-off`."""


Driver = Redfish | Ipmi | ApcPdu | ApcUps | Drac | Ssh | Agent | Manual


@dataclass(frozen=True, slots=True)
class FencingDevice:
    """A device. ``timeout`` (ns): the longest that an off, seen off, may take."""

    name: str
    timeout: int
    driver: Driver
