"""One changed weight among 10,000 real servers: from the moment the file is saved to the kernel's table.

In a machine of its own (User Mode Linux). The servers are written out one by one, in one virtual service without
checks. Every round saves the file twice: renamed over, as most editors and Git do, and written in place. The time ends
when the daemon says that it has sent its messages; what it sent, and what the table then holds, is checked.

keepalived is told to reload the same change in the same machine, and is looked at the same way: its time ends when the
table shows the weight, its processor time is that of all its processes.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import Figures, inside, prepare, write_key
from benchmarks.results import Row
from benchmarks.starts import destinations, flush

HEAD = """\
apiVersion: vedette.dev/v1alpha1
kind: HACluster
metadata: {name: edits}
spec:
  auth: {keys: [{secretFile: key}]}
  nodes: [{name: bench, address: 10.77.0.1}]
  groups:
    - addresses: [{address: 10.77.0.100/24}]
  virtualServices:
    - ports: [80]
      checks: []
      realServers:
"""
LINE = re.compile(r"ipvs\.programmed .*created=(\d+) updated=(\d+) deleted=(\d+)")
LIMIT = 120.0
"""Seconds after which a program counts as stuck."""


def run(options: argparse.Namespace) -> list[Row]:
    """Milliseconds from the save to the table; processor time of who made it so."""
    size = 500 if options.quick else 10_000
    found = inside("benchmarks.edits", size, options.rounds)
    work = f"one weight of {size:,}"
    return [
        Row(f"{work}, saved by renaming, to the table", "ms", found["rename"], "keepalived", found["keepalived"],
            goal="< 100 ms natively"),
        Row(f"{work}, written in place, to the table", "ms", found["write"], goal="< 100 ms natively"),
        Row(f"{work}: messages", "", found["messages"], goal="1"),
        Row(f"{work}: processor time, with 2 s of looks", "ms", found["cpu"], "keepalived", found["keepalived cpu"]),
    ]  # fmt: skip


# In the machine


def measure(size: int, rounds: int) -> Figures:
    prepare()
    figures: Figures = {"keepalived": [], "keepalived cpu": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_key(folder)
        flush()
        with vedette(folder, size) as (pids, programmed):
            figures |= _ours(folder, size, rounds, pids, programmed)
        flush()
        with keepalived(folder, size) as pids:
            for number in range(rounds):
                took, cpu = _reload(folder, size, 1000 + number, pids)
                figures["keepalived"].append(took)
                figures["keepalived cpu"].append(cpu)
    return figures


def _ours(
    folder: Path, size: int, rounds: int, pids: Callable[[], list[int]], programmed: Callable[[], int]
) -> Figures:
    found: Figures = {"rename": [], "write": [], "messages": [], "cpu": []}
    for number in range(2 * rounds):
        way = ("rename", "write")[number % 2]
        text = document(size, weight=1000 + number)
        time.sleep(3)
        busy = processor_time(pids())
        began = time.monotonic()
        save(folder / "cluster.yaml", text, way)
        found["messages"].append(programmed())
        found[way].append((time.monotonic() - began) * 1e3)
        time.sleep(2)
        found["cpu"].append((processor_time(pids()) - busy) * 1e3)
        if weight(size // 2) != 1000 + number:
            raise SystemExit(f"the kernel's table has the weight {weight(size // 2)}, not {1000 + number}")
    return found


def document(size: int, *, weight: int) -> str:
    """The server in the middle has this weight."""
    items = (
        f"        - address: {address}\n          weight: {weight if number == size // 2 else number % 100}\n"
        for number, address in enumerate(addresses(size))
    )
    return HEAD + "".join(items)


def addresses(size: int) -> Iterator[str]:
    return (f"10.1.{number >> 8}.{number & 255}" for number in range(size))


def save(path: Path, text: str, way: str) -> None:
    if way == "write":
        path.write_text(text)
        return
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(path)


@contextmanager
def vedette(folder: Path, size: int) -> Iterator[tuple[Callable[[], list[int]], Callable[[], int]]]:
    """The daemon with all in the table: its processes, and who waits for its next messages and counts them."""
    save(folder / "cluster.yaml", document(size, weight=1), "write")
    command = [sys.executable, "-m", "vedette.cli.main", "run", "--spec", folder / "cluster.yaml", "--node", "bench"]
    command += ["--run-dir", folder / "run", "--state-dir", folder / "state"]
    process = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")

    def programmed() -> int:
        for line in lines:
            found = LINE.search(line)
            if found:
                return sum(map(int, found.groups()))
        raise SystemExit("the daemon has ended")

    try:
        seen = 0
        while seen < size:
            seen += programmed()
        yield (lambda: family(process.pid)), programmed
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@contextmanager
def keepalived(folder: Path, size: int) -> Iterator[Callable[[], list[int]]]:
    path = folder / "keepalived.conf"
    path.write_text(configuration(size, weight=1))
    command = ["keepalived", "-C", "-n", "-l", "-p", folder / "pid", "-c", folder / "checkers.pid", "-f", path]
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until(lambda: destinations() >= size or process.poll() is not None)
        time.sleep(3)
        yield lambda: family(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def configuration(size: int, *, weight: int) -> str:
    servers = "".join(
        f"real_server {address} 80 {{\nweight {weight if number == size // 2 else number % 100}\n}}\n"
        for number, address in enumerate(addresses(size))
    )
    head = "virtual_server 10.77.0.100 80 {\ndelay_loop 2\nlb_algo wlc\nlb_kind NAT\nprotocol TCP\n"
    return f"{head}{servers}}}\n"


def _reload(folder: Path, size: int, wanted: int, pids: Callable[[], list[int]]) -> tuple[float, float]:
    """Milliseconds to the table, and of processor time."""
    (folder / "keepalived.conf").write_text(configuration(size, weight=wanted))
    busy, began = processor_time(pids()), time.monotonic()
    os.kill(int((folder / "pid").read_text()), signal.SIGHUP)
    until(lambda: weight(size // 2) == wanted)
    took = (time.monotonic() - began) * 1e3
    time.sleep(2)
    return took, (processor_time(pids()) - busy) * 1e3


def until(done: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not done():
        if time.monotonic() - began > LIMIT:
            raise SystemExit("nothing came of it")
        time.sleep(0.02)


def weight(number: int) -> int | None:
    """What /proc/net/ip_vs says of one server."""
    wanted = f"0A01{number >> 8:02X}{number & 255:02X}:0050"
    for line in Path("/proc/net/ip_vs").read_text().splitlines():
        words = line.split()
        if words[:2] == ["->", wanted]:
            return int(words[3])
    return None


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for parent in found:
        tasks = Path(f"/proc/{parent}/task/{parent}/children")
        found += [int(word) for word in tasks.read_text().split()] if tasks.exists() else []
    return found


def processor_time(pids: list[int]) -> float:
    """Seconds that the kernel has accounted to all of them, children that have ended included."""
    ticks = 0
    for pid in pids:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, words[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    json.dump(measure(int(sys.argv[1]), int(sys.argv[2])), sys.stdout)
