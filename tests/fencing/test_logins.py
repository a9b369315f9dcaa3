"""Whom a driver talks to: certificates and host keys are verified, and silence is told from a refusal."""

import asyncio
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fencing import benches, certificates

from vedette.fencing.device import DeviceError, Power
from vedette.fencing.drivers import build
from vedette.spec.resolved import Drac, Redfish

pytestmark = [
    pytest.mark.fencing,
    pytest.mark.skipif(os.geteuid() != 0, reason="sshd and namespaces need root"),
    pytest.mark.skipif(shutil.which("ipmi_sim") is None, reason="`make test` installs the simulators"),
]


def test_a_controller_with_another_certificate_gets_no_password(tmp_path: Path) -> None:
    with benches.redfish(tmp_path) as bench:
        assert isinstance(bench.driver, Redfish)
        other = tmp_path / "other"
        other.mkdir()
        for authority in (str(certificates.make(other)), None):
            device = build(bench.device(replace(bench.driver, ca_file=authority)))
            with pytest.raises(DeviceError, match=r"(?i)certificate"):
                asyncio.run(device.off(None))
        assert bench.machine.alive()
        device = build(bench.device(replace(bench.driver, ca_file=None, insecure=True)))
        assert asyncio.run(device.status(None)) is Power.ON


def test_a_system_can_be_named_and_must_exist(tmp_path: Path) -> None:
    with benches.redfish(tmp_path) as bench:
        assert isinstance(bench.driver, Redfish)
        named = replace(bench.driver, system="27946b59-9e44-4fa7-8e91-f3527a1ef094")
        assert asyncio.run(build(bench.device(named)).status(None)) is Power.ON
        with pytest.raises(DeviceError, match="404"):
            asyncio.run(build(bench.device(replace(bench.driver, system="other"))).status(None))


def test_a_machine_with_another_host_key_is_not_logged_into(tmp_path: Path) -> None:
    with benches.drac(tmp_path) as bench:
        assert isinstance(bench.driver, Drac)
        login = bench.driver.login
        kind, _ = (tmp_path / "user.pub").read_text().split()[:2]
        key = (tmp_path / "user.pub").read_text().split()[1]
        (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{login.port} {kind} {key}\n")
        with pytest.raises(DeviceError, match="ssh"):
            asyncio.run(build(bench.device()).off(None))
        assert bench.machine.alive()


def test_a_node_that_refuses_connections_is_not_off(tmp_path: Path) -> None:
    """It took the order, and only its sshd ended: the kernel that refuses connections still runs."""

    async def scenario(bench: benches.Bench) -> None:
        device = build(bench.device())
        with suppress(DeviceError):
            await device.off(None)
        for _ in range(3):
            with pytest.raises(DeviceError):
                await device.status(None)

    with benches.ssh(tmp_path) as bench:
        (tmp_path / "half").touch()
        asyncio.run(scenario(bench))


@pytest.mark.skipif(shutil.which("nft") is None, reason="`make test` installs nftables")
@pytest.mark.parametrize("verdict", ["drop", "reject with icmp type host-prohibited"])
def test_a_node_whose_firewall_closes_is_not_off(verdict: str, tmp_path: Path) -> None:
    """It took the order and goes on, and from then on its port says nothing, or what a router says of a dead host."""

    async def scenario(bench: benches.Bench) -> None:
        device = build(bench.device())
        with suppress(DeviceError):
            await device.off(None)
        for _ in range(2):
            with pytest.raises(DeviceError, match="nobody answers"):
                await device.status(None)

    with benches.ssh(tmp_path) as bench:
        chain = f"chain inbound {{\ntype filter hook input priority 0\nmeta l4proto tcp {verdict}\n}}\n"
        (tmp_path / "closed").write_text(f"table ip closed {{\n{chain}}}\n")
        asyncio.run(scenario(bench))
