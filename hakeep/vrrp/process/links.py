"""Links: those that are ours to make, and what follows when one of those that matter comes, changes or goes."""

from __future__ import annotations

from collections.abc import Callable

from hakeep.config.settled import Settings
from hakeep.kernel.announcing import Announcements
from hakeep.kernel.link_lane import LinkLane
from hakeep.objects.rtnl import Link
from hakeep.vrrp import wanted
from hakeep.vrrp.engine import Engine
from hakeep.vrrp.messages import LinkChanged, State
from hakeep.vrrp.process.gate import Gate


class Links:
    """`stale` when a router has left, and perhaps links that nobody needs any more."""

    def __init__(self, engine: Engine, lane: LinkLane, announcements: Announcements, gate: Gate) -> None:
        self.stale = False
        self._engine = engine
        self._lane = lane
        self._announcements = announcements
        self._gate = gate

    def prepare(self, settings: Settings, then: Callable[[], None]) -> None:
        """Make what these settings need beside all that is there, and then go on."""
        self._lane.want(wanted.virtual_links(settings), keep=set(self._lane.have), then=then)

    def want(self) -> None:
        """The links of the configuration, and those where routers that it does not name any more are at work."""
        self.stale = False
        gone = [router for router in self._engine.routers.values() if router.state is State.DELETED]
        at_work = {name for router in gone for name in router.devices.all_made}
        self._lane.want(wanted.virtual_links(self._engine.settings), keep=at_work)

    def noticed(self, event: LinkChanged, before: Link | None) -> None:
        """The engine has been told. Links that no router knows come and go all the time, with every container."""
        if not self._engine.concerns(event.name):
            return
        link = event.link
        if before is not None and (link is None or link.mac != before.mac):
            self._announcements.forget(event.name)
        if before is None or link is None or (link.index, link.kind) != (before.index, before.kind):
            self._gate.places_changed()
        self._lane.noticed(event.name, link is not None)
