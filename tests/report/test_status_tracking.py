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
