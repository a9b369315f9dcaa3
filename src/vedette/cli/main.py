"""The ``vedette`` command: finds the verb, runs it, and turns errors into one line and an exit code.

Exit codes: 0 done; 1 the answer is "no" (problems found, a drill failed, the daemon reports problems); 2 the command
line or a document is wrong; 3 it could not be done (no daemon, no privilege, no kernel support); 130 interrupted.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Protocol, TextIO

import vedette
from vedette.cli import faults
from vedette.kit.errors import UsageError, VedetteError
from vedette.spec.problem import Problems

VERBS = (
    "validate",
    "plan",
    "schema",
    "init",
    "run",
    "real-server",
    "status",
    "move",
    "restart",
    "node",
    "server",
    "fence",
    "confirm-off",
    "group",
    "force-config",
    "lab",
    "rehearse",
    "completion",
)
"""In the order in which a newcomer meets them; each is a module of this package."""


class Verb(Protocol):
    """What every module of a verb offers."""

    NAME: str
    HELP: str

    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if sys.stdout is None:  # `>&-`: the next file that is opened must not become it
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    code = 0
    try:
        code = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence()  # the reader went away: nothing to tell it
    except OSError as error:
        if not _is_lost(sys.stdout):
            raise
        _silence()
        print(f"vedette: the answer cannot be written: {os.strerror(error.errno or 0)}", file=sys.stderr)
        return 3
    return code


def _run(words: Sequence[str]) -> int:
    """Find the verb, run it, and tell what it raises. Raises ``OSError`` where nothing can be told."""
    wanted = next((word for word in words if not word.startswith("-")), None)
    parser = build(only=wanted if wanted in VERBS else None)
    try:
        args = parser.parse_args(words)
    except SystemExit:
        sys.stdout.flush()  # the help, the version
        raise
    try:
        return int(args.run(args))
    except Problems as error:
        if getattr(args, "output", None) == "json":
            print(faults.as_json(error.problems))
        else:
            print(f"vedette: {faults.as_text(error.problems)}", file=sys.stderr)
        return 2
    except UsageError as error:
        print(f"vedette: {error}", file=sys.stderr)
        return 2
    except VedetteError as error:
        print(f"vedette: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130


def _is_lost(stream: TextIO) -> bool:
    """Whether it is this stream that cannot be written, which is tried once more."""
    try:
        stream.write("\n")
        stream.flush()
    except OSError:
        return True
    return False


def _silence() -> None:
    """Let what is still in the buffer go nowhere, or Python would complain of it at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def build(*, only: str | None = None) -> argparse.ArgumentParser:
    """Make the parser; with ``only``, import no other verb (some import much)."""
    parser = argparse.ArgumentParser(
        prog="vedette",
        description="Keeps the service addresses of a few Linux routers and load balancers up, from one YAML document.",
        epilog="Start with: vedette init, vedette validate cluster.yaml, vedette rehearse cluster.yaml",
    )
    parser.add_argument("--version", action="version", version=f"vedette {vedette.__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name in VERBS if only is None else (only,):
        verb: Verb = importlib.import_module(f"vedette.cli.{name.replace('-', '_')}")
        sub = verbs.add_parser(
            verb.NAME,
            help=verb.HELP,
            description=verb.HELP[:1].upper() + verb.HELP[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.arguments(sub)
        sub.set_defaults(run=verb.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
