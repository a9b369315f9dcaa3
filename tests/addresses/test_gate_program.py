"""The gate's programs, run instruction by instruction against the table in their docstring."""

import struct
from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.addresses.machines import World, run

from vedette.addresses import frames
from vedette.addresses.gate_program import program
from vedette.kit.filters import Direction

MEMBERS, SLOTS = 7, 8
NOW = 1_000_000
PASS, DROP = -1, 2
VIPS = [ip_address("10.77.0.100"), ip_address("10.77.0.101"), ip_address("fd77::100"), ip_address("fd77::101")]
OTHERS = [ip_address("10.77.0.1"), ip_address("fd77::1"), IPv6Address("ff02::1")]
CODE = {direction: program(direction, members=MEMBERS, slots=SLOTS) for direction in Direction}

v4 = st.sampled_from([item.packed for item in VIPS + OTHERS if item.version == 4])
v6 = st.sampled_from([item.packed for item in VIPS + OTHERS if item.version == 6])
deadline = st.sampled_from([0, NOW - 1, NOW, NOW + 1, 2**63 - 1])
slots = st.fixed_dictionaries({0: st.just((0, 0)), 1: st.tuples(deadline, deadline), 2: st.tuples(deadline, deadline)})


def key(packed: bytes) -> bytes:
    return packed if len(packed) == 16 else IPv6Address(f"::ffff:{ip_address(packed)}").packed


members = st.dictionaries(st.sampled_from([key(item.packed) for item in VIPS]), st.sampled_from([0, 1, 2, 9]))


@st.composite
def packets(draw: st.DrawFn) -> tuple[int, bytes, dict[str, bytes]]:
    """Ethertype, packet, and the addresses in it by their role."""
    kind = draw(st.sampled_from(["arp", "ipv4", "ipv6", "discovery", "other"]))
    if kind == "arp":
        sender, target = draw(v4), draw(v4)
        operation = draw(st.sampled_from([1, 2]))
        body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, bytes(6), sender, bytes(6), target)
        return frames.ARP, body, {"sender": sender, "target": target}
    if kind == "ipv4":
        source, destination = draw(v4), draw(v4)
        body = bytes([0x45]) + bytes(11) + source + destination + draw(st.binary(max_size=24))
        return 0x0800, body, {"source": source, "destination": destination}
    if kind == "other":
        return 0x88CC, draw(st.binary(max_size=64)), {}
    source, destination, target = draw(v6), draw(v6), draw(v6)
    following, message = 17, draw(st.binary(min_size=24, max_size=24))
    if kind == "discovery":
        message = bytes([draw(st.sampled_from([128, 135, 136])), 0, 0, 0, 0, 0, 0, 0]) + target
        following = 58
    body = bytes([0x60, 0, 0, 0, 0, 24, following, 255]) + source + destination + message
    roles = {"source": source, "destination": destination}
    if kind == "discovery" and message[0] != 128:
        roles["solicited" if message[0] == 135 else "advertised"] = target
    return frames.IPV6, body, roles


def subjects(direction: Direction, roles: dict[str, bytes]) -> list[tuple[bytes, int]]:
    """The addresses that the table looks at, each with the deadline that counts (0 answer, 1 forward)."""
    ingress = {"target": 0, "solicited": 0, "destination": 1}
    egress = {"sender": 0, "advertised": 0, "source": 0}
    table = ingress if direction is Direction.INGRESS else egress
    return [(address, table[role]) for role, address in roles.items() if role in table]


@settings(max_examples=400)
@given(direction=st.sampled_from(list(Direction)), packet=packets(), known=members, open_until=slots)
def test_the_programs_do_what_their_table_says(
    direction: Direction,
    packet: tuple[int, bytes, dict[str, bytes]],
    known: dict[bytes, int],
    open_until: dict[int, tuple[int, int]],
) -> None:
    ethertype, body, roles = packet
    closed = False
    for address, deadline in subjects(direction, roles):
        if key(address) in known:
            # Slot 9 does not exist: what cannot be read is closed.
            closed |= open_until.get(known[key(address)], (0, 0))[deadline] <= NOW
    found = run(CODE[direction], World(ethertype, body, known, open_until, NOW), members=MEMBERS, slots=SLOTS)
    assert found == (DROP if closed else PASS)


@given(packet=packets(), length=st.integers(0, 40), direction=st.sampled_from(list(Direction)))
def test_a_truncated_packet_ends_in_a_verdict(
    packet: tuple[int, bytes, dict[str, bytes]], length: int, direction: Direction
) -> None:
    ethertype, body, _ = packet
    world = World(ethertype, body[:length], {}, {}, NOW)
    assert run(CODE[direction], world, members=MEMBERS, slots=SLOTS) == PASS


@pytest.mark.parametrize("direction", list(Direction))
def test_a_program_is_small_enough_for_every_verifier(direction: Direction) -> None:
    assert len(CODE[direction]) // 8 < 200


@pytest.mark.parametrize(("direction", "kind"), [(Direction.INGRESS, 135), (Direction.EGRESS, 136)])
def test_a_message_about_an_open_address_is_still_a_packet_of_a_closed_one(direction: Direction, kind: int) -> None:
    opened, shut = (item.packed for item in VIPS if item.version == 6)
    message = bytes([kind, 0, 0, 0, 0, 0, 0, 0]) + opened
    packet = bytes([0x60, 0, 0, 0, 0, 24, 58, 255]) + shut + shut + message
    world = World(frames.IPV6, packet, {opened: 1, shut: 2}, {1: (NOW + 1, NOW + 1), 2: (0, 0)}, NOW)
    assert run(CODE[direction], world, members=MEMBERS, slots=SLOTS) == DROP
