"""``make install`` and ``make uninstall`` touch what is ours, and nothing else."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.test_repository import REAL_SERVER, ROOT, UNIT

PREFIX = "/opt/vedette"
WORDS = ("bash-completion/completions/vedette", "zsh/site-functions/_vedette")


def _install(root: Path, *words: str, prefix: str = PREFIX) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DESTDIR": str(root), "PREFIX": prefix}
    return subprocess.run([ROOT / "tools/install", *words], env=environment, capture_output=True, text=True)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A root folder with what an installation leaves there, and things of other people beside it."""
    files = [f"{PREFIX}/bin/vedette", *(f"/usr/local/share/{name}" for name in WORDS)]
    files += [f"/etc/systemd/system/{unit.name}" for unit in (UNIT, REAL_SERVER)]
    files += ["/etc/vedette/cluster.yaml", "/var/lib/vedette/core.state", "/etc/systemd/system/nginx.service"]
    for name in files:
        path = tmp_path / name.removeprefix("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o755)
    command = tmp_path / "usr/bin/vedette"
    command.parent.mkdir()
    command.symlink_to(f"{PREFIX}/bin/vedette")
    return tmp_path


def _files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}


def test_uninstalling_leaves_the_document_and_what_the_node_has_promised(installed: Path) -> None:
    assert _install(installed, "--remove").returncode == 0
    kept = {"etc/vedette/cluster.yaml", "var/lib/vedette/core.state", "etc/systemd/system/nginx.service"}
    assert _files(installed) == kept
    assert not (installed / "opt/vedette").exists()


@pytest.mark.parametrize("words", [(), ("--remove",)], ids=["install", "uninstall"])
def test_a_command_of_somebody_else_is_left_alone(installed: Path, words: tuple[str, ...]) -> None:
    command = installed / "usr/bin/vedette"
    command.unlink()
    command.write_text("another")
    before = _files(installed)
    outcome = _install(installed, *words)
    assert (outcome.returncode, outcome.stderr.count("\n")) == (1, 1)
    assert _files(installed) == before


@pytest.mark.parametrize("words", [(), ("--remove",)], ids=["install", "uninstall"])
@pytest.mark.parametrize("prefix", ["/etc/vedette", "/", "opt/vedette", "/opt/my vedette"])
def test_a_folder_that_is_no_installation_is_left_alone(installed: Path, words: tuple[str, ...], prefix: str) -> None:
    before = _files(installed)
    assert _install(installed, *words, prefix=prefix).returncode == 1
    assert _files(installed) == before


def test_the_units_start_what_is_installed() -> None:
    script = (ROOT / "tools/install").read_text()
    assert "command=$root/usr/bin/vedette" in script
    assert all("ExecStart=/usr/bin/vedette " in unit.read_text() for unit in (UNIT, REAL_SERVER))
