"""``vedette fence``: the devices that switch nodes off, looked at, tested, and what they have done."""

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import Any

from vedette.api import control
from vedette.api.fencing import unproved
from vedette.cli import options, order
from vedette.cli.output import Paint, ago, table
from vedette.cli.power_off import PowerTest
from vedette.kit.errors import UsageError
from vedette.kit.units import MINUTE, seconds

NAME = "fence"
HELP = "show and test what switches nodes off, and what was switched off so far"

Plain = dict[str, Any]

EXIT_CODES = """\
Exit codes: 0 all is well; 1 it is not (status: a plug of a living node does not read on, or another problem; test: a
device did not answer, or did not do, what it must; on: a device did not take the order); 2 refused; 3 the daemon, or
what speaks to the devices for it, does not answer."""

_AWAY = "3 the daemon, or what speaks to the devices for it, does not answer."
WHATS = {
    "status": (
        "every node's levels, devices and plugs, and what they read",
        "0 every plug of a living node reads on, and there is no other problem; 1 it is not so; " + _AWAY,
    ),
    "test": (
        "ask every device of a node everything, and switch nothing",
        "0 every device answered and did what it must; 1 one did not, or (--power-off) the node did not fall silent or "
        "did not return; 2 refused (the reason is said); " + _AWAY,
    ),
    "on": (
        "ask the devices of a node to switch it on again",
        "0 every device took the order; 1 one did not; 2 refused (the reason is said); " + _AWAY,
    ),
    "history": (
        "what was switched off, on whose word, and what the devices said",
        "0 shown, also where there is nothing; 3 the daemon does not answer.",
    ),
}
"""What can be asked: what it is, and its exit codes."""

POWER_OFF = """\
{node} will be switched off without warning, and on again, once by each level of its fencing.
It must boot by itself, and its daemon start by itself: this waits {minutes} min for it each time.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    whats = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    subs = {name: whats.add_parser(name, help=text) for name, (text, _) in WHATS.items()}
    test, on, past = subs["test"], subs["on"], subs["history"]
    for sub in (test, on):
        sub.add_argument("node", metavar="NODE")
    test.add_argument(
        "--power-off", action="store_true", help="really switch the node off, and on again: it must hold nothing"
    )
    test.add_argument("--level", metavar="N", type=int, help="with --power-off: by this level only (default: by each)")
    test.add_argument(
        "--yes-really",
        metavar="NODE",
        help="with --power-off: the name of the node once more, in place of typing it when asked, for scripts",
    )
    test.add_argument(
        "--boots-within",
        metavar="TIME",
        type=order.span,
        default=10 * MINUTE,
        help="with --power-off: how long it may take until the node is heard again (default: 10m)",
    )
    past.add_argument("node", metavar="NODE", nargs="?", help="(default: every node)")
    past.add_argument("--evidence", action="store_true", help="every answer of every device as well")
    for name, (text, codes) in WHATS.items():
        options.output(subs[name])
        options.run_dir(subs[name])
        subs[name].description = text[:1].upper() + text[1:] + "."
        subs[name].epilog = f"Exit codes: {codes}"
    parser.epilog = f"""\
Each plug must read on while its node lives. One that does not is not that node's plug, or its device lies; better to
know before it matters.

  vedette fence status
  vedette fence test router2
  vedette fence test router2 --power-off
  vedette fence history --evidence

