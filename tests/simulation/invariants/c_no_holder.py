"""(c) The virtual addresses are without a reachable holder for at most a down interval + 0.2 s, and never on a stop.

In every stretch of time in which nothing happens from outside, and which has a host on the client's side that could
serve: one down interval (the longest of the world) + 0.2 s after its beginning there is a reachable holder, and there
is one until its end. The model adds its kernel lane.

A stretch that begins with a stop or a standby in a settled world where another host is ready has no gap at all while
the addresses change hands. (Unless the fence is in the way: it closes `down_timer_adverts` intervals after the last
advert, and with 1 or 2 that may be before the last backup's skew is over.)

When several equal ones take over at the same moment, one kernel may have lost the addresses before the other has added
them: gaps no longer than a kernel lane (up to 20 ms here) do not count then.

Not claimed: while packets get lost or pass in one direction only; until a kernel that refused is asked again (5 s);
until a worker has noticed that its host has slept (0.5 s).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hakeep.vrrp.timers import handover_limit
from tests.simulation.invariants import require

#: A worker turns at least this often, in seconds.
HEARTBEAT = 0.5

if TYPE_CHECKING:
    from tests.simulation.world import Stretch, World


def never_for_long(world: World) -> None:
    """Look at all stretches, at the end of the world."""
    lane = world.shape.lane + 0.001
    down = world.shape.longest_down + 0.2 + lane
    handover = handover_limit(world.shape.instance(0)) + 0.1
    hasty_fence = 0 < world.hosts[0].kernel.fence < world.shape.interval + handover
    distinct = len(set(world.shape.priorities)) == len(world.shape.priorities)
    for stretch in world.stretches:
        ready = stretch.side & stretch.able
        if not stretch.whole or not ready:
            continue
        if stretch.planned and not hasty_fence:
            gaps = _gaps(world, stretch.side, stretch.start, min(stretch.end, stretch.start + handover))
            _require_none(stretch, [(left, right) for left, right in gaps if distinct or right - left > lane])
        start = stretch.start + down + _retry(world, stretch)
        gaps = _gaps(world, stretch.side, start, stretch.end)
        _require_none(stretch, [(left, right) for left, right in gaps if distinct or right - left > lane])


def _require_none(stretch: Stretch, gaps: list[tuple[float, float]]) -> None:
    require(
        not gaps, "c",
        f"nobody was reachable at {gaps[:1]}, though {sorted(stretch.side & stretch.able)} could serve since "
        f"{stretch.start:.4f} ({stretch.what})",
    )


def _retry(world: World, stretch: Stretch) -> float:
    slept = "sleep" in stretch.what or any(stretch.start - HEARTBEAT < wake <= stretch.start for wake in world.wakes)
    notice = HEARTBEAT if slept else 0.0
    asked = max((end - stretch.start for start, end in world.refusals if start <= stretch.start <= end), default=0.0)
    return notice + asked


def _gaps(world: World, side: frozenset[int], start: float, end: float) -> list[tuple[float, float]]:
    """The times between start and end in which none of these hosts was reachable."""
    found = []
    covered = start
    for left, right in sorted(span for number in side for span in world.hosts[number].kernel.reach if span[1] > start):
        if covered >= end:
            break
        if left > covered + 1e-9:
            found.append((covered, min(left, end)))
        covered = max(covered, right)
    if covered < end:
        found.append((covered, end))
    return found
