"""The right word for a wrong one: near misses, and what other software calls things."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice

from vedette.spec.model import anatomy
from vedette.spec.model.base import INTERFACE, NAME
from vedette.spec.model.checks import DIGEST, HEX
from vedette.spec.model.cluster import PLUG
from vedette.spec.model.fencing import PROGRAM
from vedette.spec.values import shorten


@dataclass(frozen=True, slots=True)
class Advice:
    """What to write instead of an unknown key; ``key`` is the one that was probably meant, if it belongs here."""

    remedy: str
    key: str | None = None


_FOREIGN_KEYS = {
    # LVS, ldirectord, keepalived
    "lbalgo": "scheduler", "lvssched": "scheduler", "sched": "scheduler", "algorithm": "scheduler",
    "lbkind": "forwarding", "lvsmethod": "forwarding", "method": "forwarding", "mode": "forwarding",
    "delayloop": "interval", "checkinterval": "interval", "periodseconds": "interval", "advertint": "interval",
    "delay": "interval", "checktimeout": "timeout", "negotiatetimeout": "timeout", "connecttimeout": "timeout",
    "timeoutseconds": "timeout", "failurecount": "fall", "checkcount": "fall", "retry": "fall", "retries": "fall",
    "failurethreshold": "fall", "successthreshold": "rise", "persistent": "persistence",
    "persistencetimeout": "persistence", "sessionaffinity": "persistence", "sticky": "persistence",
    "fallback": "sorryServer", "quiescent": "onFailure", "inhibitonfailure": "onFailure",
    "real": "realServers", "backends": "realServers", "backend": "realServers", "servers": "realServers",
    "endpoints": "realServers", "destinations": "realServers", "targets": "realServers", "upstreams": "realServers",
    "virtual": "virtualServices", "virtualserver": "virtualServices", "virtualservers": "virtualServices",
    "services": "virtualServices", "loadbalancers": "virtualServices", "frontends": "virtualServices",
    "pools": "serverPools", "pool": "serverPool", "virtualservergroup": "serverPools",
    "checktype": "checks", "healthcheck": "checks", "healthchecks": "checks", "check": "checks", "probe": "checks",
    "livenessprobe": "checks", "readinessprobe": "checks", "checkport": "port", "connectport": "port",
    "targetport": "port", "httpget": "http", "tcpsocket": "tcp", "tcpcheck": "tcp", "sslget": "https",
    "uthreshold": "maxConnections", "lthreshold": "minConnections", "fwmark": "firewallMark",
    "firewallmark": "firewallMark", "schedflags": "schedulerFlags", "alpha": "rise",
    "ops": "onePacketScheduling", "onepacket": "onePacketScheduling", "persistenceengine": "engine", "pe": "engine",
    "persistencegranularity": "clientPrefixLength", "granularity": "clientPrefixLength",
    "netmask": "clientPrefixLength", "lvstimeouts": "timeouts", "lvsflush": "exclusive", "tuntype": "type",
    "tunport": "port", "csum": "checksum", "mark": "firewallMark", "fwm": "firewallMark",
    "request": "path", "receive": "body", "virtualhost": "host", "statuscode": "status", "regex": "body",
    "regexnomatch": "bodyAbsent", "payload": "send", "requirereply": "expect", "bindto": "sourceAddress",
    "httpprotocol": "protocol", "enablesni": "serverName", "sniname": "serverName", "hasuspend": "checksOnStandby",
    "warmup": "jitter",
    # Heartbeat, Pacemaker, VRRP
    "keepalive": "interval", "warntime": "warnAfter", "deadtime": "deadAfter", "initdead": "startupGrace",
    "udpport": "port", "ucast": "unicast", "mcast": "multicast", "bcast": "broadcast", "autofailback": "failback",
    "dad": "conflictDetection", "duplicateaddressdetection": "conflictDetection", "nodad": "conflictDetection",
    "runarping": "conflictDetection", "checkconflicts": "conflictDetection", "acd": "conflictDetection",
    "nopreempt": "failback", "preempt": "failback", "preemptdelay": "failbackDelay", "ping": "pingNodes",
    "stonith": "fencing", "stonithhost": "fencing", "stonithdevices": "fencingDevices",
    "fencedevices": "fencingDevices", "fencedevice": "fencingDevices", "fence": "fencing",
    "fencinglevel": "levels", "stonithlevel": "levels", "fencingtopology": "levels", "topology": "levels",
    "pcmkdelaybase": "delay", "pcmkdelaymax": "delay", "pcmkhostmap": "plug", "outlet": "plug", "port": "plug",
    "outletgroup": "plug", "pcmkofftimeout": "offTimeout", "stonithtimeout": "offTimeout",
    "powertimeout": "offTimeout", "timeout": "offTimeout", "idrac": "redfish", "ilo": "redfish", "xcc": "redfish",
    "bmc": "ipmi", "ipmilan": "ipmi", "apc": "apcPdu", "pdu": "apcPdu", "apcsnmp": "apcPdu",
    "apcmaster": "apcPdu", "ups": "apcUps", "racadm": "drac", "meatware": "manual", "human": "manual",
    "external": "agent", "fenceagent": "agent", "stonithplugin": "agent", "params": "options",
    "ipaddr": "address", "ipaddress": "address", "login": "username", "user": "username", "userid": "username",
    "passwd": "password", "sslinsecure": "insecure", "cacert": "caFile", "cafile": "caFile",
    "identityfile": "privateKey", "sshkey": "privateKey", "knownhosts": "knownHostsFile",
    "snmpversion": "version", "snmpauthprot": "authProtocol", "snmpprivprot": "privacyProtocol",
    "snmpprivpasswd": "privacyPassword", "privpassword": "privacyPassword", "quorumpolicy": "splitBrain",
    "noquorumpolicy": "splitBrain", "virtualipaddress": "addresses", "virtualaddresses": "addresses",
    "vip": "addresses", "vips": "addresses", "ips": "addresses", "ip": "address", "virtualip": "address",
    "virtualrouterid": "name", "priority": "preferredNodes", "preferred": "preferredNodes",
    "trackscript": "track", "trackinterface": "track", "vrrpscript": "checks", "authentication": "auth",
    "authpass": "auth", "authkeys": "auth", "secret": "secretFile", "keyfile": "secretFile", "file": "secretFile",
    "nic": "interface", "dev": "interface", "device": "interface", "iface": "interface",
    "members": "nodes", "hosts": "nodes", "machines": "nodes", "peers": "nodes", "unicastpeer": "nodes",
    "vrrpinstance": "groups", "vrrpinstances": "groups", "vrrpsyncgroup": "groups", "resources": "groups",
    "notifymaster": "notify", "notifybackup": "notify", "notificationemail": "notify", "emailalert": "notify",
    "lvssyncdaemon": "connectionSync", "syncdaemon": "connectionSync", "state": "role", "hostname": "name",
    "id": "name", "comment": "description", "enabled": "maintenance", "disabled": "maintenance", "down": "maintenance",
}  # fmt: skip
"""Other people's keys in lower case without ``_`` and ``-``, and ours."""

