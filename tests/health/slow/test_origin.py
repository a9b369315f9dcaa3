"""Where checks of the slow lane come from: the source address, the mark and the family of a target hold here too."""

import asyncio
import os
import socket
from dataclasses import replace
from ipaddress import ip_address

import pytest

from tests.health.slow import hostile
from tests.health.slow.trial import SHORT, Result, attempt
from tests.health.targets import target
from vedette.health.judge import Outcome
from vedette.spec.probes import Dialect, DialogueProbe, NtpProbe, SmtpProbe, SqlProbe, Step
from vedette.spec.resolved import Probe
from vedette.state.health import Target

HELLO = DialogueProbe((Step(expect="^hello"),))
ABSENT = ip_address("192.0.2.77")


def aimed(port: int, probe: Probe, *sources: str, mark: int = 0) -> Target:
    plain = target(port=port, probe=probe)
    return replace(plain, check=replace(plain.check, source=tuple(map(ip_address, sources)), mark=mark))


def test_a_connection_comes_from_the_first_source_address_that_this_machine_has() -> None:
    peers: list[str] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername")[0])
        writer.write(b"hello\n")

    async def scenario() -> None:
        async with hostile.tcp(server) as port:
            assert (await attempt(aimed(port, HELLO, str(ABSENT), "127.0.0.2"))).outcome is Outcome.PASSED
            blocked = await attempt(aimed(port, HELLO, str(ABSENT)))
            assert blocked.outcome is Outcome.BLOCKED
            assert blocked.reason == "this machine has no address 192.0.2.77 to check from"

    asyncio.run(scenario())
    assert peers == ["127.0.0.2"]


def test_a_connection_that_is_lent_to_a_library_comes_from_there_too() -> None:
    peers: list[str] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername")[0])

    async def scenario() -> None:
        async with hostile.tcp(server) as port:
            for dialect in Dialect:
                probe = SqlProbe(dialect, "karl")
                assert (await attempt(aimed(port, probe, "127.0.0.2"))).outcome is Outcome.FAILED
                assert (await attempt(aimed(port, probe, str(ABSENT)))).outcome is Outcome.BLOCKED

    asyncio.run(scenario())
    assert peers == ["127.0.0.2", "127.0.0.2"]


def test_a_datagram_comes_from_the_source_address_too() -> None:
    async def scenario() -> tuple[Result, Result]:
        loop = asyncio.get_running_loop()
        with socket.socket(type=socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.setblocking(False)
            port = server.getsockname()[1]
            result = await attempt(aimed(port, NtpProbe(), "127.0.0.3"), SHORT)
            _, peer = await loop.sock_recvfrom(server, 100)
            assert peer[0] == "127.0.0.3"
            return result, await attempt(aimed(port, NtpProbe(), str(ABSENT)))

    silent, blocked = asyncio.run(scenario())
    assert silent.outcome is Outcome.FAILED
    assert blocked.outcome is Outcome.BLOCKED


@pytest.mark.skipif(os.geteuid() != 0, reason="marks need a privilege")
def test_packets_carry_the_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    marks: list[int] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\n")

    async def scenario() -> Result:
        loop = asyncio.get_running_loop()
        connect = loop.sock_connect

        async def watched(sock: socket.socket, address: tuple[str, int]) -> None:
            marks.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_MARK))
            await connect(sock, address)

        monkeypatch.setattr(loop, "sock_connect", watched)
        async with hostile.tcp(server) as port:
            return await attempt(aimed(port, HELLO, mark=7))

    assert asyncio.run(scenario()).outcome is Outcome.PASSED
    assert marks == [7]


def test_ipv6_is_spoken_too_and_greeted_in_its_own_way() -> None:
    said: list[bytes] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\r\n")
        said.append(await reader.readline())
        writer.write(b"250 mail\r\n")
        await reader.read()

    async def scenario() -> Result:
        async with hostile.tcp(server, "::1") as port:
            return await attempt(target("::1", port, SmtpProbe()))

    assert asyncio.run(scenario()).reason == "EHLO accepted"
    assert said == [b"EHLO [IPv6:::1]\r\n"]
