"""The checker process, as the director has it."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from pathlib import Path

import pytest

from tests.health.targets import target
from vedette.health import client, messages
from vedette.health.client import BIRTH, CheckerClient
from vedette.health.schedule import RETRY
from vedette.kit.units import MILLISECOND, MINUTE, SECOND
from vedette.spec.resolved import HttpProbe
from vedette.state.health import UNKNOWN, Health, Target, Verdict


class Director:
    """A client whose changes can be awaited."""

    def __init__(self) -> None:
        self.changes = 0
        self._changed = asyncio.Event()
        self.client = CheckerClient(self._notice)

    def _notice(self) -> None:
        self.changes += 1
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def health(self, server: Target) -> Health:
        return self.client.verdicts[server].health


@contextlib.asynccontextmanager
async def directing() -> AsyncIterator[Director]:
    director = Director()
    task = asyncio.create_task(director.client.run())
    try:
        yield director
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def quick(listener: socket.socket, fall: int = 2) -> Target:
    """A target that is checked often, for tests that wait for its fall."""
    return target(port=listener.getsockname()[1], interval=50 * MILLISECOND, timeout=SECOND, rise=1, fall=fall)


def test_servers_are_judged_and_their_end_and_return_noticed() -> None:
    async def scenario() -> None:
        async with directing() as director:
            with listening() as listener:
                server, port = quick(listener), listener.getsockname()[1]
                director.client.set_targets([server])
                assert director.client.verdicts == {server: UNKNOWN}
                await director.until(lambda: director.health(server) is Health.UP)
            await director.until(lambda: director.health(server) is Health.DOWN)
            assert director.client.verdicts[server].reason == "connection refused"
            with socket.create_server(("127.0.0.1", port)):
                await director.until(lambda: director.health(server) is Health.UP)

    run(scenario)


def test_targets_are_told_in_pieces_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PIECE", 2)

    async def scenario() -> None:
        async with directing() as director:
            with contextlib.ExitStack() as stack:
                servers = [quick(stack.enter_context(listening())) for _ in range(7)]
                director.client.set_targets(servers[:5])
                for server in servers[:5]:
                    await director.until(lambda server=server: director.health(server) is Health.UP)  # type: ignore[misc]
                director.client.set_targets(servers[3:])
                for server in servers[3:]:
                    await director.until(lambda server=server: director.health(server) is Health.UP)  # type: ignore[misc]
                assert director.client.verdicts.keys() == set(servers[3:])

    run(scenario)


def test_a_killed_checker_is_replaced_and_the_verdicts_survive() -> None:
    async def scenario() -> None:
        async with directing() as director:
            with listening() as listener:
                server = quick(listener)
                dead = target(port=1, interval=50 * MILLISECOND, timeout=SECOND)
                director.client.set_targets([server, dead])
                await director.until(lambda: director.health(server) is not Health.UNKNOWN)
                await director.until(lambda: director.health(dead) is not Health.UNKNOWN)
                before, changes = dict(director.client.verdicts), director.changes
                first = director.client.child.pid
                assert first is not None
                os.kill(first, signal.SIGKILL)
                # A target that only a successor can judge: when it is, the others have been through its hands.
                with listening() as another:
                    fresh = quick(another)
                    director.client.set_targets([server, dead, fresh])
                    await director.until(lambda: director.health(fresh) is Health.UP)
                assert director.client.child.restarts == 1
                assert director.client.child.pid != first
                assert director.client.problem == ""
                assert {it: director.client.verdicts[it] for it in before} == before
                assert director.changes == changes + 1, "only the new target was news"

    run(scenario)


def test_a_successor_counts_failures_from_the_last_verdict_on() -> None:
    """The server breaks together with the checker: it goes down after fall failures, not after the first."""

    async def scenario() -> None:
        asked_after_breaking = 0
        broken = False

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked_after_breaking
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                asked_after_breaking += broken
                writer.write(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % (500 if broken else 200))
                await reader.read()
            writer.close()

        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        async with listener, directing() as director:
            server = target(port=port, probe=HttpProbe(), interval=50 * MILLISECOND, timeout=SECOND, fall=4)
            director.client.set_targets([server])
            await director.until(lambda: director.health(server) is Health.UP)
            assert director.client.child.pid is not None
            os.kill(director.client.child.pid, signal.SIGKILL)
            broken = True
            await director.until(lambda: director.health(server) is Health.DOWN)
            assert director.client.child.restarts == 1
            assert asked_after_breaking >= 4

    run(scenario)


def test_a_target_whose_timings_alone_are_edited_keeps_its_verdict() -> None:
    async def scenario() -> None:
        async with directing() as director:
            with listening() as listener:
                server = quick(listener)
                director.client.set_targets([server])
                await director.until(lambda: director.health(server) is Health.UP)
                verdict = director.client.verdicts[server]
                slower = target(port=server.port, interval=MINUTE)
                other = target(port=server.port, probe=HttpProbe())
                director.client.set_targets([slower, other])
                assert director.client.verdicts == {slower: verdict, other: UNKNOWN}

    run(scenario)


def test_what_is_known_from_elsewhere_counts_until_the_checker_says_otherwise() -> None:
    async def scenario() -> None:
        async with directing() as director:
            server = target(port=1, interval=50 * MILLISECOND, timeout=SECOND, fall=2)
            adopted = Verdict(Health.UP, 5, "in the table taken over")
            director.client.set_targets([server], {server: adopted})
            assert director.client.complete
            assert director.client.verdicts == {server: adopted}
            await director.until(lambda: director.health(server) is Health.DOWN)

    run(scenario)


def test_it_is_complete_when_every_target_has_a_verdict() -> None:
    async def scenario() -> None:
        async with directing() as director:
            assert director.client.complete
            servers = [target(f"127.0.0.{number}", 1, interval=MINUTE) for number in range(1, 50)]
            director.client.set_targets(servers)
            assert not director.client.complete
            await director.until(lambda: director.client.complete)
            assert {director.health(server) for server in servers} == {Health.DOWN}

    run(scenario)


def test_a_checker_that_has_not_begun_gets_time_to_before_its_targets_count_as_waited_for() -> None:
    async def scenario() -> None:
        moment = 0
        client = CheckerClient(lambda: None, now=lambda: moment)  # never run
        server = target(port=1, interval=20 * MILLISECOND, timeout=30 * MILLISECOND)
        client.set_targets([server])
        moment = 50 * MILLISECOND
        assert not client.complete
        moment += BIRTH + 3 * RETRY + 90 * MILLISECOND
        assert client.complete
        verdict = client.verdicts[server]
        assert verdict.health is Health.UP, "a director that cannot check sends clients to whoever may be there"
        assert verdict.reason == "taken to be up: the checker does not run"

    run(scenario)


NOWHERE = Verdict(
    Health.UNKNOWN, 0, "this machine has no address 192.0.2.2 to check from", "is not checked: no address"
)


def test_a_server_that_cannot_be_checked_from_here_is_taken_to_be_up_when_it_has_been_waited_for() -> None:
    async def scenario() -> None:
        moment, changes = 0, 0

        def changed() -> None:
            nonlocal changes
            changes += 1

        client = CheckerClient(changed, now=lambda: moment)  # never run
        blocked, other = target("10.0.0.11"), target("10.0.0.12")
        client.set_targets([blocked, other])
        client._receive(messages.write_verdicts([(1, NOWHERE)]))
        assert client.verdicts[blocked] == NOWHERE
        assert changes == 1
        moment = MINUTE
        assert client.complete
        assert client.guesses.keys() == {blocked}
        assert client.verdicts[blocked].health is Health.UP
        assert client.verdicts[blocked].reason == "taken to be up: it is not checked: no address"
        assert client.verdicts[other] == UNKNOWN, "its checks can be made"
        assert client.notices() == [("server 10.0.0.11:80", "is not checked: no address")]
        client._receive(messages.write_verdicts([(1, Verdict(Health.DOWN, 5, "connection refused"))]))
        assert client.verdicts[blocked].health is Health.DOWN
        assert not client.guesses

    run(scenario)


def test_what_an_operator_should_know_of_a_target_is_told_though_its_health_stays() -> None:
    async def scenario() -> None:
        client = CheckerClient(lambda: None)  # never run
        server = target("10.0.0.1", 443)
        client.set_targets([server])
        verdict = Verdict(Health.UP, 1, "status 200", notice="its certificate expires on 2026-12-02 14:00 UTC")
        client._receive(messages.write_verdicts([(1, verdict)]))
        assert client.notices() == [("server 10.0.0.1:443", "its certificate expires on 2026-12-02 14:00 UTC")]
        client._receive(messages.write_verdicts([(1, replace(verdict, notice=""))]))
        assert client.notices() == []

    run(scenario)


def test_setting_the_same_targets_again_changes_nothing() -> None:
    async def scenario() -> None:
        async with directing() as director:
            servers = [target(f"127.0.0.{number}", 1, interval=MINUTE) for number in range(1, 10)]
            director.client.set_targets(servers)
            await director.until(lambda: director.client.complete)
            before = dict(director.client.verdicts)
            director.client.set_targets(reversed(servers))
            assert director.client.verdicts == before

    run(scenario)


def test_ten_thousand_targets_are_judged() -> None:
    async def scenario() -> None:
        async with directing() as director:
            servers = [
                target(f"127.{1 + (n >> 16)}.{n >> 8 & 255}.{n & 255}", 1, interval=MINUTE) for n in range(10_000)
            ]
            director.client.set_targets(servers)
            await director.until(lambda: director.client.complete)
            assert {director.health(server) for server in servers} == {Health.DOWN}

    run(scenario)


def test_the_checker_keeps_no_privilege() -> None:
    async def scenario() -> None:
        async with directing() as director:
            server = target(port=1, interval=MINUTE)
            director.client.set_targets([server])
            await director.until(lambda: director.client.complete)
            status = Path(f"/proc/{director.client.child.pid}/status").read_text()
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
            assert fields["NoNewPrivs"] == "1"

    run(scenario)


def test_a_frozen_checker_without_privileges_still_dies_with_its_director() -> None:
    """It cannot notice the closed channel itself; dropping privileges must not have undone the kernel's promise."""
    script = """
import asyncio, os, signal
from tests.health.targets import target
from vedette.health.client import BIRTH, CheckerClient
def judged():
    os.kill(client.child.pid, signal.SIGSTOP)
    print(client.child.pid, flush=True)
client = CheckerClient(judged)
async def main():
    client.set_targets([target(port=1)])
    await client.run()
asyncio.run(main())
"""
    root = Path(__file__).parents[2]
    director = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=root)
    assert director.stdout is not None
    with director, director.stdout:
        checker = os.pidfd_open(int(director.stdout.readline()))
        director.kill()

    async def ended() -> None:
        over = asyncio.Event()
        asyncio.get_running_loop().add_reader(checker, over.set)
        await over.wait()
        asyncio.get_running_loop().remove_reader(checker)

    asyncio.run(ended())
    os.close(checker)
