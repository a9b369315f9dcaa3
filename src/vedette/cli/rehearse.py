"""``vedette rehearse``: try a document on virtual machines before it runs on real ones."""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import TextIO

from vedette.cli import options
from vedette.cli.output import Paint, table
from vedette.kit.errors import UsageError
from vedette.lab import report

NAME = "rehearse"
HELP = "build a document's cluster from virtual machines, cause faults, and measure what a client sees"


def arguments(parser: argparse.ArgumentParser) -> None:
    document = parser.add_argument("document", metavar="FILE", type=Path, nargs="?", help="the document to rehearse")
    parser.add_argument(
        "--drill", metavar="NAME", action="append", default=[], help="run only this drill; may be given several times"
    )
    parser.add_argument("--list", action="store_true", help="show all drills and end")
    parser.add_argument(
        "-o", "--output", choices=("text", "json", "junit"), default="text", help="(default: %(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="leave the lab up afterwards, and say how to look into it")
    logs = parser.add_argument(
        "--logs",
        metavar="DIR",
        type=Path,
        default=Path("rehearsal-logs"),
        help="where the machines' logs are put when a drill fails (default: %(default)s)",
    )
    options.names_a_file(document)
    options.names_a_folder(logs)
    parser.epilog = """\
Nothing outside the lab is touched: machines are User Mode Linux processes, their wires are bridges in network
namespaces of their own. Needs root and Debian's packages user-mode-linux, iproute2, ipvsadm.

  vedette rehearse examples/two-routers/cluster.yaml
  vedette rehearse cluster.yaml --drill power-cut-active --drill planned-move

Exit codes: 0 every drill held or was skipped with a reason; 1 a drill failed; 2 the command line or the document is
wrong; 3 the lab could not be built."""


def run(args: argparse.Namespace) -> int:
    from vedette.lab import rehearse  # the verb's --help should not wait for it
    from vedette.lab.drills import catalogue

    if args.list and args.output == "json":
        drills = [{"name": drill.name, "summary": drill.summary} for drill in catalogue.ALL]
        print(json.dumps(drills, indent=2, ensure_ascii=False))
        return 0
    if args.list:
        width = max(len(drill.name) for drill in catalogue.ALL)
        print("\n".join(f"{drill.name:{width}}  {drill.summary}" for drill in catalogue.ALL))
        return 0
    if args.document is None:
        raise UsageError("which document? vedette rehearse FILE")
    progress = Live(sys.stderr) if sys.stderr.isatty() else Plain(sys.stderr)
    result = rehearse.rehearse(
        args.document,
        drills=catalogue.choose(args.drill),
        progress=progress,
        keep=args.keep,
        logs=args.logs,
    )
    match args.output:
        case "json":
            print(json.dumps(report.as_plain(result), indent=2, ensure_ascii=False))
        case "junit":
            print(report.as_junit(result), end="")
        case _:
            print(render(result, Paint.of(sys.stdout)))
    return 0 if result.held else 1


def render(result: report.Report, paint: Paint) -> str:
    """The table, why what failed failed, and one line to remember."""
    rows = [[*report.row(one)] for one in result.results]
    for cells in rows:
        word = cells[-1]
        cells[-1] = paint.good(word) if word == "held" else paint.bad(word) if word == "FAILED" else paint.warn(word)
    blocks = [table([*report.HEAD], rows)]
    blocks += [
        "\n".join([paint.bad(f"{one.drill} failed"), *(f"  {reason}" for reason in one.reasons)])
        for one in result.results
        if one.verdict is report.Verdict.FAILED
    ]
    words = report.summary(result)
    blocks.append(paint.good(words) if result.held else paint.bad(words))
    if result.logs:
        blocks.append(f"The machines' logs are in {result.logs}.")
    return "\n\n".join(blocks)


class Plain:
    """Progress for a file or a pipe: one line when something begins, one when it ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def step(self, text: str) -> None:
        """Something begins."""
        print(f"... {text}", file=self._stream, flush=True)

    def detail(self, text: str) -> None:
        """What is going on inside a step; too much for a file."""

    def done(self, text: str) -> None:
        """The step is over."""
        print(text, file=self._stream, flush=True)


class Live(Plain):
    """Progress on a terminal: the running step is one line that is written over."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._begun = 0.0
        self._step = ""

    def step(self, text: str) -> None:
        self._begun, self._step = time.monotonic(), text
        self._show(text)

    def detail(self, text: str) -> None:
        self._show(f"{self._step}: {text}")

    def done(self, text: str) -> None:
        self._stream.write(f"\r\x1b[K{text}\n")
        self._stream.flush()

    def _show(self, text: str) -> None:
        elapsed = f"{time.monotonic() - self._begun:5.1f}s "
        width = shutil.get_terminal_size().columns - len(elapsed) - 1
        self._stream.write(f"\r\x1b[K{elapsed}{text[:width]}")
        self._stream.flush()
