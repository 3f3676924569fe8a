"""(b) Without a cut, two hosts are never reachable for the virtual addresses for long.

A host is reachable from the moment at which its kernel has the address until the address, the link or the fence is
gone. Over all stretches of time in which the link is perfect, an overlap of two lasts at most

* with the fence: 5 ms;
* with the lease alone: L + 1.05 s - the shortest down interval, if that is more (the kernel sweeps once a second);
* after an operator's order, and when a MASTER gives way to a better one: 100 ms, the planned overlap;

and on top of each the model's own slowness: the kernel lane of the one that gives way (up to 20 ms here) and the flight
of the advert that tells it.

Not claimed, because it cannot hold in principle:

* until the first advert after a cut or a loss has ended has made it across (an interval and a down interval are given:
  who heard nothing may just be taking over);
* while a kernel refuses to remove the address (the fence closes it at its timeout all the same), or with AH to send;
* when a better router preempts one that has just frozen or died, which nobody can know before its adverts are missed
  (the fence closes at its timeout after the last advert, the lease ends);
* from the moment a sleeping host wakes until its worker has had a turn: its clocks stood still, the fence with them.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from hakeep.vrrp.timers import handover_limit, lease_seconds
from tests.simulation.invariants import require

if TYPE_CHECKING:
    from tests.simulation.host import Host
    from tests.simulation.world import World

FLIGHT = 0.0005


def allowed(world: World) -> float:
    """The longest overlap when nobody planned it."""
    shape = world.shape
    bound = 0.005
    if not world.hosts[0].kernel.fence:
        lease = lease_seconds(shape.instance(0))
        bound = max(bound, lease + 1.05 - shape.shortest_down) if lease is not None else float("inf")
    return bound + shape.lane + FLIGHT


def never_for_long(world: World) -> None:
    """Look at all overlaps, at the end of the world."""
    bound = allowed(world)
    planned = 0.1 + world.shape.lane + FLIGHT
    for one, other in combinations(world.hosts, 2):
        for start, end in _overlaps(one.kernel.reach, other.kernel.reach):
            parts = [
                part for part in _pieces(start, end, one, other)
                if not _preempted(world, one, part[0]) and not _preempted(world, other, part[0])
            ]
            for left, right in _claimed(world, parts):
                gave_way = _gave_way(one, left, bound) or _gave_way(other, left, bound)
                expected = gave_way or _follows_an_order(world, left)
                limit = max(bound, planned) if expected else bound
                require(
                    right - left <= limit, "b",
                    f"{one.number} and {other.number} were both reachable for {right - left:.4f} s from {left:.4f} on, "
                    f"at most {limit:.4f} s is allowed",
                )


def _preempted(world: World, stays: Host, at: float) -> bool:
    """Does `stays` not run, and has who took over not waited for its silence?"""
    if not any(start <= at <= end for start, end in stays.idle):
        return False
    last = bisect_right(stays.adverts, at)
    return last > 0 and at - stays.adverts[last - 1] < world.shape.shortest_down


def _overlaps(one: list[list[float]], other: list[list[float]]) -> list[tuple[float, float]]:
    found = []
    at = 0
    for start, end in one:
        while at < len(other) and other[at][1] <= start:
            at += 1
        for later in other[at:]:
            if later[0] >= end:
                break
            found.append((max(start, later[0]), min(end, later[1])))
    return found


def _pieces(start: float, end: float, *hosts: Host) -> list[tuple[float, float]]:
    """An overlap, cut where one of the hosts began or ceased to run."""
    edges = sorted({start, end, *(edge for host in hosts for span in host.idle for edge in span if start < edge < end)})
    return list(pairwise(edges))


def _claimed(world: World, parts: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """What is left of these parts where the invariant is claimed to hold."""
    parts = [(start, min(end, world.now)) for start, end in parts]
    for from_, to in world.disturbed:
        parts = [piece for part in parts for piece in _without(part, from_, to)]
    return [(left, right) for left, right in parts if right > left]


def _without(part: tuple[float, float], from_: float, to: float) -> list[tuple[float, float]]:
    left, right = part
    return [piece for piece in ((left, min(right, from_)), (max(left, to), right)) if piece[1] > piece[0]]


def _gave_way(host: Host, at: float, bound: float) -> bool:
    """Did this host hear of the other one no later after the beginning of an overlap than it may be unaware of it?"""
    return any(at - 0.1 <= when <= at + bound for when in host.gave_way)


def _follows_an_order(world: World, at: float) -> bool:
    limit = handover_limit(world.shape.instance(0))
    return any(order - 1e-9 <= at <= order + limit + 0.2 for order in world.orders)
