"""Sync groups in a world of their own: two or three hosts, two or three links, on each link one router of every host.

All routers of a host are one sync group, with a tracked script now and then. What may go wrong: links of hosts, cables
between two hosts, hosts that are killed, stopped, frozen or put in standby, scripts that fail, priorities that a reload
changes, members that a reload takes out of the group or out of the world for a while. Kernels are quick here and clocks
are perfect; what they can do to one router is the subject of the other worlds (`world`).

Invariants:

(g) after every step of an engine, the members of its group are of one mind, and addresses are held if and only if
    MASTER (or while they are handed over);
(a) when all has been well for two down intervals, exactly one host is MASTER, of all its routers, and it has all
    addresses; and where scripts differ, it is one with the best priority.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from ipaddress import ip_address
from random import Random
from typing import Any

from hakeep.config.settled import Global, Settings, SyncGroup, VirtualAddress, VrrpInstance
from hakeep.config.settled_track import Track
from hakeep.objects.diff import Remove
from hakeep.objects.rtnl import Address, AddressKey, Link
from hakeep.vrrp import messages as m
from hakeep.vrrp.engine import Engine, Mark
from hakeep.vrrp.router import VirtualRouter
from hakeep.vrrp.transmit import Transmitter
from tests.simulation.invariants import require

NEVER = float("inf")
LIVES = (m.State.MASTER, m.State.BACKUP, m.State.FAULT, m.State.INIT)


@dataclass(frozen=True)
class Shape:
    """One world. `weight` is that of the script, None = there is none."""

    interval: float
    links: int
    priorities: tuple[int, ...]
    nopreempt: bool
    weight: int | None
    last_standing: bool
    hold_down: float

    def settings(self, host: int, priority: int, grouped: int | None = None, there: int | None = None) -> Settings:
        """Of a host. Only the first `there` instances are there, and of these the first `grouped` are in the group."""
        tracks = () if self.weight is None else (Track("script", "chk", self.weight, group="G"),)
        names = tuple(f"V{link}" for link in range(self.links))
        instances = tuple(
            VrrpInstance(
                name, 50 + link, f"eth{link}", version=3, advert_int=self.interval, priority=priority,
                addresses=(VirtualAddress(Address("", ip_address(f"10.9.{link}.100"), 32)),), nopreempt=self.nopreempt,
                tracks=tracks, sync_group="G", last_standing=self.last_standing, hold_down=self.hold_down,
            )
            for link, name in enumerate(names[:there])
        )
        members = names[:there][:grouped]
        return Settings(
            Global(child_wait_time=10.0), instances, (SyncGroup("G", members),) if len(members) > 1 else ())

    @property
    def down(self) -> float:
        """The longest down interval."""
        return 4 * self.interval


def draw(random: Random) -> Shape:
    """Any world."""
    hosts = random.choice((2, 2, 3))
    return Shape(
        random.choice((1.0, 0.5, 0.1)), random.choice((2, 2, 3)), tuple(random.sample(range(2, 254), hosts)),
        random.random() < 0.2, random.choice((None, 0, 0, -40, 30)), random.random() < 0.3,
        random.choice((0.0, 0.0, 0.7)),
    )


class Host:
    """A host and its daemon."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.priority = world.shape.priorities[number]
        self.engine: Engine | None = None
        self.links = [Link(2 + n, f"eth{n}", True, True, bytes((2, 0, 0, 0, n, number)))
                      for n in range(world.shape.links)]
        own = [Address(f"eth{n}", ip_address(f"10.9.{n}.{number + 1}"), 24, proto=0) for n in range(world.shape.links)]
        self.kernel: dict[AddressKey, Address] = {address.key: address for address in own}
        self.transmitters: dict[str, Transmitter] = {}
        self.well: bool | None = True
        self.frozen = False
        self.waiting: list[m.Event] = []
        self.tick_at = NEVER

    # -- life

    def start(self, marks: dict[str, Mark] | None = None) -> None:
        self.transmitters.clear()
        self.frozen = False
        self.waiting.clear()
        self.engine = Engine(
            self.world.shape.settings(self.number, self.priority), self.world.now, links=self.links,
            addresses=self.kernel.values(), marks=marks,
        )
        self._perform(self.engine.begin())
        self.world.later(self.world.random.uniform(0.0, 0.3), self.know)

    def kill(self) -> None:
        """Nothing is left of it: the host loses its power."""
        self.engine = None
        self.kernel = {key: address for key, address in self.kernel.items() if address.proto != 18}

    def respawn(self) -> None:
        """Its worker dies, and another one goes on."""
        if self.engine is None:
            return
        marks = {
            name: Mark(router.beat.last_sent, router.memory.as_dict())
            for name, router in self.engine.routers.items() if router.state is m.State.MASTER
        }
        self.start(marks)
        self.know()

    def thaw(self) -> None:
        self.frozen = False
        waiting, self.waiting = self.waiting, []
        for event in waiting:
            self.tell(event)
        self.tick()

    def know(self) -> None:
        """The script has a result."""
        if self.world.shape.weight is not None:
            self.tell(m.Tracked("script", "chk", self.well))

    # -- events and effects

    def tell(self, event: m.Event) -> None:
        if self.engine is None:
            return
        if self.frozen:
            self.waiting.append(event)
            return
        self._perform(self.engine.step(self.world.now, event))

    def tick(self) -> None:
        for _ in range(1000):
            if self.engine is None or self.frozen or self.engine.deadline > self.world.now:
                break
            self._perform(self.engine.step(self.world.now, m.Ticked()))
        else:
            raise AssertionError("the engine's deadline does not move")

    def _tick_at(self, at: float) -> None:
        if at == self.tick_at:
            self.tick_at = NEVER
            self.tick()

    def _perform(self, effects: list[m.Effect]) -> None:
        dirty = False
        for effect in effects:
            match effect:
                case m.Advertise():
                    self._advertise(effect)
                case m.Rebind(router, source, close):
                    self.transmitters.pop(router, None)
                    if not close and source is not None and self.engine is not None:
                        it = self.engine.routers[router]
                        self.transmitters[router] = Transmitter(it.settings, source, it.memory)
                case m.Reconcile():
                    dirty = True
                case m.Finished():
                    self.engine = None
                    return
        if dirty:
            self._reconcile()
        self._of_one_mind()
        if self.engine is not None and self.engine.deadline < NEVER:
            self.tick_at = max(self.engine.deadline, self.world.now)
            self.world.at(self.tick_at, self._tick_at, self.tick_at)

    def _advertise(self, effect: m.Advertise) -> None:
        transmitter = self.transmitters.get(effect.router)
        link = int(effect.router[1:])
        if transmitter is not None and self.links[link].usable:
            for _, data in transmitter.packets(effect.priority, 1e9 + self.world.now):
                self.world.carry(self.number, link, data)

    def _reconcile(self) -> None:
        assert self.engine is not None
        added, removed = [], []
        for change in self.engine.changes(self.engine.routers):
            if isinstance(change, Remove):
                self.kernel.pop(change.key, None)
                removed.append(change.key)
            else:
                self.kernel[change.key] = change.wanted
                added.append(change.key)
        if added or removed:
            self._perform(self.engine.step(self.world.now, m.Applied(tuple(added), tuple(removed))))

    # -- what the invariants go by

    @property
    def routers(self) -> list[VirtualRouter]:
        return list(self.engine.routers.values()) if self.engine is not None else []

    @property
    def states(self) -> set[m.State]:
        return {router.state for router in self.routers}

    def _of_one_mind(self) -> None:
        if self.engine is None:
            return
        for group in self.engine.groups.values():
            live = {member.state for member in group.members if member.state in LIVES}
            require(len(live) <= 1, "g", f"host {self.number}: half a group, {group.members}: {live}")
        for router in self.engine.routers.values():
            held = router.state is m.State.MASTER or router.holding.leaving
            require(bool(router.holding.held) == held, "g", f"host {self.number} holds in {router.state}")

    @property
    def able(self) -> bool:
        return (
            self.engine is not None and not self.frozen and all(link.usable for link in self.links)
            and not (self.world.shape.weight == 0 and not self.well and not self.world.shape.last_standing)
        )


