"""Resolved documents, as small as a test needs them."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from vedette.ipvs.model import AddressKey, DestinationKey
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolve.kernel import KEPT
from vedette.spec.resolved import (
    ClusterSpec,
    Endpoint,
    Group,
    HealthCheck,
    Heartbeat,
    Protocol,
    RealServer,
    SplitBrainPolicy,
    TcpProbe,
    VirtualAddress,
    VirtualService,
)
from vedette.state.health import Health, Target, Verdict, Verdicts
from vedette.state.targets import all_targets

VIP = ip_address("203.0.113.80")
HTTP = Endpoint(VIP, 80, Protocol.TCP)
WEB = AddressKey(Protocol.TCP, VIP, 80)
SERVERS = tuple(RealServer(ip_address(f"10.0.0.{last}")) for last in (11, 12, 13))
CHECK = HealthCheck(probe=TcpProbe(), interval=SECOND, timeout=SECOND, rise=1, fall=1)


def service(**changes: Any) -> VirtualService:
    """The virtual service ``web`` with three real servers and one check."""
    fields: dict[str, Any] = {
        "name": "web",
        "group": "default",
        "endpoints": (HTTP,),
        "real_servers": SERVERS,
        "checks": (CHECK,),
    }
    return VirtualService(**(fields | changes))


def document(*services: VirtualService, digest: str = "1") -> ClusterSpec:
    """A document whose one group holds the VIP."""
    return ClusterSpec(
        name="web",
        digest=digest,
        nodes=(),
        keys=(),
        heartbeat=Heartbeat(200 * MILLISECOND, 500 * MILLISECOND, SECOND, SECOND, ()),
        policy=SplitBrainPolicy.MAJORITY,
        groups=(Group("default", (VirtualAddress("public", VIP, 24),), ()),),
        virtual_services=services,
        ipvs_sysctls=KEPT,
    )


def verdicts(spec: ClusterSpec, healths: Mapping[str, Health] | None = None, default: Health = Health.UP) -> Verdicts:
    """``healths`` by real server's address; a server that is unknown has no verdict at all."""
    found = {
        target: Verdict((healths or {}).get(_server(target), default), 1, "as the test says")
        for target in all_targets(spec)
    }
    return {target: verdict for target, verdict in found.items() if verdict.health is not Health.UNKNOWN}


def _server(target: Target) -> str:
    return str(target.address if target.behind is None else target.behind.server)


def at(address: str, port: int = 80) -> DestinationKey:
    return DestinationKey(ip_address(address), port)
