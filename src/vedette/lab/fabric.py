"""A lab's networks as the kernel has them: bridges and wires in one namespace, stand-ins in one each.

Built by the supervisor in its own network namespace, which is the lab's switch. The machines' ends of the wires are
taps, named as the topology says; the stand-ins' are veth pairs.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette.lab import namespace
from vedette.lab.guest import Boot, Plug
from vedette.lab.namespace import Namespace
from vedette.lab.topology import Leg, MachinePlan, ServerPlan, Topology
from vedette.spec.resolved import Role

_BRIDGE = "stp_state 0 forward_delay 0 mcast_snooping 0"

_HOST = {"ipv4/rp_filter": "0", "ipv4/accept_redirects": "0", "ipv6/accept_redirects": "0"}
"""For stand-ins: a director with one arm would redirect their answers past itself, and answers of directly routed
servers come in where no route leads out."""


@dataclass(frozen=True, slots=True)
class Fabric:
    """Descriptors of the stand-ins' namespaces, valid in the supervisor."""

    client: int
    servers: tuple[int, ...]
    devices: Mapping[str, int]
    """By the port of its wire: devices with one address share one."""


def build(topology: Topology) -> Fabric:
    """Make all networks and stand-ins; the machines are wired already and only need power."""
    lines = ["link set lo up"]
    for network in topology.networks:
        lines.append(f"link add {network.bridge} type bridge {_BRIDGE}")
        lines.append(f"link set {network.bridge} addrgenmode none up")
    for machine in topology.machines:
        lines += [f"tuntap add dev {leg.port} mode tap" for leg in machine.legs]
    client = namespace.create()
    lines += [line for leg in topology.client for line in _veth(leg, client)]
    servers = tuple(namespace.create() for _ in topology.servers)
    for server, descriptor in zip(topology.servers, servers, strict=True):
        lines += _veth(server.leg, descriptor)
    wires = {plan.leg.port: plan.leg for plan in topology.devices}
    devices = {port: namespace.create() for port in wires}
    for port, leg in wires.items():
        lines += _veth(leg, devices[port])
    lines += [f"link set {port} addrgenmode none master {bridge} up" for port, bridge in bridges(topology).items()]
    namespace.ip(lines)
    _prepare_client(topology, Namespace(_path(client)))
    for server, descriptor in zip(topology.servers, servers, strict=True):
        _prepare_server(topology, server, Namespace(_path(descriptor)))
    for port, leg in wires.items():
        namespace.ip(["link set lo up", *_configure(leg)], within=Namespace(_path(devices[port])))
    return Fabric(client, servers, devices)


def bridges(topology: Topology) -> dict[str, str]:
    """The bridge that each wire's end belongs to."""
    legs = [leg for machine in topology.machines for leg in machine.legs]
    legs += [*topology.client, *(server.leg for server in topology.servers)]
    legs += [device.leg for device in topology.devices]
    return {leg.port: topology.network(leg.network).bridge for leg in legs}


def boot(plan: MachinePlan, *, directory: Path) -> Boot:
    """What a machine is told when it starts; its durable state, logs and initial files are kept in ``directory``."""
    forwarding = {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"}
    state, log, files = directory / "state", directory / "log", directory / "files"
    for path in (state, log, files):
        path.mkdir(parents=True, exist_ok=True)
    return Boot(
        hostname=plan.name,
        plugs=tuple(Plug(leg.port, leg.mac, leg.interface) for leg in plan.legs),
        ip=("link set lo up", *(line for index, leg in enumerate(plan.legs) for line in _inside(index, leg))),
        sysctls=forwarding if plan.role is Role.DIRECTOR else {},
        mounts={"/var/lib/vedette": state, "/var/log/vedette": log},
        files=files,
        private=("/etc/vedette",),
        watchdog=plan.watchdog,
    )


def _inside(index: int, leg: Leg) -> Iterator[str]:
    """Lines of ``ip -batch`` in a machine: the interface that the document speaks of, on its wire (vecN)."""
    yield f"link set vec{index} addrgenmode none up"
    yield f"link add link vec{index} name {leg.interface} type macvlan mode passthru"
    yield from _configure(leg)
    yield f"link set vec{index} netns HIDDEN"


def _configure(leg: Leg) -> Iterator[str]:
    yield f"link set {leg.interface} up"
    for own in leg.addresses:
        yield f"address add {own} dev {leg.interface}" + (" nodad" if own.address.version == 6 else " brd +")
    for destination in leg.on_link:
        yield f"route replace {destination} dev {leg.interface}"


def _veth(leg: Leg, descriptor: int) -> Iterator[str]:
    yield f"link add {leg.port} type veth peer name {leg.interface} address {leg.mac} netns {_path(descriptor)}"


def _path(descriptor: int) -> str:
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _prepare_client(topology: Topology, client: Namespace) -> None:
    client.call(_set_sysctls, topology.client, _HOST)
    namespace.ip(["link set lo up", *(line for leg in topology.client for line in _configure(leg))], within=client)


def _prepare_server(topology: Topology, plan: ServerPlan, server: Namespace) -> None:
    """Give a stand-in its address, its way back, and the VIPs that it accepts without answering ARP for them."""
    server.call(_set_sysctls, [plan.leg], _HOST | {"ipv4/arp_ignore": "1", "ipv4/arp_announce": "2"})
    lines = ["link set lo up", *_configure(plan.leg)]
    lines += virtual_addresses(plan)
    if plan.gateway is not None:
        lines.append(f"route add default via {plan.gateway} dev {plan.leg.interface}")
    if plan.virtual:
        lines += _neighbours(topology, plan)
    namespace.ip(lines, within=server)


def virtual_addresses(plan: ServerPlan) -> list[str]:
    """Lines of ``ip -batch`` that give a stand-in the VIPs that it accepts."""
    return [
        f"address replace {address}/{address.max_prefixlen} dev lo" + (" nodad" if address.version == 6 else "")
        for address in plan.virtual
    ]


def _neighbours(topology: Topology, plan: ServerPlan) -> Iterator[str]:
    """Where the client's other addresses are on this segment, because IPv6 hosts answer for those of a leg only."""
    here = [leg for leg in topology.client if leg.network == plan.leg.network]
    for leg in topology.client:
        if leg not in here:
            for own in leg.addresses:
                yield f"neighbour add {own.address} lladdr {here[0].mac} dev {plan.leg.interface} nud permanent"


def _set_sysctls(legs: Sequence[Leg], values: dict[str, str]) -> None:
    for scope in ("all", "default", *(leg.interface for leg in legs)):
        for key, value in values.items():
            family, _, name = key.partition("/")
            with (
                contextlib.suppress(FileNotFoundError),
                open(f"/proc/sys/net/{family}/conf/{scope}/{name}", "w") as file,
            ):
                file.write(value)


def plug(port: str, bridge: str) -> None:
    """Put a wire's end into a network."""
    namespace.ip([f"link set {port} master {bridge}"])


def unplug(port: str) -> None:
    """Pull a wire's end out of its network. It stays up: the kernel of a machine gives up a tap that went down."""
    namespace.ip([f"link set {port} nomaster"])
