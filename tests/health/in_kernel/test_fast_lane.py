"""Pings, marks and source addresses on a real kernel, over a real cable."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.addresses.wire import Wire
from tests.health.targets import target
from tests.health.test_attempts import Result, Trial

from vedette.health import ping
from vedette.health.client import CheckerClient
from vedette.health.judge import Outcome
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import PingProbe, Probe, TcpProbe, UdpProbe
from vedette.state.health import Health, Target

FAR = ("10.77.0.9", "fd77::9")
NOBODY = "10.77.0.200"
MARK = 0x5EED
CAP_NET_RAW = 1 << 13
UP = Outcome.PASSED, "answered"


@pytest.fixture(autouse=True, scope="module")
def wire() -> Iterator[None]:
    """A cable, and sockets to ping with in the namespace at its end."""
    with closing(Wire()), closing(ping.Echoes()) as echoes, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ping, "echoes", echoes)
        yield


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def marked_packets_are_prohibited() -> Iterator[None]:
    for family in ("-4", "-6"):
        ip(family, "rule", "add", "pref", "10", "fwmark", str(MARK), "prohibit")
    try:
        yield
    finally:
        for family in ("-4", "-6"):
            ip(family, "rule", "del", "pref", "10")


def check(aim: Target, *, limit: float = 5.0) -> Result:
    async def scenario() -> Result:
        trial = Trial(aim)
        with suppress(TimeoutError):
            return await asyncio.wait_for(trial.result(), limit)
        trial.attempt.expire("1s")
        return trial.results[0]

    return asyncio.run(scenario())


def aim(address: str, probe: Probe, port: int = 0, *, mark: int = 0, source: tuple[str, ...] = ()) -> Target:
    plain = target(address, port, probe, interval=100 * MILLISECOND, timeout=SECOND, rise=1)
    return replace(plain, check=replace(plain.check, mark=mark, source=tuple(map(ip_address, source))))


@pytest.mark.parametrize("address", [*FAR, "127.0.0.1", "::1"])
def test_a_host_that_answers_pings_is_up(address: str) -> None:
    assert check(aim(address, PingProbe())) == UP


def test_a_host_that_does_not_answer_pings_is_down() -> None:
    assert check(aim(NOBODY, PingProbe()), limit=0.3) == (Outcome.FAILED, "no answer in 1s")
    assert check(aim("192.0.2.9", PingProbe())) == (Outcome.FAILED, "no route to the server")


def test_a_host_that_ignores_pings_is_down() -> None:
    ignore = Path("/proc/sys/net/ipv4/icmp_echo_ignore_all")
    ignore.write_text("1")
    try:
        assert check(aim("127.0.0.1", PingProbe()), limit=0.3) == (Outcome.FAILED, "no answer in 1s")
    finally:
        ignore.write_text("0")


def test_hundreds_of_pings_at_once_each_find_their_answer() -> None:
    async def scenario() -> list[Result]:
        trials = [Trial(aim(f"127.0.{number >> 8}.{number & 255}", PingProbe())) for number in range(1, 200)]
        return await asyncio.wait_for(asyncio.gather(*(trial.result() for trial in trials)), 20)

    assert set(asyncio.run(scenario())) == {UP}


@pytest.mark.parametrize("address", FAR)
@pytest.mark.parametrize("probe", [PingProbe(), TcpProbe(), UdpProbe(b"x")])
@pytest.mark.usefixtures("marked_packets_are_prohibited")
def test_a_mark_is_on_every_kind_of_packet(address: str, probe: Probe) -> None:
    outcome, reason = check(aim(address, probe, 9, mark=MARK))
    assert (outcome, reason) == (Outcome.FAILED, "blocked by this machine's firewall")
    assert check(aim(address, probe, 9), limit=1.0)[1] in ("answered", "connection refused", "port unreachable")


@pytest.mark.parametrize("probe", [PingProbe(), TcpProbe(), UdpProbe(b"x")])
def test_an_address_to_come_from_that_is_not_here_says_nothing_of_the_server(probe: Probe) -> None:
    for address, source in ((FAR[0], ("10.77.0.66",)), (FAR[1], ("fd77::66", "fd77::67"))):
        outcome, reason = check(aim(address, probe, 9, source=source))
        assert outcome is Outcome.BLOCKED
        assert reason == f"this machine has no address {'-'.join(source)} to check from"


def test_pings_come_from_the_address_that_the_document_says() -> None:
    """Loopback answers to whom asked, so an answer at all proves the way; a missing one first proves the choice."""
    assert check(aim("127.0.0.1", PingProbe(), source=("10.77.0.66", "127.0.0.5"))) == UP


class Watched:
    """The checker process, and a way to wait for what it finds."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.client = CheckerClient(self.news.set)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not true():
                self.news.clear()
                await self.news.wait()

    def health(self, wanted: Target) -> Health:
        return self.client.verdicts[wanted].health

    def privileges(self) -> int:
        status = Path(f"/proc/{self.client.child.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("CapPrm"))
        return int(line.split()[1], 16)


@pytest.mark.usefixtures("marked_packets_are_prohibited")
def test_the_checker_pings_without_privileges_and_gets_one_back_for_marks() -> None:
    async def scenario() -> None:
        here = Watched()
        task = asyncio.create_task(here.client.run())
        try:
            up, gone, marked = (
                aim(FAR[0], PingProbe()),
                aim(NOBODY, PingProbe()),
                aim(FAR[0], PingProbe(), mark=MARK),
            )
            here.client.set_targets([up, gone])
            await here.until(lambda: here.health(up) is Health.UP and here.health(gone) is Health.DOWN)
            assert here.privileges() == 0
            here.client.set_targets([up, gone, marked])
            await here.until(lambda: here.health(marked) is Health.DOWN)
            assert here.privileges() == CAP_NET_RAW
            assert (here.health(up), here.health(gone)) == (Health.UP, Health.DOWN)
            assert here.client.child.restarts == 1
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
