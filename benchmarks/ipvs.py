"""The load balancer table, ours against ipvsadm, interleaved in one machine with a real kernel (User Mode Linux).

Rows: programming an empty table, reading it back, and one changed weight. A pass of the reconciler observes, plans
and sends; the row "send" is its last part alone. System calls are dear in such a machine, so batches gain more than
they would on bare metal: compare the ratios of one run, not the milliseconds of two.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from benchmarks.machine import Figures, inside
from benchmarks.results import Row
from vedette.ipvs.desired import desired
from vedette.ipvs.kernel import KernelTable
from vedette.ipvs.plan import plan
from vedette.ipvs.reconciler import Reconciler
from vedette.kit.units import SECOND
from vedette.spec.resolved import (
    ClusterSpec,
    Endpoint,
    Heartbeat,
    Protocol,
    RealServer,
    SplitBrainPolicy,
    VirtualService,
)

SERVICES = 100


def run(options: argparse.Namespace) -> list[Row]:
    """Boot a machine, measure in it, and compare with ipvsadm there."""
    sizes = (200,) if options.quick else (1000, 10_000)
    return [row for size in sizes for row in rows(size, inside("benchmarks.ipvs", size, options.rounds))]


def rows(size: int, times: Figures) -> list[Row]:
    work = f"{size:,} destinations"
    pairs = (
        ("programme an empty table", "program: send", "program: ipvsadm -R", "ipvsadm -R", "ratio ≤ 0.05"),
        ("programme, whole pass", "program: pass", "program: ipvsadm -R", "ipvsadm -R", ""),
        ("read the table", "dump: observe", "dump: ipvsadm -Sn", "ipvsadm -Sn", "ratio ≤ 1"),
        ("one changed weight, whole pass", "weight: pass", "weight: ipvsadm -e", "ipvsadm -e", ""),
        ("nothing changed, whole pass", "idle: pass", "", "", ""),
        ("look for drift", "dump: fingerprint", "", "", ""),
    )
    return [
        Row(f"{work}: {what}", "ms", times[ours], peer, times.get(theirs, ()), goal=goal)
        for what, ours, theirs, peer, goal in pairs
    ]


def measure(size: int, rounds: int) -> Figures:
    """Milliseconds by row; ours and the peer's take turns."""
    spec = document(size, SERVICES)
    rows: Figures = {}
    table = KernelTable()
    table.observe()
    for _ in range(rounds):
        table.flush()
        wanted = desired(spec, {}, {})
        actions = plan(wanted, {}, owned=lambda _: True)
        clocked(rows, "program: send", partial(table.perform, actions))
        saved = ipvsadm("-Sn")
        clocked(rows, "dump: ipvsadm -Sn", lambda: ipvsadm("-Sn"))
        clocked(rows, "dump: observe", table.observe)
        clocked(rows, "dump: fingerprint", table.fingerprint)
        clocked(rows, "weight: ipvsadm -e", lambda: ipvsadm(*EDIT))
        table.flush()
        clocked(rows, "program: ipvsadm -R", partial(ipvsadm, "-R", stdin=saved))
        table.flush()
        with tempfile.TemporaryDirectory() as run_dir:
            passes(rows, spec, Path(run_dir))
    table.close()
    return rows


EDIT = ("-e", "-t", "203.0.113.1:80", "-r", "10.0.0.1:80", "-m", "-w", "7")


def passes(rows: Figures, spec: ClusterSpec, run_dir: Path) -> None:
    """The reconciler from an empty table, again with nothing to do, and after one weight was edited."""
    reconciler = Reconciler(run_dir=run_dir)
    first = spec.virtual_services[0]
    heavier = (replace(first.real_servers[0], weight=9), *first.real_servers[1:])
    edited = replace(
        spec, digest="2", virtual_services=(replace(first, real_servers=heavier), *spec.virtual_services[1:])
    )
    for row, document_ in (("program: pass", spec), ("idle: pass", spec), ("weight: pass", edited)):
        clocked(rows, row, partial(_pass, reconciler, document_))
    if not reconciler.settled:
        raise SystemExit(f"the reconciler is not settled: {reconciler.problems()}")


def _pass(reconciler: Reconciler, spec: ClusterSpec) -> None:
    """Take a document over; an edited weight is sent by that alone, before the look at the table."""
    reconciler.update(spec, {}, complete=True)
    asyncio.run(reconciler.reconcile())


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


def clocked(rows: Figures, row: str, work: Callable[[], object]) -> None:
    started = time.perf_counter()
    work()
    rows.setdefault(row, []).append(1000 * (time.perf_counter() - started))


if __name__ == "__main__":
    json.dump(measure(int(sys.argv[1]), int(sys.argv[2])), sys.stdout)
