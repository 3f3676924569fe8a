#!/usr/bin/env python3
"""Some minutes in the life of two engines and the wire between them, drawn from a seed.

    python -m tests.bfd.world --worlds 10000 [--seed N]      many worlds, from seed N on
    python -m tests.bfd.world --seed N                       one world, with its trace

The wire loses, delays and is cut, in one direction or both; workers die and are started again, with and without what
the one before knew; they stand still, are stopped, and get other settings. After each step these must hold:

* who is Up has heard something within its detection time, if it was not standing still;
* who says that it heard nothing for so long has heard nothing for so long, whatever it slept through;
* nobody sends periodic packets faster than both ends agreed on, or, Up and awake, slower;
* while the wire is whole and nobody is touched, nobody goes down;
* what was told is what is, but for AdminDown; and at the end, when all is quiet, both ends are Up.

Nothing in it looks at a clock or at chance but for its own `now` and `random`: a seed tells the same story every time.
Exit status 1 when a world failed.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from heapq import heappop, heappush
from ipaddress import ip_address
from pathlib import Path
from random import Random

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hakeep.bfd import messages as m
from hakeep.bfd.engine import Engine
from hakeep.config.settled_bfd import BfdInstance, BfdSettings
from hakeep.wire.bfd import Diagnostic, Packet, State, decode

LIFE = 60.0
ADDRESSES = (ip_address("10.9.0.1"), ip_address("10.9.0.2"))
TINY = 1e-7


class End:
    """One worker: its engine, what waits in its socket, and what it said."""

    def __init__(self, world: World, number: int, instance: BfdInstance) -> None:
        self.world, self.number, self.instance = world, number, instance
        self.queue: list[m.Received] = []
        self.awake_at = 0.0  # it stands still until then
        self.memory: m.Memory | None = None
        self.told: bool | None = None
        self.goodbye = False  # the other end said AdminDown last
        self.heard_at = float("-inf")  # the last good packet that reached its host
        self.periodic: tuple[float, Packet] | None = None
        self.blame = 0  # transitions out of Up
        self.engine: Engine | None = None

    def start(self, memory: m.Memory | None) -> None:
        world = self.world
        self.queue.clear()
        self.periodic = None
        self.told = None
        memories = {self.instance.name: memory} if memory else {}
        draw = Random(world.random.random()).randrange
        self.engine = Engine(BfdSettings((self.instance,)), world.now, draw, memories)
        if memory and memory.up:
            self.heard_at = world.now  # it is given the time to find out
        self.perform(self.engine.begin())

    @property
    def session(self):  # type: ignore[no-untyped-def]
        assert self.engine is not None
        return next(iter(self.engine.sessions))

    @property
    def deadline(self) -> float:
        if self.engine is None:
            return float("inf")
        return max(self.awake_at, self.world.now if self.queue else self.engine.deadline)

    def turn(self) -> None:
        """As the process does: first what was received, then what is due."""
        assert self.engine is not None
        queue, self.queue = self.queue, []
        for received in queue:
            self.step(received)
        if self.engine.deadline <= self.world.now:
            self.step(m.Ticked())

    def step(self, event: m.Event) -> None:
        assert self.engine is not None
        sessions = list(self.engine.sessions)
        before = (sessions[0].state, sessions[0].detect_time) if sessions else None
        effects = self.engine.step(self.world.now, event)
        self.perform(effects)
        if before and list(self.engine.sessions):
            self.judge(*before)

    def judge(self, was: State, detect_time: float) -> None:
        session, now = self.session, self.world.now
        if was is State.UP and session.state is not State.UP:
            self.blame += 1
            if session.diagnostic is Diagnostic.EXPIRED:
                assert now - self.heard_at >= detect_time - TINY, "a false alarm: it was heard in time"
        if session.state is State.UP:
            silence = now - self.heard_at
            assert silence <= session.detect_time + TINY or self.queue or self.awake_at >= now, "it is long gone"
        if self.told is not None and not self.goodbye:
            assert self.told == (session.state is State.UP), (self.told, session.state)

    def perform(self, effects: list[m.Effect]) -> None:
        for effect in effects:
            match effect:
                case m.Send(_, data):
                    self.look_at_pace(decode(data))
                    self.world.carry(self.number, data)
                case m.Tell(_, up, _):
                    assert self.told is not up, "told twice"
                    self.told = up
                case m.Remember(_, memory):
                    self.memory = memory
        for effect in effects:
            if not isinstance(effect, m.Send):
                self.world.note(self.number, effect)

    def look_at_pace(self, packet: Packet) -> None:
        if packet.final:
            return
        now, session = self.world.now, None
        if self.engine is not None and list(self.engine.sessions):
            session = self.session
        if self.periodic is not None and session is not None:
            at, last = self.periodic
            same = last._replace(poll=False) == packet._replace(poll=False) and session.since < now
            least = max(min(packet.desired_min_tx, session._tx_in_use), session.remote_min_rx)
            assert not same or now - at >= 0.75 * least - TINY, f"too fast: {now - at} of {least}"
        self.periodic = now, packet


class World:
    """A story. `trace` collects lines when it is a list."""

    def __init__(self, seed: int, trace: list[str] | None = None) -> None:
        self.random = Random(seed)
        self.trace = trace
        self.now = 1000.0
        self.loss = [0.0, 0.0]  # by the end that sends
        self.cut = [False, False]
        self.latency = self.random.choice([0.0, 0.0001, 0.003])
        self.arrived = [0.0, 0.0]
        self.under_way: list[tuple[float, int, int, bytes]] = []
        self.count = 0
        self.ends = [End(self, number, self._instance(number)) for number in (0, 1)]
        if all(end.instance.passive for end in self.ends):
            self.ends[0].instance = replace(self.ends[0].instance, passive=False)
        for end in self.ends:
            end.start(None)

    def _instance(self, number: int) -> BfdInstance:
        pick = self.random
        interval = pick.choice([0.01, 0.01, 0.05, 0.3])
        return BfdInstance(
            f"B{number}", ADDRESSES[1 - number], min_tx=interval * pick.choice([1, 1, 2]),
            min_rx=interval * pick.choice([1, 1, 3]), idle_tx=pick.choice([1.0, 1.0, 2.0]),
            multiplier=pick.choice([1, 2, 3, 5]), passive=pick.random() < 0.25)

    # -- the wire

    def carry(self, sender: int, data: bytes) -> None:
        if self.cut[sender] or self.random.random() < self.loss[sender]:
            return
        self.count += 1
        late = self.latency * (1 + 0.05 * self.random.random())
        self.arrived[sender] = max(self.arrived[sender], self.now + late)  # nothing overtakes
        heappush(self.under_way, (self.arrived[sender], self.count, sender, data))

    def _deliver(self) -> None:
        at, _, sender, data = heappop(self.under_way)
        if self.cut[sender]:
            return
        receiver = self.ends[1 - sender]
        if receiver.engine is None:
            return
        received = m.Received(data, ADDRESSES[sender].packed, ADDRESSES[1 - sender].packed, 3784, 255, at)
        packet = decode(data)
        session = receiver.session
        if packet.your_discriminator in (0, session.discriminator):
            receiver.heard_at = at
            receiver.goodbye = packet.state is State.ADMIN_DOWN or (
                receiver.goodbye and packet.state in (State.DOWN, State.INIT))
        receiver.queue.append(received)

    # -- time

    def until(self, end: float) -> None:
        while True:
            ends = [each for each in self.ends if each.engine is not None]
            at = min([each.deadline for each in ends] + [self.under_way[0][0] if self.under_way else float("inf")])
            if at > end:
                break
            self.now = max(self.now, at)
            while self.under_way and self.under_way[0][0] <= self.now:
                self._deliver()
            for each in ends:
                if each.engine is not None and each.deadline <= self.now:
                    each.turn()
        self.now = end

    def note(self, number: int, what: object) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.now:10.4f} {'AB'[number]} {what}")

    def live(self) -> None:
        """The whole story. Raises AssertionError."""
        try:
            self._settle(self.ends[0].blame + self.ends[1].blame, first=True)
            end = self.now + LIFE
            while self.now < end:
                happening = self.random.choice(HAPPENINGS)
                if self.trace is not None:
                    self.trace.append(f"{self.now:10.4f}   {happening.__name__.strip('_')}")
                happening(self)
                self.until(self.now + self.random.expovariate(1 / 3.0))
            self._calm_down()
        except AssertionError as wrong:
            wrong.add_note(f"at {self.now:.4f}")
            raise

    def bound(self) -> float:
        """How long it may take until both ends are Up: a stale Init has to time out, and the slower end must speak."""
        idle = max(each.instance.idle_tx for each in self.ends)
        interval = max(max(each.instance.min_rx, each.instance.min_tx) for each in self.ends)
        most = max(each.instance.multiplier for each in self.ends)
        return (most + 2) * max(idle, interval) + most * interval + 1.0

    def _settle(self, blame: int, first: bool = False) -> None:
        self.until(self.now + self.bound())
        for each in self.ends:
            assert each.session.state is State.UP, f"{'AB'[each.number]} is not up"
            assert not each.session.polling, "nobody answers"
            assert each.told is True
        before = sum(each.blame for each in self.ends)
        assert not first or before == blame
        self.until(self.now + 20)
        assert sum(each.blame for each in self.ends) == before, "it went down, and nothing was wrong"

    def _calm_down(self) -> None:
        self.note(0, "-- quiet")
        self.loss, self.cut = [0.0, 0.0], [False, False]
        for each in self.ends:
            each.awake_at = min(each.awake_at, self.now)
            if each.engine is None:
                each.start(None)
        self._settle(0)
        self.ends[0].step(m.Stopped())
        self.ends[0].engine = None
        self.until(self.now + 0.1)
        other = self.ends[1]
        assert other.session.state is State.DOWN
        assert other.session.diagnostic is Diagnostic.NEIGHBOR_DOWN
        assert other.told is True, "being switched off is no failure"

    # -- what happens

    def _the_wire_loses(self) -> None:
        self.loss[self.random.randrange(2)] = self.random.choice([0.05, 0.3, 0.9])

    def _the_wire_is_cut(self) -> None:
        self.cut[self.random.randrange(2)] = True

    def _both_ways_are_cut(self) -> None:
        """Whoever is awake must notice within its detection time."""
        self.cut = [True, True]
        self.until(self.now + 2 * self.latency + TINY)
        limit = max((each.session.detect_time for each in self.ends if each.engine is not None), default=0.0)
        self.until(max([self.now, *(each.awake_at for each in self.ends)]) + limit + 2 * TINY)
        for each in self.ends:
            assert each.engine is None or each.session.state is not State.UP, "a cut that nobody noticed"

    def _the_wire_is_whole(self) -> None:
        self.loss, self.cut = [0.0, 0.0], [False, False]

    def _all_is_well_for_a_while(self) -> None:
        self._the_wire_is_whole()
        self.until(self.now + self.bound())

    def _a_worker_dies(self) -> None:
        """And is started again, at once or later; mostly with what the one before knew."""
        end = self.random.choice(self.ends)
        memory = end.memory if self.random.random() < 0.7 else None
        end.engine = None
        self.until(self.now + self.random.choice([0.0, 0.005, 0.5, 5.0]))
        end.start(memory)

    def _a_worker_is_stopped(self) -> None:
        end = self.random.choice(self.ends)
        if end.engine is not None:
            end.step(m.Stopped())
            end.engine = end.memory = None
        self.until(self.now + self.random.choice([0.001, 1.0, 8.0]))
        end.start(None)

    def _a_worker_stands_still(self) -> None:
        end = self.random.choice(self.ends)
        end.awake_at = self.now + self.random.choice([0.005, 0.05, 0.5, 5.0])

    def _the_settings_change(self) -> None:
        end = self.random.choice(self.ends)
        fresh = self._instance(end.number)
        end.instance = replace(fresh, passive=end.instance.passive)
        if end.engine is not None:
            end.step(m.Reloaded(BfdSettings((end.instance,))))


HAPPENINGS = [
    World._the_wire_loses, World._the_wire_is_cut, World._both_ways_are_cut, World._the_wire_is_whole,
    World._the_wire_is_whole, World._all_is_well_for_a_while, World._a_worker_dies, World._a_worker_is_stopped,
    World._a_worker_stands_still, World._the_settings_change,
]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Live through worlds of two BFD engines.")
    parser.add_argument("--worlds", type=int, default=0, help="how many; without it one, with its trace")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    for seed in range(options.seed, options.seed + max(1, options.worlds)):
        trace: list[str] | None = None if options.worlds else []
        try:
            World(seed, trace).live()
        except AssertionError as wrong:
            print("\n".join(trace or ()))
            print(f"world {seed}: {wrong} {' '.join(getattr(wrong, '__notes__', ()))}")
            return 1
        print("\n".join(trace or ()), end="\n" if trace else "")
    print(f"{max(1, options.worlds)} worlds in {time.monotonic() - begun:.1f} s, and all is well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
