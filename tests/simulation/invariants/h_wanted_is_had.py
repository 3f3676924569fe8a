"""(h) When it is quiet, the kernel has what is wanted, and the engine's view of the kernel is the kernel's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hakeep.vrrp.messages import State
from tests.simulation.invariants import require

if TYPE_CHECKING:
    from tests.simulation.world import World


def when_quiet(world: World) -> None:
    """Compare wishes, view and kernel of every host that runs."""
    for host in world.hosts:
        if host.engine is None or host.state is State.FAULT:
            continue
        router = host.engine.routers["V"]
        named = {virtual.address.key for virtual in router.holding.addresses}
        there = {key for key in host.kernel.addresses if key in named}
        require(there == set(host.engine.host.have), "h", f"host {host.number} believes {host.engine.host.have.keys()}")
        require(there == set(router.holding.held), "h", f"host {host.number} is {host.state} and has {there}")
        require(host.engine.changes(("V",)) == [], "h", f"host {host.number} is not content")
        require(router.holding.settled, "h", f"host {host.number} waits for {router.holding.unsettled}")
