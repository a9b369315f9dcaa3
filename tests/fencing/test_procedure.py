"""Switching a node off: whatever the devices do, it is called off only when they showed it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fencing.virtual import GONE, START, Loop, Outlet, Scripted, means, run

from vedette.fencing.device import Power, RefusedError
from vedette.fencing.procedure import Phase, Procedure
from vedette.kit.units import MILLISECOND, MINUTE, SECOND
from vedette.spec.resolved import Fencing, FencingUse

Levels = tuple[tuple[str, ...], ...]


@dataclass
class Fenced:
    """What came of a fencing. ``took`` in ns; ``proof`` empty = not within ``patience``."""

    proof: str
    took: int
    failures: list[str]
    evidence: list[tuple[str, str, str]]
    phases: list[Phase] = field(default_factory=list)


def fence(
    devices: Callable[[Loop], dict[str, Scripted]],
    *levels: tuple[str, ...],
    wait: int = 0,
    trusted: bool = False,
    patience: int = 10 * MINUTE,
    timeout: int = 20 * SECOND,
    allowed: Callable[[Loop], int] = lambda loop: 0,
) -> Fenced:
    """Fence with scripted devices, named by level, in virtual time. Orders may go from ``allowed`` on."""

    async def scenario(loop: Loop) -> Fenced:
        failures: list[str] = []
        phases: list[Phase] = []

        async def permitted() -> None:
            await asyncio.sleep(max(0, allowed(loop) - loop.now) / SECOND)

        procedure = Procedure(
            Fencing(delay=0, levels=tuple(tuple(FencingUse(name) for name in level) for level in levels)),
            means(loop, timeout, **devices(loop)),
            trusted=lambda use: trusted,
            saw=lambda use, answer: None,
            allowed=permitted,
            failed=failures.append,
            progressed=lambda: phases.append(procedure.progress.phase),
            now=lambda: loop.now,
        )
        proof = ""
        try:
            async with asyncio.timeout(patience / SECOND):
                proof = await procedure.run(wait=wait)
        except TimeoutError:
            pass
        evidence = [(item.device, item.asked, item.said) for item in procedure.evidence]
        return Fenced(proof, loop.now - START, failures, evidence, phases)

    return run(scenario)


def one(**script: object) -> tuple[Callable[[Loop], dict[str, Scripted]], list[Scripted]]:
    """A single device, and where to find it afterwards."""
    made: list[Scripted] = []

    def devices(loop: Loop) -> dict[str, Scripted]:
        made.append(Scripted(loop, **script))  # type: ignore[arg-type]
        return {"bmc": made[-1]}

    return devices, made


def test_a_node_that_goes_off_is_off_within_the_devices_time_and_a_second() -> None:
    devices, made = one(lag=3 * SECOND)
    fenced = fence(devices, ("bmc",))
    assert fenced.proof == "off, says bmc"
    assert fenced.took <= 4 * SECOND
    assert not made[0].outlet.on


def test_the_evidence_says_what_was_asked_and_answered_and_nothing_twice_but_the_proof() -> None:
    devices, _ = one(lag=SECOND)
    assert fence(devices, ("bmc",)).evidence == [
        ("bmc", "status", "on"),
        ("bmc", "off", "accepted"),
        ("bmc", "status", "off"),
        ("bmc", "status", "off"),
    ]


def test_a_device_that_acknowledges_and_does_not_switch_is_a_failure() -> None:
    devices, _ = one(obeys=False)
    fenced = fence(devices, ("bmc",))
    assert fenced.proof == ""
    assert "took the order and still says on" in fenced.failures[0]


@pytest.mark.parametrize("latency", range(10, 500, 35))
def test_a_last_look_that_had_too_little_time_hides_nothing(latency: int) -> None:
    """Whenever the device's time ends, the failure says what it said, and not that it was silent for a moment."""
    fenced = fence(
        lambda loop: {"pdu": Scripted(loop, obeys=False, latency=latency * MILLISECOND)}, ("pdu",), patience=MINUTE
    )
    assert "took the order and still says on" in fenced.failures[0]


