"""The sorry page as HTTP: what a client asked, and the bytes that answer it (RFC 9110, RFC 9112)."""

import re
from http import HTTPStatus

from vedette.kit.net import IPAddress
from vedette.spec.resolved import SorryPage

Place = tuple[IPAddress, int]
"""Where a page is served: virtual address and TCP port."""
RETRY_AFTER = 10
"""Seconds a 503 without a ``Retry-After`` of its own asks clients to wait: checks notice a server well within."""
HEAD = 8 << 10
"""Bytes of a request that are looked at."""

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) [^ \r\n]+ HTTP/1\.[0-9]\r?\n")
_UNPRINTABLE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_OURS = frozenset({"content-length", "connection", "transfer-encoding", "date"})
"""Headers that follow from the answer and cannot be chosen."""


class NotHttpError(Exception):
    """The client does not speak HTTP: there is nothing that could be said to it."""


def method(request: bytes) -> str | None:
    """The method, once the request's head is there; None before. Raises :class:`NotHttpError`.

    A head that is longer than :data:`HEAD` is answered as if it were complete.
    """
    if request and not request[:1].isalpha():
        raise NotHttpError
    if not _HEAD_END.search(request) and len(request) < HEAD:
        return None
    line = _REQUEST_LINE.match(request)
    if line is None:
        raise NotHttpError
    return line[1].decode()


def render(page: SorryPage, method: str, date: str) -> bytes:
    """The whole response to a request by ``method``; ``date`` is the present as an HTTP date."""
    body = page.body.encode()
    bodiless = page.status < 200 or page.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
    headers = {
        "content-type": ("Content-Type", content_type(page.body)),
        "cache-control": ("Cache-Control", "no-store"),
    }
    if page.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = ("Retry-After", str(RETRY_AFTER))
    headers |= {name.lower(): (name, value) for name, value in page.headers if name.lower() not in _OURS}
    lines = [f"HTTP/1.1 {page.status} {_phrase(page.status)}", f"Date: {date}", "Connection: close"]
    if not bodiless:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{_one_line(name)}: {_one_line(value)}" for name, value in headers.values()]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head if bodiless or method == "HEAD" else head + body


def content_type(body: str) -> str:
    """HTML when the body begins like it, plain text otherwise."""
    return f"text/{'html' if body.lstrip().startswith('<') else 'plain'}; charset=utf-8"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Sorry"


def _one_line(text: str) -> str:
    """A header can neither end early nor begin another one."""
    return _UNPRINTABLE.sub(" ", text)
