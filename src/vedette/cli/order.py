"""What the verbs that give the daemon an order share: who asks and why, and how the outcome is told."""

import argparse
import getpass
import json
import os
import sys

from vedette.api import control
from vedette.cli import options
from vedette.kit.errors import UsageError
from vedette.kit.units import SECOND
from vedette.spec import values

EXIT_CODES = f"""\
The command ends when it is done. After {control.CARRIED_OUT // SECOND} s it says what is missing; the order stands.

Exit codes: 0 done; 1 accepted, but not done yet; 2 refused (the reason is said); 3 the daemon does not answer."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of every order."""
    parser.add_argument("--reason", metavar="TEXT", default="", help="shown in the status and the log of every node")
    parser.add_argument("--no-wait", action="store_true", help="end when the order is accepted")
    options.output(parser)
    options.run_dir(parser)


def duration(parser: argparse.ArgumentParser) -> None:
    """Add the option of orders that may end by themselves."""
    parser.add_argument(
        "--for", metavar="TIME", dest="lasts", type=span, default=0, help="as if taken back after this: 30m, 2h"
    )


def span(text: str) -> int:
    """A duration on the command line (ns), as in a document."""
    try:
        return values.parse_duration(text)
    except values.BadValueError as error:
        raise argparse.ArgumentTypeError(f"{error}: {error.remedy}") from error


def give(args: argparse.Namespace, request: control.Request) -> int:
    """Send the order, print what came of it; returns the exit code."""
    words = {"reason": args.reason, "author": author(), "wait": not args.no_wait, "for": getattr(args, "lasts", 0)}
    reply = control.order(args.run_dir, request | words)
    if args.output == "json":
        print(json.dumps(reply))
    elif "done" in reply:
        print(reply["done"])
    else:
        print(f"accepted; {reply['pending']}", file=sys.stdout if args.no_wait else sys.stderr)
    return 0 if "done" in reply or args.no_wait else 1


def typed(warning: str, *, what: str = "node", option: str) -> str:
    """Have a person at a terminal type a name to confirm what cannot be taken back; returns what was typed.

    Raises :class:`UsageError` that names ``option`` where there is no terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"this must be typed on a terminal, or said with {option}")
    print(warning, file=sys.stderr)
    print(f"Type the name of the {what} to confirm: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def author() -> str:
    """Who asks: the person behind sudo, where there is one."""
    return os.environ.get("SUDO_USER") or getpass.getuser()
