"""Programs that drivers start."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fencing import machines

from vedette.fencing.device import RefusedError
from vedette.fencing.drivers import leash, program


def run(*command: str, **others: object) -> program.Answer:
    return asyncio.run(program.run(command, package="none", **others))  # type: ignore[arg-type]


def test_a_program_gets_stdin_and_gives_output_and_status() -> None:
    answer = run("/bin/sh", "-c", "cat; echo bad >&2; exit 2", stdin=b"action=status\n")
    assert (answer.status, answer.output, answer.errors) == (2, "action=status\n", "bad\n")


def test_a_program_gets_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "1")
    answer = run("/usr/bin/env", environment={"GIVEN": "2"})
    assert {line.partition("=")[0] for line in answer.output.splitlines()} == {"PATH", "LC_ALL", "GIVEN"}


def test_a_program_that_is_missing_is_named_with_its_package() -> None:
    with pytest.raises(RefusedError, match="install the package none"):
        run("/usr/sbin/fence_nothing_at_all")


def test_a_long_answer_is_cut_and_does_not_block() -> None:
    answer = run("/usr/bin/head", "-c", str(program.LARGEST * 3), "/dev/zero")
    assert (answer.status, len(answer.output)) == (0, program.LARGEST)


def test_a_cancelled_call_ends_the_whole_group(tmp_path: Path) -> None:
    """As with an agent whose ssh hangs: the grandchild ends with it."""
    told = tmp_path / "pid"

    async def scenario() -> None:
        script = f"sleep 600 & echo $! > {told}.new; mv {told}.new {told}; wait"
        asked = asyncio.create_task(program.run(("/bin/sh", "-c", script), package="none"))
        while not told.exists():
            await asyncio.sleep(0.01)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    asyncio.run(scenario())
    machines.wait(lambda: not alive(told), "the end of the group")


def test_a_call_that_is_cancelled_while_it_starts_ends_the_whole_group(tmp_path: Path) -> None:
    told = tmp_path / "pid"

    async def scenario() -> None:
        script = f"sleep 600 & echo $! > {told}.new; mv {told}.new {told}; wait"
        asked = asyncio.create_task(program.run(("/bin/sh", "-c", script), package="none"))
        await asyncio.sleep(0)  # it has begun to start the program, and waits for that
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    asyncio.run(scenario())
    assert not told.exists() or not alive(told)


def test_what_a_program_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    run("/bin/sh", "-c", f"sleep 600 >/dev/null 2>&1 & echo $! > {told}")
    assert told.exists()
    machines.wait(lambda: not alive(told), "the end of the group")


def test_a_daemon_that_a_program_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    """It has a session of its own, and holds the pipes that the answer comes through."""
    told = tmp_path / "pid"
    daemon = f"setsid sh -c 'echo $$ > {told}; exec sleep 600' & echo here; until [ -s {told} ]; do sleep 0.01; done"
    try:
        answer = asyncio.run(asyncio.wait_for(program.run(("/bin/sh", "-c", daemon), package="none"), 30))
        assert (answer.status, answer.output) == (0, "here\n")
        assert not alive(told)
    finally:
        machines.Machine(told).end()


@pytest.mark.parametrize("session", ["", "setsid "])
def test_nothing_goes_on_when_the_process_that_asked_is_killed(session: str, tmp_path: Path) -> None:
    """A fencer that hangs is killed, and its next life is told everything anew: nobody waits for what it began."""
    told = tmp_path / "pid"
    script = f"{session}sh -c 'echo $$ > {told}.new; mv {told}.new {told}; exec sleep 600'; :"
    asking = f"""
import asyncio
from vedette.fencing.drivers import leash, program
asyncio.run(program.run(("/bin/sh", "-c", {script!r}), package="none"))
"""
    fencer = subprocess.Popen((sys.executable, "-c", asking))
    try:
        machines.wait(told.exists, "the program")
        assert alive(told)
        fencer.kill()
        fencer.wait()
        machines.wait(lambda: not alive(told), "the end of all that it started")
    finally:
        machines.Machine(told).end()


def test_how_a_program_ended_is_told() -> None:
    assert run("/bin/sh", "-c", "exit 7").status == 7
    assert run("/bin/sh", "-c", "kill -9 $$").status == 128 + 9


def test_a_program_that_cannot_be_started_says_why(tmp_path: Path) -> None:
    answer = run(str(machines.write(tmp_path / "fence_x", "#!/nonexistent\n", mode=0o755)))
    assert answer.status == leash.CANNOT_START
    assert answer.complaint([]) == f"{tmp_path / 'fence_x'} cannot be started: No such file or directory"


def alive(told: Path) -> bool:
    try:
        state = Path(f"/proc/{int(told.read_text())}/stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] not in "ZX"


def test_secrets_are_taken_out_of_complaints() -> None:
    answer = program.Answer(1, "", "Error: login geheim failed\x1b[0m\n\n")
    assert answer.complaint(["geheim", ""]) == "Error: login *** failed [0m"


@pytest.mark.parametrize(
    ("errors", "complaint"),
    [
        (
            "2026-11-29 09:06:09,289 ERROR: Failed: <HTTPSConnection object at 0x7fe340ae19d0>: Connection refused\n\n"
            "2026-11-29 09:06:09,290 ERROR: Please use '-h' for usage\n\n",
            "Failed: <HTTPSConnection object>: Connection refused",
        ),
        ("2026-11-29 09:06:09,361 ERROR: Unable to connect/login to fencing device\n\n\n", "Unable to connect"),
        ("2026-11-29T09:06:09Z no answer\n", "no answer"),
        ("2026-11-29 is no working day\n", "2026-11-29 is no working day"),
        ("ERROR: Please use '-h' for usage\n", "ERROR: Please use '-h' for usage"),
        ("Please use '-h' for usage\n", "it ended with status 1"),
    ],
)
def test_the_same_fault_is_told_in_the_same_words(errors: str, complaint: str) -> None:
    """Or each round of a fence that fails is news, and the history holds one night."""
    assert program.Answer(1, "", errors).complaint([]).startswith(complaint)