{EXIT_CODES}"""


def run(args: argparse.Namespace) -> int:
    if args.what == "test" and args.power_off:
        return _power_off(args)
    if args.what == "test" and (args.level is not None or args.yes_really is not None):
        raise UsageError("--level and --yes-really are for --power-off: without it nothing is switched")
    request = {"verb": NAME, "what": args.what, "node": getattr(args, "node", None), "author": order.author()}
    patience = control.DEVICES + control.PATIENCE if args.what in ("test", "on") else control.PATIENCE
    reply = control.ask(args.run_dir, request, timeout=patience)
    paint, now = Paint.of(sys.stdout), datetime.now(UTC)
    match args.what:
        case "status":
            text, code = render(reply, paint, now), 1 if unproved(reply) or reply["problems"] else 0
        case "test":
            faults = test_faults(reply)
            text, code = render_test(reply, faults, paint), 1 if faults else 0
        case "on":
            text = render_on(reply, paint)
            code = 1 if any(item["problem"] for level in reply["levels"] for item in level) else 0
        case _:
            text, code = render_history(reply["entries"], paint, evidence=args.evidence), 0
    print(json.dumps(reply, indent=2, ensure_ascii=False) if args.output == "json" else text)
    return code


def _power_off(args: argparse.Namespace) -> int:
    """First everything that can be tested without switching; then, level by level, the real thing."""

    def ask(request: Plain) -> Plain:
        slow = request["what"] != "status"
        patience = control.DEVICES + control.PATIENCE if slow else control.PATIENCE
        words = {"verb": NAME, "node": args.node, "author": order.author()}
        return control.ask(args.run_dir, words | request, timeout=patience)

    typed = args.yes_really if args.yes_really is not None else _confirmation(args)
    if typed != args.node:
        raise UsageError(f"{typed!r} is not {args.node}: nothing was switched")
    reply = ask({"what": "test"})
    faults = test_faults(reply)
    levels = levels_to_try(reply, args.level)
    paint, text = Paint.of(sys.stdout), args.output == "text"
    if text:
        print(render_test(reply, faults, paint))
    if not levels and not faults:
        raise UsageError(f"nothing of {args.node} can be switched: its fencing is a person")
    trials = []
    if not faults:
        test = PowerTest(
            args.node,
            ask=ask,
            say=(lambda line: print(line, flush=True)) if text else (lambda line: None),
            returns=seconds(args.boots_within),
        )
        trials = test.run(levels)
    good = bool(trials) and not any(trial.problem for trial in trials)
    if text:
        words = f"{args.node} was switched off and on again by each level that was tried."
        print(paint.good(words) if good else paint.bad("The test failed." if trials else "Nothing was switched."))
    else:
        print(json.dumps(reply | {"powerOff": [trial.plain() for trial in trials]}, indent=2, ensure_ascii=False))
    return 0 if good else 1


def _confirmation(args: argparse.Namespace) -> str:
    warning = POWER_OFF.format(node=args.node, minutes=args.boots_within // MINUTE or 1)
    return order.typed(warning, option=f"--yes-really {args.node}")


def levels_to_try(reply: Plain, only: int | None) -> list[int]:
    """The levels, counted from 1, that no person is part of. Raises :class:`UsageError` where ``only`` is none."""
    able = [
        number for number, level in enumerate(reply["levels"], 1) if level and not any(item["manual"] for item in level)
    ]
    if only is not None and only not in able:
        raise UsageError(f"level {only} cannot be switched (levels that can: {', '.join(map(str, able)) or 'none'})")
    return able if only is None else [only]


def render(status: Plain, paint: Paint, now: datetime) -> str:
    """Problems first, then a line a plug."""
    problems = [f"  {paint.bad('!')} {problem['scope']}: {problem['message']}" for problem in status["problems"]]
    problems += [f"  {paint.warn('?')} {plug} does not read on" for plug in unproved(status, unsaid=True)]
    blocks = ["\n".join([paint.bad("Problems"), *problems]) if problems else paint.good("No problems")]
    rows = [
        _row(node, number, item, paint, now)
        for node in status["nodes"]
        for number, level in enumerate(node["levels"], 1)
        for item in level
    ]
    head = ["NODE", "STATE", "LEVEL", "DEVICE", "PLUG", "KIND", "POWER", "SINCE", "READ"]
    blocks.append(table(head, rows) if rows else "the document has no fencing")
    blocks += [_fence(node, now) for node in status["nodes"] if node["wanted"] or node["off"]]
    return "\n\n".join(blocks)


def _row(node: Plain, number: int, item: Plain, paint: Paint, now: datetime) -> list[str]:
    power = item["power"] if item["kind"] != "manual" else "-"
    good = power == "on" or item["kind"] == "manual" or not node["living"]
    return [
        node["name"] + (" (this node)" if node["self"] else ""),
        paint.state(node["state"]),
        str(number),
        item["device"],
        item["plug"] or "-",
        item["kind"],
        power if good else paint.bad(power),
        ago(item["since"], now),
        ago(item["readAt"], now),
    ]


def _fence(node: Plain, now: datetime) -> str:
    """What is being done about a node that has to be off."""
    if node["off"]:
        return f"{node['name']} is off: {node['off']}"
    fence = node["fence"]
    if fence is None:
        return f"{node['name']} is to be switched off"
    where = f", level {fence['level']}" if fence["level"] else ""
    said = f"{node['name']} is to be off since {ago(fence['askedAt'], now)}: {fence['phase']}{where}"
    return said + (f"\n  failed {fence['rounds']} times: {fence['failure']}" if fence["failure"] else "")


def test_faults(reply: Plain) -> list[str]:
    """What keeps a node's devices from being relied on."""
    faults = []
    for number, level in enumerate(reply["levels"], 1):
        for item in level:
            name = f"level {number}, {item['device']}" + (f" plug {item['plug']}" if item["plug"] else "")
            faults += [f"{name}: {problem}" for problem in item["problems"]]
            if reply["living"] and not item["manual"] and item["power"] != "on":
                faults.append(f"{name}: reads {item['power']}, and its node lives")
    return faults


def render_test(reply: Plain, faults: list[str], paint: Paint) -> str:
    rows = [
        [
            str(number),
            item["device"],
            item["plug"] or "-",
            "a person" if item["manual"] else item["power"],
            "-" if item["manual"] else f"{item['seconds']:.1f} s",
        ]
        for number, level in enumerate(reply["levels"], 1)
        for item in level
    ]
    verdict = [paint.bad("Problems"), *(f"  {paint.bad('!')} {fault}" for fault in faults)]
    good = paint.good("Every device answers as it must. Nothing was switched.")
    return "\n".join(verdict if faults else [good]) + "\n\n" + table(["LEVEL", "DEVICE", "PLUG", "READS", "TOOK"], rows)


def render_on(reply: Plain, paint: Paint) -> str:
    return "\n".join(
        f"{item['device']}{' plug ' + item['plug'] if item['plug'] else ''}: "
        + (paint.bad(item["problem"]) if item["problem"] else "took the order to switch on")
        for level in reply["levels"]
        for item in level
    )


def render_history(entries: list[Plain], paint: Paint, *, evidence: bool) -> str:
    """An entry a paragraph, oldest first."""
    if not entries:
        return "nothing was fenced so far"
    return "\n".join(line for entry in entries for line in _entry(entry, paint, evidence=evidence))


def _entry(entry: Plain, paint: Paint, *, evidence: bool) -> list[str]:
    good = entry["result"] in ("off", "confirmed")
    result = paint.good(entry["result"]) if good else paint.bad(entry["result"])
    lines = [
        f"{entry['time']}  {paint.strong(entry['node'])}  {result} after {entry['seconds']:.1f} s: {entry['reason']} "
        f"(asked by {entry['askedBy']})"
    ]
    if evidence:
        lines += [
            f"    {item['time']}  {item['device']}{' plug ' + item['plug'] if item['plug'] else ''}  "
            f"{item['asked']}: {item['said']}" + (f" ({item['detail']})" if item["detail"] else "")
            for item in entry["evidence"]
        ]
    return lines