_FOREIGN_CHECKS = {
    "external": "exec", "externalperl": "exec", "misccheck": "exec", "checkcommand": "exec", "script": "exec",
    "miscpath": "command", "misctimeout": "timeout", "miscdynamic": "dynamicWeight", "delaybeforeretry": "interval",
    "filecheck": "file", "trackfile": "file", "trackprocess": "process", "unit": "systemd", "service": "systemd",
    "dnscheck": "dns", "smtpcheck": "smtp", "submission": "smtp", "smtps": "smtp", "imaps": "imap", "pop": "pop3",
    "pops": "pop3", "pop3s": "pop3", "ftps": "ftp", "simpletcp": "dialogue", "sendexpect": "dialogue",
    "on": "fixed", "off": "fixed", "heloname": "helo", "starttls": "tls", "ssl": "tls", "secrets": "secretFiles",
    "args": "arguments", "env": "environment",
    "mysql": "sql", "mariadb": "sql", "pgsql": "sql", "postgres": "sql", "postgresql": "sql", "dbtype": "dialect",
    "request": "query", "ldaps": "ldap", "binddn": "username", "basedn": "base", "searchbase": "base",
    "sharedsecret": "secret", "radiussecret": "secret", "redischeck": "redis", "grpchealth": "grpc",
}  # fmt: skip
"""The same for words that mean something else outside of checks."""

