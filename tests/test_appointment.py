"""reload_time_file: the forms of a time, and a file that comes, changes and goes."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.appointment import Appointment, moment

NOW = datetime(2026, 11, 21, 12, 0, 0).timestamp()  # local time, as the file has it


def local(*when: int) -> float:
    return datetime(*when).timestamp()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("12:00:01", local(2026, 11, 21, 12, 0, 1)),
        ("12:00:00\n", local(2026, 11, 22, 12, 0, 0)),  # the next time, not now
        ("03:30:00", local(2026, 11, 22, 3, 30, 0)),
        ("2026-12-24 18:00:00", local(2026, 12, 24, 18, 0, 0)),
        ("26-12-24 18:00:00", local(2026, 12, 24, 18, 0, 0)),
        ("2026-12-24 18:00:00Z", datetime(2026, 12, 24, 18, tzinfo=UTC).timestamp()),
        ("2026-12-24 18:00:00 Z", datetime(2026, 12, 24, 18, tzinfo=UTC).timestamp()),
        ("2026-11-21 11:59:59", None),
    ],
)
def test_times(text: str, at: float | None) -> None:
    assert moment(text, NOW) == at


@pytest.mark.parametrize("text", ["", "soon", "25:00:00", "12:00", "2026-13-01 00:00:00", "12-24 18:00:00"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError):
        moment(text, NOW)


@given(st.times(), st.floats(0, 2e9))
def test_a_time_of_day_is_within_a_day(clock: object, now: float) -> None:
    at = moment(f"{clock:%H:%M:%S}", now)
    assert at is not None and now < at <= now + 86400 + 3600, "a day in autumn has an hour more"


class Desk:
    """A file and its appointment."""

    def __init__(self, path: Path, repeat: bool = False) -> None:
        self.path = path
        self.said: list[str] = []
        self.appointment = Appointment(str(path), repeat, lambda level, text: self.said.append(text))

    def write(self, text: str) -> None:
        fresh = self.path.with_name("fresh")
        fresh.write_text(text)
        fresh.rename(self.path)

    def due(self, *when: int) -> bool:
        return self.appointment.due(local(*when))


def test_it_is_due_once_and_then_the_file_is_gone(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "when")
    assert not desk.due(2026, 1, 1, 11, 0, 0)
    desk.write("12:00:00\n")
    assert not desk.due(2026, 1, 1, 11, 59, 59)
    assert desk.due(2026, 1, 1, 12, 0, 0)
    assert not desk.path.exists()
    assert not desk.due(2026, 1, 2, 12, 0, 0)
    assert len(desk.said) == 1 and "will be read again at" in desk.said[0]


def test_it_repeats_every_day(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "when", repeat=True)
    desk.write("12:00:00")
    assert not desk.due(2026, 1, 1, 11, 0, 0)
    assert desk.due(2026, 1, 1, 12, 0, 5)
    assert not desk.due(2026, 1, 2, 11, 59, 59)
    assert desk.due(2026, 1, 2, 12, 0, 0)
    assert desk.path.exists()


def test_a_date_does_not_repeat(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "when", repeat=True)
    desk.write("2026-01-01 12:00:00")
    assert not desk.due(2026, 1, 1, 11, 0, 0)
    assert desk.due(2026, 1, 1, 12, 0, 0)
    assert not desk.path.exists()


def test_another_time_replaces_the_first_and_no_file_means_never(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "when")
    desk.write("12:00:00")
    assert not desk.due(2026, 1, 1, 11, 0, 0)
    desk.write("13:00:00")
    assert not desk.due(2026, 1, 1, 12, 0, 0)
    desk.path.unlink()
    assert not desk.due(2026, 1, 1, 13, 0, 0)


@pytest.mark.parametrize("text", ["whenever", "2020-01-01 00:00:00"])
def test_nonsense_is_reported_once(tmp_path: Path, text: str) -> None:
    desk = Desk(tmp_path / "when")
    desk.write(text)
    assert not desk.due(2026, 1, 1, 11, 0, 0)
    assert not desk.due(2026, 1, 1, 11, 0, 1)
    assert len(desk.said) == 1 and "is ignored" in desk.said[0]
    desk.write("12:00:00 ")
    os.utime(desk.path, (time.time() + 5, time.time() + 5))
    desk.due(2026, 1, 1, 11, 0, 2)
    assert desk.due(2026, 1, 1, 12, 0, 0), "a better one counts"


def test_without_the_keyword_nothing_is_read() -> None:
    assert not Appointment("", False, lambda level, text: pytest.fail(text)).due()
