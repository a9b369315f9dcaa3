"""Programs that drivers start: without our environment, on a leash, and gone when we no longer wait or are no more.

A secret goes in through stdin or through the environment of that one process (proc(5): readable by its owner and
root), never as an argument, which everybody may read.
"""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette.fencing.device import RefusedError, UnreachableError
from vedette.fencing.drivers import leash
from vedette.fencing.drivers.secrecy import clean

LARGEST = 256 << 10
"""Bytes of an answer: the longest metadata of a fence agent have 40 KiB."""
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d([,.]\d+)?Z?:? +([A-Z]+: )?")
"""How lines of ClusterLabs' agents begin: `2026-11-29 09:06:09,289 ERROR: `."""
_OBJECT = re.compile(r" at 0x[0-9a-f]+")
_NO_CAUSE = "Please use '-h' for usage"
"""What these agents say after some of their complaints."""
_LEASH = (sys.executable, "-I", "-S", leash.__file__)


@dataclass(frozen=True, slots=True)
class Answer:
    """How a program ended, and what it said."""

    status: int
    output: str
    errors: str

    def complaint(self, secrets: Iterable[str]) -> str:
        """The last line that says what is wrong, without ``secrets``, and the same each time for the same fault."""
        written = (_same(line) for line in (self.errors or self.output).splitlines())
        lines = [line for line in written if line and not line.startswith(_NO_CAUSE)]
        return clean(lines[-1] if lines else f"it ended with status {self.status}", secrets)


def _same(line: str) -> str:
    """A line without what is another each time: when it was said, and where an object was in memory."""
    return _OBJECT.sub("", _MOMENT.sub("", line.strip()))


async def run(
    command: Sequence[str], *, stdin: bytes = b"", environment: Mapping[str, str] | None = None, package: str
) -> Answer:
    """Run a program to its end. ``package`` is the Debian package that has it.

    It and all that it has started are killed when the call is cancelled or this process ends, and what it left behind
    when it ends. Raises :class:`RefusedError` where the program is missing, :class:`UnreachableError` where nothing can
    be started.
    """
    if not Path(command[0]).is_file():
        raise RefusedError(f"{command[0]} is missing: install the package {package}")
    theirs, ours = os.pipe()
    starting = asyncio.ensure_future(_start(command, theirs, {**ENVIRONMENT, **(environment or {})}))
    try:
        process = await asyncio.shield(starting)
        output, errors = await _converse(process, stdin)
        status = await process.wait()
    finally:
        os.close(ours)
        await asyncio.shield(_reap(starting))
    return Answer(status, output.decode(errors="replace"), errors.decode(errors="replace"))


async def _start(command: Sequence[str], end: int, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Start a program on the leash whose other ``end`` that is; closes it here."""
    try:
        return await asyncio.create_subprocess_exec(
            *_LEASH,
            str(end),
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd="/",
            pass_fds=(end,),
            start_new_session=True,
            limit=LARGEST,
        )
    except OSError as error:
        raise UnreachableError(f"{command[0]} cannot be started: {os.strerror(error.errno or 0)}") from None
    finally:
        os.close(end)


async def _converse(process: asyncio.subprocess.Process, stdin: bytes) -> tuple[bytes, bytes]:
    """Feed stdin, and read what is answered; both at once, because either side may fill its pipe."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.TaskGroup() as group:
        output = group.create_task(_read(process.stdout))
        errors = group.create_task(_read(process.stderr))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(stdin)
            await process.stdin.drain()
            process.stdin.close()
            await process.stdin.wait_closed()
    return output.result(), errors.result()


async def _read(stream: asyncio.StreamReader) -> bytes:
    """Read to the end and keep the first :data:`LARGEST` bytes."""
    kept = b""
    while data := await stream.read(65536):
        kept = (kept + data)[:LARGEST]
    return kept


async def _reap(starting: "asyncio.Future[asyncio.subprocess.Process]") -> None:
    """Wait until a program whose leash was cut is gone, its pipes closed; also one that is only just being started."""
    try:
        process = await starting
    except UnreachableError:
        return
    await process.wait()
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()
