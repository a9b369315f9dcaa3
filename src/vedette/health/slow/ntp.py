"""NTP: a query must be answered by a clock that is synchronised (RFC 5905)."""

import secrets
from functools import partial

from vedette.health import reasons
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.health.slow.exchange import ask
from vedette.spec.probes import NtpProbe
from vedette.state.health import Target

_PACKET = 48
_VERSION_4_CLIENT = 4 << 3 | 3
_SERVER = 4
_UNSYNCHRONISED = 3
_LARGEST_STRATUM = 15


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, NtpProbe)

    async def check(progress: Progress) -> Passed:
        cookie = secrets.token_bytes(8)  # in place of our time: nobody's business, and it comes back in the answer
        query = bytes([_VERSION_4_CLIENT]).ljust(_PACKET - 8, b"\0") + cookie
        return Passed(f"stratum {await ask(target, query, partial(_read, cookie, probe.max_stratum))}")

    return check


def _read(cookie: bytes, most: int, packet: bytes) -> int | None:
    """The stratum of an answer; None when it is none to our query (figure 8, section 8)."""
    if len(packet) < _PACKET or packet[24:32] != cookie or packet[0] & 7 != _SERVER:
        return None
    leap, stratum = packet[0] >> 6, packet[1]
    if stratum == 0:  # kiss-o'-death (section 7.4): four letters say why
        raise FailedError(f"refused: {reasons.quoted(packet[12:16])}")
    if leap == _UNSYNCHRONISED or stratum > _LARGEST_STRATUM:
        raise FailedError("the clock is not synchronised")
    if stratum > most:
        raise FailedError(f"stratum {stratum}, expected {most} at most")
    return stratum
