"""gRPC: the standard health service must say SERVING (grpc.health.v1, over HTTP/2)."""

from vedette.health import reasons
from vedette.health.http2 import Exchange
from vedette.health.requests import Headers, Request
from vedette.health.slow import login
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.kit import net
from vedette.spec.probes import GrpcProbe
from vedette.state.health import Target

_PATH = "/grpc.health.v1.Health/Check"
_SERVING = 1
_STATUSES = {0: "UNKNOWN", _SERVING: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
"""``HealthCheckResponse.ServingStatus`` (health.proto)."""
_CODES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""``grpc-status`` (statuscodes.md of gRPC)."""
_SERVICE, _STATUS = 0x0A, 0x08
"""Tags of the only fields of ``HealthCheckRequest``, a text, and ``HealthCheckResponse``, an enumeration."""
_PREFIX = 5
"""Bytes in front of a message: whether it is compressed, and its length (PROTOCOL-HTTP2.md of gRPC)."""
_AWAITED = "the answer of the health service"


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, GrpcProbe)
    scheme = "http" if probe.tls is None else "https"
    request, fields = _request(probe), _fields(target, probe)

    async def check(progress: Progress) -> Passed:
        async with login.connected(target, probe.tls, progress, "h2") as conversation:
            exchange = Exchange(request, scheme, fields)
            await conversation.send(exchange.unsent())
            while not exchange.done:
                data = await conversation.some(_AWAITED)
                if data:
                    exchange.feed(data)
                else:
                    exchange.close()
                await conversation.send(exchange.unsent())
        _judge(exchange, probe.service)
        return Passed("SERVING")

    return check


def _request(probe: GrpcProbe) -> Request:
    name = probe.service.encode()
    message = bytes((_SERVICE,)) + _varint(len(name)) + name if name else b""
    return Request(
        method="POST",
        target=_PATH,
        body=b"\0" + len(message).to_bytes(_PREFIX - 1) + message,
        statuses=((200, 200),),
        accepted=frozenset({200}),
        bodiless=False,
        present=None,
        absent=None,
        digest=None,
    )


def _fields(target: Target, probe: GrpcProbe) -> Headers:
    host = probe.tls.server_name if probe.tls is not None else None
    return (
        ("Host", host or net.endpoint(target.address, target.port)),
        ("Content-Type", "application/grpc"),
        ("TE", "trailers"),
        ("User-Agent", "vedette"),
    )


def _judge(exchange: Exchange, service: str) -> None:
    """Raise what is wrong with an answer that is as complete as it will be."""
    if exchange.problem:
        raise FailedError("not a gRPC answer" if exchange.problem.startswith("not ") else exchange.problem)
    if exchange.status != 200:
        raise FailedError(f"not a gRPC answer: HTTP status {exchange.status}")
    code = next(iter(exchange.values("grpc-status")), "")
    if not (code.isascii() and code.isdigit() and len(code) < 3):
        raise FailedError("not a gRPC answer: no grpc-status in it")
    name = _CODES[int(code)] if int(code) < len(_CODES) else code
    if name == "NOT_FOUND":
        raise FailedError(f"the server does not know the service {service}" if service else "NOT_FOUND")
    if name == "UNIMPLEMENTED":
        raise FailedError("the server has no health service (grpc.health.v1)")
    if name != "OK":
        said = next(iter(exchange.values("grpc-message")), "")
        raise FailedError(f"answer {name}: {reasons.clean(said[:120])}" if said else f"answer {name}")
    status = _status(bytes(exchange.body))
    if status != _SERVING:
        raise FailedError(f"answer {_STATUSES.get(status, status)}, expected SERVING")


def _status(body: bytes) -> int:
    """The status in the one message of an answer; a field that is not there is 0 (proto3)."""
    if len(body) < _PREFIX or body[0] != 0 or int.from_bytes(body[1:_PREFIX]) != len(body) - _PREFIX:
        raise FailedError("not a gRPC answer: no message in it")
    message = body[_PREFIX:]
    if not message:
        return 0
    if len(message) != 2 or message[0] != _STATUS or message[1] >= 0x80:
        raise FailedError("the answer is not that of a health service")
    return message[1]


def _varint(value: int) -> bytes:
    """A length as protocol buffers write it: seven bits a byte, the lowest first."""
    encoded = b""
    while value >= 0x80:
        encoded += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return encoded + bytes((value,))
