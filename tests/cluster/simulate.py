"""``python -m tests.cluster.simulate --seeds N``: run the cluster core on virtual time and count what went wrong.

A failing seed is printed and can be run alone with ``--seed``; ``--trace`` prints what happened in it.
"""

import argparse
import sys
import time
from collections import Counter

from tests.cluster.simulation.run import Result, run
from tests.cluster.simulation.scenario import PROFILES

from vedette.kit.errors import InvariantError
from vedette.kit.units import HOUR


def main() -> int:
    arguments = _arguments()
    first = arguments.seed if arguments.seed is not None else arguments.first
    count = 1 if arguments.seed is not None else arguments.seeds
    profile = next((profile for profile in PROFILES if profile.name == arguments.profile), None)
    simulated, violations, began, tried = 0, 0, time.monotonic(), 0
    kinds: Counter[str] = Counter()
    for seed in range(first, first + count):
        tried += 1
        try:
            result: Result = run(seed, profile)
        except (AssertionError, InvariantError) as error:
            violations += 1
            kinds[type(error).__name__] += 1
            print(f"{type(error).__name__}: {error}", flush=True)
            if arguments.trace:
                print("\n".join(getattr(error, "__notes__", [])))
            if violations >= arguments.most:
                break
            continue
        simulated += result.simulated
        if arguments.trace:
            print("\n".join(result.trace))
            print(f"digest={result.digest}")
    print(f"seeds={tried} cluster_hours={simulated / HOUR:.2f} violations={violations} {dict(kinds) or ''}".rstrip())
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    return 1 if violations else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="run only this seed")
    parser.add_argument("--profile", choices=[profile.name for profile in PROFILES], help="instead of all in turn")
    parser.add_argument("--most", type=int, default=20, help="stop after this many violations")
    parser.add_argument("--trace", action="store_true", help="print what happened")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
