"""``vedette node``: take a node out of service, and bring it back."""

import argparse
from pathlib import Path

from vedette.api import control
from vedette.cli.move import author

NAME = "node"
HELP = "put a node on standby (it hands everything over and takes nothing), or back online"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("standby", "online"))
    parser.add_argument("node", metavar="NODE")
    parser.add_argument("--reason", metavar="TEXT", default="", help="shown in the status and the log of every node")
    parser.add_argument(
        "--run-dir", metavar="DIR", type=Path, default=Path("/run/vedette"), help="(default: %(default)s)"
    )
    parser.epilog = """\
  vedette node standby router1 --reason "memory is being replaced"
  vedette node online router1

Exit codes: 0 accepted; 2 refused (the reason is said); 3 the daemon does not answer."""


def run(args: argparse.Namespace) -> int:
    request = {
        "verb": "node",
        "node": args.node,
        "standby": args.what == "standby",
        "reason": args.reason,
        "author": author(),
    }
    print(control.ask(args.run_dir, request)["done"])
    return 0
