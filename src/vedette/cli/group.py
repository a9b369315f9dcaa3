"""``vedette group``: leave a group alone for a while."""

import argparse

from vedette.cli import options, order

NAME = "group"
HELP = "put a group in maintenance (it stays where it is), or resume its placement"


def arguments(parser: argparse.ArgumentParser) -> None:
    options.one_of(parser, "what", ("maintenance", "resume"))
    parser.add_argument("group", metavar="GROUP")
    order.duration(parser)
    order.arguments(parser)
    parser.epilog = f"""\
In maintenance a group stays where it is: nobody takes it, and it is not moved.

  vedette group maintenance web --for 1h --reason "the firewall is being changed"
  vedette group resume web

{order.EXIT_CODES}"""


def run(args: argparse.Namespace) -> int:
    return order.give(args, {"verb": "group", "group": args.group, "what": args.what})
