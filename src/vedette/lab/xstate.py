"""Machines on processors with AMX, whose registers are more than Debian's User Mode Linux expects (xstate.c)."""

import functools
import shutil
import subprocess
from pathlib import Path

from vedette.kit.errors import PermanentError

SOURCE = Path(__file__).with_name("xstate.c")
COMPILERS = ("tcc", "gcc", "cc")
_FLAG = "amx_tile"


def environment(directory: Path) -> dict[str, str]:
    """What the environment of a machine's kernel must have on this host; ``directory`` is for the library, if any.

    Raises :class:`PermanentError` where it must be compiled and nothing can do that.
    """
    return {"LD_PRELOAD": str(_library(directory))} if _needed() else {}


@functools.cache
def _needed() -> bool:
    """Whether the host's processor has the tiles."""
    return any(_FLAG in line.split() for line in Path("/proc/cpuinfo").read_text().splitlines() if "flags" in line)


def _library(directory: Path) -> Path:
    made = directory / "xstate.so"
    if made.exists():
        return made
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise PermanentError(
            "User Mode Linux does not boot on a processor with AMX without a small library, and there is no C compiler "
            "to make it: apt-get install tcc"
        )
    done = subprocess.run(
        [compiler, "-shared", "-fPIC", "-nostdlib", "-O2", "-o", made, SOURCE],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PermanentError(f"{compiler} does not compile {SOURCE.name}: {done.stderr.strip()}")
    return made
