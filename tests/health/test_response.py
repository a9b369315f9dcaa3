"""HTTP responses, from servers of every kind."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vedette.health import response as http_response
from vedette.health.response import BODY, HEAD, Response


def parse(data: bytes, *, bodiless: bool = False, step: int = 0, close: bool = True) -> Response:
    response = Response(bodiless=bodiless)
    step = step or max(1, len(data))
    for at in range(0, len(data), step):
        if response.done:
            break
        response.feed(data[at : at + step])
    if close:
        response.close()
    return response


@pytest.mark.parametrize("step", [0, 1, 7])
@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", 200, b"OK"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK and more", 200, b"OK"),
        (b"HTTP/1.0 200 OK\r\n\r\nup to the end", 200, b"up to the end"),
        (b"HTTP/1.1 503\nX: y\n\nbare line feeds", 503, b"bare line feeds"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", 200, b"abcde"),
        (b"HTTP/1.1 200 OK\r\nTRANSFER-ENCODING:  Chunked \r\nContent-Length: 9\r\n\r\n1\r\nx\r\n0\r\n\r\n", 200, b"x"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!", 200, b"!"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nOK", 200, b"OK"),
    ],
)
def test_a_good_answer_is_understood_however_it_is_cut(data: bytes, status: int, body: bytes, step: int) -> None:
    response = parse(data, step=step)
    assert (response.status, bytes(response.body), response.problem) == (status, body, "")


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", http_response.EMPTY),
        (b"SSH-2.0-OpenSSH_9.2\r\n", http_response.NOT_HTTP),
        (b"HTTP/2 200\r\n\r\n", http_response.NOT_HTTP),
        (b"HTTP/1.1 2000 OK\r\n\r\n", http_response.NOT_HTTP),
        (b"HTTP/1.1  200 OK\r\n\r\n", http_response.NOT_HTTP),
        (b"HTTP/1.1 200 OK\r\nContent-Le", http_response.INCOMPLETE),
        (b"HTTP/1.1 100 Continue\r\n\r\n", http_response.INCOMPLETE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nOK", http_response.INCOMPLETE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nOK", http_response.INCOMPLETE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", http_response.INCOMPLETE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nOK", http_response.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nOK", http_response.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nOK", http_response.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", http_response.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n", http_response.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", http_response.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b" " * 5000, http_response.MALFORMED),
    ],
)
def test_a_bad_answer_has_a_reason(data: bytes, problem: str, step: int) -> None:
    response = parse(data, step=step)
    assert response.done
    assert response.problem == problem


def test_a_head_is_enough_where_the_body_is_of_no_interest() -> None:
    response = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", bodiless=True, close=False)
    assert response.done
    assert response.status == 200


def test_an_endless_head_is_cut_off() -> None:
    response = parse(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * HEAD, step=1000, close=False)
    assert response.done
    assert response.problem


def test_endless_interim_answers_are_cut_off() -> None:
    response = parse(b"HTTP/1.1 103 Early Hints\r\n\r\n" * HEAD, step=1000, close=False)
    assert response.done
    assert response.problem


@pytest.mark.parametrize("framing", [b"", b"Content-Length: 999999999\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_only_the_beginning_of_a_large_body_is_taken(framing: bytes) -> None:
    line = b"10000\r\n" if b"chunked" in framing else b""
    data = b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + line + b"x" * (2 * BODY)
    response = parse(data, step=1000, close=False)
    assert response.done
    assert not response.problem
    assert len(response.body) == BODY


PIECES = (
    *(b"HTTP/1.1 200 OK", b"HTTP/1.1 103 x", b"\r\n", b"\n", b"\r\n\r\n", b"Content-Length: ", b"2", b"0", b":", b" "),
    *(b"Transfer-Encoding: chunked", b"ffffffffffffffff", b"a\r\n", b"+1", b"1_0", b"\x00", b"\xff", b";"),
)
BEGINNINGS = (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
hostile = st.builds(
    lambda beginning, parts: beginning + b"".join(parts),
    st.sampled_from(BEGINNINGS),
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=20)), max_size=40),
)


@given(hostile, st.integers(1, 50), st.booleans())
def test_no_input_raises_and_every_answer_ends(data: bytes, step: int, bodiless: bool) -> None:
    response = parse(data, step=step, bodiless=bodiless)
    assert response.done
    assert response.problem or 101 <= response.status <= 999
    assert len(response.body) <= BODY


@given(hostile, st.integers(1, 50))
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\n\nOK\r\n\r\n", 1)
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nOK\r\n\r\n", 1)
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nOK", 1)
@example(b"HTTP/1.1 200 OK\r\nX: content-length: 2\r\n\r\nOK", 1)
def test_the_result_does_not_depend_on_how_the_bytes_are_cut(data: bytes, step: int) -> None:
    whole, cut = parse(data), parse(data, step=step)
    assert (whole.status, bytes(whole.body), whole.problem) == (cut.status, bytes(cut.body), cut.problem)
