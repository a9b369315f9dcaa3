"""The fencer: told again and again what is wanted, it does what differs, and forgets nothing that matters."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fencing.documents import ASSIGNMENT, PDU, SECRET, A, B, node
from tests.fencing.virtual import START, Loop, Scripted, run

from vedette.fencing import history
from vedette.fencing.device import DeviceError, Power
from vedette.fencing.fencer import Fencer
from vedette.fencing.messages import Assignment, Report, Wanted
from vedette.kit import files, plain
from vedette.kit.units import MINUTE, SECOND
from vedette.spec.resolved import FencingDevice, FencingUse

BOTH_ALIVE = {"a": START - SECOND, "b": START - SECOND}
ONLY_A = {"a": START - SECOND}


class Bench:
    """A fencer, its devices, and what it said."""

    def __init__(self, loop: Loop, tasks: asyncio.TaskGroup, folder: Path) -> None:
        self.loop, self.said = loop, list[dict[str, Any]]()
        self.devices = {name: Scripted(loop) for name in ("bmc-a", "bmc-b", "pdu")}
        self.built: list[str] = []
        self.asked = 0
        self.fencer = Fencer(
            tasks, send=self._hear, build=self._build, run_dir=folder, state_dir=folder, now=lambda: loop.now
        )

    def _hear(self, message: dict[str, Any]) -> None:
        json.dumps(message)  # it must pass the channel
        self.said.append(message)

    def _build(self, device: FencingDevice) -> Scripted:
        self.built.append(device.name)
        if device.name not in self.devices:
            raise DeviceError(f"no driver for {device.name}")
        return self.devices[device.name]

    def assign(self, assignment: Assignment = ASSIGNMENT) -> None:
        self.fencer.receive({"assignment": plain.dump(assignment)})

    def want(self, *wanted: Wanted, alive: dict[str, int] = ONLY_A) -> None:
        self.fencer.receive({"wanted": [plain.dump(item) for item in wanted], "alive": alive})

    async def live(self, seconds: float, *wanted: Wanted, alive: dict[str, int] = ONLY_A) -> None:
        """Let time pass, with a keeper that says twice a second what it wants."""
        for _ in range(int(seconds * 2)):
            self.want(*wanted, alive=alive)
            await asyncio.sleep(0.5)

    @property
    def results(self) -> list[dict[str, Any]]:
        return [message["result"] for message in self.said if "result" in message]

    @property
    def report(self) -> Report:
        return plain.load(Report, [message["report"] for message in self.said if "report" in message][-1])

    async def ask(self, what: str, name: str, **more: Any) -> dict[str, Any]:
        self.asked += 1
        self.fencer.receive({"ask": self.asked, "what": what, "node": name, **more})
        async with asyncio.timeout(60):
            while True:
                for message in self.said:
                    if message.get("answer") == self.asked:
                        return message
                await asyncio.sleep(0.1)


class _OverError(Exception):
    """The scenario is over: ends everything that goes on for ever."""


def scenario(folder: Path, play: Callable[[Bench], Coroutine[Any, Any, None]]) -> Bench:
    """Play a scenario to its end; returns what is left to be looked at."""
    benches: list[Bench] = []

    async def main(loop: Loop) -> None:
        async with asyncio.TaskGroup() as tasks:
            benches.append(Bench(loop, tasks, folder))
            await play(benches[0])
            await asyncio.sleep(1)
            raise _OverError

    with pytest.raises(ExceptionGroup) as ended:
        run(main)
    if not ended.group_contains(_OverError) or len(ended.value.exceptions) > 1:
        raise ended.value
    return benches[0]


def off(number: int = 5, *, asked: int = START, wait: int = 0, name: str = "b") -> Wanted:
    return Wanted(name, number, asked=asked, wait=wait)


def test_who_is_wanted_off_is_switched_off_and_that_is_told_with_its_evidence(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.assign()
        await bench.live(5, off())

    bench = scenario(tmp_path, play)
    result = bench.results[0]
    assert (result["node"], result["incarnation"], result["confirmed"]) == ("b", 5, True)
    assert result["reason"] == "off, says bmc-b"
    assert [item["said"] for item in result["evidence"]] == ["on", "accepted", "off", "off"]
    assert not bench.devices["bmc-b"].outlet.on
    assert bench.devices["bmc-a"].outlet.on


def test_a_result_is_told_again_while_it_is_asked_for(tmp_path: Path) -> None:
    """The keeper may have been replaced meanwhile; the device is not bothered again."""

    async def play(bench: Bench) -> None:
        bench.assign()
        await bench.live(5, off())

    bench = scenario(tmp_path, play)
    assert len(bench.results) > 3
    assert bench.devices["bmc-b"].calls.count("off") == 1


def test_what_is_not_wanted_any_more_is_not_ordered(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.assign()
        await bench.live(3, off(wait=10 * SECOND))
        await bench.live(20, alive=BOTH_ALIVE)

    bench = scenario(tmp_path, play)
    assert bench.results == []
    assert "off" not in bench.devices["bmc-b"].calls
    assert history.read(tmp_path)[-1]["result"] == "withdrawn"


def test_a_keeper_that_falls_silent_has_nobody_shot(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.assign()
        await bench.live(3, off(wait=10 * SECOND))
        await asyncio.sleep(60)
        bench.devices["bmc-b"].calls.append("the keeper is back")
        await bench.live(3, off(wait=10 * SECOND))

    bench = scenario(tmp_path, play)
    calls = bench.devices["bmc-b"].calls
    assert calls.index("the keeper is back") < calls.index("off")
    assert bench.results[-1]["confirmed"]


def test_a_new_incarnation_is_a_new_request(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.assign()
        await bench.live(5, off(5))
        bench.devices["bmc-b"]._switch(True)
        await bench.live(5, off(6, asked=bench.loop.now))

    bench = scenario(tmp_path, play)
    assert [result["incarnation"] for result in bench.results if result["confirmed"]][-1] == 6
    assert bench.devices["bmc-b"].calls.count("off") == 2


def test_the_wait_counts_from_when_the_keeper_first_asked(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.assign()
        await bench.live(3, off(asked=START - 60 * SECOND, wait=55 * SECOND))

    assert scenario(tmp_path, play).results[0]["confirmed"]


def test_the_targets_own_delay_is_kept(tmp_path: Path) -> None:
    slow = replace(ASSIGNMENT, nodes=(A, replace(B, fencing=replace(B.fencing, delay=20 * SECOND))))  # type: ignore[type-var]

    async def play(bench: Bench) -> None:
        bench.assign(slow)
        await bench.live(19, off())

    assert "off" not in scenario(tmp_path, play).devices["bmc-b"].calls


def test_the_second_level_works_where_the_first_fails(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.devices["bmc-b"].refuses = DeviceError("wrong password")
        bench.assign()
        await bench.live(10, off())

    assert scenario(tmp_path, play).results[0]["reason"] == "off, says pdu plug 4"


def test_a_failure_is_told_and_recorded_once_and_it_goes_on(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        for name in ("bmc-b", "pdu"):
            bench.devices[name].refuses = DeviceError("wrong password")
        bench.assign()
        await bench.live(120, off())

    bench = scenario(tmp_path, play)
    assert [result["confirmed"] for result in bench.results] == [False]
    assert "wrong password" in bench.results[0]["reason"]
    assert [entry["result"] for entry in history.read(tmp_path)] == ["failed"]
    fence = bench.report.fences[0]
    assert "wrong password" in fence.failure
    assert fence.rounds > 3


def test_a_node_without_devices_waits_for_a_person(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.assign(replace(ASSIGNMENT, nodes=(A,)))
        await bench.live(5, off())

    assert "only a person" in scenario(tmp_path, play).results[0]["reason"]


def test_a_driver_that_cannot_be_made_fails_its_level_only_and_is_a_trouble(tmp_path: Path) -> None:
    odd = FencingDevice("odd", 20 * SECOND, PDU.driver)
    assignment = replace(
        ASSIGNMENT,
        nodes=(A, node("b", (FencingUse("odd"),), (FencingUse("pdu", "4"),))),
        devices=(*ASSIGNMENT.devices, odd),
    )

    async def play(bench: Bench) -> None:
        bench.assign(assignment)
        await bench.live(10, off())

    bench = scenario(tmp_path, play)
    assert bench.results[0]["reason"] == "off, says pdu plug 4"
    assert bench.report.troubles == {"fencing device odd": "cannot be used: no driver for odd"}


def test_an_edit_elsewhere_leaves_a_fence_alone(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.devices["bmc-b"].lag = 10 * SECOND
        bench.assign()
        await bench.live(3, off())
        bench.assign(replace(ASSIGNMENT, dead_after=5 * SECOND))
        await bench.live(12, off())

    bench = scenario(tmp_path, play)
    assert bench.devices["bmc-b"].calls.count("off") == 1
    assert bench.results[0]["confirmed"]
    assert bench.built == ["bmc-a", "bmc-b", "pdu"]


def test_an_edit_of_its_device_begins_a_fence_anew(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.devices["bmc-b"].refuses = bench.devices["pdu"].refuses = DeviceError("wrong password")
        bench.assign()
        await bench.live(30, off())
        bench.devices["bmc-b"] = Scripted(bench.loop)
        corrected = replace(ASSIGNMENT.devices[1], timeout=15 * SECOND)
        bench.assign(replace(ASSIGNMENT, devices=(ASSIGNMENT.devices[0], corrected, PDU)))
        await bench.live(3, off())

    assert scenario(tmp_path, play).results[-1]["confirmed"]


def test_a_full_disk_costs_the_record_and_not_the_fence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "replace", refuse)

    async def play(bench: Bench) -> None:
        bench.assign()
        await bench.live(5, off())

    bench = scenario(tmp_path, play)
    assert bench.results[0]["confirmed"]
    assert bench.report.troubles == {"fencing history": "cannot be written: No space left on device"}


def test_the_history_says_who_when_and_what_and_no_secret(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.assign()
        await bench.live(5, off())

    bench = scenario(tmp_path, play)
    (entry,) = history.read(tmp_path)
    assert (entry["node"], entry["result"], entry["askedBy"]) == ("b", "off", "the cluster core of a")
    assert [item["said"] for item in entry["evidence"]] == ["on", "accepted", "off", "off"]
    everything = json.dumps(bench.said) + "".join(item.read_text() for item in tmp_path.iterdir())
    assert SECRET not in everything


def test_what_the_keeper_wants_recorded_is_acknowledged(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.fencer.receive({"entry": 3, "record": {"node": "b", "result": "confirmed"}})
        await asyncio.sleep(1)

    assert {"entry": 3} in scenario(tmp_path, play).said
    assert history.read(tmp_path) == [{"node": "b", "result": "confirmed"}]


# the plugs


def test_every_plug_is_read_soon_after_the_start_and_then_slowly(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.assign()
        await bench.live(5, alive=BOTH_ALIVE)
        assert all(plug.power == "on" and plug.trusted for plug in bench.report.plugs)
        assert len(bench.report.plugs) == 4
        await bench.live(600, alive=BOTH_ALIVE)

    bench = scenario(tmp_path, play)
    assert 9 <= bench.devices["bmc-b"].calls.count("status") <= 13


def test_a_plug_that_reads_off_while_its_node_lives_is_a_problem_and_its_off_is_not_believed(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.devices["bmc-b"].says = [Power.OFF]
        bench.devices["pdu"].deaf = True
        bench.assign()
        await bench.live(60, alive=BOTH_ALIVE)
        await bench.live(60, off(asked=bench.loop.now))

    bench = scenario(tmp_path, play)
    assert not any(result["confirmed"] for result in bench.results)
    wrong = next(plug for plug in bench.report.plugs if plug.device == "bmc-b")
    assert "not believed" in wrong.problem


def test_a_plug_that_read_off_while_its_node_lived_is_not_believed_when_it_reads_on_after_the_nodes_death(
    tmp_path: Path,
) -> None:
    """Whatever it feeds has been switched on since; the node is only cut off."""

    async def play(bench: Bench) -> None:
        bench.devices["bmc-b"].outlet.on = False
        bench.devices["pdu"].deaf = True
        bench.assign()
        await bench.live(120, alive=BOTH_ALIVE)
        bench.devices["bmc-b"].outlet.on = True
        await bench.live(60, off(asked=bench.loop.now))

    bench = scenario(tmp_path, play)
    assert not any(result["confirmed"] for result in bench.results)
    assert "bmc-b says off, but it did so while the node lived" in bench.results[0]["reason"]


def test_a_plug_that_was_seen_on_is_believed_when_it_reads_off_already(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.assign()
        await bench.live(5, alive=BOTH_ALIVE)
        bench.devices["bmc-b"]._switch(False)
        await bench.live(3, off(asked=bench.loop.now, wait=30 * SECOND))

    bench = scenario(tmp_path, play)
    assert bench.results[0]["confirmed"]
    assert "off" not in bench.devices["bmc-b"].calls


def test_a_fencer_that_is_replaced_remembers_which_plugs_to_believe(tmp_path: Path) -> None:
    async def first(bench: Bench) -> None:
        bench.assign()
        await bench.live(5, alive=BOTH_ALIVE)

    async def second(bench: Bench) -> None:
        bench.devices["bmc-b"].says = [Power.OFF]
        bench.assign()
        await bench.live(3, off())

    scenario(tmp_path, first)
    assert scenario(tmp_path, second).results[0]["confirmed"]


def test_a_look_at_a_plug_never_holds_a_fence_up(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.devices["bmc-b"].says = [None, "truth"]
        bench.assign()
        await bench.live(5, alive=BOTH_ALIVE)
        await bench.live(4, off(asked=bench.loop.now))

    assert scenario(tmp_path, play).results[0]["confirmed"]


# questions


def test_a_test_reads_every_level_and_switches_nothing(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.devices["pdu"].problems = ["outlet 4 is not named b"]
        bench.assign()
        await asyncio.sleep(1)
        answer = await bench.ask("test", "b")
        assert [[item["power"] for item in level] for level in answer["levels"]] == [["on"], ["on"]]
        assert answer["levels"][1][0]["problems"] == ["outlet 4 is not named b"]

    bench = scenario(tmp_path, play)
    assert any("answer" in message for message in bench.said)
    assert not any("off" in device.calls or "on" in device.calls for device in bench.devices.values())


def test_a_node_that_is_wanted_off_is_not_switched_on(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.assign()
        await bench.live(3, off())
        answer = await bench.ask("on", "b")
        assert "is being fenced" in answer["error"]
        bench.want(alive=ONLY_A)
        await bench.ask("on", "b")

    bench = scenario(tmp_path, play)
    assert bench.devices["bmc-b"].outlet.on
    assert bench.devices["bmc-b"].calls.count("on") == 1


async def try_out(bench: Bench, level: int = 1, *, ago: int = 0) -> dict[str, Any]:
    """Switch b off for a test; the plugs are known by then."""
    bench.assign()
    await bench.live(3, alive=BOTH_ALIVE)
    asked = bench.loop.now - ago
    return await bench.ask("off", "b", level=level, asked=asked, by="ann (uid 0), for a test", incarnation=5)


def test_a_node_is_switched_off_for_a_test_by_the_level_that_is_asked_and_by_no_other(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        answer = await try_out(bench, level=2)
        assert (answer["proof"], answer["problem"]) == ("off, says pdu plug 4", "")
        said = [(item["device"], item["asked"], item["said"]) for item in answer["evidence"]]
        assert said == [("pdu", "off", "accepted"), ("pdu", "status", "off"), ("pdu", "status", "off")]
        instants = [item["seconds"] for item in answer["evidence"]]
        assert instants == sorted(instants)
        assert instants[-1] < 3

    bench = scenario(tmp_path, play)
    assert bench.devices["bmc-b"].outlet.on
    assert not bench.devices["pdu"].outlet.on
    (entry,) = history.read(tmp_path)
    assert (entry["result"], entry["askedBy"], entry["node"]) == ("off", "ann (uid 0), for a test", "b")


def test_a_device_that_does_not_obey_fails_the_test_and_is_not_tried_for_ever(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.devices["bmc-b"].obeys = False
        answer = await try_out(bench)
        assert answer["proof"] == ""
        assert "took the order and still says on" in answer["problem"]
        await bench.live(60, alive=BOTH_ALIVE)

    bench = scenario(tmp_path, play)
    assert bench.devices["bmc-b"].calls.count("off") == 1
    assert [entry["result"] for entry in history.read(tmp_path)] == ["failed"]


def test_what_was_asked_long_ago_is_not_carried_out_any_more(tmp_path: Path) -> None:
    """The machine was frozen between the wish and its deed."""

    async def play(bench: Bench) -> None:
        answer = await try_out(bench, ago=MINUTE)
        assert "too long ago" in answer["error"]

    assert scenario(tmp_path, play).devices["bmc-b"].outlet.on


def test_a_node_that_the_cluster_wants_off_is_not_tried_out(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.assign()
        await bench.live(3, off())
        answer = await bench.ask("off", "b", level=1, asked=bench.loop.now, by="ann", incarnation=5)
        assert "is being fenced" in answer["error"]

    scenario(tmp_path, play)


def test_a_level_that_is_not_there_is_refused(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        assert "no level 3" in (await try_out(bench, level=3))["error"]

    scenario(tmp_path, play)


def test_a_long_life_with_a_node_that_cannot_be_switched_off_stays_small(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        for name in ("bmc-b", "pdu"):
            bench.devices[name].says = [Power.ON, Power.UNKNOWN] * 4000
            bench.devices[name].obeys = False
        bench.assign()
        await bench.live(20 * MINUTE / SECOND, off())

    scenario(tmp_path, play)
    assert (tmp_path / history.NAME).stat().st_size < 100_000
