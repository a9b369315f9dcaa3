"""Always up, or always down: for servers that nothing needs to be asked of, and to see what an outage does."""

from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.spec.probes import FixedProbe
from vedette.state.health import Target


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, FixedProbe)

    async def check(progress: Progress) -> Passed:
        if not probe.up:
            raise FailedError("down by the document")
        return Passed("up by the document")

    return check
