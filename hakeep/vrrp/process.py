"""The vrrp worker: the one place where the engine meets trio and Linux.

One loop touches the engine. It waits for anything to become readable or for the engine's deadline (a timerfd, because
`trio.sleep_until` is late by most of a millisecond), and then turns:

1. take packets in, at most 64, because what others said comes before what our timers want;
2. tell the engine what the kernel and the parent said;
3. if its deadline has passed, let it tick;
4. carry one chunk of address changes to the kernel, and announce what that brought.

Adverts leave in `_perform`, in the middle of a turn, and nothing that can wait comes before them. Scripts, nftables
and the log live elsewhere and cannot hold the loop up.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio
from outcome import Outcome

from hakeep import recordings
from hakeep.config.settled import Process, Settings
from hakeep.errands import Errands
from hakeep.kernel import links, sched, sysctl, wire_lane
from hakeep.kernel.address_writer import AddressWriter
from hakeep.kernel.announcing import Announcements
from hakeep.kernel.filter_lane import FilterLane
from hakeep.kernel.monitor import Monitor
from hakeep.kernel.netlink import Netlink, Overrun
from hakeep.kernel.nft import NftMonitor, Support
from hakeep.kernel.rtnl import Encoder
from hakeep.kernel.timer import Timer, suspended
from hakeep.notify.launcher import calm_down
from hakeep.notify.notifier import Notifier
from hakeep.objects.diff import Replace
from hakeep.objects.rtnl import Ipvlan, Macvlan
from hakeep.report.routers import bounds, snapshots
from hakeep.report.snapshot import to_document
from hakeep.vrrp import fence
from hakeep.vrrp import messages as m
from hakeep.vrrp import wanted as wanted_
from hakeep.vrrp.engine import Engine, Mark
from hakeep.vrrp.recording import Recorder, encode
from hakeep.vrrp.router import VirtualRouter
from hakeep.vrrp.timers import NEVER
from hakeep.worker import Line, Log, SharedPage, name_check

#: Packets taken in before timers are looked at.
PACKETS = 64

#: Seconds without news after which the worker turns all the same, to show that it is alive.
HEARTBEAT = 0.5

#: Addresses of a router for which messages and frames are made beforehand.
PREPARED = 1000

#: Seconds before a takeover at which to be awake.
EARLY = 0.0004

#: Seconds until sockets that could not be opened are tried again.
REBIND = 1.0

#: Seconds until address changes are tried again when netlink had no room.
NETLINK_RETRY = 0.1

#: Seconds that scripts have at the end.
SCRIPTS = 1.0

#: Seconds without anything due in which there is time to tidy up, which takes milliseconds.
QUIET = 0.05

#: New objects after which Python looks for garbage: when it is quiet, and at the latest.
GARBAGE, GARBAGE_MAX = 20_000, 200_000

#: Snapshots go up at most this often.
SNAPSHOT_GAP = 0.2

#: What is caught while serving; a child of ours is not to catch it.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Outbox(list[m.Effect]):
    """Where the engine puts its orders. An advert leaves the moment it is ordered, before the rest of the step is
    thought through: to take a thousand addresses is a millisecond of work, and backups are waiting.

    Only an order to open sockets may stand before it, then it waits for its turn in `VrrpProcess._perform`.
    """

    def __init__(self, send: Callable[[m.Advertise], int]) -> None:
        super().__init__()
        self._send = send
        self._results: dict[int, int] = {}
        self._ready: dict[int, int] = {}
        self._sockets_first = False

    def append(self, effect: m.Effect) -> None:
        kind = type(effect)
        if kind is m.Advertise and not self._sockets_first:
            self._results[len(self)] = self._send(effect)  # type: ignore[arg-type]
        elif kind is m.Rebind:
            self._sockets_first = True
        super().append(effect)

    def clear(self) -> None:
        self._ready, self._results = self._results, {}
        self._sockets_first = False
        super().clear()

    def pick_up(self) -> dict[int, int]:
        """The adverts among the orders of the last step that are out already, by position, with their errno or 0."""
        ready, self._ready = self._ready, {}
        return ready


class VrrpProcess:
    """Everything the worker has. `page` and `line` connect it to the parent; `inherited` are the receiving sockets of
    the worker before it, `marks` what that left on the page."""

    def __init__(
        self,
        settings: Settings,
        line: Line,
        page: SharedPage,
        log: Log,
        *,
        run_directory: Path,
        inherited: dict[str, int] | None = None,
        respawned: bool = False,
        fence_support: Support | None = None,
        keep: bool = False,
        standby: Mapping[str, m.Commanded] | None = None,
    ) -> None:
        self.settings = settings
        self.line = line
        self.page = page
        self.log = log
        self.standby = standby
        self.run_directory = run_directory
        self.support = fence_support or Support(False, "nftables was not asked")
        self.respawned = respawned
        self.epoll = select.epoll()
        self.readers: dict[int, Callable[[], None]] = {}
        self.timer = Timer()
        self.ports: set[int] = set()
        own_removals = Counter[bytes]()
        self.monitor = Monitor(self.ports, settings.globals.netlink_monitor_rcv_bufs, own_removals)
        self.netlink = Netlink()
        self.ports.add(self.netlink.port)
        self.monitor.mute(self.netlink.port)
        self.encoder = Encoder()
        self.writer = AddressWriter(self.netlink, self.encoder, self.monitor.index_of, own_removals)
        self.announcements = Announcements(self._watch, self._unwatch, self._heard)
        self.sysctls = self._sysctl_keeper(run_directory)
        self.links_netlink = Netlink()
        self.made: set[str] = set()
        self.virtual_links = links.VirtualLinks(self.links_netlink, self.sysctls, own_mark(settings))
        self.wire = wire_lane.WireLane(self._watch_ear, self._unwatch_ear, inherited)
        self.outbox = Outbox(self._send)
        self.notifier = Notifier(settings.globals, log)
        self.errands = Errands(self._watch, self._unwatch, log)
        self.filter_lane = FilterLane(log, self._filter_done)
        self.nft_monitor: NftMonitor | None = None
        self.dirty: set[str] = set()
        self.unfenced: dict[str, str] = {}
        self.slots: dict[str, int] = {}
        self.finished = trio.Event()
        self.outcome: Outcome[None] | None = None
        self.guest_work: deque[Callable[[], object]] = deque()
        self.guest_in, self.guest_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.snapshot_at = NEVER
        self.netlink_at = 0.0
        self.bounds: set[str] = set()
        self.filter_stale = True
        self.sockets_changed = False
        self.stoppers: set[str] = set()
        self.parent = os.getppid()
        self.keep = keep
        self.unbound: dict[str, float] = {}
        self.asleep = suspended()
        self.signals_in, self.signals_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    # ------------------------------------------------------------------------------------------------- starting

    def set_up(self) -> None:
        """Read the host, make VMACs, start the engine. Blocking calls are allowed here only."""
        self._make_links()
        host = self.monitor.resync()
        now = time.monotonic()
        self._count_slots()
        marks = self._marks() if self.respawned else {}
        for name, slot in self.slots.items():
            known = self.page.read(slot, name)
            if known is not None and self.respawned:
                self.wire.idents[name] = known.ident
        self.wire.all_vrids = self.settings.globals.log_unknown_vrids
        self.engine = Engine(
            self.settings, now, links=host.links, addresses=host.addresses, hold_until=self._hold_until(now),
            marks=marks, out=self.outbox, standby=self.standby,
        )
        self.recorder = Recorder(self.engine)
        for fd, reader in (
            (self.timer.fileno(), self._timer_fired),
            (self.monitor.fileno(), self._monitor_readable),
            (self.line.fileno(), self._line_readable),
            (self.signals_in, self._signalled),
        ):
            self._watch(fd, reader)
        self._perform(self.engine.begin(), now)
        self.notifier.update(self.settings.globals, self.settings.vrrp)

    def _sysctl_keeper(self, run_directory: Path) -> sysctl.SysctlKeeper:
        """What we borrowed is written down, so that a later run can give it back. A damaged file is put aside."""
        names = own_mark(self.settings).split(":")[1:]
        path = run_directory / ("_".join(["sysctl", *names]) + ".json")
        try:
            return sysctl.SysctlKeeper(path)
        except OSError as error:
            self.log(m.Level.ERROR, f"{error}: put aside, its settings stay as they are")
            with suppress(OSError):
                path.rename(path.with_suffix(".damaged"))
            return sysctl.SysctlKeeper(path)

    def _hold_until(self, now: float) -> float:
        globals_ = self.settings.globals
        until = now + globals_.vrrp_startup_delay if not self.respawned else 0.0
        if globals_.vrrp_delay_after_boot:
            uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
            until = max(until, now + globals_.vrrp_delay_after_boot - uptime)
        return until if until > now else 0.0

    def _marks(self) -> dict[str, Mark]:
        found = {}
        for name, index in self.slots.items():
            slot = self.page.read(index, name)
            if slot is not None and slot.state is m.State.MASTER:
                found[name] = Mark(slot.last_sent, slot.memory)
        return found

    def _count_slots(self) -> None:
        self.slots = {instance.name: index for index, instance in enumerate(self.settings.vrrp)}

    def _make_links(self) -> None:
        """VMACs and ipvlans: make what is configured, take over what is there, remove what is ours and unwanted."""
        for link in self._virtual_links():
            try:
                self.virtual_links.make(link)
                self.made.add(link.name)
            except OSError as error:
                self.log(m.Level.ERROR, f"cannot make {link.name} on {link.base}: {error.strerror}")
        try:
            for name in self.virtual_links.sweep():
                self.log(m.Level.NOTICE, f"removed {name}, which an earlier run left behind")
        except OSError as error:
            self.log(m.Level.WARNING, f"cannot clean up old links: {error}")

    def _drop_links(self) -> None:
        """After a reload: remove the links that nobody wants any more."""
        wanted = {link.name for link in self._virtual_links()}
        for name in self.made - wanted:
            with suppress(OSError):
                self.virtual_links.remove(name)
        self.made &= wanted

    def _virtual_links(self) -> list[Macvlan | Ipvlan]:
        found: list[Macvlan | Ipvlan] = []
        devices = wanted_.devices(self.settings)
        for instance in self.settings.vrrp:
            where = devices[instance.name]
            mac = bytes((0, 0, 0x5E, 0, 2 if instance.family == 6 else 1, instance.virtual_router_id))
            if instance.ipvlan is not None:
                found.append(Ipvlan(where.made, instance.interface, instance.ipvlan.mode))
            elif instance.vmac is not None:
                found.append(Macvlan(where.made, instance.interface, instance.vmac.mac or mac, instance.family == 6))
            found += [Macvlan(name, base, mac, instance.family == 6) for base, name in where.elsewhere]
        return found

    # ------------------------------------------------------------------------------------------------- the loop

    def run(self) -> None:
        """Serve until stopped and finished. Raises what a task raised.

        SIGQUIT has the flight recorder written, at once: a loop that does not turn any more is when it is wanted most.
        """
        signal.signal(signal.SIGQUIT, lambda *_: self.record("on SIGQUIT"))
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        gc.freeze()
        gc.disable()  # see _tidy_up
        self._watch(self.guest_in, self._guest_has_work)
        trio.lowlevel.start_guest_run(
            self._tasks, run_sync_soon_threadsafe=self._soon, done_callback=self._tasks_ended,
            host_uses_signal_set_wakeup_fd=True,
        )
        while self.outcome is None:
            self._turn()
            if not self._busy():
                self.timer.set(self._wake_at(time.monotonic()))
                self._read(self.epoll.poll(None, PACKETS))
        self.outcome.unwrap()

    async def _tasks(self) -> None:
        """What trio runs for us: scripts and nftables, and the winding up when the engine has finished."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.notifier.run)
            nursery.start_soon(self.filter_lane.run)
            self.line.send({"do": "started", "fds": self._tell_sockets()}, self._socket_fds())
            await self.finished.wait()
            await self._wind_up()
            nursery.cancel_scope.cancel()

    def _soon(self, work: Callable[[], object]) -> None:
        """Trio, perhaps in a thread of its, wants this done in the loop."""
        self.guest_work.append(work)
        with suppress(BlockingIOError):
            os.write(self.guest_out, b"x")

    def _guest_has_work(self) -> None:
        with suppress(BlockingIOError):
            os.read(self.guest_in, 4096)
        while self.guest_work:
            self.guest_work.popleft()()

    def _tasks_ended(self, outcome: Outcome[None]) -> None:
        self.outcome = outcome

    def _wake_at(self, now: float) -> float:
        soon = now + (0.01 if self.line.waiting else HEARTBEAT)
        if not self.writer.idle:
            soon = min(soon, self.netlink_at)
        early = EARLY if self.engine.takes_over_next else 0.0
        return min(self.engine.deadline - early, self.snapshot_at, soon)

    def _busy(self) -> bool:
        now = time.monotonic()
        kernel = (self.dirty or not self.writer.idle) and now >= self.netlink_at
        return bool(kernel) or self.engine.deadline <= now

    def _turn(self) -> None:
        now = time.monotonic()
        self.page.beat(now)
        asleep = suspended()
        if asleep > self.asleep + 0.02:
            self._step(m.Woken(asleep - self.asleep))
        self.asleep = asleep
        self._read(self.epoll.poll(0, PACKETS))
        if self.engine.takes_over_next:
            self._await_takeover()
        if self.engine.deadline <= time.monotonic():
            self._step(m.Ticked())
        self._kernel_lane()
        if self.engine.deadline <= time.monotonic():  # announcements of what the kernel has just acknowledged
            self._step(m.Ticked())
        self.line.flush()
        now = time.monotonic()
        self.wire.calm_down(now)
        if self.writer.idle and not self.dirty:
            self._afterwards(now)

    def _afterwards(self, now: float) -> None:
        """What can wait until addresses are where they belong. The fence can: an advert has just left, and before it
        could close the next ones are due."""
        if self.filter_stale:
            self._want_filter()
            self._tell_stakes()
        for name in [name for name, at in self.unbound.items() if now >= at]:
            router = self.engine.routers.get(name)
            if router is None:
                del self.unbound[name]
            else:
                self._rebind(m.Rebind(name, router.source))
        if now >= self.snapshot_at:
            self._send_snapshot(now)
        if self.errands:
            self.errands.end_overdue(now)
        self._tidy_up(self.engine.deadline - now > QUIET)

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
            self._read(self.epoll.poll(0, PACKETS))

    def _step(self, event: m.Event) -> None:
        now = time.monotonic()
        self.recorder.note(now, event)
        self._perform(self.engine.step(now, event), now)

    async def _wind_up(self) -> None:
        """All is handed over: let scripts finish, undo what we did to the host."""
        await self.notifier.drain(SCRIPTS)
        for undo in (self.virtual_links.remove_all, self.sysctls.restore):
            with suppress(OSError):
                await trio.to_thread.run_sync(undo)  # a link takes the kernel twenty milliseconds
        if self.filter_lane.nft.port:
            with trio.move_on_after(2.0):
                await self.filter_lane.release(fence.table_name(self.settings.globals))
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
                self._note(effect.router)
            elif isinstance(effect, m.Renew):
                if effect.router not in failed:
                    self.writer.put_renewals(effect.addresses)
            else:
                _PERFORM[type(effect)](self, effect)
        for router, errno in failed.items():
            refused = m.Refused(router, None, errno)
            self.recorder.note(now, refused)
            self._perform(self.engine.step(now, refused), now)

    def _reconcile(self, effect: m.Reconcile) -> None:
        self.dirty.update(effect.routers)

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
        self.filter_stale = True

    def _prepare(self, router: VirtualRouter) -> None:
        """Make now what a takeover would have to make first: messages and frames of the addresses."""
        addresses = router.holding.addresses[:PREPARED]
        self.announcements.prepare(addresses, self.engine.host.links)
        for virtual in addresses:
            index = self.monitor.index_of(virtual.address.interface)
            if index is not None:
                self.encoder.add(virtual.address, index)

    def _notify(self, effect: m.NotifyChange) -> None:
        router = self.engine.routers.get(effect.name)
        if router is not None:
            self.notifier.notify(effect, router.settings.notify)

    def _changed(self, effect: m.Changed) -> None:
        router = self.engine.routers.get(effect.router)
        if router is not None and effect.state is m.State.MASTER:
            self._keep_secondaries(effect.router)
        self._note(effect.router)
        self.snapshot_at = min(self.snapshot_at, time.monotonic() + SNAPSHOT_GAP)
        self.filter_stale = True

    def _note(self, name: str) -> None:
        """Write down on the shared page what a successor needs to know."""
        index = self.slots.get(name)
        router = self.engine.routers.get(name)
        if index is None or router is None:
            return
        mouth = self.wire.mouths.get(name)
        ident = mouth.transmitter.ident if mouth is not None else 0
        last_sent = router.last_sent if router.last_sent > 0 else 0.0
        self.page.write(index, name_check(name), router.state, last_sent, ident)
        if wire_lane.memory_to_keep(router):
            self.page.remember(index, router.memory.as_dict())

    def _keep_secondaries(self, name: str) -> None:
        """While MASTER: an expiring first address must not take a later one of the same network with it."""
        router = self.engine.routers[name]
        if router.holding.lease is None and not router.settings.promote_secondaries:
            return
        interfaces = {v.address.interface for v in router.holding.addresses if v.address.ip.version == 4}
        for interface in interfaces:
            with suppress(OSError):
                self.sysctls.set(f"ipv4/conf/{interface}/promote_secondaries", "1")

    def _write_log(self, effect: m.Log) -> None:
        self.log(effect.level, effect.text, effect.detail)

    def _finish(self, _: m.Finished) -> None:
        self.finished.set()

    # ------------------------------------------------------------------------------------------------- kernel lane

    def _kernel_lane(self) -> None:
        """One chunk of address changes. The kernel answers within the call, so the answers are taken at once."""
        writer = self.writer
        if self.dirty:
            renewals = [c for c in writer.withdraw() if isinstance(c, Replace) and c.have is c.wanted]
            held = self.engine.routers.values()
            still = {key for router in held if router.state is m.State.MASTER for key in router.holding.held}
            writer.put(c for c in renewals if c.key in still)
            writer.put(self.engine.changes(self.engine.routers))
            self.dirty.clear()
        if writer.idle or time.monotonic() < self.netlink_at:
            return
        try:
            writer.send_chunk()
            outcome = writer.collect()
        except OSError as error:  # ENOBUFS, ENOMEM: the changes stay in the queue
            self.log(m.Level.ERROR, f"the kernel takes no address changes now: {error}")
            self.netlink_at = time.monotonic() + NETLINK_RETRY
            return
        if outcome.added or outcome.removed:
            self._step(m.Applied(outcome.added, outcome.removed))
        for key, errno in outcome.refused:
            self._step(m.Refused("", key, errno))

    # ------------------------------------------------------------------------------------------------- filter lane

    def _want_filter(self) -> None:
        self.filter_stale = False
        engine = self.engine
        seats = {
            name: fence.Seat(
                router.devices.out, router.source,
                tuple((v.address.interface, v.address.ip) for v in router.holding.addresses),
            )
            for name, router in engine.routers.items()
        }
        instances = [r.settings for r in engine.routers.values()]
        plan = fence.wanted_filter(
            instances, engine.masters(), seats, engine.host.links, settings=self.settings.globals,
            vmacs=self._virtual_links(), no_fence="" if self.support.fence else self.support.reason,
        )
        self.unfenced = dict(plan.unfenced)
        self.filter_lane.want(plan.filter)

    def _unfenced(self) -> dict[str, str]:
        """Why a router has no fence at this moment."""
        lane = self.filter_lane
        if lane.error:
            return dict.fromkeys(self.engine.routers, f"nftables refuses: {lane.error.splitlines()[0]}")
        return self.unfenced

    def _tell_bounds(self) -> None:
        """Once for each set of bounds, when it is known whether the fence holds."""
        unfenced = self._unfenced()
        for router in self.engine.routers.values():
            text = bounds(router, router.name in unfenced)
            if text not in self.bounds:
                self.bounds.add(text)
                why = f" (no fence: {unfenced[router.name]})" if router.name in unfenced else ""
                router_and_like = f"({router.name}) and instances like it: " if len(self.engine.routers) > 1 else ""
                self.log(m.Level.INFO, f"{router_and_like}{text}{why}")

    def _tell_stakes(self) -> None:
        """For the guard: what depends on our heartbeat."""
        masters = [r for r in self.engine.routers.values() if r.state is m.State.MASTER]
        interval = min((r.settings.advert_int for r in masters), default=0.0)
        self.page.set_stakes(interval, min((r.holding.lease or 5 for r in masters), default=0))

    def _filter_done(self, declared: bool) -> None:
        self._tell_bounds()
        if self.nft_monitor is None and self.filter_lane.nft.port:
            with suppress(OSError):
                table = fence.table_name(self.settings.globals)
                self.nft_monitor = NftMonitor(table, self.filter_lane.nft)
                self._watch(self.nft_monitor.fileno(), self._nft_changed)
        if declared:
            for router in self.engine.routers.values():
                if router.state is m.State.MASTER:
                    self.wire.advertise(router.name, router.priority)

    def _nft_changed(self) -> None:
        assert self.nft_monitor is not None
        for disturbance in self.nft_monitor.receive():
            who = disturbance.who or "somebody"
            self.log(m.Level.WARNING, f"{who} changed our nftables table: putting it back")
            self.filter_lane.lost()

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
        engine, receive, note = self.engine, self.wire.receive, self.recorder.note
        for _ in range(PACKETS):
            try:
                packet = receive(ear)
            except OSError:
                return
            if packet is None:
                return
            now = time.monotonic()
            note(now, packet)
            effects = engine.step(now, packet)
            if effects:
                self._perform(effects, now)
        if self.wire.flood(self.engine.discarded, time.monotonic()):
            self.log(m.Level.WARNING, "flood of bad packets: dropping what the kernel can tell apart")

    def _timer_fired(self) -> None:
        self.timer.read()

    def _monitor_readable(self) -> None:
        for event in self.monitor.receive():
            if isinstance(event, Overrun):
                self._step(self.monitor.resync())
            else:
                self._step(event)
                if isinstance(event, m.LinkChanged):
                    self._link_news(event)

    def _link_news(self, event: m.LinkChanged) -> None:
        if self.finished.is_set():
            return  # what goes now, we removed
        self.announcements.forget()
        for link in self._virtual_links():
            gone = link.name == event.name and event.link is None
            if gone or (link.base == event.name and event.link is not None and link.name not in self.engine.host.links):
                with suppress(OSError):
                    self.virtual_links.make(link)
                    self.made.add(link.name)
        self.filter_stale = True

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
        self._step(m.Stopped(at_once=again, keep=keep or self.keep))

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
            case "standby" | "resume":
                seconds = order.get("seconds")
                until = NEVER if seconds is None else time.monotonic() + seconds
                names = tuple(order.get("routers") or self.engine.routers)
                self._step(m.Commanded(order["do"], names, until, bool(order.get("even_if_alone"))))

    def record(self, why: str, done: Callable[[bytes], None] | None = None) -> None:
        """Write down what the engine was told lately. A child does it, so that no advert waits, and if we die it stays.

        `done` is called with the path, b"" when it failed; without it nobody waits for the child.
        """
        name = recordings.file_name(os.getpid(), time.time())

        def work() -> bytes:
            calm_down()
            recording = self.recorder.take(time.time() - time.monotonic())
            path = recordings.store(self.run_directory, name, encode(recording, os.urandom(32)))
            self.log(m.Level.NOTICE, f"flight recorder written {why}: {path}")
            return os.fsencode(path) if done is not None else b""

        self.errands.send("writing the flight recorder", work, done or (lambda _: None), (*SIGNALS, signal.SIGQUIT))

    def _reload(self, settings: Settings) -> None:
        self.settings = settings
        self._count_slots()
        self._make_links()
        host = self.monitor.resync()
        for link in host.links:
            if link != self.engine.host.links.get(link.name):
                self._step(m.LinkChanged(link.name, link))
        self.wire.all_vrids = settings.globals.log_unknown_vrids
        self.notifier.update(settings.globals, settings.vrrp)
        self._step(m.Reloaded(settings))
        self._drop_links()
        for name in self.slots:
            self._note(name)
        self.filter_stale = True
        self.line.send({"do": "reloaded", "fds": self._tell_sockets()}, self._socket_fds())

    def _tell_sockets(self) -> list[str]:
        return list(self.wire.describe())[:60]

    def _socket_fds(self) -> tuple[int, ...]:
        return tuple(self.wire.describe().values())[:60]

    def _send_snapshot(self, now: float) -> None:
        self.snapshot_at = NEVER
        routers = snapshots(self.engine, now, time.time(), self._unfenced())
        documents = [to_document(router) for router in routers]
        self.line.send({"do": "snapshot", "routers": documents, "recorder": len(self.recorder)})
        if self.sockets_changed:
            self.sockets_changed = False
            self.line.send({"do": "sockets", "fds": self._tell_sockets()}, self._socket_fds())


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


