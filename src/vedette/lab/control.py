"""How everybody talks to a lab's supervisor: one connection to its Unix socket per question, a line of JSON each way.

A question that takes long (a command in a machine) keeps its own connection, so questions never wait for each
other. Errors cross as their class and text, and are raised here as what they were there.
"""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vedette.kit.errors import PermanentError, TransientError, UsageError, VedetteError

SOCKET = "control"
_ERRORS: dict[str, type[VedetteError]] = {
    "TransientError": TransientError,
    "PermanentError": PermanentError,
    "UsageError": UsageError,
}

Json = dict[str, Any]


class Control:
    """The way to one supervisor. ``directory`` is the lab's."""

    def __init__(self, directory: Path) -> None:
        self._path = str(directory / SOCKET)

    def ask(self, op: str, **arguments: object) -> Any:
        """Ask and wait for the answer; raises what the supervisor raised, :class:`TransientError` if it is gone."""
        with self._question(op, arguments) as connection:
            return _read(connection)

    @contextlib.contextmanager
    def terminal(self, op: str, **arguments: object) -> Iterator[tuple[int, socket.socket]]:
        """Ask for a shell: the descriptor of its terminal, and the connection that becomes readable when it ends."""
        with self._question(op, arguments) as connection:
            first, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
            if not descriptors:
                _read(connection, first)
            terminal = descriptors[0]
            try:
                yield terminal, connection
            finally:
                os.close(terminal)

    @contextlib.contextmanager
    def _question(self, op: str, arguments: Json) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(self._path)
                connection.sendall(json.dumps({"op": op} | arguments).encode() + b"\n")
            except OSError as error:
                raise TransientError(f"the lab does not answer: {error.strerror}") from error
            yield connection


def _read(connection: socket.socket, first: bytes = b"") -> Any:
    try:
        with connection.makefile("rb") as lines:
            line = first + lines.readline()
    except OSError as error:
        raise TransientError("the lab has ended") from error
    if not line.endswith(b"\n"):
        raise TransientError("the lab has ended")
    return result(json.loads(line))


def result(answer: Json) -> Any:
    """Return what an answer holds, or raise the error that it holds."""
    if "error" in answer:
        raise _ERRORS.get(answer["class"], PermanentError)(answer["error"])
    return answer["ok"]


def answer_of(error: BaseException) -> Json:
    """The answer that carries an error."""
    kind = next((name for name, cls in _ERRORS.items() if type(error) is cls), "PermanentError")
    text = str(error) if isinstance(error, VedetteError) else f"{type(error).__name__}: {error}"
    return {"error": text, "class": kind}
