"""Who listens on this machine: /proc/net/tcp, udp and their IPv6 twins (proc(5))."""

import struct
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from vedette.kit.net import IPAddress
from vedette.realserver.diagnosis import Listening
from vedette.spec.resolved import Protocol

_STATES = {Protocol.TCP: "0A", Protocol.UDP: "07"}
"""TCP_LISTEN; of a UDP socket, that it is not connected."""


def listening(*, folder: Path = Path("/proc/self/net")) -> frozenset[Listening]:
    """All that listens; a socket at ``::`` counts for IPv4 too. Raises ``OSError``."""
    found = set()
    for protocol, state in _STATES.items():
        for suffix in ("", "6"):
            path = folder / f"{protocol.value}{suffix}"
            if not path.exists():
                continue
            for line in path.read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == state:
                    address, _, port = words[1].partition(":")
                    found.add((protocol, _address(address), int(port, 16)))
    return frozenset(found)


def _address(text: str) -> IPAddress | None:
    """The kernel prints 32-bit words in the byte order of the machine."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    address: IPAddress = IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
    return None if address.is_unspecified else address
