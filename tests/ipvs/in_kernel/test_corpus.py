"""``corpus/NAME.yaml``, and what ipvsadm says of the kernel's table when it is programmed: ``corpus/NAME.ipvsadm``."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from tests.ipvs.documents import verdicts

from vedette.ipvs.kernel import KernelTable
from vedette.ipvs.reconciler import Reconciler
from vedette.spec import load
from vedette.spec.load import Secrets
from vedette.spec.resolved import ClusterSpec
from vedette.state.paths import with_paths

CASES = sorted((Path(__file__).parents[1] / "corpus").glob("*.yaml"))


def document(case: Path) -> ClusterSpec:
    report = load.check(case, secrets=Secrets.IGNORED)
    assert report.spec is not None, report.problems
    return with_paths(report.spec)


def table_in_words() -> str:
    """Services and destinations as ``ipvsadm`` restores them, and their thresholds, which it does not save."""
    return saved() + "".join(f"# {line}\n" for line in thresholds())


def saved() -> str:
    return "".join(f"{line.strip()}\n" for line in sorted(_ipvsadm("-Sn")))


def thresholds() -> list[str]:
    """Destinations that have any: address, upper, lower."""
    rows = (line.split()[1:4] for line in _ipvsadm("-Ln", "--thresholds") if line.startswith("  ->"))
    return sorted(" ".join(row) for row in rows if row[0][-1].isdigit() and row[1:] != ["0", "0"])


def _ipvsadm(*arguments: str) -> list[str]:
    return subprocess.run(["ipvsadm", *arguments], capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_ipvsadm_says_what_the_document_says(case: Path, table: KernelTable, tmp_path: Path) -> None:
    spec = document(case)
    target = Reconciler(run_dir=tmp_path, driver=table)
    target.update(spec, verdicts(spec), complete=True)
    asyncio.run(target.reconcile())
    assert target.problems() == []
    assert table_in_words() == case.with_suffix(".ipvsadm").read_text()
