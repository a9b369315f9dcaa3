"""`vedette fence` and `vedette confirm-off`: what is asked, what is shown, and the exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.daemon import give

from vedette.cli import fence
from vedette.kit.errors import TransientError, UsageError

THEN = "2026-11-22T12:00:00.000Z"


def item(**fields: Any) -> dict[str, Any]:
    return {
        "device": "bmc-b",
        "plug": None,
        "kind": "ipmi",
        "power": "on",
        "since": THEN,
        "readAt": THEN,
        "seenOn": True,
        "problem": None,
    } | fields


def status(*items: dict[str, Any], problems: tuple[dict[str, str], ...] = (), **fields: Any) -> dict[str, Any]:
    node = {
        "name": "b",
        "self": False,
        "state": "up",
        "living": True,
        "wanted": False,
        "off": None,
        "fence": None,
        "levels": [list(items)],
    }
    return {"node": "a", "time": THEN, "problems": list(problems), "nodes": [node | fields]}


ENTRY = {
    "time": THEN,
    "node": "b",
    "incarnation": 5,
    "result": "off",
    "reason": "off, says bmc-b",
    "askedBy": "the cluster core of a",
    "askedAt": THEN,
    "seconds": 2.25,
    "evidence": [{"time": THEN, "device": "pdu", "plug": "4", "asked": "off", "said": "accepted", "detail": ""}],
}


def test_status_ends_with_0_when_every_plug_of_a_living_node_reads_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, asked = give(tmp_path, ["fence", "status"], status(item()))
    assert (code, asked["verb"], asked["what"]) == (0, "fence", "status")
    assert "No problems" in capsys.readouterr().out


@pytest.mark.parametrize("power", ["off", "unknown"])
def test_status_ends_with_1_when_one_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str], power: str) -> None:
    code, _ = give(tmp_path, ["fence", "status"], status(item(power=power)))
    assert code == 1
    assert "b: bmc-b does not read on" in capsys.readouterr().out


def test_status_ends_with_1_when_there_is_a_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem = {"scope": "fencing of b", "message": "FAILED 3 times"}
    code, _ = give(tmp_path, ["fence", "status"], status(item(power="off"), problems=(problem,), living=False))
    assert code == 1
    assert capsys.readouterr().out.index("fencing of b: FAILED 3 times") == len("Problems\n  ! ")


def test_status_says_how_far_a_fence_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fence = {"askedAt": THEN, "phase": "switching off", "level": 2, "rounds": 1, "failure": "level 1: no answer"}
    give(tmp_path, ["fence", "status"], status(item(), wanted=True, fence=fence, living=False))
    out = capsys.readouterr().out
    assert "switching off, level 2" in out
    assert "failed 1 times: level 1: no answer" in out


def test_a_test_without_faults_ends_with_0_and_says_that_nothing_was_switched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tested: dict[str, Any] = {
        "device": "bmc-b",
        "plug": None,
        "manual": False,
        "power": "on",
        "problems": [],
        "seconds": 0.4,
    }
    code, asked = give(tmp_path, ["fence", "test", "b"], {"levels": [[tested]], "living": True})
    assert (code, asked["what"], asked["node"]) == (0, "test", "b")
    assert "Nothing was switched" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"problems": ["option pasword is unknown"]}, "level 1, pdu plug 4: option pasword is unknown"),
        ({"power": "off"}, "level 1, pdu plug 4: reads off, and its node lives"),
    ],
)
def test_a_test_with_a_fault_ends_with_1_and_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fields: dict[str, Any], said: str
) -> None:
    tested = {"device": "pdu", "plug": "4", "manual": False, "power": "on", "problems": [], "seconds": 0.4} | fields
    code, _ = give(tmp_path, ["fence", "test", "b"], {"levels": [[tested]], "living": True})
    assert code == 1
    assert said in capsys.readouterr().out


def test_a_person_is_not_tested(tmp_path: Path) -> None:
    tested: dict[str, Any] = {
        "device": "hand",
        "plug": None,
        "manual": True,
        "power": "unknown",
        "problems": [],
        "seconds": 0.0,
    }
    assert give(tmp_path, ["fence", "test", "b"], {"levels": [[tested]], "living": True})[0] == 0


def test_on_ends_with_1_when_a_device_does_not_take_the_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    levels = [[{"device": "bmc-b", "plug": None, "problem": "no answer"}]]
    assert give(tmp_path, ["fence", "on", "b"], {"levels": levels})[0] == 1
    assert "bmc-b: no answer" in capsys.readouterr().out


def test_the_history_shows_the_evidence_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert give(tmp_path, ["fence", "history"], {"entries": [ENTRY]})[0] == 0
    brief = capsys.readouterr().out
    assert "b  off after 2.2 s: off, says bmc-b (asked by the cluster core of a)" in brief
    assert "accepted" not in brief
    give(tmp_path, ["fence", "history", "b", "--evidence"], {"entries": [ENTRY]})
    assert "pdu plug 4  off: accepted" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["status"], ["history"]])
def test_programs_get_json(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    reply = status(item()) | {"entries": [ENTRY]}
    give(tmp_path, ["fence", *words, "-o", "json"], reply)
    assert json.loads(capsys.readouterr().out) == reply


@pytest.mark.parametrize("words", [["fence", "test", "b"], ["fence", "on", "b"]])
def test_a_fencer_that_does_not_answer_ends_with_3_and_a_refusal_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert give(tmp_path, words, TransientError("the fencer does not answer"))[0] == 3
    assert "the fencer does not answer" in capsys.readouterr().err
    assert give(tmp_path, words, UsageError("the document has no fencing for b"))[0] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--power-off"], "--yes-really b"),
        (["--power-off", "--yes-really", "a"], "is not b"),
        (["--yes-really", "b"], "--power-off"),
        (["--level", "1"], "--power-off"),
    ],
)
def test_a_node_is_not_switched_without_its_name_and_the_word_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    code, asked = give(tmp_path, ["fence", "test", "b", *words], {"levels": [], "living": True})
    assert (code, asked) == (2, {})
    assert said in capsys.readouterr().err


def test_nothing_is_switched_when_the_test_without_switching_finds_a_fault(tmp_path: Path) -> None:
    tested = {"device": "bmc-b", "plug": None, "manual": False, "power": "on", "problems": ["no answer"], "seconds": 1}
    words = ["fence", "test", "b", "--power-off", "--yes-really", "b"]
    code, asked = give(tmp_path, words, {"levels": [[tested]], "living": True})
    assert (code, asked["what"]) == (1, "test")


@pytest.mark.parametrize(("only", "levels"), [(None, [1, 3]), (3, [3])])
def test_levels_with_a_person_in_them_are_left_out(only: int | None, levels: list[int]) -> None:
    reply = {"levels": [[{"manual": False}], [{"manual": True}], [{"manual": False}, {"manual": False}]]}
    assert fence.levels_to_try(reply, only) == levels
    with pytest.raises(UsageError, match="level 2 cannot be switched"):
        fence.levels_to_try(reply, 2)


def test_a_confirmation_carries_the_name_twice_and_who_gave_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, asked = give(tmp_path, ["confirm-off", "b", "--seen-off", "b"], {"done": "b counts as off"})
    assert (code, capsys.readouterr().out) == (0, "b counts as off\n")
    assert (asked["verb"], asked["node"], asked["typed"]) == ("confirm-off", "b", "b")
    assert asked["author"]


def test_a_confirmation_of_another_name_is_not_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, asked = give(tmp_path, ["confirm-off", "b", "--seen-off", "a"], {"done": ""})
    assert (code, asked) == (2, {})


def test_without_a_terminal_a_confirmation_wants_the_name_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, asked = give(tmp_path, ["confirm-off", "b"], {"done": ""})
    assert (code, asked) == (2, {})
    assert "--seen-off b" in capsys.readouterr().err


def test_a_refused_confirmation_ends_with_2_and_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = give(tmp_path, ["confirm-off", "b", "--seen-off", "b"], UsageError("b is not off: it is heard from"))
    assert code == 2
    assert "it is heard from" in capsys.readouterr().err


def test_a_forced_config_carries_the_name_of_the_cluster_and_who_gave_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, asked = give(tmp_path, ["force-config", "--seen-off", "edge"], {"done": "forced"})
    assert (code, capsys.readouterr().out) == (0, "forced\n")
    assert (asked["verb"], asked["typed"]) == ("force-config", "edge")
    assert asked["author"]


def test_without_a_terminal_a_forced_config_wants_the_name_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, asked = give(tmp_path, ["force-config"], {"done": ""})
    assert (code, asked) == (2, {})
    assert "--seen-off" in capsys.readouterr().err
