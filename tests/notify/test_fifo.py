"""FIFO semantics against real pipes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from hakeep.notify.fifo import EventPipe, event_line
from hakeep.notify.security import Account

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")


class Bench:
    """Makes pipes that are closed after the test, and keeps their log."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "fifo"
        self.log: list[str] = []
        self.made: list[EventPipe] = []

    def pipe(self, owner: Account | None = None) -> EventPipe:
        self.made.append(EventPipe(str(self.path), owner, lambda level, text: self.log.append(text)))
        return self.made[-1]

    def reader(self) -> int:
        return os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    it = Bench(tmp_path)
    yield it
    for pipe in it.made:
        pipe.close()


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (("INSTANCE", "VI_1", "MASTER", 150), b'INSTANCE "VI_1" MASTER 150\n'),
        (("INSTANCE", "VI_1", "MASTER_RX_LOWER_PRI", 150), b'INSTANCE "VI_1" MASTER_RX_LOWER_PRI 150\n'),
        (("GROUP", "VG 1", "FAULT", 0), b'GROUP "VG 1" FAULT 0\n'),
        (("INSTANCE", "n\udcffm", "BACKUP", 1), b'INSTANCE "n\xffm" BACKUP 1\n'),
    ],
)
def test_the_format_of_lines(event: tuple[str, str, str, int], line: bytes) -> None:
    assert event_line(*event) == line


def test_it_is_created_with_the_umask_and_removed(bench: Bench) -> None:
    previous = os.umask(0o177)
    try:
        pipe = bench.pipe()
    finally:
        os.umask(previous)
    status = bench.path.stat()
    assert stat.S_ISFIFO(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600
    pipe.close()
    assert not bench.path.exists()


@as_root
def test_its_owner_is_as_configured(bench: Bench) -> None:
    bench.pipe(Account(65534, 1, (1,)))
    assert (bench.path.stat().st_uid, bench.path.stat().st_gid) == (65534, 1)


def test_one_that_exists_is_used_as_it_is_and_stays(bench: Bench) -> None:
    os.mkfifo(bench.path, 0o640)
    before = bench.path.stat()
    pipe = bench.pipe(Account(65534, 1, (1,)))
    reader = bench.reader()
    pipe.write(b"line\n")
    assert os.read(reader, 100) == b"line\n"
    os.close(reader)
    pipe.close()
    after = bench.path.stat()
    assert (after.st_mode, after.st_uid, after.st_ino) == (before.st_mode, before.st_uid, before.st_ino)


def test_lines_wait_for_a_reader(bench: Bench) -> None:
    pipe = bench.pipe()
    pipe.write(b"1\n")
    pipe.write(b"2\n")
    assert pipe.unread() == 4
    reader = bench.reader()
    assert os.read(reader, 100) == b"1\n2\n"
    assert pipe.unread() == 0
    os.close(reader)
    pipe.write(b"3\n")  # no SIGPIPE, no error
    assert pipe.lost == 0


def test_a_full_pipe_loses_whole_lines_and_says_so_once(bench: Bench) -> None:
    pipe = bench.pipe()
    line = event_line("INSTANCE", "VI_1", "MASTER", 150)
    written = 0
    while not pipe.lost:
        pipe.write(line)
        written += 1
    for _ in range(4):
        pipe.write(line)
    assert pipe.lost == 5
    assert bench.log == [f"notify FIFO {bench.path} is full: nobody reads it, lines are lost"]
    reader = bench.reader()
    received = b""
    while pipe.unread():
        received += os.read(reader, 65536)
    assert received == line * (written - 1), "a line was torn"
    pipe.write(line)
    pipe.write(line)
    assert os.read(reader, 65536) == line * 2
    os.close(reader)
    assert bench.log[1:] == [f"notify FIFO {bench.path} takes lines again; 5 were lost"]
    assert pipe.lost == 5


@pytest.mark.parametrize("kind", ["file", "directory", "link to a FIFO", "link to nothing"])
def test_anything_else_in_its_place_is_left_alone(bench: Bench, kind: str) -> None:
    other = bench.path.with_name("other")
    match kind:
        case "file":
            bench.path.write_text("mine")
        case "directory":
            bench.path.mkdir()
        case "link to a FIFO":
            os.mkfifo(other)
            bench.path.symlink_to(other)
        case "link to nothing":
            bench.path.symlink_to(other)
    pipe = bench.pipe()
    assert bench.log == [f"notify FIFO {bench.path} cannot be used: it exists and is not a named pipe"]
    pipe.write(b"line\n")
    assert pipe.unread() == 0
    pipe.close()
    assert os.path.lexists(bench.path)
    if kind == "file":
        assert bench.path.read_text() == "mine"


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "missing")
    pipe = bench.pipe()
    assert bench.log == [f"notify FIFO {bench.path} cannot be used: No such file or directory"]
    pipe.write(b"line\n")
    assert not pipe.is_current()


def test_it_notices_that_it_was_replaced(bench: Bench) -> None:
    pipe = bench.pipe()
    assert pipe.is_current()
    bench.path.unlink()
    assert not pipe.is_current()
    os.mkfifo(bench.path)
    assert not pipe.is_current()
    pipe.close()
    assert bench.path.exists(), "that one is not ours to remove"
