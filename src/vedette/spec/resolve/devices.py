"""Fencing devices: how each is spoken to."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from vedette.kit.units import MINUTE, SECOND, show
from vedette.spec import defaults, values
from vedette.spec.model import fencing as model
from vedette.spec.resolve import places
from vedette.spec.resolve.places import plain
from vedette.spec.resolve.scope import DEVICES, DeviceFiles, Scope, duration
from vedette.spec.resolved import (
    Agent,
    ApcPdu,
    ApcTree,
    ApcUps,
    Drac,
    Driver,
    FencingDevice,
    Ipmi,
    Manual,
    Redfish,
    Secret,
    Snmp,
    SnmpAuth,
    SnmpPrivacy,
    SnmpVersion,
    Ssh,
    SshLogin,
)
from vedette.spec.tree import Path

SHORTEST_OFF, LONGEST_OFF = SECOND, 10 * MINUTE
LONGEST_IPMI_PASSWORD = 20
"""Bytes (IPMI 2.0, 22.30)."""
SHORTEST_SNMP_PASSWORD, LONGEST_SNMP_USER = 8, 32
"""Bytes (RFC 3414, 11.2 and 2.1)."""

_OPTION = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_OURS = {
    "action": "Vedette says what to do",
    "o": "Vedette says what to do",
    "delay": "write `delay` in nodes[].fencing",
    "plug": 'write it at the node: `devices: [{name: pdu, plug: "3"}]`',
    "port": 'write it at the node: `devices: [{name: pdu, plug: "3"}]`; the network port is `ipport`',
    "nodename": "write `plug` at the node",
    "uuid": "write it as the `plug` at the node",
    "method": "a cycle never shows that the node is off; Vedette switches off and looks",
    "missing_as_off": "an outlet that does not exist must not count as off",
    "verbose": "it prints secrets",
    "verbose_level": "it prints secrets",
    "debug": "it prints secrets",
    "debug_file": "it prints secrets",
}
"""Options of agents that a document may not set, and why; names as :func:`plain` gives them."""
_SECRET = re.compile(r"(.*_)?(passwd|password|community|token|api_?key|secret)(_.*)?")
_SCRIPT = re.compile(r".*_(script|path|file)")
"""Options that only name a file or program are no secrets themselves."""

_SHOWN = {
    "fence_apc_snmp": "`apcPdu`",
    "fence_cisco_mds": "",
    "fence_eaton_snmp": "",
    "fence_emerson": "",
    "fence_ibmblade": "",
    "fence_idrac": "`redfish` or `ipmi`",
    "fence_ifmib": "",
    "fence_ilo3": "`redfish` or `ipmi`",
    "fence_ilo4": "`redfish` or `ipmi`",
    "fence_ilo5": "`redfish` or `ipmi`",
    "fence_imm": "`redfish` or `ipmi`",
    "fence_intelmodular": "",
    "fence_ipdu": "",
    "fence_ipmilan": "`ipmi`",
    "fence_ipmilanplus": "`ipmi`",
    "fence_lindypdu": "",
    "fence_tripplite_snmp": "",
    "fence_vmware": "",
}
"""Agents that pass the secret on as an argument of ipmitool, snmpget (all that are made of fencing_snmp.py) or VMware's
programs (facts-fencing.md 0.3), and what does not; "" where there is nothing."""
_HIDE = "mount /proc with `hidepid=2`, so that a user sees no other user's programs"


def resolve_devices(scope: Scope, files: DeviceFiles) -> tuple[FencingDevice, ...]:
    """Resolve every device that says how it is spoken to."""
    found = []
    for index, written in enumerate(scope.spec.fencing_devices or ()):
        path = (*DEVICES, index)
        driver = _driver(scope, written, path, files)
        if driver is not None:
            found.append(FencingDevice(written.name, _timeout(scope, written, path), driver))
            places.check_last(scope, found, path)
    return tuple(found)


def _timeout(scope: Scope, written: model.FencingDevice, path: Path) -> int:
    timeout = duration(written.off_timeout, defaults.OFF_TIMEOUT)
    if not SHORTEST_OFF <= timeout <= LONGEST_OFF:
        remedy = f"write {show(SHORTEST_OFF)} to {show(LONGEST_OFF)}"
        scope.fault((*path, "offTimeout"), f"offTimeout {show(timeout)} makes no sense", remedy)
    return timeout


def _driver(scope: Scope, device: model.FencingDevice, path: Path, files: DeviceFiles) -> Driver | None:
    if device.redfish is not None:
        return _redfish(scope, device.redfish, (*path, "redfish"), files)
    if device.ipmi is not None:
        return _ipmi(scope, device.ipmi, (*path, "ipmi"), files)
    if device.apc_pdu is not None:
        tree = ApcTree(device.apc_pdu.tree or "auto")
        return ApcPdu(_snmp(scope, device.apc_pdu, (*path, "apcPdu"), files), tree)
    if device.apc_ups is not None:
        return ApcUps(_snmp(scope, device.apc_ups, (*path, "apcUps"), files))
    if device.drac is not None:
        return Drac(_login(device.drac, (*path, "drac"), files))
    if device.ssh is not None:
        return Ssh(_login(device.ssh, (*path, "ssh"), files), device.ssh.command or defaults.POWER_OFF)
    if device.agent is not None:
        return _agent(scope, device.agent, (*path, "agent"), files)
    return None if device.manual is None else Manual()


def _secret(files: DeviceFiles, path: Path, key: str) -> Secret:
    return files.secret((*path, key, "secretFile"))


def _redfish(scope: Scope, written: model.Redfish, path: Path, files: DeviceFiles) -> Redfish:
    insecure = bool(written.insecure)
    url = _split(written.url)
    if url is None:
        scope.fault(
            (*path, "url"), f"{values.shorten(written.url)} is not a base URL", "write it like https://10.9.0.11"
        )
    elif url == "http" and not insecure:
        remedy = "write https, or say `insecure: true`: whoever hears it can switch the node off"
        scope.fault((*path, "url"), "http sends the password in the clear", remedy)
    if insecure and written.ca_file is not None:
        remedy = "keep `caFile` alone: then it is secure"
        scope.fault((*path, "insecure"), "`insecure` and `caFile` exclude each other", remedy, at_key=True)
    return Redfish(
        url=written.url.rstrip("/"),
        username=written.username,
        password=_secret(files, path, "password"),
        ca_file=None if written.ca_file is None else files.name(written.ca_file),
        insecure=insecure,
        system=written.system,
    )


def _split(url: str) -> str | None:
    """Return the scheme of a base URL; None when it is none."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    extra = parts.username is not None or parts.query or parts.fragment or parts.path not in ("", "/")
    return parts.scheme if sound and not extra else None


