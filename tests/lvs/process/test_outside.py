"""What is followed: numbers in files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from hakeep.lvs import messages as m
from hakeep.lvs.process import outside
from hakeep.lvs.process.outside import Files, number_in

PATIENCE = 10.0


@pytest.mark.parametrize(
    ("text", "number"),
    [("5\n", 5), ("-3", -3), (" 7 of 9", 7), ("", None), ("none", None), ("1e3", None), ("9" * 40, 2**31 - 1),
     ("-" + "9" * 40, -(2**31)), ("\0", None), ("5" * 5000, 2**31 - 1)])
def test_numbers(tmp_path: Path, text: str, number: int | None) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    assert number_in(str(path)) == number


def test_what_is_no_file(tmp_path: Path) -> None:
    assert number_in(str(tmp_path)) is None
    assert number_in(str(tmp_path / "missing")) is None


@pytest.mark.trio
async def test_changes_are_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "LOOK", 0.01)
    path = tmp_path / "load"
    told: list[m.FileSays] = []
    files = Files(told.append)

    async def until(condition: Callable[[], bool]) -> None:
        while not condition():
            await trio.sleep(0.005)

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(files.run)
            files.follow([str(path)])
            await until(lambda: told == [m.FileSays(str(path), None)])
            path.write_text("12")
            await until(lambda: m.FileSays(str(path), 12) in told)
            other = tmp_path / "fresh"
            other.write_text("13")
            other.rename(path)
            await until(lambda: told[-1] == m.FileSays(str(path), 13))
            path.unlink()
            await until(lambda: told[-1] == m.FileSays(str(path), None))
            count = len(told)
            await trio.sleep(0.05)
            assert len(told) == count
            nursery.cancel_scope.cancel()
