"""From what was written to what runs: defaults, inheritance and corrections, each correction with a diagnostic.

`settle` takes the bound configuration and returns `Settings` that hold no optional left-overs, in the order of the
file. An instance that cannot run at all is left out of the settings, and its diagnostic stops a normal start.
"""

from __future__ import annotations

from hakeep.config.diagnostic import Diagnostic, Findings
from hakeep.config.host import Host
from hakeep.config.keywords.static import Config
from hakeep.config.settle.among import check_among
from hakeep.config.settle.globals import settle_globals
from hakeep.config.settle.instance import Defaults, settle_instance
from hakeep.config.settled import Settings


def settle(config: Config, host: Host | None = None) -> tuple[Settings, list[Diagnostic]]:
    """The settings of a configuration and what was wrong with it. Without `host` nothing is judged by the machine."""
    host = host or Host()
    findings = Findings()
    settled_globals = settle_globals(config, host, findings)
    defaults = Defaults.of(config, host)
    pairs = []
    for written in config.vrrp_instance:
        instance = settle_instance(written, defaults, findings)
        if instance:
            pairs.append((written, instance))
    instances = check_among(pairs, findings)
    director = None
    if config.virtual_server:
        from hakeep.config.settle.lvs import settle_director  # a router without virtual servers need not wait for it

        director = settle_director(config, settled_globals)
    settings = Settings(
        globals=settled_globals, vrrp=instances, lvs=director, uses_bfd=bool(config.bfd_instance))
    return settings, findings