def _ipmi(scope: Scope, written: model.Ipmi, path: Path, files: DeviceFiles) -> Ipmi:
    password = _secret(files, path, "password")
    if len(password.text.encode()) > LONGEST_IPMI_PASSWORD:
        remedy = f"IPMI allows {LONGEST_IPMI_PASSWORD}"
        scope.fault((*path, "password", "secretFile"), "the password has too many bytes for IPMI", remedy)
    return Ipmi(
        address=values.parse_address(written.address),
        username=written.username,
        password=password,
        port=written.port or defaults.IPMI_PORT,
        cipher=written.cipher,
    )


def _snmp(scope: Scope, written: model.Snmp, path: Path, files: DeviceFiles) -> Snmp:
    _check_snmp(scope, written, path)
    community = written.community is not None
    for key in ("community", "authPassword", "privacyPassword"):
        if not _secret(files, path, key).text.isascii():
            remedy = "use ASCII: devices do not agree on how others are sent"
            scope.fault((*path, key, "secretFile"), f"the {key} has letters that are not ASCII", remedy)
    for key in ("authPassword", "privacyPassword"):
        secret = _secret(files, path, key).text
        if secret and len(secret.encode()) < SHORTEST_SNMP_PASSWORD:
            remedy = f"SNMP v3 wants {SHORTEST_SNMP_PASSWORD} or more"
            scope.fault((*path, key, "secretFile"), f"the {key} has too few bytes for SNMP v3", remedy)
    return Snmp(
        address=values.parse_address(written.address),
        port=written.port or defaults.SNMP_PORT,
        version=SnmpVersion(written.version or "v1") if community else SnmpVersion.V3,
        community=_secret(files, path, "community") if community else None,
        username=written.username or "",
        auth_password=None if written.auth_password is None else _secret(files, path, "authPassword"),
        auth_protocol=SnmpAuth(written.auth_protocol or "sha"),
        privacy_password=None if written.privacy_password is None else _secret(files, path, "privacyPassword"),
        privacy_protocol=SnmpPrivacy(written.privacy_protocol or "aes"),
    )


