"""What came from another node is written whole or not at all, and reaches nothing but the document and its files."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from vedette.daemon.incoming import UNFINISHED, Incoming
from vedette.sources.parcel import Contents

OLD, NEW = b"the old document", b"the new document"
LIST, PAGE = "lists/app.txt", "sorry.html"


class Place:
    """A folder with a document, and one for the state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "etc"
        self.state = folder / "state"
        self.folder.mkdir()
        self.state.mkdir()
        self.path = self.folder / "cluster.yaml"
        self.path.write_bytes(OLD)
        self.path.chmod(0o640)

    def write(self, files: Mapping[str, bytes], named: tuple[str, ...] = ()) -> str | None:
        incoming = self.incoming
        return incoming.stage(Contents(NEW, files), named=named) or incoming.commit()

    @property
    def incoming(self) -> Incoming:
        return Incoming(self.path, self.state)

    @property
    def files(self) -> dict[str, bytes]:
        """All that is there, former ones left out."""
        found = (path for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".former")
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_document_comes_with_its_files_and_the_former_ones_stay_beside(place: Place) -> None:
    (place.folder / PAGE).write_bytes(b"old page")
    assert place.write({LIST: b"10.0.0.11", PAGE: b"new page"}, (PAGE,)) is None
    assert place.files == {"cluster.yaml": NEW, LIST: b"10.0.0.11", PAGE: b"new page"}
    assert (place.folder / "cluster.yaml.former").read_bytes() == OLD
    assert (place.folder / f"{PAGE}.former").read_bytes() == b"old page"
    assert place.path.stat().st_mode & 0o777 == 0o640
    assert (place.folder / LIST).stat().st_mode & 0o777 == 0o644


def test_a_document_that_something_else_keeps_is_not_replaced(place: Place) -> None:
    place.path.rename(place.folder / "git")
    place.path.symlink_to("git")
    assert "is a link" in str(place.write({}))
    assert place.path.read_bytes() == OLD


def refused(place: Place, name: str, named: tuple[str, ...] = ()) -> str:
    """Have a document refused because of one of its files; nothing may have changed."""
    before = place.files
    said = place.write({"aaa.txt": b"innocent", name: b"hostile"}, named)
    assert place.files == before
    assert said is not None
    return said


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "/etc/cron.d/x",
        "a/../../x",
        "a//x",
        "",
        ".profile",
        "a/.ssh",
        "a\0b",
        "a\\b",
        "x/",
        "a" * 300,
        "cluster.yaml",
        "cluster.yaml.former",
    ],
)
def test_names_that_lead_elsewhere_are_refused(place: Place, name: str) -> None:
    assert "no name for a file beside" in refused(place, name, (name,))


def test_a_file_that_no_document_names_is_not_written_over(place: Place) -> None:
    (place.folder / "check.sh").write_bytes(b"#!/bin/sh")
    assert "is there already" in refused(place, "check.sh")
    (place.folder / "check.sh").write_bytes(b"hostile")
    assert place.write({"check.sh": b"hostile"}) is None


def test_a_private_file_is_not_written_over_even_if_a_document_names_it(place: Place) -> None:
    (place.folder / "cluster.key").write_bytes(b"secret")
    (place.folder / "cluster.key").chmod(0o600)
    assert "is private" in refused(place, "cluster.key", ("cluster.key",))


@pytest.mark.parametrize("name", ["list.txt", "sub/list.txt"])
def test_a_link_is_never_followed(place: Place, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "list.txt").write_bytes(b"precious")
    link = place.folder / name.split("/")[0]
    link.symlink_to(outside / "list.txt" if name == "list.txt" else outside)
    assert "leads through a link" in refused(place, name, (name,))
    assert (outside / "list.txt").read_bytes() == b"precious"
    assert not (outside / ".list.txt.new").exists()


def test_what_came_before_may_be_replaced_as_long_as_nobody_has_changed_it(place: Place) -> None:
    assert place.write({LIST: b"1"}) is None
    assert place.write({LIST: b"2"}) is None
    (place.folder / LIST).write_bytes(b"by hand")
    assert "is there already" in refused(place, LIST)


class _PlugPulledError(Exception):
    pass


@pytest.mark.parametrize("steps", range(4))
def test_what_was_interrupted_is_finished_by_the_next_daemon_or_never_was(
    place: Place, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """The plug is pulled before the renaming number ``steps``: the first makes the list of the others."""
    done = 0

    def rename(*arguments: object, real: object = os.rename, **more: object) -> None:
        nonlocal done
        if done == steps:
            raise _PlugPulledError
        done += 1
        real(*arguments, **more)  # type: ignore[operator]

    before = place.files
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        patch.setattr(Path, "rename", lambda self, target: rename(self, target))
        with pytest.raises(_PlugPulledError):
            place.write({LIST: b"10.0.0.11", PAGE: b"page"})
    assert place.incoming.finish() == (steps > 0)
    after = {"cluster.yaml": NEW, LIST: b"10.0.0.11", PAGE: b"page"}
    found = {name: data for name, data in place.files.items() if not Path(name).name.startswith(".")}
    assert found == (after if steps else before)
    assert not (place.state / UNFINISHED).exists()
    assert place.write({LIST: b"10.0.0.11", PAGE: b"page"}) is None
    assert place.files == after


def test_a_full_disk_changes_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> Iterator[None]:
        raise OSError(28, "No space left on device")

    before = place.files
    monkeypatch.setattr(os, "fsync", full)
    assert "No space left" in str(place.write({LIST: b"1"}))
    assert place.files == before


@given(name=some.text(some.characters(codec="utf-8"), max_size=40))
def test_no_name_whatever_reaches_outside(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    place = Place(folder)
    place.write({name: b"x"})
    outside = {path for path in folder.rglob("*") if not path.is_relative_to(place.folder)}
    assert outside <= {place.state, place.state / "received-files.json"}
    assert place.path.read_bytes() in (OLD, NEW)


def test_what_was_staged_in_a_folder_that_is_gone_is_left_out(place: Place) -> None:
    (place.state / UNFINISHED).write_text('["gone/list.txt", "cluster.yaml"]')
    (place.folder / ".cluster.yaml.new").write_bytes(NEW)
    assert place.incoming.finish()
    assert place.files == {"cluster.yaml": NEW}
    assert not place.incoming.finish()


@pytest.mark.parametrize("list_of_names", ["", "[", "7", '{"a": 1}', "[7]", "\0"])
def test_a_damaged_list_of_what_was_staged_says_nothing(place: Place, list_of_names: str) -> None:
    (place.state / UNFINISHED).write_text(list_of_names)
    assert place.incoming.finish()
    assert place.path.read_bytes() == OLD
    assert not place.incoming.finish()
