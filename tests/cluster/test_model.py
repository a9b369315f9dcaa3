"""The lease rules as a Promela model: Spin finds every planted bug and nothing else (docs/design/lease-model.md)."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.cluster.spin import PLANTED, POSSIBLE, SAFE, Found, Run, check

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]

Ask = Callable[[Run], Found]


@pytest.fixture(scope="module")
def spin() -> Iterator[Ask]:
    """What Spin says of a run; all runs begin at once, as many at a time as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        asked = {run: pool.submit(check, run) for run in (*POSSIBLE, *SAFE, *PLANTED)}
        yield lambda run: asked[run].result()


@pytest.mark.parametrize("run", POSSIBLE, ids=lambda run: run.name)
def test_the_model_can_do_it(spin: Ask, run: Run) -> None:
    assert spin(run).steps == run.steps


@pytest.mark.parametrize("run", SAFE, ids=lambda run: run.name)
def test_nobody_holds_beside_another(spin: Ask, run: Run) -> None:
    found = spin(run)
    assert found.complete
    assert found.steps is None


@pytest.mark.parametrize("run", PLANTED, ids=lambda run: run.name)
def test_a_planted_bug_makes_two_holders(spin: Ask, run: Run) -> None:
    assert spin(run).steps == run.steps