def own_mark(settings: Settings) -> str:
    """What tells the links and files of this daemon from those of another one on the same host."""
    names = [name for name in (settings.globals.net_namespace, settings.globals.instance) if name]
    return ":".join(["hakeep", *names])


def _schedule(process: Process) -> None:
    if process.priority:
        sched.set_nice(process.priority)
    if process.no_swap:
        sched.lock_memory()
    if process.cpu_affinity:
        sched.set_cpu_affinity(process.cpu_affinity)
    if process.rt_priority:
        sched.set_realtime(process.rt_priority, process.rlimit_rttime)


def main(
    settings: Settings,
    line: Line,
    page: SharedPage,
    log: Log,
    *,
    parent: int,
    run_directory: Path,
    inherited: dict[str, int] | None = None,
    respawned: bool = False,
    fence_support: Support | None = None,
    keep: bool = False,
    standby: Mapping[str, m.Commanded] | None = None,
) -> int:
    """Be the vrrp worker until it is stopped. Returns the exit status: 0, or 4 without permission.

    `keep` leaves addresses where they are at the end. `standby` has the orders that hold for routers from the start.
    """
    process = settings.globals.vrrp_process
    with suppress(OSError):
        sched.set_process_name(process.name or "hakeepd_vrrp")
    try:
        sched.die_with_parent(parent)
    except OSError:
        return 0
    missing = sched.missing_capabilities()
    if missing:
        log(m.Level.ERROR, "; ".join(missing))
        return 4
    try:
        _schedule(process)
    except OSError as error:
        log(m.Level.WARNING, f"cannot set the scheduling of the vrrp worker: {error}")
    worker = VrrpProcess(
        settings, line, page, log, run_directory=run_directory, inherited=inherited, respawned=respawned,
        fence_support=fence_support, keep=keep, standby=standby,
    )
    worker.set_up()
    try:
        worker.run()
    except BaseException:
        with suppress(OSError):
            worker.record("because the worker dies")
        raise
    return 0
