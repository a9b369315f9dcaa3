"""Configurations of other programs, given to us whole: told by their lines, so that nobody mends their YAML."""

import re

_OWN = re.compile(r"^[ \t\"'{]*(apiVersion|kind|spec)\b", re.MULTILINE)
_KEEPALIVED = re.compile(
    r"^[ \t]*(global_defs|vrrp_(instance|sync_group|script)|virtual_server(_group)?)\b[^\n:]*\{", re.MULTILINE
)
_HA_CF = re.compile(
    r"^(keepalive|deadtime|warntime|initdead|udpport|bcast|ucast|mcast|auto_failback|node|respawn|crm|logfacility|logfile"
    r"|debugfile|ping|ping_group|serial|baud|stonith_host|watchdog)[ \t]+[^\s:]",
    re.MULTILINE,
)
_LDIRECTORD = re.compile(
    r"^[ \t]*(virtual6?|real6?|fallback|checktype|checktimeout|negotiatetimeout|checkinterval|quiescent|autoreload"
    r"|service|request|receive|scheduler|protocol)[ \t]*=",
    re.MULTILINE,
)
_LEAST = 2
"""Lines of a kind: one alone may be anything."""


def name(text: str) -> str | None:
    """Return what the file is called that this looks like; None for what may be meant for us."""
    if _OWN.search(text):
        return None
    if _KEEPALIVED.search(text):
        return "keepalived.conf"
    for file, line in (("ldirectord.cf", _LDIRECTORD), ("ha.cf", _HA_CF)):
        if len(line.findall(text)) >= _LEAST:
            return file
    return None
