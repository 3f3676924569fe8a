"""What failures make of a priority: each tracker of an instance, and what it does when what it tracks fails.

The trackers are those that are left after every correction (`settled_track.Track`): a weight W > 0 is added while all
is well, W < 0 is subtracted while it is not, `reverse` swaps the two, and weight 0 means FAULT. An address owner's
priority never changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from hakeep.config.keywords.tracking import VrrpSyncGroup
from hakeep.config.keywords.vrrp import VrrpInstance as Written
from hakeep.config.settle.questions import QUESTIONS, settle_question
from hakeep.config.settled_track import (
    Rhythm,
    Track,
    TrackHttp,
    TrackPing,
    TrackProcess,
    TrackScript,
    TrackTcp,
    TrackUnit,
)
from hakeep.config.span import Span
from hakeep.vrrp.pair.lineup import Side
from hakeep.vrrp.tracking import Verdict, effective_priority

#: The kinds of what may fail without being noticed at once.
_KINDS: dict[type, str] = {
    TrackScript: "script", TrackProcess: "process", TrackPing: "ping", TrackTcp: "tcp", TrackHttp: "http",
    TrackUnit: "unit"}


@dataclass(frozen=True, slots=True)
class Tracker:
    """`kind` and `name` of what is tracked; `well` and `failed` are what is added to the priority, None = FAULT.

    `delay` is how long a failure may take to be noticed, in seconds; 0 = at once.
    """

    kind: str
    name: str
    well: int
    failed: int | None
    delay: float
    span: Span | None

    def __str__(self) -> str:
        return f"{self.kind.removeprefix('track_')} {self.name}"


def trackers(side: Side) -> list[Tracker]:
    """All trackers that move this instance, its group's included. Files count only where any number means FAULT."""
    tracking = side.settings.tracking
    delays = {(_KINDS.get(type(thing), ""), thing.name): _delay(thing)
              for thing in (tracking.watched if tracking else ())}
    found = []
    for track in side.settled.tracks:
        if track.kind == "file" and track.weight:
            continue
        well, failed = _effect(track.weight, track.reverse)
        delay = delays.get((track.kind, track.name), 0.0)
        found.append(Tracker(f"track_{track.kind}", track.name, well, failed, delay, _place(side, track)))
    return found


def group_of(side: Side) -> VrrpSyncGroup | None:
    """The sync group that the instance is in."""
    return next((group for group in side.config.vrrp_sync_group if side.name in group.group), None)


def priority(side: Side, failed: Tracker | None = None) -> int | None:
    """The effective priority while all is well, or with this one failed; None in FAULT. One that is `last_standing`
    goes on, behind everybody who is well."""
    own = side.settled
    if failed is not None and failed.failed is None:
        if not own.last_standing:
            return None
        return effective_priority(own.priority, Verdict(faults=frozenset((str(failed),))), last_standing=True)
    if own.owner:
        return 255
    change = sum(t.well if failed is None or t != failed else t.failed or 0 for t in trackers(side))
    return min(254, max(1, own.priority + change))


def _place(side: Side, track: Track) -> Span | None:
    """Where it is written: in the instance, or in its group."""
    group = group_of(side)
    owner: Written | VrrpSyncGroup = group if track.group and group else side.written
    keyword = f"track_{track.kind}"
    for index, entry in enumerate(getattr(owner, keyword, ())):
        name = settle_question(keyword, entry).name if keyword in QUESTIONS else entry[0]
        if name == track.name or track.kind == "virtual_server":
            return owner.span(keyword, index)
    return owner.span()


def _effect(weight: int, reverse: bool) -> tuple[int, int | None]:
    """What is added while all is well, and while it is not."""
    if weight == 0:
        return 0, 0 if reverse else None
    return (weight, 0) if (weight > 0) != reverse else (0, weight)


def _delay(thing: object) -> float:
    """How long a failure may go unnoticed, in seconds."""
    if isinstance(thing, TrackProcess):
        return thing.terminate_delay
    rhythm = thing if isinstance(thing, TrackScript) else getattr(thing, "rhythm", None)
    if isinstance(rhythm, TrackScript | Rhythm):
        return rhythm.fall * rhythm.interval + rhythm.timeout
    return 0.0
