"""What is watched for the routers, in the long status: against texts written down here."""

from __future__ import annotations

from hakeep.config.settled_track import Track
from hakeep.report.routers import snapshots
from hakeep.report.snapshot import (
    DaemonSnapshot,
    RouterSnapshot,
    SessionSnapshot,
    ThingSnapshot,
    TrackSnapshot,
    decode,
    encode,
)
from hakeep.report.status import render_status
from tests.vrrp.stage import Stage, instance

NOW = 100_000.0

THINGS = (
    ThingSnapshot("script", "chk", False, 0, "exited with status 1", NOW - 60, runs=120, failures=61, running=True,
                  status=1, latency=0.0123, last="exited with status 1", count=0),
    ThingSnapshot("file", "load", True, -7, "", NOW - 5),
    ThingSnapshot("process", "web", True, 0, "3 processes", NOW - 5000, runs=4, last="3 processes", count=1,
                  delay="terminate"),
    ThingSnapshot("ping", "gateway"),
)
SESSIONS = (
    SessionSnapshot("peer", "192.0.2.2", state="Up", up=True, why="the other end is up", since=NOW - 30,
                    tx_interval=0.01, detect_time=0.03, ups=1),
    SessionSnapshot("far", "2001:db8::2", state="Down", why="nothing heard", trouble="cannot open a socket: EACCES",
                    tx_interval=1.0),
)
ROUTER = RouterSnapshot("A", "eth0", 51, state="MASTER", tracks=(
    TrackSnapshot("script", "chk", -20, well=False, why="exited with status 1", effect=-20),))
DAEMON = DaemonSnapshot("1", 7, started=NOW, routers=(ROUTER,), things=THINGS, sessions=SESSIONS)

WATCHED = """\

WATCHED       STATE    SINCE   LOOKS  FAILED     TOOK  LAST
script chk    failed   1m        120      61  12.3 ms  exited with status 1 (running)
file load     says -7  5s          0       0        -
process web   well     1h 23m      4       0        -  3 processes (terminate delay runs, 1 now)
ping gateway  unknown  -           0       0        -

BFD SESSION  STATE  SINCE  NEIGHBOR       EVERY  DETECTS IN  UPS  WHY
peer         Up     30s    192.0.2.2    10.0 ms     30.0 ms    1  the other end is up
far          Down   -      2001:db8::2  1000 ms           -    0  ! cannot open a socket: EACCES
"""


def test_the_sections() -> None:
    text = render_status(DAEMON, NOW, 100, verbose=True)
    assert text.endswith(WATCHED)
    assert "goes by:    script chk: failed (exited with status 1): -20 (weight -20)" in text


def test_what_holds_routers_back_is_in_the_short_status_once() -> None:
    """And nothing of what is as it should be."""
    tracks = (
        TrackSnapshot("script", "chk", well=False, why="exited with status 1", fault=True),
        TrackSnapshot("interface", "eth1", -5, well=True),
        TrackSnapshot("script", "maintenance", -30, reverse=True, well=True, effect=-30),
        TrackSnapshot("script", "bonus", 10, reverse=True, well=False, effect=10),
        TrackSnapshot("file", "load", 1, well=True, value=-7, effect=-7),
        TrackSnapshot("file", "gain", 1, well=True, value=7, effect=7),
        TrackSnapshot("ping", "gateway", -20, well=True, effect=-20, flaps=2, steady_in=7.6),
        TrackSnapshot("bfd", "peer", well=None),
    )
    routers = tuple(RouterSnapshot(name, "eth0", 51, tracks=tracks) for name in ("A", "B", "C", "D", "E"))
    text = render_status(DaemonSnapshot(routers=routers), NOW, 100)
    assert text.partition("\n\n! ")[2].splitlines() == [
        "A, B, C and 2 more: script chk: failed (exited with status 1): FAULT (weight 0)",
        "! A, B, C and 2 more: script maintenance: well: -30 (weight -30 reverse)",
        "! A, B, C and 2 more: file load: says -7: -7 (weight 1)",
        "! A, B, C and 2 more: ping gateway: well, unsteady: counts as well in 8 s (flap 2): -20 (weight -20)",
        "! A, B, C and 2 more: bfd peer: not known yet: no effect (weight 0)",
    ]
    many = tuple(TrackSnapshot("script", f"s{i}", -1, well=False, effect=-1) for i in range(30))
    lines = render_status(DaemonSnapshot(routers=(RouterSnapshot("A", tracks=many),)), NOW, 100).splitlines()
    assert lines[-2:] == ["! A: script s19: failed: -1 (weight -1)", "! and 10 more things: see -v"]


def test_all_that_a_router_goes_by_has_a_line_each() -> None:
    tracks = (TrackSnapshot("script", "chk", well=True), TrackSnapshot("interface", "eth1", -5, well=True))
    text = render_status(DaemonSnapshot(routers=(RouterSnapshot("A", tracks=tracks),)), NOW, 100, verbose=True)
    assert ("  goes by:    script chk: well: no effect (weight 0)\n"
            "              interface eth1: well: no effect (weight -5)\n") in text


def test_a_session_whose_neighbor_was_switched_off_counts_as_up() -> None:
    off = SessionSnapshot("peer", "192.0.2.2", state="Down", up=True, why="the neighbor says AdminDown")
    lines = render_status(DaemonSnapshot(sessions=(off,)), NOW, 120, verbose=True).splitlines()
    assert lines[-1].endswith("still counts as up: the neighbor says AdminDown")


def test_only_in_the_long_status_and_only_if_there_is_something() -> None:
    assert "WATCHED" not in render_status(DAEMON, NOW, 100)
    bare = render_status(DaemonSnapshot("1", routers=(ROUTER,)), NOW, 100, verbose=True)
    assert "WATCHED" not in bare and "BFD" not in bare


def test_names_cannot_command_the_terminal() -> None:
    evil = DaemonSnapshot(things=(ThingSnapshot("script", "\x1b[2J", last="\x1b]0;x"),),
                          sessions=(SessionSnapshot("\x1b", "\x1b", state="\x1b", why="\x1b"),))
    assert "\x1b" not in render_status(evil, NOW, 100, verbose=True)


def test_they_survive_the_way_to_the_tool() -> None:
    assert decode(encode(DAEMON)) == DAEMON


def test_what_is_held_down_says_for_how_long() -> None:
    """From the engine to the words."""
    stage = Stage(instance(hold_down=10.0, tracks=(Track("script", "chk", -20),)))
    for well in (True, False, True, False, True):
        stage.know("script", "chk", well)
    stage.until(stage.now + 4.0)
    routers = snapshots(stage.engine, stage.now, NOW, {})
    text = render_status(DaemonSnapshot("1", started=NOW, routers=routers), NOW, 100, verbose=True)
    assert "script chk: well, unsteady: counts as well in 16 s (flap 2): -20 (weight -20)" in text
    stage.until(stage.now + 16.1)
    text = render_status(
        DaemonSnapshot("1", started=NOW, routers=snapshots(stage.engine, stage.now, NOW, {})), NOW, 100, verbose=True)
    assert "script chk: well: no effect (weight -20)" in text
