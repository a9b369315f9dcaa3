"""A file of this node: it must be there, and hold a text if one is asked for.

It is read in a thread: on a network file system whose server is gone, a read does not end, whatever one does.
"""

import os
import stat
from functools import partial
from pathlib import Path

from vedette.health.body import Matcher, TooCostlyError
from vedette.health.slow import threads
from vedette.health.slow.check import Check, FailedError, Passed, Progress
from vedette.spec.probes import FileProbe
from vedette.state.health import Target

LARGEST = 64 << 10
"""Bytes of a file that are looked at."""


def prepare(target: Target) -> Check:
    probe = target.check.probe
    assert isinstance(probe, FileProbe)
    matcher = None if probe.expect is None else Matcher(probe.expect)

    async def check(progress: Progress) -> Passed:
        progress.stage = "of the file system"
        content = await threads.run(partial(_read, probe.path, content=matcher is not None))
        try:
            if matcher is not None and not matcher.found_in(content):
                raise FailedError(f"{probe.path} does not match")
        except TooCostlyError:
            raise FailedError("the pattern for the file takes too long: simplify it") from None
        return Passed(f"{probe.path} {'exists' if matcher is None else 'matches'}")

    return check


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
