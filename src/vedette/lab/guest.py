"""One machine of the lab as the process that it is: a User Mode Linux kernel, and the channel to its agent.

Only the lab's supervisor owns guests; everybody else speaks of machines (:mod:`vedette.lab.lab`). A guest is
powered on and off any number of times; what is in its directory on the host (the durable state, the logs)
survives, what it wrote elsewhere is gone with its memory.
"""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from vedette.kit.errors import PermanentError, TransientError
from vedette.lab import agent, namespace, xstate
from vedette.spec.resolved import Role

KERNEL = "linux.uml"
MEMORY = "256M"
"""Memory of one machine; about 60 MB of it are ever touched."""
_PROCESSORS = itertools.cycle(sorted(os.sched_getaffinity(0)))
"""Each machine keeps to one processor of the host. Every system call in it is a switch between two of the host's
processes: 30 µs on one processor, up to 120 µs across two (measured on a virtual host, docs/design/lab.md)."""
URGENCY = {Role.DIRECTOR: -15, Role.WITNESS: -10}
"""The niceness of a machine's processes. In reality it would share no processor with a witness, and none of them one
with the stand-in servers, the client and the observers (nice(1), setpriority(2))."""
BOOT_LIMIT = 60.0
"""Seconds to a ready agent before a boot counts as failed; on two busy cores it takes 3 to 10."""
ANSWER_GRACE = 3.0
"""Seconds beyond a request's own time limit before its machine counts as not answering."""

PIECE, PIECES = 1000, 3
"""Bytes of a request that are sent at a time, and how many such pieces may be unread. A console of User Mode Linux
goes deaf for good when more than 4,095 unread bytes pile up in its line discipline."""

NUDGE = 2.0
"""Seconds without an answer after which a machine is nudged: under load a console can miss an interrupt for good."""

Json = dict[str, Any]


class Power(Enum):
    ON = "on"
    OFF = "off"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class Plug:
    """One end of a wire in a machine: the tap on the lab's side and the machine's own interface."""

    tap: str
    mac: str
    interface: str


@dataclass(frozen=True, slots=True)
class Boot:
    """What a machine is told when it starts.

    ``ip`` holds lines for ``ip -batch``, in which HIDDEN stands for the namespace of the wires; ``mounts`` shows
    directories of the host, writable, in the machine; ``private`` are empty directories in memory; ``files`` is a
    directory of the host whose files are copied to the machine's root, behind all that. ``watchdog`` is the name of a
    device that ends the machine when it is not fed: it does not boot again by itself.
    """

    hostname: str
    plugs: tuple[Plug, ...] = ()
    ip: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, Path] = field(default_factory=dict)
    private: tuple[str, ...] = ()
    files: Path | None = None
    watchdog: str | None = None

    def plain(self) -> Json:
        return {
            "hostname": self.hostname,
            "ip": list(self.ip),
            "wires": [f"vec{index}" for index in range(len(self.plugs))],
            "sysctls": dict(self.sysctls),
            "mounts": {target: str(source) for target, source in self.mounts.items()},
            "private": list(self.private),
            "files": None if self.files is None else str(self.files),
            "watchdog": self.watchdog,
            "environment": environment(),
        }


def environment() -> dict[str, str]:
    """The environment of everything in a machine; the interpreter that runs the lab comes first in PATH."""
    own = Path(sys.executable).parent
    return {
        "PATH": f"{own}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "TERM": os.environ.get("TERM", "linux"),
    }


