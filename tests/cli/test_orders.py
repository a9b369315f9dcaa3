"""`vedette move`, `node` and `restart`: the order reaches the daemon, and its outcome decides the exit code."""

import json
from pathlib import Path

import pytest
from tests.cli.daemon import give

from vedette.cli.main import main
from vedette.kit.errors import UsageError
from vedette.kit.units import MINUTE


def test_an_order_that_was_carried_out_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, asked = give(tmp_path, ["move", "web", "router2", "--reason", "kernel"], {"done": "web is on router2"})
    assert (code, capsys.readouterr().out) == (0, "web is on router2\n")
    assert (asked["verb"], asked["group"], asked["node"], asked["reason"]) == ("move", "web", "router2", "kernel")


def test_one_that_takes_longer_ends_with_1_and_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = give(tmp_path, ["node", "standby", "router1"], {"pending": "router1 still holds web"})
    assert (code, capsys.readouterr().err) == (1, "accepted; router1 still holds web\n")


def test_who_does_not_want_to_wait_is_told_that_it_was_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, asked = give(tmp_path, ["move", "web", "--no-wait"], {"pending": "web is still on router1"})
    assert (code, asked["wait"]) == (0, False)
    assert capsys.readouterr().out == "accepted; web is still on router1\n"


def test_one_that_is_refused_ends_with_2_and_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = give(tmp_path, ["restart"], UsageError("a new process is getting ready already"))
    assert code == 2
    assert "a new process is getting ready already" in capsys.readouterr().err


def test_programs_get_the_outcome_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = give(tmp_path, ["restart", "-o", "json"], {"done": "process 7 takes over"})
    assert (code, capsys.readouterr().out) == (0, '{"done": "process 7 takes over"}\n')


def test_without_a_daemon_it_could_not_be_done(tmp_path: Path) -> None:
    assert main(["restart", "--run-dir", str(tmp_path)]) == 3


def test_an_order_says_how_long_it_lasts_in_the_words_of_the_document(tmp_path: Path) -> None:
    _, asked = give(tmp_path, ["node", "standby", "router1", "--for", "30m"], {"done": "yes"})
    assert (asked["verb"], asked["what"], asked["for"]) == ("node", "standby", 30 * MINUTE)
    with pytest.raises(SystemExit):
        main(["move", "web", "--for", "30"])


def test_a_group_is_left_alone_by_order(tmp_path: Path) -> None:
    _, asked = give(tmp_path, ["group", "maintenance", "web"], {"done": "yes"})
    assert (asked["verb"], asked["what"], asked["group"], asked["for"]) == ("group", "maintenance", "web", 0)


def test_a_real_server_is_drained_and_enabled_by_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["server", "drain", "web", "10.0.0.12", "--for", "2h", "--reason", "a new disk"]
    code, asked = give(tmp_path, words, {"done": "web 10.0.0.12 has no connections here and is out of the table"})
    assert code == 0
    assert (asked["verb"], asked["what"], asked["service"], asked["server"]) == ("server", "drain", "web", "10.0.0.12")
    assert (asked["for"], asked["reason"]) == (120 * MINUTE, "a new disk")
    words = ["server", "drain", "web", "10.0.0.12", "-o", "json"]
    code, _ = give(tmp_path, words, {"pending": "3 connections are left; they may last 50s more"})
    assert code == 1
    assert '"pending"' in capsys.readouterr().out
    assert give(tmp_path, ["server", "enable", "web", "10.0.0.12"], {"done": "yes"})[1]["what"] == "enable"


@pytest.mark.parametrize("words", [["drain"], ["drain", "web"], ["enable"], ["list", "web", "10.0.0.12"]])
def test_an_order_about_a_server_must_say_which(tmp_path: Path, words: list[str]) -> None:
    assert main(["server", *words, "--run-dir", str(tmp_path)]) == 2


PHASE = {"state": "draining", "since": None, "until": "2099-01-01T00:00:00Z", "connectionsLeft": 3, "penalty": 0.0}
SERVICES = [
    {
        "name": "web",
        "realServers": [
            {"address": "10.0.0.11", "port": 80, "weight": 1, "maintenance": False, "health": "up", "since": None}
            | {"reason": "status 200", "name": None}
        ],
        "kernel": [
            {
                "destinations": [
                    {"address": "10.0.0.12", "port": 80, "role": "leaving", "weight": 0, "phase": PHASE}
                    | {"activeConnections": 1, "inactiveConnections": 2}
                ],
                "out": [],
            }
        ],
    }
]


def test_servers_are_listed_with_what_is_under_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, asked = give(tmp_path, ["server", "list", "web"], {"virtualServices": SERVICES})
    assert (code, asked["verb"]) == (0, "status")
    lines = capsys.readouterr().out.splitlines()
    assert ["10.0.0.11:80" in lines[1], "out (of 1)" in lines[1]] == [True, True]
    assert ["10.0.0.12:80" in lines[2], "3 connections left" in lines[2], "1+2" in lines[2]] == [True] * 3
    give(tmp_path, ["server", "list", "-o", "json"], {"virtualServices": SERVICES})
    shown = json.loads(capsys.readouterr().out)
    assert [(item["address"], item["present"]) for item in shown] == [("10.0.0.11", False), ("10.0.0.12", True)]
    assert shown[1]["phase"]["connectionsLeft"] == 3
    assert give(tmp_path, ["server", "list", "nosuch"], {"virtualServices": SERVICES})[0] == 2
