"""The first process inside a machine of the lab, and the hands of the lab in it.

It runs as ``init`` on the host's own root, seen through hostfs: nothing but the standard library may be imported
here, and not much of it, because everything a machine imports delays its boot. It mounts what a machine needs,
gives the wires their names and addresses, and then answers requests on the second console (``/dev/tty1``, the
other end of a socketpair in the lab's supervisor), so that a machine can be commanded with every wire cut.

Requests and answers are JSON lines. A request is ``{"id": 7, "op": "run", …}``, its answer ``{"id": 7, "ok": …}``
or ``{"id": 7, "error": "…"}``. Requests come in pieces, a line each, behind ``+`` or, the last one, ``=``; every piece
is acknowledged with ``{"got": …}`` when it was read, because the console holds only few. An empty line is a nudge: it
means nothing, but its arrival makes the kernel look at a console whose last interrupt it has missed. Each request runs
on a thread of its own, so one that hangs holds up no other. When the machine is ready the agent says
``{"hello": <seconds since boot>}``.
"""
# ruff: noqa: PTH102, PTH103, PTH104, PTH108, PTH118, PTH120, PTH208, PTH211, S108

import base64
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from typing import Any

OUTPUT_LIMIT = 4 << 20
"""Bytes of a command's output that are handed back (the rest is read and dropped)."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_FINIT_MODULE = 313 if os.uname().machine == "x86_64" else 350  # i386
_MS_MOVE, _CLONE_NEWNET = 0x2000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP, _IFF_RUNNING = 0x8914, 0x1, 0x40
_POWER_OFF = 0x4321FEDC

Json = dict[str, Any]


# Boot


def mount(source: str, target: str, kind: str, data: str = "") -> None:
    """Call mount(2), making the mount point where it is missing; raises ``OSError``."""
    os.makedirs(target, exist_ok=True)
    if _LIBC.mount(source.encode(), target.encode(), kind.encode(), 0, data.encode()):
        code = ctypes.get_errno()
        raise OSError(code, f"{os.strerror(code)}: {kind} on {target}")


def insert_module(name: str, parameters: str = "") -> None:
    """Load one kernel module that depends on no other, without modprobe: quickly, and before there is a root."""
    with open(f"/usr/lib/uml/modules/{os.uname().release}/kernel/{name}", "rb") as file:
        _LIBC.syscall(_FINIT_MODULE, file.fileno(), parameters.encode(), 0)


def add_watchdog(path: str) -> None:
    """Give the machine a watchdog at ``path``. When it bites the kernel panics, which ends the machine's process.

    User Mode Linux brings a device of its own, /dev/watchdog, which bites nobody: the softdog is beside it.
    """
    insert_module("drivers/watchdog/softdog.ko", "soft_panic=1")
    set_sysctls({"kernel/panic": "-1"})
    real = "/dev/" + os.listdir("/sys/class/watchdog")[0]
    if path != real:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink(real, path)


def enter_root() -> None:
    """Lay a writable overlay on tmpfs over the host's read-only root, and make it the machine's root."""
    release = os.uname().release
    insert_module("fs/overlayfs/overlay.ko")
    base = "/mnt"  # exists on every Debian; the overlay below shows the host's own /mnt again
    mount("tmpfs", base, "tmpfs")
    root = f"{base}/root"
    for name in ("upper", "work", "root"):
        os.mkdir(f"{base}/{name}")
    mount("overlay", root, "overlay", f"lowerdir=/,upperdir={base}/upper,workdir={base}/work")
    os.chdir(root)
    if _LIBC.mount(b".", b"/", None, _MS_MOVE, None):
        raise OSError(ctypes.get_errno(), "the overlay cannot become the root")
    os.chroot(".")
    os.chdir("/")
    os.makedirs("/lib/modules", exist_ok=True)
    if not os.path.lexists(f"/lib/modules/{release}"):
        os.symlink(f"/usr/lib/uml/modules/{release}", f"/lib/modules/{release}")


def mount_all(boot: Json) -> None:
    """Mount the kernel's file systems, fresh run-time directories, and the lab's directories of this machine."""
    for kind, target in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("devpts", "/dev/pts")):
        mount(kind, target, kind)
    mount("bpf", "/sys/fs/bpf", "bpf")
    for target in ("/run", "/dev/shm"):
        mount("tmpfs", target, "tmpfs", "mode=0755" if target == "/run" else "mode=1777")
    for name, target in (("fd", "/dev/fd"), ("fd/0", "/dev/stdin"), ("fd/1", "/dev/stdout"), ("fd/2", "/dev/stderr")):
        if not os.path.lexists(target):
            os.symlink(f"/proc/self/{name}", target)
    os.makedirs("/run/lock", exist_ok=True)
    for target, source in boot["mounts"].items():
        mount("none", target, "hostfs", source)
    for target in boot["private"]:
        mount("tmpfs", target, "tmpfs", "mode=0755")


def read_tree(top: str) -> dict[str, tuple[int, bytes]]:
    """Read a small directory of the host: relative path to (mode, content)."""
    found = {}
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, top)] = os.fstat(file.fileno()).st_mode & 0o777, file.read()
    return found


def write_file(path: str, content: bytes, mode: int) -> None:
    """Replace a file in one step (rename over it), so that no reader sees half of it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fresh = f"{path}.lab-{threading.get_ident()}"
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
    os.rename(fresh, path)


