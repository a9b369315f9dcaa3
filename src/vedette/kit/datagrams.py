"""What a socket needs that somebody may flood: many datagrams with one system call (recvmmsg(2)), and rests."""

import ctypes
import errno

from vedette.kit.units import SECOND

FLOOD, WINDOW = 100, SECOND // 10
"""So many datagrams within the window (ns) are a flood: ten times what a cluster of 16 nodes says on a link."""
REST = SECOND // 50
"""How long (ns) a flooded socket is left alone between two looks."""

_DONTWAIT = 0x40
_LIBC = ctypes.CDLL(None, use_errno=True)


class _Piece(ctypes.Structure):
    """struct iovec"""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct msghdr"""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("pieces", ctypes.POINTER(_Piece)),
        ("number_of_pieces", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Slot(ctypes.Structure):
    """struct mmsghdr"""

    _fields_ = (("header", _Header), ("received", ctypes.c_uint))


class Batch:
    """Room for ``most`` datagrams of ``size`` bytes each; what is longer is cut off there."""

    def __init__(self, most: int, size: int) -> None:
        self.most = most
        self._room = ctypes.create_string_buffer(most * size)
        start = ctypes.addressof(self._room)
        self._places = [start + number * size for number in range(most)]
        self._pieces = (_Piece * most)(*(_Piece(place, size) for place in self._places))
        self._slots = (_Slot * most)()
        for slot, piece in zip(self._slots, self._pieces, strict=True):
            slot.header.pieces, slot.header.number_of_pieces = ctypes.pointer(piece), 1

    def receive(self, descriptor: int) -> list[bytes]:
        """Whatever has arrived, at most :attr:`most`; none where nothing has. Raises ``OSError``."""
        count = _LIBC.recvmmsg(descriptor, self._slots, self.most, _DONTWAIT, None)
        if count < 0:
            code = ctypes.get_errno()
            if code in (errno.EAGAIN, errno.EINTR):
                return []
            raise OSError(code, errno.errorcode.get(code, "recvmmsg"))
        return [ctypes.string_at(self._places[number], self._slots[number].received) for number in range(count)]


class Pace:
    """When to look at a socket again: many datagrams at a time cost less than many times a few. Pure.

    A flood begins with :data:`FLOOD` datagrams within :data:`WINDOW`, and is over when less than half as many come.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._flooded = False
        self._counted = self._since = 0

    def rest(self, count: int, now: int) -> int | None:
        """``count`` datagrams were read at ``now``: for how long (ns) to leave the socket alone; None: not at all.

        Where ``most`` were read in a flood more are waiting. They wait until everything else has had its turn: 0.
        """
        if not self._flooded and now - self._since > WINDOW:
            self._counted, self._since = 0, now
        self._counted += count
        if not self._flooded and self._counted < FLOOD:
            return None
        if self._flooded and count == self._most:
            return 0
        over = self._flooded and 2 * self._counted * WINDOW < FLOOD * (now - self._since)
        self._flooded, self._counted, self._since = not over, 0, now
        return None if over else REST
