"""What users are shown of judgements: keepalived's counter of results, and the delay that runs."""

from __future__ import annotations

from hakeep.track.census import Census
from hakeep.track.streak import Streak


def test_the_counter_of_results_is_keepalived_s() -> None:
    """With rise 3 and fall 2 it goes from 0 to 4."""
    streak = Streak(3, 2)
    said = [streak.result]
    for success in (True, False, True, False, False, True, True, False, True, True, True):
        streak.count(success)
        said.append(streak.result)
    assert said == [2, 4, 3, 4, 3, 0, 1, 2, 0, 1, 2, 4]


def test_the_delay_that_runs() -> None:
    census = Census(quorum=2, fork_delay=1.0, terminate_delay=2.0)
    census.replace({1, 2}, 0.0)
    assert (census.well, census.delay) == (True, "")
    census.set(2, False, 10.0)
    assert (census.well, census.delay, census.deadline) == (True, "terminate", 12.0)
    census.set(3, True, 11.0)
    assert (census.well, census.delay) == (True, ""), "as before: nothing was"
    census.set(3, False, 20.0)
    census.tick(22.0)
    assert (census.well, census.delay) == (False, "")
    census.set(3, True, 30.0)
    assert (census.delay, census.deadline) == ("fork", 31.0)
    census.tick(31.0)
    assert (census.well, census.delay) == (True, "")
