"""What is particular to the lvs worker: what is kept for the next one, and who empties the table."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from hakeep import attendance as module
from hakeep import seat
from hakeep.attendance import Attendance
from hakeep.lvs import process
from hakeep.options import Options
from hakeep.parcel import Parcel
from hakeep.worker import Line
from tests.desk import Desk as Lines

DIRECTOR, OTHER, THIRD = Parcel(value="a director"), Parcel(value="another one"), Parcel(value="a third one")


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


class Desk(Lines):
    """An attendance whose workers are only lines: nothing is forked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.heard: list[dict[str, Any]] = []
        self.befores: list[Parcel | None] = []
        paths = {each.name: folder / each.name for each in fields(Options) if each.type == "Path"}
        self.keep_options(Options(config="", dump_stem="", **paths))

    def keep_options(self, options: Options) -> None:
        """Begin anew with these."""
        self.options = options
        self.it = Attendance(
            options, self, self.plumbing, hear=self.heard.append, orders=tuple)  # type: ignore[arg-type]
        self.seat = self.it.seat
        self.ledger = Ledger()
        self.it.in_force = self.ledger  # type: ignore[assignment]

    def fork(self, be: Callable[[Line], int], log: object) -> tuple[int, Line]:
        self.befores.append(self.it.before)
        return super().fork(be, log)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_what_is_known_is_kept_for_the_next_one(desk: Desk) -> None:
    desk.it.deliver(DIRECTOR)
    desk.says(do="remember", checks={"a": "down", "b": "up"})
    desk.says(do="remember", checks={"b": ""})
    assert desk.it._memory == {"a": "down"}
    desk.says(do="lvs_snapshot", virtual_servers=[])
    assert desk.heard == [{"do": "lvs_snapshot", "virtual_servers": []}]


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


@pytest.mark.parametrize("keep", [False, True])
def test_what_stays_at_the_end_does_not_stay_when_it_is_not_configured_any_more(desk: Desk, keep: bool) -> None:
    desk.it._options = replace(desk.it._options, keep_ipvs=keep)
    desk.it.deliver(DIRECTOR)
    desk.it.deliver(Parcel())
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
    parcels: list[Parcel] = []
    monkeypatch.setattr(
        seat, "fork_worker", lambda be, log: (parcels.append(desk.seat.parcel), desk.fork(be, log))[1])
    if stops:
        desk.it.stop()
    else:
        desk.it.deliver(Parcel())
    assert parcels == [DIRECTOR] * another
    if another:
        assert desk.told() == [{"do": "stop", "keep": False}]
        assert desk.dies(-9) == float("inf"), "it has had its chance"
    assert desk.seat.worker is None and desk.seat.wake_at == float("inf")


def test_one_that_starts_with_ten_thousands_of_servers_may_be_silent(desk: Desk) -> None:
    desk.it.deliver(DIRECTOR)
    late = time.monotonic() + 10 * module.SILENT_MAX
    desk.seat.turn(late)
    desk.seat.turn(late + seat.LOOK_ON + 1)
    assert not desk.killed
    desk.says(do="started")
    assert desk.logged == ["LVS start-up complete"]
    desk.seat.turn(late)
    desk.seat.turn(late + seat.LOOK_ON + 1)
    assert desk.killed == [desk.seat.pid]


def test_only_the_first_worker_does_what_lvs_flush_says(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table that a dead one left has clients."""
    starts: list[process.Start] = []
    monkeypatch.setattr(process, "main", lambda director, line, log, start: starts.append(start))
    monkeypatch.setattr(
        seat, "fork_worker", lambda be, log: (be(Line(socket.socketpair()[0], trusting=True)), desk.fork(be, log))[1])
    desk.it.deliver(DIRECTOR)
    desk.dies()
    desk.seat.turn(time.monotonic())
    desk.it._options = replace(desk.it._options, vrrp=False)
    desk.dies()
    desk.seat.turn(desk.seat.wake_at)
    assert [start.flush for start in starts] == [True, False, False]
    assert [start.alone for start in starts] == [False, False, True], "who runs the script of the general FIFO"


def test_only_the_second_order_to_stop_is_a_hurry(desk: Desk) -> None:
    desk.it.deliver(DIRECTOR)
    desk.it.deliver(Parcel())
    desk.it.stop()
    assert len(desk.told()) == 1, "it goes already, and has a table to empty"
    desk.it.stop()
    assert len(desk.told()) == 1


# --- what became of a configuration


def test_a_configuration_counts_as_taken_when_the_worker_says_so(desk: Desk) -> None:
    desk.it.deliver(DIRECTOR)
    desk.says(do="started")
    assert desk.ledger.taken == 0, "it has begun"
    desk.says(do="taken")
    assert desk.ledger.taken == 1
    desk.it.deliver(OTHER)
    desk.it.deliver(THIRD)
    desk.says(do="taken")
    assert desk.ledger.taken == 1, "it has the second of three"
    desk.says(do="taken")
    assert desk.ledger.taken == 2


def test_nothing_to_direct_is_in_force_when_the_table_is_empty(desk: Desk) -> None:
    desk.it.deliver(DIRECTOR)
    desk.says(do="taken")
    desk.it.deliver(Parcel())
    assert desk.ledger.taken == 1
    desk.dies(0)
    assert desk.ledger.taken == 2
    desk.it.deliver(DIRECTOR)
    desk.it.deliver(Parcel())
    desk.says(do="taken")
    assert desk.ledger.taken == 2, "what it says of what nobody wants any more"
    desk.dies(0)
    assert desk.ledger.taken == 3


def test_deaths_are_told(desk: Desk) -> None:
    desk.it.deliver(DIRECTOR)
    desk.dies()
    assert desk.ledger.deaths == ["was killed by signal 9"]
    assert desk.logged[-1].endswith(": starting another one; the kernel's table stays as it is meanwhile")


def test_the_next_one_clears_away_what_the_one_before_made(desk: Desk) -> None:
    """Also what it was about to take up, if that is not in force any more."""
    desk.ledger.forgiven, desk.ledger.back = 1, lambda: desk.it.deliver(DIRECTOR)
    desk.it.deliver(DIRECTOR)
    desk.says(do="started")
    desk.says(do="taken")
    desk.it.deliver(OTHER)
    desk.dies()
    desk.seat.turn(desk.seat.wake_at)
    desk.says(do="started")
    desk.dies()  # and back again
    assert desk.seat.worker is not None
    assert desk.befores == [None, DIRECTOR, OTHER]
    desk.dies()
    desk.seat.turn(desk.seat.wake_at)
    assert desk.befores[-1] is None, "what was to be cleared away may be what kills"


def test_where_nobody_is_to_be_respawned_the_daemon_ends(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[int] = []
    monkeypatch.setattr(seat.signal, "raise_signal", raised.append)
    desk.keep_options(replace(desk.options, respawn=False))
    desk.it.deliver(DIRECTOR)
    assert desk.dies() == float("inf"), "no other one"
    assert raised == [signal.SIGTERM] and desk.ledger.deaths == []
    desk.it.stop()
    assert desk.seat.worker is None and len(desk.workers) == 1, "not even to empty the table"


def test_who_directs_only_does_not_wait_for_vrrp() -> None:
    """A third of the modules, and of the time until the first check, would be those of the vrrp worker."""
    ask = "import sys, hakeep.supervisor, hakeep.lvs.process; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    assert "hakeep.vrrp.engine" not in found and "hakeep.vrrp.process" not in found
