"""Ten minutes in the life of two to five routers on one link, drawn from a seed.

The world is a heap of things that will happen. Nothing in it looks at a clock or at chance, but for its own `now` and
`random`, so a seed tells the same story every time.

The story: all routers start; then episode follows episode. In an episode one to three faults begin and end, then comes
quiet. A fault, or the end of one, begins a new `Stretch`: within one nothing changes from outside, and that is what
most invariants are about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Any

from hakeep.objects.rtnl import IPAddress
from hakeep.vrrp import messages as m
from tests.simulation.host import Host
from tests.simulation.invariants import Violated, moments
from tests.simulation.shape import Shape, draw

#: How long a world lives, in seconds.
LIFE = 600.0

CLIENT = -1

#: Seconds in which a router has told the others that it takes over, and all kernels have followed.
FLIP = 0.05


@dataclass
class Stretch:
    """A time in which nothing happens from outside. `able` and `side` are host numbers.

    `side` are those on the client's side of a partition, all if there is none. `whole` is False while packets get lost
    or a cut is not the same in both directions. `planned`: it began with an operator's order, in a settled world.
    """

    start: float
    what: str
    whole: bool
    side: frozenset[int]
    able: frozenset[int]
    planned: bool
    end: float = 0.0


@dataclass
class Announced:
    """The last announcement of an address that reached the client."""

    host: int
    at: float


class Segment:
    """The link: who hears whom, how late, and what the client makes of it."""

    def __init__(self, world: World, nodes: int) -> None:
        self.world = world
        self.everybody = range(nodes)
        self.latency = {
            (a, b): world.random.uniform(0.00005, 0.0003) for a in (*self.everybody, CLIENT) for b in self.everybody
        }
        self.cuts: set[tuple[int, int]] = set()
        self.loss = 0.0
        self.cache: dict[IPAddress, Announced] = {}
        self.source = [ip.packed for ip in world.shape.sources]
        self.group = world.shape.instance(0).multicast.packed  # type: ignore[union-attr]

    @property
    def whole(self) -> bool:
        return not self.loss and all((b, a) in self.cuts for a, b in self.cuts)

    @property
    def perfect(self) -> bool:
        return not self.loss and not self.cuts

    def side(self) -> frozenset[int]:
        return frozenset(n for n in self.everybody if (n, CLIENT) not in self.cuts)

    def carry(self, sender: int, data: bytes) -> None:
        """A multicast packet."""
        world = self.world
        for to in self.everybody:
            if to == sender or (sender, to) in self.cuts:
                continue
            if self.loss and world.random.random() < self.loss:
                continue
            world.at(
                world.now + self.latency[sender, to], world.hosts[to].hear, data, self.source[sender], self.group
            )

    def announce(self, sender: int, ip: IPAddress) -> None:
        """A broadcast announcement. Those who hand over listen, and the client believes the last one."""
        if (sender, CLIENT) not in self.cuts:
            self.cache[ip] = Announced(sender, self.world.now)
        for to in self.everybody:
            if to != sender and self.world.hosts[to].listening and (sender, to) not in self.cuts:
                self.world.later(
                    self.latency[sender, to], self.world.hosts[to].tell, m.Heard("eth0", ip.packed, bytes(6))
                )


@dataclass
class World:
    """Everything. `trace` collects lines when it is a list."""

    seed: int
    trace: list[str] | None = None
    life: float = LIFE
    now: float = 0.0
    shape: Shape = field(init=False)
    hosts: list[Host] = field(init=False)
    stretches: list[Stretch] = field(default_factory=list)
    disturbed: list[tuple[float, float]] = field(default_factory=list)
    refusals: list[tuple[float, float]] = field(default_factory=list)
    wakes: list[float] = field(default_factory=list)
    orders: list[float] = field(default_factory=list)
    imperfect_since: float | None = None
    settled: bool = False
    words_lost_until: float = 0.0
    client_cuts: list[list[float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.shape = draw(self.random)
        self.after_step, self.on_advert, self.on_change = moments.AFTER_STEP, moments.ON_ADVERT, moments.ON_CHANGE
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0
        self._over = False
        self.segment = Segment(self, len(self.shape.sources))
        self.hosts = [Host(self, n) for n in range(len(self.shape.sources))]

    # -- time

    def at(self, time: float, what: Callable[..., None], *arguments: Any) -> None:
        self._count += 1
        heappush(self._heap, (time, self._count, what, arguments))

    def later(self, seconds: float, what: Callable[..., None], *arguments: Any) -> None:
        self.at(self.now + seconds, what, *arguments)

    def live(self) -> World:
        """The whole story. Raises Violated."""
        from tests.simulation import faults  # it needs to know us

        faults.begin(self)
        heap = self._heap
        while not self._over:
            self.now, _, what, arguments = heappop(heap)
            what(*arguments)
        return self

    def finish(self) -> None:
        """The end, and the account of it all."""
        self._over = True
        self.stretches[-1].end = self.now
        for check in moments.AT_END:
            check(self)

    # -- what the invariants go by

    def mark(self, what: str, *, planned: bool = False) -> None:
        """Something has just happened from outside: a new stretch begins."""
        if self.trace is not None:
            self.note(CLIENT, what, "")
        if self.stretches:
            self.stretches[-1].end = self.now
        if planned:
            self.orders.append(self.now)
        self._note_imperfection()
        self.stretches.append(
            Stretch(
                self.now, what, self.segment.whole, self.segment.side(),
                frozenset(host.number for host in self.hosts if host.able),
                planned and self.settled and self.segment.perfect,
            )
        )
        self.settled = False

    def _note_imperfection(self) -> None:
        """A cut or a loss disturbs until it is over and everybody has heard from the master again."""
        if not self.segment.perfect:
            if self.imperfect_since is None:
                self.imperfect_since = self.now
        elif self.imperfect_since is not None:
            over = self.now + self.shape.longest_down + self.shape.interval
            self.disturbed.append((self.imperfect_since, over))
            self.imperfect_since = None

    def quiet(self) -> None:
        """It has been quiet for long enough. If a better router is just taking over, look again in a moment."""
        self.settled = True
        try:
            for check in moments.WHEN_QUIET:
                check(self)
        except Violated:
            if self.calm:
                raise
            self.later(FLIP + 0.001, self._look_again, self.stretches[-1])

    def _look_again(self, stretch: Stretch) -> None:
        if self.stretches[-1] is stretch:
            for check in moments.WHEN_QUIET:
                check(self)

    @property
    def calm(self) -> bool:
        """Nobody has just changed."""
        return max(host.changed_at for host in self.hosts) < self.now - FLIP

    def masters(self) -> list[int]:
        return [host.number for host in self.hosts if host.state is m.State.MASTER]

    # -- telling

    def note(self, who: int, what: object, more: object = "") -> None:
        if self.trace is not None:
            name = "world" if who == CLIENT else f"host {who}"
            self.trace.append(f"{self.now:10.5f} {name}: {_short(what)} {_short(more)}".rstrip())


def _short(value: object) -> str:
    if isinstance(value, m.Received):
        at = (value.data[0] & 15) * 4 if len(value.source) == 4 else 0
        at += 24 if at and value.data[9] == 51 else 0
        return f"advert {value.data[at + 2]} from ..{value.source[-1]} stamped {value.at:.4f}"
    if isinstance(value, list):
        return " | ".join(_short(effect) for effect in value)
    if isinstance(value, m.Log):
        return f'"{value.text}"'
    if isinstance(value, m.Announce):
        return "Announce(" + " ".join(str(v.address.ip) for v in value.addresses) + ")"
    if isinstance(value, m.Renew):
        return "Renew"
    if isinstance(value, m.Applied):
        return f"Applied(+{[str(key[1]) for key in value.added]} -{[str(key[1]) for key in value.removed]})"
    if value is None:
        return "begin"
    return str(value)


def run(seed: int, trace: list[str] | None = None, life: float = LIFE) -> World:
    """The world of a seed. Raises Violated, with the seed in its words."""
    world = World(seed, trace, life)
    try:
        return world.live()
    except Violated as violation:
        violation.add_note(f"seed {seed}, at {world.now:.5f} s, {world.shape}")
        raise
