"""Ping nodes over a real cable: who answers is reached, and who stops answering is missed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from ipaddress import ip_address

import pytest
from tests.addresses.wire import Wire

from vedette.health import pinger
from vedette.health.pinger import Pinger
from vedette.kit.net import IPAddress
from vedette.kit.units import MILLISECOND

FAR = (ip_address("10.77.0.9"), ip_address("fd77::9"))
NOBODY = ip_address("10.77.0.200")
PATIENCE = 10.0
"""Seconds: only a test that fails waits so long."""


@pytest.fixture
def wire() -> Iterator[Wire]:
    with closing(Wire()) as cable:
        yield cable


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinger, "INTERVAL", 50 * MILLISECOND)
    monkeypatch.setattr(pinger, "PATIENCE", 400 * MILLISECOND)


class Watched:
    """A pinger at work, and what it has told."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.pinger = Pinger(changed=self.news.set)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not true():
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def watched(*targets: IPAddress) -> AsyncIterator[Watched]:
    here = Watched()
    here.pinger.set_targets(targets)
    task = asyncio.create_task(here.pinger.run())
    try:
        yield here
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_who_answers_is_reached_by_both_families_and_who_is_not_there_is_missed(wire: Wire) -> None:
    async def scenario() -> None:
        async with watched(*FAR, NOBODY) as here:
            await here.until(lambda: here.pinger.missing == 1)
            assert [item.reached for item in here.pinger.targets] == [True, True, False]
            assert here.pinger.problem == ""

    asyncio.run(scenario())


def test_a_cable_that_is_pulled_is_noticed_and_so_is_its_return(wire: Wire) -> None:
    async def scenario() -> None:
        async with watched(*FAR) as here:
            await here.until(lambda: here.pinger.missing == 0)
            wire.carrier(up=False)
            await here.until(lambda: here.pinger.missing == 2)
            wire.carrier(up=True)
            await here.until(lambda: here.pinger.missing < 2)

    asyncio.run(scenario())


def test_a_new_target_counts_only_once_it_has_answered(wire: Wire) -> None:
    async def scenario() -> None:
        async with watched(FAR[0]) as here:
            await here.until(lambda: here.pinger.missing == 0)
            here.pinger.set_targets(FAR)
            assert here.pinger.missing == 1
            await here.until(lambda: here.pinger.missing == 0)

    asyncio.run(scenario())
