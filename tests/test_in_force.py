"""A reload as a transaction, without processes: the child's work is done at once."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from pathlib import Path

import pytest

from hakeep import in_force as module
from hakeep.config.settled import Global, Settings, VrrpInstance
from hakeep.config.settled_lvs import Director
from hakeep.facts import Facts
from hakeep.in_force import TAKEOVER, TRIAL, TRIALS, InForce
from hakeep.options import Options
from hakeep.parcel import Parcel
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
        paths = {each.name: tmp_path for each in fields(Options) if each.type == "Path"}
        options = Options(config="", dump_stem="", load=lambda: (self.next, self.lines), evidence=lambda: b"just so",
                          **paths)
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
        self.in_force.turn()
        if self.pending:  # what was read at the start had to be packed first
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


# --- what the first worker inherits


def test_what_was_read_at_the_start_is_packed_when_it_is_taken_over(tmp_path: Path) -> None:
    desk = Desk(tmp_path, with_servers(100, "a"))
    first = desk.in_force.director
    desk.in_force.taken_over(1.0)
    assert not first.sealed and not desk.pending, "the vrrp worker's word says nothing of the other"
    desk.in_force.taken_over(1.0, "lvs")
    desk.in_force.taken_over(1.1, "lvs")
    assert len(desk.pending) == 1
    desk.work()
    assert first.sealed and backend(desk.in_force.director) == "a" and desk.in_force.director is first
    desk.in_force.taken_over(1.2, "lvs")
    assert not desk.pending


def test_a_reload_waits_until_there_is_something_to_compare_it_with(tmp_path: Path) -> None:
    desk = Desk(tmp_path, with_servers(100, "a"))
    desk.next = with_servers(100, "a")
    told: list[Reloaded] = []
    desk.in_force.reload(told.append)
    desk.pending.pop()[1](b"")  # the child failed
    assert desk.in_force.director.sealed and told == []
    desk.in_force.turn()
    desk.work()
    assert [each.outcome for each in told] == [Outcome.UNCHANGED]


def test_who_directs_nothing_lets_go_of_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path, with_servers(100, "a"))
    desk.in_force.leave()
    assert not desk.in_force.director


# --- two workers


@pytest.fixture
def both(desk: Desk, told: list[Reloaded]) -> Desk:
    """A desk whose daemon serves both, and directs something."""
    desk.reload(with_servers(100, "a"))
    desk.in_force.taken_over(0.0, "lvs")
    desk.said.clear(), desk.words.clear(), desk.delivered.clear(), told.clear()
    return desk


def with_servers(priority: int, name: str) -> Settings:
    return replace(settings(priority), lvs=Director(backend=name))


def backend(parcel: Parcel) -> str:
    found: Director = parcel.value
    return found.backend


def test_it_is_in_force_when_both_have_it(both: Desk, told: list[Reloaded]) -> None:
    both.reload(with_servers(120, "b"))
    assert both.in_force.awaited == ["vrrp", "lvs"]
    both.in_force.taken_over(1.0)
    assert told == [] and both.in_force.awaited == ["lvs"]
    both.in_force.taken_over(1.1, "lvs")
    assert [each.outcome for each in told] == [Outcome.TAKEN]
    both.reload(with_servers(130, "c"))
    both.in_force.taken_over(2.0, "lvs")
    assert len(told) == 1
    both.in_force.taken_over(2.1)
    assert [each.outcome for each in told] == [Outcome.TAKEN] * 2


def test_only_who_gets_something_new_is_waited_for(both: Desk, told: list[Reloaded]) -> None:
    both.reload(with_servers(100, "b"))
    assert both.in_force.awaited == ["lvs"] and both.delivered == [] and both.words == ["RELOADING"]
    both.in_force.taken_over(1.0)  # another vrrp worker has started
    assert told == []
    both.in_force.taken_over(1.0, "lvs")
    assert told[0].outcome is Outcome.TAKEN and both.words == ["RELOADING", "READY"]
    assert both.said[-1] == "Reload complete"
    both.reload(with_servers(120, "b"))
    assert both.in_force.awaited == ["vrrp"]


@pytest.mark.parametrize(("vrrp", "lvs", "awaited"), [(True, False, ["vrrp"]), (False, True, ["lvs"])])
def test_a_worker_that_there_is_not_is_not_waited_for(
    both: Desk, told: list[Reloaded], vrrp: bool, lvs: bool, awaited: list[str],
) -> None:
    both.in_force._options = replace(both.in_force._options, vrrp=vrrp, lvs=lvs)
    both.reload(with_servers(120, "b"))
    assert both.in_force.awaited == awaited
    both.in_force.taken_over(1.0, awaited[0])
    assert told[0].outcome is Outcome.TAKEN
    both.reload(with_servers(120, "c") if vrrp else with_servers(130, "b"))
    assert both.in_force.awaited == [] and told[1].outcome is Outcome.TAKEN and both.words[-1] == "READY"


@pytest.mark.parametrize("culprit", ["vrrp", "lvs"])
def test_death_of_one_in_the_takeover_brings_back_all_of_the_one_before(
    both: Desk, told: list[Reloaded], culprit: str,
) -> None:
    both.reload(with_servers(120, "b"))
    both.in_force.taken_over(1.0, "lvs" if culprit == "vrrp" else "vrrp")
    if culprit == "lvs":
        assert not both.in_force.crashed("was killed", 1.4, culprit), "another one tries it"
        assert both.in_force.awaited == ["lvs"] and told == []
    assert both.in_force.crashed("was killed", 1.5, culprit)
    assert both.priority == 100 and backend(both.in_force.director) == "a"
    assert both.delivered == [120, 100], "the one that lives goes back as well"
    assert both.in_force._now.evidence == b"", "who orders a reload again has the file read again"
    assert told[0].outcome is Outcome.GIVEN_UP
    assert told[0].said[-1][1].startswith(f"the {culprit} worker was killed while it took over")
    both.in_force.taken_over(2.0, "lvs")
    assert len(told) == 1


def test_a_second_death_soon_after_the_takeover_is_laid_to_the_new_one(both: Desk) -> None:
    both.reload(with_servers(100, "b"))
    both.in_force.taken_over(10.0, "lvs")
    assert not both.in_force.crashed("exited", 10.0 + TRIALS["lvs"] - 1, "lvs")
    both.in_force.taken_over(11.0 + TRIALS["lvs"], "lvs")
    assert both.in_force.crashed("exited", 10.0 + 2 * TRIALS["lvs"], "lvs")
    assert backend(both.in_force.director) == "a" and both.delivered == []
    assert not both.in_force.crashed("exited", 11.0 + 2 * TRIALS["lvs"], "lvs")


def test_the_death_of_one_says_nothing_of_what_is_new_to_the_other(both: Desk) -> None:
    both.reload(with_servers(100, "b"))
    assert not both.in_force.crashed("was killed", 1.0)
    both.in_force.taken_over(1.5, "lvs")
    both.reload(with_servers(120, "b"))
    both.in_force.taken_over(2.0)
    assert not both.in_force.crashed("was killed", 2.5, "lvs")
    assert both.in_force.crashed("was killed", 3.0, "lvs")
    assert both.priority == 120 and backend(both.in_force.director) == "a", "only what came with that reload goes"


def test_who_takes_long_is_named(both: Desk, told: list[Reloaded], monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    both.reload(with_servers(120, "b"))
    both.in_force.taken_over(1.0)
    both.in_force.turn()
    assert told == []
    monkeypatch.setattr(module.time, "monotonic", lambda: now + TAKEOVER + 1)
    both.in_force.turn()
    both.in_force.turn()
    sentence = f"the lvs worker has not taken over the new configuration within {TAKEOVER:g} s"
    assert [each.outcome for each in told] == [Outcome.AWAITED] and told[0].said[-1] == (4, sentence)
    assert both.said.count(sentence) == 1
    both.in_force.taken_over(30.0, "lvs")
    assert len(told) == 1 and both.said[-1] == "Reload complete"
