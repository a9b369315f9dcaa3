"""Raw netlink (rfc3549, linux/netlink.h): messages in batches, errors by message, events without a dead socket.

Only what the kernel drivers share: framing, attributes, acknowledgements, dumps. Two measured facts shape it
(facts-netlink.md): a message without NLM_F_ACK still gets an error when it fails, so only the last of a batch
asks for one; and an event socket that overflowed reports ENOBUFS once and goes on, which means "look again".
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vedette.kit.errors import PermanentError

ROUTE, GENERIC = 0, 16
"""Netlink families (linux/netlink.h); ``socket`` does not name the second."""
REQUEST, ACK, ROOT_DUMP = 0x1, 0x4, 0x300
REPLACE, EXCL, CREATE = 0x100, 0x200, 0x400
_ERROR, _DONE = 2, 3
_SOL_NETLINK, _CAP_ACK = 270, 10
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_NESTED, _TYPE_MASK = 0x8000, 0x3FFF
_LARGEST_ANSWER = 1 << 20
BATCH = 256
"""Messages in one send: the best of those measured; it also bounds how long one call holds the process."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request: netlink type, flags beside REQUEST, and the payload behind the netlink header."""

    type: int
    flags: int
    payload: bytes


def attribute(kind: int, value: bytes) -> bytes:
    """Encode one attribute (struct nlattr), padded to four bytes."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def nest(kind: int, value: bytes) -> bytes:
    """Encode an attribute that holds attributes."""
    return _ATTRIBUTE.pack(4 + len(value), kind | _NESTED) + value


def attributes(data: bytes) -> dict[int, bytes]:
    """Decode a run of attributes; of a repeated one, the last wins."""
    found, offset, end = {}, 0, len(data)
    while offset + 4 <= end:
        size, kind = _ATTRIBUTE.unpack_from(data, offset)
        if size < 4 or offset + size > end:
            break
        found[kind & _TYPE_MASK] = data[offset + 4 : offset + size]
        offset += size + 3 & ~3
    return found


def _frames(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (type, sequence, payload) of each message in one datagram."""
    offset = 0
    while offset + 16 <= len(data):
        size, kind, _flags, sequence, _port = _HEADER.unpack_from(data, offset)
        if size < 16:
            break
        yield kind, sequence, data[offset + 16 : offset + size]
        offset += size + 3 & ~3


class Requests:
    """A blocking request socket of one netlink family (:data:`ROUTE`, :data:`GENERIC`)."""

    def __init__(self, protocol: int, *, timeout: float = 10.0) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.bind((0, 0))
        self._socket.settimeout(timeout)
        self._socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        for option in (_SO_SNDBUFFORCE, _SO_RCVBUFFORCE):
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, option, 4 << 20)
            except PermissionError:
                continue
        self._sequence = 0
        self._buffer = memoryview(bytearray(_LARGEST_ANSWER))

    def close(self) -> None:
        self._socket.close()

    def perform(self, messages: Sequence[Message]) -> dict[int, int]:
        """Send all messages; return {index: errno} of those that failed.

        A batch is not a transaction: the kernel goes on behind a message that failed.
        """
        failed: dict[int, int] = {}
        for start in range(0, len(messages), BATCH):
            chunk = messages[start : start + BATCH]
            first = self._send(chunk, ack_last=True)
            last = first + len(chunk) - 1
            while True:
                codes = dict(self._acknowledgements())
                failed |= {start + seq - first: code for seq, code in codes.items() if code and first <= seq <= last}
                if last in codes:
                    break
        return failed

    def dump(self, message: Message) -> list[tuple[int, bytes]]:
        """Ask for a dump; return (type, payload) of every answer. Raises ``OSError`` with the kernel's errno."""
        sequence = self._send([Message(message.type, message.flags | ROOT_DUMP, message.payload)], ack_last=False)
        return list(self._answers(sequence, until_done=True))

    def ask(self, message: Message) -> tuple[int, bytes]:
        """Ask for one answer. Raises ``OSError`` with the kernel's errno."""
        sequence = self._send([message], ack_last=False)
        return next(iter(self._answers(sequence, until_done=False)))

    def _send(self, messages: Sequence[Message], *, ack_last: bool) -> int:
        first = self._sequence + 1
        parts = []
        for index, message in enumerate(messages):
            last = ack_last and index == len(messages) - 1
            flags = REQUEST | message.flags | (ACK if last else 0)
            parts.append(_HEADER.pack(16 + len(message.payload), message.type, flags, first + index, 0))
            parts.append(message.payload)
            parts.append(b"\0" * (-len(message.payload) % 4))
        self._sequence += len(messages)
        self._socket.send(b"".join(parts))
        return first

    def _receive(self) -> bytes:
        """One datagram. The buffer is kept: a fresh one of this size for each costs more than the datagram."""
        return bytes(self._buffer[: self._socket.recv_into(self._buffer)])

    def _acknowledgements(self) -> Iterator[tuple[int, int]]:
        for kind, sequence, payload in _frames(self._receive()):
            if kind == _ERROR:
                yield sequence, -struct.unpack_from("=i", payload)[0]

    def _answers(self, sequence: int, *, until_done: bool) -> Iterator[tuple[int, bytes]]:
        while True:
            for kind, answered, payload in _frames(self._receive()):
                if answered != sequence:
                    continue
                if kind == _ERROR:
                    code = -struct.unpack_from("=i", payload)[0]
                    raise OSError(code, os.strerror(code))
                if kind == _DONE:
                    return
                yield kind, payload
                if not until_done:
                    return


class Events:
    """A non-blocking socket that hears multicast groups; use :meth:`fileno` with ``loop.add_reader``."""

    def __init__(self, protocol: int, groups: int) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol
        )
        self._socket.bind((0, groups))
        self.overflowed = False
        """Whether events were lost before the last :meth:`read`: look at everything again."""

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def read(self) -> list[tuple[int, bytes]]:
        """Return (type, payload) of one datagram; ``[]`` when there is none, or after an overflow."""
        self.overflowed = False
        try:
            return [(kind, payload) for kind, _, payload in _frames(self._socket.recv(1 << 18))]
        except OSError as error:
            if error.errno not in (errno.ENOBUFS, errno.EAGAIN):
                raise
            self.overflowed = error.errno == errno.ENOBUFS
            return []


GENL_CTRL = 0x10
_GETFAMILY = struct.pack("=BBH", 3, 1, 0)


def generic_family(requests: Requests, name: str) -> int:
    """Resolve a generic netlink family's id (genl_ctrl); raises :class:`PermanentError` when it is absent."""
    try:
        _, payload = requests.ask(Message(GENL_CTRL, 0, _GETFAMILY + attribute(2, name.encode() + b"\0")))
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise PermanentError(f"the kernel has no netlink family {name}: is its module loaded?") from error
        raise
    return int(struct.unpack_from("=H", attributes(payload[4:])[1])[0])
