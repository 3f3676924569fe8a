"""What decides: rows of results, numbers in files, processes that count, echoes that are lost, what is due when."""

from __future__ import annotations

import ctypes
import errno as errors
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.config.settled_track import TrackProcess
from hakeep.track.census import Census, Likeness
from hakeep.track.echoes import judge
from hakeep.track.number import LENGTH, is_gibberish, leading_number
from hakeep.track.rota import FEW, Rota, first_starts, next_beat
from hakeep.track.streak import Memory, Streak

# ------------------------------------------------------------------------------------------------------------- streaks


def judged(results: str, rise: int, fall: int, *, failed: bool = False) -> str:
    """The judgement after each result: + is well, - failed, ? unknown; the first one is before any."""
    streak = Streak(rise, fall, failed=failed)
    signs = {None: "?", True: "+", False: "-"}
    found = signs[streak.well]
    for result in results:
        before = streak.well
        changed = streak.count(result == "+")
        assert changed == (streak.well is not before)
        found += signs[streak.well]
    return found


@pytest.mark.parametrize(("rise", "fall", "failed", "results", "expected"), [
    (1, 1, False, "+-+-", "?+-+-"),
    (3, 3, False, "+", "?+"),  # the first success suffices
    (3, 3, False, "-", "?-"),  # the first failure counts at once
    (3, 3, False, "+--+---", "?++++++-"),  # a success in between begins anew
    (3, 3, False, "-++-+++", "?------+"),
    (3, 1, True, "+", "-+"),  # init_fail: seen with keepalived 2.2.7
    (3, 1, True, "-++", "----"),
    (2, 1, True, "-++", "---+"),
])
def test_rows_of_results(rise: int, fall: int, failed: bool, results: str, expected: str) -> None:
    assert judged(results, rise, fall, failed=failed) == expected


@given(st.integers(1, 5), st.integers(1, 5), st.booleans(), st.text("+-", max_size=40))
def test_rows_are_judged_as_keepalived_counts_them(rise: int, fall: int, failed: bool, results: str) -> None:
    """keepalived has one counter, 0 to rise + fall - 1, which begins one short of rise."""
    counter, well = rise - 1, False
    expected = "-" if failed else "?"
    for place, result in enumerate(results):
        if result == "+":
            counter = counter + 1 if counter < rise - 1 else rise + fall - 1
        else:
            counter = counter - 1 if counter > rise else 0
        well = counter >= rise
        assert place or well == (result == "+")
        expected += "+" if well else "-"
    assert judged(results, rise, fall, failed=failed) == expected


@given(st.integers(1, 5), st.integers(1, 5), st.text("+-", min_size=1, max_size=20), st.text("+-", max_size=20))
def test_another_streak_goes_on_where_one_stopped(rise: int, fall: int, before: str, after: str) -> None:
    whole, first, second = Streak(rise, fall), Streak(rise, fall), Streak(rise, fall)
    for result in before:
        whole.count(result == "+")
        first.count(result == "+")
    assert first.well is not None
    second.resume(Memory(first.well, first.against, "", 0.0))
    assert (second.well, second.result) == (whole.well, whole.result)
    for result in after:
        assert second.count(result == "+") == whole.count(result == "+")
        assert (second.well, second.result) == (whole.well, whole.result)


# ------------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(("data", "expected"), [
    (b"", 0), (b"5\n", 5), (b"  \t\n-7 rest", -7), (b"+3", 3), (b"0x1F", 31), (b"0X1f!", 31), (b"-0x10", -16),
    (b"010", 8), (b"08", 0), (b"0x", 0), (b"0xg", 0), (b"no number 5", 0), (b"- 5", 0), (b"12abc", 12), (b"1.9", 1),
    (b"2147483647", 2147483647), (b"-2147483648", -2147483648), (b"2147483648", None), (b"-2147483649", None),
    (b"9" * 60, None), (b" " * 126 + b"12", 1), (b" " * 127 + b"1", 0), (b"\0" + b"5", 0), (b"\xff5", 0),
])  # fmt: skip
def test_numbers(data: bytes, expected: int | None) -> None:
    assert leading_number(data) == expected


