"""``vedette node``: take a node out of service, and bring it back."""

import argparse

from vedette.cli import order

NAME = "node"
HELP = "put a node on standby (it hands everything over and takes nothing), or back online"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("standby", "online"))
    parser.add_argument("node", metavar="NODE")
    order.arguments(parser)
    parser.epilog = f"""\
  vedette node standby router1 --reason "memory is being replaced"
  vedette node online router1

{order.EXIT_CODES}"""


def run(args: argparse.Namespace) -> int:
    return order.give(args, {"verb": "node", "node": args.node, "standby": args.what == "standby"})
