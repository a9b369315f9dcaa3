"""The gate: the kernel itself stops answering for an address when its group's deadline has come (docs/design/gate.md).

Two maps stand behind the programs of :mod:`vedette.addresses.gate_program`. ``members`` gives an address (IPv4 as
mapped IPv6) its group's slot; ``slots`` is an array in shared memory with each group's two deadlines and its name.
Renewing a group of any size is one 8-byte store.

Filters keep their programs alive, and programs their maps, so everything outlives the daemon, closed or closing.
The next daemon finds it all through tc, with the same slots, and goes on without a moment open or closed between.
"""

import contextlib
import logging
import mmap
import os
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from vedette.addresses.gate_program import ANSWER, FORWARD, KEY_SIZE, program
from vedette.kit import bpf, filters
from vedette.kit.errors import PermanentError, VedetteError
from vedette.kit.filters import Direction, Filter
from vedette.kit.log import event
from vedette.kit.net import IPAddress
from vedette.kit.netlink import Requests

_log = logging.getLogger("vedette.addresses")

FILTER = Filter("vedette-gate", 1, "the gate")
"""The first of all, so that no other one lets a packet pass around it."""
_NAME_SIZE = 64
_SLOT = struct.Struct(f"=QQ{_NAME_SIZE}s")
_SLOTS = 256
_CLOSED = 0
"""The slot that no group gets and whose deadlines stay 0: for addresses on their way out."""
_INDEX = struct.Struct("=I")
_MEMBERS_SHAPE = bpf.MapShape(bpf.HASH, KEY_SIZE, _INDEX.size, 4096, 0, "vedette_members")
_SLOTS_SHAPE = bpf.MapShape(bpf.ARRAY, _INDEX.size, _SLOT.size, _SLOTS, bpf.MMAPABLE, "vedette_slots")


class Deadlines(NamedTuple):
    """CLOCK_BOOTTIME ns. ``answer``: ARP, neighbour discovery and packets from the VIP; ``forward``: packets to it."""

    answer: int
    forward: int


@dataclass(frozen=True, slots=True)
class _Maps:
    members: int
    slots: int


