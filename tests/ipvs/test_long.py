"""A short share of what ``make day`` runs for 24 simulated hours: nothing is left over, and nothing is forgotten."""

import logging
from pathlib import Path

import pytest
from tests.ipvs.long import live

from vedette.kit.units import MINUTE


@pytest.mark.parametrize("seed", [2])
def test_flapping_edits_and_drifts_leave_no_residue(
    tmp_path: Path, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)  # thousands of changes, each of them logged
    day = live(tmp_path, seed=seed, duration=20 * MINUTE)
    assert day.messages < 3 * day.events, "more messages than what happened can explain"
