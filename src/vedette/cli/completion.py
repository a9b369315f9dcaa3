"""``vedette completion``: words for the shell's Tab key."""

import argparse

import shtab

NAME = "completion"
HELP = "print a completion script for bash, zsh or tcsh"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)
    parser.epilog = """\
  vedette completion bash > /etc/bash_completion.d/vedette
  vedette completion zsh > /usr/local/share/zsh/site-functions/_vedette"""


def run(args: argparse.Namespace) -> int:
    from vedette.cli.main import build  # the parser of all verbs, this one included

    print(shtab.complete(build(), args.shell))
    return 0
