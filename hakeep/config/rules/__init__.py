"""Rules: what is wrong between the parts of a configuration, once each part is right.

Each module looks at one matter, each function in it at one kind of trouble (see `rule`). Rules change nothing.
"""

from __future__ import annotations

from hakeep.config.diagnostic import Diagnostic
from hakeep.config.host import Host
from hakeep.config.keywords.static import Config
from hakeep.config.rules import (
    addresses,
    backends,
    bfd,
    checks,
    groups,
    mail,
    priorities,
    references,
    routing,
    scripts,
    servers,
    service_addresses,
    services,
    shares,
    timing,
    trackers,
    transport,
    weights,
)
from hakeep.config.rules.rule import RULES
from hakeep.config.rules.view import View
from hakeep.config.settled import Settings

__all__ = ["RULES", "check"]

#: The modules that hold the rules; importing them registers these.
MODULES = (
    references, trackers, groups, priorities, weights, addresses, transport, timing, scripts, mail, routing, services,
    service_addresses, servers, shares, checks, backends, bfd,
)


def check(config: Config, settings: Settings, host: Host) -> list[Diagnostic]:
    """What all rules find in a configuration and in the settings that come of it."""
    view = View(config, settings, host)
    return [diagnostic for rule in RULES.values() for diagnostic in rule.findings(view)]
