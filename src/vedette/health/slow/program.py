"""Programs that decide on a server: started without a shell, in a session of their own, and gone when time is up.

They get a clean environment, no input, and the rights of the user that the document names; what they print is read
for the reason. The whole process group is killed when the program ends or the check is cancelled, so nothing that
stays in the group outlives a check; what leaves it is ended a little later (:mod:`.orphans`). A secret goes in through
the environment of that one process (proc(5): readable by its user and root), never as an argument, which everybody may
read.
"""

import asyncio
import contextlib
import errno
import os
import pwd
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vedette.health import aim
from vedette.health.aim import BlockedError
from vedette.health.slow import orphans, threads
from vedette.health.slow.check import FailedError, UnableError
from vedette.health.slow.places import Places
from vedette.kit import clock
from vedette.kit.units import seconds

PLACES = Places(256, "programs are running already")
"""For programs, each until its end."""
KEPT = 4096
"""Bytes of what a program prints that are kept."""
MOST_PRINTED = 1 << 20
"""Bytes after which nobody reads on: a program that prints for ever waits, until its time is up."""
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}

running: set["_Program"] = set()
"""Programs that have not ended."""


@dataclass(frozen=True, slots=True)
class User:
    """Whose rights a program has."""

    uid: int
    gid: int
    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program ended (negative: by that signal), and the beginning of what it printed."""

    status: int
    printed: bytes

    def complaint(self) -> str:
        """Why it counts as failed: its status and the last line that it printed."""
        how = f"killed by signal {-self.status}" if self.status < 0 else f"exit status {self.status}"
        lines = [line for line in self.printed.decode("utf-8", "replace").splitlines() if line.strip()]
        return f"{how}: {lines[-1]}" if lines else how


async def user(name: str, *, within: int) -> User:
    """Look a user up, in ``within`` ns: users may be kept by a directory that is away just now.

    Raises :class:`BlockedError` when there is no answer, or no such user.
    """
    try:
        async with asyncio.timeout(seconds(within)):
            return await threads.run(lambda: _look_up(name))
    except KeyError:
        raise BlockedError(f"this machine has no user {name}") from None
    except (TimeoutError, OSError):
        raise BlockedError(f"the user {name} cannot be looked up") from None


def _look_up(name: str) -> User:
    entry = pwd.getpwnam(name)
    return User(entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(name, entry.pw_gid)))


async def run(command: Sequence[str], *, as_user: User | None = None, environment: Mapping[str, str]) -> Ending:
    """Run a program to its end; ``as_user`` None = as ourselves.

    Raises :class:`FailedError` when it cannot be started, :class:`BlockedError` and :class:`UnableError` when this
    machine is to blame.
    """
    await PLACES.take()
    try:
        program = _begin(command, as_user, {**ENVIRONMENT, **environment})
    except BaseException:
        PLACES.give_back()
        raise
    try:
        return Ending(await program.ended, bytes(program.printed))
    finally:
        program.kill()
        program.stop_reading()
        os.close(program.reading)


def _begin(command: Sequence[str], as_user: User | None, environment: Mapping[str, str]) -> "_Program":
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        os.set_blocking(writing, True)
        began = clock.boottime()
        return _Program(_start(command, as_user, environment, writing), reading, began)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)


def _start(
    command: Sequence[str], as_user: User | None, environment: Mapping[str, str], output: int
) -> "subprocess.Popen[bytes]":
    ours = as_user is None or (os.geteuid() != 0 and as_user.uid == os.geteuid())
    switch = None if ours else as_user
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd="/",
            start_new_session=True,
            user=None if switch is None else switch.uid,
            group=None if switch is None else switch.gid,
            extra_groups=None if switch is None else switch.groups,
            umask=0o077,
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError) as error:
        if switch is not None and error.errno == errno.EPERM:
            raise BlockedError(
                "programs cannot be run as another user: CAP_SETUID and CAP_SETGID are missing"
            ) from None
        raise FailedError(f"{command[0]} cannot be started: {os.strerror(error.errno or 0).lower()}") from None
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            raise FailedError(f"{command[0]} cannot be started: it is no program, and has no `#!` line") from None
        why = os.strerror(error.errno or 0).lower()
        if error.errno is not None and not aim.is_ours(error.errno):
            raise FailedError(f"{command[0]} cannot be started: {why}") from None
        raise UnableError(f"programs cannot be started: {why}") from None


class _Program:
    """A program that runs; reaps it when it ends, even if nobody waits any more."""

    def __init__(self, process: "subprocess.Popen[bytes]", reading: int, began: int) -> None:
        """``began``: an instant (CLOCK_BOOTTIME ns) before it."""
        self._process, self.reading, self.began = process, reading, began
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self.printed = bytearray()
        self._read_so_far = 0
        self._exit = os.pidfd_open(process.pid)
        self._loop.add_reader(self._exit, self._exited)
        self._loop.add_reader(reading, self._read)
        running.add(self)

    @property
    def number(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """End the whole group; does nothing when the program has been reaped, whose number may be another's now."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def stop_reading(self) -> None:
        self._loop.remove_reader(self.reading)

    def _exited(self) -> None:
        self._loop.remove_reader(self._exit)
        os.close(self._exit)
        self.kill()  # what it has left behind, while its number is still its own
        status = self._process.wait()
        running.discard(self)
        orphans.end([other.number for other in running], before=min((other.began for other in running), default=None))
        PLACES.give_back()
        if not self.ended.done():
            self._read()
            self.ended.set_result(status)

    def _read(self) -> None:
        try:
            data = os.read(self.reading, 65536)
        except BlockingIOError:
            return
        self._read_so_far += len(data)
        if len(self.printed) < KEPT:
            self.printed += data[: KEPT - len(self.printed)]
        if not data or self._read_so_far > MOST_PRINTED:
            self.stop_reading()
