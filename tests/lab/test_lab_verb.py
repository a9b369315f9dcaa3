"""`vedette lab` on the command line, where no lab is up."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.cli.main import main
from vedette.lab import home, launch

SMALLEST = Path(__file__).parent / "topologies" / "smallest.yaml"


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="labs-") as path:
        monkeypatch.setenv(home.PLACE, path)
        yield


@pytest.mark.parametrize("words", [["run", "router1", "--", "true"], ["power", "off", "router1"], ["down"]])
def test_a_command_without_a_lab_is_the_caller_s_mistake(words: list[str]) -> None:
    assert main(["lab", *words]) == 2


def test_the_status_of_no_lab_is_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "status", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"labs": []}


def test_ending_all_labs_also_works_when_there_is_none() -> None:
    assert main(["lab", "down", "--all"]) == 0


def test_the_only_lab_is_not_ended_without_its_name_while_somebody_works_with_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    directory, lock = home.claim("rehearsal")
    home.hold(directory)
    assert main(["lab", "down"]) == 2
    assert "vedette lab down rehearsal" in capsys.readouterr().err
    assert home.living() == ["rehearsal"]
    os.close(lock)


def test_a_person_without_the_privilege_or_the_programs_is_told_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["lab", "up", str(SMALLEST)]) == 3
    assert "as root" in capsys.readouterr().err
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(launch, "PROGRAMS", {"no-such-program": "some-package"})
    assert main(["lab", "up", str(SMALLEST)]) == 3
    assert "apt-get install some-package" in capsys.readouterr().err


def test_a_document_with_mistakes_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("kind: Nothing\n")
    assert main(["lab", "up", str(path)]) == 2


def test_a_lab_that_no_document_has_made_does_not_hide_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    _, lock = home.claim("bare")
    try:
        assert main(["lab", "status", "-o", "json"]) == 0
        (bare,) = json.loads(capsys.readouterr().out)["labs"]
        assert bare["name"] == "bare"
        assert "was not made from a document" in bare["problem"]
        assert main(["lab", "status"]) == 0
        assert "bare: lab bare has no cluster.yaml" in capsys.readouterr().out
    finally:
        os.close(lock)


def test_who_asks_for_such_a_lab_by_name_is_told_what_it_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    _, lock = home.claim("bare")
    try:
        assert main(["lab", "status", "bare"]) != 0
        assert "has no cluster.yaml" in capsys.readouterr().err
    finally:
        os.close(lock)
