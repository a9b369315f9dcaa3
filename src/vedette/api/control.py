"""The daemon's local socket: one JSON object in, one JSON object out, on a line each.

It is private to root (mode 0600) and answers the ``vedette`` command of this machine only.
"""

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from vedette.kit.errors import PermanentError, TransientError, UsageError
from vedette.kit.units import SECOND, seconds

SOCKET = "vedette.sock"
LONGEST_REQUEST = 1 << 16
PATIENCE = 10.0
"""Seconds that a client may take to say what it wants."""

CARRIED_OUT = 10 * SECOND
"""How long (ns) the reply to an order may wait until the order is carried out."""

DEVICES = 4 * 3600.0
"""Seconds that an answer may take that fencing devices have to give, whatever the document says of them: the daemon,
which knows that, answers before."""

Request = dict[str, Any]
Reply = dict[str, Any]


class DaemonAwayError(PermanentError):
    """Nobody answers on the socket: whatever was known before may no longer be true."""


async def serve(run_dir: Path, answer: Callable[[Request], Awaitable[Reply]]) -> asyncio.Server:
    """Listen in ``run_dir``; an ``answer`` that raises :class:`UsageError` becomes an ``error`` in the reply, and one
    that raises :class:`TransientError` becomes ``unable``.

    A request's ``uid`` is who asks as the kernel knows it, whatever the request said.
    """

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError, RecursionError, asyncio.LimitOverrunError):
            request = json.loads(await asyncio.wait_for(reader.readline(), PATIENCE))
            if not isinstance(request, dict):
                raise ValueError("not a request")
            try:
                reply = await answer(request | {"uid": _uid(writer)})
            except UsageError as error:
                reply = {"error": str(error)}
            except TransientError as error:
                reply = {"unable": str(error)}
            writer.write(json.dumps(reply, separators=(",", ":")).encode() + b"\n")
            await asyncio.wait_for(writer.drain(), PATIENCE)
        writer.close()

    path = run_dir / SOCKET
    path.unlink(missing_ok=True)
    old = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(converse, path, limit=LONGEST_REQUEST)
    finally:
        os.umask(old)


def _uid(writer: asyncio.StreamWriter) -> int:
    """The user of the process at the other end (unix(7), SO_PEERCRED)."""
    end: socket.socket = writer.get_extra_info("socket")
    credentials = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("3i", credentials)[1])


def order(run_dir: Path, request: Request) -> Reply:
    """Give an order and wait until it is carried out: the reply has ``done`` or ``pending``. Raises as :func:`ask`."""
    return ask(run_dir, request, timeout=PATIENCE + seconds(CARRIED_OUT))


def ask(run_dir: Path, request: Request, *, timeout: float = 5.0) -> Reply:
    """Ask the daemon of this machine; ``timeout`` in seconds.

    Raises :class:`DaemonAwayError` when nobody answers, and with the daemon's own words :class:`UsageError` when it
    refuses, :class:`TransientError` when it could not do it.
    """
    path = run_dir / SOCKET
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(timeout)
        try:
            client.connect(str(path))
            client.sendall(json.dumps(request).encode() + b"\n")
            with client.makefile("rb") as answer:
                line = answer.readline()
        except FileNotFoundError as error:
            raise DaemonAwayError(f"no daemon is running here: there is no {path} (start it: vedette run)") from error
        except ConnectionRefusedError as error:
            raise DaemonAwayError(f"the daemon is gone: nobody listens on {path} (start it: vedette run)") from error
        except PermissionError as error:
            raise PermanentError(f"{path} is private to root: use sudo") from error
        except OSError as error:
            raise DaemonAwayError(f"the daemon does not answer on {path} within {timeout:g} s") from error
    if not line:
        raise DaemonAwayError(f"the daemon closed {path} without an answer")
    reply: Reply = json.loads(line)
    if "away" in reply:
        raise DaemonAwayError(reply["away"])
    if "error" in reply:
        raise UsageError(reply["error"])
    if "unable" in reply:
        raise TransientError(reply["unable"])
    return reply
