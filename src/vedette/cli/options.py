"""Options that many verbs have in common."""

import argparse
from pathlib import Path


def output(parser: argparse.ArgumentParser) -> None:
    """How the answer is printed."""
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="(default: %(default)s)")


def run_dir(parser: argparse.ArgumentParser) -> None:
    """Which daemon of this machine is asked."""
    parser.add_argument(
        "--run-dir", metavar="DIR", type=Path, default=Path("/run/vedette"), help="(default: %(default)s)"
    )
