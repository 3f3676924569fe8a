"""A simulated host: a kernel that keeps addresses and a fence, and a worker process that drives a real engine.

The worker does what `hakeep.vrrp.process` does, and it can be frozen, killed and started again while the kernel goes
on. What comes while it is frozen waits in its queues.
"""

from __future__ import annotations

from errno import EBUSY, ENETDOWN, ENOBUFS
from typing import TYPE_CHECKING

from hakeep.objects.diff import Remove
from hakeep.objects.rtnl import PROTO_KEEPALIVED, Address, AddressKey, Link
from hakeep.vrrp import messages as m
from hakeep.vrrp.engine import Engine, Mark
from hakeep.vrrp.fence import fence_timeout
from hakeep.vrrp.transmit import Transmitter

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Packets that a socket keeps for a process that does not read.
BACKLOG = 200

#: The worker turns at least this often, in seconds, and notices that its host has slept.
HEARTBEAT = 0.5

#: A timer wakes its process up to this much too late, in seconds.
TIMER_LATE = 0.0002

NEVER = float("inf")


class Kernel:
    """The addresses of a host, with their lifetimes, and the fence before them.

    `reach` are the spans of time in which neighbours could reach the virtual addresses here: the first of them is
    there, the link is up and the fence is open.
    """

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        shape = world.shape
        self.fence = fence_timeout(shape.instance(number)) if shape.fence else 0.0
        own = Address("eth0", shape.sources[number], 24 if shape.family == 4 else 64, proto=0)
        other = Address("eth0", shape.sources[number] + 100, own.prefix, proto=0)
        self.foreign = {own.key: own, other.key: other}
        self.addresses: dict[AddressKey, Address] = dict(self.foreign)
        self.ends: dict[AddressKey, float] = {}
        self.link = Link(2, "eth0", up=True, running=True, mac=bytes((2, 0, 0, 0, 0, number)))
        self.first: AddressKey = ("", shape.sources[number], 0)
        self.open_until = -NEVER
        self.asleep = False
        self.reach: list[list[float]] = []

    # -- addresses

    def put(self, address: Address) -> None:
        """RTM_NEWADDR. The lifetime is swept once a second, so it ends up to a second late."""
        self.addresses[address.key] = address
        if address.valid_lft is None:
            self.ends.pop(address.key, None)
        else:
            scheduled = address.key in self.ends
            self.ends[address.key] = self.world.now + address.valid_lft + self.world.random.random()
            if not scheduled:
                self.world.at(self.ends[address.key], self._sweep, address.key)
        self.look()

    def drop(self, key: AddressKey) -> None:
        """RTM_DELADDR."""
        self.addresses.pop(key, None)
        self.ends.pop(key, None)
        self.look()

    def _sweep(self, key: AddressKey) -> None:
        end = self.ends.get(key)
        if end is None:
            return
        if end > self.world.now + 1e-9 or self.asleep:
            self.world.at(max(end, self.world.now + 0.1), self._sweep, key)
            return
        gone = self.addresses[key]
        self.drop(key)
        self.world.note(self.number, "expired", key[1])
        self.world.hosts[self.number].tell(m.AddressChanged(gone, False, 0))

    # -- reachability

    def look(self) -> None:
        """Open or close the present span."""
        now = self.world.now
        there = self.first in self.addresses and self.link.usable and not self.asleep
        if there and self.fence and now >= self.open_until:
            there = False
        span = self.reach[-1] if self.reach else None
        if span is not None and span[1] > now:
            if not there:
                span[1] = now
            elif self.fence:
                span[1] = self.open_until
        elif there:
            self.reach.append([now, self.open_until if self.fence else NEVER])

    def advert_left(self) -> None:
        """An advert of priority > 0 has passed the egress hook."""
        if self.fence:
            was_open = self.open_until > self.world.now
            self.open_until = self.world.now + self.fence
            if was_open and self.reach and self.reach[-1][1] > self.world.now:
                self.reach[-1][1] = self.open_until
            else:
                self.look()


