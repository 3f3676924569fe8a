"""(d) The last announcement of an address that reached a neighbour belongs to its holder.

It holds 1.5 advert intervals after the holder's last sign of another master: an advert of lower priority, priority 0,
a late wake-up, a lost carrier.

It cannot hold without a sign. That is the silent flip: a partition heals, and the worse of two masters hears the better
one first and gives way without a word, as RFC 9568 wants it. Neighbours on its side keep the wrong entry until they
find out by themselves. `higher_prio_send_advert` is the cure: then it says a word, and in worlds with that option there
is no exception, unless something befell a host or packets were lost since: then the word may have been lost, or
whoever had to say it.

Nor can it hold for a neighbour that was cut off itself when the holder took over and announced it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.invariants import require

#: Seconds from becoming MASTER until the first announcements are out.
FLIP = 0.05

if TYPE_CHECKING:
    from tests.simulation.world import World


def belongs_to_the_holder(world: World) -> None:
    """Compare the client's cache with the one MASTER."""
    masters = world.masters()
    if len(masters) != 1:
        return
    holder = world.hosts[masters[0]]
    assert holder.engine is not None
    router = holder.engine.routers["V"]
    sign = max(router.rivals.answered, router.rivals.outcounted) + holder.slept
    if world.now - sign < 1.5 * world.shape.interval + world.shape.lane + FLIP:
        return
    for ip, told in world.segment.cache.items():
        if told.host == holder.number:
            continue
        if any(start - FLIP <= holder.master_since <= end for start, end in world.client_cuts):
            continue
        silent = max(sign, holder.master_since) < told.at
        cured = world.shape.higher_prio_send_advert and told.at > world.words_lost_until
        if silent and not cured:
            continue
        require(
            False, "d", f"{ip} was announced last by {told.host} at {told.at:.4f}, its holder is {holder.number}"
        )
