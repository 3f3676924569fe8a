"""The life of a worker, and of those that come after it: started, told, replaced with growing pauses, dismissed."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hakeep import seat as module
from hakeep.parcel import Parcel
from hakeep.seat import Seat, Terms
from hakeep.worker import Line
from tests.desk import Desk as Lines

WORK, OTHER, THIRD = Parcel(value="work"), Parcel(value="another"), Parcel(value="a third")


class Desk(Lines):
    """A seat, and what its owner hears of it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.heard: list[dict[str, Any]] = []
        self.life: list[str] = []
        self.hear: Callable[[dict[str, Any]], None] = self.heard.append
        terms = Terms(
            "odd", folder / "odd.pid", stop_max=4.0, silent_max=9.0, start_max=20.0, remains="R", meanwhile="M")
        self.seat = Seat(
            terms, self, self.plumbing, be=lambda line: 7, hear=lambda body: self.hear(body),  # type: ignore[arg-type]
            born=lambda: self.life.append("born"), gone=lambda: self.life.append("gone"),
            died=lambda worker, how, now: self.life.append(how),
        )


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    desk = Desk(tmp_path, monkeypatch)
    yield desk
    desk.close()


def test_there_is_a_worker_while_there_is_something_to_do(desk: Desk, tmp_path: Path) -> None:
    assert not desk.seat.deliver(Parcel()) and desk.seat.worker is None and not desk.seat.wanted
    assert not desk.seat.deliver(WORK), "it has it already when it is born"
    assert desk.seat.pid == int((tmp_path / "odd.pid").read_text()) and desk.seat.wanted and desk.seat.filled
    assert not desk.seat.deliver(WORK) and desk.told() == []
    assert desk.seat.deliver(OTHER) and desk.told() == ["another"]
    desk.seat.deliver(Parcel())
    assert desk.told() == [{"do": "stop"}]
    assert desk.dies(0) == float("inf") and desk.seat.pid == 0
    assert desk.life == ["born", "gone"]
    desk.seat.remove_files()
    assert not (tmp_path / "odd.pid").exists()


def test_pauses_grow_and_begin_anew(desk: Desk) -> None:
    desk.seat.deliver(WORK)
    pauses = []
    for _ in range(9):
        pauses.append(round(desk.dies()))
        assert desk.seat.awaited
        desk.seat.turn(desk.seat.wake_at)
    assert pauses == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert round(desk.dies(after=module.STEADY + 1)) == 0
    assert desk.seat.restarts == 9
    assert desk.logged[0] == "the odd worker was killed by signal 9: starting another one; M"
    assert desk.logged[2] == "the odd worker was killed by signal 9: another one starts in 2 s; M"
    assert desk.life[:3] == ["born", "gone", "was killed by signal 9"]


def test_deaths_are_counted_since_something_else_was_delivered(desk: Desk) -> None:
    desk.seat.deliver(WORK)
    desk.dies()
    assert "since the reload" not in desk.logged[-1]
    desk.seat.deliver(OTHER)
    desk.dies()
    desk.seat.turn(desk.seat.wake_at)
    desk.dies(1)
    assert "exited with status 1 (death 2 since the reload at " in desk.logged[-1]


def test_one_that_cannot_be_started_is_tried_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fork = desk.fork

    def refuse(*_: object) -> None:
        raise BlockingIOError(11, "too many processes")

    monkeypatch.setattr(module, "fork_worker", refuse)
    desk.seat.deliver(WORK)
    assert desk.seat.worker is None and 0.9 < desk.seat.wake_at - time.monotonic() <= 1.0
    assert "cannot start the odd worker, trying again" in desk.logged[-1] and not desk.seat.filled
    monkeypatch.setattr(module, "fork_worker", fork)
    desk.seat.turn(desk.seat.wake_at)
    assert desk.seat.worker is not None and desk.life == ["born"]


def test_its_words_go_where_they_belong(desk: Desk) -> None:
    desk.seat.deliver(WORK)
    for what in ("started", "alive", "finished", "something"):
        desk.says(do=what)
    assert desk.heard == [{"do": "something"}] and desk.logged == ["odd start-up complete"]
    assert desk.seat.worker is not None and desk.seat.worker.started
    assert desk.seat.order({"do": "that"}) and desk.told() == [{"do": "that"}]


def test_what_it_said_last_counts_although_it_is_dead(desk: Desk) -> None:
    desk.seat.deliver(WORK)
    desk.workers[-1].send({"do": "something"})
    desk.dies()
    assert desk.heard == [{"do": "something"}] and not desk.readers
    assert not desk.seat.order({"do": "that"})


