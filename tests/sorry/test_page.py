"""The sorry page as HTTP."""

from http.client import HTTPResponse
from io import BytesIO
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.sorry import page as pages
from vedette.spec.resolved import SorryPage

DATE = "Sun, 22 Nov 2026 16:40:00 GMT"
SORRY = SorryPage(status=503, body="We're sorry.")


def parsed(page: SorryPage, method: str = "GET") -> tuple[HTTPResponse, bytes]:
    """The response as the standard library's client reads it."""

    class Wire:
        def makefile(self, *args: Any) -> BytesIO:
            return BytesIO(pages.render(page, method, DATE))

    response = HTTPResponse(cast(Any, Wire()), method=method)
    response.begin()
    return response, response.read()


def test_a_page_is_a_whole_answer() -> None:
    assert pages.render(SORRY, "GET", DATE).decode() == (
        "HTTP/1.1 503 Service Unavailable\r\n"
        f"Date: {DATE}\r\n"
        "Connection: close\r\n"
        "Content-Length: 12\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Cache-Control: no-store\r\n"
        f"Retry-After: {pages.RETRY_AFTER}\r\n"
        "\r\n"
        "We're sorry."
    )


def test_head_gets_the_same_head_and_no_body() -> None:
    head = pages.render(SORRY, "HEAD", DATE)
    assert pages.render(SORRY, "GET", DATE) == head + b"We're sorry."


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<html>sorry</html>", "text/html; charset=utf-8"),
        ("\n  <!doctype html>", "text/html; charset=utf-8"),
        ("sorry", "text/plain; charset=utf-8"),
        ("", "text/plain; charset=utf-8"),
    ],
)
def test_the_content_type_is_guessed(body: str, expected: str) -> None:
    assert parsed(SorryPage(status=503, body=body))[0].getheader("content-type") == expected


def test_headers_of_the_document_win_over_the_usual_ones() -> None:
    headers = (("content-type", "application/json"), ("Retry-After", "120"), ("X-Site", "berlin"))
    response, _ = parsed(SorryPage(status=503, body="{}", headers=headers))
    assert response.getheader("Content-Type") == "application/json"
    assert response.getheader("Retry-After") == "120"
    assert response.getheader("X-Site") == "berlin"


def test_headers_that_follow_from_the_answer_cannot_be_chosen() -> None:
    headers = (("Content-Length", "1"), ("Transfer-Encoding", "chunked"), ("Connection", "keep-alive"))
    response, body = parsed(SorryPage(status=503, body="sorry", headers=headers))
    assert body == b"sorry"
    assert response.getheader("Connection") == "close"


def test_only_unavailability_asks_to_come_back() -> None:
    assert parsed(SorryPage(status=200, body="ok"))[0].getheader("Retry-After") is None


def test_an_answer_that_has_no_body_by_its_status_has_none() -> None:
    assert pages.render(SorryPage(status=204, body="never seen"), "GET", DATE).endswith(b"\r\n\r\n")


@given(
    st.integers(200, 599),
    st.text(max_size=50),
    st.lists(st.tuples(st.text("abc-\r\n: é€\x00", min_size=1, max_size=8), st.text(max_size=20)), max_size=3).map(
        tuple
    ),
)
def test_no_header_of_the_document_can_break_the_answer(
    status: int, body: str, headers: tuple[tuple[str, str], ...]
) -> None:
    answer = pages.render(SorryPage(status=status, body=body, headers=headers), "GET", DATE)
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert rest == (b"" if status in (204, 304) else body.encode())
    assert head.count(b"\r\n") == head.count(b"\n") == head.count(b"\r")


@pytest.mark.parametrize(
    ("request_", "method"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET"),
        (b"HEAD / HTTP/1.0\r\n\r\n", "HEAD"),
        (b"POST /form HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "POST"),
        (b"GET / HTTP/1.1\nHost: a\n\n", "GET"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", None),
        (b"GET /", None),
        (b"", None),
        (b"GET / HTTP/1.1\r\nCookie: " + b"x" * pages.HEAD, "GET"),
    ],
)
def test_a_request_is_known_by_its_method_once_its_head_is_there(request_: bytes, method: str | None) -> None:
    assert pages.method(request_) == method


@pytest.mark.parametrize(
    "request_", [b"\x16\x03\x01\x02", b"hello\r\n\r\n", b"GET /\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n", b"G" * pages.HEAD]
)
def test_what_is_not_http_is_told_apart(request_: bytes) -> None:
    with pytest.raises(pages.NotHttpError):
        pages.method(request_)


@given(st.binary(max_size=200))
def test_no_request_does_harm(request_: bytes) -> None:
    try:
        found = pages.method(request_)
    except pages.NotHttpError:
        return
    assert found is None or found.isupper()
