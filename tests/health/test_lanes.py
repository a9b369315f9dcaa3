"""Both lanes as the director has them: processes of their own, seen as one."""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.health.slow import daemons, hostile
from tests.health.targets import target
from vedette.health.lanes import Checkers
from vedette.kit.units import MILLISECOND, MINUTE, SECOND
from vedette.spec.probes import DialogueProbe, ExecProbe, FileProbe, FixedProbe, Step
from vedette.spec.resolved import Probe
from vedette.state.health import Advice, Health, Target

GREETING = DialogueProbe((Step(expect="^hello"),))


class Director:
    """Checkers whose changes can be awaited."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self.checkers = Checkers(self._changed.set)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def health(self, server: Target) -> Health:
        return self.checkers.verdicts[server].health


@contextlib.asynccontextmanager
async def directing() -> AsyncIterator[Director]:
    director = Director()
    task = asyncio.create_task(director.checkers.run())
    try:
        yield director
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def often(port: int, probe: Probe) -> Target:
    return target(port=port, probe=probe, interval=50 * MILLISECOND, timeout=SECOND, rise=1, fall=2)


async def greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello\n")
    await reader.read()


def test_a_lane_is_started_for_its_first_check() -> None:
    async def scenario() -> None:
        async with directing() as director, hostile.tcp(greeting) as port:
            assert director.checkers.complete
            assert director.checkers.children == []
            fast, slow = target(port=port), target(port=port, probe=GREETING)
            director.checkers.set_targets([fast])
            await director.until(lambda: director.health(fast) is Health.UP)
            assert [child.name for child in director.checkers.children] == ["checker"]
            assert director.checkers.complete
            director.checkers.set_targets([fast, slow])
            assert not director.checkers.complete
            await director.until(lambda: director.health(slow) is Health.UP)
            assert [child.name for child in director.checkers.children] == ["checker", "slow checker"]
            assert director.checkers.complete
            assert director.health(fast) is Health.UP
            assert director.checkers.problems == []

    asyncio.run(scenario())


def test_three_hundred_hung_servers_delay_nobody() -> None:
    """The hung ones hold their checks for a minute; another server's rise and fall are noticed all the same."""

    async def scenario() -> None:
        async with hostile.tcp(hostile.silent) as silent, directing() as director:
            hung = [
                target(port=silent, probe=DialogueProbe((Step(expect=f"text {number}"),)), timeout=MINUTE)
                for number in range(300)
            ]
            async with hostile.tcp(greeting) as port:
                server = often(port, GREETING)
                director.checkers.set_targets([*hung, server])
                await director.until(lambda: director.health(server) is Health.UP)
            await director.until(lambda: director.health(server) is Health.DOWN)
            assert {director.health(one) for one in hung} == {Health.UNKNOWN}

    asyncio.run(scenario())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs as another user")
def test_programs_run_as_nobody_and_are_killed_when_their_time_is_up() -> None:
    """The process that runs them has given up all capabilities but those that this takes."""

    async def scenario(folder: Path) -> None:
        folder.chmod(0o777)
        good = ExecProbe(
            ("/bin/sh", "-c", f"test $(id -u) = 65534 && exit $(cat {folder}/status)"), dynamic_weight=True
        )
        bad = ExecProbe(("/bin/sh", "-c", f"echo $$ >> {folder}/hung; exec sleep 1000"))
        (folder / "status").write_text("0")
        async with directing() as director:
            up, hung = often(80, good), often(80, bad)
            director.checkers.set_targets([up, hung])
            await director.until(lambda: director.health(up) is Health.UP)
            await director.until(lambda: director.health(hung) is Health.DOWN)
            assert director.checkers.verdicts[hung].reason == "no answer in 1s from /bin/sh"
            assert director.checkers.verdicts[up].advice is None
            (folder / "status").write_text("12")
            await director.until(lambda: director.checkers.verdicts[up].advice == Advice(10, absolute=True))
            assert [child.name for child in director.checkers.children] == ["program checker"]
        for pid in (folder / "hung").read_text().split():
            assert daemons.ends(int(pid)), "nothing outlives the checker"

    with tempfile.TemporaryDirectory(prefix="vedette-test-") as name:
        asyncio.run(scenario(Path(name)))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs as another user")
def test_a_hundred_hung_programs_delay_no_other() -> None:
    async def scenario(folder: Path) -> None:
        folder.chmod(0o755)
        async with directing() as director:
            hung = [target(port=n, probe=ExecProbe(("/bin/sleep", "1000")), timeout=MINUTE) for n in range(1, 101)]
            good = often(1, ExecProbe(("/bin/ls", str(folder / "ready"))))
            (folder / "ready").touch()
            director.checkers.set_targets([*hung, good])
            await director.until(lambda: director.health(good) is Health.UP)
            (folder / "ready").unlink()
            await director.until(lambda: director.health(good) is Health.DOWN)
            assert {director.health(one) for one in hung} == {Health.UNKNOWN}

    with tempfile.TemporaryDirectory(prefix="vedette-test-") as name:
        asyncio.run(scenario(Path(name)))


def test_a_killed_slow_lane_is_replaced_and_its_verdicts_survive(tmp_path: Path) -> None:
    async def scenario() -> None:
        file = tmp_path / "ready"
        file.touch()
        async with directing() as director:
            ready, down = often(0, FileProbe(str(file))), often(0, FixedProbe(up=False))
            director.checkers.set_targets([ready, down])
            await director.until(lambda: Health.UNKNOWN not in (director.health(ready), director.health(down)))
            before = director.checkers.verdicts
            (slow,) = director.checkers.children
            assert slow.pid is not None
            os.kill(slow.pid, signal.SIGKILL)
            fresh = often(1, FixedProbe(up=True))
            director.checkers.set_targets([ready, down, fresh])
            await director.until(lambda: director.health(fresh) is Health.UP)
            assert slow.restarts == 1
            assert {it: director.checkers.verdicts[it] for it in before} == before
            file.unlink()
            await director.until(lambda: director.health(ready) is Health.DOWN)

    asyncio.run(scenario())
