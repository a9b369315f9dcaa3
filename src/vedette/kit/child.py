"""Supervised helper processes: one side starts, watches and restarts them, the other serves until it is alone.

The two are joined by a :mod:`vedette.kit.channel` over a socketpair. A helper that dies is restarted with
back-off; one that no longer answers is killed first. A helper whose parent dies is killed by the kernel.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from vedette.kit import clock, log, privileges
from vedette.kit.channel import Channel, Message
from vedette.kit.errors import TransientError
from vedette.kit.units import MILLISECOND, SECOND, seconds, show

FIRST_DELAY = 100 * MILLISECOND
"""Before the first restart (ns); each further one waits twice as long."""
LONGEST_DELAY = 5 * SECOND
"""At most this long (ns) between two lives."""
SETTLED = 30 * SECOND
"""A helper that lived this long (ns) starts over with the shortest delay."""
GRACE = 5 * SECOND
"""From SIGTERM, or from a closed channel, to SIGKILL (ns)."""
PINGS = 5
"""Pings without an answer, spread over ``hung_after``, until a helper counts as hung."""

_log = logging.getLogger("vedette.child")


class Child:
    """One helper process and its channel.

    ``receive`` gets its messages; ``started`` is called in each life as soon as messages can be sent, ``died``
    after each with a reason fit for an operator. A message whose key is ``ping`` or ``pong`` is the channel's own.
    Run it from the main thread: the kernel kills the helper when the *thread* that started it ends (prctl(2)).
    """

    def __init__(
        self,
        *,
        module: str,
        name: str,
        arguments: Sequence[str] = (),
        receive: Callable[[Message], None],
        started: Callable[[Channel], None],
        died: Callable[[str], None],
        hung_after: int | None = 10 * SECOND,
    ) -> None:
        self.name = name
        self.pid: int | None = None
        self.restarts = 0
        self._module, self._arguments = module, tuple(arguments)
        self._receive, self._started, self._died = receive, started, died
        self._hung_after = hung_after
        self._channel: Channel | None = None
        self._heard = False

    async def run(self) -> None:
        """Supervise until cancelled; then end the helper (SIGTERM, and SIGKILL after :data:`GRACE`)."""
        failures = 0
        while True:
            born = clock.boottime()
            reason = await self._live()
            failures = 0 if clock.boottime() - born >= SETTLED else failures
            delay = min(LONGEST_DELAY, FIRST_DELAY << min(failures, 10))
            failures += 1
            self.restarts += 1
            log.event(_log, logging.WARNING, "child.died", child=self.name, reason=reason, restart_in=show(delay))
            self._died(reason)
            await asyncio.sleep(seconds(delay))

    def send(self, message: Message) -> bool:
        """Queue a message; False when the helper is away or does not keep up."""
        if self._channel is None:
            return False
        try:
            self._channel.send(message)
        except TransientError:
            return False
        return True

    async def _live(self) -> str:
        """One life, from start to the end of the process; returns why it ended."""
        ours, theirs = socket.socketpair()
        try:
            process = self._spawn(theirs)
        except OSError as error:
            ours.close()
            return f"could not be started: {error.strerror}"
        finally:
            theirs.close()
        self.pid = process.pid
        over = asyncio.Event()
        with _exit_of(process, over) as exited:
            try:
                self._channel = await Channel.open(ours, self._received, over.set)
                log.event(_log, logging.INFO, "child.started", child=self.name, pid=process.pid)
                self._started(self._channel)
                hung = await self._attend(over)
                if hung:
                    process.kill()
                await _wait(exited, GRACE)
            finally:
                if self._channel is not None:
                    self._channel.close()
                self._channel = self.pid = None
                await _end(process, exited)
        return f"did not answer for {show(self._hung_after or 0)}" if hung else _describe(process.returncode)

    def _spawn(self, end: socket.socket) -> "subprocess.Popen[bytes]":
        # -P: a directory that happens to be the current one must not provide modules to a privileged process.
        # A session of its own: a Ctrl-C on the terminal goes to the supervisor, which ends helpers in its order.
        # Without preexec_fn Python uses vfork, so a large or memory-locked parent is held up by a millisecond only.
        command = [sys.executable, "-P", "-m", self._module, str(end.fileno()), *self._arguments]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(end.fileno(),), start_new_session=True)

    async def _attend(self, over: asyncio.Event) -> bool:
        """Ping until the helper's life is over; True when it is still there but has stopped answering.

        Unanswered pings are counted instead of time, because a whole machine that was frozen and thawed must not
        take its helpers for hung: they had no more time to answer than this process had to ask.
        """
        if self._hung_after is None:
            await over.wait()
            return False
        self._heard, unanswered = True, 0
        while not await _wait(over, self._hung_after // PINGS):
            unanswered = 0 if self._heard else unanswered + 1
            if unanswered >= PINGS:
                return True
            self._heard = False
            self.send({"ping": unanswered})
        return False

    def _received(self, message: Message) -> None:
        self._heard = True
        if "pong" not in message:
            self._receive(message)


class Parent:
    """The helper's end of the channel. ``arguments`` are those of its :class:`Child`."""

    def __init__(self, end: socket.socket, arguments: Sequence[str]) -> None:
        self.arguments = tuple(arguments)
        self.gone = asyncio.Event()
        self._end = end
        self._channel: Channel | None = None
        self._receive: Callable[[Message], None] | None = None

    async def open(self, receive: Callable[[Message], None]) -> None:
        """Start receiving. Until then pings stay unanswered, so open before lengthy work."""
        assert self._channel is None
        self._receive = receive
        self._channel = await Channel.open(self._end, self._received, self.gone.set)

    def send(self, message: Message) -> bool:
        """Queue a message; False when the parent is gone or does not keep up."""
        assert self._channel is not None
        try:
            self._channel.send(message)
        except TransientError:
            return False
        return True

    def _received(self, message: Message) -> None:
        if "ping" in message:
            self.send({"pong": message["ping"]})
        elif self._receive is not None:
            self._receive(message)


