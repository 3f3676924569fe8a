"""(e) State that we did not make is the same before, during and after.

Every change that the kernel lane is about to make names an address of the configuration, and replaces or removes only
what bears our mark. And what was there from the start is there, as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hakeep.objects.diff import Add
from hakeep.objects.rtnl import PROTO_KEEPALIVED
from tests.simulation.invariants import require

if TYPE_CHECKING:
    from tests.simulation.host import Host
    from tests.simulation.world import World


def only_ours_is_changed(host: Host, change: Any) -> None:
    """Judge one change before it is made."""
    named = {virtual.address.ip for virtual in host.world.shape.instance(host.number).addresses}
    require(change.key[1] in named, "e", f"host {host.number} changes {change.key}, which nobody configured")
    present = host.kernel.addresses.get(change.key)
    if not isinstance(change, Add) and present is not None:
        require(present.proto == PROTO_KEEPALIVED, "e", f"host {host.number} changes {present}, which is not ours")


def untouched(world: World) -> None:
    """What was there from the start is there."""
    for host in world.hosts:
        for key, address in host.kernel.foreign.items():
            require(host.kernel.addresses.get(key) is address, "e", f"host {host.number} has lost {address}")
