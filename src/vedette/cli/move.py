"""``vedette move``: a planned hand-over of one group."""

import argparse

from vedette.cli import order

NAME = "move"
HELP = "hand a group over to another node, without a gap"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", metavar="GROUP")
    parser.add_argument("node", metavar="NODE", nargs="?", help="where to (default: the best other node that is ready)")
    parser.add_argument(
        "--clear", action="store_true", help="forget an earlier move: the document's preferences decide again"
    )
    order.duration(parser)
    order.arguments(parser)
    parser.epilog = f"""\
The move is a preference, spread to all nodes and kept until it is cleared or its time is over: failback does not
undo it.

  vedette move web router2 --reason "new kernel on router1"
  vedette move web router2 --for 2h
  vedette move web --clear

{order.EXIT_CODES}"""


def run(args: argparse.Namespace) -> int:
    return order.give(args, {"verb": "move", "group": args.group, "node": args.node, "clear": args.clear})
