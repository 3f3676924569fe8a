"""What the tests of BFD's engine stand on: an engine, a clock that is set by hand, and a voice for the other end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address
from random import Random
from typing import Any, TypeVar

from hakeep.bfd import messages as m
from hakeep.bfd.engine import Engine
from hakeep.bfd.session import Session
from hakeep.config.settled_bfd import BfdInstance, BfdSettings
from hakeep.wire.bfd import Packet, State, decode

E = TypeVar("E")

US, THEM, STRANGER = ip_address("10.9.0.1"), ip_address("10.9.0.2"), ip_address("10.9.0.3")
THEIR_NUMBER = 0x7E57


def bfd(name: str = "B1", **fields: Any) -> BfdInstance:
    """A session with THEM: 3 packets of 10 ms."""
    return BfdInstance(**{"name": name, "neighbor_ip": THEM, "multiplier": 3} | fields)


class Stage:
    """One engine. `now` is its clock; all effects are kept, with their times."""

    def __init__(self, *instances: BfdInstance, seed: int = 1, memory: dict[str, m.Memory] | None = None,
                 start: float = 100.0) -> None:
        self.now = start
        self.settings = BfdSettings(instances or (bfd(),))
        self.engine = Engine(self.settings, start, Random(seed).randrange, memory)
        self.effects: list[tuple[float, m.Effect]] = []
        self._take(self.engine.begin())

    # -- what happens

    def step(self, event: m.Event) -> list[m.Effect]:
        return self._take(self.engine.step(self.now, event))

    def until(self, end: float) -> None:
        """Let time go by: the engine ticks when it wants to."""
        while self.engine.deadline <= end:
            self.now = max(self.now, self.engine.deadline)
            self.step(m.Ticked())
            assert self.engine.deadline > self.now, "the engine turns and turns"
        self.now = end

    def wait(self, seconds: float) -> None:
        self.until(self.now + seconds)

    def hear(self, packet: Packet, *, at: float | None = None, source: object = THEM, **how: Any) -> list[m.Effect]:
        return self.hear_bytes(packet.encode(), at=at, source=source, **how)

    def hear_bytes(self, data: bytes, *, at: float | None = None, source: Any = THEM, **how: Any) -> list[m.Effect]:
        received = m.Received(data, source.packed, US.packed, 3784, 255, self.now if at is None else at)
        return self.step(received._replace(**how))

    def theirs(self, state: State = State.UP, **fields: Any) -> Packet:
        """A packet of the other end, which wants 10 ms both ways."""
        yours = 0 if state <= State.DOWN else self.session().discriminator
        tx = 0.01 if state is State.UP else 1.0
        return Packet(state, 3, THEIR_NUMBER, yours, tx, 0.01)._replace(**fields)

    def come_up(self) -> None:
        """As when both ends start: Down meets Init, and polls are answered."""
        self.hear(self.theirs(State.INIT))
        self.hear(self.theirs(State.UP))
        self.hear(self.theirs(State.UP, final=True))
        assert self.session().state is State.UP
        assert not self.session().polling

    def keep_alive(self, seconds: float, every: float = 0.01) -> None:
        end = self.now + seconds
        while self.now < end:
            self.wait(every)
            self.hear(self.theirs())

    def reload(self, *instances: BfdInstance) -> list[m.Effect]:
        self.settings = replace(self.settings, instances=instances)
        return self.step(m.Reloaded(self.settings))

    # -- what is to be seen

    def session(self, name: str = "B1") -> Session:
        return next(session for session in self.engine.sessions if session.instance.name == name)

    def all(self, kind: type[E], since: float = 0.0) -> list[E]:
        return [effect for at, effect in self.effects if isinstance(effect, kind) and at >= since]

    def sent(self, since: float = 0.0) -> list[tuple[float, Packet]]:
        return [(at, decode(effect.data)) for at, effect in self.effects
                if isinstance(effect, m.Send) and at >= since]

    def told(self, name: str = "B1") -> list[bool]:
        return [effect.up for effect in self.all(m.Tell) if effect.instance.name == name]

    def lines(self) -> list[str]:
        return [effect.text for effect in self.all(m.Log)]

    def _take(self, effects: Iterable[m.Effect]) -> list[m.Effect]:
        taken = list(effects)
        self.effects += [(self.now, effect) for effect in taken]
        return taken
