"""Attempts over real sockets on loopback: one contract for all drivers, then what each adds."""

import asyncio
import contextlib
import os
import resource
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.health.targets import target
from vedette.health.attempt import Attempt, Start
from vedette.health.engine import prepare
from vedette.health.judge import Outcome
from vedette.health.poller import Poller
from vedette.spec.resolved import HttpProbe, Probe, TcpProbe
from vedette.state.health import Advice, Target

Result = tuple[Outcome, str]
Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
PROBES = (TcpProbe(), HttpProbe())


class Trial:
    """One attempt at a target and what it reports."""

    def __init__(self, aim: Target, *, start: Start | None = None, poller: Poller | None = None) -> None:
        self.results: list[Result] = []
        self.notice = ""
        self._reported = asyncio.Event()
        self.start = start or prepare(aim)
        self.poller = poller or self._of_the_scenario()
        self.attempt: Attempt = self.start(self.poller, self._finished)

    def _of_the_scenario(self) -> Poller:
        """A poller that is closed when the test's coroutine is over."""
        poller, scenario = Poller(asyncio.get_running_loop()), asyncio.current_task()
        assert scenario is not None
        scenario.add_done_callback(lambda _: poller.close())
        return poller

    def _finished(self, outcome: Outcome, reason: str, /, *, notice: str = "", advice: Advice | None = None) -> None:
        self.results.append((outcome, reason))
        self.notice = notice
        self._reported.set()

    async def result(self) -> Result:
        self.attempt.begin()
        await self._reported.wait()
        return self.results[0]


