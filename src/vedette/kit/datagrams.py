"""Many datagrams with one system call (recvmmsg(2)), for a socket that somebody may flood."""

import ctypes
import errno

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
