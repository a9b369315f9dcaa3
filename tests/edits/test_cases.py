"""Edits and the whole plan of each: ``cases/NAME.edit`` and ``cases/NAME.txt``.

``VEDETTE_REWRITE=1`` writes the plans anew; the difference is then reviewed like code.
"""

import os
from pathlib import Path

import pytest
from tests.edits.editing import BASE, CASES, SECRETS, edited, read

from vedette.cli.output import Paint
from vedette.cli.plan import render
from vedette.edits import services
from vedette.edits.change import Live
from vedette.edits.compare import compare

EDITS = sorted(CASES.glob("*.edit"))
LIVE = Live(
    holders={"web": "router1", "mail": "router2"},
    ready=frozenset({"router1", "router2"}),
    connections={("shop", "10.0.0.13", 80): 37, ("shop", "10.0.0.13", 443): 1},
)


@pytest.mark.parametrize("case", EDITS, ids=[case.stem for case in EDITS])
def test_an_edit_is_told_with_its_consequences(case: Path, tmp_path: Path) -> None:
    old, new = read(BASE.read_text(), tmp_path), read(edited(case), tmp_path)
    paint = Paint(enabled=False)
    answer = "".join(
        f"# {title}\n{render('the document before', compare(old, new, live), paint)}\n"
        for title, live in (("as files", Live()), ("\n# router1 holds web, router2 holds mail", LIVE))
    )
    answer = answer.replace("# \n#", "\n#")
    expected = case.with_suffix(".txt")
    if "VEDETTE_REWRITE" in os.environ:
        expected.write_text(answer)
    assert answer == expected.read_text()
    assert not any(secret in answer for secret in SECRETS.values())


@pytest.mark.parametrize("case", EDITS, ids=[case.stem for case in EDITS])
def test_the_plan_speaks_of_the_table_exactly_when_the_reconciler_touches_it(case: Path, tmp_path: Path) -> None:
    old, new = read(BASE.read_text(), tmp_path), read(edited(case), tmp_path)
    for one, other in ((old, new), (new, old), (old, old)):
        told = services.Tables(one, other, Live()).changes()
        assert bool(told) == bool(services.actions(one, other))
