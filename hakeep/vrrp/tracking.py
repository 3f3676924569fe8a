"""What the tracked things mean for one router: what they add to its priority, and whether they put it in FAULT.

A thing is well, or has failed, or is not known yet; of a file it is a number that counts. What follows is said by the
weight with which the router goes by the thing:

=========  ==========================================  =============================================
weight     while it is well                            while it has failed
=========  ==========================================  =============================================
positive   added                                       nothing
negative   nothing                                     taken off
0          nothing                                     FAULT
reverse    as while it has failed                      as while it is well
=========  ==========================================  =============================================

A file's number is multiplied by its weight and added; beyond what a priority can take off (-254) that is FAULT. With
weight 0 any number but 0 is.

**Not known yet** adds nothing. With weight 0 it keeps a router that starts out of elections until it is known, and does
not disturb one that runs.

**Flapping.** With `hold_down` S a thing that fails must then be well for S seconds before it counts as well, for twice
as long after the next failure, and so on, at most `DOUBLINGS` times. It is forgotten when it has been well
for `STEADY` times as long as it had to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from hakeep.config.settled_track import Kind, Track
from hakeep.vrrp.messages import Tracked
from hakeep.vrrp.timers import NEVER

#: A file's contribution: below the first it is FAULT, above the second it counts as that (keepalived's limits).
FILE_MIN, FILE_MAX = -254, 253

#: How often a flap doubles the wait, and after how many times the wait of being well flaps are forgotten.
DOUBLINGS = 6
STEADY = 8.0

#: A router that serves with failed checks because it is `last_standing` has a priority in this band, below that of
#: everybody who is well: 1 to 31, in the order of their own priorities.
LAST_BAND = 31

#: So many of the things that move the priority are named in the log.
NAMED = 6

Key = tuple[Kind, str]
Remembered = tuple[Track, float, Tracked | None, int, float, float]


class Verdict(NamedTuple):
    """`adjustment` is added to the priority, `faults` are the reasons for FAULT, `waiting` the things of weight 0 of
    which nothing is known yet."""

    adjustment: int = 0
    faults: frozenset[str] = frozenset()
    waiting: tuple[str, ...] = ()


class Watched:
    """One thing, as one router sees it. Times are monotonic seconds."""

    def __init__(self, track: Track, hold_down: float) -> None:
        self.track = track
        self.hold_down = hold_down
        self.known: Tracked | None = None
        self.flaps = 0
        self.counts_at = -NEVER  # from when on it counts as well, if it stays so
        self.well_since = -NEVER

    @property
    def key(self) -> Key:
        return self.track.kind, self.track.name

    def hear(self, now: float, known: Tracked) -> None:
        """Something new is known of it."""
        before = self.failed
        self.known = known
        if self.hold_down and self.failed is not before:
            self._damp(now)

    def _damp(self, now: float) -> None:
        if self.failed:
            steady = now - self.well_since > STEADY * self.wait
            self.flaps = 1 if steady else self.flaps + 1
            self.counts_at = NEVER
        elif self.flaps:
            self.well_since = now
            self.counts_at = now + self.wait

    @property
    def wait(self) -> float:
        """How long it must be well before that counts, in seconds."""
        return self.hold_down * 2.0 ** min(max(self.flaps - 1, 0), DOUBLINGS)

    def held(self, now: float) -> bool:
        """True while it is well again and that does not count yet."""
        return self.flaps > 0 and self.failed is False and now < self.counts_at

    @property
    def failed(self) -> bool | None:
        """Whether it has failed, `reverse` considered, before any damping; None when nothing is known."""
        known = self.known
        if known is None or known.well is None:
            return None
        bad = known.value != 0 if self.track.kind == "file" else not known.well
        return bad is not self.track.reverse

    def judge(self, now: float) -> Verdict:
        """What it means for the router now."""
        failed, track = self.failed, self.track
        if failed is None:
            return Verdict(waiting=(self.label,)) if track.weight == 0 else Verdict()
        if track.kind == "file" and track.weight:
            assert self.known is not None
            change = self.known.value * (-track.weight if track.reverse else track.weight)
            if change <= FILE_MIN:
                return Verdict(faults=frozenset((f"{self.label} says {self.known.value}",)))
            return Verdict(min(change, FILE_MAX))
        failed = failed or self.held(now)
        if track.weight == 0:
            return Verdict(faults=frozenset((self.reason(now),))) if failed else Verdict()
        counts = (track.weight < 0) is failed  # a negative weight counts while it has failed, a positive while well
        return Verdict(track.weight if counts else 0)

    @property
    def label(self) -> str:
        """What it is called in sentences."""
        return f"{self.track.kind.replace('_', ' ')} {self.track.name}"

    def reason(self, now: float) -> str:
        """Why it puts the router in FAULT."""
        if self.held(now):
            return f"{self.label} was unsteady"
        if self.track.kind == "interface":
            return f"{self.label} {self.known.why if self.known and self.known.why else 'down'}"
        if self.track.reverse:
            return f"{self.label} is well (reverse)"
        why = self.known.why if self.known is not None else ""
        return f"{self.label} {f'failed ({why})' if why else 'failed'}"


class Tracking:
    """All that one router goes by."""

    def __init__(self) -> None:
        self.watched: dict[Key, Watched] = {}

    def configure(self, tracks: tuple[Track, ...], hold_down: float, known: Mapping[Key, Tracked], now: float) -> None:
        """Go by these from now on. What stays keeps what is known of it, its flaps too, whatever it weighs now."""
        before = self.watched
        self.watched = {}
        for track in tracks:
            key = (track.kind, track.name)
            old = before.get(key)
            if old is not None and (old.track.reverse, old.hold_down) == (track.reverse, hold_down):
                old.track = track
                self.watched[key] = old
                continue
            self.watched[key] = new = Watched(track, hold_down)
            if key in known:
                new.hear(now, known[key])

    def hear(self, now: float, known: Tracked) -> None:
        """Something new is known of a thing. Those that this router does not go by do not matter."""
        watched = self.watched.get((known.kind, known.name))  # type: ignore[arg-type]
        if watched is not None:
            watched.hear(now, known)

    def judge(self, now: float) -> Verdict:
        """What all of it means together."""
        verdicts = [watched.judge(now) for watched in self.watched.values()]
        return Verdict(
            sum(verdict.adjustment for verdict in verdicts),
            frozenset().union(*(verdict.faults for verdict in verdicts)),
            tuple(name for verdict in verdicts for name in verdict.waiting),
        )

    def causes(self, now: float, impaired: bool) -> str:
        """What moves the priority now, as the end of a sentence: what has failed, if somebody serves all the same, else
        what adds to it or is taken off; "" if nothing does."""
        verdicts = [(watched.label, watched.judge(now)) for watched in self.watched.values()]
        said = [fault for _, verdict in verdicts for fault in verdict.faults] if impaired else [
            f"{label} {verdict.adjustment:+d}" for label, verdict in verdicts if verdict.adjustment]
        more = f" and {len(said) - NAMED} more" if len(said) > NAMED else ""
        return f" ({', '.join(said[:NAMED])}{more})" if said else ""

    def deadline(self, now: float) -> float:
        """When something that is held down counts as well again; inf when nothing is."""
        return min((watched.counts_at for watched in self.watched.values() if watched.held(now)), default=NEVER)

    def memory(self) -> tuple[Remembered, ...]:
        """All that must be remembered of it."""
        return tuple([
            (w.track, w.hold_down, w.known, w.flaps, w.counts_at, w.well_since) for w in self.watched.values()
        ])

    def remember(self, memory: Iterable[Remembered]) -> None:
        """Go on from there."""
        self.watched = {}
        for track, hold_down, known, flaps, counts_at, well_since in memory:
            watched = self.watched[track.kind, track.name] = Watched(track, hold_down)
            watched.known, watched.flaps, watched.counts_at, watched.well_since = known, flaps, counts_at, well_since

    def __iter__(self) -> Iterator[Watched]:
        return iter(self.watched.values())


def effective_priority(base: int, verdict: Verdict, *, last_standing: bool) -> int:
    """What a router says its priority is: the base, what trackers add, within 1..254. No weight moves the owner's 255.

    With `last_standing`, one with failed checks goes on, behind everybody who is well; an owner, too.
    """
    if last_standing and verdict.faults:
        return 1 + (base - 1) * (LAST_BAND - 1) // 254
    if base == 255:
        return 255
    return max(1, min(base + verdict.adjustment, 254))
