"""What can be made of a heartbeat without the key, and what the codec says to it."""

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest

from vedette.cluster import wire
from vedette.cluster.events import Reason
from vedette.cluster.messages import Message
from vedette.lab import forgeries

PORT = 694
SECRET, CLUSTER = b"the cluster's own secret", b"\1" * 8
DATA = wire.encode(
    Message(config=b"\2" * 8, keys=(), sender=1, session=2, incarnation=3, sequence=4, flags=frozenset()),
    cluster=CLUSTER,
    secret=SECRET,
)


def frame(version: int, data: bytes = DATA, port: int = PORT) -> bytes:
    udp = struct.pack("!HHHH", PORT, port, 8 + len(data), 0) + data
    if version == 4:
        addresses = IPv4Address("10.0.0.2").packed + IPv4Address("10.0.0.3").packed
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + addresses
    else:
        addresses = IPv6Address("2001:db8::2").packed + IPv6Address("2001:db8::3").packed
        header = struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + addresses
    kind = 0x0800 if version == 4 else 0x86DD
    return bytes.fromhex("020000000003020000000002") + struct.pack("!H", kind) + header + udp


def verdict(forged: bytes) -> Message | Reason:
    heard = forgeries.hear(forged, PORT)
    assert heard is not None
    return wire.decode(heard.data, cluster=CLUSTER, secrets={wire.fingerprint(SECRET): SECRET})


@pytest.mark.parametrize("version", [4, 6])
def test_a_repetition_is_right_in_itself_and_the_others_are_not(version: int) -> None:
    heard = forgeries.hear(frame(version), PORT)
    assert heard is not None
    repeated, changed, foreign = forgeries.forgeries(heard)
    assert isinstance(verdict(repeated), Message)
    assert verdict(changed) is Reason.BAD_MAC
    assert verdict(foreign) is Reason.WRONG_CLUSTER


@pytest.mark.parametrize("version", [4, 6])
def test_a_forgery_comes_from_a_stranger_s_mac_and_a_node_s_address(version: int) -> None:
    heard = forgeries.hear(frame(version), PORT)
    assert heard is not None
    for forged in forgeries.forgeries(heard):
        assert forged[:6] == frame(version)[:6]
        assert forged[6:12] == forgeries.STRANGER
        again = forgeries.hear(forged, PORT)
        assert again is not None
        assert again.network == heard.network


@pytest.mark.parametrize("other", [b"", b"\0" * 60, frame(4, port=80), frame(4)[:50], frame(6)[:60]])
def test_what_is_no_heartbeat_is_not_forged(other: bytes) -> None:
    assert forgeries.hear(other, PORT) is None
