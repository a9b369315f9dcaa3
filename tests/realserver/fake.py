"""A kernel in memory: as much of one as the steps change."""

import errno
from dataclasses import replace
from ipaddress import ip_address

from vedette.realserver import arp
from vedette.realserver.kernel import NAMES
from vedette.realserver.model import (
    ALIAS,
    LOOPBACK,
    MARK,
    Assigned,
    Close,
    Link,
    Make,
    Observed,
    Open,
    Put,
    Raise,
    Remove,
    Restore,
    Set,
    Step,
    Unmake,
)

OWN, OWN6 = ip_address("10.0.0.11"), ip_address("fd00::11")
BARE = Observed(
    links={1: Link(1, "lo", up=True, neighbours=False), 2: Link(2, "eth0", up=True)},
    addresses=(Assigned(OWN, 24, 2), Assigned(OWN6, 64, 2)),
    settings={arp.setting(interface, name): "0" for interface in ("all", "lo", "eth0") for name in NAMES},
)


class FakeKernel:
    """``refuses``: errno by kind of step."""

    def __init__(self, state: Observed = BARE) -> None:
        self.state = state
        self.refuses: dict[type[Step], int] = {}
        self.performed: list[Step] = []

    def observe(self) -> Observed:
        return self.state

    def perform(self, step: Step) -> None:
        if type(step) in self.refuses:
            raise OSError(self.refuses[type(step)], "refused")
        self.performed.append(step)
        state = self.state
        match step:
            case Set(setting, value) | Restore(setting, value):
                self.state = replace(state, settings={**state.settings, setting: value})
            case Make(device):
                end = (device.kind.value, device.local)
                if any(link.name == device.name or (link.kind, link.local) == end for link in state.links.values()):
                    raise OSError(errno.EEXIST, "exists")
                index = max(state.links) + 1
                link = Link(index, device.name, False, False, device.kind.value, ALIAS, device.local, device.checksum)
                fresh = {arp.setting(device.name, name): "0" for name in NAMES}
                self.state = replace(state, links={**state.links, index: link}, settings={**state.settings, **fresh})
            case Raise(_, index):
                self.state = replace(state, links={**state.links, index: replace(state.links[index], up=True)})
            case Unmake(name, index):
                self._unmake(name, index)
            case Put(address, _, index):
                scope = 254 if address.version == 4 else 0
                fresh_one = Assigned(address, address.max_prefixlen, index, scope, MARK if index == LOOPBACK else 0)
                self.state = replace(state, addresses=(*state.addresses, fresh_one))
            case Remove(address, _, index):
                kept = tuple(
                    item
                    for item in state.addresses
                    if (item.address, item.index, item.host_route) != (address, index, True)
                )
                self.state = replace(state, addresses=kept)
            case Open(port):
                self.state = replace(state, ports={**state.ports, port: True})
            case Close(port):
                self.state = replace(state, ports={item: gue for item, gue in state.ports.items() if item != port})

    def _unmake(self, name: str, index: int) -> None:
        state = self.state
        gone = {arp.setting(name, setting) for setting in NAMES}
        self.state = replace(
            state,
            links={number: link for number, link in state.links.items() if number != index},
            addresses=tuple(item for item in state.addresses if item.index != index),
            settings={setting: value for setting, value in state.settings.items() if setting not in gone},
        )
