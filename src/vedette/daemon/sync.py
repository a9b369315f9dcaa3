"""An edit on one node reaches all (``specSync``): who runs a newer document is asked for it, and it is tried here.

Level-triggered: every look compares what this node runs with what the others say in their heartbeats. Only a higher
revision is taken, so documents do not go in circles. Two different documents
of one revision are a conflict, which the next edit ends.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from vedette.kit.net import IPAddress
from vedette.kit.units import SECOND, seconds
from vedette.sources import exchange
from vedette.sources.exchange import Received
from vedette.sources.parcel import Contents
from vedette.spec.resolved import ClusterSpec, Key
from vedette.state.placement import Liveness, NodeView, View

LOOK = SECOND
"""Between two looks (ns)."""
AGAIN, LATER = 5, 30
"""Looks before a node is asked again: one that did not answer, and one whose document was not taken. What it lacked,
a key file for instance, may have come meanwhile."""
SHORT = 16
"""Hex digits of a digest that heartbeats carry."""

Take = Callable[[Received, str, str], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Running:
    """What this node runs. ``contents`` None: not known, after a start with the last good version."""

    spec: ClusterSpec
    revision: int
    contents: Contents | None


class Sync:
    """``take`` tries a document here (what came, digest wanted, source) and returns why not, or None."""

    def __init__(
        self, *, node: str, running: Callable[[], Running | None], view: Callable[[], View | None], take: Take
    ) -> None:
        self._node, self._running, self._view, self._take = node, running, view, take
        self._server = exchange.Server(self._offer)
        self._listening: IPAddress | None = None
        self._refused: dict[str, tuple[str, str]] = {}
        self._waiting: dict[tuple[str, str], int] = {}
        self._trouble = ""
        self._unanswered: dict[str, int] = {}
        """How often in a row a node that has a newer document did not hand it over."""

    @property
    def problems(self) -> list[str]:
        """What a person should know: conflicts, refused documents, and that this node cannot hand its own over."""
        running, view = self._running(), self._view()
        if running is None or view is None or not running.spec.spec_sync:
            return []
        found = [self._trouble] if self._trouble else []
        if conflicting := conflicts(running, view):
            names = ", ".join(conflicting)
            found.append(
                f"{names} runs another edit of the same revision {running.revision}: save the right one once more"
            )
        found += [
            f"revision of {node} is not taken: {reason}"
            for node, (digest, reason) in sorted(self._refused.items())
            if any(item.name == node and item.digest[:SHORT] == digest for item in view.nodes)
            and not running.spec.digest.startswith(digest)  # taken from another node since
        ]
        found += [
            f"{node.name} runs the newer revision {node.revision}, and does not hand it over (TCP {exchange.PORT}): "
            "it is asked again"
            for node in (newest(running, view),)
            if node is not None and self._unanswered.get(node.name, 0) > 1
        ]
        return found

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(seconds(LOOK))
        finally:
            self._server.close()

    async def look(self) -> None:
        running, view = self._running(), self._view()
        if running is None or not running.spec.spec_sync:
            self._server.close()
            self._listening = None
            return
        await self._listen(running.spec)
        source = newest(running, view) if view is not None else None
        if source is None or view is None:
            self._waiting.clear()
            return
        wanted = source.name, source.digest[:SHORT]
        looks = self._waiting.get(wanted, 0)
        if looks:
            self._waiting = {wanted: looks - 1}
        else:
            self._waiting = {wanted: AGAIN}
            await self._fetch(running.spec, source, view)

    async def _fetch(self, spec: ClusterSpec, source: NodeView, view: View) -> None:
        address = next((node.address for node in spec.nodes if node.name == source.name), None)
        if address is None:
            return
        digest = source.digest[:SHORT]
        key = _signing(spec.keys, view.keys.signs)
        received = await exchange.fetch(address, name=spec.name, key=key, digest=bytes.fromhex(digest))
        self._unanswered = {} if received is not None else {source.name: self._unanswered.get(source.name, 0) + 1}
        if received is None:
            return
        refusal = await self._take(received, digest, source.name)
        if refusal is None:
            self._refused.pop(source.name, None)
        else:
            self._refused[source.name] = (digest, refusal)
            self._waiting = {(source.name, digest): LATER}

    async def _listen(self, spec: ClusterSpec) -> None:
        address = spec.node(self._node).address
        if address is None or address == self._listening:
            return
        try:
            await self._server.listen(address)
            self._listening, self._trouble = address, ""
        except OSError as error:
            self._trouble = f"cannot hand the document over on {address}: {error.strerror}"

    def _offer(self) -> exchange.Offer | None:
        running = self._running()
        if running is None or running.contents is None or not running.spec.spec_sync:
            return None
        digest = bytes.fromhex(running.spec.digest[:SHORT])
        return exchange.Offer(running.spec.name, running.spec.keys, running.revision, digest, running.contents)


def newest(running: Running, view: View) -> NodeView | None:
    """Who is heard and runs the newest document, if that is newer than ours and another."""
    others = [node for node in _heard(view) if node.revision > running.revision and not _same(node, running.spec)]
    return max(others, key=lambda node: (node.revision, node.name), default=None)


def conflicts(running: Running, view: View) -> list[str]:
    """Who is heard and runs another document of our revision."""
    return [node.name for node in _heard(view) if node.revision == running.revision and not _same(node, running.spec)]


def next_revision(former: int, view: View | None) -> int:
    """The revision of an edit made here: above all that anybody heard runs."""
    return 1 + max([former, *(node.revision for node in _heard(view))] if view is not None else [former])


def _heard(view: View) -> Iterable[NodeView]:
    return [
        node
        for node in view.nodes
        if node.name != view.me and node.liveness in (Liveness.UP, Liveness.LATE) and node.digest.strip("0")
    ]


def _same(node: NodeView, spec: ClusterSpec) -> bool:
    return spec.digest.startswith(node.digest[:SHORT])


def _signing(keys: tuple[Key, ...], signs: str) -> Key:
    """The key that signs heartbeats now: everybody accepts it."""
    return next((key for key in keys if key.id == signs), keys[0])
