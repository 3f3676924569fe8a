"""What each instance goes by and with which weight, and what has to be watched for that.

An entry's weight is its own, else that of what it names. Then come the corrections, which are keepalived's: an address
owner is not moved by weights; a sync group takes those of its members away unless it has sync_group_tracking_weight;
what the group itself tracks goes to every member. Rules tell people of them (`rules.groups`, `rules.weights`,
`rules.references`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from hakeep.config.host import Host
from hakeep.config.keywords.global_defs import GlobalDefs
from hakeep.config.keywords.static import Config
from hakeep.config.keywords.tracking import VrrpSyncGroup
from hakeep.config.keywords.vrrp import VrrpInstance as Written
from hakeep.config.schema import Section
from hakeep.config.settle.definitions import Definition, definitions
from hakeep.config.settle.questions import NO_TABLE, QUESTIONS, settle_question, virtual_server_name
from hakeep.config.settled import Global, Process, VrrpInstance
from hakeep.config.settled_track import Kind, Track, Tracking, TrackRoute, Watched

#: The lists whose entries name things that are defined elsewhere ("interface": by the kernel).
_LISTS: dict[str, Kind] = {
    "track_interface": "interface", "track_script": "script", "track_file": "file", "track_process": "process",
    "track_bfd": "bfd",
}


class _Known(NamedTuple):
    """What entries can name: definitions by kind and name, and virtual servers by what people may call them."""

    defined: Mapping[Kind, Mapping[str, Definition]]
    virtual: Mapping[str, str]
    host: Host


def settle_tracking(
    config: Config, instances: Iterable[VrrpInstance], virtual_servers: Iterable[str],
    groups: Mapping[str, VrrpSyncGroup], settled_globals: Global, host: Host,
) -> tuple[tuple[VrrpInstance, ...], Tracking | None]:
    """The instances with what they go by, and all that the track worker has to watch for them."""
    instances = tuple(instances)
    known = _Known(definitions(config, host), {virtual_server_name(name): name for name in virtual_servers}, host)
    written = {section.name: section for section in config.vrrp_instance}
    watched: dict[tuple[Kind, str], Watched | None] = {}
    of_groups: dict[str, list[Track]] = {}
    owned = {groups[one.name].name for one in instances if one.owner and one.name in groups}
    settled = []
    for instance in instances:
        group = groups.get(instance.name)
        if group is not None and group.name not in of_groups:
            listed = [replace(track, group=group.name) for track in _listed(group, known, watched)]
            of_groups[group.name] = [_unweighted(each) for each in listed] if group.name in owned else listed
        own = list(_own(written[instance.name], instance, group, known, watched))
        tracks = _merged(own, of_groups[group.name] if group else [], instance)
        settled.append(replace(instance, tracks=tracks) if tracks else instance)
    used = {(track.kind, track.name) for instance in settled for track in instance.tracks}
    things = tuple(thing for key, thing in watched.items() if thing and key in used)
    return tuple(settled), _tracking(config, settled_globals, things) if things else None


def _tracking(config: Config, settled_globals: Global, watched: tuple[Watched, ...]) -> Tracking:
    written = config.global_defs or GlobalDefs()
    return Tracking(
        watched=watched,
        script_user=settled_globals.script_user,
        script_group=settled_globals.script_group,
        enable_script_security=settled_globals.enable_script_security,
        process_monitor_rcv_bufs=written.process_monitor_rcv_bufs or 0,
        worker=Process(name="hakeep_track" if written.process_names else ""),
        set_supplementary_groups=settled_globals.set_supplementary_groups,
    )


# -------------------------------------------------------------------------------------------------------- of one owner


def _listed(
    owner: Written | VrrpSyncGroup, known: _Known, watched: dict[tuple[Kind, str], Watched | None],
) -> Iterator[Track]:
    """The trackers of an instance or a group as they are written, without those that name nothing and those that are
    there already. How they are watched is put into `watched`."""
    seen: set[tuple[Kind, str]] = set()
    for track, thing in (*_named(owner, known), *_asked(owner, known)):
        key = track.kind, track.name
        if key not in seen:
            seen.add(key)
            watched.setdefault(key, thing)
            yield track


def _named(owner: Written | VrrpSyncGroup, known: _Known) -> Iterator[tuple[Track, Watched | None]]:
    """The entries of track_* blocks."""
    for keyword, kind in _LISTS.items():
        entries: tuple[tuple[str, int | None, bool | None], ...] = getattr(owner, keyword)
        for index, (name, weight, reverse) in enumerate(entries):
            if kind == "interface":
                yield Track(kind, name, weight or 0, bool(reverse)), None
                continue
            definition = known.defined[kind].get(name)
            if definition is not None and definition.order < owner.order(keyword, index):
                yield Track(kind, name, definition.weight if weight is None else weight,
                            definition.reverse if reverse is None else reverse), definition.watched


def _asked(owner: Section, known: _Known) -> Iterator[tuple[Track, Watched | None]]:
    """Our own trackers, one a line."""
    for keyword in QUESTIONS:
        for pairs in getattr(owner, keyword):
            kind, name, thing, weight, reverse = settle_question(keyword, pairs, known.host)
            if kind == "virtual_server":
                if name not in known.virtual:
                    continue
                name = known.virtual[name]
            if isinstance(thing, TrackRoute) and thing.table == NO_TABLE and known.host.names is not None:
                continue
            yield Track(kind, name, weight, reverse), thing


# --------------------------------------------------------------------------------------------------------- corrections


def _own(
    written: Written, instance: VrrpInstance, group: VrrpSyncGroup | None, known: _Known,
    watched: dict[tuple[Kind, str], Watched | None],
) -> Iterator[Track]:
    """The instance's own trackers that are left, with the weights that are left of them."""
    for track in _listed(written, known, watched):
        if track.kind == "interface" and track.name == instance.interface:
            continue  # which is tracked anyway
        if instance.owner:
            yield from _of_owner(track)
        elif group is None or group.sync_group_tracking_weight:
            yield track
        else:
            yield from _of_member(track)


def _of_owner(track: Track) -> Iterator[Track]:
    """What is left of an address owner's own tracker, as no weight moves an owner."""
    if not track.weight:
        yield track
    elif track.kind == "file" and track.weight == 1:
        yield _unweighted(track)


def _of_member(track: Track) -> Iterator[Track]:
    """What a sync group without sync_group_tracking_weight leaves of a member's own tracker."""
    if not track.weight or track.kind not in ("interface", "script", "bfd", "file"):
        yield track
    elif track.kind == "interface" or (track.kind == "file" and track.weight == 1):
        yield _unweighted(track)


def _unweighted(track: Track) -> Track:
    """With weight 0: FAULT when it fails, or with `reverse`, which stays, when it is well (as in keepalived)."""
    return replace(track, weight=0)


def _merged(own: list[Track], of_group: list[Track], instance: VrrpInstance) -> tuple[Track, ...]:
    """The trackers of an instance and of its group. Of one on both sides the group's weight counts, unless the
    instance has it with weight 0, as it has its own interface."""
    found = {(track.kind, track.name): track for track in own}
    for track in of_group:
        mine = found.get((track.kind, track.name))
        implied = track.kind == "interface" and track.name == instance.interface and not instance.dont_track_primary
        if not implied and (mine is None or mine.weight):
            found[track.kind, track.name] = track
    return tuple(found.values())