class Host:
    """A router's host. `mono` is its monotonic clock, which stands still while the host sleeps."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.kernel = Kernel(world, number)
        self.priority = world.shape.priorities[number]
        self.engine: Engine | None = None
        self.transmitter: Transmitter | None = None
        self.starting = False  # a respawn is under way, packets wait in the inherited sockets
        self.frozen = False
        self.slept = 0.0
        self.unseen_sleep = 0.0
        self.wall = 1e9
        self.packets: list[m.Received] = []
        self.news: list[m.Event] = []
        self.refuse_adverts = False
        self.refuse_changes = False
        self.standby = False
        self.listening = False
        self.tick_at = NEVER
        self.lane_busy = False
        self.dirty = False
        self.ident = 0
        self.life = 0
        self.before: m.State | None = None  # before the step whose effects are being carried out
        self.stolen: list[float] = []
        self.master_since = 0.0
        self.changed_at = 0.0
        self.gave_way: list[float] = []  # when it ceased to be MASTER and kept its addresses for a moment
        self.adverts: list[float] = []  # when adverts of priority > 0 left
        self.idle: list[list[float]] = [[0.0, NEVER]]  # when no worker ran

    @property
    def mono(self) -> float:
        return self.world.now - self.slept

    @property
    def state(self) -> m.State | None:
        """None without a worker."""
        return self.engine.routers["V"].state if self.engine is not None and "V" in self.engine.routers else None

    @property
    def able(self) -> bool:
        """Could it serve: it runs, and nothing is in its way."""
        free = not self.refuse_adverts and not self.refuse_changes
        return self.runs and free and self.state is not m.State.STOP

    @property
    def runs(self) -> bool:
        """A worker turns and has a link."""
        return self.engine is not None and not self.frozen and not self.kernel.asleep and self.kernel.link.usable

    # -- life

    def start(self, marks: dict[str, Mark] | None = None) -> None:
        """A new worker. With marks it goes on where a dead one left off, and finds its packets."""
        self.life += 1
        if marks is None:
            self.before = None
        self.starting = self.frozen = self.lane_busy = self.dirty = self.listening = False
        self._runs(True)
        self.unseen_sleep = 0.0
        self.news.clear()
        self.engine = Engine(
            self.world.shape.settings(self.number, self.priority), self.mono, links=(self.kernel.link,),
            addresses=self.kernel.addresses.values(), marks=marks,
        )
        router = self.engine.routers["V"]
        self.kernel.first = router.holding.addresses[0].address.key
        waiting, self.packets = self.packets if marks is not None else [], []
        self._perform(self.engine.begin())
        for packet in waiting:
            self._step(packet)
        self._arm()

    def kill(self) -> None:
        """SIGKILL: the worker is gone, the kernel keeps what it has."""
        self.life += 1
        if self.transmitter is not None:
            self.ident = self.transmitter.ident
        self.engine = self.transmitter = None
        self.frozen = self.starting = False
        self._runs(False)
        self.packets.clear()
        self.tick_at = NEVER

    def respawn(self) -> None:
        """The supervisor starts a new worker for a killed one at once."""
        if self.engine is None:
            return
        router = self.engine.routers["V"]
        marks = {"V": Mark(router.beat.last_sent, router.memory.as_dict())} if router.state is m.State.MASTER else {}
        self.kill()
        self.starting = True
        self.world.later(self.world.random.uniform(0.01, 0.1), self._respawned, marks)

    def _respawned(self, marks: dict[str, Mark]) -> None:
        if self.starting:
            self.start(marks)

    def _runs(self, does: bool) -> None:
        was = self.idle[-1][1] < NEVER
        if does and not was:
            self.idle[-1][1] = self.world.now
        elif was and not does:
            self.idle.append([self.world.now, NEVER])

    def freeze(self) -> None:
        self.frozen = True
        self._runs(False)

    def thaw(self) -> None:
        """It runs again: what waits is taken in, in any order of kinds, and then what is due."""
        if not self.frozen or self.engine is None:
            return
        self.frozen = False
        self._runs(True)
        kinds: list[list[m.Event]] = [list(self.packets), self.news]
        self.packets, self.news = [], []
        self.world.random.shuffle(kinds)
        for events in kinds:
            for event in events:
                self._step(event)
        self._tick()
        if self.dirty or self.lane_busy:
            self.lane_busy = False
            self._lane()

    # -- events

    def tell(self, event: m.Event) -> None:
        """News for the worker."""
        if self.engine is None:
            return
        if self.frozen or self.kernel.asleep:
            self.news.append(event)
        else:
            self._step(event)
            self._arm()

    def hear(self, data: bytes, source: bytes, group: bytes) -> None:
        """A VRRP packet has arrived at the socket."""
        if self.kernel.asleep or not self.kernel.link.usable:
            return
        packet = m.Received("eth0", data, source, group, 255, self.mono, self.world.now + self.wall)
        if self.frozen or self.starting:
            if len(self.packets) < BACKLOG:
                self.packets.append(packet)
        elif self.engine is not None:
            if self.unseen_sleep:
                self._step(m.Ticked())
            effects = self.engine.step(self.mono, packet)
            if effects or self.world.trace is not None:
                self._perform(effects, packet)
            self._arm()

    def _tick_now(self, at: float) -> None:
        if at == self.tick_at and not self.frozen and not self.kernel.asleep:
            self.tick_at = NEVER
            self._tick()

    def _tick(self) -> None:
        engine = self.engine
        for _ in range(1000):
            if self.engine is not engine or engine is None or engine.deadline > self.mono:
                break
            self._step(m.Ticked())
        else:
            raise AssertionError("the engine's deadline does not move")
        self._arm()

    def _arm(self) -> None:
        engine = self.engine
        if engine is None or self.frozen:
            return
        at = engine.deadline + self.slept + (1e-9 if self.slept else 0.0)  # never before it, by rounding
        if at < self.tick_at or self.tick_at < self.world.now:
            self.tick_at = at
            if at < NEVER:
                late = self.world.random.random() * TIMER_LATE
                self.world.at(max(at, self.world.now) + late, self._tick_now, at)

    def _step(self, event: m.Event) -> None:
        if self.engine is None:
            return
        if self.unseen_sleep:
            slept, self.unseen_sleep = self.unseen_sleep, 0.0
            self._step(m.Woken(slept))
        self._perform(self.engine.step(self.mono, event), event)

    # -- effects

    def _perform(self, effects: list[m.Effect], event: m.Event | None = None) -> None:
        world = self.world
        if world.trace is not None:
            world.note(self.number, event, effects)
        failed = 0
        for effect in effects:
            kind = type(effect)
            if kind is m.Advertise:
                failed = self._advertise(effect.priority)  # type: ignore[union-attr]
            elif kind is m.Renew:
                if not failed:
                    self._renew(effect.addresses)  # type: ignore[union-attr]
            elif kind is m.Announce:
                self._announce(effect.addresses)  # type: ignore[union-attr]
            elif kind is m.Reconcile:
                self.dirty = True
            elif kind is m.Rebind:
                self._rebind(effect)  # type: ignore[arg-type]
            elif kind is m.Listen:
                self.listening = effect.on  # type: ignore[union-attr]
            elif kind is m.Finished:
                self.kill()
                return
        if failed and self.engine is not None:
            self._step(m.Refused("V", None, failed))
        for check in world.after_step:
            check(self, event, effects)
        if self.dirty and not self.lane_busy:
            self._lane()

    def _advertise(self, priority: int) -> int:
        if self.transmitter is None:
            return ENETDOWN
        packets = self.transmitter.packets(priority, self.world.now + self.wall)
        if not self.kernel.link.usable:
            return ENETDOWN
        if self.refuse_adverts:
            return ENOBUFS
        for check in self.world.on_advert:
            check(self, priority)
        for _, data in packets:
            self.world.segment.carry(self.number, data)
        if priority:
            self.adverts.append(self.world.now)
            self.kernel.advert_left()
        return 0

    def _renew(self, addresses: tuple[Address, ...]) -> None:
        if self.world.shape.lane < 0.01:
            self._renewed(addresses, self.life)
        else:
            self.world.later(self.world.random.random() * 0.005, self._renewed, addresses, self.life)

    def _renewed(self, addresses: tuple[Address, ...], life: int) -> None:
        """As the worker does: what is not held any more is not renewed."""
        if life != self.life or self.engine is None or self.frozen or self.kernel.asleep or self.refuse_changes:
            return
        router = self.engine.routers["V"]
        if router.state is not m.State.MASTER and not router.holding.leaving:
            return
        for address in addresses:
            if address.key in router.holding.held:
                self.kernel.put(address)
        self._step(m.Applied(tuple(address.key for address in addresses), ()))
        self._arm()

    def _announce(self, addresses: tuple[m.VirtualAddress, ...]) -> None:
        if self.kernel.link.usable:
            for virtual in addresses:
                self.world.segment.announce(self.number, virtual.address.ip)

    def _rebind(self, effect: m.Rebind) -> None:
        if self.transmitter is not None:
            self.ident = self.transmitter.ident
        self.transmitter = None
        if not effect.close and effect.source is not None and self.engine is not None:
            router = self.engine.routers["V"]
            self.transmitter = Transmitter(router.settings, effect.source, router.memory, self.ident)

    # -- the kernel lane

    def _lane(self) -> None:
        self.lane_busy = True
        self.world.later(self.world.random.random() * self.world.shape.lane, self._carry_out, self.life)

    def _carry_out(self, life: int) -> None:
        """Compare and apply; the acknowledgement comes a little later."""
        if life != self.life or self.engine is None or self.frozen or self.kernel.asleep:
            return
        self.dirty = False
        added: list[AddressKey] = []
        removed: list[AddressKey] = []
        refused: list[AddressKey] = []
        for change in self.engine.changes(("V",)):
            for check in self.world.on_change:
                check(self, change)
            if self.refuse_changes:
                refused.append(change.key)
            elif isinstance(change, Remove):
                self.kernel.drop(change.key)
                removed.append(change.key)
            else:
                self.kernel.put(change.wanted)
                added.append(change.key)
        self.world.later(0.0001, self._acknowledged, tuple(added), tuple(removed), refused, life)

    def _acknowledged(
        self, added: tuple[AddressKey, ...], removed: tuple[AddressKey, ...], refused: list[AddressKey], life: int
    ) -> None:
        if life != self.life or self.engine is None:
            return
        if self.frozen or self.kernel.asleep:
            self.news.append(m.Applied(added, removed))
            return
        self.lane_busy = False
        if added or removed:
            self._step(m.Applied(added, removed))
        for key in refused:
            self._step(m.Refused("", key, EBUSY))
        self._arm()
        if self.dirty and not self.lane_busy and self.engine is not None:
            self._lane()

    # -- what faults do to it

    def set_link(self, up: bool) -> None:
        """Carrier lost or back. The kernel drops IPv6 addresses when the link goes down."""
        old = self.kernel.link
        self.kernel.link = Link(2, "eth0", up=True, running=up, mac=old.mac)
        self.kernel.look()
        self.tell(m.LinkChanged("eth0", self.kernel.link))

    def steal(self) -> None:
        """Somebody deletes the first virtual address; not so often that we would stop putting it back at once."""
        self.stolen = [at for at in self.stolen if at > self.world.now - 10.0]
        if len(self.stolen) > 2:
            return
        self.stolen.append(self.world.now)
        address = self.kernel.addresses.get(self.kernel.first)
        if address is not None and address.proto == PROTO_KEEPALIVED:
            self.kernel.drop(address.key)
            self.tell(m.AddressChanged(address, False, 4711))

    def sleep(self) -> None:
        """The whole host stops."""
        self.kernel.asleep = True
        self.kernel.look()

    def wake(self, seconds: float) -> None:
        """It goes on; jiffies, and so lifetimes and the fence, stood still."""
        kernel = self.kernel
        kernel.asleep = False
        self.slept += seconds
        if kernel.open_until > self.world.now - seconds:
            kernel.open_until += seconds
        kernel.ends = {key: end + seconds for key, end in kernel.ends.items()}
        kernel.look()
        self.world.wakes.append(self.world.now)
        if self.engine is not None:
            self.unseen_sleep += seconds
            self.world.later(self.world.random.random() * HEARTBEAT, self._turn)
            news, self.news = self.news, []
            self.tick_at = NEVER
            for event in news:
                self._step(event)
            if self.dirty or self.lane_busy:
                self.lane_busy = False
                self._lane()
            self._arm()

    def _turn(self) -> None:
        if self.unseen_sleep and not self.frozen and not self.kernel.asleep:
            self._step(m.Ticked())
            self._arm()
