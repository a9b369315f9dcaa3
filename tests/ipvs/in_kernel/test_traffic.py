"""A client, a director and real servers, each in a network namespace: what the table does to connections."""

import asyncio
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.ipvs.documents import HTTP, VIP, document, service, verdicts
from tests.ipvs.namespace import ip, own_network, within

from vedette.ipvs.kernel import KernelTable
from vedette.ipvs.pace import TICK
from vedette.ipvs.reconciler import Reconciler
from vedette.kit.units import SECOND, seconds
from vedette.spec.resolved import Life, OnFailure, RealServer, SorryPage, SorryServer, VirtualService
from vedette.state.health import Health

SERVERS = tuple(RealServer(ip_address(f"10.2.0.{last}")) for last in (11, 12))
PATIENCE = 20.0
"""Seconds after which a test gives up."""


@dataclass(frozen=True)
class Site:
    """The test itself is in the director's namespace."""

    client: int
    servers: int
    reconciler: Reconciler

    def apply(self, virtual: VirtualService, **healths: Health) -> None:
        """``s11=Health.DOWN``: the verdict on 10.2.0.11; the others are up."""
        spec = document(virtual)
        by_address = {f"10.2.0.{name[1:]}": health for name, health in healths.items()}
        self.reconciler.update(spec, verdicts(spec, by_address), complete=True)
        asyncio.run(self.reconciler.reconcile())

    def forget(self) -> None:
        """A document without any virtual service."""
        self.reconciler.update(document(digest="2"), {}, complete=True)
        asyncio.run(self.reconciler.reconcile())

    def look(self) -> None:
        """Another pass, in which connections are counted."""
        time.sleep(seconds(TICK))
        asyncio.run(self.reconciler.reconcile())

    def look_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline
            self.look()

    @property
    def weights(self) -> dict[str, int]:
        (shown,) = self.reconciler.status()
        return {item["address"]: item["weight"] for item in shown["destinations"]}

    def connect(self) -> socket.socket:
        with within(self.client):
            return socket.create_connection((str(VIP), HTTP.port), timeout=PATIENCE)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with own_network() as servers, own_network() as client, own_network() as director:
        for network, name in ((client, "client"), (servers, "servers")):
            ip(
                f"link add {name} type veth peer name eth0 netns /proc/{os.getpid()}/fd/{network}",
                f"link set {name} up",
            )
        ip("addr add 10.1.0.1/24 dev client", "addr add 10.2.0.1/24 dev servers", f"addr add {VIP}/32 dev lo")
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        with within(client):
            ip("addr add 10.1.0.2/24 dev eth0", "link set eth0 up", "route add default via 10.1.0.1")
        with within(servers):
            own = [f"addr add {server.address}/24 dev eth0" for server in SERVERS]
            ip(*own, "link set eth0 up", "route add default via 10.2.0.1")
        table = KernelTable()
        try:
            with within(director):
                yield Site(client, servers, Reconciler(run_dir=tmp_path, driver=table))
        finally:
            table.close()


@contextmanager
def listening(site: Site) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        with within(site.servers):
            found = [stack.enter_context(socket.create_server((str(server.address), HTTP.port))) for server in SERVERS]
        for server in found:
            server.settimeout(PATIENCE)
        yield found


def only(virtual: VirtualService, server: RealServer) -> VirtualService:
    return replace(virtual, real_servers=(server,))


def test_a_connection_to_a_removed_server_ends_at_once(site: Site) -> None:
    """It is reset: with ``expire_nodest_conn`` off, the client would hang until its own time-out."""
    virtual = service(real_servers=SERVERS)
    with listening(site) as (first, _):
        site.apply(virtual, s12=Health.DOWN)
        with site.connect() as client:
            accepted, _ = first.accept()
            site.apply(virtual, s11=Health.DOWN)
            client.sendall(b"are you there?")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
            accepted.close()


