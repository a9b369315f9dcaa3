"""From the core's request to a machine without power: the keeper's side, a real fencer process, a simulated device.

Against every simulator the machine is off when the core is told so; whatever is wrong with a device, the core is not.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.fencing import benches
from tests.fencing.benches import Bench
from tests.fencing.documents import node

from vedette.cluster.events import FenceRequest, FenceResult
from vedette.daemon.fencing import Fencing
from vedette.fencing import history
from vedette.kit.units import SECOND
from vedette.spec.resolved import (
    ClusterSpec,
    FencingDevice,
    FencingUse,
    Heartbeat,
    SnmpVersion,
    SplitBrainPolicy,
)
from vedette.state.placement import Liveness, NodeView, View

pytestmark = [
    pytest.mark.fencing,
    pytest.mark.skipif(os.geteuid() != 0, reason="sshd, namespaces and other programs' environments need root"),
    pytest.mark.skipif(shutil.which("ipmi_sim") is None, reason="`make test` installs the simulators"),
]

Maker = Callable[[Path], AbstractContextManager[Bench]]
BENCHES: dict[str, Maker] = {
    "redfish": benches.redfish,
    "ipmi": benches.ipmi,
    "apcPdu": partial(benches.apc_pdu, version=SnmpVersion.V1),
    "drac": benches.drac,
    "fence_apc_snmp": partial(benches.fence_apc_snmp, version="2c"),
}


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "simulator").mkdir()
    with BENCHES[request.param](tmp_path / "simulator") as made:
        yield made


def spec(device: FencingDevice, plug: str | None) -> ClusterSpec:
    beat = Heartbeat(interval=SECOND, warn_after=SECOND, dead_after=3 * SECOND, startup_grace=SECOND, links=())
    return ClusterSpec(
        name="edge",
        digest="0" * 64,
        nodes=(node("a"), node("b", (FencingUse(device.name, plug),))),
        keys=(),
        heartbeat=beat,
        policy=SplitBrainPolicy.FENCE,
        groups=(),
        fencing_devices=(device,),
    )


def hasty(device: FencingDevice) -> FencingDevice:
    """The same with less time, so that what fails has failed soon."""
    return replace(device, timeout=8 * SECOND)


def view(liveness: Liveness) -> View:
    seen = NodeView("b", liveness, 1, ready=True, holds=(), links=(), revision=1, digest="", incarnation=5)
    return View(me="a", now=1, quorum=True, nodes=(seen,), leases=())


def shoot(folder: Path, device: FencingDevice, plug: str | None, *, first: Liveness) -> FenceResult:
    """Have the node of a device shot, after its plug was looked at if it lives ``first``; returns the first result."""
    results: asyncio.Queue[FenceResult] = asyncio.Queue()

    async def main() -> FenceResult:
        fencing = Fencing(run_dir=folder, state_dir=folder, result=results.put_nowait, changed=lambda: None)
        fencing.configure(spec(device, plug), me="a")
        fencing.look(view(first))
        keeping = asyncio.create_task(fencing.run())
        telling = asyncio.create_task(tell(fencing))
        try:
            async with asyncio.timeout(100):
                while first is Liveness.UP and not any(
                    it["read"] for it in (fencing.status() or {})["report"]["plugs"]
                ):
                    await asyncio.sleep(0.1)
                fencing.look(view(Liveness.DEAD))
                fencing.want((FenceRequest("b", incarnation=5, wait=0),))
                result = await results.get()
                while result.confirmed and not history.read(folder):  # it is written beside, the takeover goes first
                    await asyncio.sleep(0.1)
                return result
        finally:
            for task in (telling, keeping):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    return asyncio.run(main())


def read(fencing: Fencing) -> bool:
    status = fencing.status()
    return status is not None and any(plug["read"] for plug in status["report"]["plugs"])


async def tell(fencing: Fencing) -> None:
    """What the keeper's report loop does."""
    while True:
        fencing.tell()
        await asyncio.sleep(0.5)


def test_a_machine_is_off_when_the_core_is_told_so(bench: Bench, tmp_path: Path) -> None:
    assert bench.machine.alive()
    result = shoot(tmp_path, bench.device(), bench.plug, first=Liveness.UP)
    assert result.confirmed
    assert not bench.machine.alive()
    assert history.read(tmp_path)[-1]["result"] == "off"


def test_a_wrong_password_is_a_failure(bench: Bench, tmp_path: Path) -> None:
    if bench.wrong_password is None:
        pytest.skip("SNMP v1 and v2c answer nothing to a wrong community")
    result = shoot(tmp_path, hasty(bench.device(bench.wrong_password)), bench.plug, first=Liveness.DEAD)
    assert not result.confirmed
    assert bench.machine.alive()


def test_an_outlet_that_does_not_exist_is_a_failure(bench: Bench, tmp_path: Path) -> None:
    """Also where the agent says that it is off already."""
    if bench.missing_plug is None:
        pytest.skip("this device has no outlets")
    result = shoot(tmp_path, hasty(bench.device()), bench.missing_plug, first=Liveness.DEAD)
    assert not result.confirmed
    assert bench.machine.alive()


def test_a_device_that_acknowledges_and_does_not_switch_is_a_failure(bench: Bench, tmp_path: Path) -> None:
    if bench.stuck is None:
        pytest.skip("this simulator cannot be made to")
    bench.stuck.touch()
    result = shoot(tmp_path, hasty(bench.device()), bench.plug, first=Liveness.DEAD)
    assert not result.confirmed
    assert bench.machine.alive()


def test_no_secret_stays_in_any_file(bench: Bench, tmp_path: Path) -> None:
    shoot(tmp_path, bench.device(), bench.plug, first=Liveness.UP)
    written = "".join(path.read_text() for path in tmp_path.iterdir() if path.is_file())
    assert not any(secret in written for secret in bench.secrets)
