"""What an errno of the kernel means for an action, and what a person can do about it (ip_vs_ctl.c).

========  ============================================  ==================================================
errno     on a service                                  on a destination
========  ============================================  ==================================================
EEXIST    it is there                                   it is there
ESRCH     it is not there                               its service is not there
ENOENT    no such scheduler or persistence engine       it is not there
EINVAL    a netmask or flag that this kernel refuses    not a unicast address, or ``lo`` is down
========  ============================================  ==================================================
"""

import errno
import os

from vedette.ipvs.model import DestinationId, Settings
from vedette.ipvs.plan import Action
from vedette.kit.units import SECOND
from vedette.reconcile.outcome import Done, Outcome, RetryAfter, Stalled
from vedette.reconcile.plan import Create, Delete, Update

_ABSENT = (errno.ENOENT, errno.ESRCH)
NOT_PERMITTED = "the kernel does not permit it: run as root, or with CAP_NET_ADMIN"


def judge(action: Action, code: int) -> Outcome:
    """What becomes of an action that the kernel refused with errno ``code``."""
    match action:
        case Delete() if code in _ABSENT:
            return Done()
        case Create(item=Settings() as settings) | Update(after=Settings() as settings) if code == errno.ENOENT:
            return Stalled(_unknown_module(settings))
    match code:
        case errno.EPERM:
            return Stalled(NOT_PERMITTED)
        case errno.EEXIST | errno.ENOENT | errno.ESRCH:
            return RetryAfter(0, "somebody else changes the table at the same time")
        case errno.EINVAL if isinstance(action.key, DestinationId):
            where = action.key.destination
            return RetryAfter(
                SECOND,
                f"the kernel refuses {where}: {_unacceptable(action.key)}",
            )
    return RetryAfter(SECOND, f"the kernel refuses {action.key}: {os.strerror(code)}")


def _unacceptable(name: DestinationId) -> str:
    if name.service.version != name.destination.address.version:
        return "of the other address family, which takes a tunnel, and no sync daemon (ipvsadm --stop-daemon)"
    return "not a unicast address, or lo is down"


def _unknown_module(settings: Settings) -> str:
    module = f"ip_vs_{settings.scheduler}"
    engine = (
        f", or no persistence engine {settings.engine} (module ip_vs_pe_{settings.engine})" if settings.engine else ""
    )
    return f"the kernel has no scheduler {settings.scheduler} (module {module}: modprobe {module}){engine}"
