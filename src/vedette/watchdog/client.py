"""The keeper's side of the watchdog: when it guards, when it is fed, and that its feeder lives.

The device guards this machine while a group is held here, and from just before one is taken. Every token is sent from
the core's own loop and only while the core is on time, so that whatever holds up the one holds up the other.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from vedette.kit import clock, files, log
from vedette.kit.units import MILLISECOND, SECOND, seconds, show
from vedette.spec.resolved import Watchdog as Wanted
from vedette.watchdog import words
from vedette.watchdog.feeder import ARMED_MARK
from vedette.watchdog.model import Armed, State, WatchdogStatus

logger = logging.getLogger("vedette.watchdog")

SOCKET = "watchdog.sock"
"""In the run directory: where the feeder that lives is found."""
BEATS = 8
"""Tokens in one time-out. The feeder stops after four that are missing, and the device resets after eight."""
UNANSWERED = 3
"""Beats without any answer until the feeder counts as hung and is replaced."""
STARTING = 5 * SECOND
"""How long (ns) a new one may take to its first answer."""
AGAIN = 5 * SECOND
"""Between two attempts (ns) to open a device that was refused."""
FIRST_DELAY, LONGEST_DELAY = 50 * MILLISECOND, SECOND
"""Before a feeder that died is replaced (ns): the device counts. Each further one waits twice as long."""
PARTING = SECOND
"""How long (ns) the feeder may take to stop the device at a clean stop."""


class Watchdog:
    """``holds``: whether anything is held here. ``late``: why the core is not on time, "" while it is.

    ``armed`` hears how soon (ns) the device resets the machine, or None, whenever that changes; ``changed`` is called
    when :meth:`status` may be another.
    """

    def __init__(
        self,
        *,
        run_dir: Path,
        holds: Callable[[], bool],
        late: Callable[[], str],
        armed: Callable[[int | None], None],
        changed: Callable[[], None],
    ) -> None:
        self._socket, self._mark = run_dir / SOCKET, run_dir / ARMED_MARK
        self._holds, self._late, self._tell, self._changed = holds, late, armed, changed
        self._wanted: Wanted | None = None
        self._link: socket.socket | None = None
        self._own: set[int] = set()
        self._device: Armed | None = None
        self._guarding = False
        self._asked_to_guard = False
        self._refusal = ""
        self._refused_at = 0
        self._withheld = ""
        self._told: int | None = None
        self._waiting = False
        self._unanswered = 0
        self._grace_until = 0
        self._failures = 0
        self._timer: asyncio.TimerHandle | None = None
        self._rested = asyncio.Event()
        self._closed = False
        self.pid: int | None = None
        self.restarts = 0

    # the keeper's word

    def configure(self, wanted: Wanted | None) -> None:
        """Guard with this device, or with none. A device that counts already, of an earlier daemon, is taken over."""
        if wanted == self._wanted and self._timer is not None:
            return
        if wanted is None and self._device is None and self._left_counting() is None:
            self._wanted = None
            self._leave()
            return
        self._wanted, self._refusal, self._refused_at, self._closed = wanted, "", 0, False
        if wanted is None:
            self._rest()
        elif self._asked_to_guard:  # another device or time-out: armed anew at the next beat
            self._say(None)
            self._guarding = self._asked_to_guard = False
        if self._link is None:
            self._connect()
        if self._timer is None:
            self._take_over()
            self._beat()
        self._changed()

    def hold(self) -> None:
        """Something is about to be held: guard from now on."""
        if self._wanted is not None and not self._asked_to_guard and not self._closed:
            self._arm(self._wanted)

    async def stand_down(self) -> None:
        """Nothing is held any more and this daemon ends: stop the device; one that cannot be stopped stays fed."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._device is not None or self._asked_to_guard:
            self._rested.clear()
            self._rest()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds(PARTING)):
                    await self._rested.wait()
            if not self._rested.is_set():
                log.event(logger, logging.ERROR, "watchdog.not_stopped", reason="its feeder does not answer")
            elif self._device is not None:
                log.event(
                    logger,
                    logging.WARNING,
                    "watchdog.cannot_be_stopped",
                    device=self._device.path,
                    feeder=self.pid,
                    reason="nowayout: its feeder goes on without this daemon; the machine resets if that is killed",
                )
        self._leave()

    def make_way(self) -> None:
        """Leave feeder and device to the next daemon, which finds them where they are."""
        self._beat()
        self._leave()

    def status(self) -> WatchdogStatus | None:
        """None where no watchdog is wanted and none counts."""
        device, wanted = self._device, self._wanted
        if device is None and wanted is None:
            return None
        path = device.path if device is not None else wanted.device if wanted is not None else ""
        timeout = device.timeout if device is not None else wanted.timeout if wanted is not None else 0
        state = State.OFF if device is None else State.ARMED if self._guarding else State.IDLE
        return WatchdogStatus(
            device=path,
            state=state,
            timeout=timeout,
            identity=device.identity if device is not None else None,
            nowayout=not device.way_out if device is not None else None,
            problem=self._problem(),
        )

    def _problem(self) -> str:
        device, wanted = self._device, self._wanted
        if self._withheld:
            return f"it is not fed, and resets this machine soon: {self._withheld}"
        if self._refusal:
            return f"nothing resets this machine when its daemon hangs: {self._refusal}"
        if device is None or not self._guarding:
            there = wanted is None or Path(wanted.device).exists()
            return "" if there or wanted is None else f"there is no device {wanted.device}: load its driver"
        if wanted is not None and wanted.device != device.path:
            return f"{device.path} cannot be stopped (nowayout): it guards instead of {wanted.device} until a reboot"
        if not device.sure:
            return f"{device.path} stops when its feeder dies: load its driver with nowayout=1"
        if wanted is not None and wanted.timeout != device.timeout:
            return f"{device.path} cannot do {show(wanted.timeout)}: it resets after {show(device.timeout)}"
        return ""

    # the feeder's life

    def _left_counting(self) -> Wanted | None:
        """The device that an earlier daemon of this boot left counting."""
        try:
            timeout, path = (files.read(self._mark) or b"").decode().split(" ", 1)
            return Wanted(device=path, timeout=int(timeout))
        except (OSError, ValueError):
            return None

    def _take_over(self) -> None:
        """Feed what counts already, before anything else is decided: it does not wait."""
        left = self._left_counting()
        if left is None or self._asked_to_guard:
            return
        self._arm(left)
        if self._wanted is not None and self._wanted.device != left.device and self._holds():
            self._arm(self._wanted)

    def _connect(self) -> None:
        """Find the feeder that lives, or start one."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            link.connect(str(self._socket))
            self.pid = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        except OSError:
            link.close()
            started = self._start()
            if started is None:
                return
            link = started
        self._link, self._waiting, self._unanswered = link, False, 0
        self._grace_until = clock.boottime() + STARTING
        asyncio.get_running_loop().add_reader(link, self._hear)

    def _start(self) -> socket.socket | None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        theirs.set_inheritable(True)
        command = [sys.executable, "-P", "-m", "vedette.watchdog.feeder", str(theirs.fileno()), str(self._socket)]
        nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        try:
            with theirs:  # no Child and no Popen: it outlives this process, on purpose
                self.pid = os.posix_spawn(
                    sys.executable, command, os.environ, file_actions=[nothing], setsid=True, setsigmask=()
                )
        except OSError as error:
            ours.close()
            self._refusal = f"its feeder cannot be started: {error.strerror}"
            self._lost()
            return None
        self._own.add(self.pid)
        log.event(logger, logging.INFO, "watchdog.feeder_started", pid=self.pid)
        return ours

    def _lost(self) -> None:
        """The feeder is gone, and the device counts: another one is needed before the time is up."""
        self._drop()
        self.pid = None
        self._device, self._guarding, self._asked_to_guard = None, False, False
        self._say(None)
        if self._closed:
            return
        delay = min(LONGEST_DELAY, FIRST_DELAY << min(self._failures, 6))
        self._failures += 1
        self.restarts += 1
        log.event(logger, logging.WARNING, "watchdog.feeder_died", restart_in=show(delay))
        asyncio.get_running_loop().call_later(seconds(delay), self._revive)
        self._changed()

    def _revive(self) -> None:
        if self._closed or self._link is not None:
            return
        self._reap()
        self._connect()
        if self._link is not None:
            self._take_over()
            self._pace()

    def _reap(self) -> None:
        """Bury the feeders of this process that have ended."""
        for pid in list(self._own):
            with contextlib.suppress(ChildProcessError):
                if not os.waitpid(pid, os.WNOHANG)[0]:
                    continue
            self._own.discard(pid)

    def _drop(self) -> None:
        if self._link is not None:
            asyncio.get_running_loop().remove_reader(self._link)
            self._link.close()
            self._link = None

    def _leave(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._drop()
        self._reap()

    # time

    def _beat(self) -> None:
        """Once in an eighth of the time-out: see to the feeder, then say what is to be said."""
        self._timer = asyncio.get_running_loop().call_later(seconds(self._period()), self._beat)
        self._reap()
        if self._link is None:
            return
        self._unanswered += self._waiting
        if self._unanswered >= UNANSWERED and clock.boottime() >= self._grace_until and self.pid is not None:
            log.event(logger, logging.ERROR, "watchdog.feeder_hangs", pid=self.pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._lost()
            return
        self._pace()

    def _period(self) -> int:
        timeouts = [item.timeout for item in (self._wanted, self._device) if item is not None]
        return min(timeouts, default=8 * SECOND) // BEATS

    def _pace(self) -> None:
        if self._wanted is not None and self._holds():
            if self._guarding:
                self._token()
            elif not self._asked_to_guard and clock.boottime() - self._refused_at >= AGAIN:
                self._arm(self._wanted)
            return
        self._refusal = ""  # who holds nothing needs no device
        if self._asked_to_guard or self._device is not None:
            self._rest()  # said again while the device is fed without tokens: its feeder must live, too
        elif self._wanted is None:
            self._leave()

    def _arm(self, wanted: Wanted) -> None:
        self._asked_to_guard = self._link is not None
        self._send(words.write("arm", clock.boottime(), wanted.timeout, wanted.device))

    def _token(self) -> None:
        late = self._late()
        if late != self._withheld:
            self._withheld = late
            level = logging.ERROR if late else logging.INFO
            log.event(logger, level, "watchdog.withheld" if late else "watchdog.goes_on", reason=late or "on time")
            self._changed()
        if not late:
            self._send(words.write("token", clock.boottime()))

    def _rest(self) -> None:
        """Say first that nothing resets this machine any more, then stop the device."""
        self._say(None)
        if self._guarding:
            self._changed()
        self._guarding = self._asked_to_guard = False
        self._withheld = ""
        self._send(b"rest")

    def _send(self, message: bytes) -> None:
        if self._link is None:
            return
        self._waiting = True
        try:
            self._link.send(message)
        except BlockingIOError:
            pass  # it does not read: the beats without an answer are counted
        except OSError:
            self._lost()

    def _say(self, timeout: int | None) -> None:
        if timeout != self._told:
            self._told = timeout
            self._tell(timeout)

    # the feeder's word

    def _hear(self) -> None:
        while self._link is not None:
            try:
                message = self._link.recv(words.LARGEST)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._lost()
                return
            self._waiting, self._unanswered, self._grace_until = False, 0, 0
            self._take(message)

    def _take(self, message: bytes) -> None:
        verb, _, text = message.partition(b" ")
        match verb:
            case b"armed":
                self._is_armed(message)
            case b"failed":
                self._failed(text.decode(errors="replace"))
            case b"fed":
                self._failures = 0
            case b"closed" | b"kept":
                if verb == b"closed" and self._device is not None:
                    self._device = None
                    self._changed()
                if not self._asked_to_guard:
                    self._rested.set()

    def _is_armed(self, message: bytes) -> None:
        (timeout, way_out, sure), text = words.read(message, 3)
        path, _, identity = text.partition("\0")
        self._device = Armed(path, identity, timeout, bool(way_out), bool(sure))
        if not self._asked_to_guard:
            return  # taken back meanwhile
        self._guarding, self._refusal = True, ""
        fields = {"device": path, "identity": identity, "timeout": show(timeout), "nowayout": not way_out}
        log.event(logger, logging.INFO, "watchdog.armed", **fields)
        self._say(timeout if sure else None)
        self._changed()
        if self._timer is not None:  # at the pace of this device, which may be a quicker one than was wanted
            self._timer.cancel()
            self._beat()

    def _failed(self, reason: str) -> None:
        if reason != self._refusal:
            log.event(logger, logging.ERROR, "watchdog.refused", reason=reason)
        self._refusal, self._refused_at = reason, clock.boottime()
        self._device = None
        self._guarding = self._asked_to_guard = False
        self._say(None)
        self._changed()