def set_sysctls(values: dict[str, str]) -> None:
    for key, value in values.items():
        try:
            with open("/proc/sys/" + key, "w") as file:
                file.write(value)
        except OSError as error:
            print(f"agent: {key} = {value}: {error}", flush=True)


def connect(boot: Json) -> None:
    """Make the machine's interfaces from its wires, by one ``ip -batch``: a fork costs 25 ms here.

    The driver of a wire (vecN) cannot lose its carrier, so what the machine sees is a macvlan on it, in passthru
    mode, which can (``proto_down``); the wire itself is put out of sight, into a network namespace of its own.
    """
    socket.socket(socket.AF_INET6).close()  # IPv6 is a module here, and is there on any other machine
    insert_module("drivers/net/macvlan.ko")
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    _LIBC.unshare(_CLONE_NEWNET)
    hidden = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    _LIBC.setns(home, _CLONE_NEWNET)
    lines = [line.replace("HIDDEN", f"/proc/{os.getpid()}/fd/{hidden}") for line in boot["ip"]]
    result = subprocess.run(
        ["ip", "-force", "-batch", "-"], input="\n".join(lines), text=True, capture_output=True, check=False
    )
    if result.returncode:
        print(f"agent: ip: {result.stderr}", flush=True)
    _LIBC.setns(hidden, _CLONE_NEWNET)
    for name in boot["wires"]:
        bring_up(name)
    _LIBC.setns(home, _CLONE_NEWNET)


def bring_up(interface: str) -> None:
    """Set an interface's IFF_UP and IFF_RUNNING (netdevice(7)), without a fork."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", interface.encode(), _IFF_UP | _IFF_RUNNING))


def boot_machine(boot: Json) -> None:
    """Everything between the kernel's start and a machine that can be commanded."""
    files = read_tree(boot["files"]) if boot["files"] else {}
    enter_root()
    mount_all(boot)
    for name, (mode, content) in files.items():
        write_file(f"/{name}", content, mode)
    with open("/proc/sys/kernel/hostname", "w") as file:
        file.write(boot["hostname"])
    os.environ.clear()
    os.environ.update(boot["environment"])
    connect(boot)
    if boot["watchdog"]:
        add_watchdog(boot["watchdog"])
    set_sysctls(boot["sysctls"])


# Requests


