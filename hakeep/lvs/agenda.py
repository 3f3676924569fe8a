"""What is due when, and how much of it is done at the same time."""

from __future__ import annotations

from collections import OrderedDict
from heapq import heappop, heappush

from hakeep.vrrp.timers import NEVER


class Agenda:
    """Names with times, in one heap. An entry that is out of date stays until it comes up."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []
        self._at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._at)

    def put(self, name: str, at: float) -> None:
        """Set the time of this name, which replaces the one that it had."""
        if self._at.get(name) != at:
            self._at[name] = at
            heappush(self._heap, (at, name))

    def drop(self, name: str) -> None:
        """This name has no time any more."""
        self._at.pop(name, None)

    def clear(self) -> None:
        """Nothing is due any more."""
        self._heap.clear()
        self._at.clear()

    @property
    def deadline(self) -> float:
        """When the first is due; inf when nothing is."""
        heap = self._heap
        while heap and self._at.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else NEVER

    def due(self, now: float) -> list[str]:
        """Take out what is due, in the order of its times."""
        found: list[str] = []
        heap, times = self._heap, self._at
        while heap and heap[0][0] <= now:
            at, name = heappop(heap)
            if times.get(name) == at:
                del times[name]
                found.append(name)
        return found


class InFlight:
    """Which checks are being made: at most `limit`. The others wait in the order in which they came due."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.asked: set[str] = set()
        self.waiting: OrderedDict[str, None] = OrderedDict()

    def take(self, key: str) -> bool:
        """This check is due. True = make it now; else it waits."""
        if len(self.asked) < self.limit:
            self.asked.add(key)
            return True
        self.waiting[key] = None
        return False

    def next(self) -> str | None:
        """Somebody who waits and may be asked now."""
        if not self.waiting or len(self.asked) >= self.limit:
            return None
        key, _ = self.waiting.popitem(last=False)
        self.asked.add(key)
        return key

    def landed(self, key: str) -> bool:
        """An answer has come. False = nobody waits for it."""
        if key not in self.asked:
            return False
        self.asked.remove(key)
        return True

    def drop(self, key: str) -> bool:
        """This check is not to be made any more. True = it is being made."""
        self.waiting.pop(key, None)
        return self.landed(key)
