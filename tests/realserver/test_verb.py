"""``vedette real-server`` in a network namespace of its own: the process as systemd runs it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from tests.spec.documents import document

from vedette.lab import namespace
from vedette.lab.namespace import Namespace

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]
SERVICE = (
    "virtualServices: [{name: web, addresses: [public], ports: [80], forwarding: directRouting, "
    "realServers: [{address: 10.0.0.11}]}]"
)


class Machine:
    """A machine with 10.0.0.11 on eth0, a document and a run directory."""

    def __init__(self, space: Namespace, folder: Path) -> None:
        self.space, self.document, self._run = space, folder / "cluster.yaml", folder / "run"
        self.document.write_text(document(SERVICE))
        self.resolver: Path | None = None

    def command(self, *words: str) -> list[str]:
        options = [] if "--undo" in words else ["--spec", str(self.document)]
        python = [sys.executable, "-m", "vedette.cli.main"]
        if self.resolver is not None:
            script = f'mount --bind {self.resolver} /etc/resolv.conf && exec "$@"'
            python = ["unshare", "--mount", "sh", "-c", script, "sh", *python]
        return [*python, "real-server", *options, "--run-dir", str(self._run), *words]

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return self.space.run(self.command(*words))

    def start(self) -> "subprocess.Popen[str]":
        process: subprocess.Popen[str] = self.space.popen(self.command(), text=True, stderr=subprocess.PIPE)
        return process

    def ip(self, line: str) -> None:
        namespace.ip([line], within=self.space)

    def has(self, address: str) -> bool:
        return f" {address}/" in self.space.run(["ip", "address", "show", "dev", "lo"]).stdout

    def setting(self, name: str, value: str | None = None) -> str:
        path = Path(f"/proc/sys/net/ipv4/conf/{name}")
        if value is not None:
            self.space.call(path.write_text, value)
        return self.space.call(path.read_text).strip()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    descriptor = namespace.create()
    space = Namespace(f"/proc/{os.getpid()}/fd/{descriptor}")
    lines = ["link set lo up", "link add eth0 type veth peer name far", "link set eth0 up"]
    namespace.ip([*lines, "address add 10.0.0.11/24 dev eth0"], within=space)
    yield Machine(space, tmp_path)
    os.close(descriptor)


def _until(claim: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not claim() and time.monotonic() < end:
        time.sleep(0.05)
    return claim()


def test_the_daemon_follows_repairs_and_leaves_everything_until_it_is_undone(machine: Machine) -> None:
    with machine.start() as daemon:
        try:
            assert _until(lambda: machine.has("203.0.113.80"))
            machine.ip("address delete 203.0.113.80/32 dev lo")
            machine.setting("all/arp_ignore", "0")
            assert _until(lambda: machine.has("203.0.113.80") and machine.setting("all/arp_ignore") == "1")

            machine.document.write_text(document(SERVICE.replace("80]", "eighty]")))
            status = machine.run("--status")
            assert status.returncode == 2
            assert "eighty" in status.stderr
            assert machine.has("203.0.113.80"), "a document with mistakes changes nothing"

            machine.document.write_text(document(SERVICE.replace("[public]", "[public, gateway]")))
            assert _until(lambda: machine.has("10.0.0.1"))
            machine.document.write_text(document(SERVICE))
            assert _until(lambda: not machine.has("10.0.0.1"))

            busy = machine.run("--undo")
            assert busy.returncode == 2
            assert f"process {daemon.pid}" in busy.stderr
            status = machine.run("--status", "-o", "json")
            assert json.loads(status.stdout)["process"] == daemon.pid
        finally:
            daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(10) == 0
    assert machine.has("203.0.113.80"), "a server that lost its addresses would drop its clients"

    undone = machine.run("--undo")
    assert undone.returncode == 0
    assert not machine.has("203.0.113.80")
    assert (machine.setting("all/arp_ignore"), machine.setting("all/arp_announce")) == ("0", "0")


class NameServer:
    """Answers every question for an A record with ``address``, and every other with nothing."""

    def __init__(self, machine: Machine, address: str) -> None:
        self.address = address
        self._socket = machine.space.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.53", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data, peer = self._socket.recvfrom(512)
                question = dns.message.from_wire(data)
                reply = dns.message.make_response(question)
                (asked,) = question.question
                if asked.rdtype == dns.rdatatype.A:
                    reply.answer.append(dns.rrset.from_text(asked.name, 1, "IN", "A", self.address))
                self._socket.sendto(reply.to_wire(), peer)

    def close(self) -> None:
        self._socket.close()


def test_a_real_server_by_name_follows_what_the_name_stands_for(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\n")
    machine.resolver = tmp_path / "resolv.conf"
    machine.document.write_text(document(SERVICE.replace("address: 10.0.0.11", "hostname: app.example")))
    unknown = machine.run("--once")
    assert unknown.returncode == 1
    assert "name app.example" in unknown.stdout
    assert not machine.has("203.0.113.80")
    server = NameServer(machine, "10.0.0.11")
    assert machine.run("--once").returncode == 0
    assert machine.has("203.0.113.80")
    with machine.start() as daemon:
        try:
            server.address = "10.0.0.12"  # its time to live is a second, and names are asked for again after 5
            assert _until(lambda: not machine.has("203.0.113.80"))
            server.address = "10.0.0.11"
            assert _until(lambda: machine.has("203.0.113.80"))
        finally:
            daemon.send_signal(signal.SIGTERM)
    server.close()
    status = machine.run("--status")
    assert status.returncode == 0, "the last answer goes on"
    assert "name app.example" in status.stdout


def test_once_sets_up_and_says_what_it_did(machine: Machine) -> None:
    assert machine.run("--status").returncode == 1
    done = machine.run("--once", "-o", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["right"]
    assert "put 203.0.113.80 on lo" in report["done"]
    assert report["changed"]["settings"]["ipv4/conf/all/arp_ignore"] == {"former": "0", "ours": "1"}
    assert json.loads(machine.run("--once", "-o", "json").stdout)["done"] == []
    assert machine.run("--status").returncode == 0


def test_an_address_that_nobody_forwards_to_is_told(machine: Machine) -> None:
    done = machine.run("--once", "--address", "10.0.0.12")
    assert done.returncode == 1
    assert "no virtual service has 10.0.0.12 as real server" in done.stdout


def test_without_privilege_it_says_what_is_missing(machine: Machine) -> None:
    command = machine.command("--once")
    done = machine.space.run(["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command])
    assert done.returncode == 1
    assert "CAP_NET_ADMIN" in done.stdout
    assert not machine.has("203.0.113.80")
