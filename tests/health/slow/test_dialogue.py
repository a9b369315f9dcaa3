"""Checks of kind dialogue."""

import asyncio

import pytest

from tests.health.slow import hostile
from tests.health.slow.contract import OverTcp
from tests.health.slow.trial import Result, attempt
from tests.health.targets import target
from vedette.spec.probes import DialogueProbe, Step

HELLO = DialogueProbe((Step(expect="^hello"), Step(send="name?\n"), Step(expect=r"I am \w+\n")))


class TestContract(OverTcp):
    probe = HELLO


def answering(*answers: bytes) -> hostile.Behaviour:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\n")
        await reader.readline()
        for answer in answers:
            writer.write(answer)
            await writer.drain()

    return server


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ((b"I am Bob\n",), "the dialogue came to its end"),
        ((b"I a", b"m Bo", b"b\n"), "the dialogue came to its end"),
        ((b"who asks?\n",), "connection closed in place of what step 3 expects: “who asks?”"),
        ((), "connection closed in place of what step 3 expects"),
        ((b"\x1b[31mred\0\n",), "connection closed in place of what step 3 expects: “[31mred”"),
    ],
)
def test_each_step_waits_for_its_text(answers: tuple[bytes, ...], reason: str) -> None:
    async def scenario() -> Result:
        async with hostile.tcp(answering(*answers)) as port:
            return await attempt(target(port=port, probe=HELLO))

    result = asyncio.run(scenario())
    assert result.reason == reason
    assert result.passed == ("came to its end" in reason)


def test_a_pattern_that_costs_too_much_is_no_regular_expression_of_the_server() -> None:
    with pytest.raises(ValueError, match="regular expression"):
        asyncio.run(attempt(target(probe=DialogueProbe((Step(expect="("),)))))
