"""The sysctls of net.ipv4.vs (Documentation/networking/ipvs-sysctl.rst), and those without which checks through a
service get no answer (ip-sysctl.rst): set where they differ, nothing remembered."""

from collections.abc import Mapping
from pathlib import Path

from vedette.kit.errors import PermanentError

_ROOT = Path("/proc/sys/net/ipv4/vs")
_INTERFACES = Path("/proc/sys/net/ipv4/conf")
_STRICT, _LOOSE = "1", "2"


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


def admit_answers(*, root: Path = _INTERFACES) -> list[str]:
    """Take in packets whose sender is an IPv4 address of this node; returns what was changed.

    The answer to a check through a service comes from a virtual address, which this node has too. Such packets are
    dropped unless ``accept_local`` is set, and by a strict ``rp_filter`` all the same, because the way back to that
    sender leads to ``lo``. A loose one lets them pass. What the kernel goes by is the higher of an interface's value
    and that of ``all``, so a 2 for ``all`` is enough. Raises :class:`PermanentError` for what is kept from us.
    """
    wanted = {"accept_local": "1"}
    if any(_read(path) == _STRICT for path in root.glob("*/rp_filter")):
        wanted["rp_filter"] = _LOOSE
    changed = []
    for name, value in wanted.items():
        path = root / "all" / name
        if _read(path) == value:
            continue
        try:
            path.write_text(value)
        except OSError as error:
            raise PermanentError(f"net.ipv4.conf.all.{name} cannot be set to {value}: {error.strerror}") from error
        changed.append(f"net.ipv4.conf.all.{name}")
    return changed


def _read(path: Path) -> str:
    """A value; empty for an interface that has just gone."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
