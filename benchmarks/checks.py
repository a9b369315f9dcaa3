"""Processor time per check on loopback, with time-outs, states and reports on; lateness; memory.

Everybody checks the same server, which is a program of its own and counts. Counted is the checker's process as the
kernel accounts it: the kernel's share of the loopback connection that runs in it is part of that, for everybody.
"""

import argparse
import asyncio
import resource
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from ipaddress import ip_address
from pathlib import Path

from benchmarks.peers import checkers
from benchmarks.peers.checkers import FIRST, Work
from benchmarks.peers.programs import Server, build, processor_time, resident, server, until
from benchmarks.peers.web import Web, web
from benchmarks.results import Row
from vedette.health.client import CheckerClient
from vedette.health.engine import Engine
from vedette.kit.units import SECOND
from vedette.spec.resolved import HealthCheck, HttpProbe, Probe, TcpProbe
from vedette.spec.tls import Tls
from vedette.state.health import Target

PORT, SECURE = 8180, 8183
PROBES: dict[str, Probe] = {
    "tcp": TcpProbe(),
    "http": HttpProbe(path="/health", body="status: OK"),
    "https": HttpProbe(path="/health", body="status: OK", tls=Tls(verify=False)),
}
WARM, WINDOW = 3.0, 4.0
"""Seconds that a checker runs before it is looked at, and for which it is."""

Checker = Callable[[Path, Work], AbstractContextManager[int]]


def run(options: argparse.Namespace) -> list[Row]:
    """All rows about checks."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rates, many = ((200,), 500) if options.quick else ((1000, 5000), 10_000)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder)
        with server(folder, PORT) as target:
            for kind in ("tcp", "http"):
                for rate in rates:
                    rows += _cost(folder, target, Work(kind, rate, rate, PORT), options.rounds)
            rows += _large(folder, target, Work("tcp", many, many // 2, PORT), options.rounds)
            rows += _serial(folder, target, Work("tcp", 100, 100, PORT), options.rounds)
        with web(folder, SECURE) as secure:
            rows += _cost(folder, secure, Work("https", rates[0] // 5, rates[0] // 5, SECURE), options.rounds)
    rows += _late(rates, options.rounds)
    return rows


def _cost(folder: Path, target: Server | Web, work: Work, rounds: int) -> list[Row]:
    """CPU per check, in turns."""
    programs: dict[str, Checker] = {"ours": vedette, "keepalived": checkers.keepalived}
    if work.kind != "https":
        programs["C, epoll"] = checkers.epoll
    taken: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            with program(folder, work) as pid:
                taken[name].append(_watch(pid, target)[0])
    line = f"{work.kind} check, CPU at {work.rate:,} a second"
    rows = [Row(line, "µs", taken["ours"], "keepalived", taken["keepalived"], goal="ratio ≤ 1")]
    if "C, epoll" in taken:
        rows.append(Row(f"{line} (beside the least)", "µs", taken["ours"], "C, epoll", taken["C, epoll"]))
    return rows


def _large(folder: Path, target: Server, work: Work, rounds: int) -> list[Row]:
    """Many servers: share of one processor, memory of the checker, rate that is reached."""
    programs: dict[str, Checker] = {"ours": vedette, "keepalived": checkers.keepalived}
    share: dict[str, list[float]] = {name: [] for name in programs}
    memory: dict[str, list[float]] = {name: [] for name in programs}
    rates: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            with program(folder, work) as pid:
                each, rate = _watch(pid, target, warm=WARM + work.interval)
                share[name].append(100 * each * rate / 1e6)
                rates[name].append(rate)
                memory[name].append(resident(pid))
    line = f"{work.targets:,} servers every {work.interval:g} s"
    return [
        Row(f"{line}: one processor", "%", share["ours"], "keepalived", share["keepalived"], goal="below 100 %"),
        Row(f"{line}: checks a second", "1/s", rates["ours"], "keepalived", rates["keepalived"]),
        Row(f"{line}: memory of the checker", "MB", memory["ours"], "keepalived", memory["keepalived"]),
    ]


def _serial(folder: Path, target: Server, work: Work, rounds: int) -> list[Row]:
    """ldirectord checks one server after the other."""
    taken: dict[str, list[float]] = {"ours": [], "ldirectord": []}
    for _ in range(rounds):
        for name, program in (("ours", vedette), ("ldirectord", checkers.ldirectord)):
            with program(folder, work) as pid:
                taken[name].append(_watch(pid, target)[0])
    line = f"{work.kind} check, CPU, {work.targets} servers every {work.interval:g} s"
    return [Row(line, "µs", taken["ours"], "ldirectord", taken["ldirectord"])]


def _watch(pid: int, target: Server | Web, *, warm: float = WARM) -> tuple[float, float]:
    """Microseconds of processor time per check, and checks a second."""
    time.sleep(warm)
    checks, cpu, began = target.accepted, processor_time(pid), time.monotonic()
    time.sleep(WINDOW)
    checks, cpu, elapsed = target.accepted - checks, processor_time(pid) - cpu, time.monotonic() - began
    return (cpu / checks * 1e6 if checks else 0.0), checks / elapsed


def _targets(work: Work, *, port: int | None = None) -> list[Target]:
    check = HealthCheck(PROBES[work.kind], round(work.interval * SECOND), SECOND, rise=2, fall=3)
    return [Target(ip_address(FIRST + number), port or work.port, check) for number in range(work.targets)]


@contextmanager
def vedette(folder: Path, work: Work) -> Iterator[int]:
    """Our checker as the director runs it: a process of its own, verdicts over the channel."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    client = asyncio.run_coroutine_threadsafe(_client(work), loop).result()
    running = asyncio.run_coroutine_threadsafe(client.run(), loop)
    try:
        until(lambda: client.child.pid)
        assert client.child.pid is not None
        yield client.child.pid
    finally:
        running.cancel()
        until(lambda: client.child.pid is None)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def _client(work: Work) -> CheckerClient:
    client = CheckerClient(changed=lambda: None)
    client.set_targets(_targets(work))
    return client


# Lateness is what only the checker itself knows


def _late(rates: Sequence[int], rounds: int) -> list[Row]:
    """How late checks of healthy servers start when a tenth of all servers accept nothing."""
    rows = []
    with silent() as deaf, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder)
        with server(folder, PORT) as target:
            for rate in rates:
                work = Work("tcp", rate, rate, target.port)
                found = [asyncio.run(_lateness(work, deaf)) for _ in range(rounds)]
                rows.append(Row(f"start lateness p99, a tenth hung, {rate:,} a second", "ms", found, goal="≤ 50 ms"))
    return rows


async def _lateness(work: Work, deaf: int) -> float:
    """Milliseconds, at most (within a factor of two)."""
    hung = work.targets // 10
    targets = _targets(work, port=deaf)[:hung] + _targets(work)[hung:]
    engine = Engine(report=lambda _: None)
    engine.apply(targets)
    await asyncio.sleep(WARM)
    engine.lateness.counts[:] = [0] * len(engine.lateness.counts)
    engine.lateness.most = 0
    await asyncio.sleep(WINDOW)
    late = engine.lateness.quantile(0.99) / 1e6
    engine.close()
    return late


@contextmanager
def silent() -> Iterator[int]:
    """A port whose queue is full: the kernel drops further connections silently."""
    with socket.create_server(("0.0.0.0", 0), backlog=0) as listener:  # noqa: S104 - all of loopback
        port: int = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port
        for filler in fillers:
            filler.close()
