"""Patterns for bodies."""

import time
from collections.abc import Iterator

import pytest

from vedette.health import body
from vedette.health.body import Matcher, TooCostlyError


@pytest.fixture
def limited() -> Iterator[None]:
    """The limit as in the checker process, and gone afterwards."""
    with body.limited_searches():
        yield


@pytest.mark.parametrize(
    ("pattern", "data", "found"),
    [
        ("OK", b"status: OK\n", True),
        ("^OK$", b"not OK", False),
        ("(?m)^OK$", b"first\nOK\nlast", True),
        ("grün", "alles grün".encode(), True),
        ("OK", b"\xff\xfe OK", True),
        ("OK", b"", False),
    ],
)
def test_a_pattern_is_searched_anywhere_in_the_body(pattern: str, data: bytes, found: bool) -> None:
    assert Matcher(pattern).found_in(data) is found


def test_a_broken_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="not a regular expression"):
        Matcher("(unclosed")


@pytest.mark.usefixtures("limited")
def test_a_search_that_would_take_for_ever_is_given_up() -> None:
    with pytest.raises(TooCostlyError):
        Matcher("(a+)+b").found_in(b"a" * 64)


@pytest.mark.usefixtures("limited")
def test_a_pattern_that_was_given_up_gets_less_time_until_a_search_of_it_ends() -> None:
    def takes() -> float:
        began = time.process_time()
        with pytest.raises(TooCostlyError):
            matcher.found_in(b"a" * 64)
        return time.process_time() - began

    matcher = Matcher("(a+)+b")
    assert takes() >= body.LIMIT
    assert takes() < body.LIMIT
    assert matcher.found_in(b"ab")
    assert takes() >= body.LIMIT


@pytest.mark.usefixtures("limited")
def test_the_limit_leaves_sane_searches_alone() -> None:
    matcher = Matcher("needle")
    assert all(matcher.found_in(b"x" * (64 << 10) + b"needle") for _ in range(100))
