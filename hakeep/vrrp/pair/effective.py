"""What failures make of a priority: each tracker of an instance, and what it does when what it tracks fails.

The rules are those of keepalived's trackers: a weight W > 0 is added while all is well, W < 0 is subtracted while it is
not, `reverse` swaps the two, and weight 0 means FAULT. An address owner's priority never changes. Members of a sync
group without sync_group_tracking_weight have no weights of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hakeep.config.keywords.tracking import VrrpSyncGroup
from hakeep.config.span import Span
from hakeep.vrrp.pair.lineup import Side


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
    group = group_of(side)
    found = {tracker.name: tracker for tracker in _of(side, side.written, weighted=group is None or bool(
        group.sync_group_tracking_weight))}
    if group is not None:
        found |= {tracker.name: tracker for tracker in _of(side, group, weighted=True)}
    return list(found.values())


def group_of(side: Side) -> VrrpSyncGroup | None:
    """The sync group that the instance is in."""
    return next((group for group in side.config.vrrp_sync_group if side.name in group.group), None)


def priority(side: Side, failed: Tracker | None = None) -> int | None:
    """The effective priority while all is well, or with this one failed; None in FAULT."""
    own = side.settled
    if failed is not None and failed.failed is None:
        return None
    if own.owner:
        return 255
    change = sum(t.well if failed is None or t != failed else t.failed or 0 for t in trackers(side))
    return min(254, max(1, own.priority + change))


def _of(side: Side, owner: Any, *, weighted: bool) -> Iterator[Tracker]:
    config = side.config
    defined: dict[str, dict[str, Any]] = {
        "track_script": {script.name: script for script in config.vrrp_script},
        "track_process": {process.name: process for process in config.vrrp_track_process},
        "track_bfd": {bfd.name: bfd for bfd in config.bfd_instance},
        "track_interface": {},
    }
    for kind, definitions in defined.items():
        for index, (name, weight, reverse) in enumerate(getattr(owner, kind)):
            definition = definitions.get(name)
            if definition is None and kind != "track_interface":
                continue
            own, own_reverse = _weight(definition)
            amount, turned = (own, own_reverse) if weight is None else (weight, bool(reverse))
            if amount and not weighted and kind in ("track_script", "track_bfd"):
                continue  # keepalived takes weighted trackers away from members of a group
            if not weighted and kind == "track_interface":
                amount = 0
            well, failed = _effect(amount, turned)
            yield Tracker(kind, name, well, failed, _delay(kind, definition), owner.span(kind, index))


def _weight(definition: Any) -> tuple[int, bool]:
    """The weight in the definition of a script, process or BFD session, and whether it is reversed."""
    if definition is None:
        return 0, False
    written = definition.get("weight") if hasattr(definition, "get") else definition.weight
    return (int(written[0]), bool(written[1])) if written else (0, False)


def _effect(weight: int, reverse: bool) -> tuple[int, int | None]:
    """What is added while all is well, and while it is not."""
    if weight == 0:
        return 0, 0 if reverse else None
    return (weight, 0) if (weight > 0) != reverse else (0, weight)


def _delay(kind: str, definition: Any) -> float:
    """How long a script's or process's failure may go unnoticed."""
    if kind == "track_script":
        interval = definition.interval or 1.0
        return float((definition.fall or 1) * interval + (definition.timeout or interval))
    if kind == "track_process":
        return float(definition.get("terminate_delay") or definition.get("delay") or 0.0)
    return 0.0
