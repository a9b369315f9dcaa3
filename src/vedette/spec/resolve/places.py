"""Where fencing devices are: one that stands for two is a slip that switches off the wrong node."""

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from vedette.spec import defaults, values
from vedette.spec.resolve.scope import DEVICES, NODES, Scope
from vedette.spec.resolved import (
    Agent,
    ApcPdu,
    ApcUps,
    Drac,
    Driver,
    FencingDevice,
    FencingUse,
    Ipmi,
    Node,
    Redfish,
    Ssh,
)
from vedette.spec.tree import Path

_PORTS = {"http": 80, "https": 443}
_HOSTS = ("ip", "ipaddr")
"""What agents call the option with their device's address, without and with a port of its own."""
_PORT = "ipport"


def plain(option: str) -> str:
    """An agent's option as the agent understands it: `-` and `_` are the same."""
    return option.replace("-", "_")


def check_last(scope: Scope, devices: Sequence[FencingDevice], path: Path) -> None:
    """Report that the last of the devices is where another is."""
    *others, last = devices
    place = _place(scope, last)
    same = next((other for other in others if place is not None and _place(scope, other) == place), None)
    if same is not None and scope.sound(path):
        remedy = "correct one of the addresses; a unit with many outlets is one device"
        scope.fault(path, f"`{last.name}` is at the address of `{same.name}`", remedy)


def check_controllers(scope: Scope, nodes: Sequence[Node], devices: Iterable[FencingDevice]) -> None:
    """Report that a node's own controller is another node's as well, spoken to in another way."""
    known = {device.name: device for device in devices}
    indices = {device.name: index for index, device in enumerate(scope.spec.fencing_devices or ())}
    first: dict[str, tuple[str, FencingDevice]] = {}
    for index, node in enumerate(nodes):
        for use in (use for level in (node.fencing.levels if node.fencing else ()) for use in level):
            device = known.get(use.device)
            host = None if device is None else _controller(device.driver, use)
            if device is None or host is None:
                continue
            other, first_device = first.setdefault(host, (node.name, device))
            apart = _place(scope, first_device) != _place(scope, device)
            if other != node.name and apart and scope.sound((*DEVICES, indices[use.device])):
                message = f"`{use.device}` is at the address of `{first_device.name}`, which is that of `{other}`"
                path = (*NODES, index, "fencing")
                scope.fault(path, message, "each node has a controller of its own: correct one of the addresses")


def _place(scope: Scope, device: FencingDevice) -> object:
    """Where a device is, None when that cannot be told."""
    match driver := device.driver:
        case Redfish():
            return _server(driver.url), driver.system
        case ApcPdu() | ApcUps():
            return "snmp", driver.snmp.address, driver.snmp.port
        case Drac() | Ssh():
            return "ssh", driver.login.address, driver.login.port
        case Ipmi():
            return "ipmi", driver.address, driver.port
        case Agent():
            options = frozenset((plain(name), value) for name, value in driver.options.items())
            written = next(item.agent for item in scope.spec.fencing_devices or () if item.name == device.name)
            files = written.secret_files if written is not None else None
            # A secret may be all that tells two accounts of one service apart.
            return driver.program, options, frozenset((plain(name), file) for name, file in (files or {}).items())
    return None


def _controller(driver: Driver, use: FencingUse) -> str | None:
    """The host of what switches one machine, if it is there alone: at the usual port, and without outlets."""
    match driver:
        case Redfish(system=None) if (server := _server(driver.url))[1] in _PORTS.values():
            return server[0]
        case Ipmi(port=defaults.IPMI_PORT):
            return str(driver.address)
        case Drac() if use.plug is None and driver.login.port == defaults.SSH_PORT:
            return str(driver.login.address)
        case Agent() if use.plug is None:
            options = {plain(name): value for name, value in driver.options.items()}
            host = next((options[name] for name in _HOSTS if name in options), None)
            return None if host is None or _PORT in options else _host(host)
    return None


def _server(url: str) -> tuple[str, int]:
    """Host and port of a URL, however they are written; an odd one is its own host."""
    try:
        parts = urlsplit(url)
        return _host(parts.hostname or url), parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return url, 0


def _host(written: str) -> str:
    """A host as it is compared: an address has one way to be written."""
    try:
        return str(values.parse_address(written))
    except ValueError:
        return written.lower().rstrip(".")
