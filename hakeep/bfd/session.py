"""One end of a BFD session in asynchronous mode (RFC 5880 section 6.8), without demand mode of our own or echo.

The state machine has three states that count. Each end says its own, and the table of section 6.8.6 makes both come up
together: Down hears Down and becomes Init, Init or Down hears that the other end is further and becomes Up. An end that
hears nothing for the detection time is Down.

The rest of it is about two intervals. One end says how often it would like to send and how often it can bear to
receive, and the slower one of the two ends counts. An end that is not Up sends once a second. When what is said
changes while the session is Up, it is asked whether it was heard: a Poll Sequence, P until there is an F; whatever
would make the other end believe that we are gone is done only after that (section 6.8.3).
"""

from __future__ import annotations

from collections.abc import Callable

from hakeep.bfd import messages as m
from hakeep.bfd.status import SessionStatus
from hakeep.config.settled_bfd import BfdInstance
from hakeep.vrrp.timers import NEVER
from hakeep.wire.bfd import MULTIHOP, SINGLE_HOP, Diagnostic, Packet, State

#: Seconds until a socket that could not be opened, or does not send, is opened anew.
REOPEN = 1.0

#: What the other end can bear to receive before it has said so: anything (section 6.8.1).
_ANYTHING = 0.000001

#: The jitter is drawn as one of so many steps.
_STEPS = 1 << 16


