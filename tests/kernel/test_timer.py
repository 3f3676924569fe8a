from __future__ import annotations

import math
import select
import statistics
import time
from collections.abc import Iterator

import pytest

from hakeep.kernel.timer import Timer, suspended


@pytest.fixture
def timer() -> Iterator[Timer]:
    timer = Timer()
    yield timer
    timer.close()


def fires(timer: Timer, timeout: float) -> bool:
    return bool(select.select([timer], [], [], timeout)[0])


def test_it_fires_at_the_deadline_and_never_before(timer: Timer) -> None:
    late = []
    for _ in range(50):
        deadline = time.monotonic() + 0.004
        timer.set(deadline)
        assert fires(timer, 1)
        late.append(time.monotonic() - deadline)
        assert timer.read()
    assert min(late) >= 0
    print(f"late by {statistics.median(late) * 1e6:.0f} us (median), {max(late) * 1e6:.0f} us (most)")
    assert sorted(late)[5] < 0.0005  # the best of them: how late the others are says how busy the machine is


def test_what_has_passed_fires_at_once(timer: Timer) -> None:
    for deadline in (0.0, -1.0, time.monotonic() - 5):
        timer.set(deadline)
        assert fires(timer, 0)
        assert timer.read()


def test_reading_before_the_deadline_says_no(timer: Timer) -> None:
    assert not timer.read()
    timer.set(time.monotonic() + 60)
    assert not fires(timer, 0)
    assert not timer.read()


def test_infinity_is_never(timer: Timer) -> None:
    timer.set(time.monotonic())
    timer.set(math.inf)
    assert not fires(timer, 0.01)


def test_the_last_word_counts(timer: Timer) -> None:
    timer.set(time.monotonic() + 60)
    timer.set(time.monotonic() + 0.001)
    assert fires(timer, 1)
    timer.set(time.monotonic() + 60)
    assert not fires(timer, 0)


def test_it_can_be_closed_twice() -> None:
    timer = Timer()
    timer.close()
    timer.close()


def test_suspended_time_is_the_difference_of_the_clocks() -> None:
    first = suspended()
    assert -1e-3 < suspended() - first < 1e-3
