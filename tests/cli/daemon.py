"""A stand-in for the daemon behind the control socket: it replies what it is told to, and remembers what was asked."""

import asyncio
from pathlib import Path
from typing import Any

from vedette.api import control
from vedette.cli.main import main
from vedette.kit.errors import VedetteError


def give(run_dir: Path, words: list[str], reply: control.Reply | VedetteError) -> tuple[int, dict[str, Any]]:
    """Run a verb against a daemon that replies so; returns the exit code and what it was asked."""
    asked: dict[str, Any] = {}

    async def answer(request: control.Request) -> control.Reply:
        asked.update(request)
        if isinstance(reply, VedetteError):
            raise reply
        return reply

    async def scenario() -> int:
        server = await control.serve(run_dir, answer)
        try:
            return await asyncio.to_thread(main, [*words, "--run-dir", str(run_dir)])
        finally:
            server.close()

    return asyncio.run(scenario()), asked
