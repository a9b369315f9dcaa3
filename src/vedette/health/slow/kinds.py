"""The kinds of checks of the slow lane, one module each.

A module is imported when a document has such a check, because some libraries take a while to load.
"""

from functools import partial
from importlib import import_module
from typing import cast

from vedette.health.attempt import Start
from vedette.health.slow.attempt import CheckAttempt
from vedette.health.slow.check import Prepare
from vedette.kit.secrecy import Censor
from vedette.spec import probes
from vedette.spec.secret import secrets_in
from vedette.state.health import Target

MODULES: dict[type, str] = {
    probes.FixedProbe: "fixed",
    probes.DialogueProbe: "dialogue",
    probes.FileProbe: "file",
    probes.DnsProbe: "dns",
    probes.SmtpProbe: "smtp",
    probes.ImapProbe: "imap",
    probes.Pop3Probe: "pop3",
    probes.FtpProbe: "ftp",
    probes.NntpProbe: "nntp",
    probes.SipProbe: "sip",
    probes.NtpProbe: "ntp",
    probes.LdapProbe: "ldap",
    probes.SqlProbe: "sql",
    probes.RedisProbe: "redis",
    probes.RadiusProbe: "radius",
    probes.GrpcProbe: "grpc",
    probes.ExecProbe: "exec",
    probes.ProcessProbe: "process_name",
    probes.SystemdProbe: "systemd",
}
"""The module of each kind, by what it carries out."""


def prepare(target: Target) -> Start:
    """Bind a target to its kind; raises ``ValueError`` when it cannot be checked as written."""
    kind = MODULES[type(target.check.probe)]
    try:
        module = import_module(f"vedette.health.slow.{kind}")
    except ImportError as error:  # one kind less, and no lane that dies again and again
        raise ValueError(f"what checks of kind {kind} need is not installed: {error.name}") from error
    return partial(CheckAttempt, cast(Prepare, module.prepare)(target), Censor(secrets_in(target.check.probe)))
