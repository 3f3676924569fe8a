"""Who attends to the lvs worker: started, told, replaced with growing pauses, dismissed."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hakeep import attendance as module
from hakeep.attendance import Attendance
from hakeep.lvs import process
from hakeep.options import Options
from hakeep.worker import Line, Log

DIRECTOR, OTHER = b"a director", b"another one"


class Desk:
    """An attendance whose workers are only lines: nothing is forked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.workers: list[Line] = []
        self.heard: list[dict[str, Any]] = []
        self.readers: dict[int, Callable[[], None]] = {}
        monkeypatch.setattr(module, "fork_worker", self.fork)
        options = Options("", folder, folder / "a", folder / "b", folder / "lvs.pid", folder, folder, "")
        self.it = Attendance(
            options, Log("test", console=False, facility=None, detail=False), watch=self.readers.__setitem__,
            unwatch=self.readers.pop, hear=self.heard.append, leave=lambda: None, orders=tuple)

    def fork(self, be: object, log: object) -> tuple[int, Line]:
        ours, theirs = socket.socketpair()
        self.workers.append(Line(theirs, trusting=True))
        return os.getpid() + len(self.workers), Line(ours, trusting=False)

    def told(self) -> list[Any]:
        """What the present worker has been told since it was asked last."""
        return [message.body for message in self.workers[-1].receive()]

    def says(self, **body: Any) -> None:
        self.workers[-1].send(body)
        for reader in list(self.readers.values()):
            reader()

    def dies(self, code: int = -9, after: float = 0.0) -> float:
        """The present worker ends; in how many seconds another one is to start (inf = never)."""
        assert self.it.worker is not None
        now = time.monotonic()
        self.it.worker.born = now - after
        self.it.ended(self.it.worker.pid, code, now)
        return self.it.wake_at - now


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_there_is_a_worker_while_there_is_something_to_direct(desk: Desk, tmp_path: Path) -> None:
    desk.it.deliver(b"")
    assert desk.it.worker is None
    desk.it.deliver(DIRECTOR)
    assert desk.it.worker is not None and (tmp_path / "lvs.pid").read_text().strip() == str(desk.it.worker.pid)
    desk.it.deliver(DIRECTOR)
    assert desk.told() == []
    desk.it.deliver(b"")
    assert desk.told() == [{"do": "stop", "keep": False}]
    assert desk.dies(0) == float("inf")


def test_pauses_grow_and_begin_anew(desk: Desk) -> None:
    desk.it.deliver(DIRECTOR)
    pauses = []
    for _ in range(9):
        pauses.append(round(desk.dies()))
        desk.it.turn(desk.it.wake_at)
    assert pauses == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert round(desk.dies(after=module.STEADY + 1)) == 0
    assert desk.it.restarts == 9


def test_what_is_known_is_kept_for_the_next_one(desk: Desk) -> None:
    desk.it.deliver(DIRECTOR)
    desk.says(do="remember", checks={"a": "down", "b": "up"})
    desk.says(do="remember", checks={"b": ""})
    assert desk.it._memory == {"a": "down"}
    desk.says(do="lvs_snapshot", virtual_servers=[])
    assert desk.heard == [{"do": "lvs_snapshot", "virtual_servers": []}]


def test_what_it_said_last_counts_although_it_is_dead(desk: Desk) -> None:
    desk.it.deliver(DIRECTOR)
    desk.workers[-1].send({"do": "remember", "checks": {"a": "down"}})
    desk.dies()
    assert desk.it._memory == {"a": "down"}


def test_states_of_routers_are_told_once(desk: Desk) -> None:
    desk.it.router_is("VI_1", "BACKUP")
    desk.it.deliver(DIRECTOR)
    desk.it.router_is("VI_1", "BACKUP")
    desk.it.router_is("VI_1", "MASTER")
    assert desk.told() == [{"do": "router", "name": "VI_1", "state": "MASTER"}]


def test_one_that_was_to_go_and_is_wanted_again_is_replaced_at_once(desk: Desk) -> None:
    desk.it.deliver(DIRECTOR)
    desk.it.deliver(b"")
    desk.it.deliver(OTHER)
    assert desk.told() == [{"do": "stop", "keep": False}]
    assert desk.dies(0) <= 0
    desk.it.turn(time.monotonic())
    assert desk.it.worker is not None


def test_one_that_does_not_stop_is_killed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(module.os, "kill", lambda pid, number: killed.append((pid, number)))
    desk.it.deliver(DIRECTOR)
    assert desk.it.worker is not None
    desk.it.stop()
    desk.it.turn(time.monotonic())
    assert not killed
    desk.it.turn(time.monotonic() + module.STOP_MAX + 1)
    desk.it.turn(time.monotonic() + module.STOP_MAX + 2)
    assert killed == [(desk.it.worker.pid, 9)]
    assert desk.it.wake_at == float("inf"), "whoever waits for its death must not do so in a circle"
    assert desk.dies() == float("inf")


