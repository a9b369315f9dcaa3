"""This process's terminal as the terminal of a machine."""

import os
import select
import socket
import sys
import termios
import tty

_CHUNK = 4096
_LAST_WORDS = 0.1
"""Seconds to wait for output behind the end of the shell."""


def size() -> tuple[int, int]:
    """Rows and columns of this terminal."""
    found = os.get_terminal_size(sys.stdin.fileno())
    return found.lines, found.columns


def join(terminal: int, ended: socket.socket) -> None:
    """Pass keys and output to and fro until ``ended`` becomes readable: the shell is over then."""
    keys, screen = sys.stdin.fileno(), sys.stdout.fileno()
    before = termios.tcgetattr(keys)
    tty.setraw(keys)
    try:
        while True:
            ready, _, _ = select.select([keys, terminal, ended], [], [])
            if keys in ready:
                os.write(terminal, os.read(keys, _CHUNK))
            if terminal in ready:
                os.write(screen, os.read(terminal, _CHUNK))
            if ended in ready:
                break
        while select.select([terminal], [], [], _LAST_WORDS)[0]:
            os.write(screen, os.read(terminal, _CHUNK))
    except OSError:
        pass  # the machine lost its power: its terminal went with it
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)
