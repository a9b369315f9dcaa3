"""Durations are nanoseconds, and are shown as people write them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.kit import units

_SIZES = {"h": units.HOUR, "m": units.MINUTE, "s": units.SECOND, "ms": units.MILLISECOND, "us": 1_000, "ns": 1}


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (0, "0s"),
        (500 * units.MILLISECOND, "500ms"),
        (1500 * units.MILLISECOND, "1500ms"),
        (3 * units.SECOND, "3s"),
        (10 * units.MINUTE, "10m"),
        (90 * units.SECOND, "90s"),
        (units.HOUR, "1h"),
        (1, "1ns"),
    ],
)
def test_a_duration_is_shown_as_people_write_it(duration: int, text: str) -> None:
    assert units.show(duration) == text


@given(st.integers(min_value=1, max_value=10 * units.HOUR))
def test_what_is_shown_is_exact(duration: int) -> None:
    match = re.fullmatch(r"(\d+)([a-z]+)", units.show(duration))
    assert match is not None
    assert int(match[1]) * _SIZES[match[2]] == duration


def test_asyncio_gets_seconds() -> None:
    assert units.seconds(1500 * units.MILLISECOND) == 1.5


def test_what_was_measured_is_shown_to_the_millisecond() -> None:
    assert units.about(749_812_345) == "749ms"
    assert units.about(999) == "0s"
