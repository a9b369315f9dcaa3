"""The fencer process: ``python -m vedette.fencing.process FD RUN_DIR STATE_DIR``, started by the keeper.

It is the only process that uses the devices' secrets, and it lives alone because libraries and agents that talk to
devices may be slow, hang or crash. Its death costs nothing: the next one is told the document and what is wanted.
"""

import asyncio
import contextlib
from pathlib import Path

from vedette.fencing import drivers
from vedette.fencing.fencer import Fencer
from vedette.fencing.ways import Build
from vedette.kit import privileges
from vedette.kit.child import Parent, serve


async def fence(parent: Parent, build: Build) -> None:
    """Fence with the drivers that ``build`` makes, until the keeper goes away."""
    run_dir, state_dir = map(Path, parent.arguments)
    privileges.leave_no_core()
    privileges.keep_capabilities(())  # no program that it starts has any either
    async with asyncio.TaskGroup() as tasks:
        fencer = Fencer(tasks, send=parent.send, build=build, run_dir=run_dir, state_dir=state_dir)
        with contextlib.closing(fencer):
            await parent.open(fencer.receive)
            await asyncio.Event().wait()


async def main(parent: Parent) -> None:
    """Fence with the devices of the document."""
    await fence(parent, drivers.build)


if __name__ == "__main__":
    serve(main)