class Guest:
    """A machine's kernel process. Methods may be called from any thread."""

    def __init__(self, directory: Path, boot: Boot, *, role: Role = Role.DIRECTOR, memory: str = MEMORY) -> None:
        self.directory, self.boot, self.role, self.memory = directory, boot, role, memory
        self.name = boot.hostname
        self._processor = next(_PROCESSORS)
        self._frozen = False
        self._starting = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: _Channel | None = None
        self.terminal: int | None = None
        """The lab's end of the machine's third console: a pseudo-terminal."""

    @property
    def console_log(self) -> Path:
        """What the machine's kernel and its first process said, over all boots."""
        return self.directory / "console.log"

    @property
    def power(self) -> Power:
        if self._process is None or self._process.poll() is not None:
            return Power.OFF
        return Power.FROZEN if self._frozen else Power.ON

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.power is not Power.OFF else None

    def power_on(self) -> float:
        """Boot and wait for the agent; returns the seconds that the machine's own clock took.

        Raises :class:`PermanentError` with the console's last lines when the machine does not come up.
        """
        with self._starting:
            channel = self._start()
        try:
            return channel.hello.result(timeout=BOOT_LIMIT)
        except (FutureTimeout, TransientError):
            self.power_off()
            raise PermanentError(f"{self.name} did not boot; its console says:\n{self._last_words()}") from None

    def _start(self) -> "_Channel":
        """Start the kernel's process, with one end of the control channel."""
        if self.power is not Power.OFF:
            raise PermanentError(f"{self.name} is on already")
        self._bury()
        self.directory.mkdir(parents=True, exist_ok=True)
        plan = self.directory / "boot.json"
        plan.write_text(json.dumps(self.boot.plain()))
        extended = xstate.environment(self.directory)
        ours, theirs = socket.socketpair()
        self.terminal, line = os.openpty()
        tty.setraw(line)
        self._frozen = False
        with theirs, open(self.console_log, "ab") as console:
            self._process = subprocess.Popen(
                self._command(plan, control=theirs.fileno(), line=line),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                pass_fds=(theirs.fileno(), line),
                env=os.environ | {"TMPDIR": namespace.MEMORY} | extended,
                start_new_session=True,
            )
        os.close(line)
        self._channel = channel = _Channel(self.name, ours)
        return channel

    def power_off(self) -> None:
        """Cut the power: kill the kernel and its helpers at once; nothing is flushed."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._close_channel()

    def freeze(self) -> None:
        """Stop the machine as a hypervisor pauses it; its clock jumps at the thaw."""
        self._signal(signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)
        self._frozen = False

    def request(self, op: str, *, limit: float = 30.0, **arguments: object) -> Any:
        """Ask the agent; raises :class:`TransientError` when the machine is off or does not answer in ``limit`` s."""
        channel = self._channel
        if channel is None:
            raise TransientError(f"{self.name} is off")
        return channel.ask({"op": op} | arguments, limit + ANSWER_GRACE)

    def _signal(self, number: signal.Signals) -> None:
        # The main process only: the helpers are traced by it, and stopping them destroys the machine.
        pid = self.pid
        if pid is None:
            raise TransientError(f"{self.name} is off")
        os.kill(pid, number)

    def _command(self, plan: Path, *, control: int, line: int) -> Sequence[str]:
        wires = [
            f"vec{index}:transport=tap,ifname={plug.tap},depth=128,mac={plug.mac}"
            for index, plug in enumerate(self.boot.plugs)
        ]
        return [
            *("nice", f"--adjustment={URGENCY[self.role]}", "taskset", "--cpu-list", str(self._processor)),
            *(KERNEL, f"mem={self.memory}", "umid=m", f"uml_dir={self.directory}/uml"),
            *("rootfstype=hostfs", "rootflags=/", "ro", f"init={_quoted(sys.executable)}"),
            *("nohz=off", "con=null", "con0=null,fd:1", f"con1=fd:{control}", f"con2=fd:{line}", *wires, "quiet"),
            *("--", "-I", "-S", _quoted(agent.__file__), _quoted(str(plan))),
        ]

    def _bury(self) -> None:
        """Forget the former life: its channel, and those of its helpers that were left to this process (as init)."""
        self._close_channel()
        if self._process is not None:
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-self._process.pid, os.WNOHANG)[0]:
                    continue

    def _close_channel(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None

    def _last_words(self) -> str:
        return "\n".join(self.console_log.read_text(errors="replace").splitlines()[-15:])


def _quoted(text: str) -> str:
    """One word of the kernel's command line, which is cut at spaces."""
    return f'"{text}"' if " " in text else text


class _Channel:
    """JSON lines to and from one agent; every question has its own future."""

    def __init__(self, name: str, end: socket.socket) -> None:
        self._name, self._end = name, end
        self.hello: Future[float] = Future()
        self._waiting: dict[int, Future[Any]] = {}
        self._next = 0
        self._lock = threading.Lock()
        self._turn, self._room = threading.Lock(), threading.Semaphore(PIECES)
        threading.Thread(target=self._read, name=f"agent-{name}", daemon=True).start()

    def ask(self, request: Json, limit: float) -> Any:
        answer: Future[Any] = Future()
        with self._lock:
            self._next += 1
            number = self._next
            self._waiting[number] = answer
        try:
            self._send(json.dumps({"id": number} | request).encode(), limit)
            return self._wait(answer, limit)
        except FutureTimeout:
            raise TransientError(f"{self._name} does not answer ({request['op']})") from None
        finally:
            self._waiting.pop(number, None)

    def _wait(self, answer: "Future[Any]", limit: float) -> Any:
        """Wait for an answer, and nudge the machine meanwhile; raises :class:`FutureTimeout` after ``limit`` s."""
        deadline = time.monotonic() + limit
        while (left := deadline - time.monotonic()) > NUDGE:
            with contextlib.suppress(FutureTimeout):
                return answer.result(timeout=NUDGE)
            self._nudge()
        return answer.result(timeout=max(0.0, left))

    def _nudge(self) -> None:
        if self._turn.acquire(blocking=False):
            with contextlib.suppress(OSError):
                self._end.send(b"\n", socket.MSG_DONTWAIT)
            self._turn.release()

    def _send(self, data: bytes, limit: float) -> None:
        """Send a request in pieces, each marked as the last one (``=``) or not (``+``), never more than it can hold."""
        if not self._turn.acquire(timeout=limit):
            raise TransientError(f"{self._name} does not answer")
        try:
            for start in range(0, len(data), PIECE):
                if not self._room.acquire(timeout=limit):
                    raise TransientError(f"{self._name} does not answer")
                mark = b"=" if start + PIECE >= len(data) else b"+"
                self._end.sendall(mark + data[start : start + PIECE] + b"\n")
        except OSError as error:
            raise TransientError(f"{self._name} is off") from error
        finally:
            self._turn.release()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the machine may have been quicker
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()

    def _read(self) -> None:
        with self._end.makefile("r", encoding="utf-8") as lines:
            try:
                for line in lines:
                    self._take(line)
            except OSError:
                pass  # the machine lost its power in mid-sentence
        gone = TransientError(f"{self._name} has gone off")
        for future in [self.hello, *self._waiting.values()]:
            if not future.done():
                future.set_exception(gone)

    def _take(self, line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return  # a line cut by the loss of power
        if "hello" in message:
            self.hello.set_result(message["hello"])
            return
        if "got" in message:
            self._room.release()
            return
        future = self._waiting.get(message["id"])
        if future is None or future.done():
            return
        if "error" in message:
            future.set_exception(PermanentError(f"{self._name}: {message['error']}"))
        else:
            future.set_result(message["ok"])
