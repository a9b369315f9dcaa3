"""``vedette init``: make the cluster key that every node shares."""

import argparse
import os
import secrets
import sys
from pathlib import Path

from vedette.cli import options
from vedette.kit.errors import PermanentError, UsageError
from vedette.spec import defaults

NAME = "init"
HELP = "make the key that the nodes of a cluster share"

KEY_BYTES = 32


def arguments(parser: argparse.ArgumentParser) -> None:
    key = parser.add_argument(
        "--key", metavar="FILE", type=Path, default=Path(defaults.KEY_FILE), help="(default: %(default)s)"
    )
    options.names_a_file(key)
    parser.epilog = """\
Heartbeats are signed with this key: whoever has it can speak for the cluster. An existing file is never overwritten;
to rotate, make a second key and list both in auth.keys.

examples:
  vedette init
  vedette init --key keys/2026-11

Exit codes: 0 made; 2 the file exists; 3 it cannot be written."""


def run(args: argparse.Namespace) -> int:
    key: Path = args.key
    try:
        _write(key)
    except FileExistsError:
        if not key.parent.is_dir():
            raise PermanentError(f"{key.parent} is not a folder") from None
        remedy = "use it as it is, or choose another name with --key"
        raise UsageError(f"{key} exists and is not overwritten: {remedy}") from None
    except OSError as error:
        raise PermanentError(f"{key} cannot be written: {os.strerror(error.errno or 0)}") from None
    sys.stdout.write(_next_steps(key))
    return 0


def _write(key: Path) -> None:
    """Write a random key that only its owner may read; raises ``OSError``, ``FileExistsError`` among them."""
    if not key.parent.is_dir():
        key.parent.mkdir(mode=0o700, parents=True)
    descriptor = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
        file.flush()
        os.fsync(descriptor)


def _next_steps(key: Path) -> str:
    standard = str(key) == defaults.KEY_FILE
    mention = "" if standard else f"  - name it in the document:   auth: {{keys: [{{secretFile: {key}}}]}}\n"
    return f"""\
Made {key} (mode 0600). Next:
  - copy it to the same place on every other node, readable by root only:
      scp -p {key} root@router2:{key.absolute()}
{mention}  - check the document:   vedette validate cluster.yaml
  - run it:   vedette run --spec cluster.yaml
"""
