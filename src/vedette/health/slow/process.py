"""The process of the slow lane: ``python -m vedette.health.slow.process FD [programs]``, see lanes.py.

The engine, the schedule and the judge are those of the fast lane; only what carries a check out differs. It lives
alone because libraries may block, leak and hang: nothing of that reaches a TCP or HTTP check, let alone a heartbeat.

With the argument ``programs`` it is the lane for programs: it keeps the capabilities to start them as another user and
to kill them, and reads no stranger's answers.
"""

import contextlib

from vedette.health import body
from vedette.health.process import Checker, MarkingChecker
from vedette.health.slow import kinds, orphans, upkeep
from vedette.kit import privileges
from vedette.kit.child import Parent, serve

_FOR_PROGRAMS = (privileges.CAP_KILL, privileges.CAP_SETGID, privileges.CAP_SETUID)


async def main(parent: Parent) -> None:
    """Check until the director goes away."""
    privileges.leave_no_core()  # passwords are in here
    with body.limited_searches(), contextlib.closing(_checker(parent)) as checker:
        await parent.open(checker.receive)
        await upkeep.watch()


def _checker(parent: Parent) -> Checker:
    """The checker of this lane, with what it needs and no more."""
    if "programs" in parent.arguments:
        privileges.keep_capabilities(_FOR_PROGRAMS)
        orphans.adopt()
        return Checker(parent, kinds.prepare)
    privileges.allow_many_descriptors()  # not above: programs would inherit the limit, and some close all they may have
    privileges.keep_capabilities((privileges.CAP_NET_RAW,))
    return MarkingChecker(parent, kinds.prepare)


if __name__ == "__main__":
    serve(main)
