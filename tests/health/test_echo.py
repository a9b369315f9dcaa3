"""ICMP echo: only an answer to our own request counts."""

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as some

from vedette.health import echo

V4, V6 = ip_address("192.0.2.1"), ip_address("2001:db8::1")
TOKEN = b"chance!!"
HEADER = bytes([0x45]) + bytes(19)
"""An IPv4 header as raw sockets give it, as far as anybody looks at it."""


def reply(packet: bytes, version: int) -> bytes:
    return bytes([0 if version == 4 else 129]) + packet[1:]


def test_the_checksum_makes_the_whole_sum_up_to_nothing() -> None:
    packet = echo.request(V4, identifier=0x1234, sequence=70_001, token=TOKEN)
    total = sum(int.from_bytes(packet[at : at + 2]) for at in range(0, len(packet), 2))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
    assert packet[:2] == b"\x08\x00"


def test_an_answer_is_told_from_our_own_request_and_from_other_peoples_answers() -> None:
    for address, header in ((V4, HEADER), (V6, b"")):
        version = address.version
        packet = echo.request(address, identifier=7, sequence=1, token=TOKEN)
        answer = header + reply(packet, version)
        assert echo.answers(answer, version=version, identifier=7, token=TOKEN)
        assert not echo.answers(header + packet, version=version, identifier=7, token=TOKEN)
        assert not echo.answers(answer, version=version, identifier=8, token=TOKEN)
        assert not echo.answers(answer, version=version, identifier=7, token=b"guessed!")


@given(some.binary(max_size=60), some.sampled_from([4, 6]))
def test_no_bytes_whatever_raise_or_are_an_answer(data: bytes, version: int) -> None:
    assert not echo.answers(data, version=version, identifier=7, token=TOKEN)
