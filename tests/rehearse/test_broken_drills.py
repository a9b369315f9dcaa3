"""A drill that breaks fails for itself alone."""

from collections.abc import Callable, Sequence

from vedette.kit.errors import PermanentError
from vedette.lab import rehearse
from vedette.lab.drills import expectations
from vedette.lab.drills.drill import Drill
from vedette.lab.drills.scene import Scene
from vedette.lab.report import Result, Verdict

BAD = Result("start", "", Verdict.FAILED, reasons=("nobody answers",))


def drill(name: str) -> Drill:
    return Drill(
        name=name,
        summary=name,
        skip=lambda _: None,
        expect=lambda _: expectations.nothing_lost("nothing lost"),
        inject=lambda _: None,
        over=Scene.flowing,
    )


class Stand:
    """A stage on which the drills named in ``ruinous`` fail and leave it unusable."""

    def __init__(self, *ruinous: str, start: Result | None = None) -> None:
        self.usable = True
        self._ruinous, self._start = ruinous, start
        self.played: list[str] = []

    def start(self) -> Result | None:
        return self._start

    def play(self, drill: Drill) -> Result:
        self.played.append(drill.name)
        self.usable = drill.name not in self._ruinous
        return Result(drill.name, drill.summary, Verdict.HELD if self.usable else Verdict.FAILED)


def never(_: str) -> Stand:
    raise AssertionError("another lab was built")


def verdicts(results: Sequence[Result]) -> list[str]:
    return [f"{result.drill} {result.verdict.value}" for result in results]


def test_drills_share_a_lab_while_it_is_usable() -> None:
    stand = Stand()
    results = rehearse.play([drill("one"), drill("two")], stand, rebuild=never)
    assert verdicts(results) == ["one held", "two held"]


def test_the_drill_after_one_that_ruined_the_lab_is_played_in_another() -> None:
    first, second, asked = Stand("one"), Stand(), list[str]()

    def rebuild(culprit: str) -> Stand:
        asked.append(culprit)
        return second

    results = rehearse.play([drill("one"), drill("two"), drill("three")], first, rebuild=rebuild)
    assert verdicts(results) == ["one FAILED", "two held", "three held"]
    assert (first.played, second.played, asked) == (["one"], ["two", "three"], ["one"])


def test_no_lab_is_built_after_the_last_drill() -> None:
    assert verdicts(rehearse.play([drill("one")], Stand("one"), rebuild=never)) == ["one FAILED"]


def test_a_first_start_that_fails_is_the_only_result() -> None:
    assert rehearse.play([drill("one")], Stand(start=BAD), rebuild=never) == (BAD,)


def unbuildable(_: str) -> Stand:
    raise PermanentError("no memory")


def unstartable(_: str) -> Stand:
    return Stand(start=BAD)


def check_rest(rebuild: Callable[[str], Stand], why: str) -> None:
    results = rehearse.play([drill("one"), drill("two"), drill("three")], Stand("one"), rebuild=rebuild)
    assert verdicts(results) == ["one FAILED", "two FAILED", "three FAILED"]
    assert all(result.reasons[0].startswith("not played") and why in result.reasons[0] for result in results[1:])


def test_what_cannot_be_played_has_failed_and_says_why() -> None:
    check_rest(unbuildable, "no memory")
    check_rest(unstartable, "nobody answers")