class Gate:
    """Made by :meth:`open`. Interfaces are kernel indexes; groups are names."""

    def __init__(self, requests: Requests, maps: _Maps, trusted: set[int]) -> None:
        self._requests, self._maps, self._trusted = requests, maps, trusted
        self._programs: dict[Direction, int] = {}
        self._tags: dict[Direction, bytes] = {}
        size = -(-_SLOT.size * _SLOTS // mmap.PAGESIZE) * mmap.PAGESIZE
        self._memory = mmap.mmap(maps.slots, size)
        self._words = memoryview(self._memory).cast("Q")
        self._members = {
            key: _INDEX.unpack(bpf.lookup(maps.members, key, _INDEX.size) or bytes(_INDEX.size))[0]
            for key in bpf.keys(maps.members, KEY_SIZE)
        }
        self._index = {name: index for index in range(1, _SLOTS) if (name := self._name(index))}

    @classmethod
    def open(cls, requests: Requests) -> "Gate":
        """Adopt the gate of an earlier daemon in this network namespace, or make a new one with everything closed.

        Raises :class:`PermanentError` where the kernel refuses BPF.
        """
        maps, trusted = _adopt(requests)
        if maps is None:
            maps = _Maps(bpf.create_map(_MEMBERS_SHAPE), bpf.create_map(_SLOTS_SHAPE))
        gate = cls(requests, maps, trusted)
        for direction in Direction:
            code = program(direction, members=maps.members, slots=maps.slots)
            descriptor = bpf.load(code, f"vedette_{direction.value}")
            info = bpf.program_info(descriptor)
            gate._programs[direction], gate._tags[direction] = descriptor, info.tag
            trusted.add(info.id)
        return gate

    def close(self) -> None:
        """Let go of the gate; filters, maps and deadlines stay in the kernel."""
        self._words.release()
        self._memory.close()
        for descriptor in (self._maps.members, self._maps.slots, *self._programs.values()):
            os.close(descriptor)

    def cover(self, interfaces: Collection[int]) -> dict[int, VedetteError | OSError]:
        """Put the filters on every interface where they are missing; return what went wrong, by interface."""
        refused: dict[int, VedetteError | OSError] = {}
        for interface in interfaces:
            try:
                for direction in Direction:
                    self._cover(interface, direction)
            except (VedetteError, OSError) as error:
                refused[interface] = error
        return refused

    def _cover(self, interface: int, direction: Direction) -> None:
        found = filters.installed(self._requests, FILTER, interface, direction)
        if found is not None and found.program in self._trusted and found.tag == self._tags[direction]:
            return
        filters.attach(self._requests, FILTER, interface, direction, self._programs[direction])
        event(_log, logging.INFO, "gate.attached", interface=interface, direction=direction.value)

    def members(self, groups: Mapping[IPAddress, str | None]) -> None:
        """Make exactly these addresses obey their groups' deadlines; ``None`` = always closed.

        A group seen for the first time is closed, and stays the same slot for as long as it has an address. What
        is not named any more passes unhindered: take an address off its interface before you forget it here.
        Raises :class:`PermanentError` beyond 255 groups or 4096 addresses.
        """
        for name in {name for name in groups.values() if name is not None}:
            if _label(name) not in self._index:
                self._take_slot(name)
        wanted = {
            _key(address): _CLOSED if name is None else self._index[_label(name)] for address, name in groups.items()
        }
        if len(wanted) > _MEMBERS_SHAPE.entries:
            raise PermanentError(f"the gate has room for {_MEMBERS_SHAPE.entries} addresses, not {len(wanted)}")
        for key in self._members.keys() - wanted.keys():
            bpf.delete(self._maps.members, key)
            del self._members[key]
        for key, index in wanted.items():
            if self._members.get(key) != index:
                bpf.update(self._maps.members, key, _INDEX.pack(index))
                self._members[key] = index
        for label in [label for label, index in self._index.items() if index not in wanted.values()]:
            self._free_slot(label)

    def grant(self, group: str, deadline: int) -> bool:
        """Open the group until ``deadline``; ``False`` where it has no address here."""
        return self._store(group, Deadlines(deadline, deadline))

    def revoke(self, group: str, *, forward_until: int = 0) -> bool:
        """Stop answering at once. Packets to the group pass until ``forward_until``, never beyond the old deadline."""
        return self._store(group, Deadlines(0, min(forward_until, self.deadlines(group).forward)))

    def deadlines(self, group: str) -> Deadlines:
        """What the kernel enforces now; zeros for a group without an address here."""
        index = self._index.get(_label(group), _CLOSED)
        return Deadlines(self._words[self._word(index, ANSWER)], self._words[self._word(index, FORWARD)])

    def _store(self, group: str, deadlines: Deadlines) -> bool:
        index = self._index.get(_label(group))
        if index is None:
            return False
        # Two stores, each seen whole by the kernel. They are independent promises, so their order is free.
        self._words[self._word(index, ANSWER)] = deadlines.answer
        self._words[self._word(index, FORWARD)] = deadlines.forward
        return True

    def _word(self, index: int, field: int) -> int:
        return (index * _SLOT.size + field) // 8

    def _name(self, index: int) -> bytes:
        name: bytes = _SLOT.unpack_from(self._memory, index * _SLOT.size)[2]
        return name.rstrip(b"\0")

    def _take_slot(self, name: str) -> None:
        used = set(self._index.values())
        index = next((index for index in range(1, _SLOTS) if index not in used), None)
        if index is None:
            raise PermanentError(f"the gate has room for {_SLOTS - 1} groups")
        _SLOT.pack_into(self._memory, index * _SLOT.size, 0, 0, _label(name))
        self._index[_label(name)] = index

    def _free_slot(self, label: bytes) -> None:
        _SLOT.pack_into(self._memory, self._index.pop(label) * _SLOT.size, 0, 0, b"")


def covered(requests: Requests) -> frozenset[int]:
    """The interfaces that have one of the gate's filters."""
    return frozenset(
        interface
        for interface in filters.prepared(requests)
        if any(filters.installed(requests, FILTER, interface, direction) for direction in Direction)
    )


def uncover(requests: Requests, interfaces: Collection[int]) -> None:
    """Take the filters off. With the last of them, and the daemon's hold on it, the gate is gone."""
    for interface in interfaces:
        for direction in Direction:
            filters.detach(requests, FILTER, interface, direction)


def _adopt(requests: Requests) -> tuple[_Maps | None, set[int]]:
    """Find the maps behind the filters that are there, and all programs that use the same ones."""
    maps: _Maps | None = None
    identity: tuple[int, ...] = ()
    trusted: set[int] = set()
    for interface in sorted(filters.prepared(requests)):
        for direction in Direction:
            found = filters.installed(requests, FILTER, interface, direction)
            if found is None or found.program in trusted:
                continue
            candidate, used = _maps_behind(found.program)
            if maps is None and candidate is not None:
                maps, identity = candidate, used
            elif candidate is not None:
                _close(candidate)
            if candidate is not None and used == identity:
                trusted.add(found.program)
    return maps, trusted


def _maps_behind(identity: int) -> tuple[_Maps | None, tuple[int, ...]]:
    """Open the two maps of a program; ``None`` where they are not shaped as ours (another version's) or barred."""
    descriptors: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        try:
            handle = bpf.program_by_id(identity)
            stack.callback(os.close, handle)
            used = bpf.program_info(handle).maps
            for number in used:
                descriptor = bpf.map_by_id(number)
                shape = bpf.map_shape(descriptor)
                if shape in (_MEMBERS_SHAPE, _SLOTS_SHAPE) and shape.name not in descriptors:
                    descriptors[shape.name] = descriptor
                else:
                    stack.callback(os.close, descriptor)
        except (OSError, PermanentError) as error:
            event(_log, logging.WARNING, "gate.not_adopted", program=identity, reason=str(error))
            descriptors.clear()
        if len(descriptors) == 2:
            return _Maps(descriptors[_MEMBERS_SHAPE.name], descriptors[_SLOTS_SHAPE.name]), tuple(sorted(used))
    for descriptor in descriptors.values():
        os.close(descriptor)
    return None, ()


def _close(maps: _Maps) -> None:
    os.close(maps.members)
    os.close(maps.slots)


def _key(address: IPAddress) -> bytes:
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed


def _label(group: str) -> bytes:
    """The group's name as it stands in its slot; one that is too long is known by its digest."""
    name = group.encode()
    return name if len(name) <= _NAME_SIZE else blake2b(name, digest_size=_NAME_SIZE // 2).hexdigest().encode()
