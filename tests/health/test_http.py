"""HTTP requests as written, and answers as judged."""

import hashlib

import pytest

from tests.health.targets import target
from vedette.health import http, requests
from vedette.health.judge import Outcome
from vedette.health.response import BODY, DIGESTED, Response
from vedette.spec.resolved import HttpProbe, TcpProbe


def request(probe: HttpProbe, address: str = "10.0.0.1", port: int = 80) -> list[bytes]:
    (wanted,) = requests.requests(probe)
    over_all = requests.headers(target(address, port, probe), probe)
    return requests.write(wanted, requests.fields(wanted, over_all, None), probe.version).split(b"\r\n")


def test_a_request_is_complete_http() -> None:
    assert request(HttpProbe(path="/health", host="www.mydomain.tld", headers=(("X-Probe", "1"),))) == [
        b"GET /health HTTP/1.1",
        b"Host: www.mydomain.tld",
        b"User-Agent: vedette",
        b"Accept: */*",
        b"X-Probe: 1",
        b"Connection: close",
        b"",
        b"",
    ]


@pytest.mark.parametrize(
    ("address", "port", "host"),
    [
        ("10.0.0.1", 80, b"Host: 10.0.0.1"),
        ("10.0.0.1", 8080, b"Host: 10.0.0.1:8080"),
        ("2001:db8::1", 80, b"Host: [2001:db8::1]"),
        ("2001:db8::1", 8080, b"Host: [2001:db8::1]:8080"),
    ],
)
def test_without_a_host_the_address_is_asked_for(address: str, port: int, host: bytes) -> None:
    assert request(HttpProbe(), address, port)[1] == host


def test_headers_of_the_document_replace_the_usual_ones_whatever_their_case() -> None:
    lines = request(HttpProbe(headers=(("HOST", "other"), ("user-agent", "probe"), ("Connection", "keep-alive"))))
    assert b"HOST: other" in lines
    assert b"user-agent: probe" in lines
    assert b"Connection: close" in lines, "a check never keeps a connection"
    assert len(lines) == 1 + 4 + 2


def test_a_path_is_encoded_so_that_it_stays_one_word() -> None:
    assert request(HttpProbe(path="/a b\r\nX: y?q=ü&z=%20"))[0] == b"GET /a%20b%0D%0AX:%20y?q=%C3%BC&z=%20 HTTP/1.1"


@pytest.mark.parametrize(
    "probe",
    [
        HttpProbe(method="GET /\r\nX: "),
        HttpProbe(headers=(("X", "a\r\nInjected: b"),)),
        HttpProbe(headers=(("X: y\r\nZ", "a"),)),
        HttpProbe(host="a\r\nInjected: b"),
        HttpProbe(body="(unclosed"),
    ],
)
def test_what_cannot_be_sent_or_matched_is_refused(probe: HttpProbe) -> None:
    with pytest.raises(ValueError, match="not"):
        http.prepare(target(probe=probe))


def judged(probe: HttpProbe, data: bytes, *, close: bool = True) -> tuple[Outcome, str] | None:
    (wanted,) = requests.requests(probe)
    hashing = wanted.hashing()
    response = Response(bodiless=wanted.bodiless, hashing=hashing)
    response.feed(data)
    if close:
        response.close()
    return wanted.judge(response, hashing)


def test_a_status_outside_the_ranges_fails_as_soon_as_it_is_known() -> None:
    probe = HttpProbe(statuses=((200, 299), (401, 401)), body="OK")
    answer = b"HTTP/1.1 500 Oops\r\nContent-Length: 1000\r\n\r\n"
    assert judged(probe, answer, close=False) == (Outcome.FAILED, "status 500, expected 200-299, 401")


@pytest.mark.parametrize("status", [200, 299, 401])
def test_a_status_inside_the_ranges_passes(status: int) -> None:
    probe = HttpProbe(statuses=((200, 299), (401, 401)))
    assert judged(probe, b"HTTP/1.1 %d x\r\n\r\n" % status) == (Outcome.PASSED, f"status {status}")


def test_a_body_that_does_not_match_fails() -> None:
    assert judged(HttpProbe(body="OK"), b"HTTP/1.1 200 x\r\n\r\nstatus: broken") == (
        Outcome.FAILED,
        "body does not match",
    )


def test_a_truncated_body_fails_even_where_it_would_match() -> None:
    answer = b"HTTP/1.1 200 x\r\nContent-Length: 100\r\n\r\nOK"
    assert judged(HttpProbe(body="OK"), answer) == (Outcome.FAILED, "incomplete answer")


def test_a_body_with_what_must_be_absent_fails() -> None:
    probe = HttpProbe(body="OK", body_absent="broken|maintenance")
    assert judged(probe, b"HTTP/1.1 200 x\r\n\r\nOK") == (Outcome.PASSED, "status 200")
    assert judged(probe, b"HTTP/1.1 200 x\r\n\r\nOK, maintenance") == (
        Outcome.FAILED,
        "body has what must be absent",
    )


@pytest.mark.parametrize("name", ["md5", "sha256"])
@pytest.mark.parametrize("size", [0, 5, BODY, BODY + 1, 3 * BODY])
def test_a_digest_is_that_of_the_whole_body(name: str, size: int) -> None:
    body = b"x" * size
    probe = HttpProbe(digest=f"{name}:{hashlib.new(name, body).hexdigest()}")
    head = b"HTTP/1.1 200 x\r\n"
    assert judged(probe, head + b"\r\n" + body) == (Outcome.PASSED, "status 200")
    assert judged(probe, head + b"Content-Length: %d\r\n\r\n" % size + body) == (Outcome.PASSED, "status 200")
    assert judged(probe, head + b"\r\n" + body + b"y") == (Outcome.FAILED, f"the body's {name} is another")


def test_an_endless_body_is_not_hashed_for_ever() -> None:
    probe = HttpProbe(digest="md5:" + "0" * 32)
    answer = b"HTTP/1.1 200 x\r\n\r\n" + b"x" * (DIGESTED + 1)
    assert judged(probe, answer, close=False) == (Outcome.FAILED, "the body is too long for a digest")


def test_a_body_is_sent_with_its_length() -> None:
    lines = request(HttpProbe(method="POST", send="grüße", headers=(("Content-Length", "1"),)))
    assert b"Content-Length: 7" in lines
    assert lines.count(b"Content-Length: 1") == 0
    assert lines[-1] == "grüße".encode()
    assert b"Content-Length: 0" in request(HttpProbe(method="POST"))


def test_a_request_of_http_1_0_says_so() -> None:
    assert request(HttpProbe(version="1.0"))[0] == b"GET / HTTP/1.0"


def test_nothing_is_decided_before_the_body_is_there() -> None:
    assert judged(HttpProbe(body="OK"), b"HTTP/1.1 200 x\r\n\r\nOK", close=False) is None


def test_an_exchange_is_for_http_only() -> None:
    with pytest.raises(AssertionError):
        http.prepare(target(probe=TcpProbe()))
