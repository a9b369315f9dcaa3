"""Helper processes are watched, restarted and ended; nothing of their parent's leaks into them."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path

import pytest

from vedette.kit.channel import Channel, Message
from vedette.kit.child import Child
from vedette.kit.units import SECOND

HELPERS = Path(__file__).parent / "helpers"


@pytest.fixture(autouse=True)
def helpers_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HELPERS))


class Supervised:
    """A child and everything that it reported, to be awaited."""

    def __init__(self, module: str = "echo_helper", hung_after: int | None = 10 * SECOND) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.deaths: asyncio.Queue[str] = asyncio.Queue()
        self.starts: asyncio.Queue[Channel] = asyncio.Queue()
        self.child = Child(
            module=module,
            name="echo",
            arguments=("one", "two"),
            receive=self.messages.put_nowait,
            started=self.starts.put_nowait,
            died=self.deaths.put_nowait,
            hung_after=hung_after,
        )

    async def ask(self, message: Message) -> Message:
        assert self.child.send(message)
        return await self.messages.get()


@contextlib.asynccontextmanager
async def running(supervised: Supervised) -> AsyncIterator[Supervised]:
    task = asyncio.create_task(supervised.child.run())
    try:
        await supervised.starts.get()
        yield supervised
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


def test_messages_pass_both_ways_and_the_arguments_arrive() -> None:
    async def scenario() -> None:
        async with running(Supervised()) as it:
            answer = await it.ask({"say": "hello"})
            assert answer == {"said": "hello", "arguments": ["one", "two"], "pid": it.child.pid}

    run(scenario)


def test_a_helper_that_ends_is_restarted_and_the_reason_is_told() -> None:
    async def scenario() -> None:
        async with running(Supervised()) as it:
            first = await it.ask({"say": "a"})
            it.child.send({"exit": 3})
            assert await it.deaths.get() == "ended with status 3"
            await it.starts.get()
            second = await it.ask({"say": "b"})
            assert second["pid"] != first["pid"]
            assert it.child.restarts == 1

    run(scenario)


def test_a_killed_helper_is_restarted_and_nothing_can_be_sent_meanwhile() -> None:
    async def scenario() -> None:
        async with running(Supervised()) as it:
            assert it.child.pid is not None
            os.kill(it.child.pid, signal.SIGKILL)
            assert await it.deaths.get() == "killed by SIGKILL"
            assert it.child.pid is None
            assert not it.child.send({"say": "nobody listens"})
            await it.starts.get()
            assert (await it.ask({"say": "back"}))["said"] == "back"

    run(scenario)


@pytest.mark.parametrize("way", ["freeze", "spin"])
def test_a_helper_that_does_not_answer_is_killed_and_restarted(way: str) -> None:
    async def scenario() -> None:
        async with running(Supervised(hung_after=SECOND)) as it:
            hung = (await it.ask({"say": "a"}))["pid"]
            it.child.send({way: True})
            assert await it.deaths.get() == "did not answer for 1s"
            assert not Path(f"/proc/{hung}").exists()
            await it.starts.get()

    run(scenario)


def test_a_helper_that_cannot_start_is_tried_again() -> None:
    async def scenario() -> None:
        it = Supervised(module="no_such_helper")
        async with running(it):
            assert await it.deaths.get() == "ended with status 1"
            assert await it.deaths.get() == "ended with status 1"

    run(scenario)


def test_cancelling_the_supervisor_ends_the_helper() -> None:
    async def scenario() -> None:
        async with running(Supervised()) as it:
            pid = (await it.ask({"say": "a"}))["pid"]
        assert not Path(f"/proc/{pid}").exists()
        assert it.child.pid is None

    run(scenario)


def test_a_helper_inherits_no_descriptor_class_or_signal_mask() -> None:
    async def scenario() -> None:
        with tempfile.NamedTemporaryFile() as secret, urgent():
            os.set_inheritable(secret.fileno(), True)
            async with running(Supervised()) as it:
                it.child.send({"describe": True})
                said = await it.messages.get()
            assert secret.name not in said["files"]
            assert said["sockets"] == 3, "its channel, and the two by which its loop wakes itself"
            assert said["blocked"] == []
            assert said["policy"] == os.SCHED_OTHER
            assert said["oom"] == "0"

    run(scenario)


@contextlib.contextmanager
def urgent() -> Iterator[None]:
    """This process as the keeper is: real-time where allowed, with a signal blocked."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def test_a_helper_dies_with_its_parent(tmp_path: Path) -> None:
    """The parent is killed while the helper is busy, so the helper cannot notice the closed channel itself."""
    script = """
import asyncio, sys
from vedette.kit.child import Child
def receive(message):
    child.send({"spin": True})
    print(message["pid"], flush=True)
child = Child(module="echo_helper", name="echo", receive=receive, died=print,
              started=lambda channel: channel.send({"say": "pid"}), hung_after=None)
asyncio.run(child.run())
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent, parent.stdout:
        helper = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        parent.wait()
    try:

        async def ended() -> None:
            over = asyncio.Event()
            asyncio.get_running_loop().add_reader(helper, over.set)
            await over.wait()
            asyncio.get_running_loop().remove_reader(helper)

        asyncio.run(ended())
    finally:
        os.close(helper)