class World:
    """Everything, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.shape = draw(self.random)
        self.now = 0.0
        self.cuts: set[tuple[int, int, int]] = set()  # from host, to host, link
        self.moves = 0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0
        self.hosts = [Host(self, number) for number in range(len(self.shape.priorities))]

    def at(self, time: float, what: Callable[..., None], *arguments: Any) -> None:
        self._count += 1
        heappush(self._heap, (time, self._count, what, arguments))

    def later(self, seconds: float, what: Callable[..., None], *arguments: Any) -> None:
        self.at(self.now + seconds, what, *arguments)

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end:
            at, _, what, arguments = heappop(self._heap)
            self.now = max(self.now, at)
            what(*arguments)
        self.now = end

    def carry(self, sender: int, link: int, data: bytes) -> None:
        source = ip_address(f"10.9.{link}.{sender + 1}").packed
        group = ip_address("224.0.0.18").packed
        for host in self.hosts:
            if host.number != sender and (sender, host.number, link) not in self.cuts:
                self.later(self.random.uniform(0.00005, 0.0005), self._arrive, host, link, data, source, group)

    def _arrive(self, host: Host, link: int, data: bytes, source: bytes, group: bytes) -> None:
        if host.links[link].usable:
            host.tell(m.Received(f"eth{link}", data, source, group, 255, self.now, 1e9 + self.now))

    # -- the story

    def live(self, episodes: int = 12) -> World:
        for host in self.hosts:
            self.at(self.random.uniform(0.0, 2.0), host.start)
        self.rest()
        for _ in range(episodes):
            before = self.holder()
            healing = [self.random.choice(FAULTS)(self) for _ in range(self.random.choice((1, 1, 2)))]
            self.run(self.random.choice((0.05, 0.5, 1.5, 4.0)) * self.random.random() * self.shape.down)
            for heal in healing:
                heal()
            self.rest()
            self.moves += self.holder() is not before
        return self

    def rest(self) -> None:
        """All is well for long enough; then the invariants must hold."""
        self.run(2.5 * self.shape.down + 2.0 + 64 * self.shape.hold_down)
        able = [host for host in self.hosts if host.able]
        masters = [host for host in able if host.states == {m.State.MASTER}]
        require(len(masters) == 1, "a", f"at {self.now:.3f} MASTER are {[host.number for host in masters]} of {able}")
        missing = [link for link in range(self.shape.links)
                   if not any(str(key[1]) == f"10.9.{link}.100" for key in masters[0].kernel)]
        require(not missing, "a", f"the holder has not the addresses on {missing}")
        for host in self.hosts:
            if host is not masters[0]:
                held = [key for key, address in host.kernel.items() if address.proto == 18]
                require(not held, "a", f"host {host.number} has {held} and is {host.states}")
        if not self.shape.nopreempt:
            best = max(host.routers[0].rank.priority for host in able)
            mine = masters[0].routers[0].rank.priority
            require(mine == best, "a", f"{masters[0].number} is MASTER with {mine}, another one has {best}")

    def holder(self) -> Host:
        return next(host for host in self.hosts if host.states == {m.State.MASTER})


def _some(world: World) -> Host:
    return world.random.choice(world.hosts)


def link_down(world: World) -> Callable[[], None]:
    host, number = _some(world), world.random.randrange(world.shape.links)

    def put(running: bool) -> None:
        host.links[number] = replace(host.links[number], running=running)
        host.tell(m.LinkChanged(f"eth{number}", host.links[number]))

    put(False)
    return lambda: put(True)


def cut(world: World) -> Callable[[], None]:
    """A cable between two hosts, on one link or on all, in one direction or in both."""
    a, b = world.random.sample(range(len(world.hosts)), 2)
    links = world.random.choice((range(world.shape.links), [world.random.randrange(world.shape.links)]))
    cuts = {(a, b, link) for link in links}
    if world.random.random() < 0.7:
        cuts |= {(b, a, link) for link in links}
    world.cuts |= cuts

    def heal() -> None:
        world.cuts -= cuts

    return heal


def kill(world: World) -> Callable[[], None]:
    host = _some(world)
    host.kill()
    return lambda: host.start() if host.engine is None else None


def stop(world: World) -> Callable[[], None]:
    host = _some(world)
    host.tell(m.Stopped())

    def start() -> None:
        host.kill()
        host.start()

    return start


def respawn(world: World) -> Callable[[], None]:
    _some(world).respawn()
    return lambda: None


def freeze(world: World) -> Callable[[], None]:
    host = _some(world)
    host.frozen = True
    return host.thaw


def standby(world: World) -> Callable[[], None]:
    host = _some(world)
    name = world.random.choice(("G", "V0", "V1"))
    host.tell(m.Commanded("standby", (name,), even_if_alone=world.random.random() < 0.3))
    return lambda: host.tell(m.Commanded("resume", (name,)))


def script(world: World) -> Callable[[], None]:
    host = _some(world)

    def put(well: bool) -> None:
        host.well = well
        host.know()

    put(False)
    return lambda: put(True)


def priority(world: World) -> Callable[[], None]:
    """A reload with another priority. It stays, as long as it is nobody else's."""
    host = _some(world)
    free = [value for value in range(2, 254) if value not in {each.priority for each in world.hosts}]
    host.priority = world.random.choice(free)
    host.tell(m.Reloaded(world.shape.settings(host.number, host.priority)))
    return lambda: None


def regroup(world: World) -> Callable[[], None]:
    """A reload that dissolves the group, makes it smaller or leaves members out; the next one has it whole again."""
    host, count = _some(world), world.random.randrange(world.shape.links)
    missing = world.random.random() < 0.5

    def load(**more: int) -> None:
        host.tell(m.Reloaded(world.shape.settings(host.number, host.priority, **more)))
        host.know()

    load(**{"there" if missing else "grouped": max(count, 1)})
    return load


FAULTS = (link_down, link_down, cut, kill, stop, respawn, freeze, standby, script, script, priority, regroup)
