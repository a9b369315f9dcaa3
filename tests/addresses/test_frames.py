"""Frames on the wire, byte by byte where an RFC says so, and the filters that let claims through."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.addresses.machines import accepts

from vedette.addresses import claims, frames
from vedette.addresses.frames import Claim

MAC = bytes.fromhex("02000000000a")
macs = st.binary(min_size=6, max_size=6)
v4 = st.integers(1, 2**32 - 1).map(IPv4Address)
v6 = st.integers(1, 2**128 - 1).map(IPv6Address)


def test_the_ipv4_announcement_is_a_broadcast_request_for_itself() -> None:
    frame = frames.announcement(MAC, IPv4Address("10.9.0.100"), router=True)
    assert frame.hex(" ", 2) == (
        "ffff ffff ffff 0200 0000 000a 0806"  # to everybody, ARP
        " 0001 0800 0604 0001"  # Ethernet, IPv4, request
        " 0200 0000 000a 0a09 0064"  # sender
        " 0000 0000 0000 0a09 0064"  # target
    )


def test_an_ipv4_probe_claims_nothing() -> None:
    frame = frames.probe(MAC, IPv4Address("10.9.0.100"))
    assert frames.arp_claim(frame[14:]) is None
    assert frame[38:42] == IPv4Address("10.9.0.100").packed


def test_the_ipv6_announcement_overrides_and_says_router_only_of_routers() -> None:
    flags = {
        router: frames.announcement(MAC, IPv6Address("fd09::100"), router=router)[14 + 44] for router in (True, False)
    }
    assert flags == {True: 0xA0, False: 0x20}


def test_an_ipv6_probe_comes_from_nobody_and_goes_to_the_solicited_nodes() -> None:
    frame = frames.probe(MAC, IPv6Address("fd09::12:3456"))
    assert frame[:6].hex() == "3333ff123456"
    assert frame[22:38] == bytes(16)
    assert IPv6Address(frame[38:54]) == IPv6Address("ff02::1:ff12:3456")


@given(mac=macs, address=v6, router=st.booleans())
def test_icmpv6_checksums_are_right(mac: bytes, address: IPv6Address, router: bool) -> None:
    """The sum over pseudo header and message, checksum included, is all ones (RFC 1071)."""
    for frame in (frames.announcement(mac, address, router=router), frames.probe(mac, address)):
        packet = frame[14:]
        data = packet[8:40] + (len(packet) - 40).to_bytes(4, "big") + (58).to_bytes(4, "big") + packet[40:]
        total = sum(int.from_bytes(data[index : index + 2], "big") for index in range(0, len(data), 2))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        assert total == 0xFFFF


@given(mac=macs, address=st.one_of(v4, v6))
def test_an_announcement_is_read_as_the_claim_that_it_is(mac: bytes, address: IPv4Address | IPv6Address) -> None:
    packet = frames.announcement(mac, address, router=True)[14:]
    read = frames.arp_claim(packet) if address.version == 4 else frames.advertisement_claim(packet, bytes(6))
    assert read == Claim(address, mac)


@given(st.binary(max_size=96), macs)
def test_any_bytes_are_a_claim_or_none(packet: bytes, sender: bytes) -> None:
    for claim in (frames.arp_claim(packet), frames.advertisement_claim(packet, sender)):
        assert claim is None or len(claim.mac) == 6


@pytest.mark.parametrize("limit", [0, 254])
def test_an_advertisement_from_beyond_the_link_is_no_claim(limit: int) -> None:
    packet = bytearray(frames.announcement(MAC, IPv6Address("fd09::100"), router=True)[14:])
    packet[7] = limit
    assert frames.advertisement_claim(bytes(packet), MAC) is None


@given(watched=st.lists(v4, max_size=8, unique=True), other=v4)
def test_the_arp_filter_lets_through_claims_to_watched_addresses_only(
    watched: list[IPv4Address], other: IPv4Address
) -> None:
    code = claims.arp(watched)
    for address in [*watched, other]:
        packet = frames.announcement(MAC, address, router=False)[14:]
        assert accepts(code, packet) == (address in watched)


@given(watched=st.lists(v6, max_size=8, unique=True), other=v6)
def test_the_advertisement_filter_lets_through_claims_to_watched_addresses_only(
    watched: list[IPv6Address], other: IPv6Address
) -> None:
    code = claims.advertisements(watched)
    for address in [*watched, other]:
        assert accepts(code, frames.announcement(MAC, address, router=False)[14:]) == (address in watched)
        assert not accepts(code, frames.probe(MAC, address)[14:])


def test_the_longest_filters_fit_into_the_kernels_limit() -> None:
    many = [IPv6Address(number) for number in range(1, 1000)]
    assert len(claims.advertisements(many)) // 8 <= 4096
    assert len(claims.arp([IPv4Address(number) for number in range(1, 1000)])) // 8 <= 4096
