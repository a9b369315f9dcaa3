"""Tell the service manager how we are: the datagrams of sd_notify(3), without libsystemd."""

import os
import socket

READY = "READY=1"
RELOADING = "RELOADING=1"
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"


def notify(*lines: str) -> bool:
    """Send lines such as :data:`READY` and :func:`status`; False when nobody asked to be told, or is not there.

    A service manager that does not listen must not stop a director, so errors are not raised; the call never blocks.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # the abstract name space (unix(7))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as end:
        try:
            end.sendto("\n".join(lines).encode(), address)
        except OSError:
            return False
    return True


def status(text: str) -> str:
    """One line for ``systemctl status``."""
    return "STATUS=" + " ".join(text.split())


def watchdog_interval() -> int:
    """Nanoseconds within which the manager wants :data:`WATCHDOG`, 0 when it does not (sd_watchdog_enabled(3))."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    return int(os.environ.get("WATCHDOG_USEC", "0")) * 1_000
