"""What is known of each thing, and what is to be told when.

What counts its successes and failures in a row leaves a `Memory` with the parent, who gives it to the next worker.

Changes are told at once, but of one thing at most twenty a second: what comes in between is told when its time has
come, and only the last of it. The whole, for status, is told twice a second at most, and only what somebody would
notice makes it that often: that commands have run once more may wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hakeep.track.rota import Rota
from hakeep.track.streak import Memory, Streak

#: What a thing is called: kind and name.
Key = tuple[str, str]

#: Seconds between two tells of one thing.
PACE = 0.05

#: Seconds between two tells of the whole, and as many more for each thing in it when nothing but counters changed.
WHOLE, WHOLE_EACH = 0.5, 0.002


@dataclass(slots=True, eq=False)
class Standing:
    """One thing. `well`, `value` and `why` are as in `messages.Tracked`. `since` is Unix time.

    `status` is the exit status of the last run of a command, `latency` how long the last look took, in seconds, and
    `last` what came of it in words. `count` is how many processes there are; of a command, see `Streak.result`. `delay`
    is the one that runs, "fork" or "terminate", until a change in the number of processes counts.
    """

    key: Key
    well: bool | None = None
    value: int = 0
    why: str = ""
    since: float = 0.0
    runs: int = 0
    failures: int = 0
    running: bool = False
    status: int | None = None
    latency: float | None = None
    last: str = ""
    count: int = 0
    delay: str = ""
    told_at: float = field(default=float("-inf"), repr=False)
    told: tuple[bool | None, int] | None = field(default=None, repr=False)

    def looked(self, success: bool, last: str, latency: float | None, status: int | None = None) -> None:
        """A look at it has come to an end."""
        self.runs += 1
        self.failures += not success
        self.running = False
        self.last, self.latency, self.status = last, latency, status

    def tracked(self) -> dict[str, Any]:
        """As the engine is told of it."""
        kind, name = self.key
        return {"do": "tracked", "kind": kind, "name": name, "well": self.well, "value": self.value, "why": self.why}

    def document(self) -> dict[str, Any]:
        """As status shows it."""
        kind, name = self.key
        return {
            "kind": kind, "name": name, "well": self.well, "value": self.value, "why": self.why, "since": self.since,
            "runs": self.runs, "failures": self.failures, "running": self.running, "status": self.status,
            "latency": self.latency, "last": self.last, "count": self.count, "delay": self.delay,
        }  # fmt: skip


class Board:
    """All that are watched. `memory` is what another worker has left behind."""

    def __init__(self, memory: Mapping[Key, Memory] | None = None) -> None:
        self._memory: dict[Key, Memory] = dict(memory or {})
        self._unkept: dict[Key, Memory | None] = {}  # what the parent does not know yet; None = it may forget that
        self._all: dict[Key, Standing] = {}
        self._untold: Rota[Key] = Rota()
        self._whole_at = float("-inf")
        self._changed = False
        self._counted = False

    def keep(self, keys: Iterable[Key]) -> None:
        """These are watched and no others; what is known of those that stay is told again."""
        self._all = {key: self._all.get(key) or Standing(key) for key in keys}
        self._untold = Rota()
        for key, standing in self._all.items():
            if standing.told is not None:
                standing.told = None
                self._untold.set(key, float("-inf"))
        for key in self._memory.keys() - self._all.keys():
            del self._memory[key]
            self._unkept[key] = None
        self._changed = True

    def resume(self, key: Key, streak: Streak) -> Standing:
        """It is watched anew, and goes on from what is remembered of it. Without that nothing is known of it."""
        standing = self.renew(key)
        memory = self._memory.get(key)
        if memory is not None:
            streak.resume(memory)
            standing.since, standing.count = memory.since, streak.result
            self.judge(standing, memory.well, 0, memory.why, memory.since)
        return standing

    def remember(self, standing: Standing, streak: Streak) -> None:
        """So far it has come with it."""
        if streak.well is None or self._all.get(standing.key) is not standing:
            return
        memory = Memory(streak.well, streak.against, standing.why, standing.since)
        if memory != self._memory.get(standing.key):
            self._memory[standing.key] = self._unkept[standing.key] = memory

    def renew(self, key: Key) -> Standing:
        """Nothing is known of it."""
        standing = self._all[key] = Standing(key)
        self._untold.drop(key)
        self._changed = True
        return standing

    def judge(self, standing: Standing, well: bool | None, value: int, why: str, wall: float) -> None:
        """This is known of it now. Of what is not watched any more nothing is told."""
        if self._all.get(standing.key) is not standing:
            return
        if (well, value) != (standing.well, standing.value) or standing.told is None:
            if well != standing.well or not standing.since:
                standing.since = wall
            standing.well, standing.value, standing.why = well, value, why
            self._untold.set(standing.key, standing.told_at + PACE)
            self._changed = True

    def counted(self) -> None:
        """A counter has changed."""
        self._counted = True

    @property
    def deadline(self) -> float:
        """When something is to be told."""
        if self._unkept:
            return float("-inf")
        return min(self._untold.deadline, self._whole_due())

    def _whole_due(self) -> float:
        if self._changed:
            return self._whole_at + WHOLE
        if self._counted:
            return self._whole_at + max(WHOLE, WHOLE_EACH * len(self._all))
        return float("inf")

    def take(self, now: float) -> list[dict[str, Any]]:
        """What is to be told now."""
        messages = []
        for key, _ in self._untold.take(now):
            standing = self._all[key]
            state = standing.well, standing.value
            if state != standing.told:
                standing.told, standing.told_at = state, now
                messages.append(standing.tracked())
        if self._unkept:
            kept = [[*key, memory] for key, memory in self._unkept.items()]
            self._unkept = {}
            messages.append({"do": "remember", "streaks": kept})
        if self._whole_due() <= now:
            self._whole_at, self._changed, self._counted = now, False, False
            messages.append({"do": "tracks", "things": [each.document() for each in self._all.values()]})
        return messages
