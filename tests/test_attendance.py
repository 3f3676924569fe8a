"""Who attends to the lvs worker: started, told, replaced with growing pauses, dismissed."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hakeep import attendance as module
from hakeep.attendance import Attendance
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
    assert desk.told() == [{"do": "stop"}]
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
    assert desk.told() == [{"do": "stop"}]
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
    assert desk.dies() == float("inf")
