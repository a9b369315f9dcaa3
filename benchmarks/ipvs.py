"""The load balancer table, ours against ipvsadm, interleaved in one machine with a real kernel (User Mode Linux).

    python benchmarks/ipvs.py [--rounds 3] [--services 100]

Rows: programming an empty table, reading it back, and one changed weight. A pass of the reconciler observes, plans
and sends; the row "send" is its last part alone. System calls are dear in such a machine, so batches gain more than
they would on bare metal: compare the ratios of one run, not the milliseconds of two.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from statistics import median

from vedette.ipvs.desired import desired
from vedette.ipvs.kernel import KernelTable
from vedette.ipvs.plan import plan
from vedette.ipvs.reconciler import Reconciler
from vedette.kit.units import SECOND
from vedette.lab.guest import Boot, Guest
from vedette.spec.resolved import (
    ClusterSpec,
    Endpoint,
    Heartbeat,
    Protocol,
    RealServer,
    SplitBrainPolicy,
    VirtualService,
)

INSIDE = "VEDETTE_BENCHMARK_INSIDE"
SIZES = (1000, 10_000)
Rows = dict[str, list[float]]


def main() -> None:
    """Boot a machine and run this file in it; in there, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--services", type=int, default=100)
    options = parser.parse_args()
    if INSIDE in os.environ:
        for size in SIZES:
            report(size, measure(size, options), options.rounds)
        return
    with tempfile.TemporaryDirectory() as directory:
        machine = Guest(Path(directory), Boot(hostname="bench", ip=("link set lo up",)))
        machine.power_on()
        try:
            print(run_inside(machine), end="")
        finally:
            machine.power_off()


def run_inside(machine: Guest) -> str:
    answer = machine.request(
        "run",
        limit=600.0,
        argv=[sys.executable, str(Path(__file__).resolve()), *sys.argv[1:]],
        stdin="",
        timeout=600.0,
        environment={INSIDE: "1"},
        directory=str(Path(__file__).parents[1]),
    )
    if answer["code"] != 0:
        raise SystemExit(answer["out"] + answer["err"])
    return str(answer["out"])


def measure(size: int, options: argparse.Namespace) -> Rows:
    """Milliseconds by row; ours and the peer's take turns."""
    spec = document(size, options.services)
    rows: Rows = {}
    table = KernelTable()
    table.observe()
    for _ in range(options.rounds):
        table.flush()
        wanted = desired(spec, {}, {})
        actions = plan(wanted, {}, owned=lambda _: True)
        clocked(rows, "program: send", lambda actions=actions: table.perform(actions))
        saved = ipvsadm("-Sn")
        clocked(rows, "dump: ipvsadm -Sn", lambda: ipvsadm("-Sn"))
        clocked(rows, "dump: observe", table.observe)
        clocked(rows, "dump: fingerprint", table.fingerprint)
        clocked(rows, "weight: ipvsadm -e", lambda: ipvsadm(*EDIT))
        table.flush()
        clocked(rows, "program: ipvsadm -R", lambda saved=saved: ipvsadm("-R", stdin=saved))
        table.flush()
        with tempfile.TemporaryDirectory() as run_dir:
            passes(rows, spec, Path(run_dir))
    table.close()
    return rows


EDIT = ("-e", "-t", "203.0.113.1:80", "-r", "10.0.0.1:80", "-m", "-w", "7")


def passes(rows: Rows, spec: ClusterSpec, run_dir: Path) -> None:
    """The reconciler from an empty table, again with nothing to do, and after one weight was edited."""
    reconciler = Reconciler(run_dir=run_dir)
    first = spec.virtual_services[0]
    heavier = (replace(first.real_servers[0], weight=9), *first.real_servers[1:])
    edited = replace(
        spec, digest="2", virtual_services=(replace(first, real_servers=heavier), *spec.virtual_services[1:])
    )
    for row, document_ in (("program: pass", spec), ("idle: pass", spec), ("weight: pass", edited)):
        reconciler.update(document_, {}, complete=True)
        clocked(rows, row, lambda: asyncio.run(reconciler.reconcile()))
    if not reconciler.settled:
        raise SystemExit(f"the reconciler is not settled: {reconciler.problems()}")


def document(size: int, services: int) -> ClusterSpec:
    """``size`` real servers over ``services`` virtual services that need no verdict."""
    first = int(ip_address("10.0.0.1"))
    each = size // services
    return ClusterSpec(
        name="bench",
        digest="1",
        nodes=(),
        keys=(),
        heartbeat=Heartbeat(SECOND, SECOND, 3 * SECOND, SECOND, ()),
        policy=SplitBrainPolicy.TOLERATE,
        groups=(),
        virtual_services=tuple(
            VirtualService(
                name=f"vs{number}",
                group="default",
                endpoints=(Endpoint(ip_address(int(ip_address("203.0.113.1")) + number), 80, Protocol.TCP),),
                real_servers=tuple(RealServer(ip_address(first + number * each + index)) for index in range(each)),
                checks=(),
                scheduler="wrr",
            )
            for number in range(services)
        ),
    )


def ipvsadm(*arguments: str, stdin: str = "") -> str:
    return subprocess.run(["ipvsadm", *arguments], input=stdin, capture_output=True, text=True, check=True).stdout


def clocked(rows: Rows, row: str, work: Callable[[], object]) -> None:
    started = time.perf_counter()
    work()
    rows.setdefault(row, []).append(1000 * (time.perf_counter() - started))


def report(size: int, rows: Rows, rounds: int) -> None:
    """Least and median of each row, and the peer's least time divided by ours: what else runs only adds to times."""
    least = {row: min(times) for row, times in rows.items()}
    print(f"{size} destinations, {rounds} rounds, milliseconds: least, median")
    for row in sorted(rows):
        print(f"  {row:22}{least[row]:10.1f}{median(rows[row]):10.1f}")
    for ours, peer in (
        ("program: send", "program: ipvsadm -R"),
        ("program: pass", "program: ipvsadm -R"),
        ("dump: observe", "dump: ipvsadm -Sn"),
        ("weight: pass", "weight: ipvsadm -e"),
    ):
        print(f"  {peer} / {ours}: {least[peer] / least[ours]:.1f}")


if __name__ == "__main__":
    main()
