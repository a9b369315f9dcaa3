"""A watchdog device of the kernel (Documentation/watchdog/watchdog-api.rst, include/uapi/linux/watchdog.h).

It counts from the moment it is opened, and resets the machine ``timeout`` after it was fed last. Imports next to
nothing: the feeder lives on it, and must be running again before that.
"""

import contextlib
import errno
import fcntl
import os
import stat
import struct

from vedette.kit.errors import PermanentError
from vedette.kit.units import SECOND

_INT, _INFO = struct.Struct("i"), struct.Struct("II32s")


def _read(number: int, size: int) -> int:
    """_IOR('W', number, size) of asm-generic/ioctl.h, which x86, ARM and RISC-V share."""
    return 2 << 30 | size << 16 | ord("W") << 8 | number


GET_SUPPORT = _read(0, _INFO.size)
SET_OPTIONS = _read(4, _INT.size)
KEEP_ALIVE = _read(5, _INT.size)
SET_TIMEOUT = _read(6, _INT.size) | 1 << 30
GET_TIMEOUT = _read(7, _INT.size)

MAGIC_CLOSE = 0x0100
"""The device goes on counting when it is closed, unless ``V`` was written before (WDIOF_MAGICCLOSE)."""
_STOP, _START = 1, 2  # WDIOS_DISABLECARD, WDIOS_ENABLECARD


class Device:
    """One open device. ``way_out``: it can be stopped (it was not built, or loaded, with ``nowayout``).

    ``sure``: it goes on counting when the process that has it open dies. ``timeout`` (ns) is what the device made of
    the one that was wanted.
    """

    def __init__(self, path: str, timeout: int) -> None:
        """Open it, which starts it. Raises :class:`PermanentError`; the device is as it was before then."""
        self.path = path
        try:
            if not stat.S_ISCHR(os.stat(path).st_mode):  # noqa: PTH116 pathlib is slow to import
                raise PermanentError(f"{path} is no watchdog: it is no character device")
            self._file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise PermanentError(_refusal(path, error)) from error
        options, self.identity = self._support()
        try:
            self.set_timeout(timeout)
            self.way_out = self._can_be_stopped()
            self.feed()
        except OSError as error:
            self._close_stopped()
            raise PermanentError(
                f"{path} ({self.identity}) cannot be told a timeout and be fed: {error.strerror}; use another device"
            ) from error
        self.sure = not self.way_out or bool(options & MAGIC_CLOSE)

    def set_timeout(self, timeout: int) -> None:
        """Ask for a time-out (ns, in whole seconds); :attr:`timeout` is what it then does. Raises ``OSError``."""
        try:
            self._control(SET_TIMEOUT, timeout // SECOND)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY):
                raise
        self.timeout = self._control(GET_TIMEOUT) * SECOND

    def feed(self) -> None:
        """Start its countdown anew. Raises ``OSError``."""
        self._control(KEEP_ALIVE)

    def stop(self) -> bool:
        """Stop it and close it; False when it cannot be stopped: it is open still, and must be fed."""
        if not self.way_out or not self._stopped():
            return False
        self._close_stopped()
        return True

    def leave(self) -> None:
        """Close it and let it count."""
        os.close(self._file)

    def _support(self) -> tuple[int, str]:
        data = bytearray(_INFO.size)
        try:
            fcntl.ioctl(self._file, GET_SUPPORT, data)
        except OSError as error:
            os.close(self._file)
            raise PermanentError(f"{self.path} is no watchdog: {error.strerror}") from error
        options, _, identity = _INFO.unpack(data)
        return options, identity.split(b"\0")[0].decode(errors="replace")

    def _can_be_stopped(self) -> bool:
        """Try it, because nothing else tells on every kernel (its sysfs may be left out). It runs again afterwards."""
        if not self._stopped():
            return False
        self._control(SET_OPTIONS, _START)
        return True

    def _stopped(self) -> bool:
        """Stop it; False when the kernel says that it cannot be (EBUSY: nowayout)."""
        try:
            self._control(SET_OPTIONS, _STOP)
        except OSError as error:
            if error.errno in (errno.EBUSY, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL):
                return False
            raise
        return True

    def _close_stopped(self) -> None:
        """The magic close: what can be stopped is, whatever it was stopped by before."""
        with contextlib.suppress(OSError):  # one that does not know the word needs none
            os.write(self._file, b"V")
        os.close(self._file)

    def _control(self, request: int, value: int = 0) -> int:
        data = bytearray(_INT.pack(value))
        fcntl.ioctl(self._file, request, data)
        (answer,) = _INT.unpack(data)
        return int(answer)


def _refusal(path: str, error: OSError) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return f"there is no watchdog {path} (load its driver, or softdog where the machine has none)"
        case errno.EBUSY:
            return f"{path} is in use by another program (systemd with RuntimeWatchdogSec= ? another watchdog daemon?)"
        case errno.EACCES | errno.EPERM:
            return f"{path} may not be opened: {error.strerror} (the unit needs DeviceAllow= for it)"
        case _:
            return f"{path} cannot be opened: {error.strerror}"