def serve(main: Callable[[Parent], Coroutine[Any, Any, None]]) -> None:
    """Be a helper: ``python -m MODULE FD [ARGUMENT...]``. Runs ``main`` until it returns or is cancelled.

    It is cancelled when the parent closes the channel and on SIGTERM. ``main`` must call :meth:`Parent.open`.
    """
    log.configure()
    number, *arguments = sys.argv[1:]
    os.set_inheritable(int(number), False)
    end = socket.socket(fileno=int(number))
    privileges.shed_urgency()
    privileges.die_with_parent(_peer(end))
    asyncio.run(_serve(main, end, arguments))


async def _serve(main: Callable[[Parent], Coroutine[Any, Any, None]], end: socket.socket, arguments: list[str]) -> None:
    parent = Parent(end, arguments)
    task = asyncio.create_task(main(parent), name="main")
    watch = asyncio.create_task(parent.gone.wait(), name="parent")
    watch.add_done_callback(lambda _: task.cancel())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _peer(end: socket.socket) -> int:
    """The process that made the socketpair, which is the parent (unix(7), SO_PEERCRED)."""
    credentials = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("3i", credentials)[0])


@contextlib.contextmanager
def _exit_of(process: "subprocess.Popen[bytes]", over: asyncio.Event) -> Iterator[asyncio.Event]:
    """An event that is set when the process has ended (pidfd_open(2): no threads, no SIGCHLD handler)."""
    loop, exited = asyncio.get_running_loop(), asyncio.Event()
    descriptor = os.pidfd_open(process.pid)

    def ended() -> None:
        loop.remove_reader(descriptor)
        exited.set()
        over.set()

    loop.add_reader(descriptor, ended)
    try:
        yield exited
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def _wait(event: asyncio.Event, duration: int) -> bool:
    """Wait for an event for at most ``duration`` (ns); whether it came."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds(duration)):
            await event.wait()
    return event.is_set()


async def _end(process: "subprocess.Popen[bytes]", exited: asyncio.Event) -> None:
    """Make sure that the process is gone and reaped; one that is stuck in the kernel is left behind."""
    try:
        if not exited.is_set():
            process.terminate()
            await _wait(exited, GRACE)
        if not exited.is_set():
            process.kill()
            await _wait(exited, GRACE)
    finally:
        if process.poll() is None:
            process.kill()


def _describe(status: int | None) -> str:
    if status is None:
        return "cannot be ended"
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"
