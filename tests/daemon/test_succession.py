"""A successor takes over only when it is ready; one that is not changes nothing."""

import asyncio
import os
import signal
import sys

import pytest

from vedette.daemon import succession
from vedette.kit.errors import PermanentError, UsageError

READY = "from vedette.daemon import succession; succession.waiting(); import signal; signal.pause()"


def successor(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", script])


def test_a_process_that_says_that_it_is_ready_is_the_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    successor(READY, monkeypatch)
    process = asyncio.run(succession.prepare())
    assert process.poll() is None
    process.kill()
    process.wait()


@pytest.mark.parametrize("script", ["raise SystemExit(3)", "import no_such_module"])
def test_one_that_ends_before_it_is_ready_is_refused(
    script: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    successor(script, monkeypatch)
    with pytest.raises(PermanentError, match="did not get ready"):
        asyncio.run(succession.prepare())


def test_one_that_hangs_is_ended_and_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(succession, "PATIENCE", 1)
    successor("import signal; signal.pause()", monkeypatch)
    with pytest.raises(PermanentError, match="did not get ready"):
        asyncio.run(succession.prepare())


def test_a_stop_ends_a_successor_that_is_still_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take the lock as soon as it is free, and be a daemon that nobody has started."""
    successor("import signal; signal.pause()", monkeypatch)

    async def scenario() -> int:
        whole = succession.Succession()
        preparing = asyncio.ensure_future(whole.prepare())
        while whole._loading is None:
            await asyncio.sleep(0)
        process = whole._loading
        whole.dismiss()
        with pytest.raises(PermanentError, match="did not get ready"):
            await preparing
        with pytest.raises(UsageError, match="stops"):
            await whole.prepare()
        assert whole.successor is None
        return process.wait()

    assert asyncio.run(scenario()) == -signal.SIGKILL


def test_a_successor_that_has_ended_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    successor(READY, monkeypatch)

    async def scenario() -> succession.Succession:
        whole = succession.Succession()
        await whole.prepare()
        return whole

    whole = asyncio.run(scenario())
    assert whole.lives()
    assert whole.successor is not None
    whole.successor.kill()
    whole.successor.wait()
    assert not whole.lives()
    assert whole.successor is None


def test_a_daemon_that_was_started_by_hand_succeeds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VEDETTE_SUCCEEDS", raising=False)
    assert not succession.waiting()


def test_the_service_manager_hears_the_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setenv("VEDETTE_SUCCEEDS", str(writing))
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert succession.waiting()
    assert os.environ["WATCHDOG_PID"] == str(os.getpid())
    assert os.read(reading, 16) == b"ready"
    os.close(reading)
