"""A reload as a transaction, without processes: the child's work is done at once."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from hakeep.config.settled import Global, Settings, VrrpInstance
from hakeep.facts import Facts
from hakeep.in_force import TRIAL, InForce
from hakeep.options import Options
from hakeep.report.protocol import Outcome, Reloaded


def settings(priority: int, **globals_: object) -> Settings:
    return Settings(Global(**globals_), (VrrpInstance("web", 51, "eth0", priority=priority),))  # type: ignore[arg-type]


class Desk:
    """Errands that are done when `work` is called, and all that the configuration in force tells others."""

    def __init__(self, tmp_path: Path, first: Settings | None = None) -> None:
        self.next: Settings | None = settings(100)
        self.lines: list[tuple[int, str]] = []
        self.tell: Callable[[Reloaded], None] | None = None
        self.pending: list[tuple[Callable[[], bytes], Callable[[bytes], None]]] = []
        self.said: list[str] = []
        self.words: list[str] = []
        self.delivered: list[int] = []
        self.old: list[Facts] = []
        options = Options("", tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, "",
                          load=lambda: (self.next, self.lines))
        self.in_force = InForce(
            first or settings(100), options, self, self.log, self, self.old.append,  # type: ignore[arg-type]
            lambda blob: self.delivered.append(priority(blob)), (),
        )

    def __len__(self) -> int:
        return len(self.pending)

    def send(self, _: str, work: Callable[[], bytes], done: Callable[[bytes], None], signals: Iterable[int]) -> None:
        self.pending.append((work, done))

    def work(self) -> None:
        work, done = self.pending.pop(0)
        done(work())

    def log(self, level: int, text: str) -> None:
        self.said.append(text)

    def ready(self) -> None:
        self.words.append("READY")

    def reloading(self) -> None:
        self.words.append("RELOADING")

    def reload(self, to: Settings | None) -> None:
        self.next = to
        self.in_force.reload(self.tell)
        self.work()

    @property
    def priority(self) -> int:
        return priority(self.in_force.blob)


def priority(blob: bytes) -> int:
    found: Settings = pickle.loads(blob)
    return found.vrrp[0].priority


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_what_is_new_is_in_force_and_delivered(desk: Desk) -> None:
    desk.reload(settings(120, child_wait_time=9.0))
    assert desk.priority == 120 and desk.delivered == [120]
    assert desk.in_force.facts.globals.child_wait_time == 9.0
    assert len(desk.old) == 1 and desk.old[0].globals.child_wait_time == 5.0
    assert desk.words == ["RELOADING"], "READY is for the worker's word"


def test_what_is_not_usable_or_not_new_changes_nothing(desk: Desk) -> None:
    for same in (None, settings(100)):
        desk.reload(same)
        assert desk.words == ["RELOADING", "READY"]
        desk.words.clear()
    assert desk.delivered == [] and desk.old == []
    assert "keeping the running one" in desk.said[1]


def test_an_order_that_comes_while_reading_is_obeyed_afterwards(desk: Desk) -> None:
    desk.in_force.reload()
    desk.in_force.reload()
    desk.in_force.turn()
    assert len(desk) == 1
    desk.next = settings(130)
    desk.work()
    desk.in_force.turn()
    assert len(desk) == 1
    desk.work()
    desk.in_force.turn()
    assert desk.priority == 130 and len(desk) == 0


def test_names_that_files_have_do_not_change(desk: Desk) -> None:
    desk.reload(settings(120, instance="other", nftables_table="t", child_wait_time=9.0))
    now = desk.in_force.facts.globals
    assert (now.instance, now.nftables_table, now.child_wait_time) == ("", "", 9.0)
    assert any("instance changes only at a restart" in text for text in desk.said)


def test_death_in_the_takeover_brings_back_the_one_before(desk: Desk) -> None:
    desk.reload(settings(120, child_wait_time=9.0))
    assert desk.in_force.crashed("was killed", 1000.0)
    assert desk.priority == 100 and desk.in_force.facts.globals.child_wait_time == 5.0
    assert desk.old[-1].globals.child_wait_time == 9.0
    assert "was killed while it took over the new configuration: going back" in desk.said[-1]
    assert not desk.in_force.crashed("was killed", 1001.0), "there is no other one to go back to"


def test_one_death_after_the_takeover_is_forgiven_and_a_second_is_not(desk: Desk) -> None:
    desk.reload(settings(120))
    desk.in_force.taken_over(10.0)
    assert not desk.in_force.crashed("exited", 10.0 + TRIAL / 2)
    assert desk.priority == 120
    assert desk.in_force.crashed("exited", 10.0 + TRIAL)
    assert desk.priority == 100
    assert "again and again" in desk.said[-1]


def test_the_trial_ends(desk: Desk) -> None:
    desk.reload(settings(120))
    desk.in_force.taken_over(10.0)
    assert not desk.in_force.crashed("exited", 11.0)
    desk.in_force.taken_over(11.1)
    assert not desk.in_force.crashed("exited", 11.2 + TRIAL)
    assert not desk.in_force.crashed("exited", 11.3 + TRIAL)
    assert desk.priority == 120


def test_the_way_back_leads_to_the_last_one_that_was_taken_over(desk: Desk) -> None:
    desk.reload(settings(120))
    desk.in_force.taken_over(10.0)
    desk.reload(settings(130))
    desk.reload(settings(140))  # 130 has not proven itself
    assert desk.in_force.crashed("exited", 11.0)
    assert desk.priority == 120


def test_reload_file_is_there_while_the_configuration_is_read(tmp_path: Path) -> None:
    desk = Desk(tmp_path, settings(100, reload_file=str(tmp_path / "reading")))
    desk.next = settings(120, reload_file="")
    desk.in_force.reload()
    assert (tmp_path / "reading").exists()
    desk.work()
    assert not (tmp_path / "reading").exists(), "the one that was made"
    desk.in_force.reload()
    assert (tmp_path / "hakeepd.reload").exists(), "the new configuration's name"
    desk.work()
    assert not (tmp_path / "hakeepd.reload").exists()


# --- who orders a reload is told what became of it


@pytest.fixture
def told(desk: Desk) -> list[Reloaded]:
    found: list[Reloaded] = []
    desk.tell = found.append
    return found


def test_it_is_told_when_the_worker_has_it(desk: Desk, told: list[Reloaded]) -> None:
    desk.lines = [(4, "careful")]
    desk.reload(settings(120))
    assert told == [], "nobody knows yet whether the worker survives it"
    desk.in_force.taken_over(10.0)
    assert [each.outcome for each in told] == [Outcome.TAKEN]
    assert told[0].said[0] == (4, "careful") and told[0].said[1][1].startswith("Changed: ")
    desk.in_force.taken_over(11.0)
    assert len(told) == 1


def test_it_is_told_at_once_when_there_is_nothing_to_take(desk: Desk, told: list[Reloaded]) -> None:
    desk.lines = [(3, "wrong")]
    desk.reload(None)
    desk.reload(settings(100))
    assert told == [Reloaded(Outcome.REFUSED, ((3, "wrong"),)), Reloaded(Outcome.UNCHANGED, ((3, "wrong"),))]


def test_it_is_told_when_the_worker_dies_of_it(desk: Desk, told: list[Reloaded]) -> None:
    desk.reload(settings(120))
    desk.in_force.crashed("was killed", 1000.0)
    assert [each.outcome for each in told] == [Outcome.GIVEN_UP]
    assert "was killed while it took over" in told[0].said[-1][1]


def test_a_child_that_fails_is_told_too(desk: Desk, told: list[Reloaded]) -> None:
    desk.in_force.reload(desk.tell)
    desk.pending.pop()[1](b"")
    assert told[0].outcome is Outcome.REFUSED and "could not be read" in told[0].said[0][1]


def test_an_order_that_comes_while_reading_is_told_of_the_next_reading(desk: Desk, told: list[Reloaded]) -> None:
    desk.in_force.reload()
    desk.in_force.reload(desk.tell)
    desk.work()
    assert told == []
    desk.in_force.turn()
    desk.work()
    assert [each.outcome for each in told] == [Outcome.UNCHANGED]


def test_what_is_told_is_bounded(desk: Desk, told: list[Reloaded]) -> None:
    desk.lines = [(3, "x" * 5000)] * 5000
    desk.reload(None)
    assert len(told[0].said) == 200 and len(told[0].said[0][1]) == 1000
    assert len(desk.said[1]) == 5000, "the log has it all"


def test_what_changes_is_logged(desk: Desk) -> None:
    desk.reload(settings(90, log_unknown_vrids=True))
    assert [text for text in desk.said if text.startswith("Changed:")] == [
        "Changed: global_defs, log_unknown_vrids: off -> on: taken up as it runs",
        "Changed: vrrp_instance web, priority: 100 -> 90: taken up as it runs",
    ]
