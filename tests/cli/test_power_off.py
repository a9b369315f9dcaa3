"""`vedette fence test NODE --power-off`: each level must switch the node off, which must fall silent, and on again."""

from collections.abc import Callable
from typing import Any

import pytest

from vedette.api.control import DaemonAwayError
from vedette.cli.power_off import PowerTest, Trial
from vedette.kit.errors import PermanentError, UsageError, VedetteError

Plain = dict[str, Any]


class World:
    """A node b with devices, a cluster that hears it, and a clock that only sleeping moves.

    ``dead_after``: s until it counts as dead. ``feeds`` False: the devices switch something else. ``boots`` (s) None:
    it never comes back. ``fences``: for how long (s) the cluster wants it off, once it is silent.
    """

    def __init__(
        self,
        *,
        feeds: bool = True,
        boots: float | None = 30.0,
        fences: float = 0.0,
        problem: str = "",
        dead_after: float = 1.5,
    ) -> None:
        self.now = 1000.0
        self.asked: list[str] = []
        self.said: list[str] = []
        self.fails: dict[str, VedetteError] = {}
        self._feeds, self._boots, self._fences, self._problem = feeds, boots, fences, problem
        self._dead_after = dead_after
        self._off_at: float | None = None
        self._on_at: float | None = None

    def sleep(self, duration: float) -> None:
        self.now += duration

    def ask(self, request: Plain) -> Plain:
        what = request["what"]
        if what != "status":
            self.asked.append(f"{what} {request['level']}" if what == "off" else what)
        if what in self.fails:
            raise self.fails[what]
        answer: Callable[[], Plain] = {"off": self._off, "on": self._on, "status": self._status}[what]
        return answer()

    def _off(self) -> Plain:
        self.now += 2
        if self._feeds and not self._problem:
            self._off_at, self._on_at = self.now, None
        said = [("off", "accepted"), ("status", "off")]
        evidence = [
            {"device": "pdu", "plug": "4", "asked": asked, "said": word, "detail": "", "seconds": number + 0.5}
            for number, (asked, word) in enumerate(said)
        ]
        return {"proof": "" if self._problem else "off", "problem": self._problem, "evidence": evidence}

    def _on(self) -> Plain:
        assert not self._wanted(), "switched on while the cluster wants it off"
        if self._off_at is not None and self._boots is not None:
            self._on_at = self.now + self._boots
        return {"levels": [[{"device": "pdu", "plug": "4", "problem": ""}]]}

    def _status(self) -> Plain:
        dark = self._off_at is not None and self.now > self._off_at + self._dead_after
        back = self._on_at is not None and self.now >= self._on_at
        return {
            "deadAfter": self._dead_after,
            "nodes": [{"name": "b", "living": not dark or back, "wanted": self._wanted()}],
        }

    def _wanted(self) -> bool:
        return self._off_at is not None and self._off_at + 2 < self.now < self._off_at + 2 + self._fences

    def test(self, *levels: int) -> list[Trial]:
        test = PowerTest("b", ask=self.ask, say=self.said.append, returns=600, now=lambda: self.now, sleep=self.sleep)
        return test.run(levels)


def test_each_level_switches_off_and_on_and_says_when() -> None:
    world = World()
    first, second = world.test(1, 2)
    assert world.asked == ["off 1", "on", "off 2", "on"]
    assert (first.problem, second.problem) == ("", "")
    assert [what for _, what in first.steps] == [
        "pdu plug 4, off: accepted",
        "pdu plug 4, status: off",
        "b is not heard any more",
        "pdu plug 4, on: accepted",
        "b is heard",
    ]
    instants = [seconds for seconds, _ in first.steps]
    assert instants == sorted(instants)
    assert first.plain()["steps"][0] == {"seconds": 0.5, "what": "pdu plug 4, off: accepted"}
    assert any("b is heard" in line for line in world.said)


def test_it_is_not_switched_on_before_the_cluster_has_seen_it_off() -> None:
    (trial,) = World(fences=20).test(1)
    assert trial.problem == ""


def test_a_cluster_that_never_sees_it_off_fails_the_test_and_it_is_left_to_the_cluster() -> None:
    world = World(fences=1e6)
    (trial,) = world.test(1)
    assert "the cluster did not see" in trial.problem
    assert world.asked == ["off 1"]


def test_a_plug_of_another_machine_is_found_out_and_that_machine_is_switched_on_again() -> None:
    world = World(feeds=False)
    trials = world.test(1, 2)
    assert "another machine's plug" in trials[0].problem
    assert (len(trials), world.asked) == (1, ["off 1", "on"])


def test_a_device_that_does_not_do_its_part_fails_the_test() -> None:
    world = World(problem="pdu plug 4 took the order and still says on after 20s")
    (trial, *rest) = world.test(1, 2)
    assert ("still says on" in trial.problem, rest) == (True, [])
    assert world.asked == ["off 1", "on"]


def test_a_node_that_does_not_return_fails_the_test() -> None:
    (trial, *rest) = World(boots=None).test(1, 2)
    assert ("is not heard after 600 s" in trial.problem, rest) == (True, [])


def test_a_refusal_before_anything_was_switched_is_a_refusal() -> None:
    world = World()
    world.fails["off"] = UsageError("b holds web")
    with pytest.raises(UsageError, match="b holds web"):
        world.test(1)


@pytest.mark.parametrize("what", ["off", "status", "on"])
def test_a_daemon_that_goes_away_in_the_middle_is_no_reason_to_forget_the_node(what: str) -> None:
    world = World()
    world.fails[what] = DaemonAwayError("the daemon is gone")
    with pytest.raises(PermanentError, match=r"may be off now \(vedette fence on b"):
        world.test(1)


def test_a_refusal_after_it_was_switched_off_says_what_to_do() -> None:
    world = World()
    world.fails["on"] = UsageError("b is to be off: it is being fenced")
    with pytest.raises(PermanentError, match=r"being fenced; b may be off now") as caught:
        world.test(1)
    assert not isinstance(caught.value, UsageError)


def test_a_node_may_be_heard_for_as_long_as_it_may_be_silent() -> None:
    """deadAfter may be an hour; until then a node that is off counts as living."""
    (trial,) = World(dead_after=600.0).test(1)
    assert trial.problem == ""
