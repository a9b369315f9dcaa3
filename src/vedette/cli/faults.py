"""What is wrong with documents, for programs: one form, whichever verb has read them."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from vedette.spec.problem import Problem


def as_json(problems: Sequence[Problem], warnings: Sequence[Problem] = ()) -> str:
    report = {
        "valid": not problems,
        "problems": [asdict(problem) for problem in problems],
        "warnings": [asdict(warning) for warning in warnings],
    }
    return json.dumps(report, indent=2, ensure_ascii=False)


def as_text(problems: Sequence[Problem]) -> str:
    """The same for the standard error of a verb that needs a document without faults."""
    count = len(problems)
    return "\n".join([f"{count} problem{'s' * (count != 1)}", *map(str, problems)])
