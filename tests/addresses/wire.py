"""Two network namespaces joined by a cable: ``near`` has the addresses under test, ``far`` is their neighbour.

The test's thread lives in ``near``; its sockets stay in the namespace where they were made. Nothing is named, so
nothing is left when the test process ends, however it ends.
"""

import ctypes
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, ip_address

from vedette.addresses import frames
from vedette.kit.net import IPAddress, family

LAN, PEER = "lan0", "peer0"
NEAR_MAC, FAR_MAC = "02:00:00:00:00:01", "02:00:00:00:00:09"
NEAR_V4, NEAR_V6 = "10.77.0.1/24", "fd77::1/64"
FAR_V4, FAR_V6 = "10.77.0.9/24", "fd77::9/64"
VIP, VIP6 = ip_address("10.77.0.100"), ip_address("fd77::100")
PORT = 7

_CLONE_NEWNET = 0x40000000
_IP_FREEBIND, _IPV6_FREEBIND = 15, 78
_PATIENCE = 0.15
"""Seconds after which a neighbour that has said nothing is silent: a thousand times the way over the cable."""

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _enter(namespace: int) -> None:
    _checked(_libc.setns(namespace, _CLONE_NEWNET))


def _current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def ip(*lines: str) -> None:
    """Run lines of ``ip -batch`` in this thread's namespace."""
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


class Wire:
    """The cable and the neighbour's means to test what is at the other end."""

    def __init__(self) -> None:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()  # loads ipv6 where it is a module
        self._home = _current()
        _checked(_libc.unshare(_CLONE_NEWNET))
        self._far = _current()
        _checked(_libc.unshare(_CLONE_NEWNET))
        self._near = _current()
        self.plug()
        with self.far():
            ip("link set lo up")
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
            self._socket.bind((PEER, 0x0003))
            self.mac: bytes = self._socket.getsockname()[4]
        ip("link set lo up")

    def plug(self) -> None:
        """Make both ends of the cable and their addresses, also after :meth:`unplug`."""
        far = f"/proc/{os.getpid()}/fd/{self._far}"
        ip(
            f"link add {LAN} address {NEAR_MAC} type veth peer name {PEER} address {FAR_MAC} netns {far}",
            f"link set {LAN} up",
            f"addr add {NEAR_V4} dev {LAN}",
            f"addr add {NEAR_V6} dev {LAN} nodad",
        )
        with self.far():
            ip(f"link set {PEER} up", f"addr add {FAR_V4} dev {PEER}", f"addr add {FAR_V6} dev {PEER} nodad")

    def unplug(self) -> None:
        """Take the interface away, with everything on it."""
        ip(f"link del {LAN}")

    def close(self) -> None:
        self._socket.close()
        _enter(self._home)
        for namespace in (self._near, self._far, self._home):
            os.close(namespace)

    @contextmanager
    def far(self) -> Iterator[None]:
        """Act as the neighbour."""
        _enter(self._far)
        try:
            yield
        finally:
            _enter(self._near)

    def carrier(self, *, up: bool) -> None:
        """Pull the neighbour's plug, or put it back."""
        with self.far():
            ip(f"link set {PEER} {'up' if up else 'down'}")

    def send(self, frame: bytes) -> None:
        self._socket.send(frame)

    def hears(self, wanted: Callable[[bytes], bool], *, patience: float = _PATIENCE) -> bool:
        """Whether a frame comes over the cable that is as wanted."""
        end = time.monotonic() + patience
        while (rest := end - time.monotonic()) > 0:
            if not select.select([self._socket], [], [], rest)[0]:
                return False
            frame, (_, _, kind, *_) = self._socket.recvfrom(2048)
            if kind != socket.PACKET_OUTGOING and wanted(frame):
                return True
        return False

    def forget(self) -> None:
        """Drop what has come so far."""
        self.hears(lambda _: False, patience=0.001)
        while select.select([self._socket], [], [], 0)[0]:
            self._socket.recv(2048)

    def resolves(self, address: IPAddress) -> bool:
        """Whether anybody answers for the address when the neighbour asks by ARP or neighbour discovery."""
        self.forget()
        self.send(_question(self.mac, address))
        return self.hears(lambda frame: claim_of(frame) == address and frame[6:12] != self.mac)


def claim_of(frame: bytes) -> IPAddress | None:
    """The address that an ARP frame or a neighbour advertisement claims."""
    ethertype = int.from_bytes(frame[12:14], "big")
    claim = None
    if ethertype == frames.ARP:
        claim = frames.arp_claim(frame[14:])
    elif ethertype == frames.IPV6:
        claim = frames.advertisement_claim(frame[14:], frame[6:12])
    return claim.address if claim is not None else None


def _question(mac: bytes, address: IPAddress) -> bytes:
    """ARP request, or neighbour solicitation, as the neighbour's own stack would send it."""
    if isinstance(address, IPv4Address):
        probe = frames.probe(mac, address)
        return probe[:28] + IPv4Address(FAR_V4.split("/")[0]).packed + probe[32:]
    return frames.probe(mac, address)


class Echo:
    """A UDP server on an address, in the namespace where it was made; counts what reaches it."""

    def __init__(self, address: IPAddress) -> None:
        self._socket = socket.socket(family(address), socket.SOCK_DGRAM)
        level, option = (
            (socket.IPPROTO_IP, _IP_FREEBIND) if address.version == 4 else (socket.IPPROTO_IPV6, _IPV6_FREEBIND)
        )
        self._socket.setsockopt(level, option, 1)
        self._socket.bind((str(address), PORT))
        self._socket.settimeout(0.05)
        self.received: set[bytes] = set()
        self._open = True
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._open = False
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while self._open:
            try:
                data, client = self._socket.recvfrom(2048)
            except TimeoutError:
                continue
            self.received.add(data)
            self._socket.sendto(data, client)


class Client:
    """The neighbour's UDP client of one address, with a stale but permanent neighbour entry for it."""

    def __init__(self, wire: Wire, address: IPAddress) -> None:
        self._address = address
        with wire.far():
            ip(f"neigh replace {address} lladdr {NEAR_MAC} nud permanent dev {PEER}")
            self._socket = socket.socket(family(address), socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._sent = 0

    def close(self) -> None:
        self._socket.close()

    def ask(self, count: int) -> list[bytes]:
        """Send that many datagrams; returns them."""
        sent = []
        for _ in range(count):
            self._sent += 1
            sent.append(b"%d" % self._sent)
            self._socket.sendto(sent[-1], (str(self._address), PORT))
        return sent

    def answers(self, expected: Sequence[bytes]) -> set[bytes]:
        """Which of these are echoed; waits no longer than it takes to hear all of them."""
        found: set[bytes] = set()
        while not found.issuperset(expected) and select.select([self._socket], [], [], _PATIENCE)[0]:
            found.add(self._socket.recv(2048))
        return found & set(expected)

    def served(self, count: int = 5) -> int:
        """Send some datagrams; how many come back."""
        return len(self.answers(self.ask(count)))