@pytest.mark.parametrize("body", [{"do": "something"}, [], 7, None])
def test_words_without_sense_end_the_worker_and_not_us(desk: Desk, body: Any) -> None:
    desk.hear = lambda body: body["name"]
    desk.seat.deliver(WORK)
    data = json.dumps(body).encode()
    desk.workers[-1].sock.send(b"J" + len(data).to_bytes(4, "big") + data)
    desk.turn_readers()
    assert desk.killed == [desk.seat.pid] and "says what makes no sense, killing it" in desk.logged[-1]
    assert round(desk.dies()) == 0


def test_one_that_was_to_go_and_is_wanted_again_is_replaced_at_once(desk: Desk) -> None:
    desk.seat.deliver(WORK)
    desk.seat.deliver(Parcel())
    desk.seat.deliver(OTHER)
    assert desk.told() == [{"do": "stop"}]
    assert desk.dies(0) <= 0
    desk.seat.turn(time.monotonic())
    assert desk.seat.worker is not None and desk.logged == []


def test_one_that_is_silent_is_killed_unless_we_stood_still_too(desk: Desk) -> None:
    desk.seat.deliver(WORK)
    now = time.monotonic()
    desk.seat.turn(now + 19)
    desk.seat.turn(now + 19 + module.LOOK_ON + 1)
    assert not desk.killed, "it has longer to start"
    desk.says(do="started")
    desk.seat.turn(now + 11)
    desk.says(do="alive")
    assert desk.seat.worker is not None
    desk.seat.worker.heard_at = now + 11
    desk.seat.turn(now + 11 + module.LOOK_ON + 1)
    assert not desk.killed, "all of us stood still"
    for later in (11 + 10, 11 + 10 + module.LOOK_ON + 1, 11 + 10 + module.LOOK_ON + 2):
        desk.seat.turn(now + later)
    assert desk.killed == [desk.seat.pid] and "has not moved for 16 s: killing it" in desk.logged[-1]


def test_one_that_does_not_start_is_killed(desk: Desk) -> None:
    desk.seat.deliver(WORK)
    now = time.monotonic() + 21
    desk.seat.turn(now)
    desk.seat.turn(now + module.LOOK_ON + 1)
    assert desk.killed == [desk.seat.pid]


def test_stopping_waits_for_it_but_not_for_ever(desk: Desk) -> None:
    desk.seat.deliver(WORK)
    desk.seat.stop()
    assert desk.told() == [{"do": "stop"}] and desk.seat.worker is not None and not desk.seat.wanted
    desk.seat.turn(time.monotonic())
    assert not desk.killed
    for later in (5, 6):
        desk.seat.turn(time.monotonic() + later)
    assert desk.killed == [desk.seat.pid] and "does not stop: killing it" in desk.logged[-1]
    assert desk.seat.wake_at == float("inf"), "whoever waits for its death must not do so in a circle"
    assert not desk.seat.deliver(OTHER), "too late"
    assert desk.dies() == float("inf") and desk.life == ["born", "gone"]


def test_told_twice_to_stop_it_stops_at_once(desk: Desk) -> None:
    desk.seat.deliver(WORK)
    desk.seat.stop()
    desk.seat.stop()
    assert desk.killed == [desk.seat.pid] and len(desk.told()) == 1


def test_who_waits_to_be_started_is_not_when_we_stop(desk: Desk) -> None:
    desk.seat.deliver(WORK)
    desk.dies()
    desk.seat.stop()
    assert not desk.seat.awaited and desk.seat.wake_at == float("inf")


def test_where_nobody_is_to_be_respawned_the_daemon_ends(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[int] = []
    monkeypatch.setattr(module.signal, "raise_signal", raised.append)
    desk.seat.terms = replace(desk.seat.terms, respawn=False)
    desk.seat.deliver(WORK)
    assert desk.dies(1) == float("inf"), "no other one"
    assert raised == [signal.SIGTERM] and desk.life == ["born", "gone"]
    assert desk.logged == ["the odd worker exited with status 1: it is not to be respawned; R"]


def test_one_that_ends_because_it_is_to_end_ends_nothing_else(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.signal, "raise_signal", lambda number: pytest.fail("the daemon goes on"))
    desk.seat.terms = replace(desk.seat.terms, respawn=False)
    for end in (lambda: desk.seat.deliver(Parcel()), desk.seat.stop):
        desk.seat.deliver(WORK)
        end()
        desk.dies(0)


def test_a_child_lets_go_of_what_is_the_parents_first(desk: Desk) -> None:
    """A signal to a child that is still importing must not reach the parent by the descriptor that both have."""
    desk.seat._be = lambda line: len(desk.left)
    assert desk.seat._live(None) == 1  # type: ignore[arg-type]


def test_what_is_another_ones_is_left(desk: Desk) -> None:
    desk.seat.deliver(WORK)
    assert desk.seat.worker is not None
    line: Line = desk.seat.worker.line
    desk.seat.leave()
    assert line.closed
