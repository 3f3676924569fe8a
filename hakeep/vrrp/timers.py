"""The times of VRRP as functions (RFC 9568 section 6.1, RFC 3768 section 6.1), and those of our leases.

All in seconds. `priority` is the effective one, 1..255.
"""

from __future__ import annotations

from math import ceil, floor

from hakeep.config.settled import VrrpInstance

NEVER = float("inf")


def skew_time(version: int, priority: int, interval: float) -> float:
    """Skew_Time: what a router adds to its wait so that the best one is first. v2 knows only 1 s intervals."""
    return (256 - priority) / 256 * (interval if version == 3 else 1.0)


def master_down_interval(version: int, priority: int, interval: float, adverts: int) -> float:
    """Master_Down_Interval (Active_Down_Interval in RFC 9568): `adverts` missed intervals and the skew time."""
    return adverts * interval + skew_time(version, priority, interval)


def lease_seconds(instance: VrrpInstance) -> int | None:
    """How long an address may outlive the last advert, in whole seconds; None when leases are off.

    `auto` is a second less than the time in which a backup takes over, because the kernel is up to a second late
    (it sweeps lifetimes once a second). It is never so short that one regular renewal, which follows an advert, could
    miss it: an address must not flicker while all is well.
    """
    if instance.vip_lease is None:
        return None
    shortest = ceil(1.5 * instance.advert_int)
    if instance.vip_lease >= 0:
        return max(1, shortest, floor(instance.vip_lease))
    return max(1, shortest, floor(instance.down_timer_adverts * instance.advert_int) - 1)


def renewal_gap(lease: int, interval: float) -> float:
    """The least time between two renewals of a lease: half of it, less a quarter of the time between two adverts.

    The quarter is there because renewals follow adverts: with a lease of twice the interval, an advert that comes a
    hair early would else put its renewal off to the next one, and that is when the lease ends.
    """
    return lease / 2 - interval / 4


def handover_limit(instance: VrrpInstance) -> float:
    """The longest time for which addresses stay after priority 0: a backup of priority 1 has taken over by then."""
    return skew_time(instance.version, 1, instance.advert_int) + 0.05


def overlap(addresses: int) -> float:
    """How long addresses stay after the new master's first advert, which it may send before it has any of them."""
    return 0.05 + 0.0003 * addresses