def test_already_off_from_a_plug_that_was_never_seen_on_is_a_failure() -> None:
    devices, _ = one(says=[Power.OFF])
    fenced = fence(devices, ("bmc",))
    assert fenced.proof == ""
    assert "never seen on" in fenced.failures[0]


def test_already_off_from_a_plug_that_was_seen_on_while_the_node_lived_is_off() -> None:
    devices, _ = one(says=[Power.OFF])
    assert fence(devices, ("bmc",), trusted=True).took <= SECOND


def test_a_slip_of_the_device_is_not_believed() -> None:
    """It says off once, then on again: the second look is there for that."""
    devices, made = one(says=[Power.ON, Power.OFF, Power.ON], obeys=False)
    assert fence(devices, ("bmc",), patience=MINUTE).proof == ""
    assert made[0].outlet.on


def test_a_device_that_flaps_is_not_believed() -> None:
    devices, _ = one(says=[Power.OFF, Power.ON] * 500)
    assert fence(devices, ("bmc",), patience=MINUTE).proof == ""


@pytest.mark.parametrize("said", [Power.UNKNOWN, GONE, RuntimeError("http://u:secret@bmc"), None])
@pytest.mark.parametrize("trusted", [False, True])
def test_unknown_errors_and_silence_are_never_off(said: Power | Exception | None, trusted: bool) -> None:
    devices, _ = one(says=[said])
    fenced = fence(devices, ("bmc",), trusted=trusted)
    assert fenced.proof == ""
    assert fenced.failures
    assert "secret" not in " ".join(fenced.failures)


def test_a_driver_that_hangs_and_does_not_let_go_holds_nothing_up() -> None:
    devices, _ = one(deaf=True, stubborn=True)
    fenced = fence(devices, ("bmc",), patience=2 * MINUTE)
    assert fenced.proof == ""
    assert len(fenced.failures) >= 2


def test_a_refused_order_is_tried_once_more_then_the_next_level() -> None:
    devices, first = one(refuses=GONE)

    def both(loop: Loop) -> dict[str, Scripted]:
        return devices(loop) | {"pdu": Scripted(loop)}

    fenced = fence(both, ("bmc",), ("pdu",))
    assert fenced.proof == "off, says pdu"
    assert first[0].calls.count("off") == 2
    assert fenced.failures == []


def test_a_level_whose_time_is_over_is_not_tried_twice() -> None:
    devices, _ = one(deaf=True)

    def both(loop: Loop) -> dict[str, Scripted]:
        return devices(loop) | {"pdu": Scripted(loop)}

    fenced = fence(both, ("bmc",), ("pdu",))
    assert fenced.proof == "off, says pdu"
    assert fenced.took <= 22 * SECOND


def test_all_devices_of_a_level_must_be_off() -> None:
    def devices(loop: Loop) -> dict[str, Scripted]:
        return {"left": Scripted(loop), "right": Scripted(loop, obeys=False)}

    fenced = fence(devices, ("left", "right"))
    assert fenced.proof == ""
    assert "right took the order" in fenced.failures[0]
    assert "left" not in fenced.failures[0]


def test_two_supplies_go_off_side_by_side() -> None:
    def devices(loop: Loop) -> dict[str, Scripted]:
        return {"left": Scripted(loop, lag=5 * SECOND), "right": Scripted(loop, lag=5 * SECOND)}

    fenced = fence(devices, ("left", "right"))
    assert fenced.proof == "off, says left and right"
    assert fenced.took <= 7 * SECOND


def test_a_controller_that_loses_its_power_with_the_outlet_does_not_spoil_the_level() -> None:
    def devices(loop: Loop) -> dict[str, Scripted]:
        bmc = Scripted(loop, says=[Power.ON, Power.OFF, Power.OFF, GONE])
        return {"bmc": bmc, "pdu": Scripted(loop, lag=4 * SECOND)}

    assert fence(devices, ("bmc", "pdu")).proof == "off, says bmc and pdu"


