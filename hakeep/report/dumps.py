"""The three files that signals ask for: their texts and their names.

SIGUSR1 state, SIGUSR2 statistics, SIGRTMIN+2 JSON. This only says what and where; the process writes them, with mode
0600, and for JSON by renaming a temporary file.
"""

from __future__ import annotations

from collections.abc import Iterable

from hakeep.config.settled import Global, Settings
from hakeep.report.dump_data import render_data
from hakeep.report.dump_json import render_json
from hakeep.report.dump_stats import render_stats
from hakeep.report.snapshot import RouterSnapshot, ThingSnapshot

__all__ = ["dump_path", "render", "render_data", "render_json", "render_stats"]


def render(
    kind: str, settings: Settings, routers: Iterable[RouterSnapshot], things: Iterable[ThingSnapshot] = ()
) -> str:
    """The dump of this `kind`; `things` are what the track worker watches."""
    if kind == "stats":
        return render_stats(settings, routers)
    return (render_data if kind == "data" else render_json)(settings, routers, things=things)


def dump_path(kind: str, globals_: Global, directory: str = "/run/hakeep", stem: str = "keepalived") -> str:
    """Where the dump of this `kind` ("data", "stats" or "json") goes.

    A path in the configuration wins; else it is `stem`.`kind` in `directory`. With data_use_instance the names of
    network namespace and instance follow the extension, so that several daemons do not write over each other's.
    """
    configured = {
        "data": globals_.state_dump_file,
        "stats": globals_.stats_dump_file,
        "json": globals_.json_dump_file,
    }[kind]
    path = configured or f"{directory}/{stem}.{kind}"
    if globals_.data_use_instance and (globals_.net_namespace or globals_.instance):
        path += f".{globals_.net_namespace}_{globals_.instance}"
    return path
