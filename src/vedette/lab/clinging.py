"""Connections that stay open: a process inside the client's namespace that holds them, and tells how many still work.

``python -m vedette.lab.clinging`` reads lines of JSON: first ``{"endpoints": [[address, port], …], "number": 20}``,
then ``{}`` each time that somebody wants to know. It answers each with a line. Half of the connections exchange a few
bytes all the time; the others have done so once, at the beginning, and do it again only when somebody asks. It ends
with its standard input.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

from vedette.kit import privileges
from vedette.kit.units import MILLISECOND, SECOND, seconds

PERIOD = 400 * MILLISECOND
"""Between two exchanges on an active connection (ns)."""
PATIENCE = 8 * SECOND
"""An exchange that takes longer has failed (ns): TCP has sent everything again five times by then."""
_WORD = b"still there?\n"


@dataclass(slots=True)
class Connection:
    """``broken``: why it does not work any more, "" while it does. ``stall``: the longest exchange so far (ns)."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    broken: str = ""
    stall: int = 0

    async def exchange(self) -> None:
        if self.broken:
            return
        begun = time.monotonic_ns()
        try:
            async with asyncio.timeout(seconds(PATIENCE)):
                self.writer.write(_WORD)
                await self.writer.drain()
                answer = await self.reader.readline()
            self.broken = "" if answer.endswith(_WORD) else "closed"
        except TimeoutError:
            self.broken = "silent"
        except OSError as error:
            self.broken = str(error.strerror or error)
        self.stall = max(self.stall, time.monotonic_ns() - begun)


@dataclass(slots=True)
class Bundle:
    """The connections through one endpoint."""

    active: list[Connection]
    idle: list[Connection]

    async def talk(self) -> None:
        while True:
            await asyncio.gather(*(connection.exchange() for connection in self.active))
            await asyncio.sleep(seconds(PERIOD))

    async def tell(self) -> dict[str, Any]:
        """Try every idle connection once, and forget the stalls."""
        await asyncio.gather(*(connection.exchange() for connection in self.idle))
        stall = max((connection.stall for connection in self.active), default=0)
        for connection in self.active:
            connection.stall = 0
        return {
            "active": sum(not connection.broken for connection in self.active),
            "idle": sum(not connection.broken for connection in self.idle),
            "stall": stall,
            "why": sorted({connection.broken for connection in self.active + self.idle} - {""}),
        }


async def _open(address: str, port: int, number: int) -> Bundle:
    found = []
    for _ in range(2 * number):
        async with asyncio.timeout(seconds(PATIENCE)):
            found.append(Connection(*await asyncio.open_connection(address, port)))
    bundle = Bundle(found[:number], found[number:])
    await asyncio.gather(*(connection.exchange() for connection in found))
    return bundle


async def _main() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    plan = json.loads(await reader.readline())
    try:
        bundles = [await _open(address, port, plan["number"]) for address, port in plan["endpoints"]]
    except (OSError, TimeoutError) as error:
        print(json.dumps({"error": f"a connection cannot be opened: {error or 'no answer'}"}), flush=True)
        return
    talking = [asyncio.ensure_future(bundle.talk()) for bundle in bundles]
    print(json.dumps({}), flush=True)
    while await reader.readline():
        told = await asyncio.gather(*(bundle.tell() for bundle in bundles))
        print(json.dumps({"endpoints": told}), flush=True)
    for task in talking:
        task.cancel()


if __name__ == "__main__":
    privileges.die_with_parent(os.getppid())
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
