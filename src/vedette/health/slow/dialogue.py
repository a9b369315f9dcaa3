"""Texts sent and expected in turn over one connection, for protocols that have no kind of their own."""

from vedette.health import reasons
from vedette.health.body import Matcher, TooCostlyError
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.health.slow.conversation import Conversation, connect
from vedette.spec.probes import DialogueProbe
from vedette.state.health import Target

LARGEST = 64 << 10
"""Bytes in which a text may be found."""


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, DialogueProbe)
    steps = [
        step.send.encode() if step.send is not None else Matcher(step.expect if step.expect is not None else "")
        for step in probe.steps
    ]

    async def check(progress: Progress) -> Passed:
        async with connect(target, progress) as conversation:
            for number, step in enumerate(steps, 1):
                if isinstance(step, bytes):
                    await conversation.send(step)
                else:
                    await _hear(conversation, step, f"what step {number} expects")
        return Passed("the dialogue came to its end")

    return check


async def _hear(conversation: Conversation, wanted: Matcher, awaited: str) -> None:
    """Read until the pattern is found; what was read for one step is not looked at by the next."""
    heard = b""
    while True:
        data = await conversation.some(awaited)
        heard += data
        try:
            if wanted.found_in(heard):
                return
        except TooCostlyError:
            raise FailedError(f"the pattern for {awaited} takes too long: simplify it") from None
        if not data or len(heard) > LARGEST:
            said = f": “{reasons.quoted(heard[:80])}”" if heard else ""
            raise FailedError(f"{'an endless answer' if data else 'connection closed'} in place of {awaited}{said}")