@pytest.mark.parametrize("body", [{"do": "remember", "checks": 7}, {"do": "router"}, [], 7, None])
def test_words_without_sense_end_the_worker_and_not_us(desk: Desk, monkeypatch: pytest.MonkeyPatch, body: Any) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(module.os, "kill", lambda pid, number: killed.append((pid, number)))
    monkeypatch.setattr(desk.it, "_hear", lambda body: body["name"])
    desk.it.deliver(DIRECTOR)
    assert desk.it.worker is not None
    data = json.dumps(body).encode()
    desk.workers[-1].sock.send(b"J" + len(data).to_bytes(4, "big") + data)
    for reader in list(desk.readers.values()):
        reader()
    assert killed == [(desk.it.worker.pid, 9)]
    assert round(desk.dies()) == 0


@pytest.mark.parametrize("keep", [False, True])
def test_what_stays_at_the_end_does_not_stay_when_it_is_not_configured_any_more(desk: Desk, keep: bool) -> None:
    desk.it._options = replace(desk.it._options, keep_ipvs=keep)
    desk.it.deliver(DIRECTOR)
    desk.it.deliver(b"")
    assert desk.told() == [{"do": "stop", "keep": False}]
    desk.dies(0)
    desk.it.deliver(DIRECTOR)
    desk.it.stop()
    assert desk.told() == [{"do": "stop", "keep": keep}]


@pytest.mark.parametrize(("stops", "keep", "another"), [(False, False, True), (False, True, True), (True, False, True),
                                                        (True, True, False)])
def test_the_table_of_one_that_died_is_emptied_by_another(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, stops: bool, keep: bool, another: bool,
) -> None:
    desk.it._options = replace(desk.it._options, keep_ipvs=keep)
    desk.it.deliver(DIRECTOR)
    desk.dies()
    blobs: list[bytes] = []
    monkeypatch.setattr(
        module, "fork_worker", lambda be, log: (blobs.append(desk.it._blob), desk.fork(be, log))[1])
    if stops:
        desk.it.stop()
    else:
        desk.it.deliver(b"")
    assert blobs == [DIRECTOR] * another
    if another:
        assert desk.told() == [{"do": "stop", "keep": False}]
        assert desk.dies(-9) == float("inf"), "it has had its chance"
    assert desk.it.worker is None and desk.it.wake_at == float("inf")


def test_one_that_has_gone_silent_is_killed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(module.os, "kill", lambda pid, number: killed.append((pid, number)))
    desk.it.deliver(DIRECTOR)
    assert desk.it.worker is not None
    late = time.monotonic() + module.SILENT_MAX + 1
    desk.it.turn(late)
    desk.it.turn(late + module.LOOK_ON + 1)
    assert not killed, "one that has not started yet may have ten thousands of servers to read"
    desk.says(do="started")
    desk.it.turn(late)
    desk.says(do="alive")
    desk.it.turn(late)
    assert not killed, "all of us stood still"
    desk.it.worker.heard_at = late
    desk.it.turn(late)
    desk.it.turn(late + module.LOOK_ON + 1)
    assert not killed
    desk.it.turn(late + module.SILENT_MAX + 1)
    desk.it.turn(late + module.SILENT_MAX + module.LOOK_ON + 2)
    desk.it.turn(late + module.SILENT_MAX + module.LOOK_ON + 3)
    assert killed == [(desk.it.worker.pid, 9)]


def test_only_the_first_worker_does_what_lvs_flush_says(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table that a dead one left has clients."""
    starts: list[process.Start] = []
    monkeypatch.setattr(process, "main", lambda director, line, log, start: starts.append(start))
    monkeypatch.setattr(module.pickle, "loads", lambda blob: blob)
    monkeypatch.setattr(
        module, "fork_worker", lambda be, log: (be(Line(socket.socketpair()[0], trusting=True)), desk.fork(be, log))[1])
    desk.it.deliver(DIRECTOR)
    desk.dies()
    desk.it.turn(time.monotonic())
    assert [start.flush for start in starts] == [True, False]


def test_only_the_second_order_to_stop_is_a_hurry(desk: Desk) -> None:
    desk.it.deliver(DIRECTOR)
    desk.it.deliver(b"")
    desk.it.stop()
    assert len(desk.told()) == 1, "it goes already, and has a table to empty"
    desk.it.stop()
    assert len(desk.told()) == 1


def test_a_child_lets_go_of_what_is_the_parents_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal to a child that is still importing must not reach the parent by the descriptor that both have."""
    monkeypatch.setitem(sys.modules, "hakeep.lvs.process", None)
    monkeypatch.delattr("hakeep.lvs.process", raising=False)
    left: list[str] = []
    monkeypatch.setattr(desk.it, "_leave", lambda: left.append("left"))
    with pytest.raises(ImportError):
        desk.it._be_worker(None, os.getpid())  # type: ignore[arg-type]
    assert left == ["left"]
