"""``vedette validate``: everything that is wrong with documents, each fault at its line."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from vedette.cli import faults, options
from vedette.cli.output import Paint
from vedette.spec import load, reader
from vedette.spec.load import Problem, Report

NAME = "validate"
HELP = "say what is wrong with a document, where, and what to write instead"


def arguments(parser: argparse.ArgumentParser) -> None:
    files = parser.add_argument("files", metavar="FILE", nargs="+", help="a document; - reads standard input")
    options.names_a_file(files)
    parser.add_argument(
        "-o",
        "--output",
        choices=("text", "json", "github"),
        default="text",
        help="text for people and editors, json for programs, github for annotations on pull requests "
        "(default: %(default)s)",
    )
    parser.epilog = """\
All faults of a document are found in one pass. Nothing is asked of the kernel or of other nodes, so this works
anywhere; a key file that is missing here is a warning only.

examples:
  vedette validate cluster.yaml
  vedette validate examples/*/cluster.yaml
  git show HEAD:cluster.yaml | vedette validate -
  vedette validate -o github cluster.yaml        in a workflow: faults appear at their lines

Exit codes: 0 no faults; 1 faults were found; 2 a file cannot be read, or the command line is wrong."""


def run(args: argparse.Namespace) -> int:
    reports: list[Report] = []
    unreadable: list[Problem] = []
    for name in args.files:
        try:
            reports.append(_check(name))
        except OSError as error:
            why = os.strerror(error.errno or 0)
            unreadable.append(Problem(name, 0, 0, "", f"cannot be read: {why}"))
            if args.output == "text":
                print(f"vedette: {name or repr(name)}: {why}", file=sys.stderr)
    problems = [problem for report in reports for problem in report.problems]
    warnings = [warning for report in reports for warning in report.warnings]
    match args.output:
        case "json":
            print(faults.as_json([*unreadable, *problems], warnings))
        case "github":
            for line in _annotations([*unreadable, *problems], "error") + _annotations(warnings, "warning"):
                print(line)
        case _ if reports:
            print(render(problems, warnings, len(reports), Paint.of(sys.stdout)))
    return 2 if unreadable else 1 if problems else 0


def _check(name: str) -> Report:
    """Read and check one file; raises ``OSError``."""
    if name == "-":
        content = sys.stdin.buffer.read(reader.LARGEST + 1)
        return load.check_bytes(content, name="stdin", directory=Path())
    with open(name, "rb") as file:
        content = file.read(reader.LARGEST + 1)
    return load.check_bytes(content, name=name, directory=Path(name).parent)


def render(problems: Sequence[Problem], warnings: Sequence[Problem], files: int, paint: Paint) -> str:
    """The report for people: one paragraph a fault, and the count at the end."""
    lines = [_paragraph(problem, paint.bad("problem"), paint) for problem in problems]
    lines += [_paragraph(warning, paint.warn("warning"), paint) for warning in warnings]
    documents = "1 document" if files == 1 else f"{files} documents"
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines.append(paint.bad(f"{count} in {documents}"))
    else:
        count = "" if not warnings else f", {len(warnings)} warning{'s' if len(warnings) > 1 else ''}"
        lines.append(paint.good(f"no problems in {documents}{count}"))
    return "\n".join(lines)


def _paragraph(problem: Problem, kind: str, paint: Paint) -> str:
    place = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
    where = f"{problem.path}: " if problem.path else ""
    remedy = f"\n    {problem.remedy}" if problem.remedy else ""
    return f"{paint.strong(place)}: {kind}: {where}{problem.message}{remedy}"


def _annotations(problems: Sequence[Problem], command: str) -> list[str]:
    """Workflow commands; their values are escaped as GitHub's runner reads them."""
    return [
        f"::{command} file={_escape(problem.file, property=True)}{_position(problem)}"
        f"::{_escape(': '.join(part for part in (problem.path, problem.message) if part))}"
        f"{_escape(f' ({problem.remedy})' if problem.remedy else '')}"
        for problem in problems
    ]


def _position(problem: Problem) -> str:
    """Nothing for what is wrong with a document as a whole: the runner puts that at the file's beginning."""
    return f",line={problem.line},col={problem.column}" if problem.line else ""


def _escape(text: str, *, property: bool = False) -> str:
    for letter, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(letter, code)
    return text.replace(":", "%3A").replace(",", "%2C") if property else text
