"""``vedette confirm-off``: a person's word that a node is off, where no device can give its own."""

import argparse
import json

from vedette.api import control
from vedette.cli import options, order
from vedette.kit.errors import UsageError

NAME = "confirm-off"
HELP = "confirm that a silent node is switched off, having seen it"
WARNING = """\
{node} will count as off, and this node will take its addresses.
If {node} is running after all, two machines answer for the same addresses.
Confirm only what you have seen: it has no power, or its cables are out, and it stays so until it is started anew.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", metavar="NODE")
    parser.add_argument(
        "--seen-off",
        metavar="NODE",
        help="the name of the node once more, in place of typing it when asked: for use without a terminal",
    )
    parser.add_argument(
        "--forged",
        action="store_true",
        help="confirm it although datagrams in its name arrive that no known key has signed: somebody forges them",
    )
    options.output(parser)
    options.run_dir(parser)
    parser.epilog = """\
Give it on the node that is to take over. It is refused while anything is heard from NODE, and it is written down with
who gave it: see vedette fence history.

  vedette confirm-off router2

Exit codes: 0 confirmed; 2 refused (the reason is said), or the name was not repeated; 3 the daemon does not answer."""


def run(args: argparse.Namespace) -> int:
    node, typed = args.node, args.seen_off
    if typed is None:
        typed = order.typed(WARNING.format(node=node), option=f"--seen-off {node}")
    if typed != args.node:
        raise UsageError(f"{typed!r} is not {args.node}: nothing is confirmed")
    request = {"verb": NAME, "node": args.node, "typed": typed, "author": order.author(), "forged": args.forged}
    reply = control.ask(args.run_dir, request)
    print(json.dumps(reply) if args.output == "json" else reply["done"])
    return 0
