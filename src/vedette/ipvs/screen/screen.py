"""Keeps the screen's programs on every interface of this network namespace, and their maps as the rules want them.

Filters keep their programs alive, and programs their maps, so the screen outlives the daemon. The next daemon makes
maps of its own, full before its programs take the old ones' place: marks are the same, and of the direct flows each
peer's next packet tells again. Other people's filters are left alone.

Needs CAP_BPF (or CAP_SYS_ADMIN) and CAP_NET_ADMIN, ``sch_ingress`` and ``cls_bpf``.
"""

import contextlib
import logging
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vedette.ipvs.screen.program import ADDRESS_BITS, FLOW_SIZE, MARK_KEY, SERVER_KEY, program
from vedette.ipvs.screen.rules import Prefix, Rules, ServerPort
from vedette.kit import bpf, filters
from vedette.kit.errors import PermanentError, VedetteError
from vedette.kit.filters import Direction, Filter
from vedette.kit.log import event
from vedette.kit.net import IPAddress
from vedette.kit.netlink import Message, Requests
from vedette.spec.resolved import Protocol

FILTER = Filter("vedette-screen", 2, "the screen of IPVS")
"""Behind the gate of the addresses, which comes first."""

_log = logging.getLogger("vedette.ipvs")
_NUMBERS = {Protocol.TCP: 6, Protocol.UDP: 17, Protocol.SCTP: 132}
_U32 = struct.Struct("=I")
_MARKS = bpf.MapShape(bpf.LPM_TRIE, MARK_KEY.size, _U32.size, 1 << 20, bpf.NO_PREALLOC, "vedette_marks")
_SERVERS = bpf.MapShape(bpf.HASH, SERVER_KEY.size, _U32.size, 1 << 18, bpf.NO_PREALLOC, "vedette_servers")
_DIRECT = bpf.MapShape(bpf.LRU_HASH, FLOW_SIZE, _U32.size, 1 << 14, 0, "vedette_direct")
_HELD = _U32.pack(1)
_GETLINK, _NEWLINK = 18, 16
_IFINFOMSG = struct.Struct("=BxHiII")
_IFF_UP = 0x1


@dataclass(slots=True)
class _Loaded:
    """Descriptors of maps and programs, and what is in the maps."""

    marks: int
    servers: int
    direct: int
    programs: dict[Direction, int]
    ids: dict[Direction, int]
    content: dict[int, dict[bytes, bytes]]


