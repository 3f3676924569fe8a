"""Routes and rules that move with the master, and what stays where it is: after every default and correction.

See `settled`.
"""

from __future__ import annotations

from dataclasses import dataclass

from hakeep.objects.routes import Route, Rule
from hakeep.objects.rtnl import Address


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """A line of virtual_routes or static_routes.

    One that is not tracked (`no_track`) is not put back when others delete it, and its interface may be down. `group`
    is the track_group whose instances go to FAULT while it cannot be had, "" for none.
    """

    route: Route
    track: bool = True
    group: str = ""


@dataclass(frozen=True, slots=True)
class RuleEntry:
    """A line of virtual_rules or static_rules; `track` and `group` as for routes."""

    rule: Rule
    track: bool = True
    group: str = ""


@dataclass(frozen=True, slots=True)
class StaticAddress:
    """A line of static_ipaddress; `track` and `group` as for routes."""

    address: Address
    track: bool = True
    group: str = ""


@dataclass(frozen=True, slots=True)
class Static:
    """What is there as long as the daemon is. `groups` are the track_groups that something names: (name, instances)."""

    addresses: tuple[StaticAddress, ...] = ()
    routes: tuple[RouteEntry, ...] = ()
    rules: tuple[RuleEntry, ...] = ()
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
