"""Calls that block, in threads that may never end."""

import asyncio
import threading

import pytest

from vedette.health.slow import places, threads, upkeep


def test_what_a_call_returns_and_raises_arrives() -> None:
    def fail() -> None:
        raise KeyError("gone")

    async def scenario() -> None:
        assert await threads.run(lambda: 42) == 42
        with pytest.raises(KeyError, match="gone"):
            await threads.run(fail)

    asyncio.run(scenario())


def test_a_hung_call_is_left_behind_and_keeps_its_place_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads.PLACES, "most", 1)

    async def scenario() -> None:
        stuck, released = threading.Event(), threading.Event()
        call = asyncio.create_task(threads.run(stuck.wait, release=released.set))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert released.is_set()
        assert len(threads.abandoned) == 1
        waiting = asyncio.create_task(threads.run(lambda: 42))
        await asyncio.sleep(0)
        assert places.waiting == {waiting: "1 checks hang already"}
        stuck.set()
        assert await waiting == 42
        assert not threads.abandoned

    asyncio.run(scenario())


def test_calls_that_never_end_are_a_reason_to_start_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    assert upkeep.excess() is None
    monkeypatch.setattr(upkeep, "MOST_LEFT", 1)
    monkeypatch.setattr(threads, "abandoned", {threading.Thread(), threading.Thread()})
    assert upkeep.excess() == "2 checks do not end"


def test_too_much_memory_is_a_reason_to_start_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "MOST_MEMORY", 1 << 20)
    assert "MiB of memory" in (upkeep.excess() or "")
