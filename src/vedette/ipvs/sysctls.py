"""The sysctls of net.ipv4.vs (Documentation/networking/ipvs-sysctl.rst): set where they differ, nothing remembered."""

from collections.abc import Mapping
from pathlib import Path

from vedette.kit.errors import PermanentError

_ROOT = Path("/proc/sys/net/ipv4/vs")


def apply(sysctls: Mapping[str, int], *, root: Path = _ROOT) -> list[str]:
    """Set what differs; returns what was changed.

    Raises :class:`PermanentError`, when all others are set, for those that this kernel lacks or keeps from us.
    """
    changed = []
    refused = []
    for name, value in sysctls.items():
        path = root / name
        try:
            if int(path.read_text()) != value:
                path.write_text(str(value))
                changed.append(f"net.ipv4.vs.{name}")
        except FileNotFoundError:
            refused.append(f"this kernel has no net.ipv4.vs.{name}")
        except OSError as error:
            refused.append(f"net.ipv4.vs.{name} cannot be set: {error.strerror}")
    if refused:
        raise PermanentError("; ".join(refused))
    return changed
