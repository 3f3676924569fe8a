"""The lock of an edited file, where two meet at the worst moment."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from hakeep.cli.editing.lock import Lock, Locked


def test_it_holds_and_lets_go(tmp_path: Path) -> None:
    target = tmp_path / "hakeep.conf"
    lock = Lock(target)
    with pytest.raises(Locked) as refused:
        Lock(target)
    assert refused.value.pid == os.getpid()
    lock.release()
    Lock(target).release()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_is_removed_while_we_take_it_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "hakeep.conf"
    first = Lock(target)
    real, calls = fcntl.flock, []

    def late(fd: int, operation: int) -> None:
        calls.append(fd)
        if len(calls) == 1:  # opened, and now the first one ends
            first.release()
        real(fd, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    second = Lock(target)
    assert len(calls) == 2
    monkeypatch.undo()
    with pytest.raises(Locked):
        Lock(target)
    second.release()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".hakeep.conf.lock").symlink_to("precious")
    with pytest.raises(OSError, match="symbolic link"):
        Lock(tmp_path / "hakeep.conf")
    assert (tmp_path / "precious").read_text() == "precious"
