"""What an lvs worker starts with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hakeep.config.settled_lvs import Director
from hakeep.lvs.messages import CheckKey, Ordered


@dataclass(frozen=True, slots=True)
class Start:
    """What a worker starts with, beside its configuration and its line to the parent, whose pid is `parent`.

    `memory` is what the worker before it knew of the checks; `orders` are the operators'; `routers` are the states of
    vrrp_instances, and `sessions` tell which BFD sessions are up. `keep` leaves the table as it is at the end. Only the
    first worker of a daemon does what lvs_flush says (`flush`): the table that a dead one left is in use. `before` is
    what that one directed, where it is something else: what it made and nobody wants any more has to go. `alone`: there
    is no vrrp worker.
    """

    parent: int
    memory: Mapping[CheckKey, str] = field(default_factory=dict)
    orders: tuple[Ordered, ...] = ()
    routers: Mapping[str, str] = field(default_factory=dict)
    sessions: Mapping[str, bool] = field(default_factory=dict)
    keep: bool = False
    flush: bool = True
    before: Director | None = None
    alone: bool = False
