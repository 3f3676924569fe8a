"""The formulas, against numbers that were measured or computed by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.vrrp import timers
from tests.vrrp.stage import Stage, instance


@pytest.mark.parametrize(
    ("version", "priority", "interval", "adverts", "down"),
    [
        (2, 100, 1.0, 3, 3.609375),
        (2, 150, 1.0, 3, 3.4140625),
        (3, 100, 0.5, 3, 1.8046875),
        (3, 100, 3.0, 3, 10.828125),
        (2, 254, 1.0, 1, 1.0078125),
        (2, 100, 5.0, 3, 15.609375),  # version 2: the skew does not grow with the interval
        (3, 1, 0.1, 100, 10.099609375),
    ],
)
def test_down_interval(version: int, priority: int, interval: float, adverts: int, down: float) -> None:
    assert timers.master_down_interval(version, priority, interval, adverts) == pytest.approx(down)


@given(
    version=st.sampled_from((2, 3)), interval=st.sampled_from((0.01, 0.1, 0.5, 1.0, 3.0, 40.95)),
    adverts=st.integers(1, 100),
)
def test_better_routers_wait_less(version: int, interval: float, adverts: int) -> None:
    waits = [timers.master_down_interval(version, priority, interval, adverts) for priority in range(1, 256)]
    assert all(better < worse for worse, better in pairwise(waits))
    assert waits[-1] > adverts * interval


@pytest.mark.parametrize(
    ("fields", "lease"),
    [
        ({}, 2),  # 3 x 1 - 1
        ({"advert_int": 0.1}, 1),  # never below 1
        ({"advert_int": 5.0}, 14),
        ({"down_timer_adverts": 1}, 2),  # 1 x 1 - 1 would flicker: one regular renewal must always be in time
        ({"down_timer_adverts": 10}, 9),
        ({"vip_lease": None}, None),
        ({"vip_lease": 4.0}, 4),
        ({"vip_lease": 0.5}, 2),
        ({"advert_int": 10.0, "vip_lease": 5.0}, 15),
    ],
)
def test_lease(fields: dict[str, object], lease: int | None) -> None:
    assert timers.lease_seconds(instance(**fields)) == lease


@given(interval=st.sampled_from((0.05, 0.1, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 7.0)), adverts=st.integers(1, 9))
def test_a_lease_is_renewed_in_time_and_not_too_often(interval: float, adverts: int) -> None:
    """While all is well an address never comes near its end: half an interval is left at every renewal."""
    s = Stage(instance(version=3, advert_int=interval, down_timer_adverts=adverts))
    lease = timers.lease_seconds(s.router().settings)
    assert lease is not None
    started = s.router().watch.down_interval
    s.until(started + 20 * max(interval, lease))
    marks = [started, *s.renewed()]
    assert len(marks) > 5
    for before, after in pairwise(marks):
        assert after - before <= lease - 0.45 * interval
        assert after - before >= timers.renewal_gap(lease, interval) - 1e-6
        assert after - before >= min(lease / 2, 0.99 * interval) - 0.25 * interval - 1e-6


def test_handing_over_lasts_until_the_worst_backup_would_have_taken_over() -> None:
    assert timers.handover_limit(instance()) == pytest.approx(255 / 256 + 0.05)
    assert timers.handover_limit(instance(version=3, advert_int=0.1)) == pytest.approx(0.1 * 255 / 256 + 0.05)
    assert timers.overlap(1) == pytest.approx(0.0503)
    assert timers.overlap(1000) == pytest.approx(0.35)
