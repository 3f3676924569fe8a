"""(a) One down interval + 1 s after the last fault has healed, each connected component has exactly one MASTER.

"Down interval" is the longest that a router of the world may have (that of priority 1, which a router in standby has).
Two may say MASTER for the time that one advert needs, when a better router takes over (preempt_delay) at the very
moment at which we look: then a look 50 ms later decides.

Narrower than it sounds in two cases. While the kernel refuses to send or to change addresses, a router tries again
after 1, 2 and 4 s: such an episode is given 5 s more. And with AH, which has one sequence for all, three masters that
send within the flight of a packet refuse each other once more: such a world is given one more advert interval.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hakeep.vrrp.messages import State
from tests.simulation.invariants import require

if TYPE_CHECKING:
    from tests.simulation.world import World


def when_quiet(world: World) -> None:
    """All faults have healed: one component."""
    among(world, [range(len(world.hosts))])


def among(world: World, components: Iterable[Iterable[int]]) -> None:
    """Each of these groups of hosts that has anybody to serve has one MASTER."""
    for component in components:
        able = [number for number in component if world.hosts[number].able]
        masters = [n for n in component if world.hosts[n].runs and world.hosts[n].state is State.MASTER]
        if able:
            require(len(masters) == 1, "a", f"of {able} are MASTER: {masters}")
