"""What an operator may ask of the devices of a node: to be tested, without switching or with it, and to switch it on
again.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from vedette.fencing.answers import Answer, Evidence, Said
from vedette.fencing.procedure import Means, Procedure
from vedette.kit.errors import TransientError
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
    """Check every device and read every plug; nothing is switched. A person (``manual``) cannot be asked.

    The devices are asked side by side, whatever their levels, and the plugs of a device one after the other.
    """

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

    uses = dict.fromkeys(use for level in fencing.levels for use in level)
    found: dict[FencingUse, dict[str, Any]] = {}

    async def attend(device: str) -> None:
        for use in uses:
            if use.device == device:
                found[use] = await examine(use)

    await asyncio.gather(*map(attend, dict.fromkeys(use.device for use in uses)))
    return [[found[use] for use in level] for level in fencing.levels]


LATE = 5 * SECOND
"""Age (ns) beyond which a wish to switch off is not carried out: the machine may have been frozen since."""


async def switch_off(
    fencing: Fencing,
    means: Mapping[str, Means],
    *,
    level: int,
    asked: int,
    trusted: Callable[[FencingUse], bool],
    doubted: Callable[[FencingUse], bool],
    saw: Callable[[FencingUse, Answer], None],
    now: Callable[[], int],
) -> tuple[str, str, tuple[Evidence, ...]]:
    """Switch a node off by one level (counted from 1), tried once; returns the proof, or what is wrong, and all that
    was answered.

    ``asked`` is when somebody wanted that (BOOTTIME ns). Raises :class:`TransientError` where it was too long ago.
    """
    within = LATE + max(means[use.device].timeout for use in fencing.levels[level - 1]) // 4

    async def allowed() -> None:
        if now() - asked > within:
            raise TransientError("it was asked for too long ago: nothing was switched")

    procedure = Procedure(
        replace(fencing, levels=(fencing.levels[level - 1],)),
        means,
        trusted=trusted,
        doubted=doubted,
        saw=saw,
        allowed=allowed,
        failed=lambda _: None,
        now=now,
    )
    proof, problem = await procedure.once()
    return proof, problem, procedure.evidence


async def switch_on(fencing: Fencing, means: Mapping[str, Means]) -> Levels:
    """Ask every device for *on*, the last level first: it may feed the controllers of those before it."""

    async def switch(use: FencingUse) -> dict[str, Any]:
        answer = await means[use.device].access.on(use.plug, limit=means[use.device].timeout)
        problem = "" if answer.said is Said.ACCEPTED else answer.detail or answer.said.value
        return {"device": use.device, "plug": use.plug, "problem": problem}

    levels = [list(await asyncio.gather(*map(switch, level))) for level in reversed(fencing.levels)]
    return levels[::-1]
