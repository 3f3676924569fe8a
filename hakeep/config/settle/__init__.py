"""From what was written to what runs: defaults, inheritance and corrections, each correction with a diagnostic.

`settle` takes the bound configuration and returns `Settings` that hold no optional left-overs, in the order of the
file. An instance that cannot run at all is left out of the settings, and its diagnostic stops a normal start.
"""

from __future__ import annotations

from hakeep.config.diagnostic import Diagnostic, Findings
from hakeep.config.host import Host
from hakeep.config.keywords.static import Config
from hakeep.config.settle.among import check_among
from hakeep.config.settle.bfd import settle_bfd
from hakeep.config.settle.globals import settle_globals
from hakeep.config.settle.groups import settle_groups
from hakeep.config.settle.instance import Defaults, settle_instance
from hakeep.config.settle.links import settle_beats, settle_delays
from hakeep.config.settle.routes import settle_routing
from hakeep.config.settle.tracking import settle_tracking
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

        director = settle_director(config, settled_globals, host.lvs_backend)
    services = [virtual.name for virtual in director.virtual] if director else []
    instances, tracking = settle_tracking(config, instances, services, defaults.groups, settled_globals, host)
    instances, static = settle_routing(config, instances, host, findings)
    settings = Settings(
        globals=settled_globals, vrrp=instances, static=static,
        groups=settle_groups(config, instances, defaults.groups),
        link_delays=settle_delays(config, instances), linkbeat=settle_beats(config, instances), tracking=tracking,
        lvs=director, bfd=settle_bfd(config), uses_bfd=bool(config.bfd_instance))
    return settings, findings
