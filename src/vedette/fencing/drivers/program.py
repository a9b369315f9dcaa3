"""Programs that drivers start: without our environment, in a session of their own, and gone when we no longer wait.

A secret goes in through stdin or through the environment of that one process (proc(5): readable by its owner and
root), never as an argument, which everybody may read.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette.fencing.device import RefusedError, UnreachableError

LARGEST = 256 << 10
"""Bytes of an answer: the longest metadata of a fence agent have 40 KiB."""
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_LONGEST_LINE = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """How a program ended, and what it said."""

    status: int
    output: str
    errors: str

    def complaint(self, secrets: Iterable[str]) -> str:
        """The last line that it complained with, without any of ``secrets``."""
        lines = [line.strip() for line in (self.errors or self.output).splitlines() if line.strip()]
        return clean(lines[-1] if lines else f"it ended with status {self.status}", secrets)


def clean(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` fit for a person: short, printable, and with stars for every secret in it."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return "".join(letter if letter.isprintable() else " " for letter in text)[:_LONGEST_LINE]


async def run(
    command: Sequence[str], *, stdin: bytes = b"", environment: Mapping[str, str] | None = None, package: str
) -> Answer:
    """Run a program to its end. ``package`` is the Debian package that has it.

    Its whole process group is killed when the call is cancelled, and what it left behind when it ends. Raises
    :class:`RefusedError` where the program is missing, :class:`UnreachableError` when it says too much.
    """
    if not Path(command[0]).is_file():
        raise RefusedError(f"{command[0]} is missing: install the package {package}")
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**ENVIRONMENT, **(environment or {})},
            cwd="/",
            start_new_session=True,
            limit=LARGEST,
        )
    )
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        # asyncio would kill the program alone, and then wait for its children, which hold its pipes.
        await _kill(await starting)
        raise
    except OSError as error:
        raise UnreachableError(f"{command[0]} cannot be started: {os.strerror(error.errno or 0)}") from None
    try:
        output, errors = await _converse(process, stdin)
        status = await process.wait()
    finally:
        await _kill(process)
    return Answer(status, output.decode(errors="replace"), errors.decode(errors="replace"))


async def _kill(process: asyncio.subprocess.Process) -> None:
    """End a program's whole group: an agent may leave a hung ssh behind. An empty group is no error."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.shield(_reap(process))


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


async def _reap(process: asyncio.subprocess.Process) -> None:
    """Wait until a killed process is gone, its pipes closed."""
    await process.wait()
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()
