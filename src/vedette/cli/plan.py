"""``vedette plan``: what an edit of the document will do to live traffic, before it is made."""

import argparse
import json
import os
import secrets
import sys
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from vedette.api import control
from vedette.cli import options
from vedette.cli.output import Paint
from vedette.edits import masking
from vedette.edits.change import HEADINGS, Change, Live, Severity, worst
from vedette.edits.compare import compare, live_of
from vedette.kit import plain
from vedette.kit.errors import PermanentError
from vedette.spec import load, reader
from vedette.spec.load import Problems, Secrets
from vedette.spec.resolved import ClusterSpec

NAME = "plan"
HELP = "say what an edit will do to live traffic, before it is made"

PATIENCE = 20.0
"""Seconds that the daemon may take to hand a large document over."""


def arguments(parser: argparse.ArgumentParser) -> None:
    new = parser.add_argument("file", metavar="FILE", help="the new document; - reads standard input")
    former = parser.add_argument(
        "--against",
        metavar="OLDFILE",
        help="compare with this document instead of the one that runs here; needs no daemon",
    )
    options.names_a_file(new)
    options.names_a_file(former)
    options.output(parser)
    options.run_dir(parser)
    parser.epilog = """\
Compares a document with the one that the daemon of this node runs, or with another file, and tells each change with
its consequence, the gravest first: what running daemons refuse, whose connections end, what moves, which real servers
drain, where new connections go, and what touches no traffic. Nothing is changed. Secrets are not shown.
What is said of real servers holds for those that are up.

examples:
  vedette plan cluster.yaml.new
  vedette plan cluster.yaml --against cluster.yaml.former
  git show origin/main:cluster.yaml | vedette plan - --against cluster.yaml -o json

Exit codes: 0 nothing would change; 1 something would; 2 a document or the command line is wrong, or running daemons
would refuse the document; 3 the daemon does not answer (--against needs none)."""


@dataclass(frozen=True, slots=True)
class Read:
    """A document: its name for people, what it means, what is known of its cluster, and secrets that are missing."""

    name: str
    spec: ClusterSpec
    live: Live = field(default_factory=Live)
    missing: tuple[str, ...] = ()


def run(args: argparse.Namespace) -> int:
    nonce = secrets.token_bytes(16)
    new = _read(args.file, nonce)
    former = _running(args.run_dir, nonce) if args.against is None else _read(args.against, nonce)
    spec, old = new.spec, former.spec
    if missing := [*new.missing, *former.missing]:
        print(f"vedette: secrets are not compared: {missing[0]} cannot be read", file=sys.stderr)
        spec, old = masking.blank(spec), masking.blank(old)
    changes = compare(old, spec, former.live)
    gravest = worst(changes)
    if args.output == "json":
        print(json.dumps(_plain(former, changes, gravest), indent=2, ensure_ascii=False))
    else:
        print(render(former.name, changes, Paint.of(sys.stdout)))
    return 0 if gravest is None else 2 if gravest is Severity.REFUSED else 1


def _read(name: str, nonce: bytes) -> Read:
    """Read a document. Raises :class:`Problems` with all that is wrong."""
    if name == "-":
        content = sys.stdin.buffer.read(reader.LARGEST + 1)
        report = load.check_bytes(content, name="stdin", directory=Path(), secrets=Secrets.IF_PRESENT)
    else:
        report = load.check(Path(name), secrets=Secrets.IF_PRESENT)
    if report.spec is None:
        raise Problems(report.problems)
    missing = tuple(str(path) for path in report.key_files if not os.access(path, os.R_OK))
    return Read(name, masking.masked(report.spec, nonce), missing=missing)


def _running(run_dir: Path, nonce: bytes) -> Read:
    """Ask the daemon. Raises :class:`control.DaemonAwayError`, :class:`PermanentError`."""
    try:
        reply = control.ask(run_dir, {"verb": "running", "nonce": nonce.hex()}, timeout=PATIENCE)
    except control.DaemonAwayError as error:
        raise control.DaemonAwayError(f"{error}; --against OLDFILE compares with a file") from error
    try:
        spec = plain.load(ClusterSpec, reply["spec"])
    except (KeyError, ValueError) as error:
        raise PermanentError(
            "the daemon's document cannot be read: is it of another release? --against OLDFILE compares with a file"
        ) from error
    return Read(f"what runs here, revision {reply['revision']}", spec, live_of(reply["status"]))


def render(name: str, changes: tuple[Change, ...], paint: Paint) -> str:
    """The plan for people: a block for each severity."""
    if not changes:
        return paint.good(f"nothing changes, compared with {name}")
    lines = [f"compared with {name}"]
    for severity, block in groupby(changes, key=lambda change: change.severity):
        lines += ["", _heading(severity, paint)]
        for change in block:
            lines.append(f"  {paint.strong(change.subject)}: {change.action}")
            lines.append(f"      {change.consequence}")
    return "\n".join(lines)


def _heading(severity: Severity, paint: Paint) -> str:
    text = HEADINGS[severity]
    if severity in (Severity.REFUSED, Severity.CUT):
        return paint.bad(text)
    return paint.good(text) if severity is Severity.QUIET else paint.warn(text)


def _plain(former: Read, changes: tuple[Change, ...], gravest: Severity | None) -> dict[str, Any]:
    return {
        "against": former.name,
        "worst": gravest.value if gravest is not None else None,
        "changes": [
            {
                "severity": change.severity.value,
                "subject": change.subject,
                "action": change.action,
                "consequence": change.consequence,
            }
            for change in changes
        ],
    }
