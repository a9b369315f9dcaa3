"""A watchdog that can be stopped, in a real kernel."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.watchdog.in_kernel.bench import DEVICE, TIMEOUT, WANTED, Keeper, bites, ended, load, run_dir, until

from vedette.kit import clock
from vedette.kit.errors import PermanentError
from vedette.kit.units import SECOND
from vedette.spec.resolved import Watchdog as Wanted
from vedette.watchdog import words
from vedette.watchdog.client import SOCKET
from vedette.watchdog.device import Device


@pytest.fixture(autouse=True, scope="module")
def softdog() -> None:
    load(nowayout=False)


@pytest.fixture
def place() -> Iterator[Path]:
    with run_dir() as path:
        yield path


def test_a_device_says_what_it_is_and_can_be_stopped() -> None:
    device = Device(DEVICE, TIMEOUT)
    assert (device.identity, device.timeout) == ("Software Watchdog", TIMEOUT)
    assert device.way_out
    assert device.sure
    with pytest.raises(PermanentError, match="in use by another program"):
        Device(DEVICE, TIMEOUT)
    assert device.stop()
    assert Device(DEVICE, TIMEOUT).stop()


def test_a_timeout_that_the_device_cannot_do_leaves_it_at_its_own() -> None:
    device = Device(DEVICE, TIMEOUT)
    device.set_timeout(100_000 * SECOND)
    assert device.timeout == TIMEOUT
    assert device.stop()


def test_a_device_that_cannot_do_the_wanted_timeout_guards_with_its_own_and_says_so(place: Path) -> None:
    async def scenario() -> None:
        keeper = Keeper(place, holds=True)
        keeper.watchdog.configure(Wanted(device=DEVICE, timeout=100_000 * SECOND))
        await keeper.becomes("armed")
        assert "cannot do 100000s" in keeper.problem
        assert keeper.told == [TIMEOUT]
        keeper.watchdog.configure(WANTED)
        await until(lambda: keeper.state == "armed" and keeper.problem == "")
        await keeper.watchdog.stand_down()

    asyncio.run(scenario())


def test_what_is_no_watchdog_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    for path, why in (
        (str(tmp_path / "none"), "there is no watchdog"),
        (str(file), "no character device"),
        ("/dev/null", "is no watchdog"),
        # User Mode Linux's own has no timeout, and does not open where its helper on the host is missing (6.1.176).
        ("/dev/watchdog", "cannot be told a timeout|cannot be opened"),
    ):
        with pytest.raises(PermanentError, match=why):
            Device(path, TIMEOUT)
    assert file.read_bytes() == b"content"


def test_it_is_armed_while_something_is_held_and_stopped_after_that(place: Path) -> None:
    async def scenario() -> None:
        keeper = Keeper(place)
        keeper.watchdog.configure(WANTED)
        assert keeper.state == "off"
        keeper.holds = True
        keeper.watchdog.hold()
        await keeper.becomes("armed")
        keeper.holds = False
        await keeper.becomes("off")
        assert keeper.told == [TIMEOUT, None]
        pid = keeper.watchdog.pid
        assert pid is not None
        await keeper.watchdog.stand_down()
        await ended(pid)

    asyncio.run(scenario())


def test_a_device_that_is_missing_is_a_problem_and_another_may_be_named(place: Path) -> None:
    async def scenario() -> None:
        keeper = Keeper(place, holds=True)
        keeper.watchdog.configure(Wanted(device="/dev/no-such-watchdog", timeout=TIMEOUT))
        await until(lambda: "nothing resets this machine" in keeper.problem)
        assert keeper.told == []
        keeper.watchdog.configure(WANTED)
        await keeper.becomes("armed")
        assert keeper.problem == ""
        keeper.watchdog.configure(None)
        await keeper.becomes("none")
        await keeper.watchdog.stand_down()

    asyncio.run(scenario())


def test_a_device_that_somebody_else_has_is_a_problem_until_it_is_free(place: Path) -> None:
    async def scenario() -> None:
        other = Device(DEVICE, 60 * SECOND)
        keeper = Keeper(place, holds=True)
        keeper.watchdog.configure(WANTED)
        await until(lambda: "in use by another program" in keeper.problem)
        assert keeper.state == "off"
        assert other.stop()
        await keeper.becomes("armed")
        assert keeper.problem == ""
        keeper.holds = False
        await keeper.becomes("off")
        await keeper.watchdog.stand_down()

    asyncio.run(scenario())


def test_the_next_keeper_finds_the_feeder_and_goes_on(place: Path) -> None:
    async def scenario() -> None:
        before = bites()
        first = Keeper(place, holds=True)
        first.watchdog.configure(WANTED)
        await first.becomes("armed")
        first.watchdog.make_way()
        second = Keeper(place, holds=True)
        second.watchdog.configure(WANTED)
        await second.becomes("armed")
        assert second.watchdog.pid == first.watchdog.pid
        second.holds = False
        await second.becomes("off")
        assert bites() == before
        await second.watchdog.stand_down()

    asyncio.run(scenario())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_feeder_that_dies_or_hangs_is_replaced_and_the_device_is_armed_again(place: Path, number: int) -> None:
    async def scenario() -> None:
        keeper = Keeper(place, holds=True)
        keeper.watchdog.configure(WANTED)
        await keeper.becomes("armed")
        old = keeper.watchdog.pid
        assert old is not None
        os.kill(old, number)
        await until(lambda: keeper.watchdog.pid not in (None, old))
        await keeper.becomes("armed")
        assert keeper.told == [TIMEOUT, None, TIMEOUT]
        keeper.holds = False
        await keeper.becomes("off")
        await keeper.watchdog.stand_down()

    asyncio.run(scenario())


def test_a_token_that_lay_about_feeds_nothing(place: Path) -> None:
    async def scenario() -> None:
        keeper = Keeper(place, holds=True)
        keeper.watchdog.configure(WANTED)
        await keeper.becomes("armed")
        keeper.watchdog.make_way()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
            link.connect(str(place / SOCKET))
            now = clock.boottime()
            link.send(words.write("arm", now, TIMEOUT, DEVICE))
            link.send(words.write("token", now - TIMEOUT))
            link.send(words.write("token", now + TIMEOUT))
            link.send(b"rest")
            heard: list[bytes] = []
            while not heard or heard[-1] not in (b"closed", b"kept", b""):
                heard.append(await asyncio.to_thread(link.recv, words.LARGEST))
        assert [message.split()[0] for message in heard] == [b"fed", b"armed", b"closed"]

    asyncio.run(scenario())