class Screen:
    """Opened at first use."""

    def __init__(self) -> None:
        self._requests: Requests | None = None
        self._loaded: _Loaded | None = None
        self._gone = False
        self._filled: Rules | None = None

    def close(self) -> None:
        """Let go; what is on the interfaces goes on working."""
        if self._requests is not None:
            self._requests.close()
            self._requests = None
        if self._loaded is not None:
            for descriptor in (*_maps(self._loaded), *self._loaded.programs.values()):
                os.close(descriptor)
            self._loaded = None
            self._filled = None

    def keep(self, rules: Rules) -> tuple[str, ...]:
        """Make the kernel follow ``rules``; returns the interfaces whose filters were missing.

        Raises ``OSError`` and VedetteErrors, when everything that could be done is done.
        """
        if not rules:
            return self._remove()
        self._gone = False
        loaded = self._load()
        if rules is not self._filled:
            self._fill(loaded, rules)
        return self._cover(loaded)

    def _fill(self, loaded: _Loaded, rules: Rules) -> None:
        self._filled = None
        _fill(loaded, loaded.marks, {_mark_key(prefix): _U32.pack(mark) for prefix, mark in rules.marks.items()})
        _fill(loaded, loaded.servers, {_server_key(server): _HELD for server in rules.servers})
        self._filled = rules

    def _load(self) -> _Loaded:
        if self._loaded is None:
            with contextlib.ExitStack() as undo:
                maps = [_kept(undo, bpf.create_map(shape)) for shape in (_MARKS, _SERVERS, _DIRECT)]
                marks, servers, direct = maps
                loaded = _Loaded(marks, servers, direct, {}, {}, {marks: {}, servers: {}})
                for direction in Direction:
                    code = program(direction, marks=marks, servers=servers, direct=direct)
                    loaded.programs[direction] = _kept(undo, bpf.load(code, f"vedette_{direction.value}"))
                    loaded.ids[direction] = bpf.program_info(loaded.programs[direction]).id
                undo.pop_all()
            self._loaded = loaded
        return self._loaded

    def _cover(self, loaded: _Loaded) -> tuple[str, ...]:
        requests = self._open()
        repaired: list[str] = []
        errors: list[VedetteError | OSError] = []
        for interface in _interfaces(requests):
            try:
                missing = [direction for direction in Direction if not self._is_ours(loaded, interface, direction)]
                for direction in missing:
                    filters.attach(requests, FILTER, interface, direction, loaded.programs[direction])
                if missing:
                    repaired.append(_name(interface))
            except (VedetteError, OSError) as error:
                errors.append(error)
        if repaired:
            event(_log, logging.INFO, "ipvs.screen-attached", interfaces=",".join(repaired))
        for first in sorted(errors, key=lambda error: not isinstance(error, PermanentError)):
            raise first
        return tuple(repaired)

    def _is_ours(self, loaded: _Loaded, interface: int, direction: Direction) -> bool:
        found = filters.installed(self._open(), FILTER, interface, direction)
        return found is not None and found.program == loaded.ids[direction]

    def _remove(self) -> tuple[str, ...]:
        """Take the filters off, those of an earlier daemon too."""
        if self._gone:
            return ()
        requests = self._open()
        for interface in filters.prepared(requests):
            for direction in Direction:
                if filters.installed(requests, FILTER, interface, direction) is not None:
                    filters.detach(requests, FILTER, interface, direction)
        self.close()
        self._gone = True
        return ()

    def _open(self) -> Requests:
        if self._requests is None:
            self._requests = Requests(socket.NETLINK_ROUTE)
        return self._requests


def _kept(undo: contextlib.ExitStack, descriptor: int) -> int:
    undo.callback(os.close, descriptor)
    return descriptor


def _maps(loaded: _Loaded) -> tuple[int, int, int]:
    return loaded.marks, loaded.servers, loaded.direct


def _fill(loaded: _Loaded, descriptor: int, wanted: Mapping[bytes, bytes]) -> None:
    """New entries first: a packet finds the old ones or the new ones, and never none."""
    known = loaded.content[descriptor]
    for key, value in wanted.items():
        if known.get(key) != value:
            bpf.update(descriptor, key, value)
            known[key] = value
    for key in known.keys() - wanted.keys():
        bpf.delete(descriptor, key)
        del known[key]


def _mark_key(prefix: Prefix) -> bytes:
    port = prefix.port.to_bytes(2, "big")
    return MARK_KEY.pack(ADDRESS_BITS + prefix.bits, _mapped(prefix.address), _NUMBERS[prefix.protocol], port)


def _server_key(server: ServerPort) -> bytes:
    return SERVER_KEY.pack(_mapped(server.address), _NUMBERS[server.protocol], server.port.to_bytes(2, "big"))


def _mapped(address: IPAddress) -> bytes:
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed


def _interfaces(requests: Requests) -> Iterator[int]:
    """Every interface that is up."""
    for kind, payload in requests.dump(Message(_GETLINK, 0, _IFINFOMSG.pack(0, 0, 0, 0, 0))):
        if kind == _NEWLINK:
            _, _, index, flags, _ = _IFINFOMSG.unpack_from(payload)
            if flags & _IFF_UP:
                yield index


def _name(interface: int) -> str:
    with contextlib.suppress(OSError):
        return socket.if_indextoname(interface)
    return str(interface)
