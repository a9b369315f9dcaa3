"""Checks of the slow lane: each kind from its shape to what is carried out."""

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

from vedette.spec import values
from vedette.spec.model import checks as model
from vedette.spec.model import slow_checks as shapes
from vedette.spec.probes import (
    Arguments,
    DialogueProbe,
    DnsProbe,
    ExecProbe,
    FileProbe,
    FixedProbe,
    FtpProbe,
    ImapProbe,
    LocalProbe,
    NntpProbe,
    NtpProbe,
    Pop3Probe,
    ProcessProbe,
    SipProbe,
    SlowProbe,
    SmtpProbe,
    Step,
    SystemdProbe,
    Transport,
)
from vedette.spec.resolve import backends
from vedette.spec.resolve.logins import WORD, Here, account, tls

_ANY = re.compile(r".+", re.DOTALL)
_HOST = r"[A-Za-z0-9_.-]+"
_SIP_USER = re.compile(r"[A-Za-z0-9_.!~*'&=+$,;?/%()-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]+")
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


def resolve(check: model.Probe, here: Here) -> SlowProbe | None:
    """Return what a check does; None when it is none of the slow lane."""
    for key, read in _KINDS.items():
        written = getattr(check, key)
        if written is not None:
            return read(written, here.below(key))
    return None


def useless(probe: object) -> Mapping[str, str]:
    """Keys of a check, and their attributes, that mean nothing to what it does."""
    if isinstance(probe, LocalProbe | FixedProbe):
        return {**_PLACE, **_ORIGIN}
    return _ORIGIN if isinstance(probe, ExecProbe) else {}


def _fixed(written: str, here: Here) -> FixedProbe:
    return FixedProbe(up=written == "up")


def _dialogue(written: shapes.Dialogue, here: Here) -> DialogueProbe:
    for index, step in enumerate(written.steps):
        here.below("steps", index).check_pattern("expect", step.expect)
    return DialogueProbe(tuple(Step(send=step.send, expect=step.expect) for step in written.steps))


def _file(written: shapes.FileCheck, here: Here) -> FileProbe:
    here.check_pattern("expect", written.expect)
    if written.expect is not None and written.dynamic_weight:
        here.fault("expect", "a file that holds a weight holds nothing else", "leave one of the two out", at_key=True)
    path = here.files.name(written.path)
    return FileProbe(path=path, expect=written.expect, dynamic_weight=bool(written.dynamic_weight))


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


def _smtp(written: shapes.Smtp, here: Here) -> SmtpProbe:
    if written.helo is not None and not WORD.fullmatch(written.helo):
        here.fault("helo", "a name has no spaces", "write it like mail.example.org")
    return SmtpProbe(helo=written.helo, tls=tls(written, here), account=account(written, written.tls, here))


def _imap(written: shapes.Mail, here: Here) -> ImapProbe:
    return ImapProbe(tls=tls(written, here), account=account(written, written.tls, here))


def _pop3(written: shapes.Mail, here: Here) -> Pop3Probe:
    return Pop3Probe(tls=tls(written, here), account=account(written, written.tls, here))


def _ftp(written: shapes.Ftp, here: Here) -> FtpProbe:
    if written.path is not None and not written.path.isprintable():
        here.fault("path", "a path has no control characters", "write it like /pub/README")
    here.check_pattern("expect", written.expect)
    if written.expect is not None and written.path is None:
        here.fault("expect", "`expect` is for a file", "write its `path` too", at_key=True)
    return FtpProbe(
        tls=tls(written, here),
        account=account(written, written.tls, here),
        path=written.path,
        expect=written.expect,
    )


def _nntp(written: shapes.Nntp, here: Here) -> NntpProbe:
    if written.group is not None and not WORD.fullmatch(written.group):
        here.fault("group", "this is no newsgroup", "write it like comp.lang.c")
    return NntpProbe(tls=tls(written, here), account=account(written, written.tls, here), group=written.group)


def _sip(written: shapes.Sip, here: Here) -> SipProbe:
    if written.username is not None and not _SIP_USER.fullmatch(written.username):
        here.fault("username", "this is no user of a SIP URI", "letters, digits and -_.!~*'&=+$,;?/ are allowed")
    return SipProbe(
        username=written.username,
        statuses=tuple(values.parse_statuses(status) for status in written.status or ()) or ((200, 200),),
        transport=Transport(written.transport or "udp"),
    )


def _ntp(written: shapes.Ntp, here: Here) -> NtpProbe:
    return NtpProbe(max_stratum=written.max_stratum or 15)


def _exec(written: shapes.Exec, here: Here) -> ExecProbe:
    environment, files = written.environment or {}, written.secret_files or {}
    if not written.command[0].startswith("/"):
        here.below("command").fault(0, "a program is named by its whole path", "write it like /usr/local/bin/check")
    if any("\0" in word for word in written.command):
        here.fault("command", "a word holds a zero byte", "leave it out")
    for key, names in (("environment", environment), ("secretFiles", files)):
        for name in names:
            if not _VARIABLE.fullmatch(name):
                remedy = "letters, digits and `_` are allowed"
                here.below(key).fault(name, f"`{values.shorten(name)}` is no variable", remedy, at_key=True)
    for name in environment.keys() & files.keys():
        here.below("environment").fault(name, f"`{name}` is in `secretFiles` too", "keep it there", at_key=True)
    if written.user == "root":
        message = "the command has the rights of root"
        here.scope.findings.warn((*here.path, "user"), message, "leave `user` out, or make a user for it")
    return ExecProbe(
        command=written.command,
        user=written.user or "nobody",
        arguments=Arguments(written.arguments or "none"),
        dynamic_weight=bool(written.dynamic_weight),
        environment=tuple(environment.items()),
        secrets=tuple((name, here.files.secret((*here.path, "secretFiles", name))) for name in files),
    )


def _process(written: str, here: Here) -> ProcessProbe:
    if "/" in written or not written.isprintable():
        here.above.fault(here.key, "a process is named without its folder", "write it like haproxy")
    return ProcessProbe(written)


def _systemd(written: str, here: Here) -> SystemdProbe:
    if not _UNIT.fullmatch(written):
        here.above.fault(here.key, f"{values.shorten(written)} is no unit", "write it like nginx.service")
    return SystemdProbe(written if "." in written else f"{written}.service")


_PLACE = {"port": "port", "address": "address"}
_ORIGIN = {"sourceAddress": "source_address", "firewallMark": "firewall_mark"}
_KINDS: dict[str, Callable[[Any, Here], SlowProbe]] = {
    "fixed": _fixed,
    "dialogue": _dialogue,
    "file": _file,
    "dns": _dns,
    "smtp": _smtp,
    "imap": _imap,
    "pop3": _pop3,
    "ftp": _ftp,
    "nntp": _nntp,
    "sip": _sip,
    "ntp": _ntp,
    "ldap": backends.ldap,
    "sql": backends.sql,
    "redis": backends.redis,
    "radius": backends.radius,
    "grpc": backends.grpc,
    "exec": _exec,
    "process": _process,
    "systemd": _systemd,
}
"""By the attribute of :class:`vedette.spec.model.checks.Probe` that holds what was written."""
