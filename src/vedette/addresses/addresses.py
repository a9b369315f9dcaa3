"""The addresses of the groups that this node holds: the face that the keeper sees."""

from collections.abc import Callable, Sequence
from pathlib import Path

from vedette.addresses.model import AddressEvent, AddressStatus
from vedette.spec.resolved import Group, Node


class Addresses:
    """Holds and releases groups in the kernel, and keeps it that way.

    Call from one asyncio loop. ``report`` is called from that loop, never from inside a call of yours. All
    instants are CLOCK_BOOTTIME nanoseconds; :data:`vedette.addresses.model.FOREVER` is a deadline that never comes.
    """

    def __init__(self, *, run_dir: Path, report: Callable[[AddressEvent], None]) -> None:
        self._run_dir, self._report = run_dir, report

    async def start(self) -> None:
        """Listen to the kernel. Changes nothing: what an earlier daemon left is adopted by :meth:`configure`."""

    async def stop(self) -> None:
        """Stop listening and leave the kernel as it is: held addresses answer until their deadline."""

    def configure(self, groups: Sequence[Group], node: Node, *, director: bool) -> None:
        """Take the document's groups as wanted. Idempotent; touches only what differs.

        Addresses of groups that vanished are closed, then removed. What the kernel still answers for (see
        :meth:`held`) stays until its deadline unless :meth:`hold` or :meth:`release` says otherwise.
        """

    def held(self) -> frozenset[str]:
        """The groups whose addresses are all on their interfaces, with a gate deadline in the future."""
        return frozenset()

    def carrier(self, group: str) -> bool:
        """Whether every interface of the group's addresses is there, up, and has a carrier."""
        return False

    def hold(self, group: str, deadline: int) -> None:
        """Answer for the group until ``deadline``. A renewal is one 8-byte store.

        The first call opens the gate at once; the addresses go on and are announced in the same turn of the loop.
        """

    def release(self, group: str, *, lame_duck: int = 0) -> None:
        """Stop answering at once; reports ``Emptied(group)`` when the kernel has confirmed the removal.

        For ``lame_duck`` ns, but not beyond the old deadline, packets that stale neighbours still send are forwarded.
        """

    def status(self) -> tuple[AddressStatus, ...]:
        """Every VIP of the document on this node, in the document's order."""
        return ()
