"""The status table, against texts written down here: what is tested is what somebody sees at night."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakeep.report.snapshot import AddressSnapshot, DaemonSnapshot, PostSnapshot, RouterSnapshot
from hakeep.report.status import printable, render_status

NOW = 100_000.0

MASTER = RouterSnapshot(
    "VI_1", "eth0", 51, state="MASTER", since=NOW - 1000, why="no master heard for 3.4 s", source="10.0.0.1",
    priority=150, base_priority=150, effective_priority=150,
    addresses=(
        AddressSnapshot("10.0.0.50/24 dev eth0 scope global label eth0:1", True, True),
        AddressSnapshot("10.1.1.1/24 dev eth0 scope global", False, True),
    ),
    lease=1.62, fence="active", bounds="no holder for at most 3.6 s, two for at most 5 ms",
    counters={"advert_rcvd": 3, "advert_sent": 27000, "become_master": 1, "auth_failure": 0},
)  # fmt: skip
BACKUP = RouterSnapshot(
    "VI_2", "eth1", 52, state="BACKUP", since=NOW - 10, why="heard a better master",
    priority=100, base_priority=100, effective_priority=80, master="10.0.1.2", master_priority=150,
    master_advert_int=1.0, addresses=(AddressSnapshot("10.0.1.60/24 dev eth1 scope global", present=False),),
    fence="off: the kernel has no netdev egress hook",
)  # fmt: skip
FAULT = RouterSnapshot(
    "VI_6", "eth1", 53, 6, 3, "FAULT", NOW - 86400, "interface eth1 is down", "vrrp.53",
    addresses=(
        AddressSnapshot("fe80::53/64 dev vrrp.53@eth1 scope global preferred_lft forever", present=True),
        AddressSnapshot("fd00::53/64 dev vrrp.53@eth1 scope global preferred_lft forever", present=None),
    ),
    contested=True, standby=True,
)  # fmt: skip
DAEMON = DaemonSnapshot(
    "0.1.0", 4711, {"vrrp": 4712}, NOW - 3700, "/etc/hakeep/hakeep.conf", routers=(MASTER, BACKUP, FAULT), restarts=2
)

WIDE = """\
hakeep 0.1.0  pid 4711 (vrrp 4712)  up 1h 1m  /etc/hakeep/hakeep.conf

INSTANCE  STATE          SINCE    PRIO    MASTER          ADDRESSES                 LEASE  WHY
VI_1      MASTER         16m 40s  150     itself          2 of 2 held               1.6s   no master heard for 3.4 s
VI_2      BACKUP         10s      80/100  10.0.1.2 (150)  10.0.1.60 not held        -      heard a better master
VI_6      FAULT standby  1d       100     none heard      1 of 2 held, 1 unknown !  -      interface eth1 is down

! VI_2: fence off: the kernel has no netdev egress hook
! VI_6: contested, somebody else keeps removing its addresses; hakeep backs off
! a worker has died and was started again 2 times
"""

NARROW = """\
hakeep 0.1.0  pid 4711 (vrrp 4712)  up 1h 1m  /etc/hakeep/hakeep.conf

INSTANCE  STATE   SINCE    PRIO    MASTER          ADDRESSES           LEASE
VI_1      MASTER  16m 40s  150     itself          2 of 2 held         1.6s
    no master heard for 3.4 s
VI_2      BACKUP  10s      80/100  10.0.1.2 (150)  10.0.1.60 not held  -
    heard a better master

! VI_2: fence off: the kernel has no netdev egress hook
"""

DETAILS = """\
VI_1
  router:     VRID 51 on eth0, IPv4, VRRP version 2
  state:      MASTER for 16m 40s: no master heard for 3.4 s
  priority:   150 (base 150, configured 150)
  sends from: 10.0.0.1
  master:     itself
  fence:      active
  lease:      1.6s
  bounds:     no holder for at most 3.6 s, two for at most 5 ms
  address:    10.0.0.50/24 dev eth0 scope global label eth0:1: held
  address:    10.1.1.1/24 dev eth0 scope global (not in adverts): held
  counters:   advert_rcvd 3, advert_sent 27000, become_master 1

VI_2
  router:     VRID 52 on eth1, IPv4, VRRP version 2
  state:      BACKUP for 10s: heard a better master
  priority:   80 (base 100, configured 100)
  master:     10.0.1.2 (150), adverts every 1s
  fence:      off: the kernel has no netdev egress hook
  address:    10.0.1.60/24 dev eth1 scope global: not held

VI_6
  router:     VRID 53 on vrrp.53 on eth1, IPv6, VRRP version 3
  state:      FAULT for 1d: interface eth1 is down
  priority:   100 (base 100, configured 100)
  master:     none heard
  standby:    yes
  contested:  yes
  address:    fe80::53/64 dev vrrp.53@eth1 scope global preferred_lft forever: held
  address:    fd00::53/64 dev vrrp.53@eth1 scope global preferred_lft forever: unknown
