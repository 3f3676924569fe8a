"""Virtual servers in the status, against texts written down here: what is tested is what somebody sees at night."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakeep.report.snapshot import CheckSnapshot, DaemonSnapshot, RealSnapshot, UsageSnapshot, VirtualSnapshot
from hakeep.report.status import render_status
from hakeep.report.status_virtual import milliseconds, real_state, telling, weight

NOW = 1_000_000.0
ASKED = "[10.0.0.2]:tcp:80"
WELL = CheckSnapshot(
    "HTTP_GET", ASKED, up=True, proved=True, why="status 200", latency=0.0034, at=NOW - 2, tries_left=3)
RETRIED = replace(WELL, ok=False, why="no answer in 3 s", latency=3.0, tries_left=2)
FAILED = replace(WELL, up=False, ok=False, why="the connection was refused", latency=0.0002, at=NOW - 4, tries_left=0)
UNHEARD = CheckSnapshot("TCP_CHECK", "[fd00::4]:tcp:443", ok=False, why="not checked yet")
REAL = RealSnapshot(
    "10.0.0.2", 80, ASKED, "UP", NOW - 270_000, "HTTP_GET: status 200", 1, 1, 1, checks=(WELL,),
    usage=UsageSnapshot(10, 1, 400, 3))
DOWN = replace(
    REAL, ip="10.0.0.3", state="DOWN", since=NOW - 723, why="HTTP_GET: the connection was refused", wanted=None,
    checks=(FAILED,), usage=None)
WEB = VirtualSnapshot(
    "10.0.0.1 80", "[10.0.0.1]:tcp:80", "UP", NOW - 270_000, 1, 0, 4, services=("[10.0.0.1]:tcp:80",),
    usage=UsageSnapshot(22, 4, 9000, 7, 1000, 20000),
    reals=(
        REAL,
        DOWN,
        replace(REAL, ip="10.0.0.4", wanted=0, weight=0, drained=True, order="drain", usage=UsageSnapshot(12, 3)),
        replace(REAL, ip="10.0.0.5", wanted=3, weight=10, configured=10, slow_start=True, checks=(RETRIED,)),
        replace(REAL, ip="10.0.0.6", state="DOWN", why="taken out by order", wanted=None, order="down"),
    ))  # fmt: skip
EXPIRED = CheckSnapshot(
    "SSL_GET", "[fd00::2]:tcp:443", up=False, proved=True, ok=False, why="the certificate has expired", latency=0.012,
    at=NOW - 3)
SHOP = VirtualSnapshot(
    "group shop", "[shop]:0", "DOWN", NOW - 723, 2, 1, 1, sorry="[10.0.0.9]:tcp:443", sorry_in_use=True,
    reals=(
        RealSnapshot(
            "fd00::2", 443, "", "DOWN", NOW - 723, "SSL_GET: the certificate has expired", None, 1, 1,
            checks=(EXPIRED,)),
        RealSnapshot("fd00::3", 443, "", "UP", NOW - 20, "SSL_GET: status 200", None, 1, 1, checks=(WELL,)),
        RealSnapshot("fd00::4", 443, "", "DOWN", NOW - 20, "TCP_CHECK: not checked yet", None, 1, 1, checks=(UNHEARD,)),
    ))  # fmt: skip
DAEMON = DaemonSnapshot(
    "0.1.0", 4711, {"lvs": 4713}, NOW - 3700, "/etc/hakeep/hakeep.conf", backend="ipvs", virtual_servers=(WEB, SHOP))

WIDE = """\
hakeep 0.1.0  pid 4711 (lvs 4713)  up 1h 1m  /etc/hakeep/hakeep.conf

virtual servers: 1 of 2 up  real servers: 4 of 8 up, 2 by order  in ipvs
! down: group shop

VIRTUAL SERVER   STATE             SINCE   WEIGHT  ACTIVE  INACT  CONN/S  LAST CHECK
10.0.0.1 80      UP                3d 3h        4      22      4       7  quorum 1
  10.0.0.2:80    UP                3d 3h        1      10      1       3  2s ago, 3.4 ms: status 200
  10.0.0.3:80    DOWN !            12m 3s     -/1       -      -       -  4s ago, 0.20 ms: failed
    ! HTTP_GET: the connection was refused
  10.0.0.4:80    drained by order  3d 3h      0/1      12      3       0  2s ago, 3.4 ms: status 200
  10.0.0.5:80    slow start        3d 3h     3/10      10      1       3  2s ago, 3000 ms: failed
    HTTP_GET: no answer in 3 s, 2 more may fail
  10.0.0.6:80    down by order     3d 3h      -/1      10      1       3  2s ago, 3.4 ms: status 200
