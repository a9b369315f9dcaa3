"""Checks of kind redis, against redis."""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.health.slow import daemons, hostile
from tests.health.slow.conftest import PASSWORD, USER, Certified, fresh
from tests.health.slow.contract import OverTcp
from tests.health.slow.trial import Result, attempt, check
from tests.health.targets import target
from vedette.spec.probes import Encryption, RedisProbe, Role
from vedette.spec.secret import Secret

pytestmark = pytest.mark.servers

GOOD, WRONG = Secret(PASSWORD), Secret("falsch-0815")


@dataclass(frozen=True)
class Redis:
    """Two servers: the master wants a password, its replica none."""

    master: int
    master_tls: int
    replica: int


@pytest.fixture(scope="session")
def redis(public: Path, certified: Certified) -> Iterator[Redis]:
    program = daemons.needs("redis-server")
    ports = Redis(*(daemons.free_port() for _ in range(3)))
    hashed = hashlib.sha256(PASSWORD.encode()).hexdigest()
    common = 'bind 127.0.0.1\nsave ""\nappendonly no\n'
    quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    servers = {
        ports.master: (
            f'port {ports.master}\nrequirepass "{quoted}"\nuser {USER} on +ping +role "#{hashed}"\n'
            f"tls-port {ports.master_tls}\ntls-auth-clients no\ntls-ca-cert-file {certified.ca}\n"
            f"tls-cert-file {certified.certificate}\ntls-key-file {certified.key}\n"
        ),
        ports.replica: f'port {ports.replica}\nreplicaof 127.0.0.1 {ports.master}\nmasterauth "{quoted}"\n',
    }
    with ExitStack() as running:
        for port, text in servers.items():
            folder = fresh(public, f"redis-{port}")
            (folder / "redis.conf").write_text(common + f"dir {folder}\n" + text)
            command = [program, str(folder / "redis.conf")]
            running.enter_context(daemons.running(command, folder, partial(daemons.answers, port)))
        yield ports


class TestContract(OverTcp):
    probe = RedisProbe(password=GOOD, role=Role.MASTER)


class TestContractOverTls(OverTcp):
    probe = RedisProbe(tls=Encryption(verify=False))


def ask(port: int, probe: RedisProbe) -> Result:
    result = check(target(port=port, probe=probe))
    for secret in (PASSWORD, "falsch-0815"):
        assert secret not in result.reason
        assert secret not in repr(probe)
    return result


def test_redis_is_up(redis: Redis, certified: Certified) -> None:
    assert ask(redis.replica, RedisProbe()).reason == "PONG"
    assert ask(redis.master, RedisProbe(password=GOOD)).reason == "PONG"
    assert ask(redis.master, RedisProbe(username=USER, password=GOOD, role=Role.MASTER)).reason == "PONG, master"
    assert ask(redis.replica, RedisProbe(role=Role.REPLICA)).reason == "PONG, replica"
    assert ask(redis.master_tls, RedisProbe(tls=Encryption(ca_file=certified.ca), password=GOOD)).passed


def test_a_server_of_the_other_role_is_refused(redis: Redis) -> None:
    result = ask(redis.replica, RedisProbe(role=Role.MASTER))
    assert not result.passed
    assert result.reason == "the server is a replica, expected a master"
    assert not ask(redis.master, RedisProbe(password=GOOD, role=Role.REPLICA)).passed


def test_what_redis_says_against_a_check_is_the_reason(redis: Redis) -> None:
    absent, wrong = ask(redis.master, RedisProbe()), ask(redis.master, RedisProbe(password=WRONG))
    assert absent.reason == "PING answered by “NOAUTH Authentication required.”"
    assert wrong.reason.startswith("AUTH answered by “WRONGPASS invalid username-password pair")
    unverified = ask(redis.master_tls, RedisProbe(tls=Encryption()))
    assert unverified.reason == "its certificate is signed by an unknown authority: name that as `caFile`"
    assert not any(result.passed for result in (absent, wrong, unverified))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"+OK\r\n", "PING answered by something else than PONG"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "PING answered by “LOADING Redis is loading the"),
        (b"HTTP/1.1 400 Bad Request\r\n", "not Redis: “HTTP/1.1 400 Bad Request”"),
        (b"$999999999\r\n", "an endless answer in place of the answer to PING"),
        (b"$-5\r\n", "an endless answer in place of the answer to PING"),
        (b"*1\r\n" * 100, "an endless answer in place of the answer to PING"),
        (b"$4\r\nPONGxx", "not Redis: “PONGxx”"),
        (b":x\r\n", "not Redis: “:x”"),
    ],
    ids=["OK", "loading", "HTTP", "long", "negative", "deep", "without an end", "no number"],
)
def test_a_wrong_answer_fails(said: bytes, reason: str) -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await reader.read()

    async def scenario() -> Result:
        async with hostile.tcp(answering) as port:
            return await attempt(target(port=port, probe=RedisProbe()))

    result = asyncio.run(scenario())
    assert not result.passed
    assert result.reason.startswith(reason)
