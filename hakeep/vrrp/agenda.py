"""When which router is due: all timers of a worker in one heap.

An entry may be out of date. A router whose deadline has moved on is put back when its old entry comes up, so that
hearing an advert, which happens all the time, never touches the heap. Only a deadline that has moved *forward* needs a
new entry at once (`touch`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import heappop, heappush, heapreplace

from hakeep.vrrp.messages import State
from hakeep.vrrp.router import VirtualRouter
from hakeep.vrrp.timers import NEVER


class Agenda:
    """The deadlines of `routers`, by name. Times are monotonic seconds; what is due at the same time comes by name."""

    def __init__(self, routers: Mapping[str, VirtualRouter]) -> None:
        self._routers = routers
        self._heap: list[tuple[float, str]] = []
        self._scheduled: dict[str, float] = {}  # the entry of each router that counts

    @property
    def first(self) -> float:
        """The first deadline, once the entries that are out of date have been put where they belong."""
        heap = self._heap
        while heap:
            at, name = heap[0]
            if self._scheduled.get(name) != at:
                heappop(heap)  # of a router that is gone, or that has an earlier entry
                continue
            deadline = self._routers[name].deadline
            if deadline <= at:
                return at
            self._scheduled[name] = deadline
            if deadline == NEVER:
                heappop(heap)
            else:
                heapreplace(heap, (deadline, name))
        return NEVER

    @property
    def soonest(self) -> float:
        """No deadline is earlier than this. It may be of a timer that has moved on since, so it costs nothing."""
        return self._heap[0][0] if self._heap else NEVER

    @property
    def takes_over_next(self) -> bool:
        """True when the next deadline may make a BACKUP MASTER."""
        heap = self._heap
        if not heap:
            return False
        router = self._routers.get(heap[0][1])
        return router is not None and router.state is State.BACKUP and router.deadline <= heap[0][0]

    def take(self, now: float) -> Iterator[VirtualRouter]:
        """The routers that may be due, one by one. Each is to be put back with `touch` before the next one is taken."""
        heap, scheduled, routers = self._heap, self._scheduled, self._routers
        while heap and heap[0][0] <= now:
            at, name = heappop(heap)
            if scheduled.get(name) == at:
                scheduled[name] = NEVER
                yield routers[name]

    def touch(self, router: VirtualRouter) -> None:
        """The deadline of this router may be an earlier one now."""
        deadline = router.deadline
        if deadline < self._scheduled.get(router.name, NEVER):
            self._scheduled[router.name] = deadline
            heappush(self._heap, (deadline, router.name))

    def forget(self, name: str) -> None:
        """This router is gone."""
        self._scheduled.pop(name, None)

    def clear(self) -> None:
        """Begin anew: every router is to be touched."""
        self._heap.clear()
        self._scheduled.clear()
