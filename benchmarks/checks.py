"""Processor time per check on loopback, with time-outs, states and reports on.

    python benchmarks/checks.py [--rate 1000] [--targets 1000] [--seconds 5] [--hung 0]

Servers run in a child process, so only the checker's own time is counted; the kernel's share of the loopback
connection that runs in the checker's context is part of it, as it is for every other checker. ``--hung`` is the
share (0 to 1) of the targets that accept nothing: their checks end by time-out.
"""

import argparse
import asyncio
import os
import resource
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

from vedette.health.engine import Engine
from vedette.kit.units import SECOND
from vedette.spec.resolved import HealthCheck, HttpProbe, Probe, TcpProbe
from vedette.state.health import Health, Target, Verdicts

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\nConnection: close\r\n\r\nstatus: OK\r\n"
PROBES: dict[str, Probe] = {"tcp": TcpProbe(), "http": HttpProbe(path="/health", body="status: OK")}
TIMEOUT = SECOND


def main() -> None:
    """Measure and print one row for each kind of check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=1000, help="checks a second")
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--hung", type=float, default=0.0)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print("check targets   rate  us/check  late p50/p99/max ms   up  rss MB")
    for name in PROBES:
        with servers() as port, hung_server() as silent:
            asyncio.run(measure(name, options, port, silent))


async def measure(name: str, options: argparse.Namespace, port: int, silent: int) -> None:
    """Run one engine for a while and print what it cost."""
    interval = options.targets * SECOND // options.rate
    check = HealthCheck(probe=PROBES[name], interval=interval, timeout=TIMEOUT, rise=2, fall=3)
    hung = int(options.targets * options.hung)
    first = int(ip_address("127.1.0.0"))
    targets = [
        Target(ip_address(first + number), silent if number < hung else port, check)
        for number in range(options.targets)
    ]
    changes: list[Verdicts] = []
    engine = Engine(report=changes.append)
    engine.apply(targets)
    await asyncio.sleep(2 * interval / SECOND + 1)
    late, before, start, cpu = engine.lateness, engine.lateness.starts, time.monotonic(), time.process_time()
    counts = list(late.counts)
    late.most = 0
    await asyncio.sleep(options.seconds)
    cpu, elapsed, checks = time.process_time() - cpu, time.monotonic() - start, late.starts - before
    late.counts[:] = [now - then for now, then in zip(late.counts, counts, strict=True)]
    up = sum(verdict.health is Health.UP for verdict in engine.verdicts().values())
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    lateness = "/".join(f"{late.quantile(share) / 1e6:.1f}" for share in (0.5, 0.99, 1))
    print(
        f"{name:5} {options.targets:7} {checks / elapsed:6.0f}  {cpu / checks * 1e6:8.1f}  {lateness:>19}"
        f"  {up:5}  {rss}"
    )
    engine.close()


@contextmanager
def servers() -> Iterator[int]:
    """A child process that answers every connection to its port, on all of 127.0.0.0/8."""
    listener = socket.create_server(("0.0.0.0", 0), backlog=4096)  # noqa: S104 - all of loopback
    port: int = listener.getsockname()[1]
    child = os.fork()
    if child == 0:
        try:
            answer(listener)
        finally:
            os._exit(1)
    listener.close()
    try:
        yield port
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


@contextmanager
def hung_server() -> Iterator[int]:
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


def answer(listener: socket.socket) -> None:
    """Accept everything; answer those that ask, forget those that leave."""
    listener.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            try:
                if connection is listener:
                    while True:
                        accepted, _ = listener.accept()
                        accepted.setblocking(False)
                        selector.register(accepted, selectors.EVENT_READ)
                if connection.recv(4096):
                    connection.send(ANSWER)
            except BlockingIOError:
                continue
            except OSError:
                pass
            selector.unregister(connection)
            connection.close()


if __name__ == "__main__":
    main()
