"""A real server of the other address family, behind a tunnel: its answers go straight to the client."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ipvs.documents import VIP, document, service, verdicts
from tests.ipvs.namespace import ip, own_network, within

from vedette.ipvs.kernel import KernelTable
from vedette.ipvs.reconciler import Reconciler
from vedette.kit.net import IPAddress, parse
from vedette.spec.resolved import Encapsulation, Endpoint, Forwarding, Protocol, RealServer, Tunnel

VIP6 = parse("2001:db8::80")
REALS = {4: parse("10.2.0.11"), 6: parse("fd02::11")}
ENDS = {
    (VIP, 6): "type ip6tnl mode ipip6 local fd02::11 remote fd02::1",
    (VIP6, 4): "type sit mode ip6ip local 10.2.0.11 remote 10.2.0.1",
}
PATIENCE = 20.0


@pytest.fixture
def networks() -> Iterator[tuple[int, int]]:
    """The client's and the server's; the test is in the director's. A second cable leads the answers back."""
    with own_network() as servers, own_network() as client, own_network() as director:
        for network in (client, servers, director):
            with within(network):
                for name in ("ipv6/conf/all/accept_dad", "ipv6/conf/default/accept_dad", "ipv4/conf/all/rp_filter"):
                    Path(f"/proc/sys/net/{name}").write_text("0")
                Path("/proc/sys/net/ipv4/conf/default/rp_filter").write_text("0")
                for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                    Path(f"/proc/sys/net/{name}").write_text("1")
        for network, name in ((client, "client"), (servers, "servers")):
            ip(
                f"link add {name} type veth peer name eth0 netns /proc/{os.getpid()}/fd/{network}",
                f"link set {name} up",
            )
        ip("addr add 10.1.0.1/24 dev client", "addr add fd01::1/64 dev client nodad", f"addr add {VIP}/32 dev lo")
        ip("addr add 10.2.0.1/24 dev servers", "addr add fd02::1/64 dev servers nodad", f"addr add {VIP6}/128 dev lo")
        with within(client):
            ip("addr add 10.1.0.2/24 dev eth0", "addr add fd01::2/64 dev eth0 nodad", "link set eth0 up")
            ip("route add default via 10.1.0.1", "route add ::/0 via fd01::1")
            ip(f"link add back type veth peer name back netns /proc/{os.getpid()}/fd/{servers}", "link set back up")
            ip("addr add 10.3.0.2/24 dev back", "addr add fd03::2/64 dev back nodad")
        with within(servers):
            ip("addr add 10.2.0.11/24 dev eth0", "addr add fd02::11/64 dev eth0 nodad", "link set eth0 up")
            ip("addr add 10.3.0.3/24 dev back", "addr add fd03::3/64 dev back nodad", "link set back up")
            ip("route add 10.1.0.2/32 via 10.3.0.2", "route add fd01::2/128 via fd03::2")
            ip(f"addr add {VIP}/32 dev lo", f"addr add {VIP6}/128 dev lo")
        with within(director):
            yield client, servers


@pytest.mark.parametrize(("vip", "version"), ENDS, ids=["IPv4 to IPv6", "IPv6 to IPv4"])
def test_a_tunnel_leads_to_a_server_of_the_other_family(
    networks: tuple[int, int], tmp_path: Path, vip: IPAddress, version: int
) -> None:
    client, servers = networks
    table = KernelTable()
    spec = document(
        service(
            endpoints=(Endpoint(vip, 80, Protocol.TCP),),
            real_servers=(RealServer(REALS[version]),),
            forwarding=Forwarding.TUNNEL,
            tunnel=Tunnel(Encapsulation.IPIP),
            checks=(),
        )
    )
    target = Reconciler(run_dir=tmp_path, driver=table)
    target.update(spec, verdicts(spec), complete=True)
    asyncio.run(target.reconcile())
    assert target.problems() == []
    family = socket.AF_INET if vip.version == 4 else socket.AF_INET6
    with within(servers):
        ip(f"link add end {ENDS[vip, version]}", "link set end up")
        Path("/proc/sys/net/ipv4/conf/end/rp_filter").write_text("0")
        server = socket.create_server((str(vip), 80), family=family)
    with within(client):
        connection = socket.socket(family)
        connection.settimeout(PATIENCE)
    with server, connection:
        server.settimeout(PATIENCE)
        connection.connect((str(vip), 80))
        accepted, peer = server.accept()
        assert parse(peer[0]).version == vip.version
        accepted.sendall(b"hello")
        assert connection.recv(5) == b"hello"
        accepted.close()
    table.close()
