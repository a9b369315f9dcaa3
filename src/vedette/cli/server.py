"""``vedette server``: take a real server out of service without a client noticing, and bring it back."""

import argparse
import json
from datetime import UTC, datetime
from typing import Any

from vedette.api import control
from vedette.cli import options, order
from vedette.cli.output import Paint, table
from vedette.cli.servers import row, rows_of
from vedette.kit.errors import UsageError

NAME = "server"
HELP = "drain a real server (no new connections, then out of the table), enable it again, or list them"


def arguments(parser: argparse.ArgumentParser) -> None:
    options.one_of(parser, "what", ("drain", "enable", "list"))
    parser.add_argument("service", metavar="SERVICE", nargs="?", help="name of a virtual service")
    parser.add_argument(
        "server", metavar="REAL", nargs="?", help="address of a real server, with :port where it has one"
    )
    order.duration(parser)
    order.arguments(parser)
    parser.epilog = f"""\
A server that is drained takes no new connections. When those that are open have ended, or drain.timeout of the
document is over, it leaves the kernel's table. The order holds on every director, across takeovers and restarts, until
it is taken back or its time is over. Enable takes it back; what the document says (maintenance: true) stays.

  vedette server drain web 10.0.0.12 --for 2h --reason "a new disk"
  vedette server enable web 10.0.0.12
  vedette server list web

{order.EXIT_CODES}"""


def run(args: argparse.Namespace) -> int:
    if args.what == "list":
        return _list(args)
    if args.service is None or args.server is None:
        raise UsageError(f"say which: vedette server {args.what} SERVICE REAL")
    return order.give(args, {"verb": "server", "what": args.what, "service": args.service, "server": args.server})


def _list(args: argparse.Namespace) -> int:
    if args.server is not None:
        raise UsageError("vedette server list SERVICE lists all its real servers")
    status = control.ask(args.run_dir, {"verb": "status"})
    services = [item for item in status["virtualServices"] if args.service in (None, *_names(item))]
    if args.service is not None and not services:
        raise UsageError(f"there is no virtual service {args.service}")
    found = [{"service": item["name"]} | server for item in services for server in rows_of(item)]
    if args.output == "json":
        print(json.dumps(found, ensure_ascii=False))
        return 0
    paint, now = Paint(enabled=False), datetime.now(UTC)
    head = ["SERVICE", "REAL SERVER", "HEALTH", "SINCE", "WEIGHT", "CONNECTIONS", "WHY"]
    print(table(head, [[item["service"], *row(item, paint, now)] for item in found]))
    return 0


def _names(service: dict[str, Any]) -> tuple[str, str]:
    name = str(service["name"])
    return name, name.removesuffix("/ipv6")
