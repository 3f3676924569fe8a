"""The loop: the one task that touches the engine.

It waits for anything to become readable or for the engine's deadline (a timerfd, because `trio.sleep_until` is late by
most of a millisecond), and then turns:

1. take packets in, a burst of each socket, because what others said comes before what our timers want;
2. tell the engine what the kernel and the parent said;
3. if its deadline has passed, let it tick;
4. give the kernel the next address changes, and announce those that it has made.

Adverts leave in `_perform`, in the middle of a turn, and nothing that can wait comes before them.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

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
from hakeep.report.routers import Lines, groups, packets, snapshots
from hakeep.report.snapshot import to_document
from hakeep.vrrp import messages as m
from hakeep.vrrp import wanted
from hakeep.vrrp.engine import Engine
from hakeep.vrrp.process.addresses import AddressLane
from hakeep.vrrp.process.flight import SIGNALS, write_recording
from hakeep.vrrp.process.gate import Gate
from hakeep.vrrp.process.guest import Guest
from hakeep.vrrp.process.linkbeat import Beats
from hakeep.vrrp.process.links import Links
from hakeep.vrrp.process.outbox import Outbox
from hakeep.vrrp.process.routes import RoutingLane
from hakeep.vrrp.process.start import Start, hold_until, own_mark, sysctl_keeper
from hakeep.vrrp.process.testament import Testament, inherit
from hakeep.vrrp.recording import Recorder
from hakeep.vrrp.router import VirtualRouter
from hakeep.vrrp.timers import NEVER
from hakeep.worker import FDS_MAX, Line, Log, SharedPage

#: Sockets looked at in one turn. Of each at most a burst is taken in before timers are looked at.
SOCKETS = 64

#: Seconds without news after which the worker turns all the same, to show that it is alive.
HEARTBEAT = 0.5

#: Addresses of a router for which messages and frames are made beforehand.
PREPARED = 1000

#: Seconds before a takeover at which to be awake.
EARLY = 0.0004

#: Where there are more instances than this, adverts are given so many seconds to gather once the first has come: to
#: turn for each costs more than all else. They lose nothing by it, for deadlines count from the kernel's stamps.
CROWD, GATHERING = 16, 0.001

#: Seconds until sockets that could not be opened are tried again.
REBIND = 1.0

#: Seconds that scripts have at the end, and that nftables has to delete our tables.
SCRIPTS, FENCE = 1.0, 2.0

#: Seconds without anything due in which there is time to tidy up, which takes milliseconds.
QUIET = 0.05

#: New objects after which Python looks for garbage: when it is quiet, and at the latest.
GARBAGE, GARBAGE_MAX = 20_000, 200_000

#: What the socket for announcements is called among those that the parent keeps for the next worker.
ANNOUNCEMENTS = "announcements"

#: Seconds until the loop, or the thread that hands addresses to the kernel, gets its turn from a busy other one.
SWITCH = 0.0002

#: Snapshots go up at most this often, and this long after a change at the latest. One of many addresses takes
#: milliseconds: it waits until nothing is due, and then gives what was due a moment to be done.
SNAPSHOT_GAP, SNAPSHOT_GAP_MAX = 0.2, 1.0
SNAPSHOT_PAUSE = 0.005


class VrrpProcess:
    """Everything the worker has. `page` and `line` connect it to the parent, and the page to the worker before it."""

    def __init__(self, settings: Settings, line: Line, page: SharedPage, log: Log, start: Start) -> None:
        self.settings = settings
        self.line = line
        self.page = page
        self.log = log
        self.start = start
        self.keep = start.keep
        self.epoll = select.epoll()
        self.readers: dict[int, Callable[[], None]] = {}
        self.timer = Timer()
        self.guest = Guest()
        self.addresses = AddressLane(settings.globals.netlink_monitor_rcv_bufs, log)
        self.monitor = self.addresses.monitor
        inherited = dict(start.inherited)
        self.announcements = Announcements(self._watch, self._unwatch, self._heard, inherited.pop(ANNOUNCEMENTS, None))
        self.wire = wire_lane.WireLane(self._watch_ear, self._unwatch_ear, inherited)
        self.outbox = Outbox(self._send)
        self.sysctls = sysctl_keeper(settings, start.run_directory, log)
        virtual_links = VirtualLinks(Netlink(), self.sysctls, own_mark(settings))
        self.link_lane = LinkLane(virtual_links, log, lambda: not self.addresses.idle)
        self.beats = Beats(Linkbeat(), log, self._step)
        self.notifier = Notifier(settings.globals, log, self.line.send)
        self.errands = Errands(self._watch, self._unwatch, log)
        self.finished = trio.Event()
        self.snapshot_at = self.snapshot_latest = NEVER
        self.shown: dict[str, Lines] = {}  # what snapshots have in common
        self.sockets_changed = False
        self.new_masters: list[str] = []
        self.said_states: dict[str, m.State] = {}
        self.stoppers: set[str] = set()
        self.parent = os.getppid()
        self.unbound: dict[str, float] = {}  # routers without sockets, and when to try again
        self.asleep = suspended()
        self.armed = 0.0  # what the timer is set to
        self.heard = 0  # packets in this turn
        self.signals_in, self.signals_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    # ------------------------------------------------------------------------------------------------- starting

    def set_up(self) -> None:
        """Read the host, make VMACs, start the engine. Blocking calls are allowed here only."""
        self.link_lane.begin(wanted.virtual_links(self.settings))
        host = self.monitor.resync()
        now = time.monotonic()
        respawned = self.start.respawned
        marks = inherit(self.settings, self.page, self.wire) if respawned else {}
        self.wire.all_vrids = self.settings.globals.log_unknown_vrids
        self.engine = Engine(
            self.settings, now, links=self.beats.begin(self.settings.linkbeat, host.links), addresses=host.addresses,
            hold_until=hold_until(self.settings, now, self.log, respawned=respawned),
            marks=marks, out=self.outbox, standby=self.start.standby, tracked=self.start.tracked,
        )
        self.recorder = Recorder(self.engine)
        self.testament = Testament(self.page, self.engine, self.wire)
        self.gate = Gate(self.engine, self.start.fence, self.log, self.wire.advertise, self._watch)
        self.links = Links(self.engine, self.link_lane, self.announcements, self.gate)
        self.routes = RoutingLane(self.engine, self.log, self._watch, self.settings.globals.netlink_monitor_rcv_bufs)
        for fd, reader in (
            (self.timer.fileno(), self._timer_fired),
            (self.monitor.fileno(), self._monitor_readable),
            (self.line.fileno(), self._line_readable),
            (self.signals_in, self._signalled),
        ):
            self._watch(fd, reader)
        self.addresses.watch(self._watch)
        self._perform(self.engine.begin(), now)
        self.routes.begin()
        self.wire.close_unused()
        self.notifier.update(self.settings.globals, (*self.settings.vrrp, *self.settings.groups))

    # ------------------------------------------------------------------------------------------------- the loop

    def run(self) -> None:
        """Serve until stopped and finished. Raises what a task raised.

        SIGQUIT has the flight recorder written, at once: a loop that does not turn any more is when it is wanted most.
        """
        signal.signal(signal.SIGQUIT, lambda *_: self.record("on SIGQUIT"))
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        sys.setswitchinterval(SWITCH)
        gc.freeze()
        gc.disable()  # see _tidy_up
        self._watch(self.guest.fileno(), self.guest.read)
        self.guest.start(self._tasks)
        while self.guest.outcome is None:
            self._turn(self.epoll.poll(self._patience(), SOCKETS))
        self.guest.outcome.unwrap()

    async def _tasks(self) -> None:
        """What trio runs for us: scripts and nftables, and the winding up when the engine has finished."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.notifier.run)
            nursery.start_soon(self.gate.lane.run)
            nursery.start_soon(self.link_lane.run)
            nursery.start_soon(self.routes.run)
            nursery.start_soon(self.beats.run)
            self._hand_up_sockets()
            self.line.send({"do": "started"})
            await self.finished.wait()
            await self._wind_up()
            nursery.cancel_scope.cancel()

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
        return min(deadline - early, self.addresses.due, self.routes.due, self.snapshot_at, soon)

    def _due(self, now: float) -> bool:
        """Whether the engine is to tick."""
        return self.engine.soonest <= now and self.engine.deadline <= now

    def _turn(self, ready: list[tuple[int, int]]) -> None:
        now = time.monotonic()
        self.page.beat(now)
        if time.clock_gettime(time.CLOCK_BOOTTIME) - now > self.asleep + 0.02:
            self._look_at_clocks()
        self._read(ready)
        if self.engine.takes_over_next:
            self._await_takeover()
        if self._due(time.monotonic()):
            self._read(self.epoll.poll(0, SOCKETS))  # what was said before has a say in it
            self._tick()
        for tracked in self.routes.work():
            self._step(tracked)
        for news in self.addresses.work(self.engine):
            self._step(news)
            self.routes.holders_changed()
            if isinstance(news, m.Applied) and news.removed:
                self.gate.holders_changed()
        if self.new_masters:
            self._keep_secondaries()
        self._tick()  # announcements of what the kernel has just acknowledged
        self.line.flush()
        now = time.monotonic()
        if self.wire.calm_down(now):
            self.log(m.Level.NOTICE, "the flood of bad packets is over")
            self._show_soon()
        if self.addresses.idle:
            self._afterwards(now)

    def _tick(self) -> None:
        if self._due(time.monotonic()):
            self._step(m.Ticked())

    def _look_at_clocks(self) -> None:
        """Was the host suspended, or did we only lose the CPU between two looks at its clocks?"""
        asleep = suspended()
        if asleep > self.asleep + 0.02:
            self._step(m.Woken(asleep - self.asleep))
            self.asleep = asleep

    def _afterwards(self, now: float) -> None:
        """What can wait until addresses are where they belong. The fence can: an advert has just left, and before it
        could close the next ones are due."""
        if self.gate.wish():
            self.testament.tell_stakes()
        if self.links.stale:
            self.links.want()
        for name in [name for name, at in self.unbound.items() if now >= at]:
            router = self.engine.routers.get(name)
            if router is None:
                del self.unbound[name]
            else:
                self._rebind(m.Rebind(name, router.source))
        if now >= self.snapshot_at:
            self._send_snapshot_in_peace(now)
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

    def _read(self, ready: list[tuple[int, int]]) -> None:
        for fd, _ in ready:
            reader = self.readers.get(fd)
            if reader is not None:
                reader()

    def _await_takeover(self) -> None:
        """Be awake when a takeover is due: waking up takes longer than all the rest of it. The timer woke us a little
        early, and an advert that comes in just now still counts."""
        while self.engine.deadline - EARLY <= time.monotonic() < self.engine.deadline:
            self._read(self.epoll.poll(0, SOCKETS))

    def _step(self, event: m.Event) -> None:
        now = time.monotonic()
        self.recorder.note(now, event)
        self._perform(self.engine.step(now, event), now)

    async def _wind_up(self) -> None:
        """All is handed over: let scripts finish, undo what we did to the host. Addresses that are to stay need their
        links and sysctls; the next run finds them written down and gives them back. Only the fence has to go."""
        await self.notifier.drain(SCRIPTS)
        if not self.keep:
            self.routes.release()
            with suppress(OSError):
                await self.link_lane.release()
            with suppress(OSError):
                await trio.to_thread.run_sync(self.sysctls.restore)
        with trio.move_on_after(FENCE):
            await self.gate.release()
        self._send_snapshot(time.monotonic())
        self.line.send({"do": "finished"})

    # ------------------------------------------------------------------------------------------------- effects

    def _send(self, effect: m.Advertise) -> int:
        return self.wire.advertise(effect.router, effect.priority)

    def _perform(self, effects: list[m.Effect], now: float) -> None:
        failed: dict[str, int] = {}
        sent = self.outbox.pick_up()
        for position, effect in enumerate(effects):
            if isinstance(effect, m.Advertise):
                errno = sent.get(position)
                if errno is None:
                    errno = self._send(effect)
                if errno:
                    failed[effect.router] = errno
                self.testament.note_advert(effect.router)
            elif isinstance(effect, m.Renew):
                if effect.router not in failed:
                    self.addresses.renew(effect.addresses)
            else:
                _PERFORM[type(effect)](self, effect)
        for router, errno in failed.items():
            refused = m.Refused(router, None, errno)
            self.recorder.note(now, refused)
            self._perform(self.engine.step(now, refused), now)

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

    def _heard(self, event: m.Heard) -> None:
        own = self.engine.host.links.get(event.interface)
        if own is None or event.mac != own.mac:
            self._step(event)

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
        self.sockets_changed = True
        self.links.stale |= effect.close
        self.gate.places_changed()

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
        router = self.engine.routers.get(effect.router)
        if router is not None and effect.state is m.State.MASTER:
            self.new_masters.append(effect.router)
        if self.said_states.get(effect.router) is not effect.state:  # the lvs worker may follow it
            self.said_states[effect.router] = effect.state
            self.line.send({"do": "router", "name": effect.router, "state": effect.state})
        self.testament.note(effect.router)
        self._show_soon()
        self.gate.holders_changed()
        self.routes.holders_changed()

    def _show_soon(self) -> None:
        """There is something new for those who look at our status."""
        now = time.monotonic()
        self.snapshot_at = min(self.snapshot_at, now + SNAPSHOT_GAP)
        self.snapshot_latest = min(self.snapshot_latest, now + SNAPSHOT_GAP_MAX)

    def _keep_secondaries(self) -> None:
        """While MASTER: an expiring first address must not take a later one of the same network with it. None expires
        within a second, so the first addresses go to the kernel before this."""
        interfaces: set[str] = set()
        for router in [self.engine.routers.get(name) for name in self.new_masters]:
            if router is not None and (router.holding.lease is not None or router.settings.promote_secondaries):
                interfaces.update(v.address.interface for v in router.holding.addresses if v.address.ip.version == 4)
        self.new_masters.clear()
        for interface in interfaces:
            with suppress(OSError):
                self.sysctls.set(f"ipv4/conf/{interface}/promote_secondaries", "1")

    def _write_log(self, effect: m.Log) -> None:
        self.log(effect.level, effect.text, effect.detail)

    def _finish(self, _: m.Finished) -> None:
        self.finished.set()

    # ------------------------------------------------------------------------------------------------- readers

    def _watch(self, fd: int, reader: Callable[[], None]) -> None:
        self.readers[fd] = reader
        self.epoll.register(fd, select.EPOLLIN)

    def _unwatch(self, fd: int) -> None:
        if self.readers.pop(fd, None) is not None:
            with suppress(OSError):
                self.epoll.unregister(fd)

    def _watch_ear(self, ear: wire_lane.Ear) -> None:
        self._watch(ear.sock.fileno(), lambda: self._packets(ear))

    def _unwatch_ear(self, ear: wire_lane.Ear) -> None:
        self._unwatch(ear.sock.fileno())

    def _packets(self, ear: wire_lane.Ear) -> None:
        try:
            packets = self.wire.receive(ear)
        except OSError:
            return
        self.heard += len(packets)
        step, note, now = self.engine.step, self.recorder.note, time.monotonic()
        for packet in packets:
            note(now, packet)
            effects = step(now, packet)
            if effects:
                self._perform(effects, now)
                now = time.monotonic()
        if self.wire.flood(self.engine.discarded, now):
            self.log(m.Level.WARNING, "flood of bad packets: dropping what the kernel can tell apart")
            self._show_soon()

    def _timer_fired(self) -> None:
        self.timer.read()
        self.armed = 0.0

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

    # ------------------------------------------------------------------------------------------------- the parent

    def _on_signal(self, number: int, _: object) -> None:
        with suppress(OSError):
            os.write(self.signals_out, bytes([number]))

    def _signalled(self) -> None:
        for number in os.read(self.signals_in, 64):
            if number == signal.SIGTERM:
                self._stop("signal")

    def _stop(self, who: str, keep: bool = False) -> None:
        """Stop, as `who` wants. Only who says so twice is in a hurry: when the supervisor goes, the end of its line,
        its last order and the kernel's signal may all come, and mean the same."""
        again = who in self.stoppers and os.getppid() == self.parent
        self.stoppers.add(who)
        self.keep = self.keep or keep
        if self.keep:
            self.routes.keep()
        self._step(m.Stopped(at_once=again, keep=self.keep))

    def _line_readable(self) -> None:
        for message in self.line.receive():
            if isinstance(message.body, Settings):
                self._reload(message.body)
            else:
                self._obey(message.body)
        if self.line.closed:
            self._unwatch(self.line.fileno())
            if not self.stoppers:
                self.log(m.Level.WARNING, "the supervisor is gone: stopping")
                self._stop("line")

    def _obey(self, order: dict[str, Any]) -> None:
        match order.get("do"):
            case "stop":
                self._stop("order", bool(order.get("keep")))
            case "snapshot":
                self._send_snapshot(time.monotonic())
            case "record":
                self.record("as ordered", lambda path: self.line.send({"do": "recorded", "path": os.fsdecode(path)}))
            case "clear":
                for router in self.engine.routers.values():
                    router.counters = dict.fromkeys(router.counters, 0)
            case "tracked":
                well, value = order.get("well"), int(order.get("value", 0))
                self._step(m.Tracked(order["kind"], order["name"], well, value, str(order.get("why", ""))))
            case "standby" | "resume":
                seconds = order.get("seconds")
                until = NEVER if seconds is None else time.monotonic() + seconds
                names = tuple(order.get("routers") or self.engine.routers)
                self._step(m.Commanded(order["do"], names, until, bool(order.get("even_if_alone"))))

    def record(self, why: str, done: Callable[[bytes], None] | None = None) -> None:
        """Write down what the engine was told lately: see `write_recording`."""
        write_recording(self.recorder, self.start.run_directory, self.errands, self.log, why, done)

    def _reload(self, settings: Settings) -> None:
        """Take up new settings, once the links are there that they need; meanwhile nothing changes for anybody."""
        self.links.prepare(settings, lambda: self._take_up(settings))

    def _take_up(self, settings: Settings) -> None:
        if self.stoppers:
            return
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
        self._hand_up_sockets()
        self.line.send({"do": "reloaded"})

    def _hand_up_sockets(self) -> None:
        """Give the parent duplicates of sockets for the next worker: those that receive, lest it miss an advert, and
        the one that announces, because the kernel, who takes long to close a packet socket, tells of our death only
        when all that was ours alone is closed."""
        self.sockets_changed = False
        sockets = [(ANNOUNCEMENTS, self.announcements.mouth), *self.wire.describe().items()]
        for begin in range(0, len(sockets), FDS_MAX):
            keys, fds = zip(*sockets[begin : begin + FDS_MAX], strict=True)
            self.line.send({"do": "sockets", "fds": keys, "last": begin + FDS_MAX >= len(sockets)}, fds)

    def _send_snapshot_in_peace(self, now: float) -> None:
        """Now, unless something else is due before it would be done: then after that, if it does not get too late."""
        soonest = self.engine.soonest
        if soonest - now > QUIET or now >= self.snapshot_latest:
            self._send_snapshot(now)
        else:
            self.snapshot_at = min(max(now, soonest) + SNAPSHOT_PAUSE, self.snapshot_latest)

    def _send_snapshot(self, now: float) -> None:
        self.snapshot_at = self.snapshot_latest = NEVER
        routers = snapshots(self.engine, now, time.time(), self.gate.unfenced, self.shown)
        documents = [to_document(router) for router in routers]
        self.line.send({
            "do": "snapshot", "routers": documents, "groups": [to_document(group) for group in groups(self.engine)],
            "recorder": len(self.recorder),
            "packets": packets(self.engine, self.wire.floods), "flooded": self.wire.flooded,
        })
        if self.sockets_changed:
            self._hand_up_sockets()


_PERFORM: dict[type, Callable[[VrrpProcess, Any], None]] = {
    m.Reconcile: VrrpProcess._reconcile,
    m.Announce: VrrpProcess._announce,
    m.Listen: VrrpProcess._listen,
    m.Rebind: VrrpProcess._rebind,
    m.NotifyChange: VrrpProcess._notify,
    m.Changed: VrrpProcess._changed,
    m.Log: VrrpProcess._write_log,
    m.Finished: VrrpProcess._finish,
}
