"""What is watched for the routers, in `hakeep status`: what holds them back, and with -v all that they go by.

The tables are of the things of the track worker and of BFD sessions as they are by themselves: since when, how often
they were looked at and how often in vain, how long a look takes, and what the last one said. What a router makes of
them stands with the router.

Pure: the time and the width are arguments.
"""

from __future__ import annotations

from collections.abc import Iterable

from hakeep.report.snapshot import RouterSnapshot, SessionSnapshot, ThingSnapshot, TrackSnapshot
from hakeep.report.table import DIM, GREEN, RED, YELLOW, Cell, ago, printable, table

THINGS = ("WATCHED", "STATE", "SINCE", "LOOKS", "FAILED", "TOOK", "LAST")
SESSIONS = ("BFD SESSION", "STATE", "SINCE", "NEIGHBOR", "EVERY", "DETECTS IN", "UPS", "WHY")

#: So many things are named in the short status, and so many routers that go by one.
MOST, NAMED = 20, 3

_NUMBERS = ("LOOKS", "FAILED", "TOOK", "EVERY", "DETECTS IN", "UPS")


def things(watched: Iterable[ThingSnapshot], now: float, width: int, color: bool) -> list[str]:
    """A table of what is watched; nothing if nothing is."""
    return _lines(THINGS, [_thing(each, now) for each in watched], width, color)


def sessions(known: Iterable[SessionSnapshot], now: float, width: int, color: bool) -> list[str]:
    """A table of BFD sessions; nothing without any."""
    return _lines(SESSIONS, [_session(each, now) for each in known], width, color)


def tracked(track: TrackSnapshot) -> str:
    """One thing that a router goes by, in words."""
    state = "not known yet" if track.well is None else "well" if track.well else "failed"
    if track.kind == "file" and track.well is not None:
        state = f"says {track.value}"
    if track.why:
        state += f" ({track.why})"
    if track.steady_in:
        state += f", unsteady: counts as well in {track.steady_in:.0f} s (flap {track.flaps})"
    effect = "FAULT" if track.fault else f"{track.effect:+d}" if track.effect else "no effect"
    weight = f"weight {track.weight}{' reverse' if track.reverse else ''}{f', of {track.group}' if track.group else ''}"
    return printable(f"{track.kind} {track.name}: {state}: {effect} ({weight})")


def amiss(routers: Iterable[RouterSnapshot]) -> list[str]:
    """What holds routers back: a line for each thing, for one thing may be that of many."""
    whose: dict[str, list[str]] = {}
    for router in routers:
        for track in router.tracks:
            if _holds_back(track):
                whose.setdefault(tracked(track), []).append(printable(router.name))
    lines = [f"! {_some(names)}: {text}" for text, names in whose.items()]
    return lines if len(lines) <= MOST else [*lines[:MOST], f"! and {len(lines) - MOST} more things: see -v"]


def _holds_back(track: TrackSnapshot) -> bool:
    if track.kind == "file":
        return track.fault or track.effect < 0 or bool(track.steady_in)
    as_well = None if track.well is None else track.well is not track.reverse
    return track.fault or not as_well or bool(track.steady_in)


def _some(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _lines(headings: tuple[str, ...], rows: list[list[Cell]], width: int, color: bool) -> list[str]:
    if not rows:
        return []
    first = [Cell(heading, DIM, heading in _NUMBERS) for heading in headings]
    return ["", *(line for lines in table([first, *rows], width, color) for line in lines)]


def _thing(thing: ThingSnapshot, now: float) -> list[Cell]:
    state, colour = {None: ("unknown", YELLOW), True: ("well", GREEN), False: ("failed", RED)}[thing.well]
    if thing.kind == "file" and thing.well is not None:
        state, colour = f"says {thing.value}", ""
    last = thing.last or thing.why
    notes = [note for note, holds in (
        ("running", thing.running), (f"{thing.delay} delay runs", bool(thing.delay)),
        (f"{thing.count} now", thing.kind == "process" and not last.startswith(f"{thing.count} "))) if holds]
    return [
        Cell(printable(f"{thing.kind} {thing.name}")),
        Cell(state, colour),
        Cell(ago(thing.since, now)),
        Cell(str(thing.runs), right=True),
        Cell(str(thing.failures), right=True),
        Cell("-" if thing.latency is None else _milliseconds(thing.latency), right=True),
        Cell(printable(f"{last} ({', '.join(notes)})" if notes else last)),
    ]


def _session(session: SessionSnapshot, now: float) -> list[Cell]:
    why = f"! {session.trouble}" if session.trouble else session.why
    if session.up and session.state != "Up":  # somebody switched the neighbor off: RFC 5882 section 4.2
        why = f"still counts as up: {why}"
    return [
        Cell(printable(session.name)),
        Cell(printable(session.state), GREEN if session.up else RED),
        Cell(ago(session.since, now)),
        Cell(printable(session.neighbor_ip)),
        Cell(_milliseconds(session.tx_interval), right=True),
        Cell(_milliseconds(session.detect_time) if session.detect_time else "-", right=True),
        Cell(str(session.ups), right=True),
        Cell(printable(why)),
    ]


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.{0 if seconds >= 0.1 else 1}f} ms"