@pytest.mark.parametrize(("data", "expected"), [
    (b"", False), (b" \n", False), (b"0", False), (b" -0x1 of 2", False), (b"9" * 60, False),
    (b" " * 127 + b"x", False), (b"none", True), (b"- 5", True), (b"\xff5", True), (b"\0", True),
])  # fmt: skip
def test_what_is_no_number(data: bytes, expected: bool) -> None:
    assert is_gibberish(data) is expected


_libc = ctypes.CDLL(None, use_errno=True)
_libc.strtol.restype = ctypes.c_long


@given(st.text(" \t\n+-0123456789abxX.\0", max_size=30).map(str.encode) | st.binary(max_size=200))
def test_numbers_are_read_as_strtol_reads_them(data: bytes) -> None:
    ctypes.set_errno(0)
    value = _libc.strtol(data[:LENGTH].partition(b"\0")[0] + b"\0", None, 0)
    fits = ctypes.get_errno() != errors.ERANGE and -(2**31) <= value < 2**31
    assert leading_number(data) == (value if fits else None)


# ----------------------------------------------------------------------------------------------------------- processes


def thing(command: str, *parameters: str, match: str | None = None, full: bool = False) -> TrackProcess:
    """As the configuration settles it."""
    return TrackProcess("p", command, parameters, match or ("exact" if parameters else None), full)


@pytest.mark.parametrize(("wanted", "comm", "yes"), [
    (thing("nginx"), "nginx", True),
    (thing("nginx"), "nginx2", False),
    (thing("sshd"), "ssh", False),
    (thing("a-name-that-is-longer-than-that"), "a-name-that-is-", True),
    (thing("/usr/sbin/nginx"), "nginx", True),
])
def test_processes_by_name(wanted: TrackProcess, comm: str, yes: bool) -> None:
    likeness = Likeness(wanted)
    assert not likeness.by_command_line
    assert likeness.fits_name(comm) == yes


@pytest.mark.parametrize(("wanted", "line", "yes"), [
    (thing("/bin/sleep", full=True), "/bin/sleep 5", True),
    (thing("/bin/sleep", full=True), "sleep 5", False),
    (thing("/bin/sleep", full=True), "", False),
    (thing("sleep", "5"), "sleep 5", True),
    (thing("sleep", "5"), "/bin/sleep 5", False),  # seen with keepalived 2.2.7
    (thing("sleep", "5"), "sleep 5 6", False),
    (thing("sleep", "5"), "sleep", False),
    (thing("sleep", match="exact"), "sleep", True),
    (thing("sleep", match="exact"), "sleep 5", False),
    (thing("sleep", "600", match="partial"), "sleep 600 5", True),  # keepalived 2.2.7: the first ones are the same
    (thing("sleep", "600", match="partial"), "sleep 6000", False),
    (thing("sleep", "600", match="initial"), "sleep 6000", True),  # and the last of them may be longer
    (thing("sleep", "600", match="initial"), "sleep 600 5", True),
    (thing("sleep", "1", "60", match="initial"), "sleep 10 60", False),
    (thing("sleep", "1", "60", match="initial"), "sleep 1", False),
])
def test_processes_by_command_line(wanted: TrackProcess, line: str, yes: bool) -> None:
    likeness = Likeness(wanted)
    assert likeness.by_command_line
    assert likeness.fits(line.split()) == yes


def test_a_delay_must_be_over_and_nothing_changed_in_it() -> None:
    census = Census(quorum=2, quorum_max=3, fork_delay=1.0, terminate_delay=2.0)
    assert census.replace([1], 0.0) and census.well is False  # what is there at first counts at once
    assert not census.set(2, True, 10.0) and census.deadline == 11.0
    assert not census.set(2, False, 10.5) and census.deadline == float("inf")
    assert not census.set(2, True, 20.0)
    assert not census.set(3, True, 20.5) and census.deadline == 21.0  # more of them do not prolong it
    assert not census.tick(20.9)
    assert census.tick(21.0) and census.well
    assert not census.set(4, True, 30.0) and census.deadline == 31.0  # too many of them
    assert census.tick(31.0) and not census.well
    assert not census.set(4, False, 40.0) and census.deadline == 42.0
    assert census.tick(42.0) and census.well


