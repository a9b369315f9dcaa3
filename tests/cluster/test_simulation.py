"""A share of the simulation: no two holders, convergence, the same seed the same run, and bugs that it finds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cluster import timings
from tests.cluster.mutants import MUTANTS, Mutant
from tests.cluster.simulation.run import run
from tests.cluster.simulation.scenario import PROFILES, Profile

from vedette.kit.units import MILLISECOND

QUICK = {"a voter refuses nothing", "half of the voters are a quorum", "votes are counted, not voters"}
CHEAP = [mutant for mutant in MUTANTS if mutant.name in QUICK or mutant.case is not None]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_faults_make_no_two_holders_and_leave_a_cluster_that_heals(profile: Profile) -> None:
    """`run` raises when two answered, or when a healed cluster did not come to rest in time."""
    for seed in range(900_000, 900_001 if profile.large else 900_004):
        assert run(seed, profile).simulated > 0


def test_the_same_seed_is_the_same_run_whatever_the_hash_seed() -> None:
    """One seed of every profile but the large one."""
    program = "from tests.cluster.simulation.run import run; print([run(seed).digest for seed in range(11)])"
    root = Path(__file__).parents[2]
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            cwd=root,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


@pytest.mark.parametrize("mutant", CHEAP, ids=lambda mutant: mutant.name)
def test_a_planted_bug_is_found(mutant: Mutant) -> None:
    assert mutant.hunt(seeds=40) is not None


@pytest.mark.parametrize(
    ("case", "bound"),
    [
        ("any other node dies", 0),
        ("all daemons restart, one by one", 0),
        ("planned move", 50 * MILLISECOND),
        ("clean stop of the holder", 50 * MILLISECOND),
        ("holder's machine dies", 1300 * MILLISECOND),
    ],
)
def test_no_event_costs_more_than_promised(case: str, bound: int) -> None:
    """interval 200 ms, deadAfter 1 s."""
    times = timings.measure(case, 200 * MILLISECOND, 1000 * MILLISECOND, 2)
    assert times[-1] <= bound
