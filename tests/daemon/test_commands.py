"""A person's word counts when the core has taken it, and else nothing says that it does."""

import asyncio
from typing import Any, cast

import pytest
from tests.daemon.test_confirmation import SPEC, command, view

from vedette.cluster import events
from vedette.cluster.events import FenceResult
from vedette.daemon import commands
from vedette.daemon.core import Core
from vedette.daemon.fencing import Fencing
from vedette.kit.errors import UsageError
from vedette.state.placement import View


class Desk:
    """A core that takes the word, or not, and a history."""

    def __init__(self, *, takes: bool) -> None:
        self._takes, self._off = takes, ""
        self.written: list[FenceResult] = []

    def requested(self, _: str) -> int:
        return 5

    def asked(self, _: str) -> int:
        return 7

    def confirm(self, result: FenceResult, *, author: str, asked: int | None) -> None:
        assert asked == 7
        self.written.append(result)

    def handle(self, event: events.Event) -> None:
        if self._takes and isinstance(event, FenceResult):
            self._off = event.reason

    def view(self) -> View:
        return view(off=self._off)

    def confirm_off(self) -> dict[str, Any]:
        core, fencing = cast(Core, self), cast(Fencing, self)
        return asyncio.run(commands.carry_out(command(), core=core, spec=SPEC, fencing=fencing))


def test_what_the_core_takes_is_done_and_written_down() -> None:
    desk = Desk(takes=True)
    assert desk.confirm_off() == {"done": "b counts as off, on the word of ann (uid 0)"}
    assert [result.node for result in desk.written] == ["b"]


def test_what_it_does_not_take_is_refused_and_nowhere() -> None:
    """The document says fence, and the voters have not agreed on that yet."""
    desk = Desk(takes=False)
    with pytest.raises(UsageError, match="does not count as off"):
        desk.confirm_off()
    assert desk.written == []
