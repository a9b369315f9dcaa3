"""What mail and news protocols share: a connection with or without TLS, and replies of three digits."""

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from vedette.health import reasons
from vedette.health.slow import tls
from vedette.health.slow.check import FailedError, Progress
from vedette.health.slow.conversation import Conversation, connect
from vedette.spec.probes import Encryption, TlsStart
from vedette.state.health import Target

MOST_LINES = 256
"""Lines of one reply."""
_REPLY = re.compile(rb"([1-5][0-9]{2})([ -]|\Z)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """Three digits and the text of every line (RFC 5321 section 4.2.1, RFC 959 section 4.2)."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def text(self) -> str:
        """Code and last line, for a reason."""
        return reasons.quoted(b"%d %s" % (self.code, self.lines[-1]))


@asynccontextmanager
async def connected(
    target: Target, security: Encryption | None, progress: Progress, protocol: str = ""
) -> AsyncIterator[Conversation]:
    """Connect as a check says: in the clear, also where TLS begins by a command, or over TLS.

    ``protocol`` is what to offer over TLS (ALPN), if anything.
    """
    if security is None:
        async with connect(target, progress) as conversation:
            yield conversation
        return
    made = tls.context(security, protocol)
    implicit = security.start is TlsStart.IMPLICIT
    try:
        async with connect(
            target, progress, tls=made if implicit else None, name=tls.name(security, target) if implicit else None
        ) as conversation:
            yield conversation
    except ssl.SSLError as error:
        raise tls.failure(error, security, target) from None


async def start_tls(conversation: Conversation, security: Encryption, target: Target) -> None:
    """Go on over TLS; the server has agreed."""
    await conversation.start_tls(tls.context(security), tls.name(security, target))


async def reply(conversation: Conversation, protocol: str, awaited: str) -> Reply:
    """Read a whole reply. ``protocol`` is what it is no reply of when it is none.

    Behind a first line with ``-`` all lines have the code in SMTP; FTP allows any text until the last.
    """
    lines: list[bytes] = []
    code = b""
    while len(lines) < MOST_LINES:
        line = await conversation.line(awaited)
        found = _REPLY.fullmatch(line)
        if found is None or (code and found[1] != code):
            if code and protocol == "FTP":
                lines.append(line)
                continue
            raise FailedError(f"not {protocol}: “{reasons.quoted(line[:80])}”")
        code = found[1]
        lines.append(found[3])
        if found[2] != b"-":
            return Reply(int(code), tuple(lines))
    raise FailedError(f"an endless reply in place of {awaited}")


async def command(conversation: Conversation, protocol: str, words: str, awaited: str = "") -> Reply:
    """Send a command and read its reply. ``awaited`` keeps a secret out of the reason."""
    await conversation.send(f"{words}\r\n".encode())
    return await reply(conversation, protocol, f"the answer to {awaited or words.split(' ')[0]}")
