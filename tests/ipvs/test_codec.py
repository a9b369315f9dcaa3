"""The payloads, and back."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ipvs import strategies

from vedette.ipvs import codec
from vedette.ipvs.model import (
    AddressKey,
    Checksum,
    Connections,
    Counters,
    Destination,
    DestinationKey,
    DestinationUsage,
    Encapsulation,
    Method,
    ServiceKey,
    Settings,
    Timeouts,
    Tunnel,
)
from vedette.kit.netlink import attribute, attributes, nest
from vedette.spec.resolved import Protocol

WEB = AddressKey(Protocol.TCP, ip_address("203.0.113.80"), 80)
WEB6 = AddressKey(Protocol.TCP, ip_address("2001:db8::80"), 80)


@given(key=strategies.keys, data=st.data())
def test_a_service_comes_back_as_it_was_sent(key: ServiceKey, data: st.DataObject) -> None:
    settings = data.draw(strategies.settings_of(key.version))
    assert codec.read_service(codec.new_service(key, settings)) == (key, settings)
    assert codec.read_service(codec.set_service(key, settings)) == (key, settings)


@given(service=strategies.keys, key=strategies.destination_keys, destination=strategies.destinations)
def test_a_destination_comes_back_as_it_was_sent(
    service: ServiceKey, key: DestinationKey, destination: Destination
) -> None:
    for request in (codec.new_destination, codec.set_destination):
        assert codec.read_destination(request(service, key, destination), 4) == (key, destination)


@given(payload=st.binary(max_size=64))
def test_attributes_that_a_newer_kernel_adds_are_passed_over(payload: bytes) -> None:
    sent = codec.new_destination(WEB, DestinationKey(ip_address("10.0.0.1"), 80), Destination(3))
    start = sent.index(b"\x02\x80") - 2
    inner = sent[start + 4 :] + attribute(200, payload)
    assert codec.read_destination(sent[:start] + nest(2, inner), 4)[1] == Destination(3)


def test_ports_are_big_endian_and_a_tunnels_too() -> None:
    tunnel = Tunnel(Encapsulation.GUE, 6080, Checksum.REMOTE)
    sent = codec.new_destination(
        WEB, DestinationKey(ip_address("10.0.0.1"), 8080), Destination(1, Method.TUNNEL, tunnel=tunnel)
    )
    assert attribute(2, (8080).to_bytes(2, "big")) in sent
    assert attribute(14, (6080).to_bytes(2, "big")) in sent


@pytest.mark.parametrize(
    ("key", "granularity", "expected"),
    [
        (WEB, None, b"\xff\xff\xff\xff"),
        (WEB, 24, b"\xff\xff\xff\x00"),
        (WEB, 0, b"\x00\x00\x00\x00"),
        (WEB6, None, (128).to_bytes(4, "little")),
        (WEB6, 64, (64).to_bytes(4, "little")),
    ],
)
def test_a_netmask_is_a_mask_for_ipv4_and_a_length_for_ipv6(
    key: AddressKey, granularity: int | None, expected: bytes
) -> None:
    sent = codec.new_service(key, Settings("wlc", persistence=300, granularity=granularity))
    assert attribute(9, expected) in sent


def test_the_kernels_own_flag_is_no_difference() -> None:
    sent = codec.new_service(WEB, Settings("wlc"))
    dumped = sent.replace(attribute(7, b"\0\0\0\0\xff\xff\xff\xff"), attribute(7, b"\x02\0\0\0\xff\xff\xff\xff"))
    assert dumped != sent
    assert codec.read_service(dumped)[1] == Settings("wlc")


def test_a_time_out_without_persistence_is_none() -> None:
    sent = codec.new_service(WEB, Settings("wlc", persistence=300))
    dumped = sent.replace(attribute(7, b"\1\0\0\0\xff\xff\xff\xff"), attribute(7, b"\x02\0\0\0\xff\xff\xff\xff"))
    assert codec.read_service(dumped)[1] == Settings("wlc")


def test_an_encapsulation_of_the_future_is_read_as_other() -> None:
    sent = codec.new_destination(WEB, DestinationKey(ip_address("10.0.0.1"), 80), Destination(1))
    dumped = sent.replace(attribute(13, b"\0"), attribute(13, b"\x09"))
    assert codec.read_destination(dumped, 4)[1].tunnel.encapsulation is Encapsulation.OTHER


def test_equal_destinations_of_two_servers_are_one_object() -> None:
    sent = [codec.new_destination(WEB, DestinationKey(ip_address(f"10.0.0.{n}"), 80), Destination(7)) for n in (1, 2)]
    (_, first), (_, second) = (codec.read_destination(message, 4) for message in sent)
    assert first is second


def test_a_kernel_that_leaves_out_the_family_means_the_services() -> None:
    sent = codec.new_destination(WEB6, DestinationKey(ip_address("2001:db8::1"), 80), Destination(1))
    dumped = sent.replace(attribute(11, (10).to_bytes(2, "little")), attribute(99, b"\0\0"))
    assert codec.read_destination(dumped, 6)[0].address == ip_address("2001:db8::1")


@given(tcp=strategies.u32, fin=strategies.u32, udp=strategies.u32)
def test_timeouts_come_back_as_they_were_sent(tcp: int, fin: int, udp: int) -> None:
    assert codec.read_timeouts(codec.set_timeouts(Timeouts(tcp, fin, udp))) == Timeouts(tcp, fin, udp)


def test_a_timeout_that_is_left_alone_is_not_sent() -> None:
    assert codec.set_timeouts(Timeouts(udp=15))[4:] == attribute(6, (15).to_bytes(4, "little"))


@given(
    service=strategies.keys,
    key=strategies.destination_keys,
    destination=strategies.destinations,
    numbers=st.lists(strategies.u32, min_size=3, max_size=3),
    data=st.data(),
)
def test_a_dump_of_fixed_layout_reads_as_one_of_any_other(
    service: ServiceKey, key: DestinationKey, destination: Destination, numbers: list[int], data: st.DataObject
) -> None:
    """As Linux 6.1 sends it, and with the same attributes shuffled; twice, because the second time is remembered."""
    sent = attributes(codec.new_destination(service, key, destination)[4:])[2]
    parts = [attribute(kind, value) for kind, value in attributes(sent).items()]
    by_kind = dict(zip(attributes(sent), parts, strict=True))
    moving = [attribute(kind, number.to_bytes(4, "little")) for kind, number in zip((7, 8, 9), numbers, strict=True)]
    statistics = [nest(10, b""), nest(12, attribute(1, (5).to_bytes(8, "little")))]
    fixed = [by_kind[kind] for kind in (1, 2, 3, 4, 13, 14, 15, 5, 6)] + moving + [by_kind[11]] + statistics
    shuffled = data.draw(st.permutations(fixed))
    for order in (fixed, shuffled, fixed):
        payload = b"\x08\x01\0\0" + nest(2, b"".join(order))
        assert codec.read_destination(payload, 4) == (key, destination)
        assert codec.read_usage(payload) == DestinationUsage(Connections(*numbers), Counters(5))
