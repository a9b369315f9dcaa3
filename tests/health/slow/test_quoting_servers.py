"""Servers that quote what they were sent: a password is in no reason."""

import asyncio
import base64
from collections.abc import Callable

import pytest

from tests.health.slow import hostile
from tests.health.slow.trial import Result, attempt
from tests.health.targets import target
from vedette.spec.probes import Account, FtpProbe, ImapProbe, NntpProbe, Pop3Probe, RedisProbe, SmtpProbe
from vedette.spec.resolved import Probe
from vedette.spec.secret import Secret

PASSWORD = 'hunter2 "secret" ' + "x" * 60 + "y" * 60
ACCOUNT = Account("probe", Secret(PASSWORD))


def lines(greeting: bytes, answer: Callable[[bytes], bytes]) -> hostile.Behaviour:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        while line := await reader.readline():
            writer.write(answer(line.rstrip(b"\r\n")))

    return serve


def pop3(line: bytes) -> bytes:
    return b"+OK\r\n" if line.startswith(b"USER") else b"-ERR Unknown command: " + line + b"\r\n"


def ftp(line: bytes) -> bytes:
    return b"331 go on\r\n" if line.startswith(b"USER") else b"500 '" + line + b"': command not understood.\r\n"


def nntp(line: bytes) -> bytes:
    return b"381 go on\r\n" if line.startswith(b"AUTHINFO USER") else b"500 " + line + b"\r\n"


def smtp(line: bytes) -> bytes:
    hello = b"250-x\r\n250 AUTH PLAIN\r\n"
    return hello if line.startswith(b"EHLO") else b'500 5.5.1 Command unrecognized: "' + line + b'"\r\n'


def imap(line: bytes) -> bytes:
    return b"a2 BAD unknown command: " + line + b"\r\n"


async def redis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Redis 5 and 6 say this of a command that they lack or that was renamed (server.c, rejectCommandFormat)."""
    while line := await reader.readline():
        words = []
        for _ in range(int(line[1:])):
            await reader.readline()
            words.append((await reader.readline()).strip())
        writer.write(b"-ERR unknown command `%b`, with args beginning with: `%b`,\r\n" % (words[0], words[-1]))


@pytest.mark.parametrize(
    ("server", "probe"),
    [
        (lines(b"+OK hi\r\n", pop3), Pop3Probe(account=ACCOUNT)),
        (lines(b"220 hi\r\n", ftp), FtpProbe(account=ACCOUNT)),
        (lines(b"200 hi\r\n", nntp), NntpProbe(account=ACCOUNT)),
        (lines(b"220 hi\r\n", smtp), SmtpProbe(account=ACCOUNT)),
        (lines(b"* OK hi\r\n", imap), ImapProbe(account=ACCOUNT)),
        (redis, RedisProbe(password=ACCOUNT.password)),
    ],
    ids=lambda item: type(item).__name__,
)
def test_a_password_that_a_server_quotes_is_in_no_reason(server: hostile.Behaviour, probe: Probe) -> None:
    async def scenario() -> Result:
        async with hostile.tcp(server) as port:
            return await attempt(target("127.0.0.1", port, probe))

    result = asyncio.run(scenario())
    assert not result.passed
    assert "***" in result.reason
    encoded = base64.b64encode(f"\0probe\0{PASSWORD}".encode()).decode()
    for word in ("hunter2", "secret", "xxx", encoded[:12], encoded[12:24]):
        assert word not in result.reason
