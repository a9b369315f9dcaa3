"""The director process: document, real servers, IPVS table, sorry pages, status socket.

It is a child of the keeper and holds no promise: when it dies, addresses and table stay as they are, and the next
one adopts them. The keeper hears of a new document first, because it may refuse it.
"""

import asyncio
import contextlib
from pathlib import Path

from vedette.api import control
from vedette.daemon.answers import Answers
from vedette.daemon.balancing import Balancing
from vedette.daemon.keeper_link import KeeperLink
from vedette.daemon.sync import Sync
from vedette.daemon.versions import Versions
from vedette.kit import log, privileges
from vedette.kit.child import Parent, serve


class Director:
    """Composes the parts of this process; ``run`` lasts as long as the keeper lives."""

    def __init__(self, *, parent: Parent, path: Path, node: str, run_dir: Path, state_dir: Path) -> None:
        self._run_dir = run_dir
        self._keeper = KeeperLink(parent, self._heard)
        self._balancing = Balancing(node=node, run_dir=run_dir, state_dir=state_dir, keeper=self._keeper)
        self._versions = Versions(
            path=path,
            node=node,
            state_dir=state_dir,
            keeper=self._keeper,
            apply=self._balancing.apply,
            leave_alone=self._balancing.leave_alone,
            quiet=self._balancing.quiet,
        )
        self._sync = Sync(
            node=node,
            running=lambda: self._versions.running,
            view=lambda: self._keeper.view,
            take=self._versions.take,
        )
        self._answers = Answers(
            path=path,
            node=node,
            state_dir=state_dir,
            keeper=self._keeper,
            versions=self._versions,
            sync=self._sync,
            balancing=self._balancing,
        )

    async def run(self) -> None:
        await self._keeper.open()
        server = await control.serve(self._run_dir, self._answers.answer)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._versions.follow())
                tasks.create_task(self._balancing.run())
                tasks.create_task(self._sync.run())
                tasks.create_task(self._versions.keep())
        finally:
            server.close()
            self._versions.close()

    def _heard(self) -> None:
        self._balancing.hear()
        self._balancing.leave_alone(self._keeper.said["leftAlone"])


async def _main(parent: Parent) -> None:
    privileges.leave_no_core()
    path, node, run_dir, state_dir, level = parent.arguments
    log.configure(level.upper())
    director = Director(parent=parent, path=Path(path), node=node, run_dir=Path(run_dir), state_dir=Path(state_dir))
    with contextlib.suppress(asyncio.CancelledError):
        await director.run()


if __name__ == "__main__":
    serve(_main)