def _check_snmp(scope: Scope, written: model.Snmp, path: Path) -> None:
    """Report keys of one version beside those of another."""
    v3 = {
        "authPassword": written.auth_password,
        "authProtocol": written.auth_protocol,
        "privacyPassword": written.privacy_password,
        "privacyProtocol": written.privacy_protocol,
    }
    if written.community is not None and written.username is None:
        for key in (key for key, value in v3.items() if value is not None):
            remedy = "leave it out, or write `username` in place of `community`"
            scope.fault((*path, key), f"`{key}` belongs to SNMP v3, `community` to v1 and v2c", remedy, at_key=True)
    if written.username is not None and written.community is None:
        if not written.username.isascii() or len(written.username) > LONGEST_SNMP_USER:
            remedy = f"SNMP v3 has users of up to {LONGEST_SNMP_USER} letters; write it in ASCII"
            scope.fault((*path, "username"), "that cannot be a user of SNMP v3", remedy)
        if written.version is not None:
            remedy = "leave it out: with `username` it is v3"
            scope.fault((*path, "version"), "`version` goes with `community`", remedy, at_key=True)
        if written.auth_password is None and scope.sound((*path, "authPassword")):
            scope.fault(path, "`authPassword` is missing", "without it whoever knows the user can switch the outlets")


def _login(written: model.Ssh, path: Path, files: DeviceFiles) -> SshLogin:
    return SshLogin(
        address=values.parse_address(written.address),
        username=written.username,
        known_hosts_file=files.name(written.known_hosts_file),
        port=written.port or defaults.SSH_PORT,
        password=None if written.password is None else _secret(files, path, "password"),
        key=None if written.private_key is None else _secret(files, path, "privateKey"),
    )


def _agent(scope: Scope, written: model.Agent, path: Path, files: DeviceFiles) -> Agent:
    options, secret_files = written.options or {}, written.secret_files or {}
    for option, value in options.items():
        here = (*path, "options", option)
        _check_option(scope, option, here)
        if plain(option) in map(plain, secret_files):
            scope.fault(here, f"`{option}` is in `secretFiles` too", "keep it there alone", at_key=True)
        elif _SECRET.fullmatch(plain(option)) and not _SCRIPT.fullmatch(plain(option)):
            remedy = f"a secret is in a file of its own: `secretFiles: {{{option}: secrets/{option}}}`"
            scope.fault(here, f"`{option}` is a secret", remedy, at_key=True)
        if any(not letter.isprintable() for letter in value):
            scope.fault(here, f"`{option}` holds a line end or a control character", "write one line")
    for option in secret_files:
        _check_option(scope, option, (*path, "secretFiles", option))
    for key, names in (("options", list(options)), ("secretFiles", list(secret_files))):
        _check_twice(scope, names, (*path, key))
    if secret_files and written.program in _SHOWN:
        message = f"{written.program} shows `{next(iter(secret_files))}` to every user of this machine while it runs"
        driver = _SHOWN[written.program]
        remedy = f"use the driver {driver}, which does not" if driver else _HIDE
        scope.findings.warn((*path, "program"), message, remedy)
    secrets = {option: files.secret((*path, "secretFiles", option)) for option in secret_files}
    return Agent(program=written.program, options=dict(options), secrets=secrets)


def _check_twice(scope: Scope, options: Sequence[str], path: Path) -> None:
    """Report an option that is written in both ways: which of them counts is the agent's affair."""
    for number, option in enumerate(options):
        if plain(option) in map(plain, options[:number]):
            scope.fault((*path, option), f"`{option}` is written in another way, too", "keep one of them", at_key=True)


def _check_option(scope: Scope, option: str, path: Path) -> None:
    reason = _OURS.get(plain(option))
    if reason is not None:
        scope.fault(path, f"the option `{option}` is not for documents", reason, at_key=True)
    elif not _OPTION.fullmatch(option):
        remedy = "an option has lower case letters, digits, `_` and `-`, as the agent's metadata name it"
        scope.fault(path, f"`{values.shorten(option)}` is not an option of an agent", remedy, at_key=True)
