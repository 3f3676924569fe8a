"""track_file: real files, which are written, moved, deleted, and never there."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
import trio

from hakeep.config.settled_track import TrackFile
from hakeep.kernel import inotify
from hakeep.track import files
from tests.track.stage import Parent

pytestmark = pytest.mark.trio


@pytest.fixture(autouse=True)
def only_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """No looks now and then: what is seen is seen because the kernel told of it."""
    monkeypatch.setattr(files, "LOOK", 1000.0)


def told(parent: Parent, name: str = "f") -> int | None:
    values = parent.values(name)
    return values[-1] if values else None


async def test_a_file_is_written_replaced_and_deleted(tmp_path: Path) -> None:
    place = tmp_path / "f"
    parent = Parent(TrackFile("f", str(place)))
    async with parent.running():
        await parent.until(lambda: told(parent) == 0)
        place.write_text("0x10 and more")
        await parent.until(lambda: told(parent) == 16)
        (tmp_path / "new").write_text("-3\n")
        (tmp_path / "new").rename(place)
        await parent.until(lambda: told(parent) == -3)
        place.write_text("99999999999")  # out of 32 bits: what was stays
        await parent.until(lambda: parent.logged("more than 32 bits"))
        place.write_text("7")
        await parent.until(lambda: told(parent) == 7)
        place.rename(tmp_path / "elsewhere")
        await parent.until(lambda: told(parent) == 0)
        place.write_text("8")
        await parent.until(lambda: told(parent) == 8)
        place.unlink()
        await parent.until(lambda: told(parent) == 0)
        assert parent.why("f") == "there is no such file: it counts as 0"
    assert parent.values("f") == [0, 16, -3, 7, 0, 8, 0]


async def test_a_file_that_is_not_there_and_one_with_too_big_a_number_are_shown_as_such(tmp_path: Path) -> None:
    (tmp_path / "big").write_text("1" * 5000)
    parent = Parent(TrackFile("none", str(tmp_path / "none")), TrackFile("big", str(tmp_path / "big")))
    async with parent.running():
        await parent.until(lambda: told(parent, "none") == told(parent, "big") == 0)
        await parent.until(lambda: parent.thing("none")["runs"] and parent.thing("big")["runs"])
        shown = [(parent.thing(name)["last"], parent.thing(name)["failures"]) for name in ("none", "big")]
        assert shown == [("there is no such file: it counts as 0", 0),
                         ("its number needs more than 32 bits: 0 stays in force", 1)]
        assert parent.why("big") == "its number needs more than 32 bits: 0 stays in force"
        assert parent.logged("none: there is no such file: it counts as 0")
        (tmp_path / "none").write_text("3")
        await parent.until(lambda: told(parent, "none") == 3)


async def test_a_thousand_writes_a_second_do_not_flood_and_the_last_one_is_told(tmp_path: Path) -> None:
    place = tmp_path / "f"
    parent = Parent(TrackFile("f", str(place)))
    async with parent.running():
        await parent.until(lambda: told(parent) == 0)
        began = time.monotonic()
        number = 0
        while time.monotonic() - began < 1.5:
            number += 1
            place.write_text(str(number))
            await trio.sleep(0.001)
        await parent.until(lambda: told(parent) == number)
        took = time.monotonic() - began
        times = [at for at, body in parent.heard if body["do"] == "tracked"]
    assert number > 300
    assert 2 < len(times) <= took * 20 + 3


async def test_the_directory_comes_later_goes_and_is_replaced(tmp_path: Path) -> None:
    place = tmp_path / "a/b/f"
    parent = Parent(TrackFile("f", str(place)))
    async with parent.running():
        await parent.until(lambda: told(parent) == 0)
        (tmp_path / "a").mkdir()
        (tmp_path / "a/b").mkdir()
        place.write_text("5")
        await parent.until(lambda: told(parent) == 5)
        shutil.rmtree(tmp_path / "a")
        await parent.until(lambda: told(parent) == 0)
        place.parent.mkdir(parents=True)
        place.write_text("6")
        await parent.until(lambda: told(parent) == 6)
        (tmp_path / "a").rename(tmp_path / "old")  # another one takes its place
        (tmp_path / "x/b").mkdir(parents=True)
        (tmp_path / "x/b/f").write_text("7")
        (tmp_path / "x").rename(tmp_path / "a")
        await parent.until(lambda: told(parent) == 7)
        (tmp_path / "old/b/f").write_text("8")
        place.write_text("9")
        await parent.until(lambda: told(parent) == 9)
        assert 8 not in parent.values("f")


async def test_a_link_that_is_turned_to_another_file(tmp_path: Path) -> None:
    """As Kubernetes does it: the file is a link through a link that is replaced."""
    for name, number in (("v1", "1"), ("v2", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text(number)
    (tmp_path / "data").symlink_to("v1")
    (tmp_path / "f").symlink_to("data/f")
    parent = Parent(TrackFile("f", str(tmp_path / "f")))
    async with parent.running():
        await parent.until(lambda: told(parent) == 1)
        (tmp_path / "data_new").symlink_to("v2")
        (tmp_path / "data_new").rename(tmp_path / "data")
        await parent.until(lambda: told(parent) == 2)


async def test_what_nobody_tells_of_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LOOK", 0.1)
    place = tmp_path / "f"
    parent = Parent(TrackFile("f", str(place)))
    with place.open("w") as writer:  # not closed
        async with parent.running():
            await parent.until(lambda: told(parent) == 0)
            writer.write("4")
            writer.flush()
            await parent.until(lambda: told(parent) == 4)


async def test_without_inotify_there_are_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused:
        def __init__(self) -> None:
            raise OSError(24, "Too many open files")

    monkeypatch.setattr(files, "LOOK", 0.1)
    monkeypatch.setattr(files, "Inotify", Refused)
    place = tmp_path / "f"
    parent = Parent(TrackFile("f", str(place)))
    async with parent.running():
        await parent.until(lambda: told(parent) == 0)
        place.write_text("4")
        await parent.until(lambda: told(parent) == 4)
    assert len(parent.logged("no news of files")) == 1


@pytest.mark.parametrize(("existing", "init", "overwrite", "first", "expected"), [
    (None, 3, False, True, 3), ("7", 3, False, True, 7), ("7", 3, True, True, 3), (None, None, False, True, 0),
    ("7", 3, True, False, 7),
])
async def test_init_file(
    existing: str | None, init: int | None, overwrite: bool, first: bool, expected: int, tmp_path: Path
) -> None:
    place = tmp_path / "f"
    if existing is not None:
        place.write_text(existing)
    parent = Parent(TrackFile("f", str(place), init, overwrite), first=first)
    async with parent.running():
        await parent.until(lambda: told(parent) == expected)
        await parent.until(lambda: parent.thing("f").get("runs"))
    assert place.exists() == (existing is not None or init is not None)
    assert expected == 0 or int(place.read_text()) == expected


async def test_files_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dir").mkdir()
    parent = Parent(TrackFile("proc", "/proc/sys/kernel/pid_max"), TrackFile("fifo", str(tmp_path / "fifo")),
                    TrackFile("dir", str(tmp_path / "dir")), TrackFile("word", str(tmp_path / "word")))
    (tmp_path / "word").write_text("well")
    async with parent.running():
        for name in ("proc", "fifo", "dir", "word"):
            await parent.until(lambda name=name: told(parent, name) == 0)
    assert len(parent.logged("a proc file system does not tell of changes")) == 1
    assert len(parent.logged("not a regular file")) == 2
    assert len(parent.logged("word: it does not begin with a number and counts as 0")) == 1


async def test_a_reload_watches_others(tmp_path: Path) -> None:
    one, two = (TrackFile(name, str(tmp_path / name)) for name in ("one", "two"))
    (tmp_path / "one").write_text("1")
    parent = Parent(one)
    async with parent.running():
        await parent.until(lambda: told(parent, "one") == 1)
        parent.reload(one, two)
        await parent.until(lambda: parent.values("one") == [1, 1] and told(parent, "two") == 0)
        parent.reload(two)
        await parent.until(lambda: not parent.thing("one"))
        (tmp_path / "one").write_text("2")
        (tmp_path / "two").write_text("3")
        await parent.until(lambda: told(parent, "two") == 3)
        assert told(parent, "one") == 1


async def test_events_of_inotify(tmp_path: Path) -> None:
    watcher = inotify.Inotify()
    try:
        number = watcher.watch(str(tmp_path), inotify.CREATE | inotify.DELETE)
        assert watcher.watch(str(tmp_path), inotify.CLOSE_WRITE) == number
        assert watcher.receive() == []
        (tmp_path / "a name").write_text("x")
        (tmp_path / "a name").unlink()
        assert [(happened.mask, happened.name) for happened in watcher.receive()] == [
            (inotify.CREATE, "a name"), (inotify.CLOSE_WRITE, "a name"), (inotify.DELETE, "a name")]
        with pytest.raises(OSError):
            watcher.watch(str(tmp_path / "none"), inotify.CREATE)
        watcher.forget(number)
        assert watcher.receive() == [inotify.Happened(number, inotify.IGNORED, "")]
    finally:
        watcher.close()
    assert inotify.silent_file_system("/proc/self") == "proc"
    assert inotify.silent_file_system(str(tmp_path)) == ""
