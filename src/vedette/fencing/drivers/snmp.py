"""SNMP v1, v2c and v3: one object read, one object written.

pysnmp returns "no such instance" as if it were a value (RFC 3416, 4.2.1); here it is an error, because an outlet that
does not exist must never look like one that is off.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pysnmp.hlapi.v3arch.asyncio as hlapi
from pysnmp.error import PySnmpError
from pysnmp.proto import errind
from pysnmp.proto.rfc1902 import Integer32

from vedette.fencing.device import RefusedError, UnreachableError
from vedette.fencing.drivers.secrecy import clean
from vedette.spec.resolved import Snmp, SnmpAuth, SnmpPrivacy, SnmpVersion

SECONDS, RETRIES = 2.0, 2
"""Of one request: the processors of power strips are slow."""
NO_SUCH_NAME = 2
"""Error status of SNMP v1 (RFC 1157)."""

_AUTH = {
    SnmpAuth.MD5: hlapi.USM_AUTH_HMAC96_MD5,
    SnmpAuth.SHA: hlapi.USM_AUTH_HMAC96_SHA,
    SnmpAuth.SHA256: hlapi.USM_AUTH_HMAC192_SHA256,
    SnmpAuth.SHA512: hlapi.USM_AUTH_HMAC384_SHA512,
}
_PRIVACY = {
    SnmpPrivacy.DES: hlapi.USM_PRIV_CBC56_DES,
    SnmpPrivacy.AES: hlapi.USM_PRIV_CFB128_AES,
    SnmpPrivacy.AES192: hlapi.USM_PRIV_CFB192_AES,
    SnmpPrivacy.AES256: hlapi.USM_PRIV_CFB256_AES,
}
_REFUSALS = (
    errind.WrongDigest,
    errind.DecryptionError,
    errind.UnknownUserName,
    errind.UnsupportedSecurityLevel,
    errind.AuthenticationFailure,
    errind.AuthenticationError,
)
"""What v3 says of a wrong user or password; v1 and v2c say nothing at all, and that is a time-out."""


class MissingError(RefusedError):
    """The agent has no such object."""


class Agent:
    """The SNMP agent of a device. Both calls raise :class:`vedette.fencing.device.DeviceError`."""

    def __init__(self, snmp: Snmp) -> None:
        self._snmp = snmp
        secrets = (snmp.community, snmp.auth_password, snmp.privacy_password)
        self._secrets = [secret.text for secret in secrets if secret is not None]

    async def read(self, oid: str) -> int:
        """Read an integer; :class:`MissingError` where there is none."""
        return await self._ask(hlapi.get_cmd, oid)

    async def write(self, oid: str, value: int) -> None:
        """Write an integer."""
        await self._ask(hlapi.set_cmd, oid, Integer32(value))

    async def _ask(self, command: Any, oid: str, *value: Any) -> int:
        name = hlapi.ObjectType(hlapi.ObjectIdentity(oid), *value)
        try:
            async with self._engine() as engine:
                target = await self._target()
                answer = await command(engine, self._login(), target, hlapi.ContextData(), name, lookupMib=False)
        except (PySnmpError, OSError) as error:
            raise UnreachableError(f"SNMP: {clean(str(error), self._secrets)}") from None
        failed, status, _, bindings = answer
        if failed:
            kind = RefusedError if isinstance(failed, _REFUSALS) else UnreachableError
            raise kind(f"SNMP: {clean(str(failed), self._secrets)}")
        if int(status) == NO_SUCH_NAME:
            raise MissingError(f"the device has no object {oid}")
        if status:
            raise RefusedError(f"the device refuses {oid}: {clean(status.prettyPrint(), self._secrets)}")
        return _integer(oid, bindings)

    @asynccontextmanager
    async def _engine(self) -> AsyncIterator[Any]:
        """An engine for one exchange: what it remembers of a device must not outlive a reset of that device."""
        engine = hlapi.SnmpEngine()
        try:
            yield engine
        finally:
            engine.close_dispatcher()

    async def _target(self) -> Any:
        kind = hlapi.UdpTransportTarget if self._snmp.address.version == 4 else hlapi.Udp6TransportTarget
        return await kind.create((str(self._snmp.address), self._snmp.port), timeout=SECONDS, retries=RETRIES)

    def _login(self) -> Any:
        snmp = self._snmp
        if snmp.version is not SnmpVersion.V3:
            assert snmp.community is not None
            return hlapi.CommunityData(snmp.community.text, mpModel=0 if snmp.version is SnmpVersion.V1 else 1)
        auth, privacy = snmp.auth_password, snmp.privacy_password
        return hlapi.UsmUserData(
            snmp.username,
            authKey=None if auth is None else auth.text,
            privKey=None if privacy is None else privacy.text,
            authProtocol=hlapi.USM_AUTH_NONE if auth is None else _AUTH[snmp.auth_protocol],
            privProtocol=hlapi.USM_PRIV_NONE if privacy is None else _PRIVACY[snmp.privacy_protocol],
        )


def _integer(oid: str, bindings: Any) -> int:
    """The value of the one object asked for, and of no other."""
    if len(bindings) != 1:
        raise UnreachableError("the answer is not what was asked for")
    name, value = bindings[0]
    if str(name) != oid:
        raise UnreachableError("the answer is not what was asked for")
    if isinstance(value, hlapi.EndOfMibView | hlapi.NoSuchObject | hlapi.NoSuchInstance):
        raise MissingError(f"the device has no object {oid}")
    if not isinstance(value, Integer32):
        raise UnreachableError(f"{oid} is not a number")
    return int(value)
