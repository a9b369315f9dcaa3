"""Operators' commands that the keeper carries out, and how long the answer waits for them."""

import asyncio
from typing import Any

from vedette.api import control
from vedette.cluster import events
from vedette.daemon import confirmation, orders, trial
from vedette.daemon.core import Core
from vedette.daemon.fencing import Fencing
from vedette.kit import clock
from vedette.kit.errors import TransientError, UsageError
from vedette.kit.units import SECOND, seconds
from vedette.spec.resolved import ClusterSpec
from vedette.state.placement import View

LOOK = SECOND // 20
"""Between two looks (ns) at whether an order has been carried out."""


async def carry_out(command: dict[str, Any], *, core: Core, spec: ClusterSpec, fencing: Fencing) -> dict[str, Any]:
    """Carry out a command and wait until it is done; raises :class:`UsageError` for a senseless one.

    The answer says what is ``done``, or what is still ``pending`` after :data:`vedette.api.control.CARRIED_OUT`.
    """
    match command["verb"]:
        case "fence":
            return await _ask_fencer(command, spec, core.view(), fencing)
        case "confirm-off":
            return _confirm_off(command, spec, core, fencing)
        case "force-config":
            author = confirmation.forced(command, spec, core.view())
            core.handle(events.ForceConfig(author))
            return {"done": f"voters, policy and timings of the document run from now on, on the word of {author}"}
    order = orders.read(command, spec, core.view())
    if order.event is not None:
        core.handle(order.event)
    deadline = clock.boottime() + (control.CARRIED_OUT if command.get("wait", True) else 0)
    while (pending := order.pending(core.view())) and clock.boottime() < deadline:
        await asyncio.sleep(seconds(LOOK))
    return {"pending": pending} if pending else {"done": order.done}


async def _ask_fencer(command: dict[str, Any], spec: ClusterSpec, view: View, fencing: Fencing) -> dict[str, Any]:
    """Have the devices of a node tested, with switching or without, or asked to switch it on again."""
    node, what = str(command.get("node")), str(command.get("what"))
    able = [item.name for item in spec.nodes if item.fencing is not None]
    if node not in able:
        raise UsageError(f"the document has no fencing for {node} (it has for: {', '.join(able) or 'no node'})")
    more: dict[str, Any] = {}
    if what == "off":
        tried = trial.read(command, spec, view)
        by = f"{confirmation.who(command)}, for a test"
        more = {"level": command["level"], "asked": clock.boottime(), "by": by, "incarnation": tried.incarnation}
    answer = await fencing.ask(what, node, **more)
    if "error" in answer:
        raise (TransientError if answer.get("unable") else UsageError)(answer["error"])
    return {name: answer[name] for name in ("levels", "proof", "problem", "evidence") if name in answer}


def _confirm_off(command: dict[str, Any], spec: ClusterSpec, core: Core, fencing: Fencing) -> dict[str, Any]:
    """Give a person's word to the core. Only what that takes is done: it knows which policy runs."""
    requested, asked = fencing.requested(str(command.get("node"))), fencing.asked(str(command.get("node")))
    result = confirmation.read(command, spec, core.view(), requested=requested)
    core.handle(result)
    if not any(node.name == result.node and node.off for node in core.view().nodes):
        raise UsageError(
            f"{result.node} does not count as off: by the policy that runs here nobody waits for that, or it has been "
            "heard (see vedette status)"
        )
    fencing.confirm(result, author=result.reason, asked=asked)
    return {"done": f"{result.node} counts as off, on the word of {result.reason.removeprefix('human: ')}"}
