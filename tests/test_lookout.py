"""The workers that only look, and what passes from them to others: without processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hakeep.config.settled import Global
from hakeep.facts import Facts
from hakeep.lookout import Lookout
from hakeep.options import Options
from hakeep.parcel import pack
from hakeep.report.snapshot import SessionSnapshot, ThingSnapshot
from hakeep.track import process
from hakeep.track.streak import Memory
from hakeep.vrrp.messages import Tracked
from tests.desk import Desk as Lines

ONE, TWO, THREE = pack("one"), pack("two"), pack("three")


class Desk(Lines):
    """A lookout whose workers are only lines: nothing is forked. `seat` is the tracker's."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.users: list[dict[str, Any]] = []
        self.vrrp: list[dict[str, Any]] = []
        self.lvs: list[tuple[object, ...]] = []
        paths = {each.name: folder / each.name for each in fields(Options) if each.type == "Path"}
        options = Options(config="", dump_stem="", **paths)
        self.in_force = SimpleNamespace(facts=Facts(Global(), (), {}, tracking=ONE), leave=lambda: None)
        self.it = Lookout(
            options, self.in_force, self, self.plumbing, hear=self.users.append,  # type: ignore[arg-type]
            tell_vrrp=self.vrrp.append, tell_session=lambda *said: self.lvs.append(said))
        self.seat = self.it.tracker

    def put_in_force(self, tracking: bytes, *, bfd: bool = False) -> None:
        self.in_force.facts = Facts(Global(), (), {}, tracking, b"sessions" if bfd else b"")
        self.it.direct()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    desk = Desk(tmp_path, monkeypatch)
    desk.it.direct()
    yield desk
    desk.close()


def test_each_worker_gets_its_part_when_that_is_new(desk: Desk, tmp_path: Path) -> None:
    assert desk.seat.worker is not None and desk.it.bfd.worker is None
    assert (tmp_path / "track_pid_file").read_text().strip() == str(desk.seat.pid)
    desk.put_in_force(ONE)
    assert desk.told() == []
    desk.put_in_force(TWO)
    assert desk.told() == ["two"]
    desk.put_in_force(b"")
    assert desk.told() == [{"do": "stop"}]
    assert desk.dies(0) == float("inf")


def test_when_one_dies_the_log_says_what_counts(desk: Desk) -> None:
    desk.says(do="started")
    desk.dies()
    assert desk.logged == ["track start-up complete", "the track worker was killed by signal 9: starting another one; "
                           "what it said last counts meanwhile"]


def test_both_stop(desk: Desk) -> None:
    desk.put_in_force(ONE, bfd=True)
    desk.it.stop()
    assert [line.receive()[-1].body for line in desk.workers] == [{"do": "stop"}] * 2


@pytest.mark.parametrize("wanted", [True, False])
def test_no_bfd_keeps_its_worker_away(desk: Desk, wanted: bool) -> None:
    desk.it._options = replace(desk.it._options, bfd=wanted)
    desk.put_in_force(ONE, bfd=True)
    assert (desk.it.bfd.worker is not None) is wanted
    assert desk.seat.worker is not None


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
    desk.put_in_force(ONE, bfd=False)
    assert desk.it._session_memory == {}, "sessions that come back later begin anew"


def test_how_far_things_had_come_that_count_is_kept_for_the_next_track_worker(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(process, "main", lambda tracking, line, log, start: started.append(start) or 0)
    desk.says(do="remember", streaks=[["script", "one", [True, 2, "", 5.0]], ["tcp", "two", [False, 0, "no", 6.5]]])
    desk.says(do="remember", streaks=[["script", "one", [False, 1, "exited with status 1", 7]], ["tcp", "two", None]])
    desk.it._be_tracker(desk.workers[-1])
    assert started[0].memory == {("script", "one"): Memory(False, 1, "exited with status 1", 7.0)}
    desk.put_in_force(b"")
    desk.it._be_tracker(desk.workers[-1])
    assert started[1].memory == {}, "what comes back later begins anew"


def test_what_is_for_users_goes_on(desk: Desk) -> None:
    desk.says(do="tracks", things=[{"kind": "script", "name": "chk", "runs": 3}])
    desk.says(do="alive")
    desk.says(do="else")
    assert desk.it.things == (ThingSnapshot("script", "chk", runs=3),) and desk.users == [{"do": "else"}]
    desk.it.hear({"do": "snapshot", "sessions": [{"name": "peer", "state": "Up"}]})
    assert desk.users[1:] == [{"do": "sessions"}], "who asked for the status has waited for it"
    assert desk.it.sessions == (), "there are none in the configuration any more"
    desk.put_in_force(ONE, bfd=True)
    assert desk.it.sessions == (SessionSnapshot("peer", state="Up"),)


def test_what_it_said_last_counts_although_it_is_dead(desk: Desk) -> None:
    desk.workers[-1].send({"do": "tracked", "kind": "file", "name": "f", "well": True, "value": 7, "why": ""})
    desk.dies()
    assert desk.it.tracked() == (Tracked("file", "f", True, 7, ""),)


def test_virtual_servers_concern_only_who_goes_by_them(desk: Desk) -> None:
    desk.in_force.facts = Facts(Global(), (), {}, tracking=ONE, virtual_servers=frozenset({"192.0.2.1 80"}))
    desk.it.hear({"do": "quorums", "states": [["192.0.2.1 80", True, ""], ["192.0.2.2 80", False, "weights 0"]]})
    first, second = (Tracked("virtual_server", f"192.0.2.{n} 80", n == 1, 0, "weights 0" * (n == 2)) for n in (1, 2))
    assert desk.vrrp == [{"do": "tracked", **first._asdict()}]
    assert desk.it.tracked() == (first,)
    desk.in_force.facts = Facts(Global(), (), {}, tracking=ONE, virtual_servers=frozenset({"192.0.2.2 80"}))
    desk.it.direct()
    assert desk.vrrp[1:] == [{"do": "tracked", **second._asdict()}], "it was known before"
    assert desk.it.tracked() == (second,)


def test_virtual_servers_that_nobody_looks_after(desk: Desk) -> None:
    desk.in_force.facts = Facts(Global(), (), {}, tracking=ONE, virtual_servers=frozenset({"192.0.2.1 80"}))
    desk.it.direct()
    assert not any("nobody looks after" in line for line in desk.logged)
    desk.it._options = replace(desk.it._options, lvs=False)
    desk.it.direct()
    assert "(192.0.2.1 80), and nobody looks after these" in desk.logged[-1]
