"""Checks: which change, and whether what is known of the real servers stays known."""

from collections.abc import Iterator
from dataclasses import fields as fields_of
from dataclasses import is_dataclass

from vedette.edits.change import Change, Severity, listed
from vedette.edits.fields import camel, shown, told
from vedette.edits.pairs import pairs
from vedette.kit.units import show
from vedette.spec.resolved import ClusterSpec, HealthCheck, Via, VirtualService
from vedette.state.health import Target
from vedette.state.targets import likeness, targets

_KEPT = "what is known of the servers is kept"
_ANEW = "the servers are judged anew: those in service stay until their first verdict, and go only if it is `down`"


def changes(old: ClusterSpec, new: ClusterSpec) -> Iterator[Change]:
    """All changes of the checks of services that go on."""
    for former, virtual in pairs(old, new):
        if former.checks == virtual.checks:
            continue
        severity = Severity.QUIET if virtual.checks else Severity.STEER
        for action in _told(former.checks, virtual.checks):
            yield Change(severity, f"virtual service {virtual.name}", action, _consequence(former, virtual))


def _told(old: tuple[HealthCheck, ...], new: tuple[HealthCheck, ...]) -> Iterator[str]:
    """What differs: detail by detail where the checks are of the same kinds, else the whole."""
    if [type(check.probe) for check in old] == [type(check.probe) for check in new]:
        for number, (before, after) in enumerate(zip(old, new, strict=True), start=1):
            name = f"check {number}" if len(new) > 1 else "check"
            yield from (f"{name}: {text.removeprefix('probe.')}" for text in told(before, after))
    else:
        yield f"checks: {_words(new)} (was {_words(old)})"


def _consequence(former: VirtualService, virtual: VirtualService) -> str:
    if not virtual.checks:
        return "all its servers count as up from now on, also those that are down"
    if not former.checks:
        return "a server in service stays until its first verdict, and goes only if it is `down`"
    known = {likeness(target) for target in _targets(former)}
    wanted = {likeness(target) for target in _targets(virtual)}
    return _KEPT if wanted <= known else _ANEW


def _targets(virtual: VirtualService) -> Iterator[Target]:
    for endpoint in virtual.entries:
        for server in virtual.real_servers:
            yield from targets(virtual, endpoint, server)


def _words(checks: tuple[HealthCheck, ...]) -> str:
    return listed(_word(check) for check in checks) or "none"


def _word(check: HealthCheck) -> str:
    kind = camel(type(check.probe).__name__.removesuffix("Probe").lower())
    place = "".join(f" {word} {value}" for word, value in (("at", check.address), ("port", check.port)) if value)
    place += " through the service" if check.via is Via.SERVICE else ""
    times = f"every {show(check.interval)}, timeout {show(check.timeout)}, rise {check.rise}, fall {check.fall}"
    return f"{kind}{_details(check.probe)}{place} {times}"


def _details(probe: object) -> str:
    """What a probe says beside its kind, where that is not the default."""
    if not is_dataclass(probe):
        return ""
    plain = [
        f"{camel(item.name)} {shown(item.name, getattr(probe, item.name))}"
        for item in fields_of(probe)
        if getattr(probe, item.name) != item.default
    ]
    return f" ({', '.join(plain)})" if plain else ""
