"""RADIUS: an Access-Request must be answered, where the check logs in by Access-Accept (RFC 2865, 3579)."""

import hashlib
import hmac
import secrets
import struct
from functools import partial

from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.health.slow.exchange import ask
from vedette.spec.probes import Account, RadiusProbe
from vedette.spec.secret import Secret
from vedette.state.health import Target

_REQUEST, _ACCEPT, _REJECT, _CHALLENGE = 1, 2, 3, 11
_ANSWERS = {_ACCEPT: "Access-Accept", _REJECT: "Access-Reject", _CHALLENGE: "Access-Challenge"}
_USER_NAME, _USER_PASSWORD, _NAS_IDENTIFIER, _MESSAGE_AUTHENTICATOR = 1, 2, 32, 80
_SERVICE_TYPE, _AUTHENTICATE_ONLY = 6, b"\0\0\0\x08"
_HEAD = 20
"""Bytes of code, identifier, length and authenticator (section 3)."""
_US = b"vedette"
_STAGE = "to the Access-Request (a server ignores a wrong secret and clients that it does not know)"


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, RadiusProbe)

    async def check(progress: Progress) -> Passed:
        progress.stage = _STAGE
        # Nobody's name and a password by chance: a server that is well rejects them.
        account = probe.account or Account("vedette", Secret(secrets.token_hex(8)))
        packet = _request(probe.secret.text.encode(), account)
        code = await ask(target, packet, partial(_read, progress, probe.secret.text.encode(), packet))
        if probe.account is not None and code != _ACCEPT:
            raise FailedError(f"login answered by {_ANSWERS[code]}")
        return Passed(f"answered by {_ANSWERS[code]}" if probe.account is None else "login accepted")

    return check


def _request(secret: bytes, account: Account) -> bytes:
    """An Access-Request. It is signed, since some servers ignore those that are not (RFC 3579 section 3.2)."""
    authenticator = secrets.token_bytes(16)
    attributes = b"".join(
        (
            _attribute(_MESSAGE_AUTHENTICATOR, bytes(16)),  # first, against forged answers (CVE-2024-3596)
            _attribute(_USER_NAME, account.username.encode()),
            _attribute(_USER_PASSWORD, _hidden(account.password.text.encode(), secret, authenticator)),
            _attribute(_NAS_IDENTIFIER, _US),
            _attribute(_SERVICE_TYPE, _AUTHENTICATE_ONLY),
        )
    )
    head = struct.pack("!BBH", _REQUEST, secrets.randbelow(256), _HEAD + len(attributes)) + authenticator
    signature = hmac.digest(secret, head + attributes, "md5")
    return head + _attribute(_MESSAGE_AUTHENTICATOR, signature) + attributes[2 + len(signature) :]


def _attribute(kind: int, value: bytes) -> bytes:
    return bytes((kind, 2 + len(value))) + value


def _hidden(password: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """A password as it is sent (section 5.2)."""
    padded = password.ljust(max(16, -len(password) % 16 + len(password)), b"\0")
    hidden, before = b"", authenticator
    for at in range(0, len(padded), 16):
        mask = _md5(secret + before)
        before = bytes(one ^ other for one, other in zip(padded[at : at + 16], mask, strict=True))
        hidden += before
    return hidden


def _read(progress: Progress, secret: bytes, request: bytes, packet: bytes) -> int | None:
    """The code of an answer; None when it is none to our request (section 3: discard it silently)."""
    if len(packet) < _HEAD or packet[1] != request[1] or packet[0] not in _ANSWERS:
        return None
    (size,) = struct.unpack_from("!H", packet, 2)
    if not _HEAD <= size <= len(packet):
        return None
    if not hmac.compare_digest(packet[4:_HEAD], _md5(packet[:4] + request[4:_HEAD] + packet[_HEAD:size] + secret)):
        progress.stage = "to the Access-Request, but one that is signed with another secret"
        return None
    return packet[0]


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
