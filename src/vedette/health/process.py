"""The checker process: ``python -m vedette.health.process FD``, started by :mod:`vedette.health.client`.

It lives alone so that thousands of checks, a costly pattern or a hostile answer delay neither a heartbeat nor the
programming of IPVS. It keeps no privilege: what it needs to connect, every user may do.
"""

import asyncio
import contextlib
import gc

from vedette.health import body, messages
from vedette.health.engine import Engine
from vedette.kit import privileges
from vedette.kit.channel import Message
from vedette.kit.child import Parent, serve
from vedette.state.health import Target, Verdicts


class Checker:
    """Translates between the numbers of the director and the targets of the engine."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._engine = Engine(report=self._report)
        self._targets: dict[int, Target] = {}
        self._numbers: dict[Target, int] = {}

    def receive(self, message: Message) -> None:
        """Take an assignment."""
        assignment = messages.read_assignment(message)
        for number in assignment.remove:
            del self._numbers[self._targets.pop(number)]
        for number, (target, _) in assignment.add.items():
            self._targets[number] = target
            self._numbers[target] = number
        self._engine.apply(self._numbers.keys(), dict(assignment.add.values()))
        gc.freeze()
        self._report({})  # says that the checks have begun

    def close(self) -> None:
        """End all checks."""
        self._engine.close()

    def _report(self, verdicts: Verdicts) -> None:
        found = [(self._numbers[target], verdict) for target, verdict in verdicts.items()]
        if not self._parent.send(messages.write_verdicts(found)):
            # A change that is lost would be lost for good; a successor starts from what the director knows.
            raise SystemExit("the director does not take verdicts")


async def main(parent: Parent) -> None:
    """Check until the director goes away."""
    privileges.allow_many_descriptors()  # with hung servers, all checks may be under way at once
    with body.limited_searches(), contextlib.closing(Checker(parent)) as checker:
        await parent.open(checker.receive)
        privileges.keep_capabilities(())
        await asyncio.Event().wait()


if __name__ == "__main__":
    serve(main)
