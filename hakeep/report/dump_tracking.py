"""What priorities depend on, in keepalived.data: the trackers of each instance, sync groups, scripts, files, processes.

Lines and titles are those that keepalived 2.2.7 writes. What only hakeep tracks is listed in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hakeep.config.settled import Settings, SyncGroup, VrrpInstance
from hakeep.config.settled_track import Kind, Track, TrackFile, TrackProcess, TrackScript
from hakeep.report.dump_json import script_text
from hakeep.report.snapshot import RouterSnapshot, ThingSnapshot

#: Titles of the lists of an instance or a group, and whether a comma stands behind the name.
_TITLES: dict[Kind, tuple[str, str]] = {
    "interface": ("Tracked interfaces", ""), "script": ("Tracked scripts", ""), "file": ("Tracked files", ","),
    "process": ("Tracked processes", ","), "bfd": ("Tracked BFD instances", ","), "ping": ("Tracked pings", ","),
    "tcp": ("Tracked ports", ","), "http": ("Tracked pages", ","), "unit": ("Tracked units", ","),
    "route": ("Tracked routes", ","), "virtual_server": ("Tracked virtual servers", ","),
}


_STATUS = {None: "INIT", True: "GOOD", False: "BAD"}


def track_lines(tracks: Iterable[Track]) -> Iterator[str]:
    """The lists of trackers, each under its title. Only the group that brought a tracker in lists it."""
    listed = tuple(tracks)
    for kind, (title, comma) in _TITLES.items():
        of_kind = [track for track in listed if track.kind == kind]
        if of_kind:
            yield f"{title} :"
            for track in of_kind:
                plain = kind == "interface" and not track.weight and not track.reverse
                yield f"  {track.name}" if plain else f"  {track.name}{comma} {_weight(track)}"


def group_lines(settings: Settings, routers: Mapping[str, RouterSnapshot]) -> Iterator[str]:
    """The section of the sync groups; nothing without groups."""
    if settings.groups:
        yield "------< VRRP Sync groups >------"
    for group in settings.groups:
        states = {routers[name].state for name in group.members if name in routers}
        yield f"VRRP Sync Group = {group.name}, {next(iter(states)) if len(states) == 1 else 'INIT'}"
        yield "  VRRP member instances :"
        yield from (f"    {name}" for name in group.members)
        yield from (f"  {line}" for line in (*_of_group(group, settings), *_scripts(group)))


def definition_lines(
    settings: Settings, routers: Iterable[RouterSnapshot] = (), things: Iterable[ThingSnapshot] = ()
) -> Iterator[str]:
    """The sections of what is watched by a definition; each only if there is something in it. How it is now stands
    there where `things` has it."""
    watched = settings.tracking.watched if settings.tracking else ()
    now = {(thing.kind, thing.name): thing for thing in things}
    sections: dict[str, list[Iterator[str]]] = {"Scripts": [], "Track files": [], "Track processes": []}
    for thing in watched:
        if isinstance(thing, TrackScript):
            sections["Scripts"].append(_script(thing, settings, now.get(("script", thing.name))))
        elif isinstance(thing, TrackFile):
            sections["Track files"].append(_file(thing, settings, now.get(("file", thing.name))))
        elif isinstance(thing, TrackProcess):
            sections["Track processes"].append(_process(thing, settings, now.get(("process", thing.name))))
    up = {track.name for router in routers for track in router.tracks if track.kind == "bfd" and track.well}
    sessions = sorted({track.name for each in settings.vrrp for track in each.tracks if track.kind == "bfd"})
    sections["Track BFDs"] = [_session(name, settings, name in up) for name in sessions]
    for title, entries in sections.items():
        yield from [f"------< VRRP {title} >------"] if entries else []
        for entry in entries:
            yield from entry


def _script(script: TrackScript, settings: Settings, now: ThingSnapshot | None) -> Iterator[str]:
    yield f"VRRP Script = {script.name}"
    yield f"  Command = {script_text(script.script)}"
    yield f"  Interval = {script.interval:g} sec"
    yield f"  Timeout = {script.timeout:g} sec"
    yield f"  Rise = {script.rise}"
    yield f"  Fall = {script.fall}"
    if now is not None:
        yield f"  Result = {now.count}"
    yield f"  Init state = {'failed' if script.init_fail else 'unknown'}"
    if now is not None:
        yield f"  Status = {_STATUS[now.well]}"
        yield from [f"  Last run = {now.last}"] if now.last else []
    yield from _instances(settings.vrrp, "script", script.name)
    if now is not None:
        yield f"  State = {'running' if now.running else 'idle'}"


def _file(file: TrackFile, settings: Settings, now: ThingSnapshot | None) -> Iterator[str]:
    yield f"VRRP Track file = {file.name}"
    yield f"  File = {file.path}"
    if now is not None:
        yield f"  Status = {now.value}"
    yield from _instances(settings.vrrp, "file", file.name)


def _process(process: TrackProcess, settings: Settings, now: ThingSnapshot | None) -> Iterator[str]:
    yield f"VRRP Track process = {process.name}"
    yield f"  Process = {process.command}"
    if process.parameters:
        yield f"  Parameters = {' '.join(process.parameters)}"
    if process.param_match:
        yield "  Param match" if process.param_match == "exact" else f"  Param match = {process.param_match}"
    yield f"  Min processes = {process.quorum}"
    if process.quorum_max is not None:
        yield f"  Max processes = {process.quorum_max}"
    if now is not None:
        yield f"  Current processes = {now.count}"
        yield f"  Have quorum = {'true' if now.well else 'false'}"
    yield f"  Terminate delay = {process.terminate_delay:.6f}s"
    yield f"  Fork delay = {process.fork_delay:.6f}s"
    if now is not None:
        yield f"  Fork delay timer {'' if now.delay == 'fork' else 'not '}running"
        yield f"  Terminate delay timer {'' if now.delay == 'terminate' else 'not '}running"
    yield f"  Full command = {'true' if process.full_command or process.param_match else 'false'}"
    yield from _instances(settings.vrrp, "process", process.name)


def _session(name: str, settings: Settings, up: bool) -> Iterator[str]:
    yield f"VRRP Track BFD = {name}"
    yield f"  Bfd is {'Up' if up else 'Down'}"
    yield from _instances(settings.vrrp, "bfd", name)


def _of_group(group: SyncGroup, settings: Settings) -> Iterator[str]:
    """What the group brings in: any member has it, unless it tracks the same by itself."""
    found: dict[tuple[str, str], Track] = {}
    for instance in settings.vrrp:
        for track in instance.tracks if instance.name in group.members else ():
            if track.group == group.name:
                found.setdefault((track.kind, track.name), track)
    yield from track_lines(found.values())


def _scripts(group: SyncGroup) -> Iterator[str]:
    notify = group.notify
    for title, script in (
        ("Backup", notify.backup), ("Master", notify.master), ("Fault", notify.fault), ("Stop", notify.stop),
        ("Generic", notify.any),
    ):
        if script is not None:
            yield f"{title} state transition script = {script_text(script)}"


def _instances(instances: Iterable[VrrpInstance], kind: Kind, name: str) -> Iterator[str]:
    """Who goes by it, and with which weight."""
    yield "  Tracking instances :"
    for instance in instances:
        yield from (f"    {instance.name}, {_weight(track)}" for track in instance.tracks
                    if (track.kind, track.name) == (kind, name))


def _weight(track: Track) -> str:
    return f"weight {track.weight}{' reverse' * track.reverse}"
