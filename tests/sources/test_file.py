"""A document kept as a file: each way of replacing it is noticed, and half of it is never read."""

import asyncio
import errno
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from vedette.sources import file


async def _next(versions: AsyncIterator[bytes | OSError]) -> bytes | OSError:
    return await asyncio.wait_for(anext(versions), 10)


def _rename_over(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(path)


def _truncate_and_write(path: Path, text: str) -> None:
    path.write_text(text)


def _swap_symlink(path: Path, text: str) -> None:
    """What a ConfigMap volume does: path -> ..data/name, ..data -> a dated folder, swapped by rename."""
    folder = path.parent
    dated = folder / f"..{abs(hash(text))}"
    dated.mkdir()
    (dated / path.name).write_text(text)
    fresh = folder / "..data_tmp"
    fresh.symlink_to(dated.name)
    fresh.rename(folder / "..data")
    if not path.is_symlink():
        path.unlink(missing_ok=True)
        path.symlink_to(f"..data/{path.name}")


@pytest.mark.parametrize("write", [_rename_over, _truncate_and_write, _swap_symlink])
def test_each_way_of_replacing_the_file_is_noticed(tmp_path: Path, write: Callable[[Path, str], None]) -> None:
    async def scenario() -> list[bytes | OSError]:
        path = tmp_path / "cluster.yaml"
        write(path, "one")
        versions = file.versions(path)
        seen = [await _next(versions)]
        for text in ("two", "three"):
            write(path, text)
            seen.append(await _next(versions))
        return seen

    assert asyncio.run(scenario()) == [b"one", b"two", b"three"]


def test_a_file_that_is_open_for_writing_is_not_read_yet(tmp_path: Path) -> None:
    async def scenario() -> tuple[bytes | OSError, bool, bytes | OSError]:
        path = tmp_path / "cluster.yaml"
        path.write_text("whole")
        versions = file.versions(path)
        first = await _next(versions)
        following = asyncio.ensure_future(anext(versions))
        with path.open("w") as writer:
            writer.write("ha")
            writer.flush()
            early, _ = await asyncio.wait([following], timeout=6 * file.SETTLE)
            writer.write("lf")
        return first, bool(early), await asyncio.wait_for(following, 10)

    assert asyncio.run(scenario()) == (b"whole", False, b"half")


def test_a_missing_file_is_an_error_once_and_its_return_is_noticed(tmp_path: Path) -> None:
    async def scenario() -> tuple[bytes | OSError, bytes | OSError]:
        path = tmp_path / "cluster.yaml"
        versions = file.versions(path)
        missing = await _next(versions)
        _rename_over(path, "here")
        return missing, await _next(versions)

    missing, here = asyncio.run(scenario())
    assert isinstance(missing, FileNotFoundError)
    assert here == b"here"


def test_the_same_content_written_again_is_not_a_new_version(tmp_path: Path) -> None:
    async def scenario() -> bytes | OSError:
        path = tmp_path / "cluster.yaml"
        path.write_text("same")
        versions = file.versions(path)
        await _next(versions)
        _rename_over(path, "same")
        following = asyncio.ensure_future(anext(versions))
        await asyncio.wait([following], timeout=6 * file.SETTLE)
        _rename_over(path, "other")
        return await asyncio.wait_for(following, 10)

    assert asyncio.run(scenario()) == b"other"


def test_a_file_that_is_renamed_over_while_it_is_still_written_waits_too(tmp_path: Path) -> None:
    async def scenario() -> tuple[bool, bytes | OSError]:
        path = tmp_path / "cluster.yaml"
        path.write_text("old")
        versions = file.versions(path)
        await _next(versions)
        following = asyncio.ensure_future(anext(versions))
        fresh = tmp_path / "fresh"
        with fresh.open("w") as writer:
            writer.write("ha")
            writer.flush()
            fresh.rename(path)
            early, _ = await asyncio.wait([following], timeout=6 * file.SETTLE)
            writer.write("lf")
        return bool(early), await asyncio.wait_for(following, 10)

    assert asyncio.run(scenario()) == (False, b"half")


def _refuse_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that has none."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(fcntl, "fcntl", refuse)


def _refuse_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has as many as there may be."""

    def refuse(_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(file, "Watch", refuse)
    monkeypatch.setattr(file, "LOOK", file.QUIET)


@pytest.mark.parametrize("refuse", [_refuse_leases, _refuse_watches])
@pytest.mark.parametrize("write", [_rename_over, _truncate_and_write, _swap_symlink])
def test_what_the_kernel_does_not_offer_is_done_without(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path, str], None],
    refuse: Callable[[pytest.MonkeyPatch], None],
) -> None:
    async def scenario() -> list[bytes | OSError]:
        path = tmp_path / "cluster.yaml"
        write(path, "one")
        versions = file.versions(path)
        seen = [await _next(versions)]
        write(path, "two")
        return [*seen, await _next(versions)]

    refuse(monkeypatch)
    assert asyncio.run(scenario()) == [b"one", b"two"]


def test_a_folder_that_comes_and_is_replaced_is_followed(tmp_path: Path) -> None:
    async def scenario() -> list[bytes | OSError]:
        folder = tmp_path / "vedette"
        versions = file.versions(folder / "cluster.yaml")
        seen = [await _next(versions)]
        for text in ("one", "two"):
            fresh = tmp_path / text
            fresh.mkdir()
            (fresh / "cluster.yaml").write_text(text)
            if folder.exists():
                folder.rename(tmp_path / "former")
            fresh.rename(folder)
            seen.append(await _next(versions))
        _truncate_and_write(folder / "cluster.yaml", "three")
        return [*seen, await _next(versions)]

    missing, *others = asyncio.run(scenario())
    assert isinstance(missing, FileNotFoundError)
    assert others == [b"one", b"two", b"three"]


def test_a_change_of_a_file_that_holds_a_part_of_the_document_is_a_change_of_the_document(tmp_path: Path) -> None:
    async def scenario() -> list[bytes | OSError]:
        path, beside = tmp_path / "cluster.yaml", tmp_path / "lists" / "servers"
        beside.parent.mkdir()
        path.write_text("whole")
        _rename_over(beside, "10.0.0.11")
        named: list[Path] = []
        versions = file.versions(path, lambda: named)
        seen = [await _next(versions)]
        named.append(beside)
        seen.append(await _next(versions))  # once more, lest it changed while it was read
        _rename_over(beside, "10.0.0.12")
        seen.append(await _next(versions))
        beside.unlink()
        seen.append(await _next(versions))
        return seen

    assert asyncio.run(scenario()) == [b"whole"] * 4


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_what_is_no_file_is_an_error_at_once(tmp_path: Path, kind: str) -> None:
    async def scenario() -> bytes | OSError:
        path = tmp_path / "cluster.yaml"
        os.mkfifo(path) if kind == "fifo" else path.mkdir()
        return await _next(file.versions(path))

    assert isinstance(asyncio.run(scenario()), OSError)


@pytest.mark.parametrize("name", ["fifo", "x" * 300])
def test_a_file_beside_the_document_that_is_none_holds_up_nothing(tmp_path: Path, name: str) -> None:
    async def scenario() -> bytes | OSError:
        path = tmp_path / "cluster.yaml"
        path.write_text("whole")
        os.mkfifo(tmp_path / "fifo")
        return await _next(file.versions(path, lambda: [tmp_path / name]))

    assert asyncio.run(scenario()) == b"whole"
