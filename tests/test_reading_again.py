"""A reload of what has not changed is not read at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hakeep.config.settled_lvs import Director
from hakeep.report.protocol import Outcome, Reloaded
from tests.lvs.test_marks import A, B, director, given_marks, group, moved
from tests.test_in_force import Desk, settings


class Reader:
    """The configuration is what stands in `text`; evidence is the text that was read."""

    def __init__(self, desk: Desk) -> None:
        self.text = b"100"
        self.readings = 0
        self.desk = desk
        options = replace(desk.in_force._options, load=self.load, evidence=lambda: self.text,
                          holds=lambda evidence: evidence == self.text)
        desk.in_force._options = options
        desk.in_force._now = desk.in_force._now._replace(evidence=b"100")

    def load(self) -> object:
        self.readings += 1
        return settings(int(self.text.split()[0])), [(4, "a warning")]

    def reload(self, text: bytes) -> list[Outcome]:
        """Of these words the first is what counts."""
        self.text = text
        told: list[Reloaded] = []
        self.desk.in_force.reload(told.append)
        self.desk.work()
        return [each.outcome for each in told]


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(Desk(tmp_path))


def test_what_is_as_it_was_is_not_read(reader: Reader) -> None:
    assert reader.reload(b"100") == [Outcome.UNCHANGED]
    assert reader.readings == 0 and reader.desk.words == ["RELOADING", "READY"]
    assert reader.desk.delivered == [] and reader.desk.old == []


def test_what_comes_to_the_same_is_known_from_then_on(reader: Reader) -> None:
    assert reader.reload(b"100 # a comment") == reader.reload(b"100 # a comment") == [Outcome.UNCHANGED]
    assert reader.readings == 1 and reader.desk.priority == 100


def test_what_is_new_is_known_from_then_on(reader: Reader) -> None:
    reader.reload(b"120")
    reader.desk.in_force.taken_over(0.0)
    assert reader.reload(b"120") == [Outcome.UNCHANGED]
    assert reader.readings == 1 and reader.desk.delivered == [120]


def test_what_was_given_up_is_read_again(reader: Reader) -> None:
    reader.reload(b"120")
    assert reader.desk.in_force.crashed("died", 0.0) and reader.desk.priority == 100
    reader.reload(b"120")
    assert reader.readings == 2 and reader.desk.delivered == [120, 100, 120]
    reader.desk.in_force.crashed("died", 0.0)
    reader.reload(b"100")
    assert reader.readings == 3, "nobody knows by what the one before was read"


def test_groups_keep_their_marks(tmp_path: Path) -> None:
    desk = Desk(tmp_path, replace(settings(100), lvs=director(A, B)))
    new = director(A, group("new", 1001, (6, "10.0.0.9", 80)), moved(B, 1002))
    desk.reload(replace(settings(100), lvs=new))
    found: Director = desk.in_force.director.value
    assert given_marks(found) == [1000, 1002, 1001]