@contextlib.asynccontextmanager
async def serving(server: Server, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """A server on loopback; yields its port and waits until its connections are over."""
    over: list[asyncio.Event] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        event = asyncio.Event()
        over.append(event)
        try:
            with contextlib.suppress(ConnectionError):
                await server(reader, writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        finally:
            event.set()

    listener = await asyncio.start_server(handle, host, 0)
    yield listener.sockets[0].getsockname()[1]
    for _ in range(3):  # turns of the loop: connections that were accepted by the kernel become known to the server
        await asyncio.sleep(0)
    listener.close()
    for event in over:
        await event.wait()


def answering(*parts: bytes) -> Server:
    """Answers a request with parts, each sent by itself, and closes."""

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()

    return server


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accepts, and waits for the other side to leave."""
    await reader.read()


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port that nobody listens on and nobody else can take meanwhile."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """A port whose queue is full, so that the kernel drops whoever comes."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def check(probe: Probe, server: Server, host: str = "127.0.0.1") -> Result:
    async def scenario() -> Result:
        async with serving(server, host) as port:
            return await Trial(target(host, port, probe)).result()

    return asyncio.run(scenario())


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_good_server_passes(probe: Probe, host: str) -> None:
    assert check(probe, answering(OK) if isinstance(probe, HttpProbe) else silent, host)[0] is Outcome.PASSED


@pytest.mark.parametrize("probe", PROBES)
def test_a_closed_port_fails(probe: Probe) -> None:
    async def scenario() -> Result:
        with closed_port() as port:
            return await Trial(target(port=port, probe=probe)).result()

    assert asyncio.run(scenario()) == (Outcome.FAILED, "connection refused")


@pytest.mark.parametrize("probe", PROBES)
def test_a_deaf_server_fails_when_its_time_is_up(probe: Probe) -> None:
    async def scenario() -> Result:
        with deaf_port() as port:
            trial = Trial(target(port=port, probe=probe))
            trial.attempt.begin()
            assert not trial.results
            trial.attempt.expire("1s")
            return trial.results[0]

    assert asyncio.run(scenario()) == (Outcome.FAILED, "no answer in 1s")


@pytest.mark.parametrize("probe", PROBES)
def test_a_cancelled_attempt_says_nothing_and_leaves_nothing(probe: Probe) -> None:
    async def scenario() -> None:
        with deaf_port() as port:
            trial = Trial(target(port=port, probe=probe))
            before = descriptors()
            trial.attempt.begin()
            assert descriptors() == before + 1
            trial.attempt.cancel()
            trial.attempt.cancel()
            assert trial.attempt.done
            assert descriptors() == before
            assert not trial.results

    asyncio.run(scenario())


@pytest.mark.parametrize("probe", PROBES)
def test_without_a_free_descriptor_nothing_is_said_about_the_server(probe: Probe) -> None:
    async def scenario() -> Result:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        trial = Trial(target(probe=probe))
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            return await trial.result()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert asyncio.run(scenario())[0] is Outcome.UNABLE


@pytest.mark.parametrize("probe", PROBES)
def test_the_port_is_free_again_at_once(probe: Probe) -> None:
    """Closing resets the connection: no TIME_WAIT is left behind however many checks there are."""

    async def scenario() -> None:
        async with serving(answering(OK) if isinstance(probe, HttpProbe) else silent) as port:
            await Trial(target(port=port, probe=probe)).result()
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        ports = {line.split()[2].split(":")[1] for line in lines if line.split()[3] == "06"}
        assert f"{port:04X}" not in ports

    asyncio.run(scenario())


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace")
def test_a_connection_to_itself_is_no_server() -> None:
    """With one local port to choose, the kernel connects a socket to itself where nobody listens."""
    script = """
import asyncio
from tests.health.targets import target
from tests.health.test_attempts import Trial
open("/proc/sys/net/ipv4/ip_local_port_range", "w").write("40000 40000")
async def scenario():
    print(await Trial(target(port=40000)).result())
asyncio.run(scenario())
"""
    command = f"ip link set lo up && exec {sys.executable} -c '{script}'"
    root = Path(__file__).parents[2]
    run = subprocess.run(["unshare", "-n", "sh", "-c", command], capture_output=True, text=True, cwd=root, check=False)
    assert run.stdout.strip().endswith("'connection refused')"), run.stderr


# HTTP


def test_a_server_that_accepts_and_stays_silent_is_told_from_one_that_does_not_accept() -> None:
    async def scenario() -> None:
        asked = asyncio.Event()

        async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await reader.read()

        async with serving(server) as port:
            trial = Trial(target(port=port, probe=HttpProbe()))
            trial.attempt.begin()
            await asked.wait()
            trial.attempt.expire("1s")
            assert trial.results == [(Outcome.FAILED, "connected, but no whole answer in 1s")]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("parts", "result"),
    [
        ((OK,), (Outcome.PASSED, "status 200")),
        ((b"HTTP/1.1 ", b"200 OK\r\n", b"\r\n", b"fine: O", b"K"), (Outcome.PASSED, "status 200")),
        ((b"HTTP/1.1 500 Oops\r\n\r\n",), (Outcome.FAILED, "status 500, expected 200-299")),
        ((b"HTTP/1.1 200 OK\r\n\r\nbroken",), (Outcome.FAILED, "body does not match")),
        ((b"220 mail ESMTP\r\n",), (Outcome.FAILED, "not an HTTP answer")),
        ((b"HTTP/1.1 200",), (Outcome.FAILED, "incomplete answer")),
        ((), (Outcome.FAILED, "connection closed without an answer")),
        ((b"HTTP/1.1 200 OK\r\n\r\nOK", b"x" * (1 << 20)), (Outcome.PASSED, "status 200")),
    ],
)
def test_an_answer_is_judged_by_status_and_body(parts: tuple[bytes, ...], result: Result) -> None:
    assert check(HttpProbe(body="OK"), answering(*parts)) == result


def test_a_server_that_resets_fails() -> None:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    assert check(HttpProbe(), server) == (Outcome.FAILED, "connection reset")


def test_a_request_larger_than_the_socket_takes_at_once_arrives_whole() -> None:
    headers = tuple((f"X-{number}", "v" * 8000) for number in range(1000))

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = 0
        while data := await reader.read(1 << 16):
            size += len(data)
            if data.endswith(b"\r\n\r\n"):
                break
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n%d" % size)
        await writer.drain()

    assert check(HttpProbe(headers=headers, body=r"^80\d{5}$"), server) == (Outcome.PASSED, "status 200")


def test_a_socket_is_used_again_and_brings_nothing_of_the_connection_before() -> None:
    """The first server has said more than was read of it; the second one must not be taken for it."""
    chatty = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 500 Unread\r\n\r\n")

    async def scenario() -> tuple[list[Result], int]:
        async with serving(chatty) as first, serving(answering(OK)) as second:
            trials = [Trial(target(port=first, probe=HttpProbe()))]
            found, before = [await trials[0].result()], descriptors()
            for port in (second, first, second):
                trials.append(Trial(target(port=port, probe=HttpProbe()), poller=trials[0].poller))
                found.append(await trials[-1].result())
            return found, descriptors() - before

    results, more = asyncio.run(scenario())
    assert results == [(Outcome.PASSED, "status 200")] * 4
    assert more <= 3  # the servers' ends at most, none of ours


def test_a_server_that_speaks_before_it_is_asked_is_heard() -> None:
    """Its greeting may come in the very event that says that the connection stands."""

    async def greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        await reader.read()

    async def scenario() -> list[Result]:
        async with serving(greeting) as port:
            return [await Trial(target(port=port, probe=HttpProbe())).result() for _ in range(20)]

    assert asyncio.run(scenario()) == [(Outcome.FAILED, "not an HTTP answer")] * 20
