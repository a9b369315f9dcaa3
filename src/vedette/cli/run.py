"""``vedette run``: the daemon of one node, in the foreground."""

import argparse
import os
from pathlib import Path

from vedette.cli import options

NAME = "run"
HELP = "run this node's daemon in the foreground"


def arguments(parser: argparse.ArgumentParser) -> None:
    spec = parser.add_argument(
        "--spec",
        metavar="FILE",
        type=Path,
        default=Path("/etc/vedette/cluster.yaml"),
        help="the document (default: %(default)s); edits to it are applied as soon as they are saved",
    )
    parser.add_argument(
        "--node",
        metavar="NAME",
        default=os.uname().nodename,
        help="which node this is (default: uname -n)",
    )
    run_dir = parser.add_argument(
        "--run-dir",
        metavar="DIR",
        type=Path,
        default=Path("/run/vedette"),
        help="state of this boot and the status socket (default: %(default)s)",
    )
    state_dir = parser.add_argument(
        "--state-dir",
        metavar="DIR",
        type=Path,
        default=Path("/var/lib/vedette"),
        help="state that survives a reboot (default: %(default)s)",
    )
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="(default: %(default)s)"
    )
    options.names_a_file(spec)
    options.names_a_folder(run_dir)
    options.names_a_folder(state_dir)
    parser.epilog = """\
Signals: SIGTERM and SIGINT hand this node's groups over, then leave; where nobody can take them, the addresses stay
as they are and the next start adopts them. SIGUSR2 restarts in place, as `vedette restart` does. SIGHUP looks at the
document again at once.

Exit codes: 0 stopped as asked; 2 the command line is wrong; 3 it cannot run here (already running, no privilege)."""


def run(args: argparse.Namespace) -> int:
    from vedette.daemon import keeper  # the verb's --help should not wait for it

    return keeper.main(
        spec=args.spec.absolute(),
        node=args.node,
        run_dir=args.run_dir.absolute(),
        state_dir=args.state_dir.absolute(),
        log_level=args.log_level,
    )
