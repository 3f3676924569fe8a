"""The workers that only look, and what passes from them to others: without processes."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hakeep import aides as module
from hakeep.config.settled import Global
from hakeep.facts import Facts
from hakeep.lookout import Lookout
from hakeep.options import Options
from hakeep.report.snapshot import SessionSnapshot, ThingSnapshot
from hakeep.vrrp.messages import Tracked
from hakeep.worker import Line


class Desk:
    """A lookout whose workers are only lines: nothing is forked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.workers: list[Line] = []
        self.readers: dict[int, Callable[[], None]] = {}
        self.logged: list[str] = []
        self.users: list[dict[str, Any]] = []
        self.vrrp: list[dict[str, Any]] = []
        self.lvs: list[tuple[object, ...]] = []
        self.killed: list[int] = []
        monkeypatch.setattr(module, "fork_worker", self.fork)
        monkeypatch.setattr(module.os, "kill", lambda pid, number: self.killed.append(pid))
        paths = {each.name: folder / each.name for each in fields(Options) if each.type == "Path"}
        options = Options(config="", dump_stem="", **paths)
        self.in_force = SimpleNamespace(facts=Facts(Global(), (), {}, tracking=True), blob=b"one")
        self.it = Lookout(
            options, self.in_force, self, watch=self.readers.__setitem__, unwatch=self.readers.pop,  # type: ignore[arg-type]
            hear=self.users.append, leave=lambda: None, tell_vrrp=self.vrrp.append,
            tell_session=lambda *said: self.lvs.append(said))
        self.tracker = self.it.tracker

    def __call__(self, level: int, text: str, detail: bool = False) -> None:
        """It is the log as well."""
        self.logged.append(text)

    def child(self, ident: str) -> Desk:
        return self

    def fork(self, be: object, log: object) -> tuple[int, Line]:
        ours, theirs = socket.socketpair()
        self.workers.append(Line(theirs, trusting=True))
        return os.getpid() + len(self.workers), Line(ours, trusting=False)

    def says(self, **body: Any) -> None:
        self.workers[-1].send(body)
        for reader in list(self.readers.values()):
            reader()

    def told(self) -> list[Any]:
        return [message.body for message in self.workers[-1].receive()]

    def put_in_force(self, blob: bytes, *, tracking: bool = True, bfd: bool = False) -> None:
        self.in_force.facts = Facts(Global(), (), {}, tracking, b"sessions" if bfd else b"")
        self.in_force.blob = blob
        self.it.direct()

    def dies(self, code: int = -9, after: float = 0.0) -> float:
        """The tracker ends; in how many seconds another one is to start (inf = never)."""
        now = time.monotonic()
        self.tracker._born = now - after
        self.it.ended(self.tracker.pid, code, now)
        return self.it.wake_at - now


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    desk = Desk(tmp_path, monkeypatch)
    desk.it.direct()
    yield desk
    for line in (*desk.workers, *(aide.line for aide in desk.it.aides if aide.line is not None)):
        line.close()


def test_there_is_a_worker_while_there_is_something_to_look_at(desk: Desk, tmp_path: Path) -> None:
    assert desk.tracker.working and not desk.it.bfd.working
    assert (tmp_path / "track_pid_file").read_text().strip() == str(desk.tracker.pid)
    desk.put_in_force(b"one")
    assert desk.told() == []
    desk.put_in_force(b"two", tracking=False)
    assert desk.told() == [{"do": "stop"}]
    assert desk.dies(0) == float("inf") and not desk.it.working


@pytest.mark.parametrize("wanted", [True, False])
def test_no_bfd_keeps_its_worker_away(desk: Desk, wanted: bool) -> None:
    desk.it._options = replace(desk.it._options, bfd=wanted)
    desk.put_in_force(b"two", bfd=True)
    assert desk.it.bfd.working is wanted
    assert desk.tracker.working


def test_what_is_found_out_is_told_and_kept(desk: Desk) -> None:
    desk.says(do="tracked", kind="script", name="chk", well=False, value=0, why="exited with status 1")
    known = Tracked("script", "chk", False, 0, "exited with status 1")
    assert desk.vrrp == [{"do": "tracked", **known._asdict()}]
    desk.says(do="tracked", kind="script", name="chk", well=True, value=0, why="")
    assert desk.it.tracked() == (Tracked("script", "chk", True, 0, ""),)


def test_a_bfd_session_concerns_both_workers(desk: Desk) -> None:
    desk.says(do="session", name="peer", up=True, why="Up", vrrp=True, checker=True)
    assert desk.vrrp == [{"do": "tracked", **Tracked("bfd", "peer", True, 0, "Up")._asdict()}]
    assert desk.lvs == [("peer", True)]


def test_a_bfd_session_is_told_to_those_that_it_is_for(desk: Desk) -> None:
    desk.says(do="session", name="one", up=True, why="", vrrp=True, checker=False)
    desk.says(do="session", name="two", up=True, why="", vrrp=False, checker=True)
    assert [order["name"] for order in desk.vrrp] == ["one"] and desk.lvs == [("two", True)]