_NO_MAIL = "nobody is mailed: `vedette status` and the log say what happens; leave it out"
_JOURNAL = "leave it out: the log goes to standard error, and from there to the journal"
_PHRASES = {
    "<<": "YAML 1.2 has no merge keys; write it out, or use `defaults`, `checks` or `serverPools`",
    "keepalive": "write `heartbeat: {interval: 500ms}` in spec",
    "udpport": "write it in a link: `links: [{name: lan, port: 694, unicast: {}}]`",
    "checkport": "write `checks: [{tcp: {}, port: 80}]`",
    "protocol": "it is part of the port: `ports: [53/udp]`",
    "port": "write `ports: [80]` in a virtual service, `port` in a real server or check",
    "ports": "ports belong to virtualServices[]: `ports: [80, 443]`",
    "interval": "write `checks: [{interval: 2s}]`, or defaults.checks.interval for all",
    "timeout": "write it where it belongs: `checks: [{timeout: 1s}]` or `persistence: {timeout: 10m}`",
    "fall": "write `checks: [{fall: 3}]`, or defaults.checks.fall for all",
    "rise": "write `checks: [{rise: 2}]`, or defaults.checks.rise for all",
    "path": "write `checks: [{http: {path: /health}}]`",
    "host": "write `checks: [{http: {host: www.example.org}}]`",
    "body": "write `checks: [{http: {expect: {body: OK}}}]`",
    "status": "write `checks: [{http: {expect: {status: [200-299]}}}]`",
    "http": "write `checks: [{http: {path: /health}}]`",
    "tcp": "write `checks: [{tcp: {}}]`",
    "onFailure": "write `onFailure: quiesce` in a virtual service, or in defaults.virtualServices",
    "scheduler": "write `scheduler: wlc` in a virtual service, or in defaults.virtualServices",
    "forwarding": "write `forwarding: directRouting` in a virtual service, or in defaults.virtualServices",
    "persistence": "write `persistence: {timeout: 10m}` in a virtual service",
    "sorryServer": "write `sorryServer: {page: {}}` or `sorryServer: {address: 10.0.0.99}` in a virtual service",
    "virtualServices": "it belongs in spec: `virtualServices: [{ports: [80], realServers: [{address: 10.0.0.11}]}]`",
    "onePacketScheduling": "write `onePacketScheduling: true` in a virtual service",
    "clientPrefixLength": "write `persistence: {timeout: 10m, clientPrefixLength: 24}`",
    "engine": "write `persistence: {timeout: 1m, engine: sip}`",
    "firewallMark": "write `firewallMark: 7` in a virtual service, instead of `addresses` and `ports`",
    "tunnel": "write `forwarding: tunnel` and `tunnel: {type: gue, port: 6080}` in a virtual service",
    "exclusive": "write `ipvs: {exclusive: true}` in spec",
    "realServers": "it belongs in virtualServices[]: `realServers: [{address: 10.0.0.11}]`",
    "preferredNodes": "write `preferredNodes: [router1]` in a group: the best first",
    "failback": "write `failback: automatic` or `failback: manual` in a group",
    "auth": "write `auth: {keys: [{secretFile: cluster.key}]}` in spec",
    "secretFile": "a secret is in a file of its own: `secretFile: cluster.key`",
    "lanplus": "leave it out: ipmi is always lanplus",
    "device": 'a device is named: `devices: [{name: pdu, plug: "3"}]`',
    "fencing": 'write `fencing: {levels: [{devices: [{name: pdu, plug: "3"}]}]}` in a node',
    "fencingDevices": "it belongs in spec: `fencingDevices: [{name: bmc1, ipmi: {address: 10.9.0.11, …}}]`",
    "respawn": "programs beside it are the service manager's; for ipfail write `pingNodes: [10.0.0.254]` in spec",
    "crm": "leave it out: there is no cluster manager beside Vedette",
    "logfacility": _JOURNAL, "logfile": _JOURNAL, "debugfile": _JOURNAL,
    "usevmac": "leave it out: addresses keep no MAC of their own, neighbours are told where they are now",
    "garpmasterrefresh": "leave it out: who asks for the address is answered, and a move is announced several times",
    "garpmasterdelay": "leave it out: a move is announced at once, and again several times",
    "smtpalert": _NO_MAIL, "smtpserver": _NO_MAIL, "emailalert": _NO_MAIL, "notificationemail": _NO_MAIL,
    "service": "write the kind of check: `checks: [{http: {}}]`, or https, smtp, dns …",
}  # fmt: skip
"""What to say of a foreign word, or of our word for it, where neither belongs."""