@pytest.mark.parametrize("last", [RefusedError("the password is refused"), RuntimeError("x"), Power.UNKNOWN, Power.ON])
def test_one_that_says_something_else_in_the_last_look_is_not_off(last: Power | Exception) -> None:
    """It said off while the other was still on; nobody knows what it feeds now."""

    def devices(loop: Loop) -> dict[str, Scripted]:
        left = Scripted(loop, says=[Power.ON, Power.OFF, Power.OFF, last])
        return {"left": left, "right": Scripted(loop, lag=4 * SECOND)}

    fenced = fence(devices, ("left", "right"))
    assert fenced.proof == ""
    assert fenced.failures[0].startswith("level 1: left ")
    assert "right" not in fenced.failures[0]


def test_one_that_says_something_else_while_the_other_is_waited_for_is_not_off() -> None:
    def devices(loop: Loop) -> dict[str, Scripted]:
        left = Scripted(loop, says=[Power.ON, Power.OFF, Power.OFF, RefusedError("the password is refused")])
        right = Scripted(loop)
        loop.call_later(5, right._switch, False)
        return {"left": left, "right": right}

    fenced = fence(devices, ("left", "right"), trusted=True, wait=20 * SECOND, patience=19 * SECOND)
    assert fenced.proof == ""


def test_one_that_is_switched_on_again_before_the_other_is_off_is_switched_off_again() -> None:
    made: dict[str, Scripted] = {}

    def devices(loop: Loop) -> dict[str, Scripted]:
        made.update(left=Scripted(loop), right=Scripted(loop, lag=5 * SECOND))
        loop.call_later(3, made["left"]._switch, True)
        return made

    assert fence(devices, ("left", "right")).proof == "off, says left and right"
    assert made["left"].outlet.switched == [False, True, False]


def test_it_goes_on_for_ever_with_growing_pauses() -> None:
    devices, made = one(refuses=GONE)
    fenced = fence(devices, ("bmc",), patience=60 * MINUTE)
    assert 50 <= len(fenced.failures) <= 80
    assert made[0].calls.count("off") == 2 * len(fenced.failures)


def test_one_that_fails_at_first_is_off_when_its_device_is_back() -> None:
    def devices(loop: Loop) -> dict[str, Scripted]:
        broken = Scripted(loop, deaf=True)
        loop.call_later(300, lambda: setattr(broken, "deaf", False))
        return {"bmc": broken}

    fenced = fence(devices, ("bmc",))
    assert fenced.proof
    assert fenced.took <= 400 * SECOND


def test_nothing_is_ordered_before_the_wait_is_over() -> None:
    devices, made = one()
    assert fence(devices, ("bmc",), wait=30 * SECOND, patience=29 * SECOND).proof == ""
    assert "off" not in made[0].calls


def test_one_that_is_seen_off_during_the_wait_is_off_at_once() -> None:
    def devices(loop: Loop) -> dict[str, Scripted]:
        bmc = Scripted(loop)
        loop.call_later(5, bmc._switch, False)
        return {"bmc": bmc}

    fenced = fence(devices, ("bmc",), wait=30 * SECOND)
    assert fenced.proof
    assert fenced.took <= 7 * SECOND
    assert all(asked == "status" for _, asked, _ in fenced.evidence)


def test_a_plug_that_is_pulled_during_a_pause_ends_it() -> None:
    def devices(loop: Loop) -> dict[str, Scripted]:
        stuck = Scripted(loop, obeys=False)
        loop.call_later(301, stuck._switch, False)
        return {"bmc": stuck}

    assert fence(devices, ("bmc",)).took <= 303 * SECOND


def test_no_order_is_given_while_the_request_is_not_known_to_stand() -> None:
    devices, made = one()
    fenced = fence(devices, ("bmc",), allowed=lambda loop: START + 40 * SECOND)
    assert fenced.took > 40 * SECOND
    assert made[0].calls.count("off") == 1


