"""Do these configurations work together? What one file alone cannot tell.

Two routers that are each right can be wrong together: another virtual_router_id makes two masters, another list of
addresses loses some in a failover, a weight that is too small never moves anything. `judge` takes the configurations of
all routers of a link and says what does not fit (`rules`), and `prospects` tells what will happen: who is master, and
after which failure who takes over in how many seconds. It takes the routers to hear each other; `obstacles` are the
errors for which they do not, or for which it will be otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping

from hakeep.config.diagnostic import Diagnostic
from hakeep.config.loaded import Loaded
from hakeep.vrrp.pair.lineup import Lineup, line_up
from hakeep.vrrp.pair.prospects import prospects
from hakeep.vrrp.pair.rule import Rule
from hakeep.vrrp.pair.rules import RULES, compare, obstacles

__all__ = ["RULES", "Lineup", "Rule", "compare", "judge", "line_up", "obstacles", "prospects"]


def judge(configurations: Mapping[str, Loaded]) -> tuple[list[Lineup], list[Diagnostic]]:
    """The virtual routers of these hosts, by host name or file name, and what does not fit together."""
    lineups = line_up(configurations)
    return lineups, compare(lineups, configurations)
