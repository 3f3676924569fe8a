"""The loop: everything that the worker has, and its turns.

It waits for anything to become readable or for the engine's deadline (a timerfd, because `trio.sleep_until` is late by
most of a millisecond), and then turns:

1. take packets in, a burst of each socket, because what others said comes before what our timers want;
2. tell the engine what the kernel and the parent said;
3. if its deadline has passed, let it tick;
4. give the kernel the next address changes, and announce those that it has made;
5. if there is nothing left to do for addresses: what can wait.

What the engine orders the `Driver` has carried out in the middle of a turn. Nothing here awaits anything; what has to
is run by trio, as a `Guest`.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import trio

from hakeep.config.settled import Settings
from hakeep.errands import Errands
from hakeep.kernel import wire_lane
from hakeep.kernel.announcing import Announcements
from hakeep.kernel.link_lane import LinkLane
from hakeep.kernel.linkbeat import Linkbeat
from hakeep.kernel.links import VirtualLinks
from hakeep.kernel.netlink import Netlink, Overrun
from hakeep.kernel.timer import Timer, suspended
from hakeep.notify.notifier import Notifier
from hakeep.vrrp import messages as m
from hakeep.vrrp import wanted
from hakeep.vrrp.engine import Engine
from hakeep.vrrp.process.addresses import AddressLane
from hakeep.vrrp.process.driver import Driver
from hakeep.vrrp.process.flight import write_recording
from hakeep.vrrp.process.gate import Gate
from hakeep.vrrp.process.guest import Guest
from hakeep.vrrp.process.linkbeat import Beats
from hakeep.vrrp.process.links import Links
from hakeep.vrrp.process.orders import Orders
from hakeep.vrrp.process.outbox import Outbox
from hakeep.vrrp.process.readers import Readers, Ready
from hakeep.vrrp.process.routes import RoutingLane
from hakeep.vrrp.process.secondaries import Secondaries
from hakeep.vrrp.process.start import Start, hold_until, own_mark, sysctl_keeper
from hakeep.vrrp.process.testament import Testament, inherit
from hakeep.vrrp.process.upward import ANNOUNCEMENTS, QUIET, Upward
from hakeep.vrrp.recording import Recorder
from hakeep.worker import Line, Log, SharedPage

#: Seconds without news after which the worker turns all the same, to show that it is alive.
HEARTBEAT = 0.5

#: Seconds before a takeover at which to be awake.
EARLY = 0.0004

#: Where there are more instances than this, adverts are given so many seconds to gather once the first has come: to
#: turn for each costs more than all else. They lose nothing by it, for deadlines count from the kernel's stamps.
CROWD, GATHERING = 16, 0.001

#: Seconds that scripts have at the end, and that nftables has to delete our tables.
SCRIPTS, FENCE = 1.0, 2.0

#: New objects after which Python looks for garbage: when it is quiet, and at the latest.
GARBAGE, GARBAGE_MAX = 20_000, 200_000

#: Seconds until the loop, or the thread that hands addresses to the kernel, gets its turn from a busy other one.
SWITCH = 0.0002


class VrrpProcess:
    """Everything the worker has. `page` and `line` connect it to the parent, and the page to the worker before it."""

    def __init__(self, settings: Settings, line: Line, page: SharedPage, log: Log, start: Start) -> None:
        self.settings = settings
        self.line = line
        self.page = page
        self.log = log
        self.start = start
        self.readers = Readers()
        self.timer = Timer()
        self.guest = Guest()
        self.addresses = AddressLane(settings.globals.netlink_monitor_rcv_bufs, log)
        self.monitor = self.addresses.monitor
        inherited = dict(start.inherited)
        watch, unwatch = self.readers.watch, self.readers.unwatch
        self.announcements = Announcements(watch, unwatch, self._heard, inherited.pop(ANNOUNCEMENTS, None))
        self.wire = wire_lane.WireLane(self._watch_ear, self._unwatch_ear, inherited)
        self.sysctls = sysctl_keeper(settings, start.run_directory, log)
        virtual_links = VirtualLinks(Netlink(), self.sysctls, own_mark(settings))
        self.link_lane = LinkLane(virtual_links, log, lambda: not self.addresses.idle)
        self.beats = Beats(Linkbeat(), log, self._step)
        self.notifier = Notifier(settings.globals, log, self.line.send)
        self.errands = Errands(watch, unwatch, log)
        self.finished = trio.Event()
        self.asleep = suspended()
        self.armed = 0.0  # what the timer is set to
        self.heard = 0  # packets in this turn

    # ------------------------------------------------------------------------------------------------- starting

    def set_up(self) -> None:
        """Read the host, make VMACs, start the engine. Blocking calls are allowed here only."""
        self.link_lane.begin(wanted.virtual_links(self.settings))
        host = self.monitor.resync()
        now = time.monotonic()
        respawned = self.start.respawned
        marks = inherit(self.settings, self.page, self.wire) if respawned else {}
        self.wire.all_vrids = self.settings.globals.log_unknown_vrids
        outbox = Outbox(lambda effect: self.wire.advertise(effect.router, effect.priority))
        self.engine = Engine(
            self.settings, now, links=self.beats.begin(self.settings.linkbeat, host.links), addresses=host.addresses,
            hold_until=hold_until(self.settings, now, self.log, respawned=respawned),
            marks=marks, out=outbox, standby=self.start.standby, tracked=self.start.tracked,
        )
        self._surround(outbox)
        self.readers.watch(self.timer.fileno(), self._timer_fired)
        self.readers.watch(self.monitor.fileno(), self._monitor_readable)
        self.addresses.watch(self.readers.watch)
        self.driver.perform(self.engine.begin(), now)
        self.routes.begin()
        self.wire.close_unused()
        self.notifier.update(self.settings.globals, (*self.settings.vrrp, *self.settings.groups))

    def _surround(self, outbox: Outbox) -> None:
        """Make all that needs an engine."""
        engine, watch, settings = self.engine, self.readers.watch, self.settings
        self.recorder = Recorder(engine)
        self.testament = Testament(self.page, engine, self.wire)
        self.gate = Gate(engine, self.start.fence, self.log, self.wire.advertise, watch)
        self.links = Links(engine, self.link_lane, self.announcements, self.gate)
        self.routes = RoutingLane(engine, self.log, watch, settings.globals.netlink_monitor_rcv_bufs)
        self.secondaries = Secondaries(engine, self.sysctls)
        self.upward = Upward(
            self.line, engine, self.recorder, self.wire, self.announcements, self.gate, self.routes.routing)
        self.driver = Driver(
            engine, self.recorder, outbox, wire=self.wire, announcements=self.announcements, addresses=self.addresses,
            routes=self.routes, links=self.links, gate=self.gate, secondaries=self.secondaries,
            testament=self.testament, notifier=self.notifier, upward=self.upward, log=self.log,
            finish=self.finished.set,
        )
        self.orders = Orders(
            self.line, self.readers, self.driver, self.record, self._take_up, parent=self.start.parent,
            keep=self.start.keep,
        )

    # ------------------------------------------------------------------------------------------------- running

    def run(self) -> None:
        """Serve until stopped and finished. Raises what a task raised."""
        self.orders.catch_signals()
        sys.setswitchinterval(SWITCH)
        gc.freeze()
        gc.disable()  # see _tidy_up
        self.readers.watch(self.guest.fileno(), self.guest.read)
        self.guest.start(self._tasks)
        while self.guest.outcome is None:
            self._turn(self.readers.wait(self._patience()))
        self.guest.outcome.unwrap()

    async def _tasks(self) -> None:
        """What trio runs for us: scripts and nftables, and the winding up when the engine has finished."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.notifier.run)
            nursery.start_soon(self.gate.lane.run)
            nursery.start_soon(self.link_lane.run)
            nursery.start_soon(self.routes.run)
            nursery.start_soon(self.beats.run)
            self.upward.hand_up_sockets()
            self.line.send({"do": "started"})
            await self.finished.wait()
            await self._wind_up()
            nursery.cancel_scope.cancel()

    async def _wind_up(self) -> None:
        """All is handed over: let scripts finish, undo what we did to the host. Addresses that are to stay need their
        links and sysctls; the next run finds them written down and gives them back. Only the fence has to go."""
        await self.notifier.drain(SCRIPTS)
        if not self.orders.keep:
            self.routes.release()
            with suppress(OSError):
                await self.link_lane.release()
            with suppress(OSError):
                await trio.to_thread.run_sync(self.sysctls.restore)
        with trio.move_on_after(FENCE):
            await self.gate.release()
        self.upward.show(time.monotonic())
        self.line.send({"do": "finished"})

    def _take_up(self, settings: Settings) -> None:
        """Go by new settings from now on."""
        self._monitor_readable()  # new links, before those who work there
        self.settings = settings
        self.wire.all_vrids = settings.globals.log_unknown_vrids
        self.notifier.update(settings.globals, (*settings.vrrp, *settings.groups))
        self.beats.configure(settings.linkbeat)
        self._step(m.Reloaded(settings))
        self.routes.settings_changed()
        self.links.want()
        self.testament.count()
        self.testament.note_all()
        self.gate.places_changed()
        self.upward.hand_up_sockets()

    def record(self, why: str, done: Callable[[bytes], None] | None = None) -> None:
        """Write down what the engine was told lately: see `write_recording`."""
        write_recording(self.recorder, self.start.run_directory, self.errands, self.log, why, done)

    # ------------------------------------------------------------------------------------------------- waiting

    def _patience(self) -> float | None:
        """How long to wait for news before the next turn: as long as it takes (None), or not at all."""
        now = time.monotonic()
        if self._due(now) or now >= min(self.addresses.due, self.routes.due):
            return 0
        soonest = self.engine.soonest
        if self.heard and len(self.engine.routers) > CROWD and now + 2 * GATHERING < min(soonest, self.armed):
            time.sleep(GATHERING)
        self.heard = 0
        self._arm(now, soonest)
        return None

    def _arm(self, now: float, soonest: float) -> None:
        """Have the timer wake us. Mostly it is left alone: it may be early, for a timer that has moved on since, but
        that costs less than to set it after every advert that a BACKUP hears."""
        if not now < self.armed <= self._wake_at(now, soonest):
            self.armed = self._wake_at(now, self.engine.deadline)
            self.timer.set(self.armed)

    def _wake_at(self, now: float, deadline: float) -> float:
        soon = now + (0.01 if self.line.waiting else HEARTBEAT)
        early = EARLY if self.engine.takes_over_next else 0.0
        return min(deadline - early, self.addresses.due, self.routes.due, self.upward.due, soon)

    def _due(self, now: float) -> bool:
        """Whether the engine is to tick."""
        return self.engine.soonest <= now and self.engine.deadline <= now

    # ------------------------------------------------------------------------------------------------- a turn

    def _turn(self, ready: Ready) -> None:
        now = time.monotonic()
        self.page.beat(now)
        if time.clock_gettime(time.CLOCK_BOOTTIME) - now > self.asleep + 0.02:
            self._look_at_clocks()
        self.readers.read(ready)
        if self.engine.takes_over_next:
            self._await_takeover()
        if self._due(time.monotonic()):
            self.readers.read_what_is_there()  # what was said before has a say in it
            self._tick()
        for tracked in self.routes.work():
            self._step(tracked)
        if self.routes.changed:
            self.routes.changed = False
            self.upward.show_soon()
        for news in self.addresses.work(self.engine):
            self._step(news)
            self.routes.holders_changed()
            if isinstance(news, m.Applied) and news.removed:
                self.gate.holders_changed()
        if self.secondaries.new_masters:
            self.secondaries.keep()
        self._tick()  # announcements of what the kernel has just acknowledged
        self.line.flush()
        now = time.monotonic()
        if self.wire.calm_down(now):
            self.log(m.Level.NOTICE, "the flood of bad packets is over")
            self.upward.show_soon()
        if self.addresses.idle:
            self._afterwards(now)

    def _step(self, event: m.Event) -> None:
        self.driver.step(event)

    def _tick(self) -> None:
        if self._due(time.monotonic()):
            self._step(m.Ticked())

    def _look_at_clocks(self) -> None:
        """Was the host suspended, or did we only lose the CPU between two looks at its clocks?"""
        asleep = suspended()
        if asleep > self.asleep + 0.02:
            self._step(m.Woken(asleep - self.asleep))
            self.asleep = asleep

    def _await_takeover(self) -> None:
        """Be awake when a takeover is due: waking up takes longer than all the rest of it. The timer woke us a little
        early, and an advert that comes in just now still counts."""
        while self.engine.deadline - EARLY <= time.monotonic() < self.engine.deadline:
            self.readers.read_what_is_there()

    def _afterwards(self, now: float) -> None:
        """What can wait until addresses are where they belong. The fence can: an advert has just left, and before it
        could close the next ones are due."""
        if self.gate.wish():
            self.testament.tell_stakes()
        if self.links.stale:
            self.links.want()
        self.driver.rebind_again(now)
        if now >= self.upward.due:
            self.upward.show_in_peace(now)
        if self.errands:
            self.errands.end_overdue(now)
        self._tidy_up(self.engine.soonest - now > QUIET)

    def _tidy_up(self, quiet: bool) -> None:
        """What takes milliseconds and may be done at any time. The recorder makes garbage collections frequent, because
        it keeps every packet for a while; left to itself Python would begin one just when an advert is due."""
        if quiet:
            self.recorder.rest()
        if gc.get_count()[0] > (GARBAGE if quiet else GARBAGE_MAX):
            gc.collect()

    # ------------------------------------------------------------------------------------------------- readers

    def _watch_ear(self, ear: wire_lane.Ear) -> None:
        self.readers.watch(ear.sock.fileno(), lambda: self._packets(ear))

    def _unwatch_ear(self, ear: wire_lane.Ear) -> None:
        self.readers.unwatch(ear.sock.fileno())

    def _packets(self, ear: wire_lane.Ear) -> None:
        try:
            packets = self.wire.receive(ear)
        except OSError:
            return
        self.heard += len(packets)
        now = self.driver.hear(packets)
        if self.wire.flood(self.engine.reception.discarded, now):
            self.log(m.Level.WARNING, "flood of bad packets: dropping what the kernel can tell apart")
            self.upward.show_soon()

    def _timer_fired(self) -> None:
        self.timer.read()
        self.armed = 0.0

    def _heard(self, event: m.Heard) -> None:
        own = self.engine.host.links.get(event.interface)
        if own is None or event.mac != own.mac:
            self._step(event)

    def _monitor_readable(self) -> None:
        for event in self.monitor.receive():
            if isinstance(event, Overrun):
                self._step(self.beats.amend_all(self.monitor.resync()))
                self.gate.places_changed()
            elif isinstance(event, m.LinkChanged):
                before = self.engine.host.links.get(event.name)
                self._step(self.beats.amend(event))
                if not self.finished.is_set():  # what goes when all is finished, we removed
                    self.links.noticed(event, before)
            else:
                self._step(event)
                if not event.present and self.engine.concerns(event.address.interface):
                    self.gate.holders_changed()
