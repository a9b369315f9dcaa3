"""Which version of the document runs here, and how another takes its place.

It comes from the file or from another node, and is read, offered to the keeper, which may refuse it, applied, and then
written down as the last good one. A faulty document changes nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from vedette.daemon.documents import Archive, Reader, Reading, Version
from vedette.daemon.incoming import Incoming
from vedette.daemon.keeper_link import KeeperLink
from vedette.daemon.sync import Running, next_revision
from vedette.kit import clock, log, plain
from vedette.sources import file
from vedette.sources.exchange import Received
from vedette.sources.parcel import Contents
from vedette.spec.resolved import ClusterSpec

logger = logging.getLogger("vedette.director")

_PUT_BACK = (
    "holds an older document than revision {}; it was put back while the daemon was not running, and is not sent to "
    "the others (to return to it, save it with any change)"
)


class Versions:
    """``apply`` is called with every document that is to run, ``leave_alone`` when the keeper says whether to touch
    nothing; what ``quiet`` waits for comes before writing a version down."""

    def __init__(
        self,
        *,
        path: Path,
        node: str,
        state_dir: Path,
        keeper: KeeperLink,
        apply: Callable[[ClusterSpec], None],
        leave_alone: Callable[[bool], None],
        quiet: Callable[[], Awaitable[None]],
    ) -> None:
        self._path, self._node, self._keeper = path, node, keeper
        self._run, self._leave_alone, self._quiet = apply, leave_alone, quiet
        self._archive = Archive(state_dir)
        self._reader = Reader(path)
        self._unkept = asyncio.Event()
        self._incoming = Incoming(path, state_dir)
        self._contents: Contents | None = None
        self._companions: tuple[Path, ...] = ()
        self._deciding = asyncio.Lock()
        self.current: Version | None = None
        self.applied = 0
        """Since when it runs (boottime, ns)."""
        self.errors: tuple[str, ...] = ()
        """What is wrong with the document in the file."""

    @property
    def spec(self) -> ClusterSpec | None:
        """What runs."""
        return self.current.spec if self.current is not None else None

    @property
    def running(self) -> Running | None:
        """What runs, with its text and files."""
        version = self.current
        return Running(version.spec, version.revision, self._contents) if version is not None else None

    async def follow(self) -> None:
        """Take what the file holds, now and after every change, until cancelled."""
        await self._finish()
        async for content in file.versions(self._path, lambda: self._companions):
            async with self._deciding:
                if await self._finish() or await asyncio.to_thread(self._overtaken, content):
                    continue
                reading = await asyncio.to_thread(self._reader.read, content)
                self._companions = reading.companions
                if isinstance(reading.outcome, ClusterSpec):
                    await self._propose(reading.outcome, _contents(content, reading))
                else:
                    await self._reject(reading.outcome)

    async def take(self, received: Received, digest: str, source: str) -> str | None:
        """Try a document that came from another node: valid here, agreed to, written down, and only then run.

        Unless it is in the file, the next start would take the file for an edit. What was there stays beside it.
        Returns why it was not taken, or None.
        """
        contents, revision = received.contents, received.revision
        async with self._deciding:
            if self.current is None or revision <= self.current.revision:
                return "it is not newer than what runs here"
            reading = await asyncio.to_thread(self._reader.read, contents.text, contents.files)
            outcome, contents = reading.outcome, replace(contents, files=reading.carried)
            if not isinstance(outcome, ClusterSpec):
                return outcome[0]
            if outcome.name != self.current.spec.name or not outcome.digest.startswith(digest):
                return "it is not the document that was asked for"
            named = self._contents.files if self._contents is not None else ()
            if trouble := await asyncio.to_thread(self._incoming.stage, contents, named=named):
                return trouble  # before the keeper runs any of it
            if refusal := await self._offer(Version(revision=revision, spec=outcome)):
                await asyncio.to_thread(self._incoming.forget)
                return refusal
            if trouble := await asyncio.to_thread(self._incoming.commit):
                await self._offer(self.current)
                return trouble
            log.event(logger, logging.WARNING, "document.received", node=source, revision=revision, digest=digest)
            self.errors, self._contents, self._companions = (), contents, reading.companions
            self._apply(Version(revision=revision, spec=outcome))
            self._unkept.set()
        return None

    async def keep(self) -> None:
        """Write each last good version down, behind the kernel's table: that comes first, and takes the processor."""
        while True:
            await self._unkept.wait()
            await self._quiet()
            self._unkept.clear()
            assert self.current is not None
            await asyncio.to_thread(self._write, self.current)

    def close(self) -> None:
        """Write down what has not been yet."""
        if self._unkept.is_set() and self.current is not None:
            self._write(self.current)

    async def _finish(self) -> bool:
        """Finish writing what came from another node, where that was interrupted; whether there was anything."""
        try:
            return await asyncio.to_thread(self._incoming.finish)
        except OSError as error:
            reason = f"what came from another node cannot be wholly written: {error.strerror}"
            await self._reject((f"{self._path}: {reason}",))
            return True

    def _overtaken(self, content: bytes | OSError) -> bool:
        """Whether the document that runs has taken this one's place since it was read.

        It came from another node: with the files that came with it, this one would be half of two documents.
        """
        running = self._contents
        return running is not None and content != running.text and _present(self._path) == running.text

    async def _propose(self, spec: ClusterSpec, contents: Contents | None) -> None:
        """Offer a valid document to the keeper and apply it when it agrees."""
        names = [node.name for node in spec.nodes]
        if self._node not in names:
            await self._leave(names)
            return
        version = await self._number(spec)
        if version is None:
            return
        if self.current is not None and _is_same_cluster(self.current.spec, spec):
            self._accept(version, contents)  # nothing in it that the keeper could refuse: it hears of it afterwards
        if refusal := await self._offer(version):
            await self._reject((f"{self._path}: {refusal}",))
            return
        self._accept(version, contents)

    def _accept(self, version: Version, contents: Contents | None) -> None:
        self.errors, self._contents = (), contents
        if self.current is None or self.current.spec != version.spec:
            self._apply(version)
            self._unkept.set()

    async def _number(self, spec: ClusterSpec) -> Version | None:
        """Make a version of it: that of before, or an edit. None where a document of old was put back.

        A start that finds one in the file must not take it for an edit: the others would get that.
        """
        if self.current is not None:
            revision, digest = self.current.revision, self.current.spec.digest
        else:
            kept = await asyncio.to_thread(self._archive.glance)
            if kept is not None and kept.travels and spec.digest in kept.superseded:
                await self._reject((f"{self._path}: {_PUT_BACK.format(kept.revision)}",))
                return None
            revision, digest = (kept.revision, kept.digest) if kept is not None else (0, "")
        if digest == spec.digest:
            return Version(revision, spec)
        # An edit made here; where documents travel its number is above all that anybody heard runs.
        return Version(next_revision(revision, self._keeper.view) if spec.spec_sync else revision + 1, spec)

    async def _leave(self, names: Sequence[str]) -> None:
        """The document does not have this node (any more): hold nothing, and do not begin with an older document."""
        self._keeper.tell({"listed": False})
        await self._reject(
            (
                f"{self._path}: this node, {self._node}, is not among its nodes ({', '.join(names)}): it hands "
                "over what it holds, and takes nothing (see vedette run --node if its name is another)",
            ),
            go_on=False,
        )

    async def _offer(self, version: Version) -> str | None:
        """Ask the keeper to run the cluster's part; returns why it refuses, or None."""
        cluster_part = plain.dump(replace(version.spec, virtual_services=()))
        reply = await self._keeper.ask({"spec": cluster_part, "revision": version.revision})
        if "leftAlone" in reply:
            self._leave_alone(reply["leftAlone"])
        return reply.get("error")

    async def _reject(self, problems: tuple[str, ...], *, go_on: bool = True) -> None:
        """Show what is wrong; what runs goes on. At start, ``go_on`` with the last good version of an earlier run."""
        if problems != self.errors:
            log.event(
                logger, logging.ERROR, "document.refused", file=self._path, problems=len(problems), first=problems[0]
            )
        self.errors = problems
        if self.current is not None or not go_on:
            return
        kept = await asyncio.to_thread(self._archive.read)
        if kept is not None and not await self._offer(kept):
            log.event(logger, logging.WARNING, "document.last_good", revision=kept.revision, digest=kept.spec.digest)
            self._apply(kept)

    def _apply(self, version: Version) -> None:
        log.event(logger, logging.INFO, "document.applied", revision=version.revision, digest=version.spec.digest)
        self.current, self.applied = version, clock.boottime()
        self._run(version.spec)

    def _write(self, version: Version) -> None:
        """A full disk costs no service, only this safety."""
        try:
            self._archive.write(version)
        except OSError as error:
            log.event(logger, logging.ERROR, "document.not_kept", reason=error.strerror)


def _present(path: Path) -> bytes | None:
    """What the file holds now, None where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def _contents(content: bytes | OSError, reading: Reading) -> Contents | None:
    """What may be handed over to others."""
    return Contents(content, reading.carried) if isinstance(content, bytes) else None


def _is_same_cluster(one: ClusterSpec, other: ClusterSpec) -> bool:
    """Whether they differ at most in what the keeper does not see."""
    return replace(one, virtual_services=(), digest="") == replace(other, virtual_services=(), digest="")
