"""The BFD engine: all sessions behind one door.

`step(now, event)` returns what is to be done, in order. The engine finds the session that a packet is for, refuses what
is for none or is not as it should be, and leaves the rest to `Session`. Numbers that nobody must foresee
(discriminators, source ports, jitter) come from `draw`.

A packet that is refused touches no session. It is counted by the kind of its mistake, and of each kind a line goes to
the log now and then, with how many there were since the last one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from hakeep.bfd import messages as m
from hakeep.bfd.session import Session
from hakeep.bfd.status import SessionStatus
from hakeep.config.settled_bfd import BfdInstance, BfdSettings
from hakeep.vrrp.timers import NEVER
from hakeep.wire.bfd import FIRST_SOURCE_PORT, MULTIHOP, REFUSALS, SOURCE_PORTS, Packet, Refusal, State, decode

#: Kinds of packets that are refused: by their bytes, for the way they came, and for want of a session.
COUNTERS = (*REFUSALS, "ttl", "unknown_session")

#: Seconds between two lines in the log about packets of one kind: at first, and at most. They double while such packets
#: go on: a neighbor that is configured for a session with us, and not the other way round, never stops.
QUIET, QUIET_MAX = 10.0, 3600.0

_DISCRIMINATORS = 2**32 - 1


@dataclass(slots=True)
class _Grumble:
    """How many packets of one kind were refused, how many of these nobody was told of, and when to tell again."""

    count: int = 0
    untold: int = 0
    tell_at: float = -NEVER
    pause: float = QUIET


@dataclass(slots=True)
class _Out:
    """Where the effects of one step gather."""

    effects: list[m.Effect] = field(default_factory=list)

    def take(self) -> list[m.Effect]:
        """What there is; afterwards there is nothing."""
        taken, self.effects = self.effects, []
        return taken

    def emit(self, effect: m.Effect) -> None:
        self.effects.append(effect)


class Engine:
    """All sessions of a worker. `memory` is what a worker that died has left, by the name of the session.

    `deadline` is when to call `step` with `Ticked` at the latest, in monotonic seconds; there may be nothing to do
    then: a packet that puts something off leaves it alone.
    """

    def __init__(
        self, settings: BfdSettings, now: float, draw: m.Draw, memory: Mapping[str, m.Memory] | None = None,
    ) -> None:
        self._draw = draw
        self._out = _Out()
        self._sessions: dict[int, Session] = {}
        self._of_neighbor: dict[bytes, list[Session]] = {}
        self._grumbles = {kind: _Grumble() for kind in COUNTERS}
        self._stopped = False
        self.deadline = NEVER
        for instance in settings.instances:
            self._add(instance, now, (memory or {}).get(instance.name))
        self._settle_down()

    @property
    def sessions(self) -> Iterable[Session]:
        """In the order of the configuration."""
        return self._sessions.values()

    @property
    def counters(self) -> dict[str, int]:
        """How many packets were refused, by the kind of mistake."""
        return {kind: grumble.count for kind, grumble in self._grumbles.items()}

    def snapshot(self) -> tuple[SessionStatus, ...]:
        """For reports."""
        return tuple(session.status() for session in self.sessions)

    def begin(self) -> list[m.Effect]:
        """The first effects: sockets, and in which state the sessions start."""
        return self._out.take()

    def step(self, now: float, event: m.Event) -> list[m.Effect]:
        """Tell a fact; what is to be done is returned. Who has stopped does nothing any more."""
        if self._stopped:
            return []
        match event:
            case m.Received():
                self._receive(event, now)
            case m.Ticked():
                for session in self.sessions:
                    if session.deadline <= now:
                        session.tick(now)
                self._settle_down()
            case m.Failed(key, why, opening):
                if key in self._sessions:
                    self._sessions[key].fail(why, now, opening=opening)
                    self._hurry(self._sessions[key])
            case m.Reloaded(settings):
                self._reload(settings, now)
                self._settle_down()
            case m.Stopped():
                self._stop(now)
        return self._out.take()

    def _hurry(self, session: Session) -> None:
        """Something of this session may be due earlier than was thought."""
        self.deadline = min(self.deadline, session.deadline)

    def _settle_down(self) -> None:
        self.deadline = min((session.deadline for session in self.sessions), default=NEVER)

    # -------------------------------------------------------------------------------------------------- sessions

    def _add(self, instance: BfdInstance, now: float, memory: m.Memory | None = None) -> None:
        """A new session; it goes on where another worker was if `memory` is of the same one."""
        if memory and memory.path != instance.path:
            memory = None
        session = Session(
            instance, self._number(memory), self._port(memory), now, emit=self._out.emit, draw=self._draw)
        if memory:
            session.resume(memory, now)
        self._sessions[session.discriminator] = session
        self._of_neighbor.setdefault(session.neighbor, []).append(session)
        self._out.emit(m.Tell(instance, session.told, session.why))
        self._out.emit(m.Changed(instance.name))
        session.begin(now)

    def _number(self, memory: m.Memory | None) -> int:
        """A discriminator that no other session has."""
        number = memory.discriminator if memory else 0
        while not number or number in self._sessions:
            number = 1 + self._draw(_DISCRIMINATORS)
        return number

    def _port(self, memory: m.Memory | None) -> int:
        """A source port that no other session has, as long as there are any (RFC 5881 section 4)."""
        taken = {session.source_port for session in self.sessions}
        port = memory.source_port if memory else 0
        while not port or (port in taken and len(taken) < SOURCE_PORTS):
            port = FIRST_SOURCE_PORT + self._draw(SOURCE_PORTS)
        return port

    def _remove(self, session: Session, now: float) -> None:
        session.leave(now)
        del self._sessions[session.discriminator]
        neighbors = self._of_neighbor[session.neighbor]
        neighbors.remove(session)
        if not neighbors:
            del self._of_neighbor[session.neighbor]
        self._out.emit(m.Remember(session.instance.name, None))

    def _reload(self, settings: BfdSettings, now: float) -> None:
        """Sessions that are still wanted keep their state and their numbers."""
        wanted = {instance.path: instance for instance in settings.instances}
        for session in list(self.sessions):
            if session.instance.path not in wanted:
                self._remove(session, now)
        known = {session.instance.path: session for session in self.sessions}
        for path, instance in wanted.items():
            if path not in known:
                self._add(instance, now)
            elif known[path].instance != instance:
                self._reconfigure(known[path], instance, now)
        places = {path: place for place, path in enumerate(wanted)}
        self._sessions = {
            session.discriminator: session
            for session in sorted(self.sessions, key=lambda session: places[session.instance.path])}

    def _reconfigure(self, session: Session, instance: BfdInstance, now: float) -> None:
        heard = session.instance.vrrp, session.instance.checker
        session.reconfigure(instance, now)
        if (instance.vrrp, instance.checker) != heard:
            self._out.emit(m.Tell(instance, session.told, session.why))

    def _stop(self, now: float) -> None:
        self._stopped = True
        for session in list(self.sessions):
            self._remove(session, now)
        self._settle_down()
        self._out.emit(m.Finished())

    # -------------------------------------------------------------------------------------------------- packets

    def _receive(self, received: m.Received, now: float) -> None:
        data = received.data
        session = self._sessions.get(int.from_bytes(data[8:12], "big"))
        if session is not None and session.steady == (data, received.source, received.port, received.hop_limit):
            session.hear_again(received.at)
            return
        try:
            packet = decode(data)
        except Refusal as refusal:
            self._refuse(received, refusal.counter, str(refusal), now, session)
            return
        session = self._find(received, packet)
        if session is None:
            self._refuse(received, "unknown_session", self._stranger(received, packet), now)
            return
        if not session.reaches(received.hop_limit):
            wanted = max(0, session.instance.ttl - session.instance.max_hops)
            reason = f"its TTL or hop limit is {received.hop_limit} and must be {wanted} or more (see max_hops)"
            self._refuse(received, "ttl", reason, now, session)
            return
        session.hear(packet, received.at, now)
        if session.state is State.UP and packet.state is State.UP and not (packet.poll or packet.final):
            session.steady = (data, received.source, received.port, received.hop_limit)
        self._hurry(session)

    def _find(self, received: m.Received, packet: Packet) -> Session | None:
        """By the number that we gave the session, and only if it comes from its neighbor; by addresses as long as the
        neighbor does not know our number."""
        if packet.your_discriminator:
            session = self._sessions.get(packet.your_discriminator)
            fits = session is not None and (session.neighbor, session.port) == (received.source, received.port)
            return session if fits else None
        found = None
        for session in self._of_neighbor.get(received.source, ()):
            if session.port == received.port:
                source = session.instance.source_ip
                if source is not None and source.packed == received.destination:
                    return session
                if source is None:
                    found = session
        return found

    def _stranger(self, received: m.Received, packet: Packet) -> str:
        """Why a packet is for no session."""
        if packet.your_discriminator:
            return f"no session with this neighbor has the number {packet.your_discriminator} (any more)"
        if any(session.port == received.port for session in self._of_neighbor.get(received.source, ())):
            return f"it is for {ip_address(received.destination)}, which is not our source_ip"
        return f"no bfd_instance has this neighbor_ip{' and multihop' if received.port == MULTIHOP else ''}"

    def _refuse(
        self, received: m.Received, kind: str, reason: str, now: float, session: Session | None = None,
    ) -> None:
        """Count it, and say so now and then."""
        if session is not None and session.neighbor == received.source:
            session.refused += 1
        grumble = self._grumbles[kind]
        grumble.count += 1
        if now < grumble.tell_at:
            grumble.untold += 1
            return
        more = f" ({grumble.untold} more like it were not logged)" if grumble.untold else ""
        grumble.pause = min(QUIET_MAX, 2 * grumble.pause) if grumble.untold else QUIET
        grumble.untold, grumble.tell_at = 0, now + grumble.pause
        line = f"BFD packet from {ip_address(received.source)} dropped: {reason}{more}"
        self._out.emit(m.Log(m.Level.WARNING, line))
