"""``vedette fence``: the devices that switch nodes off, looked at, tested, and what they have done."""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vedette.api import control
from vedette.api.fencing import unproved
from vedette.cli.order import author
from vedette.cli.output import Paint, ago, table

NAME = "fence"
HELP = "show and test what switches nodes off, and what was switched off so far"

Plain = dict[str, Any]

EXIT_CODES = """\
Exit codes: 0 all is well; 1 it is not (status: a plug of a living node does not read on, or another problem; test: a
device did not answer as it must; on: a device did not take the order); 2 refused; 3 the daemon does not answer."""


def arguments(parser: argparse.ArgumentParser) -> None:
    whats = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    status = whats.add_parser("status", help="every node's levels, devices and plugs, and what they read")
    test = whats.add_parser("test", help="ask every device of a node everything, and switch nothing")
    on = whats.add_parser("on", help="ask the devices of a node to switch it on again")
    past = whats.add_parser("history", help="what was switched off, on whose word, and what the devices said")
    for sub in (test, on):
        sub.add_argument("node", metavar="NODE")
    past.add_argument("node", metavar="NODE", nargs="?", help="(default: every node)")
    past.add_argument("--evidence", action="store_true", help="every answer of every device as well")
    for sub in (status, test, on, past):
        sub.add_argument("-o", "--output", choices=("text", "json"), default="text", help="(default: %(default)s)")
        sub.add_argument(
            "--run-dir", metavar="DIR", type=Path, default=Path("/run/vedette"), help="(default: %(default)s)"
        )
        sub.epilog = EXIT_CODES
        sub.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"""\
Each plug must read on while its node lives. One that does not is not that node's plug, or its device lies; better to
know before it matters.

  vedette fence status
  vedette fence test router2
  vedette fence history --evidence

{EXIT_CODES}"""


def run(args: argparse.Namespace) -> int:
    request = {"verb": NAME, "what": args.what, "node": getattr(args, "node", None), "author": author()}
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
