"""Checks of kind exec, process and systemd: real programs, run as nobody."""

import asyncio
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.health.slow import daemons
from tests.health.slow.trial import SHORT, Result, attempt, check
from tests.health.targets import target
from vedette.health.judge import Outcome
from vedette.health.slow import program, systemd
from vedette.spec.probes import Arguments, ExecProbe, ProcessProbe, SystemdProbe
from vedette.spec.secret import Secret
from vedette.state.health import Advice

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs as another user"),
]
SECRET = "geheim-4711-xyz"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user nobody may enter and write to."""
    with tempfile.TemporaryDirectory(prefix="vedette-test-") as name:
        Path(name).chmod(0o777)
        yield Path(name)
    assert not program.running, "no program outlives its check"


def script(folder: Path, text: str) -> tuple[str, ...]:
    path = folder / "check"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return (str(path),)


def run(probe: ExecProbe, timeout: int = 5 * 10**9) -> Result:
    result = check(target("10.0.0.11", 8080, probe), timeout)
    assert SECRET not in repr(probe)
    assert SECRET not in result.reason
    return result


def test_an_exit_status_of_0_passes_and_every_other_fails(folder: Path) -> None:
    assert run(ExecProbe(script(folder, "exit 0"))).reason == "exit status 0"
    failed = run(ExecProbe(script(folder, "echo first; echo 'the disk is full' >&2; exit 3")))
    assert failed == Result(Outcome.FAILED, "exit status 3: the disk is full", None, False)
    assert run(ExecProbe(script(folder, "kill -9 $$"))).reason == "killed by signal 9"


def test_a_dynamic_weight_is_the_exit_status_less_two(folder: Path) -> None:
    for status, advice in ((0, None), (2, Advice(0, True)), (12, Advice(10, True)), (255, Advice(253, True))):
        result = run(ExecProbe(script(folder, f"exit {status}"), dynamic_weight=True))
        assert (result.passed, result.advice) == (True, advice)
    for text in ("exit 1", "kill -9 $$"):
        result = run(ExecProbe(script(folder, text), dynamic_weight=True))
        assert (result.passed, result.advice) == (False, None)


def test_a_program_is_told_by_the_convention_of_ldirectord(folder: Path) -> None:
    command = (*script(folder, f"printf '%s|' \"$@\" > {folder}/said"), "-v")
    vip = ip_address("203.0.113.80")
    for arguments, said in (
        (Arguments.NONE, "-v|"),
        (Arguments.SERVER, "-v|10.0.0.11|8080|"),
        (Arguments.LDIRECTORD, "-v|203.0.113.80|80|10.0.0.11|8080|"),
    ):
        assert run(ExecProbe(command, arguments=arguments, virtual_address=vip, virtual_port=80)).passed
        assert (folder / "said").read_text() == said


def test_a_program_has_the_rights_of_its_user_and_a_clean_environment(folder: Path) -> None:
    os.environ["VEDETTE_TEST_LEAK"] = "1"
    text = f"(id -u; id -G; umask; pwd; ls /proc/self/fd | wc -l; env | sort) > {folder}/said; cat"
    probe = ExecProbe(
        script(folder, text), environment=(("LEVEL", "deep"),), secrets=(("DB_PASSWORD", Secret(SECRET)),)
    )
    try:
        assert run(probe).passed, "cat ends at once, because there is no input"
    finally:
        del os.environ["VEDETTE_TEST_LEAK"]
    uid, groups, umask, where, descriptors, *environment = (folder / "said").read_text().splitlines()
    assert (uid, groups, umask, where) == ("65534", "65534", "0077", "/")
    assert int(descriptors) <= 5, "nothing of ours is inherited"
    variables = dict(line.split("=", 1) for line in environment)
    assert variables.keys() - {"PWD", "SHLVL", "_", "OLDPWD"} == {
        "PATH", "LC_ALL", "VEDETTE_ADDRESS", "VEDETTE_PORT", "LEVEL", "DB_PASSWORD",
    }  # fmt: skip
    assert variables["DB_PASSWORD"] == SECRET


def test_a_secret_is_on_no_command_line_and_in_no_reason(folder: Path) -> None:
    text = "cat /proc/*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c -- \"$TOKEN\"; echo \"wrong: $TOKEN\"; exit 1"
    probe = ExecProbe(script(folder, text), secrets=(("TOKEN", Secret(SECRET)),))
    result = run(probe)
    assert result.reason == "exit status 1: wrong: ***"


def test_no_line_of_a_secret_of_several_is_in_a_reason(folder: Path) -> None:
    key = f"-----BEGIN-----\n{SECRET}\nsecond-{SECRET}\n"
    probe = ExecProbe(script(folder, 'echo "$KEY"; exit 1'), secrets=(("KEY", Secret(key)),))
    assert run(probe).reason == "exit status 1: ***"


def test_a_hung_program_is_killed_with_all_that_it_started(folder: Path) -> None:
    text = f"sleep 1000 & echo $! > {folder}/child; trap '' TERM; echo $$ > {folder}/parent; sleep 1000"
    result = run(ExecProbe(script(folder, text)), SHORT)
    assert result.outcome is Outcome.FAILED
    assert result.reason == f"no answer in 150ms from {folder}/check"
    for name in ("parent", "child"):
        pid = int((folder / name).read_text())
        assert daemons.ends(pid), name


def test_what_a_program_leaves_behind_is_killed_when_it_ends(folder: Path) -> None:
    assert run(ExecProbe(script(folder, f"sleep 1000 & echo $! > {folder}/child"))).passed
    assert daemons.ends(int((folder / "child").read_text()))


def test_what_leaves_the_group_of_a_program_is_ended_when_no_program_runs_that_may_have_started_it(
    folder: Path,
) -> None:
    """In a process of its own, as in reality: all its other children are ended."""
    leave = f"""setsid sh -c 'echo $$ > "$0"; exec sleep 1000' {folder}/$1 &"""
    script(folder, f"{leave} until test -s {folder}/$1; do sleep 0.01; done; test $1 = second || sleep 1000")
    code = f"""