class Session:
    """What we know of a session and of its other end. Its effects go to `emit`.

    `told` is what VRRP and the checkers know: whether the session is up. It is not the same as being in state Up: that
    somebody switched the other end off is nobody's failure, so nobody is told (RFC 5882 section 4.2).
    """

    def __init__(
        self, instance: BfdInstance, discriminator: int, source_port: int, now: float, *,
        emit: Callable[[m.Effect], None], draw: m.Draw,
    ) -> None:
        self.instance = instance
        self.discriminator = discriminator
        self.source_port = source_port
        self.port = MULTIHOP if instance.multihop else SINGLE_HOP
        self.neighbor = instance.neighbor_ip.packed
        self._emit = emit
        self._draw = draw

        self.state = State.DOWN
        self.diagnostic = Diagnostic.NONE
        self.since = now
        self.told = False
        self.why = "no packet was received yet"
        self.polling = False
        self.desired_min_tx = self._tx_in_use = instance.idle_tx
        self.required_min_rx = self._rx_in_use = instance.min_rx

        self.remote_state = State.DOWN
        self.remote_diagnostic = Diagnostic.NONE
        self.remote_discriminator = 0
        self.remote_multiplier = 0
        self.remote_min_tx = 0.0
        self.remote_min_rx = _ANYTHING
        self.remote_demand = False

        self.deaf = False  # its socket is not open
        self.trouble = self._complained = ""  # what is wrong with its socket, and what was said of it last
        self.send_at = self.detect_at = self.reopen_at = NEVER
        self._sent_at = -NEVER
        self._interval = 0.0  # that send_at was made from; 0 = nothing is to be sent
        #: A packet that says nothing new: what it is equal to, with where it came from; () = there is none.
        self.steady: tuple[object, ...] = ()
        self.received = self.sent = self.ups = self.downs = self.send_errors = 0
        self.refused = 0

    # ---------------------------------------------------------------------------------------------- what follows

    @property
    def deadline(self) -> float:
        """When `tick` has something to do."""
        return min(self.send_at, self.detect_at, self.reopen_at)

    @property
    def tx_interval(self) -> float:
        """Seconds between two packets of ours, before jitter (section 6.8.7)."""
        return max(self._tx_in_use, self.remote_min_rx)

    @property
    def rx_interval(self) -> float:
        """Seconds between two packets of the other end, before jitter, as far as it has said."""
        return max(self._rx_in_use, self.remote_min_tx)

    @property
    def detect_time(self) -> float:
        """Seconds of silence after which the session is down (section 6.8.4); 0 = it has said nothing yet."""
        return self.remote_multiplier * self.rx_interval

    def reaches(self, hop_limit: int) -> bool:
        """Whether a packet that has so much of its TTL left may come from the neighbor (RFC 5881 section 5)."""
        return hop_limit >= self.instance.ttl - self.instance.max_hops

    # ---------------------------------------------------------------------------------------------- beginning, end

    def begin(self, now: float) -> None:
        """Open the socket, and speak first unless that is for the other end to do."""
        self._open()
        self._plan(now)

    def _open(self) -> None:
        self.deaf, self.trouble, self.reopen_at = False, "", NEVER
        self._emit(m.Open(self.discriminator, self.instance, self.source_port))

    def resume(self, memory: m.Memory, now: float) -> None:
        """Before `begin`: go on where a worker that died was. The other end need not have noticed."""
        self.told = memory.told
        if not memory.up:
            return
        self.state, self.remote_state = State.UP, State.UP
        self.remote_discriminator = memory.remote_discriminator
        self.remote_multiplier = memory.remote_multiplier
        self.remote_min_tx, self.remote_min_rx = memory.remote_min_tx, memory.remote_min_rx
        self.why = "it was up when the worker before this one died"
        self.polling = True  # what we say may be something else than what that one said
        self.desired_min_tx = self._tx_in_use = self.instance.min_tx
        self.detect_at = now + self.detect_time

    def leave(self, now: float) -> None:
        """The end: tell the other one that this is on purpose (section 6.8.16). Once: it is a change, which may be said
        out of turn, and to say it again we had to wait for a second."""
        if self.state is not State.ADMIN_DOWN:
            heard = self.remote_discriminator != 0
            self.state, self.diagnostic = State.ADMIN_DOWN, Diagnostic.ADMIN_DOWN
            self._settle_intervals(poll=False)
            if heard and not self.deaf:
                self._send(now)
        self.send_at = self.detect_at = self.reopen_at = NEVER
        self._emit(m.Close(self.discriminator))

    def reconfigure(self, instance: BfdInstance, now: float) -> None:
        """The same session with other settings. What the other end must know is said at once, and polled for."""
        reopen = instance.ttl != self.instance.ttl
        said = self._said()
        self.instance = instance
        self.steady = ()  # other hops may be allowed
        waited = self.detect_time
        self._settle_intervals(poll=True)
        self.detect_at += self.detect_time - waited
        if reopen:
            self._open()
        if self._said() != said and self.state is State.UP:
            self._send_if_allowed(now)
        self._plan(now)

    # ---------------------------------------------------------------------------------------------- the other end

    def hear_again(self, at: float) -> None:
        """A packet equal to `steady` came: the neighbor is alive, and nothing else."""
        self.received += 1
        self.detect_at = at + self.detect_time

    def hear(self, packet: Packet, at: float, now: float) -> None:
        """A good packet for this session came at `at` (section 6.8.6)."""
        if self.state is State.ADMIN_DOWN:
            return
        before = self.memory
        self.received += 1
        self.remote_state, self.remote_diagnostic = packet.state, packet.diagnostic
        self.remote_discriminator = packet.my_discriminator
        self.remote_multiplier = packet.multiplier
        self.remote_min_tx, self.remote_min_rx = packet.desired_min_tx, packet.required_min_rx
        self.remote_demand = packet.demand
        if packet.final and self.polling:
            self.polling = False
            self._tx_in_use, self._rx_in_use = self.desired_min_tx, self.required_min_rx
        changed = self._follow(packet.state, now)
        self.detect_at = at + self.detect_time
        if packet.poll:
            self._answer(now)
        if changed:
            self._send_if_allowed(now)
        self._plan(now)
        self._remember_if_changed(before)

    def _follow(self, remote: State, now: float) -> bool:
        """The table of section 6.8.6. True when our state has changed."""
        before = self.state
        match self.state, remote:
            case State.DOWN, State.DOWN:
                self._enter(State.INIT, now)
            case (State.DOWN, State.INIT) | (State.INIT, State.INIT | State.UP):
                self._come_up(now)
            case (State.INIT | State.UP, State.ADMIN_DOWN) | (State.UP, State.DOWN):
                why = f"the neighbor says {remote}"
                if self.remote_diagnostic:
                    why += f": {self.remote_diagnostic}"
                self._go_down(Diagnostic.NEIGHBOR_DOWN, why, now)
        return self.state is not before

    def tick(self, now: float) -> None:
        """Do what is due: silence first, for it changes what is sent."""
        if self.detect_at <= now:
            self._miss(now)
        if self.reopen_at <= now:
            self._open()
            self._plan(now)
        if self.send_at <= now:
            self._send(now)
            self.send_at = now + self._jittered(self.tx_interval)

    def _miss(self, now: float) -> None:
        """Nothing came for the detection time. Who it was that spoke is forgotten, and what he could bear."""
        before, silence = self.memory, self.detect_time
        self.detect_at = NEVER
        self.remote_discriminator, self.remote_min_rx, self.remote_demand = 0, _ANYTHING, False
        if self.state in (State.INIT, State.UP):
            self._go_down(Diagnostic.EXPIRED, f"nothing was received for {silence * 1000:g} ms", now)
            self._send_if_allowed(now)
        self._plan(now)
        self._remember_if_changed(before)

    # ---------------------------------------------------------------------------------------------- our state

    def _enter(self, state: State, now: float) -> None:
        self.state, self.since = state, now
        self.steady = ()
        self._settle_intervals(poll=state is State.UP)
        self._emit(m.Changed(self.instance.name))

    def _come_up(self, now: float) -> None:
        self.diagnostic = Diagnostic.NONE
        self.why = "up at both ends"
        self.ups += 1
        self._complained = ""
        self._enter(State.UP, now)
        self._tell(True)
        self._emit(m.Log(m.Level.NOTICE, f"({self.instance.name}) Entering {State.UP} state"))

    def _go_down(self, diagnostic: Diagnostic, why: str, now: float) -> None:
        was_up = self.state is State.UP
        self.diagnostic, self.why = diagnostic, why
        self.downs += was_up
        self._enter(State.DOWN, now)
        if self.remote_state is not State.ADMIN_DOWN or diagnostic is Diagnostic.EXPIRED:
            self._tell(False)
        line = f"({self.instance.name}) Entering {State.DOWN} state (Local diagnostic - {diagnostic}, " \
               f"Remote diagnostic - {self.remote_diagnostic}): {why}"
        self._emit(m.Log(m.Level.WARNING if was_up else m.Level.INFO, line, detail=not was_up))

    def _tell(self, up: bool) -> None:
        """Tell VRRP and the checkers, if that is news for them."""
        if self.told != up:
            self.told = up
            self._emit(m.Tell(self.instance, up, self.why))

    def _settle_intervals(self, *, poll: bool) -> None:
        """Say what holds in this state, and use it as soon as that is safe (section 6.8.3): to send less often, or to
        expect more, only when the other end has heard of it."""
        up = self.state is State.UP
        desired = self.instance.min_tx if up else self.instance.idle_tx
        news = (desired, self.instance.min_rx) != (self.desired_min_tx, self.required_min_rx)
        self.desired_min_tx, self.required_min_rx = desired, self.instance.min_rx
        self.polling = up and poll and (news or self.polling)
        if self.polling:
            self._tx_in_use = min(self._tx_in_use, desired)
            self._rx_in_use = max(self._rx_in_use, self.required_min_rx)
        else:
            self._tx_in_use, self._rx_in_use = desired, self.required_min_rx

    # ---------------------------------------------------------------------------------------------- sending

    def _said(self) -> tuple[object, ...]:
        return self.desired_min_tx, self.required_min_rx, self.instance.multiplier

    def _allowed(self) -> bool:
        """Whether periodic packets may be sent (section 6.8.7)."""
        if self.deaf or not self.remote_min_rx:
            return False
        if self.instance.passive and not self.remote_discriminator:
            return False
        asleep = self.remote_demand and self.state is State.UP and self.remote_state is State.UP
        return self.polling or not asleep

    def _plan(self, now: float) -> None:
        """Set `send_at` anew if the interval has changed. A shorter one holds at once, from the last packet on."""
        interval = self.tx_interval if self._allowed() else 0.0
        if interval != self._interval:
            self._interval = interval
            self.send_at = max(now, self._sent_at + self._jittered(interval)) if interval else NEVER

    def _jittered(self, interval: float) -> float:
        """Less by 0 to 25 %; with multiplier 1 by 10 to 25 % (section 6.8.7)."""
        most = 0.25 if self.instance.multiplier > 1 else 0.15
        return interval * (0.75 + most * self._draw(_STEPS + 1) / _STEPS)

    def _send_if_allowed(self, now: float) -> None:
        """Something has changed, which may be said out of turn."""
        if self._allowed():
            self._send(now)
            self._interval = self.tx_interval
            self.send_at = now + self._jittered(self._interval)

    def _answer(self, now: float) -> None:
        """F for P, at once, whatever else holds (section 6.8.7)."""
        if not self.deaf:
            self.sent += 1
            self._emit(m.Send(self.discriminator, self._packet(final=True).encode()))

    def _send(self, now: float) -> None:
        self._sent_at = now
        self.sent += 1
        self._emit(m.Send(self.discriminator, self._packet(poll=self.polling).encode()))

    def _packet(self, *, poll: bool = False, final: bool = False) -> Packet:
        return Packet(
            self.state, self.instance.multiplier, self.discriminator, self.remote_discriminator, self.desired_min_tx,
            self.required_min_rx, self.diagnostic, poll, final)

    def fail(self, why: str, now: float, *, opening: bool) -> None:
        """The socket cannot be opened, or does not send. It is opened anew after a while, and said once."""
        self.deaf = opening
        self.send_errors += not opening
        self.reopen_at = min(self.reopen_at, now + REOPEN)
        what = "cannot open its socket, trying again" if opening else "cannot send"
        self.trouble = why
        if why != self._complained:
            self._complained = why
            self._emit(m.Log(m.Level.ERROR, f"({self.instance.name}) {what}: {why}"))
        self._plan(now)

    # ---------------------------------------------------------------------------------------------- reports

    @property
    def memory(self) -> m.Memory:
        """What a successor must know."""
        return m.Memory(
            self.instance.path, self.discriminator, self.source_port, self.state is State.UP, self.told,
            self.remote_discriminator, self.remote_multiplier, self.remote_min_tx, self.remote_min_rx)

    def _remember_if_changed(self, before: m.Memory) -> None:
        if self.memory != before:
            self._emit(m.Remember(self.instance.name, self.memory))

    def status(self) -> SessionStatus:
        """For reports."""
        instance = self.instance
        return SessionStatus(
            name=instance.name, neighbor_ip=str(instance.neighbor_ip),
            source_ip=str(instance.source_ip) if instance.source_ip else "", source_port=self.source_port,
            port=self.port, state=str(self.state), diagnostic=str(self.diagnostic), up=self.told, why=self.why,
            trouble=self.trouble, since=self.since, remote_state=str(self.remote_state),
            remote_diagnostic=str(self.remote_diagnostic), discriminator=self.discriminator,
            remote_discriminator=self.remote_discriminator, multiplier=instance.multiplier,
            remote_multiplier=self.remote_multiplier, tx_interval=self.tx_interval, rx_interval=self.rx_interval,
            detect_time=self.detect_time, polling=self.polling, passive=instance.passive, received=self.received,
            sent=self.sent, refused=self.refused, send_errors=self.send_errors, ups=self.ups, downs=self.downs)
