"""Machines on processors with AMX need a small library; others need none."""

import ctypes
import shutil
from pathlib import Path

import pytest

from vedette.kit.errors import PermanentError
from vedette.lab import xstate

compiled = pytest.mark.skipif(not any(map(shutil.which, xstate.COMPILERS)), reason="there is no C compiler")


@pytest.fixture
def tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xstate, "_needed", lambda: True)


def test_a_processor_without_tiles_needs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xstate, "_needed", lambda: False)
    assert xstate.environment(tmp_path) == {}
    assert not list(tmp_path.iterdir())


@compiled
@pytest.mark.usefixtures("tiles")
def test_the_library_stands_in_for_ptrace(tmp_path: Path) -> None:
    made = Path(xstate.environment(tmp_path)["LD_PRELOAD"])
    assert made.parent == tmp_path
    assert ctypes.CDLL(str(made)).ptrace is not None


@pytest.mark.usefixtures("tiles")
def test_without_a_compiler_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(PermanentError, match="apt-get install tcc"):
        xstate.environment(tmp_path)


def test_every_flag_of_this_processor_is_looked_at() -> None:
    flags = {
        word for line in Path("/proc/cpuinfo").read_text().splitlines() if "flags" in line for word in line.split()
    }
    assert xstate._needed() is ("amx_tile" in flags)
