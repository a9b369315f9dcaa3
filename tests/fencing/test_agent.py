"""Fence agents: their options are held against their own metadata, and their words are not all believed."""

import asyncio
import os
import shutil
import stat
from pathlib import Path

import pytest
from tests.fencing import machines

from vedette.fencing.device import Device, DeviceError, Power
from vedette.fencing.drivers.agent import AgentDevice
from vedette.spec.resolved import Agent, Secret

pytestmark = [
    pytest.mark.fencing,
    pytest.mark.skipif(not Path("/usr/sbin/fence_dummy").exists(), reason="`make test` installs the fence agents"),
]


def check(agent: Agent, plug: str | None = None) -> list[str]:
    return asyncio.run(AgentDevice(agent).check(plug))


def dummy(status_file: Path, **options: str) -> Device:
    return AgentDevice(Agent("fence_dummy", {"status_file": str(status_file), **options}))


def test_fence_dummy_goes_off_and_on(tmp_path: Path) -> None:
    status_file = tmp_path / "status"
    status_file.write_text("on")

    async def scenario() -> list[Power]:
        device = dummy(status_file)
        seen = [await device.status(None)]
        await device.off(None)
        seen.append(await device.status(None))
        await device.on(None)
        seen.append(await device.status(None))
        return seen

    assert asyncio.run(scenario()) == [Power.ON, Power.OFF, Power.ON]


def test_an_agent_that_fails_raises(tmp_path: Path) -> None:
    async def scenario() -> None:
        device = dummy(tmp_path / "status", type="fail", power_timeout="1")
        with pytest.raises(DeviceError):
            await device.off(None)
        assert await device.status(None) is not Power.OFF

    asyncio.run(scenario())


def test_an_option_that_the_agent_does_not_know_is_found() -> None:
    """The agent itself only warns, and goes on without the password."""
    problems = check(Agent("fence_ipmilan", {"ip": "127.0.0.1", "pasword": "x"}))
    assert problems == ["the option `pasword` is not known to fence_ipmilan"]


def test_a_value_of_the_wrong_kind_is_found_and_not_shown() -> None:
    agent = Agent("fence_ipmilan", {"ip": "127.0.0.1", "lanplus": "perhaps"}, {"ipport": Secret("geheim")})
    problems = check(agent)
    assert sorted(problem.partition(" is ")[0] for problem in problems) == [
        "the option `ipport`",
        "the option `lanplus`",
    ]
    assert "geheim" not in str(problems)


def test_what_the_agent_itself_finds_is_told() -> None:
    (problem,) = check(Agent("fence_apc_snmp", {}, {"community": Secret("geheim")}), "3")
    assert problem.startswith("validate-all: ")
    assert "geheim" not in problem


def test_a_right_set_of_options_has_no_problem() -> None:
    agent = Agent("fence_ipmilan", {"ip": "127.0.0.1", "username": "u", "lanplus": "1"}, {"password": Secret("geheim")})
    assert check(agent) == []


def test_an_agent_without_off_is_found() -> None:
    problems = check(Agent("fence_heuristics_ping", {"ping_targets": "127.0.0.1"}))
    assert any("has no action `status`" in problem for problem in problems)


def test_a_program_that_is_not_there_is_found() -> None:
    (problem,) = check(Agent("fence_nothing_at_all"))
    assert "install the package fence-agents" in problem


def test_a_program_that_others_may_change_gets_no_secret(tmp_path: Path) -> None:
    program = tmp_path / "fence_dummy"
    shutil.copy("/usr/sbin/fence_dummy", program)
    program.chmod(program.stat().st_mode | stat.S_IWOTH)
    device = AgentDevice(Agent("fence_dummy"), folder=tmp_path)
    with pytest.raises(DeviceError, match="others than root"):
        asyncio.run(device.off(None))


@pytest.mark.skipif(os.geteuid() != 0, reason="an agent must be root's")
@pytest.mark.parametrize(
    "broken",
    [
        "#!/usr/bin/python3 /nonexistent\n",
        "#!/bin/sh\nif then\n",
        "#!/usr/bin/python3\nimport argparse\np = argparse.ArgumentParser()\np.add_argument('ip')\np.parse_args()\n",
        "#!/bin/sh\nexit 2\n",
    ],
)
def test_an_agent_that_cannot_run_never_reads_off(broken: str, tmp_path: Path) -> None:
    """All of these end with status 2, which is how an agent says off."""
    machines.write(tmp_path / "fence_broken", broken, mode=0o755)
    device = AgentDevice(Agent("fence_broken"), folder=tmp_path)
    with pytest.raises(DeviceError, match="did not say `Status: OFF`"):
        asyncio.run(device.status(None))
