"""What tracked things do to priorities and states, row by row."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.config.settled import Notify
from hakeep.config.settled_track import Track
from hakeep.vrrp import messages as m
from hakeep.vrrp.engine import Mark
from hakeep.vrrp.tracking import FILE_MAX, Verdict, Watched, effective_priority
from tests.vrrp.stage import ADMIN4, ETH0, ETH1, HIGHER4, VIP4, Stage, instance, vip

BACKUP, MASTER, FAULT, INIT = m.State.BACKUP, m.State.MASTER, m.State.FAULT, m.State.INIT


def judged(track: Track, known: m.Tracked | None) -> Verdict:
    watched = Watched(track, 0.0)
    if known is not None:
        watched.hear(0.0, known)
    return watched.judge(0.0)


# ------------------------------------------------------------------------------------------- one thing, one weight


@pytest.mark.parametrize(
    ("weight", "reverse", "well", "adjustment", "fault"),
    [
        (20, False, True, 20, False), (20, False, False, 0, False),
        (-20, False, True, 0, False), (-20, False, False, -20, False),
        (0, False, True, 0, False), (0, False, False, 0, True),
        (20, True, True, 0, False), (20, True, False, 20, False),
        (-20, True, True, -20, False), (-20, True, False, 0, False),
        (0, True, True, 0, True), (0, True, False, 0, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["script", "interface", "process", "bfd", "ping", "unit"])
def test_well_or_failed(
    kind: str, weight: int, reverse: bool, well: bool, adjustment: int, fault: bool
) -> None:
    verdict = judged(Track(kind, "x", weight, reverse), m.Tracked(kind, "x", well))
    assert (verdict.adjustment, bool(verdict.faults), verdict.waiting) == (adjustment, fault, ())


@pytest.mark.parametrize(
    ("weight", "reverse", "number", "adjustment", "fault"),
    [
        (1, False, 7, 7, False), (1, False, -7, -7, False), (1, False, 0, 0, False),
        (2, False, 10, 20, False), (2, True, 10, -20, False), (-1, True, 10, 10, False),
        (1, False, 253, 253, False), (1, False, 254, FILE_MAX, False), (1, False, 10**6, FILE_MAX, False),
        (1, False, -253, -253, False), (1, False, -254, 0, True), (-2, False, 127, 0, True),
        (0, False, 0, 0, False), (0, False, 1, 0, True), (0, False, -1, 0, True),
        (0, True, 0, 0, True), (0, True, 5, 0, False),
    ],
)  # fmt: skip
def test_the_number_in_a_file(weight: int, reverse: bool, number: int, adjustment: int, fault: bool) -> None:
    verdict = judged(Track("file", "x", weight, reverse), m.Tracked("file", "x", True, number))
    assert (verdict.adjustment, bool(verdict.faults)) == (adjustment, fault)


@pytest.mark.parametrize("known", [None, m.Tracked("script", "x", None)])
@pytest.mark.parametrize(("weight", "waits"), [(0, True), (20, False), (-20, False)])
def test_what_is_not_known_adds_nothing(known: m.Tracked | None, weight: int, waits: bool) -> None:
    verdict = judged(Track("script", "x", weight), known)
    assert (verdict.adjustment, verdict.faults, bool(verdict.waiting)) == (0, frozenset(), waits)


@pytest.mark.parametrize(
    ("base", "adjustment", "effective"),
    [(100, 0, 100), (100, 20, 120), (100, -20, 80), (100, -253, 1), (100, 253, 254), (1, -1, 1), (254, 1, 254),
     (255, -100, 255)],
)  # fmt: skip
def test_the_effective_priority(base: int, adjustment: int, effective: int) -> None:
    assert effective_priority(base, Verdict(adjustment), last_standing=False) == effective


@given(st.integers(1, 254), st.integers(1, 254))
def test_the_last_one_standing_is_behind_everybody_who_is_well_but_among_its_kind_the_best_is_first(
    base: int, other: int
) -> None:
    failed = Verdict(50, frozenset({"x"}))
    first, second = (effective_priority(priority, failed, last_standing=True) for priority in (base, other))
    assert 1 <= first <= 31
    assert (first <= second) if base < other else (first >= second)


# --------------------------------------------------------------------------------------------------------- the router


def test_a_backup_with_a_worse_priority_moves_its_timer_by_the_difference() -> None:
    s = Stage(instance(priority=150, tracks=(Track("script", "x", -50),)))
    s.know("script", "x", True)
    s.until(1.0)
    before = s.router().watch.timer
    s.know("script", "x", False, why="exited with status 1")
    assert s.router().rank.priority == 100
    assert s.router().watch.timer == pytest.approx(before + 50 / 256)
    assert s.logged("Changing effective priority from 150 to 100 (script x -50)")


def test_the_log_names_all_that_moves_the_priority() -> None:
    files = tuple(Track("file", f"f{i}", 1) for i in range(8))
    s = Stage(instance(priority=100, tracks=(Track("script", "x", 20), Track("process", "p", -5), *files)))
    s.know("script", "x", True)
    assert s.logged("Changing effective priority from 100 to 120 (script x +20)")
    s.know("process", "p", False)
    assert s.logged("Changing effective priority from 120 to 115 (script x +20, process p -5)")
    for i in range(8):
        s.know("file", f"f{i}", True, value=1)
    assert s.logged("from 122 to 123 (script x +20, process p -5, file f0 +1, file f1 +1, file f2 +1, file f3 +1 "
                    "and 4 more)")


def test_a_master_says_its_new_priority_with_the_next_advert_and_not_before() -> None:
    s = Stage(instance(priority=100, tracks=(Track("script", "x", 30),)))
    s.until(10.0)
    assert s.state is MASTER
    at = s.now
    s.know("script", "x", True)
    assert s.sent(at) == []
    s.until(at + 1.01)
    assert [priority for _, priority in s.sent(at)] == [130]


def test_a_better_priority_preempts_whom_we_followed() -> None:
    s = Stage(instance(priority=100, tracks=(Track("script", "x", 30),)))
    for second in range(1, 6):
        s.hear(110, float(second), source=HIGHER4)
    s.know("script", "x", True)
    for second in range(6, 12):
        s.hear(110, float(second), source=HIGHER4)
        if s.state is MASTER:
            break
    assert s.state is MASTER and s.now == pytest.approx(9.0, abs=1.0)


def test_a_worse_priority_gives_up_a_takeover_that_was_under_way() -> None:
    s = Stage(instance(priority=150, tracks=(Track("script", "x", -50),)))
    s.know("script", "x", True)
    s.hear(120, 1.0)
    s.know("script", "x", False)
    s.hear(120, 2.0)
    s.until(4.5)
    assert s.state is BACKUP and s.router().watch.master_priority == 120


def test_fault_and_back_with_a_full_down_timer() -> None:
    s = Stage(instance(priority=150, tracks=(Track("script", "chk", 0),)))
    s.know("script", "chk", True)
    s.until(10.0)
    assert s.state is MASTER
    effects = s.know("script", "chk", False, why="exited with status 1")
    assert s.state is FAULT and not s.has()
    assert s.router().why == "script chk failed (exited with status 1)"
    assert s.kinds(effects)[0] == "Advertise" and s.sent(10.0) == [(10.0, 0)]
    s.know("script", "chk", True)
    assert s.state is BACKUP
    s.until(13.4)
    assert s.state is BACKUP
    s.until(13.5)
    assert s.state is MASTER
    assert s.told(9.9) == ["FAULT", "BACKUP", "MASTER"]


def test_it_does_not_start_before_an_unweighted_script_has_said_something() -> None:
    s = Stage(instance(priority=150, tracks=(Track("script", "chk", 0),)))
    s.until(30.0)
    assert s.state is INIT and not s.sent() and not s.told()
    assert s.router().why == "waiting to know of script chk"
    s.know("script", "chk", True)
    assert s.state is BACKUP and s.logged("Entering BACKUP STATE (init)")
    s.until(33.5)
    assert s.state is MASTER


def test_a_first_result_that_is_bad_is_fault() -> None:
    s = Stage(instance(tracks=(Track("script", "chk", 0),)))
    s.know("script", "chk", False)
    assert s.state is FAULT and s.told() == ["FAULT"]


def test_a_weighted_script_keeps_nobody_waiting() -> None:
    s = Stage(instance(tracks=(Track("script", "chk", -20),)))
    assert s.state is BACKUP


def test_an_owner_is_not_moved_by_weights() -> None:
    s = Stage(instance(priority=255, tracks=(Track("script", "chk", -20),)))
    s.know("script", "chk", False)
    assert s.state is MASTER and s.router().rank.priority == 255


def test_what_was_known_before_a_restart_of_the_worker_counts_at_once() -> None:
    s = Stage(instance(tracks=(Track("script", "chk", 0),)), tracked=[m.Tracked("script", "chk", True)])
    assert s.state is BACKUP


def test_a_reload_that_adds_a_script_disturbs_nobody_until_it_fails() -> None:
    s = Stage(instance(priority=150))
    s.until(10.0)
    s.reload(instance(priority=150, tracks=(Track("script", "chk", 0),)))
    assert s.state is MASTER
    s.know("script", "chk", False)
    assert s.state is FAULT
    s.reload(instance(priority=150))
    assert s.state is BACKUP, "who does not go by it any more has no fault"


def test_a_reload_keeps_what_is_known() -> None:
    s = Stage(instance(tracks=(Track("script", "chk", -20),)))
    s.know("script", "chk", False)
    s.reload(instance(tracks=(Track("script", "chk", -30),)))
    assert s.router().rank.priority == 70


def test_all_weights_add_up() -> None:
    tracks = (Track("script", "a", 10), Track("process", "b", -20), Track("file", "c", 2))
    s = Stage(instance(priority=100, tracks=tracks))
    s.know("script", "a", True)
    s.know("process", "b", False)
    s.know("file", "c", True, 3)
    assert s.router().rank.priority == 100 + 10 - 20 + 6


def test_priority_changes_are_told_to_fifos_if_wished() -> None:
    s = Stage(instance(tracks=(Track("script", "a", 10),), notify=Notify(priority_changes=True)))
    s.know("script", "a", True)
    assert s.told() == ["BACKUP", "BACKUP_PRIORITY"]


# -------------------------------------------------------------------------------------------------------- interfaces


@pytest.mark.parametrize(("weight", "state", "priority"), [(0, FAULT, 100), (-30, BACKUP, 70), (30, BACKUP, 100)])
def test_a_tracked_interface_goes_down_and_comes_back(weight: int, state: m.State, priority: int) -> None:
    s = Stage(instance(tracks=(Track("interface", "eth1", weight),)), links=(ETH0, ETH1))
    assert s.state is BACKUP and s.router().rank.priority == 100 + max(weight, 0)
    s.link(replace(ETH1, running=False), "eth1")
    assert s.state is state and s.router().rank.priority == priority
    if state is FAULT:
        assert s.router().why == "interface eth1 down"
    s.link(ETH1, "eth1")
    assert s.state is BACKUP and s.router().rank.priority == 100 + max(weight, 0)


def test_a_tracked_interface_that_is_not_there() -> None:
    s = Stage(instance(tracks=(Track("interface", "eth1", 0),)))
    assert s.state is FAULT and s.router().why == "interface eth1 missing"
    s.link(ETH1, "eth1")
    assert s.state is BACKUP


def test_a_resync_sees_that_a_tracked_interface_has_gone_down() -> None:
    s = Stage(instance(tracks=(Track("interface", "eth1", 0),)), links=(ETH0, ETH1))
    s.step(m.Resync((ETH0, replace(ETH1, up=False)), tuple(s.kernel.values())))
    assert s.state is FAULT


# ------------------------------------------------------------------------------------------------------- flap damping


def test_a_reload_of_a_weight_does_not_make_what_was_unsteady_steady() -> None:
    s = Stage(instance(priority=150, hold_down=4.0, tracks=(Track("script", "chk", -60),)))
    for well in (True, False, True):
        s.know("script", "chk", well)
    assert s.router().rank.priority == 90
    s.reload(instance(priority=150, hold_down=4.0, tracks=(Track("script", "chk", -30),)))
    s.until(s.now + 3.9)
    assert s.router().rank.priority == 120, "well for 3.9 s is not 4 s"
    s.until(s.now + 0.2)
    assert s.router().rank.priority == 150


def test_the_last_one_standing_says_what_has_failed_where_its_priority_changes() -> None:
    s = Stage(instance(priority=150, last_standing=True, tracks=(Track("script", "chk", 0), Track("script", "b", 9))))
    s.know("script", "chk", True)
    s.know("script", "b", True)
    s.know("script", "chk", False, why="exited with status 2")
    assert s.logged("Changing effective priority from 159 to 18 (script chk failed (exited with status 2))")
    s.know("script", "chk", True)
    assert s.logged("Changing effective priority from 18 to 159 (script b +9)")


def test_hold_down_grows_with_every_flap_and_is_forgotten_in_the_end() -> None:
    s = Stage(instance(priority=150, hold_down=4.0, tracks=(Track("script", "chk", -60),)))
    s.know("script", "chk", True)
    assert s.router().rank.priority == 150, "the first time nothing is held down"
    for wait in (4.0, 8.0, 16.0):
        s.know("script", "chk", False)
        assert s.router().rank.priority == 90
        s.know("script", "chk", True)
        at = s.now
        s.until(at + wait - 0.1)
        assert s.router().rank.priority == 90
        s.until(at + wait + 0.1)
        assert s.router().rank.priority == 150
    s.until(s.now + 16.0 * 9)
    s.know("script", "chk", False)
    s.know("script", "chk", True)
    at = s.now
    s.until(at + 4.1)
    assert s.router().rank.priority == 150


def test_who_fails_again_while_held_down_waits_anew() -> None:
    s = Stage(instance(priority=150, hold_down=4.0, tracks=(Track("script", "chk", 0),)))
    s.know("script", "chk", True)
    s.know("script", "chk", False)
    s.know("script", "chk", True)
    s.until(s.now + 3.0)
    assert s.state is FAULT and s.router().why == "script chk was unsteady"
    s.know("script", "chk", False)
    s.know("script", "chk", True)
    s.until(s.now + 7.9)
    assert s.state is FAULT
    s.until(s.now + 0.2)
    assert s.state is BACKUP


@pytest.mark.parametrize(("weight", "calm", "bad"), [(30, 130, 100), (-30, 100, 70)])
def test_of_a_reversed_one_its_failing_is_what_is_good(weight: int, calm: int, bad: int) -> None:
    s = Stage(instance(priority=100, hold_down=4.0, tracks=(Track("script", "chk", weight, reverse=True),)))
    s.know("script", "chk", False)
    assert s.router().rank.priority == calm
    s.know("script", "chk", True)
    assert s.router().rank.priority == bad
    s.know("script", "chk", False)
    s.until(s.now + 3.9)
    assert s.router().rank.priority == bad
    s.until(s.now + 0.2)
    assert s.router().rank.priority == calm


# ------------------------------------------------------------------------------------------------------ last standing


def test_the_last_one_standing_serves_behind_everybody_who_is_well() -> None:
    s = Stage(instance(priority=150, last_standing=True, tracks=(Track("script", "chk", 0),)))
    s.know("script", "chk", True)
    s.until(10.0)
    assert s.state is MASTER
    s.know("script", "chk", False)
    assert s.state is MASTER and 1 <= s.router().rank.priority <= 31
    assert s.logged("the last one standing: serving although script chk failed, until somebody better does")
    s.effects.clear()
    s.hear(50, 10.5)
    s.until(10.7)
    assert s.state is BACKUP and not s.has()
    s.until(15.0)
    assert s.state is MASTER and s.logged("the last one standing: serving although script chk failed")
    s.know("script", "chk", True)
    assert s.router().rank.priority == 150


@pytest.mark.parametrize(("nopreempt", "delay"), [(True, 0.0), (False, 60.0)])
def test_the_last_one_standing_is_relieved_by_whoever_is_well(nopreempt: bool, delay: float) -> None:
    """Also where a MASTER of lower priority is left alone otherwise: it serves for want of somebody better only."""
    s = Stage(instance(priority=100, last_standing=True, nopreempt=nopreempt, preempt_delay=delay))
    for second in range(1, 10):
        s.hear(20, float(second))
    assert s.state is MASTER
    s = Stage(instance(priority=100, last_standing=True, nopreempt=nopreempt, preempt_delay=delay))
    for second in range(1, 10):
        s.hear(50, float(second))
    assert s.state is BACKUP


def test_an_owner_that_is_the_last_one_standing_is_relieved_too() -> None:
    s = Stage(instance(priority=255, last_standing=True, tracks=(Track("script", "chk", 0),)))
    s.know("script", "chk", True)
    assert s.state is MASTER and s.router().rank.priority == 255
    s.know("script", "chk", False)
    assert s.state is MASTER and s.router().rank.priority == 31
    s.hear(100, 1.5, source=HIGHER4)
    assert s.state is BACKUP
    s.know("script", "chk", True)
    s.until(5.5)
    assert s.state is MASTER and s.router().rank.priority == 255


# --------------------------------------------------------------------------------------------------- waiting to begin


def test_who_waits_to_begin_leaves_no_address_of_a_former_run_on_the_host() -> None:
    left = replace(vip(VIP4[0]).address, interface="eth0", proto=18)
    s = Stage(instance(tracks=(Track("script", "chk"),)), addresses=(ADMIN4, left))
    s.until(0.1)
    assert s.state is INIT and not s.has()


def test_unless_it_may_go_on_as_master_with_it_until_then() -> None:
    left = replace(vip(VIP4[0]).address, interface="eth0", proto=18)
    for until, state in ((101.0, MASTER), (102.0, INIT)):
        s = Stage(instance(tracks=(Track("script", "chk"),)), addresses=(ADMIN4, left), start=100.0,
                  marks={"V": Mark(99.9, {}, 50.0)})
        s.until(until)
        assert s.state is INIT and bool(s.has()) is (state is MASTER)
        if state is MASTER:
            s.know("script", "chk", True)
            assert s.state is MASTER and s.has()


def test_a_fault_that_is_over_does_not_end_the_delay_at_the_start() -> None:
    """Before vrrp_startup_delay is over nothing is heard, so nobody may become MASTER."""
    for priority, at in ((150, 33.0), (255, 30.0)):
        s = Stage(instance(priority=priority), hold_until=30.0, links=(replace(ETH0, running=False),))
        s.until(5.0)
        s.link(ETH0)
        s.until(at - 0.1)
        assert s.state is BACKUP
        s.until(at + 1.0)
        assert s.state is MASTER
