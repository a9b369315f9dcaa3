"""Checks of the slow lane: each kind from its shape to what is carried out."""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from vedette.spec.model import checks as model
from vedette.spec.model import slow_checks as shapes
from vedette.spec.probes import DialogueProbe, DnsProbe, FileProbe, FixedProbe, SlowProbe, Step, Transport
from vedette.spec.resolve.scope import DeviceFiles, Scope
from vedette.spec.secret import Secret
from vedette.spec.tree import Path

_ANY = re.compile(r".+", re.DOTALL)
_HOST = r"[A-Za-z0-9_.-]+"
_NAME = re.compile(r"[^\s\x00-\x1f\x7f]+")
_ONE_NAME = re.compile(_HOST), "www.example.org."
_RECORDS: dict[str, tuple[re.Pattern[str], str]] = {
    "A": (re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}"), "203.0.113.80"),
    "AAAA": (re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"), '"2001:db8::80"'),
    "CNAME": _ONE_NAME,
    "DNAME": _ONE_NAME,
    "MX": (re.compile(rf"[0-9]{{1,5}} {_HOST}"), "10 mail.example.org."),
    "NS": _ONE_NAME,
    "PTR": _ONE_NAME,
    "SRV": (re.compile(rf"[0-9]{{1,5}} [0-9]{{1,5}} [0-9]{{1,5}} {_HOST}"), "10 5 5060 sip.example.org."),
} | dict.fromkeys(
    ("CAA", "CDNSKEY", "CDS", "DNSKEY", "DS", "HINFO", "HTTPS", "LOC", "NAPTR", "NSEC", "NSEC3PARAM", "OPENPGPKEY",
     "RRSIG", "SMIMEA", "SOA", "SPF", "SSHFP", "SVCB", "TLSA", "TXT", "URI"),
    (_ANY, ""),
)  # fmt: skip
"""Record types by name (IANA, DNS parameters), what one looks like, and an example."""
ESCAPE = "put a `\\` before `(`, `[`, `*` …"


@dataclass(frozen=True, slots=True)
class Here:
    """A mapping inside a check: where it is written, and what it may name. ``loud``: its faults are unreported yet."""

    scope: Scope
    files: DeviceFiles
    path: Path
    loud: bool

    def below(self, *keys: str | int) -> "Here":
        return replace(self, path=(*self.path, *keys))

    def fault(self, key: str, message: str, remedy: str, *, at_key: bool = False) -> None:
        """Report a fault of a key of this mapping, once."""
        if self.loud and self.scope.sound((*self.path, key)):
            self.scope.fault((*self.path, key), message, remedy, at_key=at_key)

    def secret(self, key: str) -> Secret:
        """Return the secret whose file ``key`` of this mapping names."""
        return self.files.secret((*self.path, key, "secretFile"))

    def check_pattern(self, key: str, pattern: str | None) -> None:
        """Report what is no regular expression."""
        try:
            re.compile(pattern or "")
        except (re.error, OverflowError, RecursionError):
            self.fault(key, "this is not a regular expression", ESCAPE)


def resolve(check: model.Probe, here: Here) -> SlowProbe | None:
    """Return what a check does; None when it is none of the slow lane."""
    for key, read in _KINDS.items():
        written = getattr(check, key)
        if written is not None:
            return read(written, here.below(key))
    return None


def _fixed(written: str, here: Here) -> FixedProbe:
    return FixedProbe(up=written == "up")


def _dialogue(written: shapes.Dialogue, here: Here) -> DialogueProbe:
    for index, step in enumerate(written.steps):
        here.below("steps", index).check_pattern("expect", step.expect)
    return DialogueProbe(tuple(Step(send=step.send, expect=step.expect) for step in written.steps))


def _file(written: shapes.FileCheck, here: Here) -> FileProbe:
    here.check_pattern("expect", written.expect)
    return FileProbe(path=here.files.name(written.path), expect=written.expect)


def _dns(written: shapes.Dns, here: Here) -> DnsProbe:
    kind = written.type or ("NS" if written.name is None else "A")
    if kind not in _RECORDS and not re.fullmatch(r"TYPE[0-9]{1,5}", kind):
        close = difflib.get_close_matches(kind, _RECORDS, n=1)
        remedy = f"write `{close[0]}`" if close else "write A, AAAA, MX …, or its number as TYPE65280"
        here.fault("type", f'"{kind}" is no record type', remedy)
    if written.name is not None and not _NAME.fullmatch(written.name):
        here.fault("name", "this is no domain name", "write it like www.example.org")
    form = _RECORDS.get(kind)
    if written.expect is not None and form is not None and not form[0].fullmatch(written.expect):
        here.fault("expect", f"this is no {kind} record", f"write it like `{form[1]}`")
    return DnsProbe(
        name=written.name or ".",
        type=kind,
        expect=written.expect,
        transport=Transport(written.transport or "udp"),
    )


_KINDS: dict[str, Callable[[Any, Here], SlowProbe]] = {
    "fixed": _fixed,
    "dialogue": _dialogue,
    "file": _file,
    "dns": _dns,
}
"""By the attribute of :class:`vedette.spec.model.checks.Probe` that holds what was written."""
