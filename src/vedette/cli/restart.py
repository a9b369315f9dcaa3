"""``vedette restart``: a new process for the daemon, and nothing else."""

import argparse

from vedette.cli import order

NAME = "restart"
HELP = "replace the daemon's process, after an upgrade say, without a hand-over"


def arguments(parser: argparse.ArgumentParser) -> None:
    order.arguments(parser)
    parser.epilog = """\
The new process gets ready beside the old one and takes its place: leases, addresses, the IPVS table and every
connection stay as they are. If it does not get ready, the old one goes on. SIGUSR2 to the daemon does the same.

Exit codes: 0 the new process takes over; 2 refused, or it did not get ready (the reason is said); 3 the daemon does not
answer."""


def run(args: argparse.Namespace) -> int:
    return order.give(args, {"verb": "restart"})