def test_no_order_leaves_when_the_request_grew_old_while_the_device_was_busy() -> None:
    """What holds the unit up is another node's order, which does not give way."""

    async def scenario(loop: Loop) -> list[str]:
        unit = Scripted(loop, latency=3 * SECOND)
        ways = means(loop, pdu=unit)
        until = loop.now + 2 * SECOND

        async def allowed() -> None:
            while loop.now >= until:
                await asyncio.sleep(3600)

        busy = asyncio.ensure_future(ways["pdu"].access.off("3", limit=20 * SECOND))
        procedure = Procedure(
            Fencing(delay=0, levels=((FencingUse("pdu", "4"),),)),
            ways,
            trusted=lambda use: True,
            saw=lambda use, answer: None,
            allowed=allowed,
            failed=lambda reason: None,
            now=lambda: loop.now,
        )
        with suppress(TimeoutError):
            await asyncio.wait_for(procedure.run(wait=0), 60)
        await busy
        return unit.calls

    assert run(scenario).count("off") == 1


def test_a_withdrawn_fence_orders_nothing_more() -> None:
    devices, made = one(obeys=False)
    fence(devices, ("bmc",), patience=10 * SECOND)
    assert made[0].at_once == 0


def test_on_and_reboot_are_no_part_of_it() -> None:
    devices, made = one()
    fence(devices, ("bmc",))
    assert set(made[0].calls) == {"status", "off"}
    assert made[0].outlet.switched == [False]


def test_the_evidence_is_bounded() -> None:
    devices, _ = one(says=[Power.ON, Power.OFF, Power.UNKNOWN] * 4000, obeys=False)
    assert len(fence(devices, ("bmc",), patience=60 * MINUTE).evidence) <= 64


WORDS = st.sampled_from([Power.ON, Power.UNKNOWN, GONE, RuntimeError("x"), None, "truth"])


@settings(max_examples=150)
@given(
    scripts=st.lists(
        st.fixed_dictionaries(
            {
                "says": st.lists(WORDS, max_size=6),
                "obeys": st.booleans(),
                "lag": st.integers(0, 30 * SECOND),
                "latency": st.integers(0, 3 * SECOND),
                "refuses": st.sampled_from([None, GONE, RuntimeError("x")]),
                "deaf": st.booleans(),
                "stubborn": st.booleans(),
            }
        ),
        min_size=1,
        max_size=4,
    ),
    split=st.integers(1, 4),
    wait=st.integers(0, 10 * SECOND),
    trusted=st.booleans(),
)
def test_whatever_devices_do_that_do_not_lie_off_is_only_said_of_what_is_off(
    scripts: list[dict[str, object]], split: int, wait: int, trusted: bool
) -> None:
    """It may hang, fail, acknowledge in vain, switch late or say on for ever; it does not say off of what is on."""
    outlets: list[Outlet] = [Outlet() for _ in scripts]
    names = [f"d{number}" for number in range(len(scripts))]
    levels = [tuple(names[:split]), tuple(names[split:])] if names[split:] else [tuple(names)]

    def devices(loop: Loop) -> dict[str, Scripted]:
        return {
            name: Scripted(loop, outlet=outlet, **(script | {"says": [*script["says"]]}))  # type: ignore[arg-type,misc]
            for name, outlet, script in zip(names, outlets, scripts, strict=True)
        }

    fenced = fence(devices, *levels, wait=wait, trusted=trusted, patience=3 * MINUTE)
    if fenced.proof:
        assert any(all(not outlets[names.index(name)].on for name in level) for level in levels)


@settings(max_examples=60)
@given(lag=st.integers(0, 18 * SECOND), latency=st.integers(0, SECOND // 4), trusted=st.booleans())
def test_an_honest_device_is_done_a_second_after_the_deed(lag: int, latency: int, trusted: bool) -> None:
    devices, _ = one(lag=lag, latency=latency)
    fenced = fence(devices, ("bmc",), trusted=trusted)
    assert fenced.took <= lag + SECOND + 5 * latency + SECOND // 2
