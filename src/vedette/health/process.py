"""The checker process: ``python -m vedette.health.process FD``, started by :mod:`vedette.health.client`.

It lives alone so that thousands of checks, a costly pattern or a hostile answer delay neither a heartbeat nor the
programming of IPVS. What it needs to connect, every user may do; the sockets to ping with are opened before it gives
up its privileges. Only for a document with firewall marks on checks it keeps one, CAP_NET_RAW, with which Linux from
5.17 on lets a process mark its packets. When such a document comes later, the process ends and is started again.
"""

import asyncio
import contextlib
import gc
from collections.abc import Iterable

from vedette.health import body, messages, ping
from vedette.health.attempt import Prepare
from vedette.health.engine import Engine, prepare
from vedette.kit import privileges
from vedette.kit.channel import Message
from vedette.kit.child import Parent, serve
from vedette.state.health import Target, Verdicts


class Checker:
    """Translates between the numbers of the director and the targets of the engine."""

    def __init__(self, parent: Parent, prepare: Prepare = prepare) -> None:
        self._parent = parent
        self._engine = Engine(report=self._report, prepare=prepare)
        self._targets: dict[int, Target] = {}
        self._numbers: dict[Target, int] = {}

    def receive(self, message: Message) -> None:
        """Take an assignment."""
        assignment = messages.read_assignment(message)
        self.admit(target for target, _ in assignment.add.values())
        for number in assignment.remove:
            del self._numbers[self._targets.pop(number)]
        for number, (target, _) in assignment.add.items():
            self._targets[number] = target
            self._numbers[target] = number
        self._engine.apply(self._numbers.keys(), dict(assignment.add.values()))
        gc.freeze()
        self._report({})  # says that the checks have begun

    def admit(self, added: Iterable[Target]) -> None:
        """Prepare this process for more targets; here there is nothing to prepare."""

    def close(self) -> None:
        """End all checks."""
        self._engine.close()

    def _report(self, verdicts: Verdicts) -> None:
        found = [(self._numbers[target], verdict) for target, verdict in verdicts.items()]
        if not self._parent.send(messages.write_verdicts(found)):
            # A change that is lost would be lost for good; a successor starts from what the director knows.
            raise SystemExit("the director does not take verdicts")


class MarkingChecker(Checker):
    """Keeps for good the privileges that the first targets need, and no other."""

    def __init__(self, parent: Parent, prepare: Prepare = prepare) -> None:
        super().__init__(parent, prepare)
        self._marks: bool | None = None

    def admit(self, added: Iterable[Target]) -> None:
        marks = any(target.mark for target in added)
        if self._marks is None:
            self._marks = marks
            privileges.keep_capabilities((privileges.CAP_NET_RAW,) if marks else ())
        elif marks and not self._marks:
            raise SystemExit("it needs the privilege to mark packets, which it had given up")


async def main(parent: Parent) -> None:
    """Check until the director goes away."""
    privileges.allow_many_descriptors()  # with hung servers, all checks may be under way at once
    privileges.leave_no_core()  # passwords are in here
    ping.echoes.open()
    privileges.keep_capabilities((privileges.CAP_NET_RAW,))
    with body.limited_searches(), contextlib.closing(MarkingChecker(parent)) as checker:
        await parent.open(checker.receive)
        await asyncio.Event().wait()


if __name__ == "__main__":
    serve(main)
