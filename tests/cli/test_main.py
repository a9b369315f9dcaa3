"""The command as a process: what it does when its answer cannot be written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples/two-routers/cluster.yaml"
VERBS = ["validate {}", "schema", "plan {} --against {}", "--version"]


def run(line: str, redirection: str) -> tuple[int, str]:
    words = f"{sys.executable} -m vedette.cli.main {line.format(EXAMPLE, EXAMPLE)} {redirection}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    ended = subprocess.run(["bash", "-c", words], stderr=subprocess.PIPE, text=True, env=environment)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("line", VERBS)
@pytest.mark.parametrize(
    ("redirection", "why"), [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
def test_an_answer_that_cannot_be_written_is_a_failure_in_one_line(line: str, redirection: str, why: str) -> None:
    code, err = run(line, redirection)
    told = [text for text in err.splitlines() if "secrets are not compared" not in text]
    assert (code, told) == (3, [f"vedette: the answer cannot be written: {why}"])


@pytest.mark.parametrize("line", ["schema", "validate {}"])
def test_a_reader_that_goes_away_is_told_nothing(line: str) -> None:
    assert run(line, "| true; exit ${PIPESTATUS[0]}") == (0, "")
