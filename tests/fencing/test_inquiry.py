"""What an operator asks of a node's devices, and how long that may take."""

from dataclasses import replace
from typing import Any

import pytest
from tests.fencing.documents import ASSIGNMENT, PDU, bmc, node
from tests.fencing.virtual import START, Loop, Scripted, means, run

from vedette.fencing import inquiry, patience
from vedette.kit.units import MINUTE, SECOND
from vedette.spec.resolved import Fencing, FencingUse


def tried(timeout: int, *levels: tuple[tuple[str, str | None], ...], **scripts: Any) -> tuple[inquiry.Levels, int]:
    """What a test of devices finds, and how long (ns) it takes."""

    async def scenario(loop: Loop) -> tuple[inquiry.Levels, int]:
        names = dict.fromkeys(name for level in levels for name, _ in level)
        fencing = Fencing(0, tuple(tuple(FencingUse(*use) for use in level) for level in levels))
        ways = means(loop, timeout, **{name: Scripted(loop, **scripts) for name in names})
        found = await inquiry.test(fencing, ways, manual=(), saw=lambda use, answer: None, now=lambda: loop.now)
        return found, loop.now - START

    return run(scenario)


def test_hung_devices_of_many_levels_cost_no_more_than_one() -> None:
    levels = [((f"bmc{number}", None),) for number in range(4)]
    found, took = tried(20 * SECOND, *levels, deaf=True)
    assert took <= 45 * SECOND
    assert [[item["device"] for item in level] for level in found] == [["bmc0"], ["bmc1"], ["bmc2"], ["bmc3"]]


def test_the_outlets_of_a_slow_unit_do_not_hold_each_other_up() -> None:
    found, _ = tried(20 * SECOND, (("pdu", "1"), ("pdu", "2")), (("pdu", "3"),), latency=15 * SECOND)
    assert [item["problems"] for level in found for item in level] == [[], [], []]
    assert [item["plug"] for level in found for item in level] == ["1", "2", "3"]


@pytest.mark.parametrize("timeout", [20 * SECOND, 10 * MINUTE])
def test_a_question_may_take_longer_than_its_devices(timeout: int) -> None:
    outlets = tuple(FencingUse("pdu", str(number)) for number in (1, 2))
    nodes = (node("b", (FencingUse("bmc-b"),), outlets),)
    devices = [replace(device, timeout=timeout) for device in (bmc("bmc-b", 12), PDU)]
    levels = ((("bmc-b", None),), (("pdu", "1"), ("pdu", "2")))
    _, took = tried(timeout, *levels, deaf=True)
    assert took < patience.longest("b", nodes, devices)


def test_a_node_without_devices_is_answered_about_soon() -> None:
    assert patience.longest("c", ASSIGNMENT.nodes, ASSIGNMENT.devices) == patience.SLACK
