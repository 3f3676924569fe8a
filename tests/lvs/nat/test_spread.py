"""Tables of slots: exact where they can be, fair where they cannot, and steady."""

from __future__ import annotations

from collections import Counter
from math import gcd

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.lvs.nat.spread import HASHED, SLOTS_MAX, by_hash, round_robin, weighted

WEIGHTS = st.lists(st.integers(0, 12), max_size=8)
NAMES = [f"tcp-192.0.2.1-80-to-10.0.0.{number}-80" for number in range(1, 21)]


def test_wrr_is_that_of_ipvs() -> None:
    assert "".join("ABC"[at] for at in weighted([4, 3, 2])) == "AABABCABC"
    assert weighted([1, 1, 1]) == (0, 1, 2)
    assert weighted([2, 4]) == (1, 0, 1)
    assert weighted([]) == weighted([0]) == ()


@given(WEIGHTS)
def test_rr_has_each_once(weights: list[int]) -> None:
    assert list(round_robin(weights)) == [at for at, weight in enumerate(weights) if weight]


@given(WEIGHTS)
def test_wrr_has_each_as_often_as_it_weighs(weights: list[int]) -> None:
    common = gcd(*weights) or 1
    assert Counter(weighted(weights)) == Counter({at: w // common for at, w in enumerate(weights) if w})


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=20))
def test_wrr_of_any_weights_is_bounded_and_fair(weights: list[int]) -> None:
    slots = weighted(weights)
    counted = Counter(slots)
    assert len(slots) <= SLOTS_MAX + len(weights)
    assert set(counted) == {at for at, weight in enumerate(weights) if weight}
    for at, times in counted.items():
        wanted = weights[at] / sum(weights)
        assert abs(times / len(slots) - wanted) <= (len(weights) + 1) / SLOTS_MAX


def test_hashes_are_shared_out_by_weight() -> None:
    counted = Counter(by_hash(NAMES[:3], [1, 2, 3]))
    assert sum(counted.values()) == HASHED
    for at, weight in enumerate([1, 2, 3]):
        assert abs(counted[at] - HASHED * weight / 6) < HASHED * 0.01
    assert by_hash(NAMES[:2], [0, 0]) == by_hash([], []) == ()
    assert set(by_hash(NAMES[:2], [0, 5])) == {1}


@pytest.mark.parametrize("weights", [[1000, 23, 1], [60000] + [1] * 100, [5000] + [1] * 50, [1] * HASHED])
def test_hashes_leave_nobody_out(weights: list[int]) -> None:
    """Not even the last of them, when the first would take all the slots."""
    slots = by_hash([f"server-{at}" for at in range(len(weights))], weights)
    assert len(slots) == HASHED
    assert set(slots) == set(range(len(weights)))


def test_the_others_keep_their_slots() -> None:
    before = by_hash(NAMES, [1] * 20)
    without = by_hash(NAMES, [1] * 7 + [0] + [1] * 12)
    moved = sum(old != new for old, new in zip(before, without, strict=True) if old != 7)
    assert moved < HASHED * 0.05
    assert by_hash(NAMES, [1] * 20) == before


def test_the_order_of_names_decides_little() -> None:
    """Another director may know the servers in another order."""
    one = [NAMES[at] for at in by_hash(NAMES, [1] * 20)]
    names = list(reversed(NAMES))
    other = [names[at] for at in by_hash(names, [1] * 20)]
    assert sum(a != b for a, b in zip(one, other, strict=True)) < HASHED * 0.6
