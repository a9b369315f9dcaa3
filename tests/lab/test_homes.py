"""Where labs keep their state: names, locks, leftovers. No lab is built."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.kit.errors import UsageError
from vedette.lab import home


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="labs-") as path:
        monkeypatch.setenv(home.PLACE, path)
        yield Path(path)


def test_a_claimed_lab_lives_as_long_as_its_lock_is_held(place: Path) -> None:
    directory, lock = home.claim("web")
    assert (directory, home.living()) == (place / "web", ["web"])
    os.close(lock)
    assert home.living() == []
    assert not directory.exists()


def test_a_lab_that_is_up_keeps_its_name() -> None:
    _, lock = home.claim("web")
    with pytest.raises(UsageError, match="vedette lab down web"):
        home.claim("web")
    os.close(lock)
    _, lock = home.claim("web")
    os.close(lock)


def test_a_directory_that_nobody_locked_is_a_leftover(place: Path) -> None:
    (place / "half" / "machines").mkdir(parents=True)
    _, lock = home.claim("web")
    assert sorted(path.name for path in place.iterdir() if path.is_dir()) == ["web"]
    os.close(lock)


def test_only_root_may_look_into_a_lab() -> None:
    directory, lock = home.claim("web")
    assert directory.stat().st_mode & 0o777 == 0o700
    os.close(lock)


def test_an_unknown_lab_is_answered_with_those_that_are_up() -> None:
    _, lock = home.claim("web")
    with pytest.raises(UsageError, match="up are: web"):
        home.find("wep")
    os.close(lock)
    with pytest.raises(UsageError, match="lab up FILE"):
        home.find("web")


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "Web", "a" * 33, "x."])
def test_a_name_that_could_be_mistaken_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        home.check_name(name)


@pytest.mark.parametrize(
    ("cluster", "lab"),
    [("web-edge", "web-edge"), ("Web Edge/1", "web-edge-1"), ("é", "lab"), ("a" * 31 + "-b", "a" * 31)],
)
def test_a_cluster_gives_its_lab_a_name(cluster: str, lab: str) -> None:
    assert home.check_name(home.name_from(cluster)) == lab


@pytest.mark.parametrize("path", ["labs", "/" + "x" * 60])
def test_a_place_that_cannot_hold_sockets_is_refused(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv(home.PLACE, path)
    with pytest.raises(UsageError, match=home.PLACE):
        home.place()