_PHRASES_AT = {
    ("heartbeat", "port"): "a link has it: `links: [{name: lan, port: 694, unicast: {}}]`",
    ("groups", "advertint"): "write `heartbeat: {interval: 500ms}` in spec: it is the same for all groups",
    ("spec", "advertint"): "write `heartbeat: {interval: 500ms}`",
    ("checks", "service"): "write the protocol itself, like `dns: {}`; for a unit of the node `systemd: {unit: …}`",
}
"""The same for a word in one place: the holder's key, and the word as above."""

_FOREIGN_VALUES = {
    "dr": "directRouting", "gate": "directRouting", "g": "directRouting", "droute": "directRouting",
    "direct": "directRouting", "dsr": "directRouting", "route": "directRouting", "nat": "masquerade",
    "masq": "masquerade", "m": "masquerade", "ipip": "tunnel", "tun": "tunnel", "i": "tunnel", "l3dsr": "tunnel",
    "roundrobin": "rr", "weightedroundrobin": "wrr", "leastconn": "lc", "leastconnection": "lc",
    "leastconnections": "lc", "weightedleastconnection": "wlc", "maglev": "mh", "sourcehash": "sh", "source": "sh",
    "iphash": "sh", "destinationhash": "dh", "mhport": "port", "shport": "port", "flag1": "fallback",
    "flag2": "port", "mhfallback": "fallback", "shfallback": "fallback", "auto": "automatic", "true": "automatic",
    "false": "manual", "never": "manual", "nopreempt": "manual", "quorum": "majority", "stonith": "fence",
    "fencing": "fence", "ignore": "tolerate", "twonode": "tolerate", "none": "tolerate", "arbiter": "witness",
    "observer": "witness", "qdevice": "witness", "tiebreaker": "witness", "router": "director", "master": "director",
    "backup": "director", "worker": "director", "quiescent": "quiesce", "inhibit": "quiesce", "drain": "quiesce",
    "delete": "remove", "csum": "full", "remcsum": "remote", "nocsum": "none", "fou": "gue",
    "ip6ip": "ipip", "sha1": "sha", "aes128": "aes", "2c": "v2c", "2": "v2c", "1": "v1", "ap7900": "rpdu",
    "ap8000": "rpdu2", "ap9200": "masterSwitch",
}  # fmt: skip


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "").replace(" ", "")


def for_key(word: str, known: Sequence[str], holder: str = "") -> Advice:
    """Advise on a key that is not among those ``known`` in what ``holder`` is the key of."""
    plain = _plain(word)
    if (here := _PHRASES_AT.get((holder, plain))) is not None:
        return Advice(here)
    same = next((key for key in known if _plain(key) in (plain, plain + "s") or _plain(key) + "s" == plain), None)
    if same:
        return Advice(f"write `{same}`", same)
    ours = _FOREIGN_KEYS.get(plain)
    if ours not in known and (of_check := _FOREIGN_CHECKS.get(plain)) and (of_check in known or ours is None):
        ours = of_check
    if ours in known:
        return Advice(f"the word here is `{ours}`{_example(ours)}", ours)
    near = _near(word, known)
    if near:
        return Advice(f"did you mean `{near}`?", near)
    phrase = _PHRASES.get(plain) or _PHRASES.get(word) or _PHRASES.get(ours or "")
    if phrase:
        return Advice(phrase)
    where = [place for place in anatomy.places().get(ours or word, ()) if place]
    if 1 <= len(where) <= 2:
        return Advice(f"`{ours or word}` belongs to {' or '.join(where)}")
    return Advice(f"known here: {listing(known)}" if known else "leave it out")


