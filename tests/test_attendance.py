"""Who attends to the lvs worker: started, told, replaced with growing pauses, dismissed."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from hakeep import attendance as module
from hakeep.attendance import Attendance
from hakeep.lvs import process
from hakeep.options import Options
from hakeep.worker import Line

DIRECTOR, OTHER, THIRD = b"a director", b"another one", b"a third one"


class Ledger:
    """What is told to whom knows the configuration; after `forgiven` deaths it goes `back` to another one."""

    def __init__(self) -> None:
        self.taken = 0
        self.deaths: list[str] = []
        self.forgiven = 100
        self.back: Callable[[], None] = lambda: None

    def taken_over(self, now: float, worker: str) -> None:
        assert worker == "lvs"
        self.taken += 1

    def crashed(self, how: str, now: float, worker: str) -> bool:
        assert worker == "lvs"
        self.deaths.append(how)
        if len(self.deaths) > self.forgiven:
            self.back()
            return True
        return False


class Desk:
    """An attendance whose workers are only lines: nothing is forked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.workers: list[Line] = []
        self.heard: list[dict[str, Any]] = []
        self.readers: dict[int, Callable[[], None]] = {}
        self.logged: list[str] = []
        self.befores: list[bytes | None] = []
        monkeypatch.setattr(module, "fork_worker", self.fork)
        paths = {each.name: folder / each.name for each in fields(Options) if each.type == "Path"}
        options = Options(config="", dump_stem="", **paths)
        self.it = Attendance(
            options, self, watch=self.readers.__setitem__,  # type: ignore[arg-type]
            unwatch=self.readers.pop, hear=self.heard.append, leave=lambda: None, orders=tuple)
        self.ledger = Ledger()
        self.it.in_force = self.ledger  # type: ignore[assignment]

    def __call__(self, level: int, text: str) -> None:
        """It is the log as well."""
        self.logged.append(text)

    def child(self, ident: str) -> Desk:
        return self

    def fork(self, be: object, log: object) -> tuple[int, Line]:
        ours, theirs = socket.socketpair()
        self.workers.append(Line(theirs, trusting=True))
        self.befores.append(self.it.before)
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
    assert desk.it.worker is not None and (tmp_path / "lvs_pid_file").read_text().strip() == str(desk.it.worker.pid)
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


def test_bfd_sessions_are_told_once_and_kept_for_the_next_one(desk: Desk) -> None:
    desk.it.session_is("peer", False)
    desk.it.deliver(DIRECTOR)
    desk.it.session_is("peer", False)
    desk.it.session_is("peer", True)
    assert desk.told() == [{"do": "session", "name": "peer", "up": True}]
    assert desk.it._sessions == {"peer": True}


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
    desk.it._options = replace(desk.it._options, vrrp=False)
    desk.dies()
    desk.it.turn(desk.it.wake_at)
    assert [start.flush for start in starts] == [True, False, False]
    assert [start.alone for start in starts] == [False, False, True], "who runs the script of the general FIFO"


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


# --- what became of a configuration


def test_a_configuration_counts_as_taken_when_the_worker_says_so(desk: Desk) -> None:
    desk.it.deliver(DIRECTOR)
    desk.says(do="started")
    assert desk.ledger.taken == 0, "it has begun"
    desk.says(do="taken")
    assert desk.ledger.taken == 1
    desk.it.deliver(pickle.dumps(OTHER))
    desk.it.deliver(pickle.dumps(THIRD))
    desk.says(do="taken")
    assert desk.ledger.taken == 1, "it has the second of three"
    desk.says(do="taken")
    assert desk.ledger.taken == 2


def test_nothing_to_direct_is_in_force_when_the_table_is_empty(desk: Desk) -> None:
    desk.it.deliver(DIRECTOR)
    desk.says(do="taken")
    desk.it.deliver(b"")
    assert desk.ledger.taken == 1
    desk.dies(0)
    assert desk.ledger.taken == 2
    desk.it.deliver(DIRECTOR)
    desk.it.deliver(b"")
    desk.says(do="taken")
    assert desk.ledger.taken == 2, "what it says of what nobody wants any more"
    desk.dies(0)
    assert desk.ledger.taken == 3


def test_deaths_are_told_and_counted_since_the_reload(desk: Desk) -> None:
    desk.it.deliver(DIRECTOR)
    desk.dies()
    assert desk.ledger.deaths == ["was killed by signal 9"] and "since the reload" not in desk.logged[-1]
    desk.it.deliver(OTHER)
    desk.dies()
    desk.it.turn(desk.it.wake_at)
    desk.dies(1)
    assert "exited with status 1 (death 2 since the reload at " in desk.logged[-1]


def test_the_next_one_clears_away_what_the_one_before_made(desk: Desk) -> None:
    """Also what it was about to take up, if that is not in force any more."""
    desk.ledger.forgiven, desk.ledger.back = 1, lambda: desk.it.deliver(DIRECTOR)
    desk.it.deliver(DIRECTOR)
    desk.says(do="started")
    desk.says(do="taken")
    desk.it.deliver(OTHER)
    desk.dies()
    desk.it.turn(desk.it.wake_at)
    desk.says(do="started")
    desk.dies()  # and back again
    assert desk.it.worker is not None
    assert desk.befores == [None, DIRECTOR, OTHER]
    desk.dies()
    desk.it.turn(desk.it.wake_at)
    assert desk.befores[-1] is None, "what was to be cleared away may be what kills"


def test_where_nobody_is_to_be_respawned_the_daemon_ends(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[int] = []
    monkeypatch.setattr(module.signal, "raise_signal", raised.append)
    desk.it._options = replace(desk.it._options, respawn=False)
    desk.it.deliver(DIRECTOR)
    assert desk.dies() == float("inf"), "no other one"
    assert raised == [signal.SIGTERM] and desk.ledger.deaths == []
    desk.it.stop()
    assert desk.it.worker is None and len(desk.workers) == 1, "not even to empty the table"


def test_one_that_ends_because_it_is_to_end_ends_nothing_else(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.signal, "raise_signal", lambda number: pytest.fail("the daemon goes on"))
    desk.it._options = replace(desk.it._options, respawn=False)
    desk.it.deliver(DIRECTOR)
    desk.it.deliver(b"")
    desk.dies(0)
    desk.it.deliver(DIRECTOR)
    desk.it.stop()
    desk.dies(0)
