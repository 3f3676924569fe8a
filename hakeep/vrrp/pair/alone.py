"""Routers that no other host backs up, often only because of a slip of the pen."""

from __future__ import annotations

from collections.abc import Sequence

from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.vrrp.pair.lineup import Lineup, Side
from hakeep.vrrp.pair.rule import Found, differ


def alone(lineups: Sequence[Lineup]) -> Found:
    """An instance that no other host backs up

    When its host dies, its addresses are gone until the host is back. Often the other host does have the instance, but
    with another virtual_router_id: then each of the two hears nobody, both become MASTER, and both hold the addresses.

    Example::

        a: virtual_router_id 51
        b: virtual_router_id 52

    Cure::

        a: virtual_router_id 51
        b: virtual_router_id 51
    """
    lone = lone_sides(lineups)
    for side in lone:
        twin = twin_of(side, lone)
        if twin is None:
            yield Diagnostic(
                Code.PAIR_ALONE, Severity.WARNING, f"{side.name}: no other host has VRID "
                f"{side.settled.virtual_router_id} for IPv{side.settled.family}", side.span(), verdict=Verdict.OK,
                note="when this host dies its addresses are gone")
        elif lone.index(twin) < lone.index(side) and twin.settled.family == side.settled.family:
            yield differ(
                Code.PAIR_ALONE, twin, side, f"virtual_router_id {side.settled.virtual_router_id} is not "
                f"{twin.host}'s {twin.settled.virtual_router_id}", "virtual_router_id",
                first=f"{twin.settled.virtual_router_id} here", note="each hears nobody: both become MASTER and hold "
                "the same addresses", fix=f"virtual_router_id {twin.settled.virtual_router_id}")
        elif lone.index(twin) < lone.index(side):
            yield differ(
                Code.PAIR_ALONE, twin, side, f"it is for IPv{side.settled.family}, and {twin.host}'s {twin.name} for "
                f"IPv{twin.settled.family}", "native_ipv6", "virtual_ipaddress", first=f"IPv{twin.settled.family} here",
                note="the first entry of virtual_ipaddress decides; put the other family into "
                "virtual_ipaddress_excluded or an instance of its own")


def lone_sides(lineups: Sequence[Lineup]) -> list[Side]:
    """The routers that have no partner."""
    return [lineup.sides[0] for lineup in lineups if len(lineup.sides) == 1]


def twin_of(side: Side, lone: Sequence[Side]) -> Side | None:
    """The one of another host that seems to be meant to be the partner."""
    return next((o for o in lone if o.host != side.host and (o.vips & side.vips or o.name == side.name)), None)
