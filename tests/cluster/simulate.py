"""``python -m tests.cluster.simulate --seeds N``: run the cluster core on virtual time and count what went wrong.

Every seed has at least a minute of faults (``--seconds``), then the cluster heals and must come to rest. A failing seed
is printed and can be run alone with ``--seed``; ``--trace`` prints what happened in it.
"""

import argparse
import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from multiprocessing import Pool

from tests.cluster.simulation.run import Result, run
from tests.cluster.simulation.scenario import PROFILES, Profile

from vedette.kit.errors import InvariantError
from vedette.kit.units import HOUR, SECOND

Outcome = Result | Exception


def main() -> int:
    arguments = _arguments()
    profile = next((profile for profile in PROFILES if profile.name == arguments.profile), None)
    one = partial(outcome, profile=profile, at_least=arguments.seconds * SECOND, trace=arguments.trace)
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    if arguments.seed is not None:
        return _tell([one(arguments.seed)], most=1, trace=arguments.trace)
    with Pool(arguments.jobs, initializer=gc.disable) as pool:
        outcomes = pool.imap_unordered(one, seeds)
        return _tell(_watched(outcomes, len(seeds)), most=arguments.most, trace=arguments.trace)


def outcome(seed: int, *, profile: Profile | None, at_least: int, trace: bool) -> Outcome:
    """Run one seed; what it raised when something was wrong."""
    try:
        result = run(seed, profile, at_least=at_least)
    except (AssertionError, InvariantError) as error:
        return error
    finally:
        gc.collect()  # a cluster is garbage as a whole, and next to nothing is while it runs
    return result if trace else replace(result, trace=())


def _watched(outcomes: Iterable[Outcome], count: int) -> Iterator[Outcome]:
    """Show how far it is: all the time on a terminal, else once a minute."""
    shown = began = time.monotonic()
    terminal = sys.stderr.isatty()
    for number, one in enumerate(outcomes, 1):
        now = time.monotonic()
        if terminal or now - shown >= 60:
            shown, left = now, round((now - began) / number * (count - number))
            told = f"{number} of {count} seeds, {left // 60} min {left % 60:02} s to go"
            print(f"\r{told} " if terminal else told, end="" if terminal else "\n", file=sys.stderr, flush=True)
        yield one
    if terminal:
        print(file=sys.stderr)


def _tell(outcomes: Iterable[Outcome], *, most: int, trace: bool) -> int:
    simulated = tried = 0
    wrong: Counter[str] = Counter()
    for one in outcomes:
        tried += 1
        if isinstance(one, Result):
            simulated += one.simulated
            if trace:
                print("\n".join((*one.trace, f"digest={one.digest}")))
            continue
        wrong[type(one).__name__] += 1
        print(f"{type(one).__name__}: {one}", flush=True)
        if trace:
            print("\n".join(getattr(one, "__notes__", [])))
        if wrong.total() >= most:
            break
    kinds = " ".join(f"{name}={count}" for name, count in sorted(wrong.items()))
    print(f"seeds={tried} cluster_hours={simulated / HOUR:.2f} violations={wrong.total()} {kinds}".rstrip())
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="run only this seed")
    parser.add_argument(
        "--seconds", type=int, default=60, help="simulated seconds of faults at least (0: as short as it gets)"
    )
    parser.add_argument("--profile", choices=[profile.name for profile in PROFILES], help="instead of all in turn")
    parser.add_argument("--most", type=int, default=20, help="stop after this many violations")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--trace", action="store_true", help="print what happened")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
