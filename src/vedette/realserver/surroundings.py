"""Who listens on this machine, and by which interfaces it leaves: /proc/net/tcp, udp and route (proc(5))."""

import struct
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from vedette.kit.net import IPAddress
from vedette.realserver.diagnosis import Listening, Surroundings
from vedette.spec.resolved import Protocol

_STATES = {Protocol.TCP: "0A", Protocol.UDP: "07"}
"""TCP_LISTEN; of a UDP socket, that it is not connected."""


_FOLDER = Path("/proc/self/net")
_RTF_UP = 0x1


def look(*, folder: Path = _FOLDER) -> Surroundings:
    """See both. Raises ``OSError``."""
    return Surroundings(listening(folder=folder), exits(folder=folder))


def exits(*, folder: Path = _FOLDER) -> frozenset[str]:
    """The interfaces of IPv4 default routes."""
    lines = [line.split() for line in (folder / "route").read_text().splitlines()[1:]]
    zero = "00000000"
    return frozenset(words[0] for words in lines if words[1] == words[7] == zero and int(words[3], 16) & _RTF_UP)


def listening(*, folder: Path = _FOLDER) -> frozenset[Listening]:
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
