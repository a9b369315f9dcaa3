"""A client, a director and a real server on one network, as namespaces of one machine."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from vedette.kit.net import IPAddress, family
from vedette.lab import namespace
from vedette.lab.namespace import Namespace
from vedette.realserver.kernel import Kernel
from vedette.realserver.model import Observed, Wanted
from vedette.realserver.reconciler import Outcome, Reconciler

HOSTS = {"client": 1, "director": 2, "server": 11}
PORT = 8000


@dataclass(frozen=True, slots=True)
class Field:
    """The three, each with eth0 at 10.9.0.N and fd09::N."""

    client: Namespace
    director: Namespace
    server: Namespace

    def set(self, setting: str, value: str) -> None:
        """Write a setting of the server below net/ipv4/conf."""
        self.server.call(lambda: Path(f"/proc/sys/net/ipv4/conf/{setting}").write_text(value))

    def get(self, setting: str) -> str:
        return self.server.call(lambda: Path(f"/proc/sys/net/ipv4/conf/{setting}").read_text()).strip()

    def observe(self) -> Observed:
        return self.server.call(_observe)

    def reconcile(self, wanted: Wanted, run_dir: Path) -> Outcome:
        return self.server.call(_reconcile, wanted, run_dir)

    def direct(self, vip: IPAddress, real: IPAddress, *how: str) -> None:
        """Have the director hold the VIP and forward its port to the real server."""
        nodad = " nodad" if vip.version == 6 else ""
        namespace.ip([f"address replace {vip}/{vip.max_prefixlen} dev eth0{nodad}"], within=self.director)
        name = f"[{vip}]" if vip.version == 6 else str(vip)
        target = f"[{real}]" if real.version == 6 else str(real)
        rules = f"-A -t {name}:{PORT} -s rr\n-a -t {name}:{PORT} -r {target}:{PORT} {' '.join(how)}\n"
        done = self.director.run(["ipvsadm", "-R"], stdin=rules)
        assert done.returncode == 0, done.stderr

    def ask(self, vip: IPAddress, *, patience: float = 5) -> str:
        """What the client gets from the VIP; empty when nobody answers within ``patience`` seconds."""
        with suppress(OSError), self.client.call(socket.socket, family(vip), socket.SOCK_STREAM) as end:
            end.settimeout(patience)
            end.connect((str(vip), PORT))
            return end.recv(64).decode()
        return ""

    def who_has(self, vip: IPAddress) -> bool:
        """Whether the real server answers the client's ARP for the VIP: nobody else here has it."""
        namespace.ip(["neighbour flush dev eth0"], within=self.client)
        with self.client.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"?", (str(vip), 9))
        for _ in range(50):
            shown = self.client.run(["ip", "neighbour", "show", str(vip)]).stdout
            if "lladdr" in shown or "FAILED" in shown:
                return "lladdr" in shown
        return False


def _observe() -> Observed:
    kernel = Kernel()
    try:
        return kernel.observe()
    finally:
        kernel.close()


def _reconcile(wanted: Wanted, run_dir: Path) -> Outcome:
    kernel = Kernel()
    try:
        return Reconciler(kernel, run_dir).run(wanted)
    finally:
        kernel.close()


@pytest.fixture
def field() -> Iterator[Field]:

    descriptors = {name: namespace.create() for name in ("switch", *HOSTS)}
    spaces = {name: Namespace(f"/proc/self/fd/{number}") for name, number in descriptors.items()}
    try:
        for space in spaces.values():
            space.call(_set, "ipv6/conf/default/accept_dad", "0")
        switch = ["link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0", "link set br0 up"]
        for name in HOSTS:
            there = f"/proc/{os.getpid()}/fd/{descriptors[name]}"
            switch += [f"link add {name} type veth peer name eth0 netns {there}", f"link set {name} master br0 up"]
        namespace.ip(switch, within=spaces["switch"])
        for name, number in HOSTS.items():
            lines = ["link set lo up", "link set eth0 up", f"address add 10.9.0.{number}/24 dev eth0"]
            namespace.ip([*lines, f"address add fd09::{number}/64 dev eth0 nodad"], within=spaces[name])
        spaces["director"].call(_set, "ipv4/ip_forward", "1")
        spaces["director"].call(_set, "ipv6/conf/all/forwarding", "1")
        spaces["client"].call(_set, "ipv4/neigh/eth0/retrans_time_ms", "100")
        answers = [spaces["server"].call(_listen, kind) for kind in (socket.AF_INET, socket.AF_INET6)]
        yield Field(spaces["client"], spaces["director"], spaces["server"])
        for end in answers:
            end.close()
    finally:
        for number in descriptors.values():
            os.close(number)


def _set(setting: str, value: str) -> None:
    Path(f"/proc/sys/net/{setting}").write_text(value)


def _listen(kind: int) -> socket.socket:
    """Answer every connection with the address that it came to."""
    end = socket.socket(kind, socket.SOCK_STREAM)
    if kind == socket.AF_INET6:
        end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    end.bind(("", PORT))
    end.listen()

    def answer() -> None:
        with suppress(OSError):
            while True:
                connection, _ = end.accept()
                with connection:
                    connection.sendall(connection.getsockname()[0].encode())

    threading.Thread(target=answer, daemon=True).start()
    return end
