"""What ``--help`` and a refused command line say."""

import argparse
from collections.abc import Iterator

import pytest

from vedette.cli.main import build, main


def parsers(parser: argparse.ArgumentParser, name: str = "vedette") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, sub in action.choices.items():
                yield from parsers(sub, f"{name} {word}")


ALL = dict(parsers(build()))


@pytest.mark.parametrize("name", ALL)
def test_every_verb_says_what_it_does(name: str) -> None:
    assert ALL[name].description


@pytest.mark.parametrize("name", ALL)
def test_a_usage_names_every_word_as_a_fault_would(name: str) -> None:
    usage = "".join(ALL[name].format_usage().split())
    for action in ALL[name]._get_positional_actions():
        called = argparse._get_action_name(action)
        assert called is not None
        assert "".join(called.split()) in usage


def test_the_usage_of_lab_run_has_one_double_dash() -> None:
    assert ALL["vedette lab run"].format_usage().count("-- ") == 1


@pytest.mark.parametrize("what", ["status", "test", "on", "history"])
def test_what_fencing_is_asked_has_exit_codes_of_its_own(what: str) -> None:
    text = ALL[f"vedette fence {what}"].format_help()
    assert "Exit codes: 0" in text
    assert not any(f"{other}:" in text for other in ("status", "test", "on", "history"))


def test_a_wrong_word_is_refused_by_the_name_that_the_usage_shows(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["node", "sleep", "router1"])
    assert "argument {standby,maintenance,online}: invalid choice: 'sleep'" in capsys.readouterr().err
