"""``vedette real-server``: make this machine a real server for direct routing and tunnels, and keep it one."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from vedette.cli import options
from vedette.cli.output import Paint
from vedette.daemon import real_server
from vedette.daemon.real_server import State
from vedette.kit.net import IPAddress, parse
from vedette.realserver.diagnosis import Finding, Level, right
from vedette.realserver.model import describe
from vedette.realserver.reconciler import Outcome

NAME = "real-server"
HELP = "make this machine a real server for direct routing or tunnels, and keep it one"

Plain = dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    spec = parser.add_argument(
        "--spec",
        metavar="FILE",
        type=Path,
        default=Path("/etc/vedette/cluster.yaml"),
        help="the directors' document (default: %(default)s); no key is needed here",
    )
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        type=_address,
        action="append",
        default=[],
        help="be the real server with this address; may be repeated (default: every address that this machine has)",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--once", action="store_true", help="set everything up and end, instead of keeping it so")
    what.add_argument("--status", action="store_true", help="say whether this machine is right, and why not")
    what.add_argument("--undo", action="store_true", help="remove what was set up here, and restore former settings")
    run_dir = parser.add_argument(
        "--run-dir",
        metavar="DIR",
        type=Path,
        default=Path("/run/vedette-real-server"),
        help="where it is written down what was changed (default: %(default)s)",
    )
    options.names_a_file(spec)
    options.names_a_folder(run_dir)
    options.output(parser)
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="(default: %(default)s)"
    )
    parser.epilog = """\
A director that forwards by direct routing or through a tunnel leaves the destination of a packet as it is, so every
real server needs the virtual addresses, and must keep quiet about them. For each virtual service of the document that
has one of this machine's addresses as real server this sets up
  the virtual addresses on lo, as /32 or /128;
  arp_ignore and arp_announce, so that this machine neither answers ARP for them nor asks in their name;
  for tunnels: their ends here (ipip, gre; gue with its port), with a reverse path filter that lets clients in.
Without --once it stays, follows edits of the document, and repairs what others undo. What others have set up stays
theirs. A document with mistakes changes nothing. SIGTERM and SIGINT leave everything as it is: a server that lost its
addresses would drop its clients; --undo puts everything back.

examples:
  vedette real-server --spec cluster.yaml --once
  vedette real-server --spec cluster.yaml --status
  vedette real-server --undo

Exit codes: 0 right, or undone; 1 something is not right (it is said what and why); 2 the command line or the document
is wrong; 3 it cannot be done here (no privilege)."""


def _address(text: str) -> IPAddress:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not an address") from error


def run(args: argparse.Namespace) -> int:
    run_dir = args.run_dir.absolute()
    if args.undo:
        return _undo(real_server.undo(run_dir), args.output)
    if args.once or args.status:
        spec = real_server.read(args.spec)
        outcome = None
        if args.once:
            outcome, state = real_server.once(spec, args.address, run_dir)
        else:
            state = real_server.look(spec, args.address, run_dir)
        _print(state, outcome, args.output)
        return 0 if right(state.findings) and not (outcome and outcome.refused) else 1
    return real_server.main(
        path=args.spec.absolute(), addresses=args.address, run_dir=run_dir, log_level=args.log_level
    )


def _undo(outcome: Outcome, output: str) -> int:
    if output == "json":
        print(json.dumps(_outcome(outcome), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_steps(outcome, Paint.of(sys.stdout))) or "nothing of ours is here")
    return 1 if outcome.refused else 0


def _print(state: State, outcome: Outcome | None, output: str) -> None:
    if output == "json":
        changed = _outcome(outcome) if outcome is not None else {}
        print(json.dumps(_plain(state) | changed, indent=2, ensure_ascii=False))
    else:
        paint = Paint.of(sys.stdout)
        lines = _steps(outcome, paint) if outcome is not None else []
        print("\n".join([*lines, *_findings(state.findings, paint), "", _summary(state, paint, outcome is None)]))


def _steps(outcome: Outcome, paint: Paint) -> list[str]:
    lines = [f"{paint.good('done')}     {describe(step)}" for step in outcome.done]
    return lines + [f"{paint.bad('refused')}  {describe(step)}: {reason}" for step, reason in outcome.refused.items()]


def _findings(findings: tuple[Finding, ...], paint: Paint) -> list[str]:
    words = {Level.WRONG: paint.bad("wrong"), Level.HINT: paint.warn("hint "), Level.RIGHT: paint.good("right")}
    return [f"{words[item.level]}    {paint.strong(item.subject)}: {item.message}" for item in findings]


def _summary(state: State, paint: Paint, asked: bool) -> str:
    wrong = sum(finding.level is Level.WRONG for finding in state.findings)
    if wrong:
        verdict = paint.bad(f"{wrong} thing{'s are' if wrong > 1 else ' is'} wrong")
    elif state.wanted.vips:
        verdict = paint.good("this machine is right for what the document asks of it")
    else:
        verdict = "the document asks nothing of this machine"
    if not asked or not (state.wanted.vips or state.process):
        return verdict
    kept = f"process {state.process} keeps it so" if state.process else "nobody keeps it so: `vedette real-server`"
    return f"{verdict}; {kept}"


def _plain(state: State) -> Plain:
    return {
        "right": right(state.findings),
        "addresses": [str(address) for address in state.own],
        "virtualAddresses": [
            {"address": str(vip), "virtualServices": list(names)} for vip, names in state.wanted.vips.items()
        ],
        "findings": [
            {"level": finding.level.value, "subject": finding.subject, "message": finding.message}
            for finding in state.findings
        ],
        "process": state.process,
        "changed": {
            "settings": {
                name: {"former": changed.former, "ours": changed.ours}
                for name, changed in sorted(state.record.settings.items())
            },
            "addresses": sorted([str(address), interface] for address, interface in state.record.places),
            "devices": sorted(state.record.devices),
            "ports": sorted(port.number for port in state.record.ports),
        },
    }


def _outcome(outcome: Outcome) -> Plain:
    return {
        "done": [describe(step) for step in outcome.done],
        "refused": [{"step": describe(step), "reason": reason} for step, reason in outcome.refused.items()],
    }
