"""How an advert of another router compares with us (RFC 9568 section 6.4).

All that the state machine wants to know of an advert is one word. Two routers of equal priority are told apart by the
addresses that they send from, compared as unsigned numbers in network order: the higher one wins.
"""

from __future__ import annotations

from enum import Enum

from hakeep.objects.rtnl import IPAddress
from hakeep.vrrp.receive import Advert


class Standing(Enum):
    """How an advert compares with us."""

    RESIGNED = "priority 0: its sender stops being MASTER"
    BETTER = "higher priority, or the same and a higher address"
    EQUAL_BELOW = "the same priority and a lower address"
    WORSE = "lower priority"
    TWIN = "the same priority and our own address"


def compare(advert: Advert, ours: int, source: IPAddress | None) -> Standing:
    """The standing of an advert before a router of priority `ours` that sends from `source`."""
    theirs = advert.priority
    if theirs == 0:
        return Standing.RESIGNED
    if theirs != ours:
        return Standing.BETTER if theirs > ours else Standing.WORSE
    if source is None or advert.source == source:
        return Standing.TWIN
    return Standing.BETTER if advert.source.packed > source.packed else Standing.EQUAL_BELOW