class Agent:
    """Answers requests on the control console until the machine ends."""

    def __init__(self, console: int) -> None:
        self._console = console
        self._writing = threading.Lock()
        self._spawned: dict[str, tuple[subprocess.Popen[bytes], list[str]]] = {}
        self._operations: dict[str, Callable[[Json], object]] = {
            "ping": lambda request: time.clock_gettime(time.CLOCK_BOOTTIME),
            "run": self._run,
            "spawn": self._spawn,
            "spawned": self._find,
            "kill": self._kill,
            "write": self._write,
            "read": self._read,
            "carrier": self._carrier,
            "shell": self._shell,
        }

    def serve(self) -> None:
        with open("/proc/uptime") as file:
            self._say({"hello": float(file.read().split()[0])})
        with open(self._console, encoding="utf-8", closefd=False) as lines:
            pieces: list[str] = []
            for line in lines:
                if line == "\n":
                    continue  # a nudge
                self._say({"got": len(line)})  # there is room for another piece
                pieces.append(line[1:])
                if line.startswith("="):
                    request = json.loads("".join(pieces).replace("\n", ""))
                    pieces.clear()
                    threading.Thread(target=self._answer, args=(request,), daemon=True).start()

    def _say(self, message: Json) -> None:
        data = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        with self._writing:
            while data:
                data = data[os.write(self._console, data) :]

    def _answer(self, request: Json) -> None:
        try:
            answer: Json = {"ok": self._operations[request["op"]](request)}
        except Exception as error:  # whatever went wrong belongs to the one who asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        self._say({"id": request["id"]} | answer)

    def _run(self, request: Json) -> Json:
        """Run a command to its end; at the timeout its whole session is killed and the code is None."""
        process = subprocess.Popen(
            request["argv"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | request["environment"],
            cwd=request["directory"],
            start_new_session=True,
        )
        code: int | None
        try:
            out, err = process.communicate(request["stdin"].encode(), timeout=request["timeout"])
            code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            code = None
        return {"code": code, "out": _text(out), "err": _text(err)}

    def _spawn(self, request: Json) -> int:
        """Start a process that outlives the request; its output is appended to the file ``log``."""
        os.makedirs(os.path.dirname(request["log"]), exist_ok=True)
        with open(request["log"], "ab") as log:
            process = subprocess.Popen(
                request["argv"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | request["environment"],
                cwd=request["directory"],
                start_new_session=True,
            )
        self._spawned[request["label"]] = process, request["argv"]
        threading.Thread(target=process.wait, daemon=True).start()
        return process.pid

    def _find(self, request: Json) -> int | None:
        """The number of the last process spawned with this label, or of what has replaced it, while it runs."""
        if request["label"] not in self._spawned:
            return None
        process, argv = self._spawned[request["label"]]
        return process.pid if process.returncode is None else successor(process.pid, argv)

    def _kill(self, request: Json) -> None:
        os.kill(request["pid"], request["signal"])

    def _write(self, request: Json) -> None:
        write_file(request["path"], base64.b64decode(request["content"]), request["mode"])

    def _read(self, request: Json) -> str:
        with open(request["path"], "rb") as file:
            file.seek(request["offset"])
            return base64.b64encode(file.read(request["size"])).decode()

    def _carrier(self, request: Json) -> None:
        """Take an interface's carrier away, or give it back."""
        with open(f"/sys/class/net/{request['interface']}/proto_down", "w") as file:
            file.write("0" if request["up"] else "1")

    def _shell(self, request: Json) -> int:
        """Give the third console (``/dev/tty2``) a shell and wait for its end."""
        with open("/dev/tty2", "r+b", buffering=0) as console:
            termios.tcsetwinsize(console.fileno(), (request["rows"], request["columns"]))
            process = subprocess.Popen(
                ["setsid", "--ctty", *request["argv"]],
                stdin=console,
                stdout=console,
                stderr=console,
                env=os.environ | request["environment"],
                cwd="/root",
            )
            return process.wait()


def successor(session: int, argv: list[str]) -> int | None:
    """The process with this command line in a session whose first process has ended."""
    command = b"".join(word.encode() + b"\0" for word in argv)
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if file.read() == command and os.getsid(int(name)) == session:
                    return int(name)
        except OSError:
            continue  # it has just ended
    return None


def _text(data: bytes) -> str:
    return data[:OUTPUT_LIMIT].decode(errors="replace")


def open_console() -> int:
    """Open the control console in raw mode: no echo, no line editing, no translated newlines."""
    console = os.open("/dev/tty1", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    mode = termios.tcgetattr(console)
    mode[0] = mode[1] = mode[3] = 0
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    termios.tcsetattr(console, termios.TCSANOW, mode)
    return console


def main(path: str) -> None:
    """Boot by the plan in the file ``path``; then reap orphans, while a child serves."""
    with open(path) as file:
        boot_machine(json.load(file))
    agent = os.fork()
    if agent == 0:
        Agent(open_console()).serve()
        os._exit(0)
    while os.wait()[0] != agent:
        continue
    print("agent: the control console is closed", flush=True)
    os.sync()
    _LIBC.reboot(_POWER_OFF)


if __name__ == "__main__":
    main(sys.argv[1])
