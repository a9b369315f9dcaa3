"""Run all benchmarks, or those named, and keep their rows in ``benchmarks/results.json``.

    python -m benchmarks [NAME ...] [--rounds 3] [--quick]

Peers run in the same run, in turns with ours. Compare ratios, not milliseconds of two days. As root: the load
balancer's table needs a kernel of its own (User Mode Linux), and ldirectord a mount of its own.
"""

import argparse
import os
from collections.abc import Callable, Sequence

from benchmarks import checks, deaths, documents, edits, forgeries, heartbeats, ipvs, memory, rates, results, starts
from benchmarks.results import Row

Benchmark = Callable[[argparse.Namespace], Sequence[Row]]
ALL: dict[str, Benchmark] = {
    "checks": checks.run,
    "ipvs": ipvs.run,
    "documents": documents.run,
    "edits": edits.run,
    "forgeries": forgeries.run,
    "heartbeats": heartbeats.run,
    "deaths": deaths.run,
    "starts": starts.run,
    "memory": memory.run,
    "rates": rates.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", metavar="NAME", nargs="*", choices=[*ALL, []], help=f"of {', '.join(ALL)}")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="small sizes and short times: does it run at all?")
    options = parser.parse_args()
    for name in options.names or ALL:
        load = os.getloadavg()[0]
        print(f"== {name} (load {load:.1f})", flush=True)
        rows = ALL[name](options)
        print(results.show(rows), flush=True)
        if not options.quick:
            results.keep(name, rows, began=load)


if __name__ == "__main__":
    main()
