"""Management controllers that speak Redfish (DMTF DSP0266): iDRAC, iLO, XCC and others."""

import json
import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from vedette.fencing.device import DeviceError, Power, RefusedError, UnreachableError
from vedette.fencing.drivers.secrecy import clean
from vedette.kit.units import SECOND, seconds
from vedette.spec.resolved import Redfish

SYSTEMS = "/redfish/v1/Systems"
_COUNT, _NEXT = "Members@odata.count", "Members@odata.nextLink"
"""Of a whole list, and where the rest of it is when this is its first page (DSP0266)."""
LARGEST = 1 << 20
"""Bytes of an answer."""
PATIENCE = 5 * SECOND
"""Of one exchange (ns): controllers are slow, and a connection to one that is away fails late."""
_POWER = {
    "On": Power.ON,
    "PoweringOn": Power.ON,
    "PoweringOff": Power.ON,
    "Paused": Power.ON,
    "Off": Power.OFF,
}
"""``PowerState`` (ComputerSystem schema); what is not there is unknown."""


class RedfishDevice:
    """One controller. ``plug`` means nothing: it is one node's own."""

    def __init__(self, driver: Redfish) -> None:
        self._driver = driver
        self._path: str | None = None if driver.system is None else f"{SYSTEMS}/{driver.system}"

    async def status(self, plug: str | None) -> Power:
        async with self._client() as client:
            return _power(await self._system(client))

    async def off(self, plug: str | None) -> None:
        await self._reset("ForceOff", Power.OFF)

    async def on(self, plug: str | None) -> None:
        await self._reset("On", Power.ON)

    async def check(self, plug: str | None) -> list[str]:
        try:
            async with self._client() as client:
                system = await self._system(client)
                _target(system, "ForceOff")
        except DeviceError as error:
            return [str(error)]
        return []

    async def _reset(self, kind: str, wanted: Power) -> None:
        """Reset in one way; some controllers refuse what is so already, so that is not asked for."""
        async with self._client() as client:
            system = await self._system(client)
            if system.get("PowerState") == {Power.OFF: "Off", Power.ON: "On"}[wanted]:
                return
            await self._exchange(client, "POST", _target(system, kind), {"ResetType": kind})

    def _client(self) -> httpx.AsyncClient:
        # trust_env: a proxy or a .netrc of the environment has no say in how a node is switched off.
        return httpx.AsyncClient(
            base_url=self._driver.url,
            auth=(self._driver.username, self._driver.password.text),
            verify=self._context(),
            timeout=seconds(PATIENCE),
            trust_env=False,
            follow_redirects=False,
        )

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._driver.ca_file)
        except OSError as error:
            raise RefusedError(f"{self._driver.ca_file} holds no certificates: {error.strerror or error}") from None
        if self._driver.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    async def _system(self, client: httpx.AsyncClient) -> Mapping[str, Any]:
        """The computer system; which it is, is asked once."""
        if self._path is None:
            found = await self._exchange(client, "GET", SYSTEMS)
            members = found.get("Members")
            paths = [item.get("@odata.id") for item in members if isinstance(item, dict)] if members else []
            if len(paths) != 1 or found.get(_COUNT, 1) != 1 or _NEXT in found:
                raise RefusedError(f"the controller has {_several(found, len(paths))} systems: say `system`")
            self._path = _local(paths[0])
        return await self._exchange(client, "GET", self._path)

    async def _exchange(
        self, client: httpx.AsyncClient, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        try:
            async with client.stream(method, path, json=body) as response:
                data = b""
                async for part in response.aiter_bytes():
                    data += part
                    if len(data) > LARGEST:
                        raise UnreachableError(f"{method} {path}: more than {LARGEST} bytes")
        except httpx.HTTPError as error:
            reason = clean(str(error) or type(error).__name__, [self._driver.password.text])
            raise UnreachableError(f"{method} {path}: {reason}") from None
        if response.status_code in (401, 403):
            raise RefusedError(f"{method} {path}: user or password is refused (status {response.status_code})")
        # An answer that is put off (202) or a part of one (206) says nothing of how it is.
        if not response.is_success or (method == "GET" and response.status_code != httpx.codes.OK):
            kind = RefusedError if response.is_client_error else UnreachableError
            raise kind(f"{method} {path}: status {response.status_code}")
        return _object(data, f"{method} {path}") if method == "GET" else {}


def _several(found: Mapping[str, Any], here: int) -> str:
    """How many systems a list has that may go on on another page."""
    count = found.get(_COUNT)
    return str(count) if isinstance(count, int) else f"{here} or more" if _NEXT in found else str(here)


def _object(data: bytes, what: str) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UnreachableError(f"{what}: the answer is not Redfish")
    return found


def _power(system: Mapping[str, Any]) -> Power:
    state = system.get("PowerState")
    return _POWER.get(state, Power.UNKNOWN) if isinstance(state, str) else Power.UNKNOWN


def _target(system: Mapping[str, Any], kind: str) -> str:
    """Where a reset is asked for; raises :class:`RefusedError` when the system does not know that kind."""
    actions = system.get("Actions")
    action = actions.get("#ComputerSystem.Reset") if isinstance(actions, dict) else None
    if not isinstance(action, dict):
        raise RefusedError("the controller cannot switch this system")
    allowed = action.get("ResetType@Redfish.AllowableValues")
    if isinstance(allowed, list) and kind not in allowed:
        raise RefusedError(f"the controller does not know {kind} for this system")
    return _local(action.get("target"))


def _local(path: object) -> str:
    """Accept a path on the controller itself only: the password is not for others."""
    if not isinstance(path, str) or not path.startswith("/") or path.startswith("//"):
        raise UnreachableError("the controller points somewhere else")
    return path
