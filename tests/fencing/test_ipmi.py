"""Which cipher suite a controller is spoken to with. Real ones are in test_contract.py."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.fencing import machines

from vedette.fencing.device import DeviceError, Power
from vedette.fencing.drivers import ipmi
from vedette.kit.net import parse
from vedette.spec.resolved import Ipmi, Secret


@dataclass
class Controller:
    """ipmitool before a controller that takes one suite."""

    program: Path

    def take(self, cipher: int) -> None:
        no = "Error in open session response message : no matching cipher suite"
        script = f"""#!/bin/sh
while [ "$1" != -C ]; do shift; done
echo "$2" >> {self.program}.asked
if [ "$2" = {cipher} ]; then echo "Chassis Power is on"; exit 0; fi
echo "{no}" >&2; echo "Error: Unable to establish IPMI v2 / RMCP+ session" >&2; exit 1
"""
        machines.write(self.program, script, mode=0o755)
        Path(f"{self.program}.asked").write_text("")

    def tried(self) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", Path(f"{self.program}.asked").read_text())]


@pytest.fixture
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Controller:
    monkeypatch.setattr(ipmi, "PROGRAM", str(tmp_path / "ipmitool"))
    return Controller(tmp_path / "ipmitool")


def device(cipher: int | None = None) -> ipmi.IpmiDevice:
    return ipmi.IpmiDevice(Ipmi(parse("127.0.0.1"), "u", Secret("p"), cipher=cipher))


@pytest.mark.parametrize(("before", "after"), [(3, 17), (17, 3)])
def test_a_controller_that_takes_another_suite_since_is_spoken_to_with_that(
    controller: Controller, before: int, after: int
) -> None:
    """Its firmware is new, or the board was replaced."""

    async def scenario() -> None:
        way = device()
        controller.take(before)
        assert await way.status(None) is Power.ON
        controller.take(after)
        assert await way.status(None) is Power.ON
        assert controller.tried() == [before, after]
        assert await way.status(None) is Power.ON
        assert controller.tried() == [before, after, after]

    asyncio.run(scenario())


def test_the_suite_that_was_taken_last_is_tried_first(controller: Controller) -> None:
    async def scenario() -> None:
        way = device()
        controller.take(3)
        await way.status(None)
        await way.status(None)

    asyncio.run(scenario())
    assert controller.tried() == [17, 3, 3]


def test_no_other_suite_is_tried_than_the_one_that_the_document_names(controller: Controller) -> None:
    controller.take(3)
    with pytest.raises(DeviceError):
        asyncio.run(device(17).status(None))
    assert controller.tried() == [17]
