"""From a real server's death to its removal, among 10, 1,000 and 10,000 servers of which a tenth are hung.

The server refuses connections from one moment on. Removed is, for us, when the director has the verdict; for
keepalived, when it hands the kernel the message that deletes the destination. Both check every two seconds and believe
the second failure, so four seconds are the bound; the phase of the check decides how much of them passes.
"""

import argparse
import asyncio
import os
import random
import signal
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path

from benchmarks.checks import silent
from benchmarks.peers.checkers import FIRST, keepalived_with
from benchmarks.peers.programs import build, program, server, until
from benchmarks.results import Row
from vedette.health.client import CheckerClient
from vedette.kit.units import SECOND
from vedette.spec.resolved import HealthCheck, TcpProbe
from vedette.state.health import Health, Target

PORT, VICTIMS = 8182, 5
INTERVAL = 2.0
"""Seconds between two checks of one server."""


def run(options: argparse.Namespace) -> list[Row]:
    """Seconds from the death to the removal, of :data:`VICTIMS` servers a round."""
    sizes = (10, 200) if options.quick else (10, 1000, 10_000)
    rows = []
    with tempfile.TemporaryDirectory() as name, silent() as deaf:
        folder = Path(name)
        build(folder)
        with server(folder, PORT):
            for size in sizes:
                ours: list[float] = []
                theirs: list[float] = []
                for _ in range(options.rounds):
                    ours += _ours(folder, _places(size, deaf))
                    theirs += _keepalived(folder, _places(size, deaf))
                line = f"dead server out, {size:,} servers, a tenth hung"
                rows.append(Row(line, "s", ours, "keepalived", theirs, goal="≤ 4.05 s"))
    return rows


def _places(size: int, deaf: int) -> list[tuple[str, int]]:
    """Address and port of every server: the victims, then the hung, then the others."""
    hung = max(1, size // 10)
    ports = [PORT + 1 + number for number in range(min(VICTIMS, size - hung))] + [deaf] * hung
    ports += [PORT] * (size - len(ports))
    return [(str(ip_address(FIRST + number)), port) for number, port in enumerate(ports)]


@contextmanager
def _victims(folder: Path, places: list[tuple[str, int]]) -> Iterator[list[int]]:
    """The process of each victim."""
    with ExitStack() as stack:
        ports = [port for _, port in places if PORT < port <= PORT + VICTIMS]
        yield [
            stack.enter_context(program([folder / "server", str(port), folder / f"victim-{port}"])).pid
            for port in ports
        ]


def _kill(victims: list[int]) -> list[float]:
    """End them one after the other, at odd moments; returns when (CLOCK_MONOTONIC, s)."""
    killed = []
    for victim in victims:
        time.sleep(random.uniform(0, INTERVAL / len(victims)))  # noqa: S311 (the phase of a check)
        os.kill(victim, signal.SIGKILL)
        killed.append(time.monotonic())
    return killed


def _ours(folder: Path, places: list[tuple[str, int]]) -> list[float]:
    check = HealthCheck(TcpProbe(), round(INTERVAL * SECOND), SECOND, rise=1, fall=2)
    targets = [Target(ip_address(address), port, check) for address, port in places]
    seen: dict[Target, float] = {}
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def changed() -> None:
        found = client.verdicts
        for target in targets[:VICTIMS]:
            if target in found and found[target].health is Health.DOWN:
                seen.setdefault(target, time.monotonic())

    async def begin() -> CheckerClient:
        made = CheckerClient(changed=changed)
        made.set_targets(targets)
        return made

    with _victims(folder, places) as victims:
        client = asyncio.run_coroutine_threadsafe(begin(), loop).result()
        running = asyncio.run_coroutine_threadsafe(client.run(), loop)
        time.sleep(2 * INTERVAL + 2)
        killed = _kill(victims)
        until(lambda: len(seen) == len(victims), limit=30)
    running.cancel()
    until(lambda: client.child.pid is None)
    loop.call_soon_threadsafe(loop.stop)
    return [seen[target] - instant for target, instant in zip(targets, killed, strict=False)]


def _keepalived(folder: Path, places: list[tuple[str, int]]) -> list[float]:
    """keepalived removes them in the order in which it notices; their sum is what counts."""
    removals = folder / "removals"
    removals.unlink(missing_ok=True)
    with _victims(folder, places) as victims, keepalived_with(folder, places, INTERVAL, removals):
        time.sleep(2 * INTERVAL + 4)
        hung = len(_removed(removals))
        killed = _kill(victims)
        until(lambda: len(_removed(removals)) >= hung + len(victims), limit=60)
        noticed = sorted(_removed(removals)[hung : hung + len(victims)])
    return [after - before for before, after in zip(killed, noticed, strict=True)]


def _removed(file: Path) -> list[float]:
    """When keepalived had destinations deleted (CLOCK_MONOTONIC, s)."""
    data = file.read_bytes() if file.exists() else b""
    return [instant for (instant,) in struct.iter_unpack("=d", data[: len(data) // 8 * 8])]
