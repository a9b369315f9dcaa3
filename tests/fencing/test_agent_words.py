"""What a fence agent's answer to `status` is worth."""

import pytest

from vedette.fencing.device import Power
from vedette.fencing.drivers import agent
from vedette.fencing.drivers.program import Answer


@pytest.mark.parametrize(("status", "said", "power"), [(0, "Status: ON", Power.ON), (2, "Status: OFF", Power.OFF)])
def test_an_exit_status_counts_beside_its_own_words(status: int, said: str, power: Power) -> None:
    assert agent.read(Answer(status, f"a banner\n{said}\n", "a warning")) is power


@pytest.mark.parametrize(
    ("status", "output"),
    [
        (2, ""),
        (2, "Status: ON\n"),
        (2, "Status: ON\nStatus: OFF\n"),
        (2, "the plug's Status: OFF\n"),
        (2, "Status: OFFLINE\n"),
        (0, ""),
        (0, "Status: OFF\n"),
        (1, "Status: OFF\n"),
        (-9, "Status: OFF\n"),
    ],
)
def test_an_exit_status_without_its_own_words_says_nothing(status: int, output: str) -> None:
    """2 is also how an interpreter ends that cannot open its script, and a program with the wrong options."""
    assert agent.read(Answer(status, output, "")) is None
