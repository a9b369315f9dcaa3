"""What must stand in for the document's fencing devices, so that `off` ends a machine and `on` boots it. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from vedette.kit.net import IPAddress, parse
from vedette.lab.topology import OWN, Simulator
from vedette.spec.resolved import (
    Agent,
    ApcPdu,
    ApcTree,
    ApcUps,
    ClusterSpec,
    Drac,
    Driver,
    FencingDevice,
    Ipmi,
    Manual,
    Redfish,
    Snmp,
    Ssh,
    SshLogin,
)

TREE, VERSION, USER, AUTH, PRIVACY, SYSTEM = "tree", "version", "username", "authProtocol", "privacyProtocol", "system"
"""Keys of a device's words."""
_PORTS = {Simulator.IPMI: 623, Simulator.PDU: 161, Simulator.REDFISH: 443, Simulator.DRAC: 22}
_AGENTS = {
    "fence_apc_snmp": Simulator.PDU,
    "fence_drac5": Simulator.DRAC,
    "fence_idrac": Simulator.IPMI,
    "fence_ilo3": Simulator.IPMI,
    "fence_ilo4": Simulator.IPMI,
    "fence_ilo5": Simulator.IPMI,
    "fence_imm": Simulator.IPMI,
    "fence_ipmilan": Simulator.IPMI,
    "fence_ipmilanplus": Simulator.IPMI,
    "fence_redfish": Simulator.REDFISH,
}
"""What the fence agents that the lab has a simulator for speak."""


@dataclass(slots=True)
class StandIn:
    """One simulator in the making; ``names`` are the devices of the document that it answers for."""

    names: list[str]
    simulator: Simulator
    address: IPAddress
    port: int
    plugs: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)


def of(spec: ClusterSpec) -> tuple[list[StandIn], list[str]]:
    """The simulators that the document needs, and a sentence for each device that the lab cannot stand in for."""
    found: dict[tuple[IPAddress, int], StandIn] = {}
    notes: list[str] = []
    own = {node.address for node in spec.nodes}
    for device in spec.fencing_devices:
        stand_in = _stand_in(device)
        if stand_in is None or stand_in.address in own:
            if not isinstance(device.driver, Manual):
                notes.append(f"the lab has no stand-in for the fencing device {device.name}: {_why(device.driver)}")
            continue
        same = found.setdefault((stand_in.address, stand_in.port), stand_in)
        if same is not stand_in:
            same.names.append(device.name)
            if (same.simulator, same.words) != (stand_in.simulator, stand_in.words):
                notes.append(
                    f"{device.name} and {same.names[0]} are one unit; the lab's speaks as {same.names[0]} says"
                )
        same.plugs |= dict(_plugs(spec, device.name, stand_in.simulator))
    return list(found.values()), notes


def _plugs(spec: ClusterSpec, device: str, simulator: Simulator) -> Iterator[tuple[str, str]]:
    """Which plug is which node's. What is built into a machine has none, also where an agent is told one."""
    plugged = simulator.feeds or simulator is Simulator.DRAC
    for node in spec.nodes:
        for level in node.fencing.levels if node.fencing is not None else ():
            yield from (((use.plug if plugged else None) or OWN, node.name) for use in level if use.device == device)


def _stand_in(device: FencingDevice) -> StandIn | None:
    match device.driver:
        case Ipmi() as ipmi:
            return StandIn([device.name], Simulator.IPMI, ipmi.address, ipmi.port, words={USER: ipmi.username})
        case Redfish() as redfish:
            return _redfish(device.name, redfish)
        case ApcPdu() as pdu:
            return _snmp(device.name, Simulator.PDU, pdu.snmp, {TREE: pdu.tree.value})
        case ApcUps() as ups:
            return _snmp(device.name, Simulator.UPS, ups.snmp, {})
        case Drac() as drac:
            return _login(device.name, drac.login)
        case Agent() as agent:
            return _agent(device.name, agent)
        case _:
            return None


def _redfish(name: str, redfish: Redfish) -> StandIn | None:
    parts = urlsplit(redfish.url)
    address = _address(parts.hostname)
    if address is None:
        return None
    words = {USER: redfish.username} | ({SYSTEM: redfish.system} if redfish.system else {})
    return StandIn([name], Simulator.REDFISH, address, parts.port or 443, words=words)


def _snmp(name: str, simulator: Simulator, snmp: Snmp, words: dict[str, str]) -> StandIn:
    words = words | {VERSION: snmp.version.value}
    if snmp.username:
        words |= {USER: snmp.username, AUTH: snmp.auth_protocol.value, PRIVACY: snmp.privacy_protocol.value}
    return StandIn([name], simulator, snmp.address, snmp.port, words=words)


def _login(name: str, login: SshLogin) -> StandIn:
    return StandIn([name], Simulator.DRAC, login.address, login.port, words={USER: login.username})


def _agent(name: str, agent: Agent) -> StandIn | None:
    simulator, options = _AGENTS.get(agent.program), agent.options
    address = _address(options.get("ip") or options.get("ipaddr"))
    if simulator is None or address is None:
        return None
    port = int(options.get("ipport") or options.get("udpport") or _PORTS[simulator])
    user = options.get("username") or options.get("login") or ""
    words = {USER: user} if user else {}
    if simulator is Simulator.PDU:
        words |= {TREE: ApcTree.RPDU.value, VERSION: "v" + options.get("snmp_version", "1")}
        if user:
            words |= _snmp_words(options)
    return StandIn([name], simulator, address, port, words=words)


def _snmp_words(options: Mapping[str, str]) -> dict[str, str]:
    """SNMP v3 as fence agents are told it (fencing_snmp.py)."""
    auth, privacy = options.get("snmp_auth_prot", "MD5"), options.get("snmp_priv_prot", "DES")
    return {AUTH: auth.lower(), PRIVACY: privacy.lower()}


def _address(text: str | None) -> IPAddress | None:
    try:
        return parse(text or "")
    except ValueError:
        return None


def _why(driver: Driver) -> str:
    match driver:
        case Ssh():
            return "it is the node itself"
        case Agent() as agent if agent.program not in _AGENTS:
            return f"it has nothing that speaks to {agent.program}"
        case _:
            return "it is called by a name, and the lab has no name server"
