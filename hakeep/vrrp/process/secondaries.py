"""While MASTER: an expiring first address must not take a later one of the same network with it.

The kernel does that unless `promote_secondaries` is on. None expires within a second, so the first addresses go to the
kernel before this.
"""

from __future__ import annotations

from contextlib import suppress

from hakeep.kernel.sysctl import SysctlKeeper
from hakeep.vrrp.engine import Engine


class Secondaries:
    """`new_masters` are the routers for which this is still to be done."""

    def __init__(self, engine: Engine, sysctls: SysctlKeeper) -> None:
        self.new_masters: list[str] = []
        self._engine = engine
        self._sysctls = sysctls

    def keep(self) -> None:
        """Set it where the new masters have addresses."""
        interfaces: set[str] = set()
        for router in [self._engine.routers.get(name) for name in self.new_masters]:
            if router is not None and (router.holding.lease is not None or router.settings.promote_secondaries):
                interfaces.update(v.address.interface for v in router.holding.addresses if v.address.ip.version == 4)
        self.new_masters.clear()
        for interface in interfaces:
            with suppress(OSError):
                self._sysctls.set(f"ipv4/conf/{interface}/promote_secondaries", "1")
