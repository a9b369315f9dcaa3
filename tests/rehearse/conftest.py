"""Small resolved documents for the rehearsal's tests."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

import pytest

from vedette.kit.units import MILLISECOND, SECOND
from vedette.lab.drills.ground import Ground
from vedette.lab.probes import plan
from vedette.spec.resolved import (
    ClusterSpec,
    Endpoint,
    Fencing,
    FencingDevice,
    FencingUse,
    Group,
    HealthCheck,
    Heartbeat,
    HttpProbe,
    Link,
    Manual,
    Node,
    Protocol,
    RealServer,
    Role,
    SorryPage,
    SorryServer,
    SplitBrainPolicy,
    TcpProbe,
    VirtualAddress,
    VirtualService,
)

VIP = ip_address("203.0.113.80")
CHECK = HealthCheck(TcpProbe(), interval=SECOND, timeout=500 * MILLISECOND, rise=2, fall=3)


def service(name: str = "web", *, port: int = 80, scheduler: str = "wlc", http: bool = True) -> VirtualService:
    return VirtualService(
        name=name,
        group="web",
        endpoints=(Endpoint(VIP, port, Protocol.TCP),),
        real_servers=(RealServer(ip_address("10.0.0.11")), RealServer(ip_address("10.0.0.12"))),
        checks=(replace(CHECK, probe=HttpProbe(host="www.example.org")) if http else CHECK,),
        scheduler=scheduler,
        sorry=SorryServer(page=SorryPage(503, "sorry")),
    )


def cluster(
    *services: VirtualService,
    policy: SplitBrainPolicy = SplitBrainPolicy.MAJORITY,
    nodes: tuple[tuple[str, Role], ...] = (("r1", Role.DIRECTOR), ("r2", Role.DIRECTOR), ("w", Role.WITNESS)),
    dead_after: int = SECOND,
) -> ClusterSpec:
    addresses = {name: ip_address(f"10.0.0.{index + 2}") for index, (name, _) in enumerate(nodes)}
    directors = tuple(name for name, role in nodes if role is Role.DIRECTOR)
    return ClusterSpec(
        name="test",
        digest="d",
        nodes=tuple(Node(name, role, addresses[name], {}) for name, role in nodes),
        keys=(),
        heartbeat=Heartbeat(200 * MILLISECOND, 500 * MILLISECOND, dead_after, SECOND, (Link("lan", 694, addresses),)),
        policy=policy,
        groups=(Group("web", (VirtualAddress("public", VIP, 24),), directors, directors[:1]),),
        virtual_services=services or (service(),),
    )


def ground_of(spec: ClusterSpec) -> Ground:
    return Ground(spec, plan(spec), link_networks={"lan": "lan"}, client_networks=frozenset({"net"}))


def fencing_ground() -> Ground:
    """Two routers, each with a controller first and an outlet second; the preferred one is shot 6 s later."""
    spec = cluster(nodes=(("r1", Role.DIRECTOR), ("r2", Role.DIRECTOR)), policy=SplitBrainPolicy.FENCE)
    fencing = [
        Fencing(delay, ((FencingUse(f"bmc{number}"),), (FencingUse("pdu", str(number)),)))
        for number, delay in ((1, 6 * SECOND), (2, 0))
    ]
    nodes = tuple(replace(node, fencing=own) for node, own in zip(spec.nodes, fencing, strict=True))
    devices = tuple(FencingDevice(name, 5 * SECOND, Manual()) for name in ("bmc1", "bmc2", "pdu"))
    names = frozenset(device.name for device in devices)
    return replace(ground_of(replace(spec, nodes=nodes, fencing_devices=devices)), devices=names)


@pytest.fixture
def make_fencing() -> Callable[[], Ground]:
    return fencing_ground


@pytest.fixture
def make_service() -> Callable[..., VirtualService]:
    return service


@pytest.fixture
def make_cluster() -> Callable[..., ClusterSpec]:
    return cluster


@pytest.fixture
def make_ground() -> Callable[[ClusterSpec], Ground]:
    return ground_of
