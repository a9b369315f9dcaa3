"""Processor time that refusing forged, repeated and foreign heartbeats costs a node, on loopback.

Two nodes run in a process each and hear each other; a third process sends the first one forgeries of what the second
says. Counted is the first one's own time, its system calls included, beyond what it takes without the flood.
"""

import argparse
import asyncio
import itertools
import multiprocessing
import resource
import socket
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

from benchmarks.results import Row
from vedette.addresses.addresses import Addresses
from vedette.daemon.core import Core
from vedette.kit.net import parse
from vedette.kit.units import SECOND
from vedette.lab.forgeries import Heard, forgeries, hear
from vedette.spec.resolved import ClusterSpec, Group, Heartbeat, Key, Link, Node, Role, SplitBrainPolicy

ADDRESSES = {"a": "127.0.0.2", "b": "127.0.0.3"}
LISTENER, PORT = "127.0.0.4", 39694
BURST = 5
RATE = 5000
"""Forged datagrams a second."""
SPEC = ClusterSpec(
    name="edge",
    digest="0" * 64,
    nodes=tuple(Node(name, Role.DIRECTOR, parse(text), {}) for name, text in ADDRESSES.items()),
    keys=(Key("k1", b"k" * 32),),
    heartbeat=Heartbeat(
        interval=SECOND // 5,
        warn_after=SECOND // 2,
        dead_after=SECOND,
        startup_grace=SECOND,
        links=(Link("lo", PORT, {name: parse(text) for name, text in ADDRESSES.items()}),),
    ),
    policy=SplitBrainPolicy.TOLERATE,
    groups=(Group(name="web", addresses=(), nodes=("a", "b")),),
)


class Nothing:
    """Addresses that nobody has to hold."""

    def held(self) -> frozenset[str]:
        return frozenset()

    def hold(self, group: str, deadline: int) -> None:
        pass

    def release(self, group: str, *, lame_duck: int = 0) -> None:
        pass

    def flush(self) -> None:
        pass


def run(options: argparse.Namespace) -> list[Row]:
    """Hundredths of one processor, calm and under the flood."""
    length = 2.0 if options.quick else 5.0
    ours, theirs = multiprocessing.Pipe()
    nodes = [multiprocessing.Process(target=live, args=(name, theirs), daemon=True) for name in ADDRESSES]
    for node in nodes:
        node.start()
    samples = listen()
    calm, flooded = [], []
    for _ in range(options.rounds):
        calm.append(100 * measure(ours, length))
        flood = multiprocessing.Process(target=send, args=(samples, RATE), daemon=True)
        flood.start()
        flooded.append(100 * measure(ours, length))
        flood.terminate()
        flood.join()
    for node in nodes:
        node.terminate()
    each = [(more - less) * 1e4 / RATE for more, less in zip(flooded, calm, strict=True)]
    return [
        Row(f"{RATE:,} forged heartbeats a second: one processor", "%", flooded, goal="below 25 %"),
        Row("the same without forgeries: one processor", "%", calm),
        Row("a forged heartbeat, CPU", "µs", each),
    ]


def live(name: str, report: Connection) -> None:
    asyncio.run(serve(name, report))


async def serve(name: str, report: Connection) -> None:
    """One node. The first tells its processor time when it is asked; the other lets a stranger listen."""
    with tempfile.TemporaryDirectory() as path:
        state = Path(path) / "state"
        state.mkdir()
        addresses = cast(Addresses, Nothing())
        core = Core(
            spec=SPEC, revision=1, node=name, run_dir=Path(path), state_dir=state, addresses=addresses,
            changed=lambda: None, fence=lambda _: None,
        )  # fmt: skip
        if name == "b":
            tap(core)
        await core.start()
        if name == "a":
            asyncio.get_running_loop().add_reader(report.fileno(), lambda: report.send((report.recv(), used())[1]))
        await asyncio.Event().wait()


def used() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def tap(core: Core) -> None:
    """Whatever the node says goes to the listener as well."""
    stranger, spoken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), core.links.send

    def send(data: bytes, *, to: str | None = None) -> None:
        spoken(data, to=to)
        stranger.sendto(data, (LISTENER, PORT))

    core.links.send = send  # type: ignore[method-assign]


def listen() -> list[bytes]:
    """Forgeries of what was said within a few seconds, without their headers."""
    found: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((LISTENER, PORT))
        listener.settimeout(10)
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            heard = Heard(
                b"\0" * 12 + b"\x08\0", b"\x45" + b"\0" * 8 + b"\x11" + b"\0" * 10, b"\0\1\0\1", listener.recv(1500)
            )
            found += [again.data for frame in forgeries(heard) if (again := hear(frame, 1)) is not None]
    return found


def measure(node: Connection, duration: float) -> float:
    """The share of one processor that the first node takes."""
    node.send(None)
    before, begun = node.recv(), time.monotonic()
    time.sleep(duration)
    node.send(None)
    return float((node.recv() - before) / (time.monotonic() - begun))


def send(samples: Sequence[bytes], rate: int) -> None:
    stranger, endless = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), itertools.cycle(samples)
    due = time.monotonic()
    while True:
        for _ in range(BURST):
            stranger.sendto(next(endless), (ADDRESSES["a"], PORT))
        due += BURST / rate
        time.sleep(max(0.0, due - time.monotonic()))
