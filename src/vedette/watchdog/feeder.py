"""The feeder: ``python -m vedette.watchdog.feeder DESCRIPTOR SOCKET``, the only process that has the device open.

It feeds the device for a *token* and for nothing else, and a token that is older than half the time-out is none. So
whatever stops the keeper, or makes its core late, stops the feeding, and the device resets the machine. It outlives the
keeper on purpose: the next one finds it at SOCKET and goes on, before the time is up or not at all.

While it *rests*, the keeper has said that nothing is held here. Then the device is stopped; one that cannot be stopped
(``nowayout``) is fed without tokens, for it would reset a machine that has done nothing wrong.

It imports next to nothing, keeps its memory, and outranks the keeper on the processor.
"""

import contextlib
import ctypes
import os
import select
import signal
import socket
import struct
import sys
import time

from vedette.kit import privileges
from vedette.kit.errors import PermanentError
from vedette.watchdog import words
from vedette.watchdog.device import Device

PRIORITY = 2
"""Of SCHED_RR: just above the keeper, which must not keep it from hearing that it is on time (sched(7))."""
_MCL_CURRENT, _MCL_FUTURE = 1, 2
ARMED_MARK = "watchdog.armed"
"""Beside the socket while the device counts: tells the next keeper that somebody must feed it."""


class Feeder:
    """``link`` is the keeper, ``listener`` where the next one will ask."""

    def __init__(self, link: socket.socket, path: str) -> None:
        self._mark = os.path.join(os.path.dirname(path), ARMED_MARK)  # noqa: PTH118, PTH120 pathlib is slow to import
        self._link: socket.socket | None = link
        self._listener = _listen(path)
        self._device: Device | None = None
        self._guarding = False
        self._limit = 0
        self._proven = 0
        self._starving = False
        self._poll = select.poll()
        for end in (link, self._listener):
            end.setblocking(False)
            self._poll.register(end, select.POLLIN)

    def run(self) -> None:
        """Serve until there is neither a keeper nor a device."""
        while self._link is not None or self._device is not None:
            for file, _ in self._poll.poll(self._patience()):
                if file == self._listener.fileno():
                    self._accept()
                elif self._link is not None and file == self._link.fileno():
                    self._hear()
            self._look()

    def end(self) -> None:
        """SIGTERM. Who shuts the machine down ends everybody; while the device guards, that is not for others to say.

        The device goes on: it now watches over the shutdown.
        """
        if self._guarding or self._link is not None:
            return
        if self._device is not None:
            self._feed(self._device)
        os._exit(0)

    # time

    def _patience(self) -> int | None:
        """Milliseconds until there is something to do by itself."""
        if self._device is None:
            return None
        if not self._guarding:
            return self._device.timeout // 4 // 1_000_000
        if self._starving:
            return None
        return max(0, self._proven + self._limit - _now()) // 1_000_000 + 1

    def _look(self) -> None:
        if self._device is None:
            return
        if not self._guarding:
            self._feed(self._device)
        elif not self._starving and _now() - self._proven >= self._limit:
            self._starving = True
            _say(
                4,
                "watchdog.not_fed",
                f'device={self._device.path} reason="the keeper is not on time: this machine resets soon"',
            )

    def _feed(self, device: Device) -> bool:
        try:
            device.feed()
        except OSError as error:
            _say(3, "watchdog.feeding_failed", f'device={device.path} reason="{error.strerror}"')
            return False
        return True

    # the keeper

    def _accept(self) -> None:
        """Another keeper: the former one is gone, or about to be."""
        try:
            link, _ = self._listener.accept()
        except OSError:
            return
        credentials = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        if struct.unpack("3i", credentials)[1] != os.geteuid():
            link.close()
            return
        self._drop()
        link.setblocking(False)
        self._link = link
        self._poll.register(link, select.POLLIN)

    def _drop(self) -> None:
        if self._link is not None:
            self._poll.unregister(self._link)
            self._link.close()
            self._link = None

    def _hear(self) -> None:
        """Take everything that has been said."""
        while self._link is not None:
            try:
                message = self._link.recv(words.LARGEST)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._drop()
                return
            self._obey(message)

    def _obey(self, message: bytes) -> None:
        try:
            if message.startswith(b"arm "):
                (proven, timeout), path = words.read(message, 2)
                self._arm(proven, timeout, path)
            elif message.startswith(b"token "):
                (proven,), _ = words.read(message, 1)
                self._token(proven)
            elif message == b"rest":
                self._rest()
        except (PermanentError, ValueError) as error:
            self._answer("failed", error)

    def _answer(self, *answer: object) -> None:
        if self._link is not None:
            with contextlib.suppress(OSError):  # it does not listen: then it is not on time either
                self._link.send(words.write(*answer))

    # the device

    def _arm(self, proven: int, timeout: int, path: str) -> None:
        """Open the device, or take the one that is open; raises :class:`PermanentError`."""
        device = self._device
        if device is not None and device.path != path and device.stop():
            device = self._device = None
        if device is None:
            _write(self._mark, f"{timeout} {path}")
            try:
                device = self._device = Device(path, timeout)
            except PermanentError:
                _remove(self._mark)
                raise
        elif device.timeout != timeout and device.path == path:
            try:
                device.set_timeout(timeout)
            except OSError as error:
                _say(4, "watchdog.timeout_kept", f'device={path} reason="{error.strerror}"')
        self._guarding, self._limit = True, min(timeout, device.timeout) // 2
        self._token(proven)
        self._answer(
            "armed", device.timeout, int(device.way_out), int(device.sure), f"{device.path}\0{device.identity}"
        )

    def _token(self, proven: int) -> None:
        """Feed for a token that is young enough; one that lay in the queue proves nothing about now."""
        device = self._device
        if device is None or not self._guarding or not 0 <= _now() - proven < self._limit:
            return
        self._proven = max(self._proven, proven)
        if self._starving:
            self._starving = False
            _say(6, "watchdog.fed_again", f"device={device.path}")
        if self._feed(device):
            self._answer("fed", proven)

    def _rest(self) -> None:
        self._guarding = self._starving = False
        if self._device is not None and not self._device.stop():
            self._feed(self._device)
            self._answer("kept")
            return
        self._device = None
        _remove(self._mark)
        self._answer("closed")