group shop       DOWN !            12m 3s       1       -      -       -  quorum 2, hysteresis 1
    ! no quorum: weight 1 of 3; the sorry server [10.0.0.9]:tcp:443 serves
  [fd00::2]:443  DOWN !            12m 3s     -/1       -      -       -  3s ago, 12 ms: failed
    ! SSL_GET: the certificate has expired
  [fd00::3]:443  well, out         20s        -/1       -      -       -  2s ago, 3.4 ms: status 200
    well again, and comes back with the quorum
  [fd00::4]:443  not known         20s        -/1       -      -       -  not checked yet
"""

NARROW = """\
VIRTUAL SERVER  STATE   SINCE   WEIGHT  ACTIVE  INACT  CONN/S
10.0.0.1 80     UP      3d 3h        4      22      4       7
    quorum 1
  10.0.0.2:80   UP      3d 3h        1      10      1       3
    2s ago, 3.4 ms: status 200
  10.0.0.3:80   DOWN !  12m 3s     -/1       -      -       -
    4s ago, 0.20 ms: failed
    ! HTTP_GET: the connection was refused
"""

DETAILS = """\
10.0.0.1 80
  logs say:   [10.0.0.1]:tcp:80
  services:   [10.0.0.1]:tcp:80
  state:      UP for 3d 3h
  quorum:     1, hysteresis 0; weight now 4
  traffic:    9000 connections so far, now 1000 bytes/s in, 20000 out
  real:       10.0.0.2:80 UP for 3d 3h: HTTP_GET: status 200
              HTTP_GET [10.0.0.2]:tcp:80 ok 2s ago, 3.4 ms: status 200
  real:       10.0.0.3:80 DOWN ! for 12m 3s: HTTP_GET: the connection was refused
              HTTP_GET [10.0.0.2]:tcp:80 failed 4s ago, 0.20 ms: the connection was refused
