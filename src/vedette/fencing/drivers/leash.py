"""One program on a leash: ``python -I -S leash.py FD PROGRAM ARGUMENT...``, started by :mod:`.program`.

The leash is a pipe that nobody writes to. When its other end is closed, because nobody waits any more or because the
process that waited was killed, the program ends, and all that it has started, in whatever session that is. The same
befalls what it leaves behind when it ends by itself. A fence agent must not go on switching for nobody.

It needs nothing but the standard library, and loads little of that: one of these runs for each question to a device.
"""

import ctypes
import os
import select
import signal
import sys
import time

CANNOT_START = 127
"""Exit status where the program cannot be started; a program that a signal ended gives 128 and the signal (sh(1))."""
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PAUSE, _TRIES = 0.005, 400
"""Between two looks for what is left (s), and how often: a process that hangs in the kernel outlives its killing."""


def main(arguments: list[str]) -> int:
    """Run the program; returns the exit status that is ours."""
    leash, command = int(arguments[0]), arguments[1:]
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans come to us, and not to init
    os.set_inheritable(leash, False)
    waiting = select.poll()
    waiting.register(leash, select.POLLIN)
    if waiting.poll(0):
        return CANNOT_START
    keeper, program = os.getpid(), os.fork()
    if program == 0:
        _become(command, libc, keeper)
    with open(os.devnull, "r+b") as nothing:
        for stream in (0, 1, 2):  # the pipes are the program's
            os.dup2(nothing.fileno(), stream)
    ended = os.pidfd_open(program)
    waiting.register(ended, select.POLLIN)
    waiting.poll()
    _kill(program)
    _, status = os.waitpid(program, 0)
    _end_all()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become(command: list[str], libc: ctypes.CDLL, keeper: int) -> None:
    """Be the program, in a session of its own; killed by the kernel should its keeper be."""
    try:
        os.setsid()
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == keeper:
            os.execv(command[0], command)  # noqa: S606 (no shell is what we want)
    except OSError as error:
        os.write(2, f"{command[0]} cannot be started: {os.strerror(error.errno or 0)}\n".encode())
    finally:
        os._exit(CANNOT_START)


def _kill(program: int) -> None:
    """Kill the program and its group at once, so that they start nothing more; :func:`_end_all` finds the others.

    By its own number as well: it may not have got as far as to have a group.
    """
    for kill in (os.kill, os.killpg):
        try:  # noqa: SIM105 (contextlib takes longer to load than all the rest)
            kill(program, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _end_all() -> None:
    """Kill our children until there are none: theirs become ours when they end."""
    for _ in range(_TRIES):
        for child in _children():
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(_PAUSE)


def _children() -> list[int]:
    """Our children, by the parents that all processes have (proc(5))."""
    found, me = [], str(os.getpid())
    for name in os.listdir("/proc"):  # noqa: PTH208 (so does pathlib)
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", errors="replace") as file:
                state, parent = file.read().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if parent == me and state != "Z":
            found.append(int(name))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
