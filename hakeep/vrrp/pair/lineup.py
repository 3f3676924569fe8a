"""Which instances of several hosts are routers of the same virtual router.

VRRP knows a virtual router by its VRID and family on a link. Configurations do not say which of their interfaces share
a link, so where a host uses a VRID twice the addresses decide, then the name of the interface, then the instance's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hakeep.config.keywords.static import Config
from hakeep.config.keywords.vrrp import VrrpInstance as Written
from hakeep.config.loaded import Loaded
from hakeep.config.settled import Settings, VrrpInstance
from hakeep.config.span import Span
from hakeep.objects.rtnl import IPAddress


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One host's part in a virtual router: `written` is for places, `settled` for what runs."""

    host: str
    written: Written
    settled: VrrpInstance
    config: Config
    settings: Settings

    @property
    def name(self) -> str:
        """The instance's name."""
        return self.settled.name

    @property
    def vips(self) -> frozenset[IPAddress]:
        """All addresses that move, advertised or not."""
        return frozenset(entry.address.ip for entry in self.settled.addresses)

    def span(self, *keywords: str) -> Span | None:
        """Where the first of these keywords that was written stands, else the instance."""
        for keyword in keywords:
            if keyword in self.written.places:
                return self.written.span(keyword)
        return self.written.span()


@dataclass(frozen=True, slots=True, eq=False)
class Lineup:
    """The routers of one virtual router, in the order of the hosts given."""

    sides: tuple[Side, ...]

    @property
    def title(self) -> str:
        """Its VRID, family, and instance names for people."""
        first = self.sides[0].settled
        names = "/".join(dict.fromkeys(side.name for side in self.sides))
        return f"VRID {first.virtual_router_id} (IPv{first.family}), {names}"


def line_up(configurations: Mapping[str, Loaded]) -> list[Lineup]:
    """All virtual routers, each instance in exactly one of them, in the order of the first host."""
    buckets: dict[tuple[int, int], list[Side]] = {}
    for host, loaded in configurations.items():
        for side in _sides(host, loaded):
            buckets.setdefault((side.settled.family, side.settled.virtual_router_id), []).append(side)
    return [lineup for bucket in buckets.values() for lineup in _split(bucket)]


def _sides(host: str, loaded: Loaded) -> Iterable[Side]:
    if loaded.settings is None:
        return
    written = {instance.name: instance for instance in loaded.config.vrrp_instance}
    for settled in loaded.settings.vrrp:
        yield Side(host, written[settled.name], settled, loaded.config, loaded.settings)


def _split(bucket: list[Side]) -> list[Lineup]:
    """Lineups with at most one side of each host; who belongs together most comes together."""
    teams: list[list[Side]] = []
    for side in bucket:
        free = [team for team in teams if all(other.host != side.host for other in team)]
        best = max(free, key=lambda team: _likeness(team[0], side), default=None)
        crowded = sum(other.host == side.host for other in bucket) > 1 or len(free) > 1
        if best is None or (crowded and _likeness(best[0], side) == 0):
            teams.append([side])
        else:
            best.append(side)
    return [Lineup(tuple(team)) for team in teams]


def _likeness(one: Side, other: Side) -> int:
    """How much two instances seem to be meant for each other."""
    return (
        4 * len(one.vips & other.vips)
        + 2 * (one.settled.interface == other.settled.interface)
        + (one.name == other.name)
    )
