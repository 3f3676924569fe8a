"""What the daemon knows about itself at one moment, as values that can be written down and read back.

Workers send these to the supervisor, the supervisor to the user's tool, and the dumps are made from them. The document
is JSON with a version, ``{"hakeep": 1, ...}``. A reader takes what it knows and leaves the rest, and what is missing
keeps its default: so a tool and a daemon of different ages understand each other, which is what one has during
an upgrade.

Times of day are Unix seconds, because they are for people and other machines; lengths of time are seconds.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

#: Version of the documents and of the control protocol. Additions do not raise it; a changed meaning does.
VERSION = 1

T = TypeVar("T")


class SnapshotError(ValueError):
    """A document is not a snapshot, or one of a version that this code does not know. The text is a sentence."""


@dataclass(frozen=True, slots=True)
class AddressSnapshot:
    """One virtual address: its text (see `report.address_text`), and whether the kernel has it (None = not known)."""

    text: str
    advertised: bool = True
    present: bool | None = None

    @property
    def ip(self) -> str:
        """The first word without its prefix length."""
        return self.text.partition(" ")[0].partition("/")[0]


@dataclass(frozen=True, slots=True)
class RoutingSnapshot:
    """A "route", a "rule" or a static "address": its text (see `report.routing_text`), whether the kernel has it, and
    `why` it is not as it should be, "" if it is: so what is absent from a BACKUP has no reason."""

    kind: str
    text: str
    present: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class TrackSnapshot:
    """One thing that a router goes by: whether it is `well` (None = not known), and what comes of that. `value` is the
    number in a file. `effect` is what it adds to the priority now; `fault`: it puts the router in FAULT. `steady_in`:
    seconds until a thing that was unsteady `flaps` times counts as well again. `group` brought it in, "" = itself."""

    kind: str
    name: str
    weight: int = 0
    reverse: bool = False
    group: str = ""
    well: bool | None = None
    value: int = 0
    why: str = ""
    effect: int = 0
    fault: bool = False
    flaps: int = 0
    steady_in: float = 0.0


@dataclass(frozen=True, slots=True)
class GroupSnapshot:
    """A sync group; `state` is "" while its members are not of one mind."""

    name: str
    state: str = ""
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RouterSnapshot:
    """One virtual router. `addresses`, `routes` and `rules` are in the order of the configuration.

    `priority` is the configured one, `base_priority` what trackers are added to (lower than configured while an owner
    yields to another owner), `effective_priority` what goes out. `master` is the address of the master heard last, None
    when none has been heard since we became MASTER or started. `lease` is what is left of the addresses' lifetime.
    `fence` is "active" or "off: REASON". `bounds`: in words, how long there can be no holder, and two, at worst.
    `impaired`: checks have failed, and it is last_standing. `counters` has the names of keepalived's JSON statistics,
    and ours.
    """

    name: str
    interface: str = ""
    virtual_router_id: int = 0
    family: int = 4
    version: int = 2
    state: str = "INIT"
    since: float = 0.0
    why: str = ""
    vmac: str = ""
    source: str = ""
    priority: int = 100
    base_priority: int = 100
    effective_priority: int = 100
    master: str | None = None
    master_priority: int = 0
    master_advert_int: float = 0.0
    addresses: tuple[AddressSnapshot, ...] = ()
    routes: tuple[RoutingSnapshot, ...] = ()
    rules: tuple[RoutingSnapshot, ...] = ()
    lease: float | None = None
    lease_text: str = ""
    fence: str = ""
    standby: bool = False
    impaired: bool = False
    contested: bool = False
    group: str = ""
    tracks: tuple[TrackSnapshot, ...] = ()
    bounds: str = ""
    counters: dict[str, int] = field(default_factory=dict)

    @property
    def vipset(self) -> bool:
        """True when the kernel has at least one of the addresses."""
        return any(address.present for address in self.addresses)


@dataclass(frozen=True, slots=True)
class UsageSnapshot:
    """What the backend counts of a service or a destination: connections now (None = it does not know), and rates a
    second."""

    active: int | None = 0
    inactive: int | None = 0
    connections: int = 0
    connection_rate: int = 0
    in_byte_rate: int = 0
    out_byte_rate: int = 0


@dataclass(frozen=True, slots=True)
class CheckSnapshot:
    """One check of a real server: see `lvs.status.CheckStatus`."""

    kind: str
    asked: str = ""
    up: bool = False
    proved: bool = False
    running: bool = True
    ok: bool = True
    why: str = ""
    latency: float = 0.0
    at: float = 0.0
    tries_left: int = 0


@dataclass(frozen=True, slots=True)
class RealSnapshot:
    """One real server of one virtual server: see `lvs.status.RealStatus`."""

    ip: str
    port: int = 0
    name: str = ""
    state: str = ""
    since: float = 0.0
    why: str = ""
    wanted: int | None = None
    weight: int = 0
    configured: int = 0
    drained: bool = False
    order: str = ""
    slow_start: bool = False
    refused: str = ""
    checks: tuple[CheckSnapshot, ...] = ()
    usage: UsageSnapshot | None = None


@dataclass(frozen=True, slots=True)
class VirtualSnapshot:
    """One virtual server: see `lvs.status.VirtualStatus`."""

    name: str
    label: str = ""
    state: str = ""
    since: float = 0.0
    quorum: int = 1
    hysteresis: int = 0
    total: int = 0
    sorry: str = ""
    sorry_in_use: bool = False
    panic: bool = False
    suspended: bool = False
    services: tuple[str, ...] = ()
    refused: str = ""
    reals: tuple[RealSnapshot, ...] = ()
    usage: UsageSnapshot | None = None


@dataclass(frozen=True, slots=True)
class ThingSnapshot:
    """One thing that the track worker watches: see `track.standing.Standing`. `last` says what came of the last look,
    which took `latency` seconds, and `failures` how many of the `runs` failed. `count` is how many processes there are
    (of a script, keepalived's counter of results), `delay` which delay runs before a change of that counts."""

    kind: str
    name: str = ""
    well: bool | None = None
    value: int = 0
    why: str = ""
    since: float = 0.0
    runs: int = 0
    failures: int = 0
    running: bool = False
    status: int | None = None
    latency: float | None = None
    last: str = ""
    count: int = 0
    delay: str = ""


@dataclass(frozen=True, slots=True)
class SessionSnapshot:
    """One BFD session: see `bfd.status.SessionStatus`."""

    name: str
    neighbor_ip: str = ""
    source_ip: str = ""
    state: str = ""
    diagnostic: str = ""
    up: bool = False
    why: str = ""
    trouble: str = ""
    since: float = 0.0
    remote_state: str = ""
    remote_diagnostic: str = ""
    discriminator: int = 0
    remote_discriminator: int = 0
    multiplier: int = 0
    remote_multiplier: int = 0
    tx_interval: float = 0.0
    rx_interval: float = 0.0
    detect_time: float = 0.0
    polling: bool = False
    passive: bool = False
    received: int = 0
    sent: int = 0
    refused: int = 0
    send_errors: int = 0
    ups: int = 0
    downs: int = 0


@dataclass(frozen=True, slots=True)
class PostSnapshot:
    """One way on which people are told, "alert mail" or "webhook": how many news wait, the oldest of them `since` when
    (0 = none waits), how many were `dropped` since something was sent last, and why the last one could not be sent."""

    kind: str
    waiting: int = 0
    since: float = 0.0
    dropped: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class DaemonSnapshot:
    """The whole daemon.

    `workers` maps "vrrp", "lvs", "track" and "bfd" to process ids. `recorder` is how many events the flight recorder
    holds.
    `stale` is empty while the workers are alive, else a sentence that says who has been silent for how long.
    `packets` counts what no router could: see `report.routers.packets`. `flooded`: bad packets come so fast that the
    kernel drops what it can tell apart, not counted, until they cease. `backend` is where virtual servers live.
    `things` and `sessions` are what the track worker watches, and BFD sessions. `posts` are the ways that are in use.
    `static` are the addresses, routes and rules that are there as long as the daemon.
    """

    version: str = ""
    pid: int = 0
    workers: dict[str, int] = field(default_factory=dict)
    started: float = 0.0
    config: str = ""
    instance: str = ""
    routers: tuple[RouterSnapshot, ...] = ()
    groups: tuple[GroupSnapshot, ...] = ()
    recorder: int = 0
    restarts: int = 0
    stale: str = ""
    packets: dict[str, int] = field(default_factory=dict)
    flooded: bool = False
    backend: str = ""
    virtual_servers: tuple[VirtualSnapshot, ...] = ()
    things: tuple[ThingSnapshot, ...] = ()
    sessions: tuple[SessionSnapshot, ...] = ()
    posts: tuple[PostSnapshot, ...] = ()
    static: tuple[RoutingSnapshot, ...] = ()


#: What the fields of each class hold.
_HINTS: dict[type, dict[str, Any]] = {
    kind: get_type_hints(kind)
    for kind in (
        AddressSnapshot, RoutingSnapshot, TrackSnapshot, GroupSnapshot, RouterSnapshot, UsageSnapshot, CheckSnapshot,
        RealSnapshot, VirtualSnapshot, ThingSnapshot, SessionSnapshot, PostSnapshot, DaemonSnapshot)
}


Snapshot = DaemonSnapshot | RouterSnapshot | RoutingSnapshot | GroupSnapshot | VirtualSnapshot


def encode(snapshot: Snapshot) -> str:
    """`snapshot` as one line of JSON without the newline. Raises ValueError when a number is not finite."""
    return json.dumps(to_document(snapshot), separators=(",", ":"), allow_nan=False)


def to_document(snapshot: Snapshot) -> dict[str, Any]:
    """`snapshot` as dicts, lists and numbers, with the version in front."""
    return {"hakeep": VERSION, **_plain(snapshot)}


def _plain(value: Any) -> Any:
    """`dataclasses.asdict` also copies what cannot change, and a thousand routers may not cost 50 ms."""
    hints = _HINTS.get(type(value))
    if hints is not None:
        return {name: _plain(getattr(value, name)) for name in hints}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def decode(text: str | bytes) -> DaemonSnapshot:
    """The daemon snapshot in a JSON text. Raises SnapshotError."""
    return from_document(load(text), DaemonSnapshot)


def from_document(document: object, kind: type[T]) -> T:
    """A snapshot of class `kind` from plain values, as `to_document` made them. Raises SnapshotError."""
    if not isinstance(document, dict) or document.get("hakeep") != VERSION:
        raise SnapshotError(f"this is not a hakeep document of version {VERSION}")
    return _dataclass(kind, document, kind.__name__)


def parts(documents: object, kind: type[T]) -> tuple[T, ...]:
    """Parts of a snapshot, each of class `kind`, as another worker wrote them down. Raises SnapshotError."""
    if not isinstance(documents, list):
        raise SnapshotError(f"{kind.__name__}: this is not a list")
    return tuple([_dataclass(kind, document, kind.__name__) for document in documents])


def load(text: str | bytes) -> object:
    """Parse strict JSON: no NaN, no endless nesting. Raises SnapshotError."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"this is not JSON: {error}") from None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _dataclass(kind: type[T], value: object, where: str) -> T:
    if not isinstance(value, dict):
        raise SnapshotError(f"{where} is not an object")
    known = {name: hint for name, hint in _HINTS[kind].items() if name in value}
    try:
        return kind(**{name: _typed(hint, value[name], name) for name, hint in known.items()})
    except TypeError:  # a field without a default is not there
        raise SnapshotError(f"{where} lacks its name") from None


def _typed(hint: Any, value: object, where: str) -> Any:
    """`value`, made to fit the annotation `hint`; the document comes from another process and is not trusted."""
    if type(value) is hint and hint is not float:
        return value
    if get_origin(hint) is UnionType:
        (other,) = (arg for arg in get_args(hint) if arg is not type(None))
        return None if value is None else _typed(other, value, where)
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_typed(get_args(hint)[0], item, where) for item in value)
    if get_origin(hint) is dict and isinstance(value, dict):
        return {name: _typed(get_args(hint)[1], item, where) for name, item in value.items()}
    if hint is float and type(value) in (int, float):
        return _finite(value, where)
    if hint in _HINTS:
        return _dataclass(hint, value, where)
    raise SnapshotError(f"{where} has a value of the wrong kind")


def _finite(value: Any, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):  # 1e999 is correct JSON
        raise SnapshotError(f"{where} is not a finite number")
    return number
