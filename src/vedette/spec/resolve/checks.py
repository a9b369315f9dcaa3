"""Checks: what is written in place wins over the named check, that over defaults.checks, that over built in."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from vedette.spec import defaults, values, words
from vedette.spec.model import checks as model
from vedette.spec.resolve import slow_checks
from vedette.spec.resolve.scope import CHECKS, DeviceFiles, Scope, duration
from vedette.spec.resolved import HealthCheck, HttpProbe, Probe, TcpProbe
from vedette.spec.tree import Path

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VISIBLE = re.compile(r"[\x21-\x7e]*")
_FIELD = re.compile(r"[\x20-\x7e\t\x80-\U0010ffff]*")


class Checks:
    """The named checks of a document, and how to resolve a list of checks with them."""

    def __init__(self, scope: Scope, files: DeviceFiles) -> None:
        self._scope, self._files = scope, files
        self._defaults = scope.spec.defaults.checks if scope.spec.defaults else None
        self._named = {check.name: check for check in scope.spec.checks or ()}
        self._places = {check.name: (*CHECKS, index) for index, check in enumerate(scope.spec.checks or ())}
        if self._defaults is not None:
            self._timings((self._defaults,), ("spec", "defaults", "checks"))
        for index, check in enumerate(scope.spec.checks or ()):
            self._resolve((check,), (*CHECKS, index))

    def default(self) -> HealthCheck:
        """Return the check of a virtual service that says nothing: a TCP connect."""
        return HealthCheck(probe=TcpProbe(), **self._merge((self._defaults,)))

    def resolve(self, checks: Sequence[model.Check], path: Path) -> tuple[HealthCheck, ...]:
        """Resolve the checks at ``path``; dangling references and useless timings are reported."""
        resolved = []
        for index, check in enumerate(checks):
            here = (*path, index)
            named = self._find(check, here)
            found = self._resolve((check, named) if named else (check,), here)
            if found is not None:
                resolved.append(found)
        return tuple(resolved)

    def _find(self, check: model.Check, path: Path) -> model.NamedCheck | None:
        if check.use is None:
            return None
        named = self._named.get(check.use)
        if named is None and self._scope.intact(CHECKS, "name"):
            remedy = words.for_reference(check.use, list(self._named)) or "add it to spec.checks"
            self._scope.fault((*path, "use"), f"there is no check `{values.shorten(check.use)}` in spec.checks", remedy)
        return named

    def _resolve(self, layers: Sequence[model.Probe], path: Path) -> HealthCheck | None:
        timings = self._timings((*layers, self._defaults), path)
        probe = self._probe(layers[-1], path if len(layers) == 1 else None)
        if probe is None:
            place = self._places[layers[-1].name] if isinstance(layers[-1], model.NamedCheck) else path
            probe = slow_checks.resolve(layers[-1], slow_checks.Here(self._scope, self._files, place, len(layers) == 1))
        if probe is None:
            return None
        address = next((layer.address for layer in layers if layer.address is not None), None)
        return HealthCheck(
            probe=probe,
            address=None if address is None else values.parse_address(address),
            port=next((layer.port for layer in layers if layer.port is not None), None),
            **timings,
        )

    def _timings(self, layers: Sequence[model.Timings | None], path: Path) -> Mapping[str, Any]:
        merged = self._merge(layers)
        if merged["timeout"] > merged["interval"] and self._scope.sound(path, ("spec", "defaults")):
            key = next((key for key in ("timeout", "interval") if getattr(layers[0], key) is not None), None)
            if key is not None:  # else it is the fault of the layer below, and reported there
                message = "the timeout of this check is longer than its interval"
                self._scope.fault((*path, key), message, "write a shorter `timeout`, or a longer `interval`")
        if merged["interval"] <= 0 or merged["timeout"] <= 0:
            self._scope.fault(path, "a check needs time", "write an `interval` and a `timeout` above 0")
        return merged

    def _merge(self, layers: Sequence[model.Timings | None]) -> dict[str, Any]:
        def first(name: str) -> Any:
            return next((value for layer in layers if layer and (value := getattr(layer, name)) is not None), None)

        interval = duration(first("interval"), defaults.CHECK_INTERVAL)
        return {
            "interval": interval,
            "timeout": duration(first("timeout"), min(defaults.CHECK_TIMEOUT, interval)),
            "rise": first("rise") or defaults.CHECK_RISE,
            "fall": first("fall") or defaults.CHECK_FALL,
        }

    def _probe(self, check: model.Probe, path: Path | None) -> Probe | None:
        """Return what to do; ``path`` is None where the faults inside have been reported already."""
        if check.http is not None:
            return self._http(check.http, None if path is None else (*path, "http"))
        return TcpProbe() if check.tcp is not None else None

    def _http(self, http: model.Http, path: Path | None) -> HttpProbe:
        if path is not None:
            self._check_http(http, path)
        expect = http.expect
        statuses = tuple(values.parse_statuses(status) for status in (expect and expect.status) or ())
        return HttpProbe(
            path=http.path or "/",
            method=http.method or "GET",
            host=http.host,
            headers=tuple((http.headers or {}).items()),
            statuses=statuses or ((200, 299),),
            body=expect.body if expect else None,
        )

    def _check_http(self, http: model.Http, path: Path) -> None:
        """Report what would not be one well-formed request (RFC 9110), or not a regular expression."""
        if http.path is not None and not (http.path.startswith("/") and _VISIBLE.fullmatch(http.path)):
            self._scope.fault((*path, "path"), "a path begins with `/` and has no spaces", "write it like /health")
        if http.host is not None and not (http.host and _VISIBLE.fullmatch(http.host)):
            self._scope.fault((*path, "host"), "a host has no spaces", "write it like www.example.org")
        check_headers(self._scope, http.headers or {}, (*path, "headers"))
        if http.expect is not None and http.expect.body is not None:
            try:
                re.compile(http.expect.body)
            except (re.error, OverflowError, RecursionError):
                self._scope.fault(
                    (*path, "expect", "body"), "this is not a regular expression", "put a `\\` before `(`, `[`, `*` …"
                )
        if http.method == "HEAD" and http.expect is not None and http.expect.body is not None:
            self._scope.fault((*path, "expect", "body"), "an answer to HEAD has no body", "write `method: GET`")


def check_headers(scope: Scope, headers: Mapping[str, str], path: Path) -> None:
    """Report header fields that would break the message apart (RFC 9110 section 5)."""
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or not _FIELD.fullmatch(value):
            remedy = "names have letters, digits and `-`; values one line"
            scope.fault((*path, name), f"`{values.shorten(name)}` cannot be a header", remedy, at_key=True)
