"""What a Redfish controller's answers are worth. A real emulator is in test_contract.py."""

import asyncio
from typing import Any

import httpx
import pytest

from vedette.fencing.device import DeviceError, Power
from vedette.fencing.drivers.redfish import SYSTEMS, RedfishDevice
from vedette.spec.resolved import Redfish, Secret

ONE = {"@odata.id": f"{SYSTEMS}/1"}
OFF = {"PowerState": "Off"}


def status(members: dict[str, Any], *, code: int = 200) -> Power:
    """What is read from a controller with that list of systems, whose first answers with ``code``."""

    class Simulated(RedfishDevice):
        def _client(self) -> httpx.AsyncClient:
            return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="https://bmc")

    def answer(request: httpx.Request) -> httpx.Response:
        listed = request.url.path == SYSTEMS
        return httpx.Response(200 if listed else code, json=members if listed else OFF)

    return asyncio.run(Simulated(Redfish("https://bmc", "u", Secret("geheim"))).status(None))


def test_the_only_system_is_the_nodes() -> None:
    assert status({"Members": [ONE]}) is Power.OFF
    assert status({"Members": [ONE], "Members@odata.count": 1}) is Power.OFF


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"Members": []}, "0 systems"),
        ({"Members": [ONE, ONE]}, "2 systems"),
        ({"Members": [ONE], "Members@odata.count": 16}, "16 systems"),
        ({"Members": [ONE], "Members@odata.nextLink": f"{SYSTEMS}?$skip=1"}, "1 or more systems"),
    ],
)
def test_the_first_of_several_systems_is_nobodys(members: dict[str, Any], said: str) -> None:
    """A list comes in pages where it is long, or where the controller likes it so."""
    with pytest.raises(DeviceError, match=said):
        status(members)


@pytest.mark.parametrize("code", [201, 202, 204, 206, 301, 304])
def test_an_answer_that_is_put_off_or_a_part_of_one_says_nothing(code: int) -> None:
    with pytest.raises(DeviceError, match=f"status {code}"):
        status({"Members": [ONE]}, code=code)
