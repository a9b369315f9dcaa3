"""What every kind of check promises: one class that the tests of each kind over the network inherit.

A kind adds what only it knows: a real server of its protocol that is up, and an answer that is wrong.
"""

import asyncio
import socket
from typing import ClassVar

import pytest

from tests.health.slow import hostile
from tests.health.slow.trial import SHORT, Result, attempt
from tests.health.targets import target
from vedette.health.judge import Outcome
from vedette.spec.resolved import Probe


class OverTcp:
    """The promises of a kind that connects. ``probe`` is what is asked of the hostile servers."""

    probe: ClassVar[Probe]

    def _against(self, behaviour: hostile.Behaviour, timeout: int) -> Result:
        async def scenario() -> Result:
            async with hostile.tcp(behaviour) as port:
                return await attempt(target(port=port, probe=self.probe), timeout)

        return asyncio.run(scenario())

    def test_a_refused_connection_fails(self) -> None:
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            result = asyncio.run(attempt(target(port=holder.getsockname()[1], probe=self.probe)))
        assert (result.outcome, result.reason) == (Outcome.FAILED, "connection refused")

    def test_a_server_that_accepts_and_says_nothing_fails_when_its_time_is_up(self) -> None:
        result = self._against(hostile.silent, SHORT)
        assert result.outcome is Outcome.FAILED
        assert result.expired
        assert result.reason.startswith("no answer in 150ms")

    @pytest.mark.parametrize("behaviour", hostile.GARBAGE, ids=lambda behaviour: behaviour.__name__)
    def test_garbage_fails_within_bounds(self, behaviour: hostile.Behaviour) -> None:
        result = self._against(behaviour, SHORT)
        assert result.outcome is Outcome.FAILED
        assert "cannot be understood" not in result.reason, "every answer is foreseen"


class OverUdp:
    """The promises of a kind that sends a datagram."""

    probe: ClassVar[Probe]

    def test_a_port_that_nobody_listens_on_fails(self) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as holder:
            holder.bind(("127.0.0.1", 0))
            port = holder.getsockname()[1]
        result = asyncio.run(attempt(target(port=port, probe=self.probe)))
        assert (result.outcome, result.reason) == (Outcome.FAILED, "connection refused")

    @pytest.mark.parametrize("answers", [(), *hostile.DATAGRAMS], ids=lambda answers: f"{len(answers)} datagrams")
    def test_silence_and_garbage_fail(self, answers: tuple[bytes, ...]) -> None:
        async def scenario() -> Result:
            async with hostile.udp(*answers) as port:
                return await attempt(target(port=port, probe=self.probe), SHORT)

        result = asyncio.run(scenario())
        assert result.outcome is Outcome.FAILED
        assert "cannot be understood" not in result.reason, "every answer is foreseen"
