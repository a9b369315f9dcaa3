"""The local socket: what a client hears when the daemon answers, refuses, is gone or hangs."""

import asyncio
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from vedette.api import control
from vedette.kit.errors import UsageError

Handler = Callable[[control.Request], Awaitable[control.Reply]]


def _conversation(run_dir: Path, handler: Handler, request: control.Request) -> control.Reply:
    async def scenario() -> control.Reply:
        server = await control.serve(run_dir, handler)
        try:
            return await asyncio.to_thread(control.ask, run_dir, request)
        finally:
            server.close()

    return asyncio.run(scenario())


async def _echo(request: control.Request) -> control.Reply:
    return {"heard": {name: value for name, value in request.items() if name != "uid"}}


async def _who(request: control.Request) -> control.Reply:
    return {"uid": request["uid"]}


async def _refuse(request: control.Request) -> control.Reply:
    raise UsageError("there is no group named wbe")


async def _away(request: control.Request) -> control.Reply:
    return {"away": "the core is silent"}


def test_a_request_is_answered(tmp_path: Path) -> None:
    assert _conversation(tmp_path, _echo, {"verb": "x"}) == {"heard": {"verb": "x"}}


def test_the_kernel_says_who_asks_whatever_the_request_says(tmp_path: Path) -> None:
    assert _conversation(tmp_path, _who, {"uid": 4711}) == {"uid": os.getuid()}


def test_a_refusal_reaches_the_person_in_the_daemons_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no group named wbe"):
        _conversation(tmp_path, _refuse, {})


def test_a_daemon_that_knows_nothing_fresh_says_so(tmp_path: Path) -> None:
    with pytest.raises(control.DaemonAwayError, match="silent"):
        _conversation(tmp_path, _away, {})


def test_the_socket_is_private(tmp_path: Path) -> None:
    async def scenario() -> int:
        server = await control.serve(tmp_path, _echo)
        mode = (tmp_path / control.SOCKET).stat().st_mode
        server.close()
        return stat.S_IMODE(mode)

    assert asyncio.run(scenario()) == 0o600


def test_no_daemon_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(control.DaemonAwayError, match="no daemon is running here"):
        control.ask(tmp_path, {})


def test_a_socket_that_a_dead_daemon_left_behind_is_told_apart(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / control.SOCKET))
    with pytest.raises(control.DaemonAwayError, match="the daemon is gone"):
        control.ask(tmp_path, {})


def test_a_daemon_that_hangs_is_not_waited_for_without_end(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(tmp_path / control.SOCKET))
        hung.listen()
        with pytest.raises(control.DaemonAwayError, match="does not answer"):
            control.ask(tmp_path, {}, timeout=0.05)


@pytest.mark.parametrize("garbage", [b"", b"\xff\xfe\n", b"[1,\n", b"x" * (1 << 17)])
def test_garbage_costs_the_daemon_nothing(tmp_path: Path, garbage: bytes) -> None:
    async def scenario() -> control.Reply:
        server = await control.serve(tmp_path, _echo)
        _, writer = await asyncio.open_unix_connection(tmp_path / control.SOCKET)
        writer.write(garbage)
        writer.close()
        try:
            return await asyncio.to_thread(control.ask, tmp_path, {"still": "there"})
        finally:
            server.close()

    assert asyncio.run(scenario()) == {"heard": {"still": "there"}}
