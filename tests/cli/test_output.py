"""How the verbs print for people."""

from datetime import UTC, datetime, timedelta

import pytest

from vedette.cli.output import Paint, ago, table

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_columns_line_up_even_where_cells_are_coloured() -> None:
    paint = Paint(enabled=True)
    lines = table(["NODE", "STATE", "WHY"], [["a", paint.state("up"), "x"], ["longer", paint.state("dead"), "y"]])
    bare = [
        line.replace("\x1b[32m", "").replace("\x1b[31;1m", "").replace("\x1b[0m", "") for line in lines.splitlines()
    ]
    assert bare == ["NODE    STATE  WHY", "a       up     x", "longer  dead   y"]


def test_without_a_terminal_there_is_no_escape_sequence() -> None:
    paint = Paint(enabled=False)
    assert paint.bad("x") + paint.state("up") + paint.strong("z") == "xupz"


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        (timedelta(seconds=-1), "0s ago"),
        (timedelta(seconds=59), "59s ago"),
        (timedelta(minutes=61), "1h ago"),
        (timedelta(days=3), "3d ago"),
    ],
)
def test_a_time_reads_as_a_distance(distance: timedelta, text: str) -> None:
    assert ago((NOW - distance).isoformat(), NOW) == text


def test_never_is_a_dash() -> None:
    assert ago(None, NOW) == "-"
