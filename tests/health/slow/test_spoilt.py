"""Right answers, spoilt: whatever a server says, the reason is one that we have foreseen."""

import asyncio
import struct

import pytest
from hpack import Encoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.health.slow import hostile
from tests.health.slow.trial import Result, attempt
from tests.health.targets import target
from vedette.health.judge import Outcome
from vedette.kit import ber
from vedette.spec.probes import Dialect, GrpcProbe, LdapProbe, RedisProbe, Role, SqlProbe
from vedette.spec.resolved import Probe
from vedette.spec.secret import Secret

SECRET = Secret("geheim")


def ldap(number: int, tag: int, *parts: bytes) -> bytes:
    return ber.element(ber.SEQUENCE, ber.number(number), ber.element(tag, *parts))


def postgresql(kind: str, content: bytes) -> bytes:
    return kind.encode() + (4 + len(content)).to_bytes(4) + content


def mysql(number: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "little") + bytes((number,)) + content


def http2(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + content


SUCCESS = ber.number(0, ber.ENUMERATED), ber.element(ber.OCTET_STRING), ber.element(ber.OCTET_STRING)
LDAP = ldap(1, 0x61, *SUCCESS) + ldap(2, 0x64, SUCCESS[1], ber.element(ber.SEQUENCE)) + ldap(2, 0x65, *SUCCESS)
POSTGRESQL = b"".join(
    (
        postgresql("R", bytes(4)),
        postgresql("S", b"client_encoding\0UTF8\0"),
        postgresql("Z", b"I"),
        postgresql("T", b"\0\1x\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0)),
        postgresql("D", b"\0\1\0\0\0\1" + b"1"),
        postgresql("C", b"SELECT 1\0"),
        postgresql("Z", b"I"),
    )
)
GREETING = b"\x0a8.0.36\0\1\0\0\0saltsalt\0\x0f\xa2\x2d\2\0\x0f\0\x15" + bytes(10)
OK, END = b"\0\0\0\2\0\0\0", b"\xfe\0\0\2\0"
MYSQL = b"".join(
    (
        mysql(0, GREETING + b"saltsaltsalt\0mysql_native_password\0"),
        mysql(2, OK),
        mysql(1, OK),
        mysql(1, b"\1"),
        mysql(2, b"\3def\0\0\0\x011\0\x0c\x2d\0\1\0\0\0\x03\0\0\0\0\0"),
        mysql(3, END),
        mysql(4, b"\x011"),
        mysql(5, END),
    )
)
REDIS = b"+OK\r\n+PONG\r\n*3\r\n$6\r\nmaster\r\n:7\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n6380\r\n$1\r\n7\r\n"
HEADERS = Encoder()
GRPC = b"".join(
    (
        http2(0x4, 0, 0, b""),
        http2(0x1, 0x4, 1, HEADERS.encode([(":status", "200"), ("content-type", "application/grpc")])),
        http2(0x0, 0, 1, b"\0\0\0\0\2\x08\1"),
        http2(0x1, 0x5, 1, HEADERS.encode([("grpc-status", "0")])),
    )
)
KINDS: dict[str, tuple[Probe, bytes]] = {
    "redis": (RedisProbe(password=SECRET, role=Role.MASTER), REDIS),
    "ldap": (LdapProbe(), LDAP),
    "grpc": (GrpcProbe(), GRPC),
    "postgresql": (SqlProbe(Dialect.POSTGRESQL, "karl", SECRET), POSTGRESQL),
    "mysql": (SqlProbe(Dialect.MYSQL, "karl", SECRET), MYSQL),
}
Spoiling = list[tuple[int, int, bytes]]


def ask(probe: Probe, said: bytes) -> Result:
    async def saying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.write_eof()
        await reader.read()

    async def scenario() -> Result:
        async with hostile.tcp(saying) as port:
            return await attempt(target(port=port, probe=probe))

    return asyncio.run(scenario())


@pytest.mark.parametrize("kind", KINDS)
def test_the_right_answer_is_right(kind: str) -> None:
    assert ask(*KINDS[kind]).outcome is Outcome.PASSED


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spoiling=st.lists(st.tuples(st.integers(0, 120), st.integers(0, 4), st.binary(max_size=4)), max_size=4))
def test_a_spoilt_answer_has_a_reason(kind: str, spoiling: Spoiling) -> None:
    probe, said = KINDS[kind]
    for at, length, other in spoiling:
        said = said[:at] + other + said[at + length :]
    result = ask(probe, said)
    assert result.outcome in (Outcome.PASSED, Outcome.FAILED)
    assert "cannot be understood" not in result.reason
    assert SECRET.text not in result.reason
    assert not result.expired, "the server has closed the connection"
