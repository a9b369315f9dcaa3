"""Checks: what is written in place wins over the named check, that over defaults.checks, that over built in."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from vedette.kit.net import IPAddress
from vedette.kit.units import SECOND, show
from vedette.spec import defaults, hosts, values, words
from vedette.spec.marks import OURS
from vedette.spec.model import checks as model
from vedette.spec.probes import RadiusProbe
from vedette.spec.resolve import paths, slow_checks
from vedette.spec.resolve.logins import Here
from vedette.spec.resolve.marks import OWN
from vedette.spec.resolve.requests import check_pattern, resolve_http
from vedette.spec.resolve.scope import CHECKS, DeviceFiles, Scope, duration
from vedette.spec.resolved import HealthCheck, PingProbe, Probe, TcpProbe, UdpProbe, Via
from vedette.spec.tree import Path

REJECT_DELAY = SECOND
"""How long (ns) FreeRADIUS waits with an Access-Reject unless it is told otherwise (radiusd.conf, security)."""
MOST_SOURCES = 256
"""Addresses of a range that a check may come from."""


class Checks:
    """The named checks of a document, and how to resolve a list of checks with them."""

    def __init__(self, scope: Scope, files: DeviceFiles, virtual: Container[IPAddress]) -> None:
        self._scope, self._files, self._virtual = scope, files, virtual
        self._defaults = scope.spec.defaults.checks if scope.spec.defaults else None
        self._named = {check.name: check for check in scope.spec.checks or ()}
        self._probes: dict[str, Probe | None] = {}
        if self._defaults is not None:
            self._timings((self._defaults,), ("spec", "defaults", "checks"))
        for index, check in enumerate(scope.spec.checks or ()):
            path: Path = (*CHECKS, index)
            probe = self._probe(check, path)
            self._probes.setdefault(check.name, probe)
            self._resolve((check,), probe, path)

    def default(self) -> HealthCheck:
        """Return the check of a virtual service that says nothing: a TCP connect."""
        return HealthCheck(probe=TcpProbe(), **self._merge((self._defaults,)))

    def resolve(self, checks: Sequence[model.Check], path: Path) -> tuple[HealthCheck, ...]:
        """Resolve the checks at ``path``; dangling references and useless timings are reported."""
        resolved = []
        for index, check in enumerate(checks):
            here = (*path, index)
            named = self._find(check, here)
            if named is not None:
                found = self._resolve((check, named), self._probes[named.name], here)
            else:
                found = self._resolve((check,), self._probe(check, here), here)
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

    def _resolve(self, layers: Sequence[model.Probe], probe: Probe | None, path: Path) -> HealthCheck | None:
        timings = self._timings((*layers, self._defaults), path)
        if layers[0].source_address is not None and self._scope.sound((*path, "sourceAddress")):
            self._check_source(layers[0].source_address, (*path, "sourceAddress"))
        if layers[0].address is not None:
            self._check_aim(layers[0].address, (*path, "address"))
        if probe is None:
            return None

        def first(name: str) -> Any:
            return next((value for layer in layers if (value := getattr(layer, name)) is not None), None)

        address, source, port = first("address"), first("source_address"), first("port")
        if isinstance(probe, PingProbe) and port is not None:
            self._scope.fault((*path, "port"), "a ping has no port", "leave it out", at_key=True)
        self._check_useless(layers[0], probe, path)
        self._check_patience(layers[0], probe, timings["timeout"], path)
        if (layers[0].firewall_mark or 0) in OURS:
            self._scope.fault((*path, "firewallMark"), *OWN)
        found = HealthCheck(
            probe=probe,
            address=None if address is None else values.parse_address(address),
            port=port,
            source=() if source is None else _sources(source),
            mark=first("firewall_mark") or 0,
            via=Via(first("via") or "direct"),
            **timings,
        )
        paths.check_alone(self._scope, layers[0], found, path)
        return found

    def _check_useless(self, written: model.Probe, probe: Probe, path: Path) -> None:
        """Report where a check goes, or comes from, if it goes nowhere."""
        for key, attribute in slow_checks.useless(probe).items():
            if getattr(written, attribute) is not None and self._scope.sound((*path, key)):
                self._scope.fault(
                    (*path, key), f"`{key}` means nothing to this kind of check", "leave it out", at_key=True
                )

    def _check_patience(self, written: model.Probe, probe: Probe, timeout: int, path: Path) -> None:
        """A RADIUS check without a user is rejected, and that takes a while; said where either is written."""
        key = "timeout" if written.timeout is not None else "radius" if written.radius is not None else None
        if isinstance(probe, RadiusProbe) and probe.account is None and timeout <= REJECT_DELAY and key is not None:
            message = (
                f"FreeRADIUS holds a rejection back for a second (reject_delay): after {show(timeout)} it seems to hang"
            )
            remedy = "write `timeout: 2s` and an `interval` of 2s or more, or a user whose login is accepted"
            self._scope.findings.warn((*path, key), message, remedy)

    def _check_aim(self, written: str, path: Path) -> None:
        wrong = hosts.unfit(values.parse_address(written), self._virtual, "checked")
        if wrong is not None:
            self._scope.fault(path, *wrong)

    def _check_source(self, source: str, path: Path) -> None:
        if len(values.parse_range(source)) > MOST_SOURCES:
            self._scope.fault(path, f"more than {MOST_SOURCES} addresses", "write a shorter range")

    def _timings(self, layers: Sequence[model.Timings | None], path: Path) -> Mapping[str, Any]:
        merged = self._merge(layers)
        if merged["timeout"] > merged["interval"] and self._scope.sound(path, ("spec", "defaults")):
            key = next((key for key in ("timeout", "interval") if getattr(layers[0], key) is not None), None)
            if key is not None:  # else it is the fault of the layer below, and reported there
                message = "the timeout of this check is longer than its interval"
                self._scope.fault((*path, key), message, "write a shorter `timeout`, or a longer `interval`")
        if merged["jitter"] is not None and merged["jitter"] * 2 > merged["interval"]:
            key = next((key for key in ("jitter", "interval") if getattr(layers[0], key) is not None), None)
            if key is not None:
                message = "the jitter of this check is more than half of its interval"
                self._scope.fault((*path, key), message, "write a shorter `jitter`, or a longer `interval`")
        if merged["interval"] <= 0 or merged["timeout"] <= 0:
            self._scope.fault(path, "a check needs time", "write an `interval` and a `timeout` above 0")
        return merged

    def _merge(self, layers: Sequence[model.Timings | None]) -> dict[str, Any]:
        def first(name: str) -> Any:
            return next((value for layer in layers if layer and (value := getattr(layer, name)) is not None), None)

        interval = duration(first("interval"), defaults.CHECK_INTERVAL)
        jitter = first("jitter")
        return {
            "interval": interval,
            "timeout": duration(first("timeout"), min(defaults.CHECK_TIMEOUT, interval)),
            "rise": first("rise") or defaults.CHECK_RISE,
            "fall": first("fall") or defaults.CHECK_FALL,
            "jitter": None if jitter is None else values.parse_duration(jitter),
        }

    def _probe(self, check: model.Probe, path: Path) -> Probe | None:
        """Return what to do; None where nothing that this release knows is written."""
        if check.http is not None:
            return resolve_http(self._scope, check.http, (*path, "http"), self._files)
        if check.https is not None:
            return resolve_http(self._scope, check.https, (*path, "https"), self._files)
        if check.udp is not None:
            return self._udp(check.udp, (*path, "udp"))
        if check.ping is not None:
            return PingProbe()
        if check.tcp is not None:
            return TcpProbe()
        return slow_checks.resolve(check, Here(self._scope, self._files, path))

    def _udp(self, udp: model.Udp, path: Path) -> UdpProbe:
        if udp.send is not None and udp.send_hex is not None:
            message = "`send` and `sendHex` exclude each other"
            self._scope.fault((*path, "sendHex"), message, "keep one of them", at_key=True)
        check_pattern(self._scope, udp.expect, (*path, "expect"))
        sent = bytes.fromhex(udp.send_hex) if udp.send_hex is not None else (udp.send or "").encode()
        return UdpProbe(send=sent, expect=udp.expect)


def _sources(written: str) -> tuple[IPAddress, ...]:
    found = values.parse_range(written)
    return found.expand() if len(found) <= MOST_SOURCES else ()