def test_what_the_next_bfd_worker_needs_is_kept(desk: Desk) -> None:
    desk.says(do="remember", sessions={"one": {"up": True}, "two": {"up": False}})
    desk.says(do="remember", sessions={"two": None})
    assert desk.it._session_memory == {"one": {"up": True}}
    desk.put_in_force(b"two", bfd=False)
    assert desk.it._session_memory == {}, "sessions that come back later begin anew"


def test_what_is_for_users_goes_on(desk: Desk) -> None:
    desk.says(do="tracks", things=[{"kind": "script", "name": "chk", "runs": 3}])
    desk.says(do="alive")
    desk.says(do="else")
    assert desk.it.things == (ThingSnapshot("script", "chk", runs=3),) and desk.users == [{"do": "else"}]
    desk.it.hear({"do": "snapshot", "sessions": [{"name": "peer", "state": "Up"}]})
    assert desk.users[1:] == [{"do": "sessions"}], "who asked for the status has waited for it"
    assert desk.it.sessions == (), "there are none in the configuration any more"
    desk.put_in_force(b"two", bfd=True)
    assert desk.it.sessions == (SessionSnapshot("peer", state="Up"),)


def test_pauses_grow_and_begin_anew(desk: Desk) -> None:
    pauses = []
    for _ in range(9):
        pauses.append(round(desk.dies()))
        desk.it.turn(desk.it.wake_at)
    assert pauses == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert round(desk.dies(after=module.STEADY + 1)) == 0
    assert "the track worker was killed by signal 9: starting another one; what it said last counts meanwhile" in (
        desk.logged)


def test_what_it_said_last_counts_although_it_is_dead(desk: Desk) -> None:
    desk.workers[-1].send({"do": "tracked", "kind": "file", "name": "f", "well": True, "value": 7, "why": ""})
    desk.dies()
    assert desk.it.tracked() == (Tracked("file", "f", True, 7, ""),)


def test_one_that_was_to_go_and_is_wanted_again_is_replaced_at_once(desk: Desk) -> None:
    desk.put_in_force(b"two", tracking=False)
    desk.put_in_force(b"three")
    assert desk.told() == [{"do": "stop"}]
    assert desk.dies(0) <= 0
    desk.it.turn(time.monotonic())
    assert desk.tracker.working


def test_nonsense_costs_it_its_life_and_nobody_else(desk: Desk) -> None:
    desk.says(do="tracked", kind="script")
    assert desk.killed == [desk.tracker.pid]
    assert "says what makes no sense" in desk.logged[-1]


def test_one_that_is_silent_is_killed_unless_we_stood_still_too(desk: Desk) -> None:
    now = time.monotonic() + module.SILENT_MAX + 1
    desk.it.turn(now)
    assert not desk.killed, "all of us may have stood still"
    desk.it.turn(now + module.LOOK_ON + 1)
    assert desk.killed == [desk.tracker.pid]


def test_stopping_waits_for_them_but_not_for_ever(desk: Desk) -> None:
    desk.it.stop()
    assert desk.told() == [{"do": "stop"}] and desk.it.working
    desk.it.turn(time.monotonic() + module.STOP_MAX + 1)
    assert desk.killed == [desk.tracker.pid]
    assert desk.dies() == float("inf") and not desk.it.working


def test_virtual_servers_concern_only_who_goes_by_them(desk: Desk) -> None:
    desk.in_force.facts = Facts(Global(), (), {}, tracking=True, virtual_servers=frozenset({"192.0.2.1 80"}))
    desk.it.hear({"do": "quorums", "states": [["192.0.2.1 80", True, ""], ["192.0.2.2 80", False, "weights 0"]]})
    first, second = (Tracked("virtual_server", f"192.0.2.{n} 80", n == 1, 0, "weights 0" * (n == 2)) for n in (1, 2))
    assert desk.vrrp == [{"do": "tracked", **first._asdict()}]
    assert desk.it.tracked() == (first,)
    desk.in_force.facts = Facts(Global(), (), {}, tracking=True, virtual_servers=frozenset({"192.0.2.2 80"}))
    desk.it.direct()
    assert desk.vrrp[1:] == [{"do": "tracked", **second._asdict()}], "it was known before"
    assert desk.it.tracked() == (second,)


def test_virtual_servers_that_nobody_looks_after(desk: Desk) -> None:
    desk.in_force.facts = Facts(Global(), (), {}, tracking=True, virtual_servers=frozenset({"192.0.2.1 80"}))
    desk.it.direct()
    assert not any("nobody looks after" in line for line in desk.logged)
    desk.it._options = replace(desk.it._options, lvs=False)
    desk.it.direct()
    assert "(192.0.2.1 80), and nobody looks after these" in desk.logged[-1]
