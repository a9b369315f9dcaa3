"""keepalived and ldirectord, given by hand what a document of the corpus says, program the same table.

``corpus/NAME.keepalived.conf`` and ``corpus/NAME.ldirectord.cf`` stand beside ``NAME.yaml`` where these can say it;
``corpus/README.md`` says where they cannot.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.ipvs.in_kernel.test_corpus import table_in_words
from tests.ipvs.namespace import own_network

CORPUS = Path(__file__).parents[1] / "corpus"
PATIENCE = 240.0
"""Seconds after which a peer that has not programmed its table gives up."""


def cases(pattern: str) -> list[Path]:
    return sorted(CORPUS.glob(pattern))


def name(case: Path) -> str:
    return case.name.partition(".")[0]


@contextmanager
def running(*argv: str) -> Iterator[None]:
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def programs(case: Path, *argv: str) -> None:
    """Run a peer until the table is as the corpus says; fails with what it says instead."""
    expected = (CORPUS / f"{name(case)}.ipvsadm").read_text()
    with own_network(), running(*argv):
        deadline = time.monotonic() + PATIENCE
        while (found := table_in_words()) != expected and time.monotonic() < deadline:
            time.sleep(0.1)
    assert found == expected


@pytest.mark.parametrize("case", cases("*.keepalived.conf"), ids=name)
def test_keepalived_programs_the_same_table(case: Path, tmp_path: Path) -> None:
    files = (f"--pid={tmp_path / 'keepalived.pid'}", f"--checkers_pid={tmp_path / 'checkers.pid'}")
    programs(case, "keepalived", "--check", "--dont-fork", "--log-console", f"--use-file={case}", *files)


@pytest.mark.parametrize("case", cases("*.ldirectord.cf"), ids=name)
def test_ldirectord_programs_the_same_table(case: Path) -> None:
    programs(case, "ldirectord", "-d", str(case), "start")
