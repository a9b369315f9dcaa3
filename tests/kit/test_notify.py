"""What the service manager is told."""

import os
import socket
from pathlib import Path

import pytest

from vedette.kit import notify
from vedette.kit.units import SECOND


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_hears_every_line_in_one_datagram(
    abstract: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"vedette-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name if abstract else name)
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name if abstract else name)
        assert notify.notify(notify.READY, notify.status("holds web"))
        assert manager.recv(1000) == b"READY=1\nSTATUS=holds web"


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify.notify(notify.READY)


@pytest.mark.parametrize("address", ["", "vsock:2:1", "/nobody/listens/here"])
def test_a_manager_that_cannot_be_told_stops_nobody(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not notify.notify(notify.WATCHDOG)


def test_a_status_is_one_line() -> None:
    assert notify.status("two\nlines") == "STATUS=two lines"


def test_the_watchdog_is_fed_only_by_the_process_that_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    assert notify.watchdog_interval() == 0
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    assert notify.watchdog_interval() == 3 * SECOND
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert notify.watchdog_interval() == 0
