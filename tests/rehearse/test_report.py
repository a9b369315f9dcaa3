"""The forms of a result."""

import io
import json
from xml.etree import ElementTree as Xml

import pytest

from vedette.cli import rehearse
from vedette.cli.output import Paint
from vedette.kit.errors import UsageError
from vedette.kit.units import MILLISECOND, SECOND
from vedette.lab.drills import catalogue
from vedette.lab.drills.judge import Sums
from vedette.lab.report import Report, Result, Verdict, as_junit, as_plain, row, summary

GOOD = Result(
    "power-cut-active", "power", Verdict.HELD, "gap ≤ 1.3s", Sums(1032 * MILLISECOND, 103, 1, 0, 0), duration=9 * SECOND
)
BAD = Result(
    "machine-frozen",
    "freeze",
    Verdict.FAILED,
    "gap ≤ 1.3s",
    Sums(1032 * MILLISECOND, 103, 1, 20 * MILLISECOND, 3),
    reasons=("fault: r1 and r2 both answered\x07",),
)
SKIPPED = Result("power-cut-witness", "witness", Verdict.SKIPPED, reasons=("the document has no witness",))


def report(*results: Result) -> Report:
    return Report("web", "cluster.yaml", "majority", results, 10 * MILLISECOND, 272 * SECOND, logs=None)


def test_all_held_or_skipped_is_held() -> None:
    assert report(GOOD, SKIPPED).held
    assert not report(GOOD, BAD).held


def test_a_row_shows_what_was_expected_and_seen() -> None:
    assert row(GOOD) == ("power-cut-active", "gap ≤ 1.3s", "1032 ms", "103", "0", "held")
    assert row(BAD)[4:] == ("20 ms", "FAILED")
    assert row(SKIPPED)[-1] == "skipped: the document has no witness"


def test_a_single_frame_of_a_second_machine_is_not_shown_as_nothing() -> None:
    one = Result("d", "", Verdict.FAILED, "", Sums(0, 0, 0, 0, 1))
    assert row(one)[4] == "1 frames"


def test_the_summary_counts_and_tells_the_time() -> None:
    assert summary(report(GOOD, GOOD, BAD, SKIPPED)) == "2 held, 1 failed, 1 skipped in 4 min 32 s"
    assert summary(report(GOOD)) == "1 held in 4 min 32 s"


def test_json_holds_the_figures_in_milliseconds() -> None:
    plain = json.loads(json.dumps(as_plain(report(GOOD, SKIPPED))))
    assert plain["held"] is True
    assert plain["drills"][0]["measured"]["longestGapMs"] == 1032.0
    assert plain["drills"][1]["measured"] == {}


def test_junit_is_well_formed_and_counts_failures_and_skips() -> None:
    suite = Xml.fromstring(as_junit(report(GOOD, BAD, SKIPPED)).encode())
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "fault: r1 and r2 both answered?"


def test_the_text_says_why_a_drill_failed() -> None:
    text = rehearse.render(report(GOOD, BAD), Paint(enabled=False))
    assert "machine-frozen failed\n  fault: r1 and r2 both answered" in text
    assert text.splitlines()[0].split() == ["DRILL", "EXPECTED", "LONGEST", "GAP", "LOST", "DOUBLES", "VERDICT"]


def test_progress_in_a_file_is_one_line_a_happening() -> None:
    stream = io.StringIO()
    progress = rehearse.Plain(stream)
    progress.step("building")
    progress.detail("router1 boots")
    progress.done("built")
    assert stream.getvalue() == "... building\nbuilt\n"


def test_progress_on_a_terminal_writes_over_the_running_step() -> None:
    stream = io.StringIO()
    progress = rehearse.Live(stream)
    progress.step("building")
    progress.done("built")
    assert stream.getvalue().endswith("\r\x1b[Kbuilt\n")
    assert stream.getvalue().count("\n") == 1


def test_every_drill_has_a_name_of_its_own_and_an_explanation() -> None:
    names = [drill.name for drill in catalogue.ALL]
    assert len(names) == len(set(names))
    assert all(drill.summary for drill in catalogue.ALL)


def test_drills_are_chosen_by_name_and_an_unknown_one_is_refused() -> None:
    chosen = catalogue.choose(["power-cut-active", "planned-move"])
    assert [drill.name for drill in chosen] == ["planned-move", "power-cut-active"]
    with pytest.raises(UsageError, match="no drill tea-break"):
        catalogue.choose(["tea-break"])
