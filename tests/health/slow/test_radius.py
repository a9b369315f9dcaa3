"""Checks of kind radius, against freeradius."""

import asyncio
import hashlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.health.slow import daemons
from tests.health.slow.conftest import PASSWORD, USER, fresh
from tests.health.slow.contract import OverUdp
from tests.health.slow.trial import SHORT, Result, attempt, check
from tests.health.targets import target
from vedette.kit.units import MILLISECOND
from vedette.spec.probes import Account, RadiusProbe
from vedette.spec.secret import Secret

pytestmark = pytest.mark.servers

SHARED, OTHER = Secret("testing-4711"), Secret("falsch-4711")
GOOD, WRONG = Account(USER, Secret(PASSWORD)), Account(USER, Secret("falsch-0815" * 11))
IGNORES = " to the Access-Request (a server ignores a wrong secret and clients that it does not know)"


@pytest.fixture(scope="session")
def freeradius(public: Path) -> Iterator[int]:
    """Knows one user. Rejects at once, where Debian's waits for a second."""
    program, folder, port = daemons.needs("freeradius"), fresh(public, "freeradius"), daemons.free_port_of_both()
    quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    (folder / "users").write_text(f'{USER} Cleartext-Password := "{quoted}"\n')
    (folder / "radiusd.conf").write_text(
        f"""prefix = /usr
libdir = /usr/lib/freeradius
logdir = {folder}
run_dir = {folder}
security {{
  reject_delay = 0
}}
thread pool {{
  start_servers = 1
}}
client loopback {{
  ipaddr = 127.0.0.1
  secret = {SHARED.text}
  require_message_authenticator = yes
}}
modules {{
  files {{
    usersfile = {folder}/users
  }}
  pap {{
  }}
}}
server default {{
  listen {{
    type = auth
    ipaddr = 127.0.0.1
    port = {port}
  }}
  authorize {{
    files
    pap
  }}
  authenticate {{
    pap
  }}
}}
"""
    )
    question = RadiusProbe(SHARED)

    def ready() -> bool:
        with socket.socket(type=socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return check(target(port=port, probe=question), 500 * MILLISECOND).passed
            return False

    command = [program, "-f", "-l", "stdout", "-d", str(folder), "-n", "radiusd"]
    with daemons.running(command, folder, ready):
        yield port


class TestContract(OverUdp):
    probe = RadiusProbe(SHARED, GOOD)


def ask(port: int, probe: RadiusProbe, timeout: int = 5000 * MILLISECOND) -> Result:
    result = check(target(port=port, probe=probe), timeout)
    for secret in (PASSWORD, "falsch-0815", SHARED.text, OTHER.text):
        assert secret not in result.reason
        assert secret not in repr(probe)
    return result


def test_freeradius_is_up(freeradius: int) -> None:
    assert ask(freeradius, RadiusProbe(SHARED)).reason == "answered by Access-Reject"
    assert ask(freeradius, RadiusProbe(SHARED)).passed
    assert ask(freeradius, RadiusProbe(SHARED, GOOD)).reason == "login accepted"


def test_a_login_that_is_rejected_fails(freeradius: int) -> None:
    result = ask(freeradius, RadiusProbe(SHARED, WRONG))
    assert not result.passed
    assert result.reason == "login answered by Access-Reject"


def test_a_wrong_secret_is_answered_by_silence(freeradius: int) -> None:
    result = ask(freeradius, RadiusProbe(OTHER, GOOD), 300 * MILLISECOND)
    assert not result.passed
    assert result.reason == f"no answer in 300ms{IGNORES}"


class _Server(asyncio.DatagramProtocol):
    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(self._answer(data), addr)


def signed(code: int, request: bytes, secret: Secret = SHARED, size: int = 20) -> bytes:
    head = bytes((code, request[1])) + size.to_bytes(2)
    return head + hashlib.md5(head + request[4:20] + secret.text.encode()).digest()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda request: signed(11, request), "login answered by Access-Challenge"),
        (lambda request: signed(2, request, OTHER), "no answer in 150ms to the Access-Request, but one that is signed"),
        (lambda request: signed(5, request), f"no answer in 150ms{IGNORES}"),
        (lambda request: signed(2, request, size=21), f"no answer in 150ms{IGNORES}"),
        (lambda request: request, f"no answer in 150ms{IGNORES}"),
    ],
    ids=["challenge", "another's", "accounting", "cut off", "an echo"],
)
def test_an_answer_that_is_none_fails(answer: Callable[[bytes], bytes], reason: str) -> None:
    async def scenario() -> Result:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Server(answer), local_addr=("127.0.0.1", 0))
        try:
            port = transport.get_extra_info("sockname")[1]
            return await attempt(target(port=port, probe=RadiusProbe(SHARED, GOOD)), SHORT)
        finally:
            transport.abort()

    result = asyncio.run(scenario())
    assert not result.passed
    assert result.reason.startswith(reason)
