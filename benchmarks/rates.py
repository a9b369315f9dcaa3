"""How many checks a second one processor sustains, by TCP, HTTP and HTTPS.

A rate is sustained while at least 99 % of its checks arrive at the server, and, where we can ask the checker, 99 % of
them start at most 50 ms late. Each program has one processor for itself, the server has the others. Every server is
checked every two seconds; the highest rate is searched in steps of half as much again, and then halved between the last
two twice, which leaves 10 %.
"""

import argparse
import asyncio
import contextlib
import gc
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from ipaddress import ip_address
from pathlib import Path

from benchmarks.checks import PROBES
from benchmarks.peers import checkers
from benchmarks.peers.checkers import FIRST, Work
from benchmarks.peers.programs import Server, build, program, server, until
from benchmarks.peers.web import Web, web
from benchmarks.results import Row
from vedette.health import body
from vedette.health.engine import Engine
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import HealthCheck
from vedette.state.health import Target

PORT, SECURE = 8186, 8188
ENOUGH = 0.99
"""The part of the wanted rate that must be reached."""
LATE = 50 * MILLISECOND
"""The 99th percentile of the lateness of starts (ns), above which a rate is not sustained."""
BEGINNING = {"tcp": 4000, "http": 3000, "https": 400}
"""Checks a second that the search begins with."""
MOST = 30_000
"""Checks a second beyond which nobody is tried."""
INTERVAL = 2
"""Seconds between two checks of a server. keepalived counts them from the end of a check, to which a shorter one would
lose more."""
STEP, HALVINGS = 1.5, 2
WARM, WINDOW, LIMIT = 2.0, 3.0, 10.0
"""Seconds that a checker runs before it is looked at, and for which it is; until then it must have checked every server
once, which takes LIMIT at most."""

Checker = Callable[[Path, Work], AbstractContextManager[object]]


def run(options: argparse.Namespace) -> list[Row]:
    """Checks a second."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder)
        with _elsewhere():
            plain, secure = server(folder, PORT), web(folder, SECURE)
            with plain as target, secure as encrypted:
                for kind, where in (("tcp", target), ("http", target), ("https", encrypted)):
                    rows += _kind(folder, kind, where, options)
    return rows


def _kind(folder: Path, kind: str, target: Server | Web, options: argparse.Namespace) -> list[Row]:
    programs: dict[str, Checker] = {"ours": ours, "keepalived": checkers.keepalived}
    if kind != "https":
        programs["C, epoll"] = checkers.epoll
    found: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(options.rounds):
        for name, checker in programs.items():
            found[name].append(_search(folder, kind, target, checker, quick=options.quick))
    line = f"{kind} checks a second on one processor, at most"
    rows = [Row(line, "1/s", found["ours"], "keepalived", found["keepalived"], goal="ratio ≥ 1")]
    if "C, epoll" in found:
        rows.append(Row(f"{line} (beside the most)", "1/s", found["ours"], "C, epoll", found["C, epoll"]))
    return rows


def _search(folder: Path, kind: str, target: Server | Web, checker: Checker, *, quick: bool) -> float:
    """The highest rate that was sustained; 0 when not even the lowest that was tried was."""

    def sustained(rate: float) -> bool:
        return _sustained(folder, Work(kind, INTERVAL * int(rate), int(rate), target.port), target, checker)

    if quick:
        return 100.0 if sustained(100) else 0.0
    good, rate = 0.0, float(BEGINNING[kind])
    while rate <= MOST and sustained(rate):
        good, rate = rate, rate * STEP
    if not good:
        while rate > BEGINNING[kind] / 16 and not sustained(rate := rate / STEP):
            continue
        good, rate = rate, rate * STEP
    bad = rate
    for _ in range(HALVINGS):
        rate = (good * bad) ** 0.5
        good, bad = (rate, bad) if sustained(rate) else (good, rate)
    return good


def _sustained(folder: Path, work: Work, target: Server | Web, checker: Checker) -> bool:
    print(f"   {work.kind} at {work.rate:,} a second", flush=True)
    lateness = folder / "lateness"
    lateness.unlink(missing_ok=True)
    rate = 0.0
    with contextlib.suppress(TimeoutError), _alone(), checker(folder, work):
        before = target.accepted
        until(lambda: target.accepted - before >= work.targets, limit=LIMIT)
        time.sleep(WARM)
        checks, since = target.accepted, time.monotonic()
        time.sleep(WINDOW)
        rate = (target.accepted - checks) / (time.monotonic() - since)
    late = float(lateness.read_text()) if lateness.exists() else 0.0
    return rate >= ENOUGH * work.rate and late <= LATE


@contextmanager
def _alone() -> Iterator[None]:
    """What is started meanwhile runs on the first processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(_ALL)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _elsewhere() -> Iterator[None]:
    """What is started meanwhile, and this process, leave the first processor alone where there are others."""
    os.sched_setaffinity(0, _ALL - {min(_ALL)} or _ALL)
    try:
        yield
    finally:
        os.sched_setaffinity(0, _ALL)


_ALL = os.sched_getaffinity(0)


# Our checker as a program of its own that tells how late it was


@contextmanager
def ours(folder: Path, work: Work) -> Iterator[object]:
    """The engine of the checker process, with the same searches in answers and the same garbage collection."""
    words = [work.kind, work.targets, work.rate, work.port, folder / "lateness"]
    command = [sys.executable, "-m", "benchmarks.rates", *map(str, words)]
    with program(command) as process:
        yield process
        process.terminate()
        process.wait(timeout=20)


async def _check(kind: str, targets: int, rate: int, port: int, told: Path) -> None:
    """Check until SIGTERM; then write how late (ns) 99 % of the checks have started at most."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(15, stop.set)
    check = HealthCheck(PROBES[kind], targets * SECOND // rate, SECOND, rise=2, fall=3)
    with body.limited_searches(), contextlib.closing(Engine(report=lambda _: None)) as engine:
        engine.apply([Target(ip_address(FIRST + number), port, check) for number in range(targets)])
        gc.freeze()
        await asyncio.sleep(INTERVAL + WARM - 1)
        engine.lateness.counts[:] = [0] * len(engine.lateness.counts)
        engine.lateness.most = 0
        await stop.wait()
        told.write_text(str(engine.lateness.quantile(0.99)))


if __name__ == "__main__":
    asyncio.run(_check(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5])))
