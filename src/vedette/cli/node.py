"""``vedette node``: take a node out of service, and bring it back."""

import argparse

from vedette.cli import options, order

NAME = "node"
HELP = "put a node on standby (it hands everything over), in maintenance (it is left alone), or back online"


def arguments(parser: argparse.ArgumentParser) -> None:
    options.one_of(parser, "what", ("standby", "maintenance", "online"))
    parser.add_argument("node", metavar="NODE")
    order.duration(parser)
    order.arguments(parser)
    parser.epilog = f"""\
On standby a node hands everything over and takes nothing. In maintenance it keeps what it holds, takes nothing, hands
nothing over, and touches neither addresses nor tables: they stay as somebody leaves them. Online takes either back.

  vedette node standby router1 --for 30m --reason "memory is being replaced"
  vedette node online router1

{order.EXIT_CODES}"""


def run(args: argparse.Namespace) -> int:
    return order.give(args, {"verb": "node", "node": args.node, "what": args.what})
