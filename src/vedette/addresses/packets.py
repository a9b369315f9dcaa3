"""Packet sockets: one that sends whole frames, and watchers that hear foreign claims (packet(7))."""

import ctypes
import socket
import struct
from collections.abc import Callable

from vedette.addresses import frames

_SO_ATTACH_FILTER = 26
_MOST_AT_ONCE = 64
"""Packets read in one turn of the loop: a storm must not hold the process that keeps time."""
_LARGEST = 2048
_ETHERTYPE = slice(12, 14)


class Sender:
    """Sends Ethernet frames; receives nothing."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)

    def close(self) -> None:
        self._socket.close()

    def send(self, interface: str, frame: bytes) -> None:
        """Send one frame; raises ``OSError`` (interface down or gone, queue full, gate closed).

        The type is said once more beside the frame: an interface that does not read it there (macvlan) would send
        the frame as one of no type, and the gate would let it pass.
        """
        self._socket.sendto(frame, (interface, int.from_bytes(frame[_ETHERTYPE])))


class Watcher:
    """Hears packets of one Ethernet type, on every interface, that a classic BPF filter lets through."""

    def __init__(self, ethertype: int, code: bytes) -> None:
        self._ethertype = ethertype
        # What comes before the filter is in place is judged by the reader anyway.
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_PACKET, kind, socket.htons(ethertype))
        self.filter(code)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def filter(self, code: bytes) -> None:
        """Replace the filter, with no moment without one."""
        buffer = ctypes.create_string_buffer(code, len(code))
        program = struct.pack("HP", len(code) // 8, ctypes.addressof(buffer))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)

    def read(self, hear: Callable[[str, frames.Claim], None]) -> bool:
        """Call ``hear(interface, claim)`` for what has come, a bounded number at a time; whether there may be more."""
        for _ in range(_MOST_AT_ONCE):
            try:
                packet, (interface, _, _, _, sender) = self._socket.recvfrom(_LARGEST)
            except OSError:
                return False  # nothing more, or an interface went away under the socket
            claim = (
                frames.arp_claim(packet)
                if self._ethertype == frames.ARP
                else frames.advertisement_claim(packet, sender)
            )
            if claim is not None:
                hear(interface, claim)
        return True
