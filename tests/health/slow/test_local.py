"""Checks that ask nobody: fixed verdicts, and files of this node."""

import os
import sys
from pathlib import Path

import pytest

from tests.health.slow.trial import Result, check
from tests.health.targets import target
from vedette.health.judge import Outcome
from vedette.spec.probes import DnsProbe, FileProbe, FixedProbe


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
