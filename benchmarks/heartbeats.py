"""How late a node's core wakes up, idle and beside a checker that makes 5,000 checks a second.

The core runs as the keeper has it, in a process of its own and of the real-time class; the checker as the director has
it. Lateness is from the instant that the core asked to be woken at to the instant when it was.
"""

import argparse
import asyncio
import multiprocessing
import tempfile
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

from benchmarks import checks
from benchmarks.forgeries import SPEC, Nothing
from benchmarks.peers.checkers import Work
from benchmarks.peers.programs import build, server
from benchmarks.results import Row
from vedette.addresses.addresses import Addresses
from vedette.cluster.events import Event, Tick
from vedette.daemon import urgency
from vedette.daemon.core import Core
from vedette.kit import clock
from vedette.kit.units import MILLISECOND

PORT = 8181
RATE = 5000
TIMINGS = replace(SPEC.heartbeat, interval=20 * MILLISECOND, warn_after=100 * MILLISECOND, dead_after=200 * MILLISECOND)
"""Short ones, for many samples."""


class Punctual(Core):
    """Notes how late each tick comes (ns)."""

    lateness: list[int]

    def handle(self, event: Event) -> None:
        if isinstance(event, Tick):
            self.lateness.append(clock.boottime() - self._due)
        super().handle(event)


def run(options: argparse.Namespace) -> list[Row]:
    """Milliseconds, p99.9 and p99, in turns."""
    length, rate = (3.0, 500) if options.quick else (20.0, RATE)
    idle: dict[float, list[float]] = {0.99: [], 0.999: []}
    busy: dict[float, list[float]] = {0.99: [], 0.999: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder)
        with server(folder, PORT):
            for _ in range(options.rounds):
                _add(idle, _sample(length))
                with checks.vedette(folder, Work("tcp", rate, rate, PORT)):
                    time.sleep(checks.WARM)
                    _add(busy, _sample(length))
    line = f"heartbeat lateness beside {rate:,} checks a second"
    return [
        Row(f"{line}, p{100 * share:g}", "ms", busy[share], "idle director", idle[share], goal="ratio ≤ 2")
        for share in (0.99, 0.999)
    ]


def _add(found: dict[float, list[float]], lateness: list[int]) -> None:
    lateness.sort()
    for share, values in found.items():
        values.append(lateness[min(len(lateness) - 1, int(share * len(lateness)))] / 1e6)


def _sample(length: float) -> list[int]:
    """Every lateness (ns) of one node of two within ``length`` seconds."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    nodes = [context.Process(target=_live, args=(node, theirs), daemon=True) for node in ("a", "b")]
    for node in nodes:
        node.start()
    ours.recv()
    ours.recv()
    time.sleep(length)
    ours.send(None)
    lateness: list[int] = ours.recv()
    for node in nodes:
        node.terminate()
        node.join()
    return lateness


def _live(node: str, report: Connection) -> None:
    urgency.acquire()
    urgency.settle()
    asyncio.run(_serve(node, report))


async def _serve(node: str, report: Connection) -> None:
    with tempfile.TemporaryDirectory() as path:
        state = Path(path) / "state"
        state.mkdir()
        core = Punctual(
            spec=replace(SPEC, heartbeat=TIMINGS), revision=1, node=node, run_dir=Path(path), state_dir=state,
            addresses=cast(Addresses, Nothing()), changed=lambda: None, fence=lambda _: None,
        )  # fmt: skip
        core.lateness = []
        await core.start()
        await asyncio.sleep(1.0)
        core.lateness.clear()
        report.send(node)
        if node == "a":
            asyncio.get_running_loop().add_reader(report.fileno(), _tell, report, core)
        await asyncio.Event().wait()


def _tell(report: Connection, core: Punctual) -> None:
    report.recv()
    report.send(core.lateness)
