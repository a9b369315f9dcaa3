"""HTTP and HTTPS checks: requests that are well-formed (RFC 9110), expectations that can be met, TLS."""

import re
from collections.abc import Mapping

from vedette.kit import net
from vedette.spec import defaults, values
from vedette.spec.model import checks as model
from vedette.spec.resolve.scope import DeviceFiles, Scope, duration
from vedette.spec.resolved import Authentication, Credentials, HttpProbe, HttpRequest, Tls
from vedette.spec.tree import Path

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VISIBLE = re.compile(r"[\x21-\x7e]*")
_FIELD = re.compile(r"[\x20-\x7e\t\x80-\U0010ffff]*")
_SENDING = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def resolve_http(scope: Scope, http: model.Http, path: Path, files: DeviceFiles) -> HttpProbe:
    """Return what ``http`` (or https) at ``path`` means; faults are reported."""
    first, *further = _requests(scope, http, path)
    if http.host is not None and not (http.host and _VISIBLE.fullmatch(http.host)):
        scope.fault((*path, "host"), "a host has no spaces", "write it like www.example.org")
    check_headers(scope, http.headers or {}, (*path, "headers"))
    return HttpProbe(
        **{name: getattr(first, name) for name in HttpRequest.__dataclass_fields__},
        host=http.host,
        headers=tuple((http.headers or {}).items()),
        version=(http.protocol or "HTTP/1.1").removeprefix("HTTP/"),
        credentials=_credentials(scope, http, path, files),
        further=tuple(further),
        tls=_tls(scope, http, path, files) if isinstance(http, model.Https) else None,
    )


def _requests(scope: Scope, http: model.Http, path: Path) -> list[HttpRequest]:
    if http.requests is None:
        return [_request(scope, http, None, path)]
    if http.path is not None:
        remedy = "write `path` in each of the `requests`"
        scope.fault((*path, "path"), "`path` and `requests` exclude each other", remedy, at_key=True)
    return [_request(scope, http, item, (*path, "requests", index)) for index, item in enumerate(http.requests)]


def _request(scope: Scope, http: model.Http, item: model.HttpRequest | None, path: Path) -> HttpRequest:
    """One request: what ``item`` says, and else the check."""
    own = item or http
    method = own.method or http.method or "GET"
    send = own.send or http.send or ""
    expect = own.expect or http.expect or model.HttpExpect.model_construct()
    if own.path is not None and not (own.path.startswith("/") and _VISIBLE.fullmatch(own.path)):
        scope.fault((*path, "path"), "a path begins with `/` and has no spaces", "write it like /health")
    if send and method not in _SENDING:
        where = (*path, "send") if own.send else path
        scope.fault(where, f"a {method} sends no body", "write `method: POST`")
    if own.expect is not None:
        _check_expect(scope, own.expect, (*path, "expect"))
    if method == "HEAD" and (expect.body or expect.body_absent or expect.digest):
        key = "body" if expect.body else "bodyAbsent" if expect.body_absent else "digest"
        where = (*path, "expect", key) if own.expect is not None else path
        scope.fault(where, "an answer to HEAD has no body", "write `method: GET`")
    statuses = tuple(values.parse_statuses(status) for status in expect.status or ())
    return HttpRequest(
        path=own.path or "/",
        method=method,
        send=send,
        statuses=statuses or ((200, 299),),
        body=expect.body,
        body_absent=expect.body_absent,
        digest=expect.digest,
    )


def _check_expect(scope: Scope, expect: model.HttpExpect, path: Path) -> None:
    check_pattern(scope, expect.body, (*path, "body"))
    check_pattern(scope, expect.body_absent, (*path, "bodyAbsent"))


def check_pattern(scope: Scope, pattern: str | None, path: Path) -> None:
    """Report what is not a regular expression."""
    if pattern is None:
        return
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        scope.fault(path, "this is not a regular expression", "put a `\\` before `(`, `[`, `*` …")


def _credentials(scope: Scope, http: model.Http, path: Path, files: DeviceFiles) -> Credentials | None:
    if http.username is None and http.password is None:
        if http.authentication is not None:
            scope.fault((*path, "authentication"), "there is nobody to authenticate", "add `username` and `password`")
        return None
    if http.username is None or http.password is None:
        missing = "password" if http.password is None else "username"
        remedy = "add `password: {secretFile: …}`" if http.password is None else "add it"
        scope.fault(path, f"`{missing}` is missing", remedy)
        return None
    if not _FIELD.fullmatch(http.username):
        scope.fault((*path, "username"), "a user name is one line", "write it without line breaks")
    authentication = Authentication(http.authentication or "basic")
    if ":" in http.username and authentication is Authentication.BASIC:
        scope.fault((*path, "username"), "a user of basic authentication has no `:`", "write `authentication: digest`")
    return Credentials(http.username, files.secret((*path, "password", "secretFile")), authentication)


def _tls(scope: Scope, https: model.Https, path: Path, files: DeviceFiles) -> Tls:
    if https.server_name is not None and not _is_name(https.server_name):
        scope.fault((*path, "serverName"), "this is not the name of a server", "write it like www.example.org")
    if (https.certificate_file is None) != (https.key_file is None):
        missing = "keyFile" if https.key_file is None else "certificateFile"
        scope.fault(path, f"`{missing}` is missing", "a client certificate needs both, in two files")
    if https.verify is False and https.ca_file is not None:
        scope.fault((*path, "caFile"), "nothing is verified with `verify: false`", "leave one of them out")

    def name(written: str | None) -> str | None:
        return None if written is None else files.name(written)

    return Tls(
        server_name=https.server_name or _name_of(https.host),
        verify=https.verify is not False,
        ca_file=name(https.ca_file),
        certificate_file=name(https.certificate_file),
        key_file=name(https.key_file),
        expiry_warning=duration(https.expiry_warning, defaults.EXPIRY_WARNING),
    )


def _name_of(host: str | None) -> str | None:
    """The name in a Host header, without its port."""
    if host is None or host.startswith("["):
        return None
    name = host.rpartition(":")[0] if re.search(r":[0-9]+\Z", host) else host
    return name if _is_name(name) else None


def _is_name(text: str) -> bool:
    """Whether ``text`` can be a name or an address for TLS (RFC 6066 section 3, RFC 1123 section 2.1)."""
    if not text or len(text) > 253:
        return False
    try:
        net.parse(text)
    except ValueError:
        label = r"(?!-)[0-9A-Za-z_-]{1,63}(?<!-)"
        return re.fullmatch(rf"{label}(\.{label})*", text) is not None
    return True


def check_headers(scope: Scope, headers: Mapping[str, str], path: Path) -> None:
    """Report header fields that would break the message apart (RFC 9110 section 5)."""
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or not _FIELD.fullmatch(value):
            remedy = "names have letters, digits and `-`; values one line"
            scope.fault((*path, name), f"`{values.shorten(name)}` cannot be a header", remedy, at_key=True)
