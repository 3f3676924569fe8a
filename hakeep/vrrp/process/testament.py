"""The shared page: what a successor needs to know if we die now, and what the guard needs to know of us.

A router's slot is its place in the configuration.
"""

from __future__ import annotations

from hakeep.config.settled import Settings
from hakeep.kernel.wire_lane import WireLane, memory_to_keep
from hakeep.vrrp.engine import Engine, Mark
from hakeep.vrrp.messages import State
from hakeep.worker import SharedPage, name_check


def inherit(settings: Settings, page: SharedPage, wire: WireLane) -> dict[str, Mark]:
    """What the worker before us left on the page: the routers that were MASTER, and where IPv4 packets were counted."""
    marks = {}
    for index, instance in enumerate(settings.vrrp):
        slot = page.read(index, instance.name)
        if slot is not None:
            wire.idents[instance.name] = slot.ident
            if slot.state is State.MASTER:
                marks[instance.name] = Mark(slot.last_sent, slot.memory, slot.since)
    return marks


class Testament:
    """Keeps the page as the engine is."""

    def __init__(self, page: SharedPage, engine: Engine, wire: WireLane) -> None:
        self._page = page
        self._engine = engine
        self._wire = wire
        self.count()

    def count(self) -> None:
        """The engine has other settings."""
        self._slots = {instance.name: index for index, instance in enumerate(self._engine.settings.vrrp)}

    def note(self, name: str) -> None:
        """Write down what there is to know of this router now."""
        index = self._slots.get(name)
        router = self._engine.routers.get(name)
        if index is None or router is None:
            return
        mouth = self._wire.mouths.get(name)
        ident = mouth.transmitter.ident if mouth is not None else 0
        last_sent = router.beat.last_sent if router.beat.last_sent > 0 else 0.0
        self._page.write(index, name_check(name), router.state, last_sent, ident, router.since)
        if memory_to_keep(router):
            self._page.remember(index, router.memory.as_dict())

    def note_advert(self, name: str) -> None:
        """Write down that an advert of this router has left. Mostly just two numbers are new."""
        index, router, mouth = self._slots.get(name), self._engine.routers.get(name), self._wire.mouths.get(name)
        if index is None or router is None or mouth is None or memory_to_keep(router):
            self.note(name)
        else:
            self._page.sent(index, max(0.0, router.beat.last_sent), mouth.transmitter.ident)

    def note_all(self) -> None:
        """Write down what there is to know of all routers."""
        for name in self._slots:
            self.note(name)

    def tell_stakes(self) -> None:
        """For the guard: what depends on our heartbeat."""
        masters = [r for r in self._engine.routers.values() if r.state is State.MASTER]
        interval = min((r.settings.advert_int for r in masters), default=0.0)
        self._page.set_stakes(interval, min((r.holding.lease or 5 for r in masters), default=0))
