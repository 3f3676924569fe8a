"""Recordings on disk: private, whole or not there, and only a few of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hakeep.recordings import KEPT, file_name, store


def test_a_recording_is_ours_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = store(tmp_path, file_name(42, 0.25), ["one", "t\udcff"])
    finally:
        os.umask(before)
    assert path == tmp_path / "record-42-19700101T000000.250000.jsonl"
    assert path.read_bytes() == b"one\nt\xff\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_oldest_make_room(tmp_path: Path) -> None:
    names = [file_name(pid, float(at)) for at, pid in enumerate((900, 9, 90, 5, 500, 50, 7))]
    other = tmp_path / "control.sock"
    other.write_text("not ours to remove")
    for at, name in enumerate(names):
        path = store(tmp_path, name, ["x"])
        os.utime(path, (at, at))
    left = sorted(path.name for path in tmp_path.iterdir() if path != other)
    assert left == sorted(names[-KEPT:])
    assert other.exists()


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    def lines() -> Iterator[str]:
        yield "one"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store(tmp_path, file_name(1, 1.0), lines())
    assert list(tmp_path.iterdir()) == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("data")
    run = tmp_path / "run"
    run.mkdir()
    name = file_name(1, 1.0)
    (run / f".{name}").symlink_to(precious)
    with pytest.raises(OSError):
        store(run, name, ["x"])
    assert precious.read_text() == "data"
    (run / name).symlink_to(precious)
    (run / f".{name}").unlink()
    store(run, name, ["x"])  # takes the place of the link
    assert precious.read_text() == "data" and not (run / name).is_symlink()
    (tmp_path / "link").symlink_to(run)
    with pytest.raises(OSError):
        store(tmp_path / "link", file_name(2, 2.0), ["x"])


def test_links_that_look_like_recordings_stay(tmp_path: Path) -> None:
    for n in range(2 * KEPT):
        (tmp_path / f"record-{n}.jsonl").symlink_to("/nowhere")
    store(tmp_path, file_name(1, 1.0), ["x"])
    assert len(list(tmp_path.iterdir())) == 2 * KEPT + 1
