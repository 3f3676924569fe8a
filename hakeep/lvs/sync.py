"""Which connection synchronisation daemons should run (lvs_sync_daemon).

The kernel has two: a master sends what connections there are, a backup listens. With an instance, the one that fits
its state runs; without, both do, since nobody says who is who.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hakeep.config.settled_lvs import SyncWish
from hakeep.objects.ipvs import SyncDaemon


def daemons(wish: SyncWish | None, routers: Mapping[str, str]) -> list[SyncDaemon]:
    """`routers` are the states of vrrp_instances as far as they are known: before that it is best to listen."""
    if wish is None:
        return []
    if not wish.instance:
        states = ["master", "backup"]
    else:
        states = ["master" if routers.get(wish.instance) == "MASTER" else "backup"]
    return [replace(wish.daemon, state=state) for state in states]