import asyncio, os
from tests.health.slow.trial import attempt
from tests.health.targets import target
from vedette.health.slow import orphans, program
from vedette.spec.probes import ExecProbe
orphans.adopt()
def probe(word):
    return target(probe=ExecProbe(("{folder}/check", word)))
def child(word):
    return int(open("{folder}/" + word).read())
def lives(number):
    try:
        return open(f"/proc/{{number}}/stat").read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
async def main():
    longer = asyncio.create_task(attempt(probe("first"), 2 * 10**9))
    while not os.path.exists("{folder}/first") or not open("{folder}/first").read():
        await asyncio.sleep(0.01)
    print((await attempt(probe("second"))).reason, lives(child("first")), lives(child("second")))
    await longer
    while program.running or lives(child("first")) or lives(child("second")):
        await asyncio.sleep(0.01)
    print("nothing is left")
asyncio.run(main())
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, timeout=30
    )
    assert run.stdout == "exit status 0 True True\nnothing is left\n", run.stderr


def test_what_prints_for_ever_is_not_listened_to_for_ever(folder: Path) -> None:
    result = run(ExecProbe(script(folder, "exec yes 'go on'")), SHORT)
    assert result.reason.startswith("no answer in 150ms")
    noisy = run(ExecProbe(script(folder, "head -c 300000 /dev/urandom; exit 1")))
    assert noisy.reason.startswith("exit status 1: ")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("/absent/check", "/absent/check cannot be started: no such file or directory"),
        ("/etc/passwd", "/etc/passwd cannot be started: permission denied"),
        ("/tmp", "/tmp cannot be started: permission denied"),
    ],
)
def test_what_cannot_be_started_fails(command: str, reason: str) -> None:
    assert run(ExecProbe((command,))) == Result(Outcome.FAILED, reason, None, False)


def test_a_file_without_an_interpreter_is_no_program(folder: Path) -> None:
    path = folder / "check"
    path.write_text("exit 0\n")
    path.chmod(path.stat().st_mode | stat.S_IXOTH | stat.S_IXUSR | stat.S_IROTH)
    assert "no `#!` line" in run(ExecProbe((str(path),))).reason


def test_a_command_that_is_a_loop_of_links_fails_and_holds_up_no_other(folder: Path) -> None:
    (folder / "check").symlink_to(folder / "check")
    result = run(ExecProbe((f"{folder}/check",)))
    assert (result.outcome, result.reason.partition(": ")[0]) == (
        Outcome.FAILED,
        f"{folder}/check cannot be started",
    )