Doing = st.one_of(
    st.tuples(st.just("set"), st.integers(1, 6), st.booleans()),
    st.tuples(st.just("replace"), st.sets(st.integers(1, 6)), st.none()))


@given(st.integers(1, 4), st.none() | st.integers(0, 5), st.floats(0, 5), st.floats(0, 5),
       st.lists(st.tuples(st.floats(0.1, 4), Doing), max_size=30))
def test_a_census_is_as_a_simple_one(
    quorum: int, most: int | None, fork: float, terminate: float, doings: list[tuple[float, tuple[str, object, object]]]
) -> None:
    """The simple one remembers since when it would judge otherwise, and how long that must last."""
    census = Census(quorum, most, fork, terminate)
    pids: set[int] = set()
    well: bool | None = None
    due = float("inf")
    now = 0.0
    for pause, (what, which, counts) in doings:
        later = now + pause
        if due <= later:
            assert not census.tick(due - 0.01)
            assert census.tick(due)
            well, due = not well, float("inf")
        else:
            assert not census.tick(later)
        now = later
        before = set(pids)
        if what == "set":
            (pids.add if counts else pids.discard)(which)
            changed = census.set(which, bool(counts), now)
            delay = fork if counts else terminate
        else:
            pids = set(which)
            changed = census.replace(which, now)
            delay = 0.0 if well is None else fork if len(pids) > len(before) else terminate
        enough = quorum <= len(pids) and (most is None or len(pids) <= most)
        assert len(census) == len(pids)
        if what == "set" and pids == before:
            assert not changed
        elif enough is well:
            due = float("inf")
            assert not changed
        elif delay:
            due = min(due, now + delay)
            assert not changed
        else:
            well, due = enough, float("inf")
            assert changed
        assert (census.well, census.deadline) == (well, due)


# -------------------------------------------------------------------------------------------------------------- echoes


@pytest.mark.parametrize(("sent", "returned", "loss", "well"), [
    (1, 1, 0, True), (1, 0, 0, False), (1, 0, 100, True), (10, 8, 20, True), (10, 7, 20, False), (3, 2, 33, False),
    (3, 2, 33.4, True), (4, 4, 0, True),
])
def test_lost_echoes(sent: int, returned: int, loss: float, well: bool) -> None:
    assert judge(sent, returned, loss)[0] == well


def test_echoes_in_words() -> None:
    assert judge(10, 7, 50, "no route")[1] == "3 of 10 echoes lost: no route"
    assert judge(1, 0, 0, "no route")[1] == "no route"


# ---------------------------------------------------------------------------------------------------------------- rota


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.floats(0, 100)), max_size=300), st.floats(0, 100))
def test_a_rota_is_a_dictionary(doings: list[tuple[int, float | None]], now: float) -> None:
    rota: Rota[int] = Rota()
    simple: dict[int, float] = {}
    for key, at in doings:
        if at is None:
            rota.drop(key)
            simple.pop(key, None)
        else:
            rota.set(key, at)
            simple[key] = at
        assert rota.deadline == min(simple.values(), default=float("inf"))
    taken = rota.take(now)
    assert [at for _, at in taken] == sorted(at for _, at in taken)
    assert dict(taken) == {key: at for key, at in simple.items() if at <= now}
    assert len(rota) == len(simple) - len(taken)


def test_a_beat_is_kept_and_missed_ones_are_left_out() -> None:
    assert next_beat(10.0, 1.0, 10.2) == 11.0
    assert next_beat(10.0, 1.0, 10.999) == 11.0
    assert next_beat(10.0, 1.0, 11.0) == 12.0
    assert next_beat(10.0, 1.0, 14.5) == 15.0
    assert next_beat(10.0, 0.25, 14.5) == 14.75


def test_many_commands_start_a_little_apart() -> None:
    assert first_starts([1.0] * FEW) == [0.0] * FEW
    many = first_starts([1.0] * 1000)
    assert all(later - earlier == pytest.approx(0.001) for earlier, later in pairwise(many))
    assert max(first_starts([60.0] * 10_000)) <= 2.0
    assert max(first_starts([0.1] * 10)) < 0.1
