"""What an operator may ask of the devices of a node: to be tested without switching, and to be switched on again."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

from vedette.fencing.answers import Answer, Said
from vedette.fencing.procedure import Means
from vedette.kit.units import SECOND
from vedette.spec.resolved import Fencing, FencingUse

Levels = list[list[dict[str, Any]]]
"""An answer for each device of each level, as plain values."""


async def test(
    fencing: Fencing,
    means: Mapping[str, Means],
    *,
    manual: Collection[str],
    saw: Callable[[FencingUse, Answer], None],
    now: Callable[[], int],
) -> Levels:
    """Check every device and read every plug; nothing is switched. A person (``manual``) cannot be asked."""

    async def examine(use: FencingUse) -> dict[str, Any]:
        way, began = means[use.device], now()
        problems = await way.access.check(use.plug, limit=way.timeout)
        answer = Answer(Said.UNKNOWN, began)
        if use.device not in manual:
            answer = await way.access.look(use.plug, limit=way.timeout)
            saw(use, answer)
        clear = answer.said in (Said.ON, Said.OFF)
        if not clear and answer.detail and use.device not in manual:
            problems = [*problems, answer.detail]
        return {
            "device": use.device,
            "plug": use.plug,
            "manual": use.device in manual,
            "power": answer.said.value if clear else Said.UNKNOWN.value,
            "problems": problems,
            "seconds": round((now() - began) / SECOND, 3),
        }

    return [list(await asyncio.gather(*map(examine, level))) for level in fencing.levels]


async def switch_on(fencing: Fencing, means: Mapping[str, Means]) -> Levels:
    """Ask every device for *on*, the last level first: it may feed the controllers of those before it."""

    async def switch(use: FencingUse) -> dict[str, Any]:
        answer = await means[use.device].access.on(use.plug, limit=means[use.device].timeout)
        problem = "" if answer.said is Said.ACCEPTED else answer.detail or answer.said.value
        return {"device": use.device, "plug": use.plug, "problem": problem}

    levels = [list(await asyncio.gather(*map(switch, level))) for level in reversed(fencing.levels)]
    return levels[::-1]
