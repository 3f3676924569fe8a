"""When what is due. One heap for everything of a kind, so that a thousand scripts cost one timer.

What is repeated keeps its beat: the next time is reckoned from the time planned, not from when it came to pass. Beats
that were missed altogether (the process was stopped) are left out.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

#: Seconds between the first runs of many commands, and over which they are spread at most.
GAP, SPREAD = 0.005, 2.0

#: So few start at once.
FEW = 8


class Rota(Generic[Key]):
    """Keys and the monotonic time at which each is due. A key is due at one time only; to set it again moves it."""

    def __init__(self) -> None:
        self._due: dict[Key, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._number = 0

    def set(self, key: Key, at: float) -> None:
        """It is due at this time, and at no other."""
        self._number += 1
        self._due[key] = (at, self._number)
        heapq.heappush(self._heap, (at, self._number, key))
        if len(self._heap) > 64 and len(self._heap) > 4 * len(self._due):
            self._heap = [(time, number, key) for key, (time, number) in self._due.items()]
            heapq.heapify(self._heap)

    def drop(self, key: Key) -> None:
        """It is not due any more."""
        self._due.pop(key, None)

    def __len__(self) -> int:
        return len(self._due)

    @property
    def deadline(self) -> float:
        """When the next one is due; infinite when none is."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][:2]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else float("inf")

    def take(self, now: float) -> list[tuple[Key, float]]:
        """All that are due, in order, with the time they were due at. They are not due any more."""
        taken = []
        while self.deadline <= now:
            at, _, key = heapq.heappop(self._heap)
            del self._due[key]
            taken.append((key, at))
        return taken


def next_beat(planned: float, interval: float, now: float) -> float:
    """The first beat after `planned` that is not over yet."""
    following = planned + interval
    return following if following > now else following + ((now - following) // interval + 1) * interval


def first_starts(intervals: Sequence[float]) -> list[float]:
    """Seconds after which each of many commands first runs, so that the machine is not hit by all at once: a few at
    once, more of them a little apart, within the shortest interval."""
    count = len(intervals)
    if count <= FEW:
        return [0.0] * count
    gap = min(GAP, SPREAD / count, min(intervals) / count)
    return [gap * place for place in range(count)]
