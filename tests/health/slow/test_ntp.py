"""Checks of kind ntp, against chrony."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from tests.health.slow.contract import OverUdp
from tests.health.slow.trial import SHORT, Result, attempt, check
from tests.health.targets import target
from vedette.spec.probes import NtpProbe

pytestmark = pytest.mark.servers


class TestContract(OverUdp):
    probe = NtpProbe()


def ask(port: int, probe: NtpProbe) -> Result:
    return check(target(port=port, probe=probe))


def test_chrony_is_up(chrony: int) -> None:
    assert ask(chrony, NtpProbe()).reason == "stratum 3"
    assert ask(chrony, NtpProbe(max_stratum=3)).passed


def test_a_clock_too_far_from_its_reference_fails(chrony: int) -> None:
    result = ask(chrony, NtpProbe(max_stratum=2))
    assert not result.passed
    assert result.reason == "stratum 3, expected 2 at most"


class _Clock(asyncio.DatagramProtocol):
    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(self._answer(data), addr)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda query: bytes([0xE4, 2]).ljust(24, b"\0") + query[40:48] + bytes(16), "the clock is not synchronised"),
        (lambda query: bytes([0x24, 16]).ljust(24, b"\0") + query[40:48] + bytes(16), "the clock is not synchronised"),
        (
            lambda query: bytes([0x24, 0]).ljust(12, b"\0") + b"RATE" + bytes(8) + query[40:] + bytes(16),
            "refused: RATE",
        ),
        (lambda query: bytes([0x24, 2]).ljust(48, b"\0"), "no answer in 150ms"),
        (lambda query: query, "no answer in 150ms"),
    ],
    ids=["unsynchronised", "stratum 16", "kiss of death", "without our cookie", "an echo"],
)
def test_an_answer_that_is_none_fails(answer: Callable[[bytes], bytes], reason: str) -> None:
    async def scenario() -> Result:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Clock(answer), local_addr=("127.0.0.1", 0))
        try:
            return await attempt(target(port=transport.get_extra_info("sockname")[1], probe=NtpProbe()), SHORT)
        finally:
            transport.abort()

    assert asyncio.run(scenario()).reason == reason
