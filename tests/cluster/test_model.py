"""The lease rules as a Promela model: Spin finds every planted bug and nothing else (docs/design/lease-model.md)."""

import pytest
from tests.cluster.spin import PLANTED, POSSIBLE, SAFE, Run, check

pytestmark = pytest.mark.model


@pytest.mark.parametrize("run", POSSIBLE, ids=lambda run: run.name)
def test_the_model_can_do_it(run: Run) -> None:
    assert check(run).steps == run.steps


@pytest.mark.parametrize("run", SAFE, ids=lambda run: run.name)
def test_nobody_holds_beside_another(run: Run) -> None:
    found = check(run)
    assert found.complete
    assert found.steps is None


@pytest.mark.parametrize("run", PLANTED, ids=lambda run: run.name)
def test_a_planted_bug_makes_two_holders(run: Run) -> None:
    assert check(run).steps == run.steps