def test_a_user_who_is_not_known_now_says_nothing_of_a_server() -> None:
    result = run(ExecProbe(("/bin/true",), user="vedette-nobody"))
    assert (result.outcome, result.reason) == (Outcome.BLOCKED, "this machine has no user vedette-nobody")


def test_nor_does_one_whose_directory_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    monkeypatch.setattr("pwd.getpwnam", lambda _: answers.wait())
    probe = ExecProbe(("/bin/true",), user="probe")

    async def scenario() -> Result:
        asyncio.get_running_loop().call_later(0.2, answers.set)  # the thread must end some time
        return await attempt(target("10.0.0.11", 8080, probe, timeout=SHORT))

    result = asyncio.run(scenario())
    assert (result.outcome, result.reason) == (Outcome.BLOCKED, "the user probe cannot be looked up")


def test_without_the_privilege_to_change_the_user_nothing_is_said_of_a_server() -> None:
    code = """
from tests.health.slow.trial import check
from tests.health.targets import target
from vedette.kit import privileges
from vedette.spec.probes import ExecProbe
privileges.keep_capabilities(())
result = check(target(probe=ExecProbe(("/bin/true",))))
print(result.outcome.value, result.reason)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.stdout == ("blocked programs cannot be run as another user: CAP_SETUID and CAP_SETGID are missing\n"), (
        run.stderr
    )


def test_too_many_programs_say_nothing_of_a_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program.PLACES, "most", 0)
    result = run(ExecProbe(script(folder, "exit 0")), SHORT)
    assert (result.outcome, result.reason) == (Outcome.BLOCKED, "0 programs are running already")


def test_a_check_waits_for_a_place_within_its_time_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that are dead are not kept in by programs of others that hang."""
    monkeypatch.setattr(program.PLACES, "most", 1)
    hung = target("10.0.0.11", 8080, ExecProbe(("/bin/sleep", "1000")))
    dead = target("10.0.0.12", 8080, ExecProbe(("/bin/false",)))

    async def scenario() -> list[Result]:
        return list(await asyncio.gather(attempt(hung, SHORT), attempt(dead)))

    assert [result.reason for result in asyncio.run(scenario())] == [
        "no answer in 150ms from /bin/sleep",
        "exit status 1",
    ]


# process


def test_a_process_is_found_by_its_name(folder: Path) -> None:
    long_name = folder / "a-name-longer-than-the-kernel-keeps"
    long_name.symlink_to("/bin/sleep")
    with subprocess.Popen([str(long_name), "1000"]) as process:
        try:
            asyncio.run(_until(ProcessProbe(long_name.name)))
            assert check(target(probe=ProcessProbe(long_name.name[:15]))).passed
            other = check(target(probe=ProcessProbe(f"{long_name.name[:20]}-other")))
            assert other == Result(Outcome.FAILED, f"no process {long_name.name[:20]}-other", None, False)
        finally:
            process.kill()
    assert not check(target(probe=ProcessProbe(long_name.name))).passed


async def _until(probe: ProcessProbe) -> None:
    while not (await attempt(target(probe=probe))).passed:
        pass


def test_a_process_that_has_ended_does_not_count() -> None:
    process = subprocess.Popen([sys.executable, "-c", "open('/proc/self/comm', 'w').write('vedette-zombie')"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not check(target(probe=ProcessProbe("vedette-zombie"))).passed
    process.wait()


# systemd


@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [
        ("active", 0, "nginx.service is active"),
        ("reloading", 3, "nginx.service is reloading"),
        ("inactive", 3, "nginx.service is inactive"),
        ("failed", 3, "nginx.service is failed"),
        ("unknown", 4, "nginx.service is unknown"),
        ("", 1, "systemd cannot be asked: systemctl says nothing"),
        (
            "Failed to connect to bus: Host is down",
            1,
            "systemd cannot be asked: Failed to connect to bus: Host is down",
        ),
    ],
)
def test_a_unit_must_be_active(
    folder: Path, monkeypatch: pytest.MonkeyPatch, state: str, status: int, reason: str
) -> None:
    (command,) = script(folder, f'test "$*" = "is-active -- nginx.service" && echo {state}; exit {status}')
    monkeypatch.setattr(systemd, "SYSTEMCTL", command)
    result = check(target(probe=SystemdProbe("nginx.service")))
    assert result.reason == reason
    assert result.passed == (state in ("active", "reloading"))
    assert (result.outcome is Outcome.BLOCKED) == ("cannot" in reason)
