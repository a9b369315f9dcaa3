"""``vedette move``: a planned hand-over of one group."""

import argparse
import getpass
import os
from pathlib import Path

from vedette.api import control

NAME = "move"
HELP = "hand a group over to another node, without a gap"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", metavar="GROUP")
    parser.add_argument("node", metavar="NODE", nargs="?", help="where to (default: the best other node that is ready)")
    parser.add_argument("--reason", metavar="TEXT", default="", help="shown in the status and the log of every node")
    parser.add_argument(
        "--clear", action="store_true", help="forget an earlier move: the document's preferences decide again"
    )
    parser.add_argument(
        "--run-dir", metavar="DIR", type=Path, default=Path("/run/vedette"), help="(default: %(default)s)"
    )
    parser.epilog = """\
The move is a preference, spread to all nodes and kept until it is cleared: failback does not undo it.

  vedette move web router2 --reason "new kernel on router1"
  vedette move web --clear

Exit codes: 0 accepted; 2 refused (the reason is said); 3 the daemon does not answer."""


def run(args: argparse.Namespace) -> int:
    request = {
        "verb": "move",
        "group": args.group,
        "node": args.node,
        "clear": args.clear,
        "reason": args.reason,
        "author": author(),
    }
    print(control.ask(args.run_dir, request)["done"])
    return 0


def author() -> str:
    """Who asks: the person behind sudo, where there is one."""
    return os.environ.get("SUDO_USER") or getpass.getuser()
