"""What does not fit between the routers of a virtual router: all rules, in the order in which they are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from hakeep.config.diagnostic import Code, Diagnostic, Severity
from hakeep.config.loaded import Loaded
from hakeep.vrrp.pair import election, hearing, moving
from hakeep.vrrp.pair.alone import alone, lone_sides, twin_of
from hakeep.vrrp.pair.lineup import Lineup
from hakeep.vrrp.pair.rule import Found, Rule
from hakeep.vrrp.pair.servers import servers

RULES: tuple[Rule, ...] = (
    hearing.version, hearing.interval, election.down_timer,
    hearing.authentication, hearing.hmac,
    moving.addresses, moving.vmac,
    hearing.checksum, hearing.transport, hearing.peers,
    election.equal_priority, election.owners, election.two_masters_meant, election.preemption,
    election.weight_too_small, election.groups,
)

#: The page of each code, for `hakeep explain`.
PAGES: dict[Code, str] = {
    Code.PAIR_ALONE: alone.__doc__ or "", **{each.code: each.look.__doc__ or "" for each in RULES},
    Code.PAIR_SERVERS: servers.__doc__ or "",
}


def compare(lineups: Sequence[Lineup], configurations: Mapping[str, Loaded]) -> list[Diagnostic]:
    """What all rules find: between routers, among those that have no partner, and between virtual servers."""
    found = list(alone(lineups))
    for lineup in lineups:
        found += _within(lineup)
    return [*found, *servers(configurations)]


def obstacles(lineup: Lineup, lineups: Sequence[Lineup]) -> list[Diagnostic]:
    """The errors with which this one of the virtual routers does not become what its prospects say."""
    found = list(_within(lineup))
    for side in lone_sides([lineup]):
        if twin := twin_of(side, lone_sides(lineups)):
            found += alone([Lineup((twin,)), lineup])
    return [each for each in found if each.severity is Severity.ERROR]


def _within(lineup: Lineup) -> Found:
    """What all rules find between the routers of one virtual router."""
    for one, other in combinations(lineup.sides, 2):
        for each in RULES:
            yield from each.look(one, other)