def test_a_connection_to_a_quiesced_server_goes_on(site: Site) -> None:
    virtual = service(real_servers=SERVERS, on_failure=OnFailure.QUIESCE)
    with listening(site) as (first, second):
        site.apply(virtual, s12=Health.DOWN)
        with site.connect() as client:
            accepted, _ = first.accept()
            site.apply(virtual, s11=Health.DOWN)
            client.sendall(b"are you there?")
            accepted.settimeout(PATIENCE)
            assert accepted.recv(100) == b"are you there?"
            accepted.close()
            with site.connect():
                second.accept()[0].close()


def test_a_remote_client_reaches_the_page_when_all_are_down_and_a_server_when_one_is_back(site: Site) -> None:
    virtual = service(real_servers=SERVERS, sorry=SorryServer(page=SorryPage(503, "sorry")))
    with listening(site) as (_, second), socket.create_server((str(VIP), HTTP.port)) as page:
        page.settimeout(PATIENCE)
        site.apply(virtual, s11=Health.DOWN, s12=Health.DOWN)
        with site.connect() as client:
            accepted, peer = page.accept()
            assert peer[0] == "10.1.0.2"
            accepted.sendall(b"503")
            assert client.recv(3) == b"503"
            accepted.close()
        site.apply(virtual, s11=Health.DOWN)
        with site.connect():
            second.accept()[0].close()


def test_a_server_that_is_taken_out_keeps_its_connections_and_leaves_when_they_are_gone(site: Site) -> None:
    virtual = service(real_servers=SERVERS, scheduler="wrr")
    with listening(site) as (first, second):
        site.apply(virtual, s12=Health.DOWN)
        with site.connect() as client:
            accepted, _ = first.accept()
            site.apply(only(virtual, SERVERS[1]))
            for _ in range(3):
                with site.connect():
                    second.accept()[0].close()
            accepted.settimeout(PATIENCE)
            client.sendall(b"are you there?")
            assert accepted.recv(100) == b"are you there?"
            site.look()
            assert site.weights == {"10.2.0.11": 0, "10.2.0.12": 1}
            accepted.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )  # as a reset: gone at once
            accepted.close()
        site.look_until(lambda: "10.2.0.11" not in site.weights)


def test_an_edit_of_the_scheduler_breaks_no_connection(site: Site) -> None:
    with listening(site) as (first, _):
        site.apply(only(service(scheduler="wlc"), SERVERS[0]))
        with site.connect() as client:
            accepted, _ = first.accept()
            site.apply(only(service(scheduler="mh", scheduler_flags=("port",)), SERVERS[0]))
            client.sendall(b"still there?")
            accepted.settimeout(PATIENCE)
            assert accepted.recv(100) == b"still there?"
            accepted.close()


def test_connections_of_a_service_that_leaves_the_document_go_on_and_new_ones_are_refused(site: Site) -> None:
    """The kernel answers them with an ICMP "port unreachable", which a client takes for a refusal at once."""
    with listening(site) as (first, _):
        site.apply(service(real_servers=SERVERS), s12=Health.DOWN)
        with site.connect() as client:
            accepted, _ = first.accept()
            site.forget()
            client.sendall(b"are you there?")
            accepted.settimeout(PATIENCE)
            assert accepted.recv(100) == b"are you there?"
            with pytest.raises(ConnectionRefusedError):
                site.connect()
            site.look()
            assert [item["address"] for item in site.reconciler.leaving()] == ["10.2.0.11"]
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()
        site.look_until(lambda: not site.reconciler.leaving())


def test_a_connection_of_a_service_that_leaves_is_reset_when_its_time_is_over(site: Site) -> None:
    with listening(site) as (first, _):
        site.apply(service(real_servers=SERVERS, life=Life(drain=SECOND)), s12=Health.DOWN)
        with site.connect() as client:
            accepted, _ = first.accept()
            site.forget()
            site.look_until(lambda: not site.reconciler.leaving())
            client.sendall(b"are you there?")
            with pytest.raises((ConnectionResetError, ConnectionRefusedError)):
                client.recv(1)
            accepted.close()
