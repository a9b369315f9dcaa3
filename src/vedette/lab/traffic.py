"""The steady client: a process inside the client's namespace that tries every endpoint, again and again.

``python -m vedette.lab.traffic PLAN RECORDS`` reads the probes from a file of JSON, appends one record an attempt
(:mod:`vedette.lab.attempts`) and ends on SIGTERM, with its parent, or after an hour. One thread, one epoll, one
socket an attempt: every attempt is a new flow, as from a new client, and costs about 150 µs.
"""

import heapq
import json
import os
import re
import resource
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vedette.kit import privileges
from vedette.kit.net import family, parse
from vedette.kit.units import MILLISECOND, SECOND, seconds
from vedette.lab import attempts
from vedette.lab.attempts import Attempt, Kind, Outcome
from vedette.lab.probes import Probe

TIMEOUT = 3 * SECOND
"""After this long (ns) an attempt has failed."""
REOPEN = 200 * MILLISECOND
"""Before a broken long-lived connection is opened again."""
FLUSH = 50 * MILLISECOND
LATE = 100 * MILLISECOND
"""A probe that waits this long for an answer is reported as pending."""
LONGEST_RUN = 3600 * SECOND
"""Even a forgotten client ends."""
_MOST_OPEN = 8192
_ECHO = b"vedette rehearse\n"
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_SERVER = re.compile(rb"\r\nx-real-server: *([^\r\n]+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class Exchange:
    """One question over one socket, from its start to its answer, its error, or its time-out."""

    __slots__ = ("asked", "deadline", "done", "held", "kind", "probe", "received", "sock", "start")

    def __init__(self, probe: int, kind: Kind, sock: socket.socket, start: int, held: "Held | None" = None) -> None:
        self.probe, self.kind, self.sock, self.start, self.held = probe, kind, sock, start, held
        self.deadline = start + TIMEOUT
        self.received = b""
        self.asked = self.done = False


class Held:
    """A long-lived connection of one probe: a short exchange every ``period`` ns, reopened when it breaks."""

    __slots__ = ("established", "index", "patience", "period", "sock")

    def __init__(self, index: int, period: int, patience: int) -> None:
        self.index, self.period, self.patience = index, period, patience
        self.sock: socket.socket | None = None
        self.established = False


class Client:
    """All streams of attempts of one process."""

    def __init__(self, probes: list[Probe], records: Path, *, patience: int) -> None:
        self._probes, self._patience = probes, patience
        self._requests = [_request(probe, keep=False) for probe in probes]
        self._kept = [_request(probe, keep=True) for probe in probes]
        self._out = records.open("ab", buffering=0)
        self._buffer = bytearray()
        self._epoll = select.epoll()
        self._open: dict[int, Exchange] = {}
        self._due: list[tuple[int, int, Callable[[int], int]]] = []
        self._stopped = False

    def stop(self, *_: object) -> None:
        self._stopped = True

    def run(self) -> None:
        """Try until stopped; then write what is known."""
        begun = time.monotonic_ns()
        for index, probe in enumerate(self._probes):
            self._schedule(begun + index * MILLISECOND, self._stream(index, probe))
            if probe.held:
                self._schedule(begun + index * MILLISECOND, self._hold(Held(index, probe.held, self._patience)))
        self._schedule(begun + FLUSH, self._flush)
        while not self._stopped and time.monotonic_ns() < begun + LONGEST_RUN:
            wait = max(0, self._due[0][0] - time.monotonic_ns())
            for descriptor, events in self._epoll.poll(seconds(wait), 256):
                exchange = self._open.get(descriptor)
                if exchange is not None:
                    self._progress(exchange, events)
            self._run_due(time.monotonic_ns())
        self._flush(time.monotonic_ns())

    # time

    def _schedule(self, due: int, task: Callable[[int], int]) -> None:
        heapq.heappush(self._due, (due, id(task), task))

    def _run_due(self, now: int) -> None:
        """Run what is due; a task returns when it is due next (0: never). Missed turns are not made up for."""
        while self._due and self._due[0][0] <= now:
            _, _, task = heapq.heappop(self._due)
            due = task(now)
            if due:
                self._schedule(due, task)

    def _stream(self, index: int, probe: Probe) -> Callable[[int], int]:
        due = 0

        def attempt(now: int) -> int:
            nonlocal due
            due = max(due, now - probe.period) + probe.period
            self._attempt(index, probe)
            return due

        return attempt

    def _flush(self, now: int) -> int:
        """Write the buffer and a mark; end what has run out of time."""
        for exchange in [exchange for exchange in self._open.values() if exchange.deadline <= now]:
            self._end(exchange, Outcome.TIMED_OUT)
        oldest = min((exchange.start for exchange in self._open.values()), default=now)
        waiting = {exchange.probe for exchange in self._open.values() if self._is_late(exchange, now)}
        for probe in waiting:
            self._buffer += attempts.encode(Attempt(probe, Kind.PENDING, oldest, now, Outcome.ANSWERED))
        self._buffer += attempts.encode(Attempt(0, Kind.MARK, oldest, now, Outcome.ANSWERED))
        self._out.write(self._buffer)
        self._buffer.clear()
        return now + FLUSH

    @staticmethod
    def _is_late(exchange: Exchange, now: int) -> bool:
        return exchange.held is None and now - exchange.start > LATE

    # attempts

    def _attempt(self, index: int, probe: Probe) -> None:
        if len(self._open) >= _MOST_OPEN:
            return
        start = time.monotonic_ns()
        sock = _socket(probe)
        exchange = Exchange(index, probe.kind, sock, start)
        try:
            sock.connect((str(probe.address), probe.port))
        except BlockingIOError:
            pass  # a handshake is on its way
        except OSError as error:
            self._record(exchange, _outcome(error))
            sock.close()
            return
        self._watch(exchange)

    def _watch(self, exchange: Exchange) -> None:
        descriptor = exchange.sock.fileno()
        self._open[descriptor] = exchange
        self._epoll.register(descriptor, select.EPOLLIN if exchange.asked else select.EPOLLOUT)

    def _progress(self, exchange: Exchange, events: int) -> None:
        try:
            if not exchange.asked:
                exchange.sock.send(self._requests[exchange.probe])
                exchange.asked = True
                self._epoll.modify(exchange.sock.fileno(), select.EPOLLIN)
                return
            data = exchange.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(exchange, _outcome(error))
            return
        exchange.received += data
        if not data and exchange.kind is not Kind.DATAGRAM:
            self._end(exchange, Outcome.CLOSED)
        elif self._complete(exchange):
            self._end(exchange, Outcome.ANSWERED)

    def _complete(self, exchange: Exchange) -> bool:
        if not self._probes[exchange.probe].http:
            return True
        head, found, body = exchange.received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        return bool(found) and (length is None or len(body) >= int(length[1]))

    def _end(self, exchange: Exchange, outcome: Outcome) -> None:
        descriptor = exchange.sock.fileno()
        del self._open[descriptor]
        self._epoll.unregister(descriptor)
        if exchange.held is None:
            self._record(exchange, outcome)
            exchange.sock.close()
        else:
            self._end_held(exchange, exchange.held, outcome)

    def _record(self, exchange: Exchange, outcome: Outcome) -> None:
        status, server = _STATUS.match(exchange.received), _server_of(exchange.received)
        self._buffer += attempts.encode(
            Attempt(
                probe=exchange.probe,
                kind=exchange.kind,
                start=exchange.start,
                end=time.monotonic_ns(),
                outcome=outcome,
                status=0 if status is None else int(status[1]),
                server=server.decode(errors="replace"),
            )
        )

    # long-lived connections

    def _hold(self, held: Held) -> Callable[[int], int]:
        """The task of one long-lived connection: open it, then one exchange a period while none is under way."""

        def turn(now: int) -> int:
            if held.sock is None:
                return self._open_held(held, now)
            if held.sock.fileno() not in self._open:
                self._ask_held(held, held.sock, now)
            return now + held.period

        return turn

    def _open_held(self, held: Held, now: int) -> int:
        probe = self._probes[held.index]
        sock = _socket(probe)
        try:
            sock.connect((str(probe.address), probe.port))
        except BlockingIOError:
            pass
        except OSError:
            sock.close()
            return now + REOPEN
        held.sock = sock
        return now + REOPEN

    def _ask_held(self, held: Held, sock: socket.socket, now: int) -> None:
        """Start an exchange; a connection that never came about is no broken one."""
        exchange = Exchange(held.index, Kind.HELD, sock, now, held)
        exchange.deadline = now + held.patience
        try:
            sock.send(self._kept[held.index])
        except OSError as error:
            if held.established:
                self._record(exchange, _outcome(error))
            self._drop_held(held, sock)
            return
        exchange.asked = True
        self._watch(exchange)

    def _end_held(self, exchange: Exchange, held: Held, outcome: Outcome) -> None:
        if held.established or outcome is Outcome.ANSWERED:
            self._record(exchange, outcome)
        held.established = True
        if outcome is not Outcome.ANSWERED or _CLOSES.search(exchange.received):
            self._drop_held(held, exchange.sock)

    def _drop_held(self, held: Held, sock: socket.socket) -> None:
        sock.close()
        held.sock, held.established = None, False


def _socket(probe: Probe) -> socket.socket:
    match probe.kind:
        case Kind.DATAGRAM:
            kind, protocol = socket.SOCK_DGRAM, 0
        case Kind.PING:
            kind = socket.SOCK_DGRAM
            protocol = socket.IPPROTO_ICMP if probe.address.version == 4 else socket.IPPROTO_ICMPV6
        case _:
            kind, protocol = socket.SOCK_STREAM, 0
    sock = socket.socket(family(probe.address), kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    if probe.kind is Kind.REQUEST:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _request(probe: Probe, *, keep: bool) -> bytes:
    if probe.kind is Kind.PING:
        return struct.pack("!BBHHH", 8 if probe.address.version == 4 else 128, 0, 0, 0, 1) + _ECHO
    if not probe.http:
        return _ECHO
    host = probe.host or (str(probe.address) if probe.address.version == 4 else f"[{probe.address}]")
    connection = "keep-alive" if keep else "close"
    return f"GET {probe.path} HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\n\r\n".encode()


def _server_of(answer: bytes) -> bytes:
    """Who answered: a stand-in says so in a header, or in front of what it echoes."""
    header = _SERVER.search(answer)
    if header is not None:
        return header[1]
    return answer.partition(b" ")[0] if answer.endswith(_ECHO) else b""


def _outcome(error: OSError) -> Outcome:
    match error:
        case ConnectionRefusedError():
            return Outcome.REFUSED
        case ConnectionResetError() | BrokenPipeError():
            return Outcome.RESET
        case TimeoutError():
            return Outcome.TIMED_OUT
        case _:
            return Outcome.UNREACHABLE


def dump(probes: tuple[Probe, ...], *, patience: int) -> str:
    """The plan as the process reads it; ``patience`` (ns) is how long an exchange on a held connection may take."""
    plain = [
        {name: getattr(probe, name) for name in ("port", "group", "service", "period", "held", "http", "host", "path")}
        | {"kind": int(probe.kind), "address": str(probe.address)}
        for probe in probes
    ]
    return json.dumps({"patience": patience, "probes": plain})


def load(text: str) -> tuple[list[Probe], int]:
    """The inverse of :func:`dump`."""
    data: dict[str, Any] = json.loads(text)
    probes = [
        Probe(**(item | {"kind": Kind(item["kind"]), "address": parse(item["address"])})) for item in data["probes"]
    ]
    return probes, data["patience"]


def main() -> int:
    privileges.die_with_parent(os.getppid())
    plan, records = sys.argv[1:3]
    probes, patience = load(Path(plan).read_text())
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if any(probe.kind is Kind.PING for probe in probes):
        Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 0")  # of this network namespace only
    client = Client(probes, Path(records), patience=patience)
    signal.signal(signal.SIGTERM, client.stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the rehearsal's business
    client.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
