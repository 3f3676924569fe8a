"""(g) Addresses are held if and only if MASTER (or while handing over); adverts leave only if MASTER.

An advert that leaves in the very step in which a router ceases to be MASTER (priority 0, or the goodbye of
higher_prio_send_advert) is one of a MASTER.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hakeep.vrrp.messages import State
from tests.simulation.invariants import require

if TYPE_CHECKING:
    from tests.simulation.host import Host


def held_iff_master(host: Host, event: Any, effects: list[Any]) -> None:
    """After every step."""
    if host.engine is None:
        return
    router = host.engine.routers["V"]
    holding = router.holding
    if bool(holding.held) != (router.state is State.MASTER or holding.leaving):
        require(False, "g", f"host {host.number} is {router.state} and holds {list(holding.held)} after {event}")
    if router.state is not host.before:
        host.changed_at = host.world.now
        if host.before is State.MASTER and holding.leaving:
            host.gave_way.append(host.world.now)
        if router.state is State.MASTER:
            host.master_since = host.world.now
    host.before = router.state


def adverts_only_as_master(host: Host, priority: int) -> None:
    """When an advert leaves."""
    if State.MASTER not in (host.before, host.state):
        require(False, "g", f"host {host.number} sends priority {priority} and is {host.state}")
