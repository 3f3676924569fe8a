"""What is tracked: the things whose state moves priorities, after every default and correction.

Two halves. `Track` says what one instance goes by, and with which weight; the vrrp engine takes these. The others say
how a thing is watched; they are for the track worker, which tells the engine of each thing by its `kind` and `name`.
Interfaces, BFD sessions and virtual servers are watched elsewhere (by the vrrp worker's own monitor, the bfd worker and
the lvs worker), so that they appear as `Track`s only.

Times are seconds as floats. See `settled`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hakeep.config.settled_globals import Process, Script
from hakeep.objects.rtnl import IPAddress

Kind = Literal[
    "interface", "script", "file", "process", "bfd", "ping", "tcp", "http", "unit", "route", "virtual_server", "group"]


@dataclass(frozen=True, slots=True)
class Track:
    """One thing that an instance goes by. Weight 0: FAULT while it has failed. Positive: added while it is well;
    negative: taken off while it has failed; `reverse` swaps well and failed. Of a file the number counts: number x
    weight is added, with weight 0 any number but 0 is a failure.

    `group`: the sync group that brought it in, "" when the instance itself names it.
    """

    kind: Kind
    name: str
    weight: int = 0
    reverse: bool = False
    group: str = ""


@dataclass(frozen=True, slots=True)
class TrackScript:
    """A command that is run every `interval`, and killed when it takes longer than `timeout`. Exit status 0 is well."""

    name: str
    script: Script
    interval: float = 1.0
    timeout: float = 1.0
    rise: int = 1
    fall: int = 1
    init_fail: bool = False  # failed, not unknown, before the first result


@dataclass(frozen=True, slots=True)
class TrackFile:
    """A file with a number. `init`: what to write at start if it is not there; with `overwrite`, in any case."""

    name: str
    path: str
    init: int | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class TrackProcess:
    """Running processes of a command: well while quorum <= how many <= quorum_max (None = no limit).

    `param_match`: "exact" | "partial" | "initial", how `parameters` are compared; None = they are not.
    """

    name: str
    command: str
    parameters: tuple[str, ...] = ()
    param_match: str | None = None
    full_command: bool = False
    quorum: int = 1
    quorum_max: int | None = None
    fork_delay: float = 0.0
    terminate_delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often something is looked at, how long that may take, and how many equal results in a row count."""

    interval: float = 1.0
    timeout: float = 1.0
    rise: int = 1
    fall: int = 1


@dataclass(frozen=True, slots=True)
class TrackPing:
    """Echo requests to an address, or to the default gateway of the moment (address None), `count` a time: well while
    no more than `loss` percent of them are lost."""

    name: str
    address: IPAddress | None
    family: int = 4
    interface: str = ""
    source: IPAddress | None = None
    count: int = 1
    loss: float = 0.0
    rhythm: Rhythm = field(default_factory=Rhythm)


@dataclass(frozen=True, slots=True)
class TrackTcp:
    """A TCP connection can be opened."""

    name: str
    address: IPAddress
    port: int
    rhythm: Rhythm = field(default_factory=Rhythm)


@dataclass(frozen=True, slots=True)
class TrackHttp:
    """A GET of this URL (http or https, an address or a name) answers with one of these status codes."""

    name: str
    url: str
    status: tuple[tuple[int, int], ...] = ((200, 299),)
    verify: bool = True
    rhythm: Rhythm = field(default_factory=Rhythm)


@dataclass(frozen=True, slots=True)
class TrackUnit:
    """A systemd unit is active."""

    name: str
    unit: str
    rhythm: Rhythm = field(default_factory=Rhythm)


@dataclass(frozen=True, slots=True)
class TrackRoute:
    """The kernel has a route to exactly this network ("default" = 0.0.0.0/0 or ::/0) in this table."""

    name: str
    network: str
    family: int = 4
    table: int = 254


Watched = TrackScript | TrackFile | TrackProcess | TrackPing | TrackTcp | TrackHttp | TrackUnit | TrackRoute


@dataclass(frozen=True, slots=True)
class Tracking:
    """All that the track worker watches. A thing that nothing goes by is not in it. `process_monitor_rcv_bufs`: bytes
    for the kernel's news of processes, 0 = its default; `worker`: how the track worker is scheduled."""

    watched: tuple[Watched, ...] = ()
    script_user: str | None = None
    script_group: str | None = None
    enable_script_security: bool = False
    process_monitor_rcv_bufs: int = 0
    worker: Process = field(default_factory=Process)
    set_supplementary_groups: bool = False
