"""What a stand-in server says on a connection, without any network."""

import asyncio
import ssl
from pathlib import Path
from typing import cast

import pytest
from tests.health.daemons import NAME, certificates

from vedette.health.tls import Connection
from vedette.lab.namespace import Namespace
from vedette.lab.servers import Mood, Server, Stream


class Wire:
    """The transport of one connection."""

    def __init__(self) -> None:
        self.sent = b""
        self.closed = self.aborted = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
def server() -> Server:
    pages: dict[str, tuple[int, str | None]] = {"/health": (204, "OK\n"), "/hard": (200, None)}
    return Server("10.0.0.11", Namespace("/nowhere"), ["10.0.0.11"], [("tcp", 80)], pages)


def talk(server: Server, *pieces: bytes) -> Wire:
    wire, stream = Wire(), Stream(server)
    stream._transport = cast(asyncio.Transport, wire)
    for piece in pieces:
        stream.data_received(piece)
    return wire


def test_a_page_says_who_answers_and_the_connection_stays(server: Server) -> None:
    wire = talk(server, b"GET /any HTTP/1.1\r\nHost: x\r\n\r\n")
    assert wire.sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nX-Real-Server: 10.0.0.11\r\n" in wire.sent
    assert wire.sent.endswith(b"\r\n\r\n10.0.0.11\n")
    assert not wire.closed


def test_requests_in_pieces_and_in_a_row_are_each_answered_once(server: Server) -> None:
    request = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
    wire = talk(server, request[:10], request[10:-2], request[-2:] + request + request[:20])
    assert wire.sent.count(b"HTTP/1.1 200") == 2


def test_who_asks_for_the_head_gets_no_body(server: Server) -> None:
    wire = talk(server, b"HEAD / HTTP/1.1\r\n\r\n")
    assert b"Content-Length: 10\r\n" in wire.sent
    assert wire.sent.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("request_", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"])
def test_a_connection_is_closed_for_who_wants_that(server: Server, request_: bytes) -> None:
    assert talk(server, request_).closed


def test_a_checked_page_is_what_the_check_wants(server: Server) -> None:
    wire = talk(server, b"GET /health?x=1 HTTP/1.1\r\n\r\n")
    assert wire.sent.startswith(b"HTTP/1.1 204 ")
    assert wire.sent.endswith(b"\r\n\r\nOK\n")
    assert talk(server, b"GET /hard HTTP/1.1\r\n\r\n").sent.endswith(b"10.0.0.11\n")


def test_a_status_of_its_own_is_on_every_page(server: Server) -> None:
    server.status = 599
    assert talk(server, b"GET /health HTTP/1.1\r\n\r\n").sent.startswith(b"HTTP/1.1 599 ")


def test_anything_but_http_is_echoed_with_a_name(server: Server) -> None:
    assert talk(server, b"who\n").sent == b"10.0.0.11 who\n"


def test_who_begins_with_tls_is_answered_over_tls(server: Server, tmp_path: Path) -> None:
    certificates(tmp_path)
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    client = Connection(ssl.create_default_context(cafile=str(tmp_path / "ca.pem")), NAME)
    wire, stream, told = Wire(), Stream(server), b""
    stream._transport = cast(asyncio.Transport, wire)
    asked = False
    while b"10.0.0.11\n" not in told:
        if client.established and not asked:
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            asked = True
        stream.data_received(client.unsent())
        sent, wire.sent = wire.sent, b""
        told += client.receive(sent)[0]
    assert told.startswith(b"HTTP/1.1 200 OK\r\n")
    assert talk(server, b"hello\n").sent == b"10.0.0.11 hello\n", "in the clear as before"


def test_a_hanging_server_says_nothing(server: Server) -> None:
    server.mood = Mood.HANGING
    assert talk(server, b"GET / HTTP/1.1\r\n\r\n").sent == b""


def test_an_endless_request_ends_the_connection(server: Server) -> None:
    assert talk(server, b"GET / HTTP/1.1\r\n", b"x" * (65 << 10)).aborted
