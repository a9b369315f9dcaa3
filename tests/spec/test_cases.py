"""Documents with mistakes, and the whole answer beside each: ``cases/NAME.yaml`` and ``cases/NAME.txt``.

``VEDETTE_REWRITE=1`` writes the answers anew; the difference is then reviewed like code.
"""

import os
from pathlib import Path

import pytest

from vedette.cli import validate
from vedette.cli.output import Paint
from vedette.spec import load
from vedette.spec.load import Secrets

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_every_fault_is_reported_at_its_line(case: Path) -> None:
    report = load.check_bytes(case.read_bytes(), name=case.name, directory=case.parent, secrets=Secrets.IGNORED)
    answer = validate.render(report.problems, report.warnings, 1, Paint(enabled=False)) + "\n"
    expected = case.with_suffix(".txt")
    if "VEDETTE_REWRITE" in os.environ:
        expected.write_text(answer)
    assert answer == expected.read_text()


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_nothing_internal_is_shown(case: Path) -> None:
    answer = case.with_suffix(".txt").read_text()
    for phrase in ("pydantic", "Traceback", "Input should", "NoneType", "libyaml", "vedette.spec", "while parsing"):
        assert phrase not in answer


def test_a_document_with_ten_mistakes_has_each_at_its_line() -> None:
    """The lines that are wrong carry a comment; exactly these are reported."""
    case = Path(__file__).parent / "cases" / "ten-mistakes.yaml"
    wrong = [number for number, line in enumerate(case.read_text().splitlines(), start=1) if "# wrong" in line]
    report = load.check(case, secrets=Secrets.IGNORED)
    assert [problem.line for problem in report.problems] == wrong
    assert len(wrong) == 10
