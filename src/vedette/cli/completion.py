"""``vedette completion``: words for the shell's Tab key."""

import argparse

import shtab

NAME = "completion"
HELP = "print a completion script for bash, zsh, fish or tcsh"
SHELLS = ("bash", "zsh", "fish", "tcsh")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))
    parser.epilog = """\
`make install` has put those for bash and zsh where these look for them. For the others, and without it:

  vedette completion bash > /etc/bash_completion.d/vedette
  vedette completion zsh > /usr/local/share/zsh/site-functions/_vedette
  vedette completion fish > /etc/fish/completions/vedette.fish
  vedette completion tcsh > ~/.vedette.tcsh      and in ~/.tcshrc: source ~/.vedette.tcsh"""


def run(args: argparse.Namespace) -> int:
    from vedette.cli.main import build  # the parser of all verbs, this one included

    parser = build()
    _know_drills(parser)
    print(shtab.complete(parser, args.shell))
    return 0


def _know_drills(parser: argparse.ArgumentParser) -> None:
    """Give ``rehearse --drill`` its names; the verb itself does without, because they take a while to load."""
    from vedette.lab.drills import catalogue

    (verbs,) = (action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    for action in verbs["rehearse"]._actions:
        if action.dest == "drill":
            action.choices = [drill.name for drill in catalogue.ALL]