"""


def show(*virtuals: VirtualSnapshot, width: int = 100) -> str:
    return render_status(replace(DAEMON, virtual_servers=virtuals), NOW, width)


def test_in_a_hundred_columns() -> None:
    assert render_status(DAEMON, NOW, 100) == WIDE
    assert max(map(len, WIDE.splitlines())) <= 100


def test_in_a_narrow_terminal_the_check_goes_below() -> None:
    assert NARROW in show(replace(WEB, reals=WEB.reals[:2]), width=70)


def test_verbose() -> None:
    text = render_status(replace(DAEMON, virtual_servers=(replace(WEB, reals=WEB.reals[:2]),)), NOW, verbose=True)
    assert text.endswith("\n" + DETAILS)
    shop = render_status(replace(DAEMON, virtual_servers=(SHOP,)), NOW, verbose=True)
    assert "  sorry:      [10.0.0.9]:tcp:443 (serves)\n" in shop
    assert "\n              TCP_CHECK [fd00::4]:tcp:443: not checked yet\n" in shop


def test_colours_only_colour() -> None:
    colored = render_status(DAEMON, NOW, 100, color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == WIDE
    assert "\x1b[1;31m! down: group shop\x1b[0m" in colored
    assert colored.count("\x1b[1;31mDOWN !\x1b[0m") == 3
    assert "\x1b[33mdown by order\x1b[0m" in colored, "what somebody ordered is no alarm"


def test_what_is_well_has_no_alarm() -> None:
    assert "!" not in show(replace(WEB, reals=(REAL,)))
    ordered = show(replace(WEB, reals=(WEB.reals[2], WEB.reals[4])))
    assert "!" not in ordered


@pytest.mark.parametrize(
    ("change", "state", "note"),
    [
        ({"state": "DOWN", "total": 0, "reals": ()}, "DOWN !", "! no quorum: weight 0 of 1; nobody serves"),
        ({"state": "DOWN", "quorum": 9}, "DOWN !", "! no quorum: weight 4 of 9; 1 real server still serves"),
        ({"state": "DOWN", "quorum": 9, "sorry": "[s]:tcp:1"}, "DOWN !",
         "! no quorum: weight 4 of 9; the sorry server [s]:tcp:1 does not serve yet"),
        ({"panic": True}, "PANIC !", "! panic: so many real servers have failed that they stay in (panic_threshold)"),
        ({"refused": "no such scheduler"}, "REFUSED !", "! the backend refuses it: no such scheduler"),
        ({"suspended": True, "state": "DOWN"}, "suspended", "suspended: its address is not on this host (ha_suspend)"),
    ],
)
def test_states_of_virtual_servers(change: dict[str, object], state: str, note: str) -> None:
    lines = show(replace(WEB, **({"reals": (REAL, DOWN)} | change))).splitlines()
    row = next(index for index, line in enumerate(lines) if line.startswith("10.0.0.1 80 "))
    assert f"  {state}  " in lines[row]
    assert lines[row + 1].strip() == note
    assert ("! " in lines[3]) == ("!" in state), "the summary has it, too"


def test_a_suspended_one_is_not_counted_as_broken() -> None:
    assert "! down" not in show(replace(SHOP, suspended=True))


@pytest.mark.parametrize(
    ("real", "state", "shown"),
    [
        (REAL, "UP", "1"),
        (DOWN, "DOWN !", "-/1"),
        (replace(DOWN, wanted=0), "DOWN !", "0/1"),
        (replace(REAL, refused="no room"), "REFUSED !", "1"),
        (replace(REAL, wanted=0, drained=True), "drained", "0/1"),
        (replace(REAL, wanted=5, order="weight"), "weight by order", "5/1"),
        (replace(REAL, wanted=None), "well, out", "-/1"),
        (replace(DOWN, checks=()), "DOWN !", "-/1"),
        (replace(DOWN, checks=(UNHEARD,)), "not known", "-/1"),
        (replace(REAL, wanted=None, state="DOWN", order="down", checks=(FAILED,)), "down by order", "-/1"),
    ],
)
def test_states_of_real_servers(real: RealSnapshot, state: str, shown: str) -> None:
    assert real_state(WEB, real).text == state
    assert weight(real) == shown


def test_refusals_of_the_backend_are_told_where_they_are() -> None:
    text = show(replace(WEB, reals=(replace(REAL, refused="the tunnel is not possible"),)))
    assert "! refused by the backend: 10.0.0.1 80\n" in text
    assert "    ! the backend refuses it: the tunnel is not possible\n" in text


def test_the_check_that_matters_is_shown() -> None:
    newer = replace(WELL, kind="TCP_CHECK", at=NOW - 1)
    assert telling(replace(REAL, checks=(WELL, newer))) == newer
    assert telling(replace(REAL, checks=(newer, RETRIED))) == RETRIED
    assert telling(replace(REAL, checks=(newer, RETRIED, FAILED))) == FAILED
    assert telling(replace(REAL, checks=())) is None
    both = show(replace(WEB, reals=(replace(DOWN, checks=(FAILED, replace(RETRIED, kind="TCP_CHECK"))),)))
    assert "    ! HTTP_GET: the connection was refused\n    TCP_CHECK: no answer in 3 s, 2 more may fail\n" in both


def test_checks_that_rest_and_servers_without() -> None:
    assert "  rests since 2s, 3.4 ms: status 200\n" in show(
        replace(WEB, reals=(replace(REAL, checks=(replace(WELL, running=False),)),)))
    assert "  no checks\n" in show(replace(WEB, reals=(replace(REAL, checks=()),)))


def test_many_that_are_down_are_counted() -> None:
    many = tuple(replace(SHOP, name=f"group shop{n}", reals=()) for n in range(500))
    line = show(*many).splitlines()[3]
    assert line.startswith("! down: group shop0, group shop1")
    assert len(line) <= 100
    named, more = line.count("group"), re.search(r", and (\d+) more$", line)
    assert more is not None
    assert named + int(more[1]) == 500


def test_without_a_backend_it_says_so() -> None:
    assert "! no backend yet" in render_status(replace(DAEMON, backend=""), NOW)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.00021, "0.21 ms"), (0.0034, "3.4 ms"), (0.012, "12 ms"), (3.0, "3000 ms")])
def test_latencies(seconds: float, text: str) -> None:
    assert milliseconds(seconds) == text


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.integers(0, 200))
def test_nothing_in_it_can_command_the_terminal(name: str, state: str, why: str, width: int) -> None:
    check = CheckSnapshot(name, why, why=why, at=NOW, proved=True, ok=False)
    real = RealSnapshot(name, 80, name, state, why=why, order=state, refused=why, checks=(check,))
    virtual = VirtualSnapshot(name, why, state, sorry=name, services=(why,), refused=why, reals=(real,))
    daemon = DaemonSnapshot(backend=name, virtual_servers=(virtual, replace(virtual, sorry_in_use=True)))
    text = render_status(daemon, NOW, width, verbose=True)
    assert all(line.isprintable() for line in text.split("\n"))
