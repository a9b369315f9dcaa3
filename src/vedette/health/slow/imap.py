"""IMAP: greeting, and where the check says so TLS and a login (RFC 9051)."""

import re

from vedette.health import reasons
from vedette.health.slow import login
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.health.slow.conversation import Conversation
from vedette.spec.probes import Account, ImapProbe, TlsStart
from vedette.state.health import Target

_QUOTABLE = re.compile(r"[\x20-\x7e]*")


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, ImapProbe)

    async def check(progress: Progress) -> Passed:
        async with login.connected(target, probe.tls, progress) as conversation:
            greeting = await conversation.line("the greeting")
            if not greeting.upper().startswith((b"* OK", b"* PREAUTH")):
                raise FailedError(f"IMAP greeting “{reasons.quoted(greeting[:80])}”")
            if probe.tls is not None and probe.tls.start is TlsStart.STARTTLS:
                await conversation.send(b"a1 STARTTLS\r\n")
                await _completed(conversation, b"a1", "STARTTLS")
                await login.start_tls(conversation, probe.tls, target)
            if probe.account is not None:
                await _log_in(conversation, probe.account)
            passed = Passed("greeting OK" if probe.account is None else "login accepted")
            return await conversation.farewell(b"a3 LOGOUT\r\n", passed)

    return check


async def _log_in(conversation: Conversation, account: Account) -> None:
    """Send LOGIN with its two strings, each quoted, or as a literal where that cannot be (section 4.3)."""
    await conversation.send(b"a2 LOGIN")
    for text in (account.username, account.password.text):
        if _QUOTABLE.fullmatch(text):
            escaped = text.replace("\\", "\\\\").replace('"', '\\"')
            await conversation.send(f' "{escaped}"'.encode())
        else:
            data = text.encode()
            await conversation.send(b" {%d}\r\n" % len(data))
            line = await conversation.line("leave to send a literal")
            if not line.startswith(b"+"):
                raise FailedError(f"login answered by “{reasons.quoted(line[:80])}”")
            await conversation.send(data)
    await conversation.send(b"\r\n")
    await _completed(conversation, b"a2", "login")


async def _completed(conversation: Conversation, tag: bytes, what: str) -> None:
    """Read until the server has completed the command with that tag."""
    for _ in range(login.MOST_LINES):
        line = await conversation.line(f"the answer to {what}")
        word, _, rest = line.partition(b" ")
        if word == tag:
            if rest[:2].upper() != b"OK":
                raise FailedError(f"{what} answered by “{reasons.quoted(rest[:80])}”")
            return
        if word != b"*" or rest[:3].upper() == b"BYE":
            raise FailedError(f"{what} answered by “{reasons.quoted(line[:80])}”")
    raise FailedError(f"an endless answer to {what}")
