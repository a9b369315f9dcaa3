"""Checks of kind grpc, against etcd, whose gRPC is that of Go."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded

from tests.health.slow import daemons, hostile
from tests.health.slow.conftest import Certified, fresh
from tests.health.slow.contract import OverTcp
from tests.health.slow.trial import Result, attempt, check
from tests.health.targets import target
from vedette.spec.probes import Encryption, GrpcProbe

pytestmark = pytest.mark.servers


@dataclass(frozen=True)
class Etcd:
    clear: int
    tls: int


@pytest.fixture(scope="session")
def etcd(public: Path, certified: Certified) -> Iterator[Etcd]:
    program, folder = daemons.needs("etcd"), fresh(public, "etcd")
    ports, peer = Etcd(daemons.free_port(), daemons.free_port()), daemons.free_port()
    clients = f"http://127.0.0.1:{ports.clear},https://127.0.0.1:{ports.tls}"
    command = [
        program,
        f"--data-dir={folder}/data",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
        f"--cert-file={certified.certificate}",
        f"--key-file={certified.key}",
    ]

    def ready() -> bool:
        return daemons.answers(ports.clear) and check(target(port=ports.clear, probe=GrpcProbe())).passed

    with daemons.running(command, folder, ready):
        yield ports


class TestContract(OverTcp):
    probe = GrpcProbe()


class TestContractOverTls(OverTcp):
    probe = GrpcProbe(tls=Encryption(verify=False))


def ask(port: int, probe: GrpcProbe) -> Result:
    return check(target(port=port, probe=probe))


def test_etcd_is_up(etcd: Etcd, certified: Certified) -> None:
    assert ask(etcd.clear, GrpcProbe()).reason == "SERVING"
    assert ask(etcd.tls, GrpcProbe(tls=Encryption(ca_file=certified.ca))).reason == "SERVING"


def test_a_service_that_etcd_does_not_know_is_down(etcd: Etcd) -> None:
    for service in ("shop.Basket", "x" * 200):
        result = ask(etcd.clear, GrpcProbe(service))
        assert not result.passed
        assert result.reason.startswith(f"the server does not know the service {service[:100]}")


def test_a_certificate_must_be_valid(etcd: Etcd) -> None:
    result = ask(etcd.tls, GrpcProbe(tls=Encryption()))
    assert not result.passed
    assert result.reason == "its certificate is signed by an unknown authority: name that as `caFile`"


def test_a_server_that_speaks_tls_or_does_not_is_down_for_the_other(etcd: Etcd) -> None:
    assert not ask(etcd.tls, GrpcProbe()).passed
    assert not ask(etcd.clear, GrpcProbe(tls=Encryption())).passed


Fields = list[tuple[str, str]]
HEADERS: Fields = [(":status", "200"), ("content-type", "application/grpc")]


def answering(headers: Fields, body: bytes = b"", trailers: Fields | None = None) -> hostile.Behaviour:
    """A server that says this to any request."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        while data := await reader.read(65536):
            for event in connection.receive_data(data):
                if isinstance(event, RequestReceived):
                    assert dict(event.headers or ())[b"te"] == b"trailers"
                if isinstance(event, StreamEnded):
                    connection.send_headers(1, headers, end_stream=not body and trailers is None)
                    if body:
                        connection.send_data(1, body, end_stream=trailers is None)
                    if trailers is not None:
                        connection.send_headers(1, trailers, end_stream=True)
            writer.write(connection.data_to_send())

    return behaviour


def serving(status: bytes) -> hostile.Behaviour:
    return answering(HEADERS, b"\0" + len(status).to_bytes(4) + status, [("grpc-status", "0")])


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (serving(b"\x08\x01"), "SERVING"),
        (serving(b"\x08\x02"), "answer NOT_SERVING, expected SERVING"),
        (serving(b"\x08\x03"), "answer SERVICE_UNKNOWN, expected SERVING"),
        (serving(b""), "answer UNKNOWN, expected SERVING"),
        (serving(b"\x08\x07"), "answer 7, expected SERVING"),
        (serving(b"\x0a\x03abc"), "the answer is not that of a health service"),
        (answering(HEADERS, b"\1\0\0\0\1x", [("grpc-status", "0")]), "not a gRPC answer: no message in it"),
        (answering(HEADERS, b"", [("grpc-status", "0")]), "not a gRPC answer: no message in it"),
        (answering(HEADERS, b"\0\0\0\0\2\x08\1"), "not a gRPC answer: no grpc-status in it"),
        (answering([*HEADERS, ("grpc-status", "5")]), "NOT_FOUND"),
        (answering([*HEADERS, ("grpc-status", "12")]), "the server has no health service (grpc.health.v1)"),
        (
            answering([*HEADERS, ("grpc-status", "14"), ("grpc-message", "going down")]),
            "answer UNAVAILABLE: going down",
        ),
        (answering([*HEADERS, ("grpc-status", "99")]), "answer 99"),
        (answering([*HEADERS, ("grpc-status", "²")]), "not a gRPC answer: no grpc-status in it"),
        (answering([(":status", "404")], b"gone"), "not a gRPC answer: HTTP status 404"),
    ],
    ids=[
        "serving", "not serving", "service unknown", "unknown", "unheard of", "another message", "compressed",
        "no message", "no status", "not found", "unimplemented", "unavailable", "unheard of code", "no number",
        "not gRPC",
    ],
)  # fmt: skip
def test_only_serving_is_up(behaviour: hostile.Behaviour, reason: str) -> None:
    async def scenario() -> Result:
        async with hostile.tcp(behaviour) as port:
            return await attempt(target(port=port, probe=GrpcProbe()))

    result = asyncio.run(scenario())
    assert result.reason == reason
    assert result.passed == (reason == "SERVING")
