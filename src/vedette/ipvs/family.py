"""The door to the kernel's IPVS: a socket and the family's id, and its module loaded where it is missing."""

import subprocess

from vedette.ipvs import codec
from vedette.kit.errors import PermanentError
from vedette.kit.netlink import GENERIC, Requests, generic_family


def open_family() -> tuple[Requests, int]:
    """A fresh socket and the family's id; raises ``OSError``, and :class:`PermanentError` where there is no IPVS."""
    requests = Requests(GENERIC)
    try:
        return requests, _family(requests)
    except BaseException:
        requests.close()
        raise


def load(module: str) -> bool:
    """Load a kernel module; whether that worked. The kernel tries by itself, but not where its modprobe is unset."""
    try:
        return subprocess.run(["modprobe", "-q", "--", module], check=False, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _family(requests: Requests) -> int:
    """The family's id; when there is none, the module is loaded first."""
    try:
        return generic_family(requests, codec.FAMILY)
    except PermanentError:
        load("ip_vs")
    try:
        return generic_family(requests, codec.FAMILY)
    except PermanentError as error:
        raise PermanentError("this kernel has no IPVS, and modprobe ip_vs does not load it") from error
