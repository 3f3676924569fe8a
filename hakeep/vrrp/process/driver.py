"""The driver: tells the engine what happens, and hands each of its orders to whoever carries it out.

Adverts leave in `perform`, or even before that (`Outbox`), and nothing that can wait comes before them. An advert that
the kernel refuses is a fact, too: the engine is told once the rest of its answer is done, and the leases that the
advert would have renewed run on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hakeep.kernel.announcing import Announcements
from hakeep.kernel.wire_lane import WireLane
from hakeep.notify.notifier import Notifier
from hakeep.vrrp import messages as m
from hakeep.vrrp.engine import Engine
from hakeep.vrrp.process.addresses import AddressLane
from hakeep.vrrp.process.gate import Gate
from hakeep.vrrp.process.links import Links
from hakeep.vrrp.process.outbox import Outbox
from hakeep.vrrp.process.routes import RoutingLane
from hakeep.vrrp.process.secondaries import Secondaries
from hakeep.vrrp.process.testament import Testament
from hakeep.vrrp.process.upward import Upward
from hakeep.vrrp.recording import Recorder
from hakeep.vrrp.router import VirtualRouter
from hakeep.worker import Log

#: Addresses of a router for which messages and frames are made beforehand.
PREPARED = 1000

#: Seconds until sockets that could not be opened are tried again.
REBIND = 1.0


class Driver:
    """The only door to the `engine`. `finish` is called when all is handed over and released."""

    def __init__(
        self,
        engine: Engine,
        recorder: Recorder,
        outbox: Outbox,
        *,
        wire: WireLane,
        announcements: Announcements,
        addresses: AddressLane,
        routes: RoutingLane,
        links: Links,
        gate: Gate,
        secondaries: Secondaries,
        testament: Testament,
        notifier: Notifier,
        upward: Upward,
        log: Log,
        finish: Callable[[], None],
    ) -> None:
        self.engine = engine
        self.recorder = recorder
        self.outbox = outbox
        self.wire = wire
        self.announcements = announcements
        self.addresses = addresses
        self.routes = routes
        self.links = links
        self.gate = gate
        self.secondaries = secondaries
        self.testament = testament
        self.notifier = notifier
        self.upward = upward
        self.log = log
        self.unbound: dict[str, float] = {}  # routers without sockets, and when to try again
        self._carry_out: dict[type, Callable[[Any], None]] = {
            m.Reconcile: self._reconcile,
            m.Announce: self._announce,
            m.Listen: self._listen,
            m.Rebind: self._rebind,
            m.NotifyChange: self._notify,
            m.Changed: self._changed,
            m.Log: lambda effect: log(effect.level, effect.text, effect.detail),
            m.Finished: lambda _: finish(),
        }

    def step(self, event: m.Event) -> None:
        """Tell the engine a fact, and do what it orders."""
        now = time.monotonic()
        self.recorder.note(now, event)
        self.perform(self.engine.step(now, event), now)

    def hear(self, packets: list[m.Received]) -> float:
        """The same for a burst of packets: most of them are answered with nothing. Returns the time of the last one."""
        step, note, now = self.engine.step, self.recorder.note, time.monotonic()
        for packet in packets:
            note(now, packet)
            effects = step(now, packet)
            if effects:
                self.perform(effects, now)
                now = time.monotonic()
        return now

    def perform(self, effects: list[m.Effect], now: float) -> None:
        """Carry out orders, one by one."""
        failed: dict[str, int] = {}
        sent = self.outbox.pick_up()
        for position, effect in enumerate(effects):
            if isinstance(effect, m.Advertise):
                errno = sent.get(position)
                if errno is None:
                    errno = self.wire.advertise(effect.router, effect.priority)
                if errno:
                    failed[effect.router] = errno
                self.testament.note_advert(effect.router)
            elif isinstance(effect, m.Renew):
                if effect.router not in failed:
                    self.addresses.renew(effect.addresses)
            else:
                self._carry_out[type(effect)](effect)
        for router, errno in failed.items():
            refused = m.Refused(router, None, errno)
            self.recorder.note(now, refused)
            self.perform(self.engine.step(now, refused), now)

    def _reconcile(self, _: m.Reconcile) -> None:
        self.addresses.reconcile()
        self.routes.holders_changed()

    def _announce(self, effect: m.Announce) -> None:
        refused = self.announcements.send(effect.addresses, self.engine.host.links)
        if refused:
            self.log(m.Level.WARNING, f"({effect.router}) {refused} announcements could not be sent", True)

    def _listen(self, effect: m.Listen) -> None:
        held = self.engine.routers[effect.router].holding.held if effect.on else {}
        self.announcements.listen(effect.router, {interface for interface, _, _ in held})

    def _rebind(self, effect: m.Rebind) -> None:
        router = self.engine.routers.get(effect.router)
        if effect.close or effect.source is None or router is None:
            self.wire.unbind(effect.router)
        else:
            try:
                self.wire.bind(router, effect.source)
                self._prepare(router)
                self.unbound.pop(effect.router, None)
            except (OSError, ValueError) as error:
                if effect.router not in self.unbound:
                    self.log(m.Level.ERROR, f"({effect.router}) cannot open sockets, trying again: {error}")
                self.unbound[effect.router] = time.monotonic() + REBIND
        self.upward.sockets_changed = True
        self.links.stale |= effect.close
        self.gate.places_changed()

    def rebind_again(self, now: float) -> None:
        """Try anew to open the sockets that could not be opened, where it is time."""
        for name in [name for name, at in self.unbound.items() if now >= at]:
            router = self.engine.routers.get(name)
            if router is None:
                del self.unbound[name]
            else:
                self._rebind(m.Rebind(name, router.source))

    def _prepare(self, router: VirtualRouter) -> None:
        """Make now what a takeover would have to make first: messages and frames of the addresses."""
        addresses = router.holding.addresses[:PREPARED]
        self.announcements.prepare(addresses, self.engine.host.links)
        self.addresses.prepare(addresses)

    def _notify(self, effect: m.NotifyChange) -> None:
        if effect.kind == "GROUP":
            group = self.engine.groups.get(effect.name)
            settings = group.settings.notify if group is not None else None
            why = ""
        else:
            router = self.engine.routers.get(effect.name)
            settings = router.settings.notify if router is not None else None
            why = router.why if router is not None else ""
        if settings is not None:
            self.notifier.notify(effect, settings, why)

    def _changed(self, effect: m.Changed) -> None:
        if effect.state is m.State.MASTER and effect.router in self.engine.routers:
            self.secondaries.new_masters.append(effect.router)
        self.upward.tell_state(effect.router, effect.state)
        self.testament.note(effect.router)
        self.upward.show_soon()
        self.gate.holders_changed()
        self.routes.holders_changed()
