"""What track_* blocks name: scripts, files, processes and BFD sessions, each with the weight that goes without saying.

A definition that lacks what it is about is none, and of several with one name the first one counts. A script that this
machine cannot or must not run is left out too, and what tracks it goes without: so does keepalived.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from hakeep.config.host import Host
from hakeep.config.keywords.global_defs import GlobalDefs
from hakeep.config.keywords.static import Config
from hakeep.config.keywords.tracking import VrrpScript
from hakeep.config.schema import Plain, Section
from hakeep.config.settled import Script
from hakeep.config.settled_track import Kind, TrackFile, TrackProcess, TrackScript, Watched

S = TypeVar("S", bound=Section)


class Definition(NamedTuple):
    """`watched` is None for what another worker watches. `order` is the line that defines it: it must come first."""

    watched: Watched | None
    weight: int
    reverse: bool
    order: int


def definitions(config: Config, host: Host) -> dict[Kind, dict[str, Definition]]:
    """All that can be tracked by name."""
    globals_ = config.global_defs or GlobalDefs()
    scripts = (section for section in config.vrrp_script if section.script and section.script.argv)
    first = _first(scripts)
    return {
        "script": {name: _definition(section, _script(section), section.weight or (0, False))
                   for name, section in first.items()
                   if not why_not(account_script(section), globals_, host)},
        "file": {name: _definition(section, _file(section), section.get("weight", (1, False)))
                 for name, section in _first(s for s in config.track_file if s.get("file")).items()},
        "process": {name: _definition(section, _process(section), section.get("weight", (0, False)))
                    for name, section in _first(s for s in config.vrrp_track_process if s.get("process")).items()},
        "bfd": {name: _definition(section, None, section.get("weight", (0, False)))
                for name, section in _first(s for s in config.bfd_instance if s.get("neighbor_ip")).items()},
    }


def account_script(section: VrrpScript) -> Script:
    """The command of a vrrp_script, with the account that its `user` names."""
    assert section.script is not None
    user, group = section.user or (None, None)
    return Script(section.script.argv, user, group)


def why_not(script: Script, globals_: GlobalDefs, host: Host) -> str:
    """Why a script will not run on this machine, as far as that is known; "" if it will."""
    if script.argv[0][0] in "<>|&;":
        return ""  # shell syntax, which is no program's name: nothing of it is looked up
    if host.script_problem and (problem := host.script_problem(script)):
        return problem
    if host.users is not None and script.user and script.user not in host.users and not script.user.isdecimal():
        return f"there is no user {script.user}"
    if host.groups is not None and script.group and script.group not in host.groups and not script.group.isdecimal():
        return f"there is no group {script.group}"
    if globals_.enable_script_security and host.script_weakness and _by_root(script, globals_, host):
        return host.script_weakness(script)
    return ""


def _by_root(script: Script, globals_: GlobalDefs, host: Host) -> bool:
    user = script.user or (globals_.script_user[0] if globals_.script_user else None)
    if user is None:
        return not (host.users or frozenset()) & {"hakeep_script", "keepalived_script"}
    return user in ("root", "0")


def _first(sections: Iterable[S]) -> dict[str, S]:
    found: dict[str, S] = {}
    for section in sections:
        found.setdefault(section.name, section)
    return found


def _definition(section: Section, watched: Watched | None, weight: tuple[int, bool]) -> Definition:
    return Definition(watched, weight[0], weight[1], section.order())


def _script(section: VrrpScript) -> TrackScript:
    interval = section.interval or 1.0
    return TrackScript(
        name=section.name,
        script=account_script(section),
        interval=interval,
        timeout=section.timeout or interval,
        rise=section.rise or 1,
        fall=section.fall or 1,
        init_fail=bool(section.init_fail),
    )


def _file(section: Plain) -> TrackFile:
    pairs = section.get("init_file")
    said = dict(pairs or ())
    return TrackFile(
        name=section.name,
        path=section.get("file"),
        init=None if pairs is None else int(said.get("value", "0")),
        overwrite="overwrite" in said,
    )


def _process(section: Plain) -> TrackProcess:
    command, *parameters = section.get("process")
    return TrackProcess(
        name=section.name,
        command=command,
        parameters=tuple(parameters),
        param_match=section.get("param_match", "exact" if parameters else None),
        full_command=bool(section.get("full_command")),
        quorum=section.get("quorum", 1),
        quorum_max=section.get("quorum_max"),
        fork_delay=_later(section, "fork_delay"),
        terminate_delay=_later(section, "terminate_delay"),
    )


def _later(section: Plain, keyword: str) -> float:
    """A delay of its own or that for both, whichever is written later."""
    both = section.order("delay") > section.order(keyword)
    value: float = section.get("delay" if both else keyword, 0.0)
    return value