def _now() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _listen(path: str) -> socket.socket:
    """Where the next keeper finds this process; what is left of a former one goes."""
    _remove(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.umask(0o177)
    listener.bind(path)
    listener.listen(4)
    return listener


def _write(path: str, text: str) -> None:
    with contextlib.suppress(OSError), open(path, "w") as file:  # only a keeper that finds no feeder wants it
        file.write(text)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)  # noqa: PTH108 pathlib is slow to import


def _say(priority: int, event: str, fields: str) -> None:
    """One line for the log, unless that would have to wait: nothing here may wait for a reader."""
    level = {3: "ERROR", 4: "WARNING"}.get(priority, "INFO")
    head = f"<{priority}>" if "JOURNAL_STREAM" in os.environ else time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime())
    writable = select.poll()
    writable.register(2, select.POLLOUT)
    if any(flags & select.POLLOUT for _, flags in writable.poll(0)):
        with contextlib.suppress(OSError):
            os.write(2, f"{head}{level} watchdog {event} {fields}\n".encode())


def _become_urgent() -> None:
    """Take what the machine grants; without it the feeder is late sooner, which errs on the safe side."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    except OSError as error:
        _say(4, "watchdog.no_realtime", f'reason="{error.strerror}"')
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE) != 0:
        _say(4, "watchdog.memory_not_locked", f'reason="{os.strerror(ctypes.get_errno())}"')
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # else it keeps the keeper's
        file.write("-1000")


def main() -> None:
    descriptor, path = sys.argv[1:]
    link = socket.socket(fileno=int(descriptor))
    os.set_inheritable(link.fileno(), False)
    os.chdir("/")
    feeder = Feeder(link, path)
    signal.signal(signal.SIGTERM, lambda *_: feeder.end())
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _become_urgent()
    with contextlib.suppress(PermanentError):  # a kernel that is odd about it: then it keeps what it need not have
        privileges.keep_capabilities(())  # root's own files are enough
    feeder.run()


if __name__ == "__main__":
    main()
