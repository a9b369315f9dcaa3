"""The process of the slow lane: ``python -m vedette.health.slow.process FD``, started by :mod:`vedette.health.lanes`.

The engine, the schedule and the judge are those of the fast lane; only what carries a check out differs. It lives
alone because libraries may block, leak and hang: nothing of that reaches a TCP or HTTP check, let alone a heartbeat.
"""

import contextlib

from vedette.health import body
from vedette.health.process import Checker
from vedette.health.slow import kinds, upkeep
from vedette.kit import privileges
from vedette.kit.child import Parent, serve


async def main(parent: Parent) -> None:
    """Check until the director goes away."""
    privileges.leave_no_core()  # passwords are in here
    privileges.allow_many_descriptors()
    body.limit_searches()
    with contextlib.closing(Checker(parent, kinds.prepare)) as checker:
        await parent.open(checker.receive)
        privileges.keep_capabilities(())
        await upkeep.watch()


if __name__ == "__main__":
    serve(main)
