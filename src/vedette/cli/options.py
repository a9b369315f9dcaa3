"""Options that many verbs have in common."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def output(parser: argparse.ArgumentParser) -> None:
    """How the answer is printed."""
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="(default: %(default)s)")


def run_dir(parser: argparse.ArgumentParser) -> None:
    """Which daemon of this machine is asked."""
    names_a_folder(
        parser.add_argument(
            "--run-dir", metavar="DIR", type=Path, default=Path("/run/vedette"), help="(default: %(default)s)"
        )
    )


def one_of(parser: argparse.ArgumentParser, name: str, choices: Sequence[str], **details: Any) -> None:
    """A word of few; a wrong one is refused by the name that the usage shows, and not by ours."""
    parser.add_argument(name, choices=choices, metavar="{" + ",".join(choices) + "}", **details)


def names_a_file(argument: argparse.Action) -> None:
    """The Tab key offers files for it."""
    argument.complete = "file"  # type: ignore[attr-defined]  # shtab's


def names_a_folder(argument: argparse.Action) -> None:
    """The Tab key offers folders for it."""
    argument.complete = "directory"  # type: ignore[attr-defined]  # shtab's
