"""Texts that a check's expression finds."""

import re

import pytest

from vedette.lab.samples import sample


@pytest.mark.parametrize(
    "pattern",
    [
        "OK",
        "^OK$",
        r"\bhealthy\b",
        r"status:\s*(up|ok)",
        r'"status" *: *"(?:green|yellow)"',
        r"\d{3} ready, [a-z]+[^x]{2,4}",
        "(?i)welcome.*home",
        r"nginx/1\.2[0-9]\.\d+",
        "a|b",
        "",
    ],
)
def test_the_text_is_found_by_its_expression(pattern: str) -> None:
    text = sample(pattern)
    assert text is not None
    assert re.search(pattern, text)


@pytest.mark.parametrize("pattern", [r"(a)\1(?=b)c", "[", r"x(?<!x)y"])
def test_what_is_too_difficult_is_said_so(pattern: str) -> None:
    assert sample(pattern) is None
