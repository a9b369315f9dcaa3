"""LDAP: a bind and a search that must find something, and where the check says so TLS (RFC 4511, 4513)."""

from vedette.health import reasons
from vedette.health.slow import login
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.health.slow.conversation import Conversation
from vedette.kit import ber
from vedette.spec import directory
from vedette.spec.probes import Account, Depth, LdapProbe, TlsStart
from vedette.state.health import Target

_BIND, _BOUND, _UNBIND = 0x60, 0x61, 0x42
_SEARCH, _ENTRY, _DONE, _REFERENCE = 0x63, 0x64, 0x65, 0x73
_EXTENDED, _EXTENDED_ANSWER = 0x77, 0x78
_PASSWORD, _OID = 0x80, 0x80
_START_TLS = b"1.3.6.1.4.1.1466.20037"
_NO_ATTRIBUTES = b"1.1"
_DEPTHS = {Depth.BASE: 0, Depth.ONE: 1, Depth.SUBTREE: 2}
_LARGEST = 64 << 10
"""Bytes of a message; entries come without their attributes."""
_MOST = 64
"""Messages of one search: an entry, references to other servers, and the end."""
_SUCCESS, _SIZE_LIMIT = 0, 4
_RESULTS = {
    1: "operationsError", 2: "protocolError", 3: "timeLimitExceeded", 4: "sizeLimitExceeded",
    7: "authMethodNotSupported", 8: "strongerAuthRequired", 10: "referral", 11: "adminLimitExceeded",
    12: "unavailableCriticalExtension", 13: "confidentialityRequired", 16: "noSuchAttribute",
    18: "inappropriateMatching", 32: "noSuchObject", 34: "invalidDNSyntax", 48: "inappropriateAuthentication",
    49: "invalidCredentials", 50: "insufficientAccessRights", 51: "busy", 52: "unavailable", 53: "unwillingToPerform",
    80: "other",
}  # fmt: skip
"""RFC 4511 section 4.1.9."""


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, LdapProbe)
    search = _search(probe)

    async def check(progress: Progress) -> Passed:
        async with login.connected(target, probe.tls, progress) as conversation:
            session = _Session(conversation)
            if probe.tls is not None and probe.tls.start is TlsStart.STARTTLS:
                request = ber.element(_EXTENDED, ber.element(_OID, _START_TLS))
                await session.ask(request, _EXTENDED_ANSWER, "STARTTLS")
                await login.start_tls(conversation, probe.tls, target)
            await session.ask(_bind(probe.account), _BOUND, "the bind")
            await session.find(search)
            await conversation.send(session.message(ber.element(_UNBIND)))
        return Passed("search found something")

    return check


def _bind(account: Account | None) -> bytes:
    """A simple bind; without an account an anonymous one (RFC 4513 section 5.1.1)."""
    name, password = (account.username, account.password.text) if account is not None else ("", "")
    return ber.element(
        _BIND, ber.number(3), ber.element(ber.OCTET_STRING, name.encode()), ber.element(_PASSWORD, password.encode())
    )


def _search(probe: LdapProbe) -> bytes:
    """For one entry at most, without its attributes."""
    return ber.element(
        _SEARCH,
        ber.element(ber.OCTET_STRING, probe.base.encode()),
        ber.number(_DEPTHS[probe.depth], ber.ENUMERATED),
        ber.number(0, ber.ENUMERATED),  # aliases stay aliases
        ber.number(1),
        ber.number(0),
        ber.element(ber.BOOLEAN, b"\xff"),
        directory.encode_filter(probe.filter),
        ber.element(ber.SEQUENCE, ber.element(ber.OCTET_STRING, _NO_ATTRIBUTES)),
    )


class _Session:
    """Numbered messages over one connection."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._number = 0

    def message(self, operation: bytes) -> bytes:
        """The next message."""
        self._number += 1
        return ber.element(ber.SEQUENCE, ber.number(self._number), operation)

    async def ask(self, operation: bytes, answer: int, what: str) -> None:
        """Send an operation that is answered by one message, and see it succeed."""
        await self._conversation.send(self.message(operation))
        tag, content = await self._answer(what)
        if tag != answer:
            raise FailedError(f"{what} answered by something else")
        code, said = _result(content)
        if code != _SUCCESS:
            raise FailedError(f"{what} answered by {said}")

    async def find(self, search: bytes) -> None:
        """Send a search and see it find something."""
        await self._conversation.send(self.message(search))
        found = False
        for _ in range(_MOST):
            tag, content = await self._answer("the search")
            if tag == _ENTRY:
                found = True
            elif tag == _DONE:
                code, said = _result(content)
                if code != _SUCCESS and not (found and code == _SIZE_LIMIT):
                    raise FailedError(f"the search answered by {said}")
                if not found:
                    raise FailedError("the search found nothing")
                return
            elif tag != _REFERENCE:
                raise FailedError("the search answered by something else")
        raise FailedError("an endless answer to the search")

    async def _answer(self, what: str) -> tuple[int, bytes]:
        """The operation in the next message, and what is in it."""
        awaited = f"the answer to {what}"
        try:
            parts = ber.elements(await self._message(awaited))
            if len(parts) < 2 or parts[0][0] != ber.INTEGER or len(parts[0][1]) > 4:
                raise FailedError("not LDAP")
            number = int.from_bytes(parts[0][1])
            tag, content = parts[1]
            if number == 0 and tag == _EXTENDED_ANSWER:  # the server's last words (RFC 4511 section 4.4.1)
                raise FailedError(f"the server ends the connection: {_result(content)[1]}")
        except ber.BerError:
            raise FailedError("not LDAP") from None
        if number != self._number:
            raise FailedError(f"{what} answered by a message that nobody asked for")
        return tag, content

    async def _message(self, awaited: str) -> bytes:
        """What is inside the next message."""
        tag, first = await self._conversation.exactly(2, awaited)
        if tag != ber.SEQUENCE:
            raise FailedError("not LDAP")
        size = first
        if digits := ber.length_digits(first):
            size = int.from_bytes(await self._conversation.exactly(digits, awaited))
        if size > _LARGEST:
            raise FailedError(f"an endless answer in place of {awaited}")
        return await self._conversation.exactly(size, awaited)


def _result(content: bytes) -> tuple[int, str]:
    """Code and words of an ``LDAPResult`` (section 4.1.9)."""
    try:
        parts = ber.elements(content)
    except ber.BerError:
        raise FailedError("not LDAP") from None
    if len(parts) < 3 or parts[0][0] != ber.ENUMERATED or len(parts[0][1]) != 1:
        raise FailedError("not LDAP")
    code = parts[0][1][0]
    name, said = _RESULTS.get(code, f"result {code}"), reasons.quoted(parts[2][1][:120])
    return code, f"{name}: {said}" if said else name
