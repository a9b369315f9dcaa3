"""Checks that ask nobody: fixed verdicts, and files of this node."""

import os
import sys
from pathlib import Path

import pytest

from tests.health.slow.trial import Result, check
from tests.health.targets import target
from vedette.health.judge import Outcome
from vedette.spec.probes import DnsProbe, FileProbe, FixedProbe
from vedette.state.health import Advice


def test_what_is_fixed_is_as_the_document_says() -> None:
    assert check(target(probe=FixedProbe(up=True))).passed
    assert check(target(probe=FixedProbe(up=False))) == Result(Outcome.FAILED, "down by the document", None, False)


@pytest.mark.parametrize(
    ("content", "expect", "reason"),
    [
        (b"ready\n", None, "exists"),
        (b"ready\n", "^ready$", "matches"),
        (b"ready\n", "busy", "does not match"),
        (b"\xff\xfe" * 10, "busy", "does not match"),
        (b"x" * 100_000 + b"busy", "busy", "does not match"),
        (None, None, "does not exist"),
        (None, "busy", "does not exist"),
    ],
)
def test_a_file_must_be_there_and_match(tmp_path: Path, content: bytes | None, expect: str | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "state").write_bytes(content)
    result = check(target(probe=FileProbe(str(tmp_path / "state"), expect)))
    assert result.reason == f"{tmp_path}/state {reason}"
    assert result.passed == reason.endswith("s")


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"5\n", Advice(5, absolute=True)),
        (b" 0 ", Advice(0, absolute=True)),
        (b"65535", Advice(65535, absolute=True)),
        (b"50%\n", Advice(50)),
        (b"0%", Advice(0)),
        (b"100%", Advice(100)),
    ],
)
def test_a_file_may_hold_its_servers_weight(tmp_path: Path, content: bytes, advice: Advice) -> None:
    (tmp_path / "weight").write_bytes(content)
    result = check(target(probe=FileProbe(str(tmp_path / "weight"), dynamic_weight=True)))
    assert (result.passed, result.advice) == (True, advice)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"65536", b"101%", b"-1", b"5 6", b"5.5", b"%", b"\xff", b"1" * 9999, None]
)
def test_a_file_without_a_weight_fails(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "weight").write_bytes(content)
    result = check(target(probe=FileProbe(str(tmp_path / "weight"), dynamic_weight=True)))
    assert not result.passed
    assert result.reason.startswith(
        f"{tmp_path}/weight {'holds no weight' if content is not None else 'does not exist'}"
    )


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert (
        check(target(probe=FileProbe(str(tmp_path / "pipe"), "x"))).reason == f"{tmp_path}/pipe is not a regular file"
    )
    assert not check(target(probe=FileProbe("/dev/zero", "x"))).passed
    assert not check(target(probe=FileProbe(str(tmp_path), "x"))).passed


def test_a_kind_whose_library_is_missing_cannot_be_checked_and_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vedette.health.slow.dns", None)
    with pytest.raises(ValueError, match="kind dns need is not installed"):
        check(target(probe=DnsProbe()))
