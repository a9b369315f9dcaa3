"""A file of this node: it must be there, and hold a text, or a weight, if one is asked for.

It is read in a thread: on a network file system whose server is gone, a read does not end, whatever one does.
"""

import os
import re
import stat
from functools import partial
from pathlib import Path

from vedette.health.body import Matcher, TooCostlyError
from vedette.health.slow import threads
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.spec.probes import FileProbe
from vedette.state.health import MOST_WEIGHT, Advice, Target

_WEIGHT = re.compile(rb"([0-9]{1,5})(%?)")
LARGEST = 64 << 10
"""Bytes of a file that are looked at."""


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, FileProbe)
    matcher = None if probe.expect is None else Matcher(probe.expect)

    async def check(progress: Progress) -> Passed:
        progress.stage = "of the file system"
        wanted = matcher is not None or probe.dynamic_weight
        content = await threads.run(partial(_read, probe.path, content=wanted))
        if probe.dynamic_weight:
            return _weigh(probe.path, content)
        try:
            if matcher is not None and not matcher.found_in(content):
                raise FailedError(f"{probe.path} does not match")
        except TooCostlyError:
            raise FailedError("the pattern for the file takes too long: simplify it") from None
        return Passed(f"{probe.path} {'exists' if matcher is None else 'matches'}")

    return check


def _weigh(path: str, content: bytes) -> Passed:
    """What a file says of its server's weight: ``5``, or ``50%`` of the document's."""
    found = _WEIGHT.fullmatch(content.strip())
    value, share = (int(found[1]), bool(found[2])) if found else (-1, False)
    if not 0 <= value <= (100 if share else MOST_WEIGHT):
        raise FailedError(f"{path} holds no weight: write a number up to {MOST_WEIGHT}, or a share like 50%")
    return Passed(f"{path} says weight {value}{'%' * share}", Advice(value, absolute=not share))


def _read(path: str, *, content: bool) -> bytes:
    """Return the beginning of a file, or nothing where its ``content`` does not matter."""
    try:
        if not content:
            Path(path).stat()
            return b""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # a pipe would wait for its writer
                raise FailedError(f"{path} is not a regular file")
            return os.read(descriptor, LARGEST)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise FailedError(f"{path} does not exist") from None
    except OSError as error:
        raise FailedError(f"{path} cannot be read: {os.strerror(error.errno or 0).lower()}") from None
