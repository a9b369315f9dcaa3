"""One contract for every driver, each against a simulator that we did not write and that switches a real process."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path

import pytest
from tests.fencing import benches
from tests.fencing.benches import Bench

from vedette.fencing.device import Device, DeviceError, Power
from vedette.fencing.drivers import build
from vedette.kit.units import seconds
from vedette.spec.resolved import ApcTree, SnmpVersion

pytestmark = [
    pytest.mark.fencing,
    pytest.mark.skipif(os.geteuid() != 0, reason="sshd, namespaces and other programs' environments need root"),
    pytest.mark.skipif(shutil.which("ipmi_sim") is None, reason="`make test` installs the simulators"),
]

Maker = Callable[[Path], AbstractContextManager[Bench]]
BENCHES: dict[str, Maker] = {
    "redfish": benches.redfish,
    "ipmi": benches.ipmi,
    "apcPdu-rpdu-v1": partial(benches.apc_pdu, version=SnmpVersion.V1),
    "apcPdu-rpdu-v2c": partial(benches.apc_pdu, version=SnmpVersion.V2C, tree=ApcTree.RPDU),
    "apcPdu-rpdu2-v2c": partial(benches.apc_pdu, trees="rpdu2", version=SnmpVersion.V2C),
    "apcPdu-both-v3": partial(benches.apc_pdu, trees="rpdu,rpdu2", version=SnmpVersion.V3),
    "apcPdu-masterSwitch-v1": partial(benches.apc_pdu, trees="masterSwitch"),
    "apcUps-group": benches.apc_ups,
    "apcUps-whole": partial(benches.apc_ups, plug=None),
    "drac": benches.drac,
    "ssh": benches.ssh,
    "fence_ipmilan": benches.fence_ipmilan,
    "fence_apc_snmp-v1": partial(benches.fence_apc_snmp, version="1"),
    "fence_apc_snmp-v2c": partial(benches.fence_apc_snmp, version="2c"),
    "fence_apc_snmp-v3": partial(benches.fence_apc_snmp, version="3"),
}
STUBBORN: dict[str, Maker] = {
    "ipmi": partial(benches.ipmi, stubborn=True),
    "fence_ipmilan": partial(benches.fence_ipmilan, stubborn=True),
}


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with BENCHES[request.param](tmp_path) as made:
        yield made


async def seen(device: Device, plug: str | None, wanted: Power, timeout: int) -> None:
    """Wait until the device says so; only the time-out ends it otherwise, as in the fencing procedure."""
    async with asyncio.timeout(seconds(timeout)):
        while await quietly(device.status(plug)) is not wanted:
            await asyncio.sleep(0.1)


async def quietly(asked: Awaitable[Power]) -> Power:
    """A status; a failure is unknown."""
    try:
        return await asked
    except DeviceError:
        return Power.UNKNOWN


async def attempt(device: Device, plug: str | None) -> list[Power]:
    """Ask for off, and look several times, with all failures that there may be."""
    with suppress(DeviceError):
        await device.off(plug)
    return [await quietly(device.status(plug)) for _ in range(2)]


async def both(device: Device, plug: str | None) -> list[object]:
    """What becomes of an off and a status at the same time: a device is slow where it does not answer."""
    answers = await asyncio.gather(device.off(plug), device.status(plug), return_exceptions=True)
    return list(answers)


def test_off_is_seen_within_the_devices_time_and_the_machine_can_be_switched_on_again(bench: Bench) -> None:
    async def scenario() -> None:
        device = build(bench.device())
        assert await device.status(bench.plug) is Power.ON
        assert await device.check(bench.plug) == []
        await device.off(bench.plug)
        await seen(device, bench.plug, Power.OFF, bench.off_timeout)
        assert not bench.machine.alive()
        assert await device.status(bench.plug) is Power.OFF
        if not bench.on_again:
            with pytest.raises(DeviceError):
                await device.on(bench.plug)
            return
        await device.on(bench.plug)
        await seen(device, bench.plug, Power.ON, bench.off_timeout)
        assert bench.machine.alive()

    asyncio.run(scenario())


def test_a_wrong_password_switches_nothing_and_never_reads_off(bench: Bench) -> None:
    if bench.wrong_password is None:
        pytest.skip("another bench speaks the same protocol")

    async def scenario() -> None:
        for answer in await both(build(bench.device(bench.wrong_password)), bench.plug):
            assert isinstance(answer, DeviceError)
            assert benches.WRONG.text not in str(answer)

    asyncio.run(scenario())
    assert bench.machine.alive()


def test_a_device_that_does_not_answer_never_reads_off(bench: Bench) -> None:
    if bench.unreachable is None:
        pytest.skip("another bench speaks the same protocol")

    async def scenario() -> None:
        for answer in await both(build(bench.device(bench.unreachable)), bench.plug):
            assert isinstance(answer, DeviceError)

    asyncio.run(scenario())
    assert bench.machine.alive()


def test_a_plug_that_does_not_exist_never_reads_off(bench: Bench) -> None:
    """fence_apc_snmp says "Success: Already OFF" of it (with v2c)."""
    if bench.missing_plug is None:
        pytest.skip("a device without plugs")
    assert Power.OFF not in asyncio.run(attempt(build(bench.device()), bench.missing_plug))
    assert bench.machine.alive()


def test_the_plug_of_another_leaves_the_machine_on(bench: Bench) -> None:
    """That it reads off while the node lives is how a wrong plug is found."""
    if bench.other_plug is None:
        pytest.skip("a device without plugs")

    async def scenario() -> None:
        device = build(bench.device())
        await device.off(bench.other_plug)
        assert await device.status(bench.other_plug) is Power.OFF
        assert await device.status(bench.plug) is Power.ON

    asyncio.run(scenario())
    assert bench.machine.alive()


def test_a_device_that_takes_the_order_and_does_nothing_never_reads_off(bench: Bench) -> None:
    if bench.stuck is None:
        pytest.skip("its simulator has a stubborn machine instead")
    bench.stuck.touch()
    assert Power.OFF not in asyncio.run(attempt(build(bench.device()), bench.plug))
    assert bench.machine.alive()


@pytest.mark.parametrize("maker", STUBBORN.values(), ids=STUBBORN.keys())
def test_a_controller_whose_machine_ignores_it_never_reads_off(maker: Maker, tmp_path: Path) -> None:
    with maker(tmp_path) as bench:
        assert Power.OFF not in asyncio.run(within(10, attempt(build(bench.device()), bench.plug)))
        assert bench.machine.alive()


async def within(timeout: float, asked: Awaitable[list[Power]]) -> list[Power]:
    """What was seen before the time was up; nothing if it was."""
    try:
        async with asyncio.timeout(timeout):
            return await asked
    except TimeoutError:
        return []


def test_no_secret_is_visible_to_others_meanwhile(bench: Bench) -> None:
    """Arguments may be read by everybody, the environment by its owner and root only (proc(5))."""

    async def scenario() -> None:
        device = build(bench.device())
        await device.status(bench.plug)
        await device.check(bench.plug)
        await device.off(bench.plug)
        await seen(device, bench.plug, Power.OFF, bench.off_timeout)

    if bench.leaks:
        pytest.skip("the agent itself shows it in the arguments of what it starts; the document's reader warns")
    watch = Watch(bench.secrets)
    with watch:
        asyncio.run(scenario())
    assert watch.rounds > 20
    assert watch.leaks == []


def test_the_watch_sees_a_secret_that_is_an_argument() -> None:
    watch = Watch(("geheim-to-be-seen",))
    with watch:
        subprocess.run(["/bin/sh", "-c", "sleep 0.3; : geheim-to-be-seen"], check=True)
    assert watch.leaks != []


class Watch:
    """Reads every process's arguments, and looks who may read its environment, again and again."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = [secret.encode() for secret in secrets if secret]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.rounds = 0
        self.leaks: list[str] = []

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.is_set():
            self.rounds += 1
            for process in Path("/proc").iterdir():
                if process.name.isdigit():
                    self._look_at(process)

    def _look_at(self, process: Path) -> None:
        try:
            command = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
            mode = (process / "environ").stat()
        except OSError:
            return
        for secret in self._secrets:
            if secret in command:
                self.leaks.append(f"argument of {command[:40]!r}")
            if secret in environment and (mode.st_mode & 0o077 or mode.st_uid != os.geteuid()):
                self.leaks.append(f"environment of {command[:40]!r}")


def test_nothing_is_left_running_when_a_call_is_cancelled(bench: Bench) -> None:
    async def scenario() -> None:
        device = build(bench.device(bench.unreachable or bench.driver))
        asked = asyncio.create_task(device.status(bench.plug))
        await asyncio.sleep(0.3)
        asked.cancel()
        with contextlib.suppress(asyncio.CancelledError, DeviceError):  # or it was quicker
            await asked

    before = children()
    asyncio.run(scenario())
    assert children() <= before


def children() -> set[str]:
    """The processes below this one, by their parent."""
    found = set()
    for process in Path("/proc").iterdir():
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(os.getpid()) and fields[0] != "Z":
            found.add(process.name)
    return found
