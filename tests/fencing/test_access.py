"""One call at a time, each bounded, and whoever must switch off goes first."""

import asyncio

import pytest
from tests.fencing.virtual import START, Loop, Scripted, run

from vedette.fencing.access import Access
from vedette.fencing.answers import Answer, Said
from vedette.fencing.device import DeviceError, Power
from vedette.kit.units import SECOND


def test_calls_to_one_device_queue() -> None:
    async def scenario(loop: Loop) -> int:
        device = Scripted(loop)
        access = Access(device, now=lambda: loop.now)
        await asyncio.gather(*(access.status(plug, limit=10 * SECOND) for plug in ("1", "2", "3")))
        return device.most_at_once

    assert run(scenario) == 1


def test_a_call_that_hangs_is_an_answer_when_its_time_is_over() -> None:
    async def scenario(loop: Loop) -> tuple[Answer, int]:
        answer = await Access(Scripted(loop, deaf=True), now=lambda: loop.now).status(None, limit=3 * SECOND)
        return answer, loop.now - START

    answer, took = run(scenario)
    assert answer.said is Said.SILENT
    assert took <= 4 * SECOND


def test_a_look_gives_way_to_whoever_must_switch_off() -> None:
    async def scenario(loop: Loop) -> tuple[Answer, Answer, int]:
        device = Scripted(loop, says=[None, Power.ON])
        access = Access(device, now=lambda: loop.now)
        look = asyncio.ensure_future(access.look(None, limit=60 * SECOND))
        await asyncio.sleep(1)
        order = await access.off(None, limit=10 * SECOND)
        return await look, order, loop.now - START

    look, order, took = run(scenario)
    assert (look.said, order.said) == (Said.YIELDED, Said.ACCEPTED)
    assert took <= 2 * SECOND


@pytest.mark.parametrize("call", ["check", "on"])
def test_a_test_and_an_order_to_switch_on_give_way_as_well(call: str) -> None:
    """A node that must go off waits for nobody who only tries out the unit, or wants another node on."""

    class Slow(Scripted):
        async def check(self, plug: str | None) -> list[str]:
            await asyncio.sleep(3600)
            return []

        async def on(self, plug: str | None) -> None:
            await asyncio.sleep(3600)

    async def scenario(loop: Loop) -> tuple[object, Answer, int]:
        access = Access(Slow(loop), now=lambda: loop.now)
        patient = asyncio.ensure_future(getattr(access, call)("3", limit=7200 * SECOND))
        await asyncio.sleep(1)
        order = await access.off("4", limit=10 * SECOND)
        return await patient, order, loop.now - START

    patient, order, took = run(scenario)
    assert order.said is Said.ACCEPTED
    assert took <= 2 * SECOND
    assert "it gave way" in str(patient)


def test_an_order_that_had_to_queue_is_sent_only_if_it_is_still_wanted() -> None:
    async def scenario(loop: Loop) -> tuple[Answer, list[str]]:
        device = Scripted(loop, latency=8 * SECOND)
        access = Access(device, now=lambda: loop.now)
        until = loop.now + 2 * SECOND

        async def allowed() -> None:
            while loop.now >= until:
                await asyncio.sleep(3600)

        before = asyncio.ensure_future(access.off("3", limit=20 * SECOND))
        await asyncio.sleep(1)
        order = await access.off("4", limit=15 * SECOND, allowed=allowed)
        await before
        return order, device.calls

    order, calls = run(scenario)
    assert order.said is Said.SILENT
    assert "not sent" in order.detail
    assert calls == ["off"]


def test_our_own_errors_are_told_and_foreign_ones_only_named() -> None:
    """The text of a library's error may quote a password."""

    async def answer(loop: Loop, error: Exception) -> str:
        return (await Access(Scripted(loop, says=[error]), now=lambda: loop.now).status(None, limit=SECOND)).detail

    assert run(lambda loop: answer(loop, DeviceError("wrong password"))) == "wrong password"
    assert run(lambda loop: answer(loop, ValueError("hunter2"))) == "unexpected ValueError in the driver"


def test_an_answer_of_a_kind_that_nobody_knows_is_unknown() -> None:
    async def scenario(loop: Loop) -> Said:
        class Odd(Scripted):
            async def status(self, plug: str | None) -> Power:
                return None  # type: ignore[return-value]

        return (await Access(Odd(loop), now=lambda: loop.now).status(None, limit=SECOND)).said

    assert run(scenario) is Said.UNKNOWN


def test_a_check_that_fails_is_a_problem() -> None:
    async def scenario(loop: Loop) -> list[str]:
        device = Scripted(loop, deaf=True, problems=["cipher 0 is open"])
        return await Access(device, now=lambda: loop.now).check(None, limit=SECOND)

    assert run(scenario) == ["it cannot be checked: no answer within 1s"]