"""


def test_with_room_for_everything() -> None:
    assert render_status(DAEMON, NOW, 140) == WIDE


def test_in_a_narrow_terminal_the_reason_goes_below() -> None:
    assert render_status(replace(DAEMON, routers=(MASTER, BACKUP), restarts=0), NOW, 80) == NARROW


def test_verbose() -> None:
    assert render_status(DAEMON, NOW, 140, verbose=True) == WIDE + "\n" + DETAILS


def test_colours_only_colour() -> None:
    import re

    colored = render_status(DAEMON, NOW, 140, color=True, verbose=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == WIDE + "\n" + DETAILS
    assert "\x1b[1;32mMASTER\x1b[0m" in colored
    assert "\x1b[1;31m1 of 2 held, 1 unknown !\x1b[0m" in colored


@pytest.mark.parametrize(
    ("state", "present", "cell"),
    [
        ("MASTER", True, "10.0.0.1 held"),
        ("MASTER", False, "10.0.0.1 not held !"),
        ("MASTER", None, "10.0.0.1 unknown"),
        ("BACKUP", True, "10.0.0.1 held !"),
        ("BACKUP", False, "10.0.0.1 not held"),
        ("FAULT", True, "10.0.0.1 held !"),
    ],
)
def test_it_stands_out_when_the_kernel_and_the_state_disagree(state: str, present: bool | None, cell: str) -> None:
    router = RouterSnapshot("VI", state=state, addresses=(AddressSnapshot("10.0.0.1 dev eth0", present=present),))
    text = render_status(DaemonSnapshot(routers=(router,)), NOW)
    assert f"  {cell}  " in text
    assert ("!" in text) == cell.endswith("!")


def test_a_master_is_its_own_master() -> None:
    for master in (None, "10.0.0.1"):
        router = replace(MASTER, master=master, master_priority=150)
        assert "  itself  " in render_status(DaemonSnapshot(routers=(router,)), NOW)
    assert "  10.0.0.2 (150)  " in render_status(
        DaemonSnapshot(routers=(replace(MASTER, master="10.0.0.2", master_priority=150),)), NOW
    )


def test_a_stale_daemon_says_so_first() -> None:
    text = render_status(replace(DAEMON, stale="the vrrp worker has been silent for 12 s"), NOW, 140)
    assert text.splitlines()[1] == "! the vrrp worker has been silent for 12 s"


def test_without_instances() -> None:
    assert render_status(DaemonSnapshot("0.1.0", 1, started=NOW - 5, instance="blue"), NOW) == (
        "hakeep 0.1.0 (blue)  pid 1  up 5s\n\nNo VRRP instances are configured.\n"
    )


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.text(), st.integers(0, 300))
def test_nothing_in_it_can_command_the_terminal(name: str, state: str, why: str, address: str, width: int) -> None:
    held = (AddressSnapshot(address),)
    router = RouterSnapshot(name, state=state, why=why, master=address, fence=why, addresses=held)
    text = render_status(DaemonSnapshot(name, config=why, routers=(router,), stale=why), NOW, width, verbose=True)
    assert all(line.isprintable() for line in text.split("\n"))
    text.encode()


def test_printable() -> None:
    assert printable("a\x1b[2Jb\nc\udc80é") == "a?[2Jb?c?é"


def test_a_flood_is_told_as_long_as_it_lasts() -> None:
    note = "! a flood of bad packets: the kernel drops what it can tell apart, not counted, until it ceases"
    assert note in render_status(replace(DAEMON, flooded=True), NOW).splitlines()
    assert "flood" not in render_status(replace(DAEMON, packets={"floods": 1}), NOW)


def test_what_no_router_could_count_is_told_when_asked_for() -> None:
    counted = replace(DAEMON, packets={"discarded": 3, "malformed": 0, "unknown_vrids": 12, "floods": 1})
    line = "packets for no router, or refused: discarded 3, unknown_vrids 12, floods 1"
    assert render_status(counted, NOW, verbose=True).splitlines()[-1] == line
    assert "refused" not in render_status(DAEMON, NOW, verbose=True)
    assert render_status(counted, NOW) == render_status(DAEMON, NOW)


@pytest.mark.parametrize(("router", "words"), [(MASTER, "MASTER last standing"), (BACKUP, "BACKUP checks failed")])
def test_who_would_serve_with_failed_checks(router: RouterSnapshot, words: str) -> None:
    plain, impaired = (
        render_status(replace(DAEMON, routers=(replace(router, impaired=impaired),)), NOW, 200)
        for impaired in (False, True)
    )
    assert words in impaired and words not in plain


@pytest.mark.parametrize(("post", "note"), [
    (PostSnapshot("alert mail", 3, NOW - 300, 0, "192.0.2.25 port 25: connection refused"),
     "! alert mail: 3 not sent yet, the oldest for 5m: 192.0.2.25 port 25: connection refused"),
    (PostSnapshot("webhook", 10000, NOW - 7200, 12), "! webhook: 10000 not sent yet, the oldest for 2h, 12 dropped: "
     "too many at once"),
    (PostSnapshot("alert mail", trouble="the last one is refused: no such user"),
     "! alert mail: nothing waits: the last one is refused: no such user"),
    (PostSnapshot("webhook", 2, NOW - 0.1), ""),
    (PostSnapshot("webhook"), ""),
])
def test_what_people_have_not_been_told(post: PostSnapshot, note: str) -> None:
    text = render_status(replace(DAEMON, posts=(post,)), NOW)
    assert note in text.splitlines() and (post.kind in text) == bool(note)
