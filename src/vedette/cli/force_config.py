"""``vedette force-config``: a person's word that the present voters can agree on nothing any more."""

import argparse
import json

from vedette.api import control
from vedette.cli import options, order

NAME = "force-config"
HELP = "run the document's voters, policy and timings without the consent of the present voters"
WARNING = """\
This node, and every node that hears it, will run the voters, policy and timings of its document, without a majority.
If most of the present voters are running after all, cut off from here, two machines answer for the same addresses.
Force only what you have seen: the voters that are missing have no power, and they stay off until they have been
reinstalled with the new document and without the files in /var/lib/vedette.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seen-off",
        metavar="CLUSTER",
        help="the name of the cluster, in place of typing it when asked: for use without a terminal",
    )
    options.output(parser)
    options.run_dir(parser)
    parser.epilog = """\
Only for a cluster that has lost a majority of its voters for good. Give the document without them to the nodes that are
left, then this on one of them. It is refused while a majority of the present voters is heard.

Exit codes: 0 forced; 2 refused (the reason is said), or the name was not repeated; 3 the daemon does not answer."""


def run(args: argparse.Namespace) -> int:
    typed = args.seen_off
    if typed is None:
        typed = order.typed(WARNING, what="cluster", option="--seen-off and the name of the cluster")
    reply = control.ask(args.run_dir, {"verb": NAME, "typed": typed, "author": order.author()})
    print(json.dumps(reply) if args.output == "json" else reply["done"])
    return 0
