"""A watchdog that cannot be stopped (``nowayout``), in a real kernel; its softdog goes on counting to the end."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.watchdog.in_kernel.bench import TIMEOUT, WANTED, Keeper, bites, ended, load, run_dir, until

from vedette.kit.units import seconds


@pytest.fixture(autouse=True, scope="module")
def softdog() -> None:
    load(nowayout=True)


@pytest.fixture
def place() -> Iterator[Path]:
    with run_dir() as path:
        yield path


async def holding(place: Path) -> Keeper:
    keeper = Keeper(place, holds=True)
    keeper.watchdog.configure(WANTED)
    await keeper.becomes("armed")
    return keeper


def end(keeper: Keeper) -> None:
    """Leave nothing running: the softdog says that it bites, and that is all it can do here."""
    if keeper.watchdog.pid is not None:
        os.kill(keeper.watchdog.pid, signal.SIGKILL)


def test_a_node_that_holds_nothing_is_not_reset(place: Path) -> None:
    async def scenario() -> None:
        keeper = await holding(place)
        keeper.holds = False
        await keeper.becomes("idle")
        assert keeper.told == [TIMEOUT, None]
        keeper.late = "whatever it does: nothing is held"
        before = bites()
        await asyncio.sleep(seconds(2 * TIMEOUT))
        assert bites() == before
        keeper.late, keeper.holds = "", True
        await keeper.becomes("armed")
        await keeper.watchdog.stand_down()
        end(keeper)

    asyncio.run(scenario())


def test_after_a_clean_stop_the_feeder_goes_on_by_itself_until_the_next_daemon(place: Path) -> None:
    async def scenario() -> None:
        first = await holding(place)
        await first.watchdog.stand_down()
        before = bites()
        await asyncio.sleep(seconds(2 * TIMEOUT))
        assert bites() == before
        second = await holding(place)
        assert second.watchdog.pid == first.watchdog.pid
        await second.watchdog.stand_down()
        end(second)

    asyncio.run(scenario())


def test_a_shutdown_ends_the_feeder_and_the_device_watches_over_it(place: Path) -> None:
    async def scenario() -> None:
        keeper = await holding(place)
        await keeper.watchdog.stand_down()
        pid, before = keeper.watchdog.pid, bites()
        assert pid is not None
        await ended(pid, by=signal.SIGTERM)
        await until(lambda: bites() > before)

    asyncio.run(scenario())


def test_a_core_that_is_late_leads_to_a_reset(place: Path) -> None:
    async def scenario() -> None:
        keeper = await holding(place)
        before = bites()
        keeper.late = "the core woke up 5s late"
        await until(lambda: bites() > before)
        assert "the core woke up 5s late" in keeper.problem
        end(keeper)

    asyncio.run(scenario())


def test_a_keeper_whose_loop_is_blocked_leads_to_a_reset(place: Path) -> None:
    async def scenario() -> None:
        keeper = await holding(place)
        before = bites()
        time.sleep(seconds(2 * TIMEOUT))
        assert bites() > before
        end(keeper)

    asyncio.run(scenario())


def test_a_device_that_an_earlier_daemon_left_counting_is_fed_by_the_next_one_although_it_holds_nothing(
    place: Path,
) -> None:
    async def scenario() -> None:
        first = await holding(place)
        first.watchdog.make_way()
        end(first)
        assert first.watchdog.pid is not None
        await ended(first.watchdog.pid)
        second = Keeper(place)
        second.watchdog.configure(None)
        await second.becomes("idle")
        before = bites()
        await asyncio.sleep(seconds(2 * TIMEOUT))
        assert bites() == before
        end(second)

    asyncio.run(scenario())


def test_a_feeder_that_hangs_while_nothing_is_held_is_replaced(place: Path) -> None:
    async def scenario() -> None:
        keeper = await holding(place)
        keeper.holds = False
        await keeper.becomes("idle")
        old, before = keeper.watchdog.pid, bites()
        assert old is not None
        os.kill(old, signal.SIGSTOP)
        await until(lambda: keeper.watchdog.pid not in (None, old))
        await keeper.becomes("idle")
        await asyncio.sleep(seconds(2 * TIMEOUT))
        assert bites() == before
        await keeper.watchdog.stand_down()
        end(keeper)

    asyncio.run(scenario())
