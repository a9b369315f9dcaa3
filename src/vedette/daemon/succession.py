"""Restarting in place: a successor gets ready beside the running daemon, then takes its place between two renewals.

A start takes most of a second, and a lease may last no longer. So the new process loads its code first and says that
it is ready; the old one then leaves everything as it is and lets go of the lock, for which the new one waits.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable

from vedette.kit.errors import PermanentError, UsageError
from vedette.kit.units import SECOND, seconds

PATIENCE = 8 * SECOND
"""How long (ns) a successor may take to load its code."""
_READY = "VEDETTE_SUCCEEDS"
"""Names the pipe through which a successor says that it is ready."""


class Succession:
    """At most one successor: ``successor`` is it, from when it is ready."""

    def __init__(self) -> None:
        self.successor: subprocess.Popen[bytes] | None = None
        self._preparing = self._dismissed = False
        self._loading: subprocess.Popen[bytes] | None = None

    async def prepare(self) -> int:
        """Get a successor ready; returns its process number.

        Raises :class:`UsageError` while one is being prepared, :class:`PermanentError` when it does not get ready.
        """
        if self._preparing:
            raise UsageError("a new process is getting ready already")
        if self._dismissed:
            raise UsageError("the daemon stops")
        self._preparing = True
        try:
            self.successor = await prepare(self._started)
        finally:
            self._preparing, self._loading = False, None
        return self.successor.pid

    def _started(self, process: "subprocess.Popen[bytes]") -> None:
        self._loading = process

    def lives(self) -> bool:
        """Whether the successor is still there; one that has ended is forgotten."""
        if self.successor is not None and self.successor.poll() is not None:
            self.successor = None
        return self.successor is not None

    def dismiss(self) -> None:
        """End a successor that is loading or waiting, before it can take the lock; there will be no other."""
        self._dismissed = True
        for process in (self._loading, self.successor):
            if process is not None:
                process.kill()
        self.successor = None


async def prepare(started: Callable[["subprocess.Popen[bytes]"], None] = lambda _: None) -> "subprocess.Popen[bytes]":
    """Start this command once more, and wait until it is ready to take over. ``started`` is told of it at once.

    Raises :class:`PermanentError` when it does not get that far; nothing has changed then.
    """
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(  # not asyncio's: that one would end it with this process
            [sys.executable, *sys.orig_argv[1:]],
            env=os.environ | {_READY: str(writing)},
            pass_fds=(writing,),
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        os.close(reading)
        raise PermanentError(f"a new process cannot be started: {error.strerror}") from error
    finally:
        os.close(writing)
    started(process)
    try:
        if not await _said_something(reading) or process.poll() is not None:
            raise PermanentError("the new process did not get ready; the log says why. This one goes on")
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        os.close(reading)
    return process


def waiting() -> bool:
    """Whether this process is to succeed another; it then says that it is ready."""
    pipe = os.environ.pop(_READY, "")
    if not pipe.isdigit():
        return False
    if "WATCHDOG_PID" in os.environ:  # it is this process now that the service manager hears (sd_watchdog_enabled(3))
        os.environ["WATCHDOG_PID"] = str(os.getpid())
    with contextlib.suppress(OSError):  # the other one is gone: so much the better
        os.write(int(pipe), b"ready")
        os.close(int(pipe))
    return True


async def _said_something(pipe: int) -> bool:
    loop = asyncio.get_running_loop()
    said: asyncio.Future[bytes] = loop.create_future()

    def hear() -> None:
        if not said.done():
            said.set_result(os.read(pipe, 16))

    loop.add_reader(pipe, hear)
    try:
        async with asyncio.timeout(seconds(PATIENCE)):
            return bool(await said)
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(pipe)