def _example(key: str | None) -> str:
    examples = {
        "persistence": ": `persistence: {timeout: 10m}`",
        "onFailure": ": `onFailure: quiesce` or `onFailure: remove`",
        "sorryServer": ": `sorryServer: {address: 10.0.0.99}` or `sorryServer: {page: {}}`",
        "forwarding": ": `masquerade` (NAT), `directRouting` (DR) or `tunnel`",
        "checks": ": `checks: [{http: {path: /health}}]`",
        "failback": ": `automatic` or `manual`",
        "preferredNodes": ": the best first",
        "splitBrain": ": `splitBrain: {policy: majority}`",
        "fencing": ': `fencing: {levels: [{devices: [{name: pdu, plug: "3"}]}]}`',
        "password": ": `password: {secretFile: secrets/bmc}`",
        "auth": ": `auth: {keys: [{secretFile: cluster.key}]}`",
        "maintenance": ": `maintenance: true` takes it out of service",
        "exec": ": `exec: {command: [/usr/local/bin/check], arguments: ldirectord}`",
        "sql": ": `sql: {dialect: mysql, username: check}`, or `dialect: postgresql`",
        "dialogue": ': `dialogue: {steps: [{send: "hello\\n"}, {expect: hello}]}`',
        "fixed": ": `fixed: up` or `fixed: down`",
        "tls": ": `tls: starttls` or `tls: implicit`",
    }
    return examples.get(key or "", "")


def for_value(word: str, choices: Sequence[str]) -> str:
    """Advise on a word that is not one of ``choices``."""
    plain = _plain(word)
    same = next((choice for choice in choices if _plain(choice) == plain), None)
    if same:
        return f"write `{same}`"
    ours = _FOREIGN_VALUES.get(plain)
    if ours in choices:
        return f"the word here is `{ours}`"
    near = _near(word, choices)
    if near:
        return f"did you mean `{near}`?"
    return f"write {listing(choices, last=' or ')}"


def for_reference(word: str, names: Sequence[str]) -> str:
    """Advise on a name that nothing bears; ``names`` are those that exist."""
    near = _near(word, names)
    if near:
        return f"did you mean `{near}`?"
    return f"there is {listing(names)}" if names else ""


def for_pattern(pattern: str) -> str:
    """Say in words what a pattern of the shape wants."""
    if pattern == NAME:
        return "a name has letters, digits, `.`, `_` and `-`, and begins and ends with a letter or digit"
    if pattern.startswith("^[a-z0-9]"):
        return "write lower case letters, digits, `.` and `-`, beginning and ending with a letter or digit"
    if pattern == INTERFACE:
        return "an interface's name has letters, digits, `_`, `.`, `@`, `+` and `-`"
    if pattern == PROGRAM:
        return "write the name of an agent in /usr/sbin, like fence_apc_snmp"
    if pattern == DIGEST:
        return "write the hash and its hexadecimal digits: md5:… (32 of them) or sha256:… (64)"
    if pattern == HEX:
        return "write two hexadecimal digits for each byte, like 0a0b"
    if pattern == PLUG:
        return "a plug has no spaces at its ends, no `,` and no `=`; a node with two outlets names both in one level"
    return "write another value"


def listing(names: Sequence[str], *, most: int = 12, last: str = ", ") -> str:
    """Print some names for a sentence; ``last`` stands before the last one."""
    shown = [f"`{shorten(name)}`" for name in names[:most]]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return last.join(part for part in (", ".join(shown[:-1]), *shown[-1:]) if part)


def near_miss(word: str, candidates: Sequence[str]) -> str | None:
    """Return the name that was probably meant; names that are counted, like eth0 and eth1, are different on purpose."""
    found = _near(word, [name for name in candidates if _uncounted(name) != _uncounted(word)])
    return found if word not in candidates else None


def _uncounted(name: str) -> str:
    return "".join(letter for letter in name if not letter.isdigit())


def _near(word: str, candidates: Sequence[str]) -> str | None:
    """Return the candidate that differs from ``word`` by a slip of the fingers."""
    likely = (candidate for candidate in candidates if abs(len(candidate) - len(word)) <= 3)
    lowered = {candidate.lower(): candidate for candidate in islice(likely, 500)}
    matches = get_close_matches(word.lower()[:80], lowered, n=1, cutoff=0.72)
    return lowered[matches[0]] if matches else None
