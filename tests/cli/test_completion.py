"""What the Tab key offers, asked of bash itself."""

import shlex
import subprocess
from pathlib import Path

import pytest

from vedette.cli import completion
from vedette.cli.main import main
from vedette.lab.drills import catalogue


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    with pytest.MonkeyPatch.context() as patch, open(folder / "script", "w") as out:
        patch.setattr("sys.stdout", out)
        assert main(["completion", "bash"]) == 0
    (folder / "cluster.yaml").touch()
    (folder / "clusters").mkdir()
    return folder / "script"


def offered(script: Path, line: str) -> set[str]:
    """What is offered for the last word of a command line (`|`: it is empty)."""
    words = [word.replace("|", "") for word in shlex.split(line)]
    ask = f"""
        source {script}
        COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}
        _shtab_vedette
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    answer = subprocess.run(["bash", "-c", ask], cwd=script.parent, capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


@pytest.mark.parametrize(
    "line",
    [
        "vedette validate clu",
        "vedette validate -o json cluster.yaml clu",
        "vedette plan clu",
        "vedette plan - --against clu",
        "vedette init --key clu",
        "vedette run --spec clu",
        "vedette real-server --spec clu",
        "vedette lab up clu",
        "vedette lab capture net clu",
        "vedette rehearse clu",
    ],
)
def test_files_are_offered_where_a_file_is_wanted(script: Path, line: str) -> None:
    assert offered(script, line) == {"cluster.yaml", "clusters"}


@pytest.mark.parametrize(
    "line", ["vedette run --state-dir clu", "vedette status --run-dir clu", "vedette rehearse --logs clu"]
)
def test_folders_are_offered_where_a_folder_is_wanted(script: Path, line: str) -> None:
    assert offered(script, line) == {"clusters"}


def test_drills_are_offered_by_name(script: Path) -> None:
    assert offered(script, "vedette rehearse cluster.yaml --drill |") == {drill.name for drill in catalogue.ALL}


def test_verbs_are_offered(script: Path) -> None:
    assert offered(script, "vedette re") == {"real-server", "rehearse", "restart"}


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_every_shell_that_the_help_names_gets_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell in completion.HELP
    assert main(["completion", shell]) == 0
    assert "rehearse" in capsys.readouterr().out


def test_a_shell_that_the_help_does_not_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["completion", "powershell"])
    assert "bash" in capsys.readouterr().err
