"""What is different in what priorities depend on: trackers, what they look at, sync groups, and how links are watched.

A reload takes all of it up as it runs: a thing that is watched as before keeps what is known of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import Any

from hakeep.config.difference.change import Change, Effect
from hakeep.config.settled import Notify, Settings, SyncGroup
from hakeep.config.settled_track import Track, TrackFile, TrackProcess, TrackScript, Watched

#: Blocks that define what is watched. All else is asked on one line, which says everything.
_BLOCKS = {TrackScript: "vrrp_script", TrackFile: "track_file", TrackProcess: "vrrp_track_process"}

#: Settled fields of those that are not called like their keyword.
_KEYWORDS = {
    "path": "file", "init": "init_file", "overwrite": "init_file", "command": "process", "parameters": "process"}

#: Settled fields of a group's notifications that are not called notify_ and their name.
_NOTIFY = {"any": "notify", "smtp_alert": "smtp_alert"}

_Text = Callable[[Any], str]


def tracking_changes(old: Settings, new: Settings, text: _Text) -> Iterator[Change]:
    """The differences outside of instances. `text` writes a settled value for people."""
    yield from _groups(old.groups, new.groups, text)
    watched = [side.tracking.watched if side.tracking else () for side in (old, new)]
    yield from _watched(watched[0], watched[1], text)
    delays = ({each.interface: f"{each.interface} {text(each.down)} {text(each.up)}" for each in side.link_delays}
              for side in (old, new))
    yield from _listed("", "interface_up_down_delays", *delays)
    beats = ({each.interface: f"{each.interface} {each.method}".rstrip() for each in side.linkbeat}
             for side in (old, new))
    yield from _listed("", "linkbeat_interfaces", *beats)


def track_changes(block: str, before: tuple[Track, ...], after: tuple[Track, ...]) -> Iterator[Change]:
    """The differences between what an instance goes by, its group's trackers included."""
    kinds = dict.fromkeys(track.kind for track in (*before, *after))
    for kind in kinds:
        sides = ({track.name: _said(track) for track in each if track.kind == kind} for each in (before, after))
        yield from _listed(block, f"track_{kind}", *sides)


def _said(track: Track) -> str:
    words = [track.name]
    if track.weight or track.kind == "file":
        words.append(f"weight {track.weight}")
    if track.reverse:
        words.append("reverse")
    if track.group:
        words.append(f"(of {track.group})")
    return " ".join(words)


def _groups(before: tuple[SyncGroup, ...], after: tuple[SyncGroup, ...], text: _Text) -> Iterator[Change]:
    old, new = ({group.name: group for group in each} for each in (before, after))
    for name in {**old, **new}:
        block, one, other = f"vrrp_sync_group {name}", old.get(name), new.get(name)
        if one is None or other is None:
            yield Change(block, "", None if one is None else "", None if other is None else "",
                         Effect.START if one is None else Effect.STOP)
            continue
        yield from _listed(block, "group", *({member: member for member in each.members} for each in (one, other)))
        yield from _notify(block, one.notify, other.notify, text)


def _notify(block: str, before: Notify, after: Notify, text: _Text) -> Iterator[Change]:
    for each in fields(before):
        old, new = getattr(before, each.name), getattr(after, each.name)
        if old != new:
            keyword = _NOTIFY.get(each.name, f"notify_{each.name}")
            yield Change(block, keyword, text(old), text(new), Effect.HOT)


def _watched(before: Iterable[Watched], after: Iterable[Watched], text: _Text) -> Iterator[Change]:
    """What changes in blocks that both sides use. Those that come or go do so with an entry of an instance."""
    old = {(type(thing), thing.name): thing for thing in before}
    for thing in after:
        one = old.get((type(thing), thing.name))
        if one is None or one == thing or type(thing) not in _BLOCKS:
            continue
        for each in fields(thing):
            values = getattr(one, each.name), getattr(thing, each.name)
            if values[0] != values[1]:
                yield Change(f"{_BLOCKS[type(thing)]} {thing.name}", _KEYWORDS.get(each.name, each.name),
                             text(values[0]), text(values[1]), Effect.HOT)


def _listed(block: str, keyword: str, old: dict[str, str], new: dict[str, str]) -> Iterator[Change]:
    for key in {**old, **new}:
        if old.get(key) != new.get(key):
            yield Change(block, keyword, old.get(key), new.get(key), Effect.HOT)
