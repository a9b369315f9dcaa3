"""Events of folders, from the real kernel."""

import asyncio
from pathlib import Path

from vedette.kit.inotify import CLOSE_WRITE, CREATE, DELETE_SELF, MOVED_TO, Watch


def test_what_happens_in_a_folder_is_told_with_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()

    async def scenario() -> list[tuple[str, int]]:
        watch = Watch([folder, tmp_path / "missing"])
        waiting = asyncio.ensure_future(watch.wait())
        await asyncio.sleep(0)
        (folder / "one").write_text("1")
        found = await waiting
        (folder / "one").rename(folder / "two")
        found += await watch.wait()
        (folder / "two").unlink()
        folder.rmdir()
        found += await watch.wait()
        watch.close()
        return [(event.name, event.mask) for event in found]

    found = asyncio.run(asyncio.wait_for(scenario(), 10))
    assert [name for name, mask in found if mask & (CREATE | CLOSE_WRITE)] == ["one", "one"]
    assert [name for name, mask in found if mask & MOVED_TO] == ["two"]
    assert [name for name, mask in found if mask & DELETE_SELF] == [""]


def test_a_watch_that_is_closed_twice_closes_nothing_else(tmp_path: Path) -> None:
    watch = Watch([tmp_path])
    watch.close()
    with (tmp_path / "file").open("w") as other:
        watch.close()
        other.write("still open")
