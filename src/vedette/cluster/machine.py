"""The cluster core of one node, put together: events and the time in, one :class:`Ready` out."""

from vedette.cluster.config import CoreConfig, Random
from vedette.cluster.events import Event, Ready
from vedette.spec.resolved import Key
from vedette.state.placement import View


class Machine:
    """A node's part in the cluster. It does no I/O, reads no clock and keeps no timer.

    ``durable`` and ``volatile`` are the contents of the state files (/var/lib, /run) as the last ``Ready`` that
    carried them said, or ``None``; ``held`` are the groups that the kernel shows as held. Call :meth:`start` once,
    perform its ``Ready``, then :meth:`handle` for every event.
    """

    def __init__(
        self,
        *,
        config: CoreConfig,
        me: str,
        keys: tuple[Key, ...],
        boot_id: str,
        durable: bytes | None,
        volatile: bytes | None,
        held: frozenset[str],
        now: int,
        random: Random,
    ) -> None:
        self.config, self.me = config, me
        self._keys, self._boot_id, self._random = keys, boot_id, random
        self._held = held

    def start(self, now: int) -> Ready:
        """Begin: what may be adopted is, what may not is released, and the first heartbeat goes out."""
        return Ready(wake_at=now + self.config.timings.interval)

    def handle(self, event: Event, now: int) -> Ready:
        """Take in one event at ``now``, which was read after the event came."""
        return Ready(wake_at=now + self.config.timings.interval)

    def view(self, now: int) -> View:
        """What this node knows, for status and for the reconcilers."""
        return View(me=self.me, now=now, quorum=False, nodes=(), leases=())
