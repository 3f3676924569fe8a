"""What the director knows, for reports: plain values, which `to_document` turns into what JSON understands.

Times are monotonic seconds, latencies are seconds. A weight of None means that it is not in the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CheckStatus:
    """One check of a real server. `asked` is whom it asks; `ok`, `why` and `latency` are those of the last answer,
    which came at `at`. `running` is False for checks that are suspended, and for those that are told, never asked."""

    key: str
    kind: str
    asked: str
    up: bool
    proved: bool
    running: bool
    ok: bool
    why: str
    latency: float
    at: float
    tries_left: int


@dataclass(frozen=True, slots=True)
class RealStatus:
    """One real server of one virtual server. `wanted` is its weight in the table, `weight` what it is entitled to,
    `configured` what the configuration says. `order` is an operator's word or "", `slow_start` is True while its weight
    grows. `why` says why it is up or down, `refused` why the backend does not take it."""

    ip: str
    port: int
    name: str
    state: str
    since: float
    why: str
    wanted: int | None
    weight: int
    configured: int
    drained: bool
    order: str
    slow_start: bool
    refused: str
    checks: tuple[CheckStatus, ...]


@dataclass(frozen=True, slots=True)
class VirtualStatus:
    """One virtual server. `state` is UP with a quorum, else DOWN, and `since` when it last changed. `total` is the sum
    of weights that `quorum` and `hysteresis` are about. `sorry` is the sorry server's name, `sorry_in_use` says whether
    it serves. `services` are those of the table, `refused` why the backend does not take them."""

    name: str
    label: str
    state: str
    since: float
    quorum: int
    hysteresis: int
    total: int
    sorry: str
    sorry_in_use: bool
    panic: bool
    suspended: bool
    services: tuple[str, ...]
    refused: str
    reals: tuple[RealStatus, ...]


@dataclass(frozen=True, slots=True)
class OrderStatus:
    """An operator's order that holds; `virtual` "" = in all virtual servers."""

    what: str
    ip: str
    port: int
    virtual: str
    weight: int


@dataclass(frozen=True, slots=True)
class DirectorStatus:
    """The whole engine. `checks` run, of which `in_flight` are being made and `waiting` wait for their turn.
    `restored` counts what was put back after somebody else had changed it. `sync` are the states of the connection
    synchronisation daemons."""

    now: float
    checks: int
    in_flight: int
    waiting: int
    restored: int
    sync: tuple[str, ...]
    orders: tuple[OrderStatus, ...]
    virtual: tuple[VirtualStatus, ...]


def to_document(status: Any) -> Any:
    """The same as dictionaries and lists. `dataclasses.asdict` would copy each number: a large director has many."""
    if isinstance(status, tuple):
        return [to_document(each) for each in status]
    names = getattr(type(status), "__slots__", None)
    return status if names is None else {name: to_document(getattr(status, name)) for name in names}
