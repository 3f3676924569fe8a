"""The loop: the one task that touches the BFD engine.

A session of 10 ms and three packets leaves some ten milliseconds for everything that can come between, so this is a
plain poll loop with a timerfd: no task, no thread, nothing that waits. A turn takes in what came, and only then looks
whether something is due; before the engine is told that time has passed, all that was received by now has been told. So
a process that could not run for a while finds the packets of that while, with their receive stamps, and does not take
its own absence for that of its neighbor.
"""

from __future__ import annotations

import gc
import os
import secrets
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from hakeep.bfd import messages as m
from hakeep.bfd.engine import Engine
from hakeep.bfd.process.sockets import Sockets
from hakeep.bfd.process.start import Start
from hakeep.config.settled_bfd import BfdSettings
from hakeep.kernel.timer import Timer
from hakeep.vrrp.timers import NEVER
from hakeep.worker import WARNING, Line, Log

#: Seconds between two words to the parent that we are alive.
PULSE = 1.0

#: Seconds after a change until a snapshot goes up: with many changes there is one for all of them.
SNAPSHOT_GAP = 0.2

#: Seconds until a line that is full is tried again, and that the last words may take.
FLUSH, LAST_WORDS = 0.01, 0.5

#: What is caught. Only TERM means something: the others come to all processes of a terminal or a group.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

#: New objects after which Python looks for garbage.
GARBAGE = 20_000


class BfdProcess:
    """Everything the worker has. `line` connects it to the parent."""

    def __init__(self, settings: BfdSettings, line: Line, log: Log, start: Start) -> None:
        self.line = line
        self.log = log
        self.epoll = select.epoll()
        self.readers: dict[int, Callable[[], None]] = {}
        self.timer = Timer()
        self.armed = NEVER
        self.sockets = Sockets(self._watch, self._unwatch, self._step, log)
        self.signals_in, self.signals_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.stopped = self.finished = False
        self.pulse_at = self.snapshot_at = 0.0
        self.failures: list[m.Failed] = []
        self.engine = Engine(settings, time.monotonic(), secrets.randbelow, start.memories())

    # ------------------------------------------------------------------------------------------------- life

    def run(self) -> None:
        """Serve until stopped."""
        signal.set_wakeup_fd(self.signals_out, warn_on_full_buffer=False)  # not the parent's any more
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)
        self._watch(self.timer.fileno(), self._timer_fired)
        self._watch(self.line.fileno(), self._line_readable)
        self._watch(self.signals_in, self._signalled)
        self.line.send({"do": "started"})
        self.sockets.listen_for(self.engine.sessions)
        self._perform(self.engine.begin())
        gc.collect()
        gc.freeze()
        gc.disable()  # see _look_after
        while not self.finished:
            self._arm()
            self._turn(self.epoll.poll())
        self._last_words()

    def _arm(self) -> None:
        """Have the timer wake us when something is due."""
        line = time.monotonic() + FLUSH if self.line.waiting else NEVER
        at = min(self.engine.deadline, self.pulse_at, self.snapshot_at, self.sockets.retry_at, line)
        if at != self.armed:
            self.armed = at
            self.timer.set(at)

    def _turn(self, ready: list[tuple[int, int]]) -> None:
        for fd, _ in ready:
            reader = self.readers.get(fd)
            if reader is not None:
                reader()
        if self.engine.deadline <= time.monotonic():
            self.sockets.drain()
            self._step(m.Ticked())
        if not self.finished:
            self._look_after(time.monotonic())

    def _look_after(self, now: float) -> None:
        """What can wait. Garbage is looked for here, lest Python does so when a packet is due."""
        self.line.flush()
        if now >= self.sockets.retry_at:
            self.sockets.listen_for(self.engine.sessions)
        if now >= self.snapshot_at:
            self._send_snapshot()
        if now >= self.pulse_at:
            self.pulse_at = now + PULSE
            if not self.line.waiting:
                self.line.send({"do": "alive"})
        if gc.get_count()[0] > GARBAGE:
            gc.collect()

    def _last_words(self) -> None:
        """Who we leave behind should hear of it."""
        self._send_snapshot()
        self.line.send({"do": "finished"})
        end = time.monotonic() + LAST_WORDS
        while self.line.waiting and not self.line.closed and time.monotonic() < end:
            select.select([], [self.line.fileno()], [], end - time.monotonic())
            self.line.flush()

    # ------------------------------------------------------------------------------------------------- the engine

    def _step(self, event: m.Event) -> None:
        effects = self.engine.step(time.monotonic(), event)
        if effects:
            self._perform(effects)

    def _perform(self, effects: list[m.Effect]) -> None:
        for effect in effects:
            _PERFORM[type(effect)](self, effect)
        failures, self.failures = self.failures, []
        for failure in failures:
            self._step(failure)

    def _send(self, effect: m.Send) -> None:
        why = self.sockets.send(effect)
        if why:
            self.failures.append(m.Failed(effect.session, why, False))

    def _open(self, effect: m.Open) -> None:
        why = self.sockets.open(effect)
        if why:
            self.failures.append(m.Failed(effect.session, why, True))

    def _close(self, effect: m.Close) -> None:
        self.sockets.close(effect.session)

    def _tell(self, effect: m.Tell) -> None:
        instance = effect.instance
        self.line.send({
            "do": "session", "name": instance.name, "up": effect.up, "why": effect.why, "vrrp": instance.vrrp,
            "checker": instance.checker})

    def _changed(self, _: m.Changed) -> None:
        self.snapshot_at = min(self.snapshot_at, time.monotonic() + SNAPSHOT_GAP)

    def _remember(self, effect: m.Remember) -> None:
        memory = effect.memory._asdict() if effect.memory is not None else None
        self.line.send({"do": "remember", "sessions": {effect.name: memory}})

    def _write_log(self, effect: m.Log) -> None:
        self.log(effect.level, effect.text, effect.detail)

    def _finish(self, _: m.Finished) -> None:
        self.finished = True

    # ------------------------------------------------------------------------------------------------- news

    def _watch(self, fd: int, reader: Callable[[], None]) -> None:
        self.readers[fd] = reader
        self.epoll.register(fd, select.EPOLLIN)

    def _unwatch(self, fd: int) -> None:
        if self.readers.pop(fd, None) is not None:
            with suppress(OSError):
                self.epoll.unregister(fd)

    def _timer_fired(self) -> None:
        self.timer.read()
        self.armed = 0.0

    def _signalled(self) -> None:
        if signal.SIGTERM in os.read(self.signals_in, 64):
            self._stop()

    def _stop(self) -> None:
        self.stopped = True
        self._step(m.Stopped())

    def _line_readable(self) -> None:
        for message in self.line.receive():
            if isinstance(message.body, BfdSettings):
                self._reload(message.body)
            else:
                self._obey(message.body)
        if self.line.closed:
            self._unwatch(self.line.fileno())
            if not self.stopped:
                self.log(WARNING, "the supervisor is gone: stopping")
                self._stop()

    def _obey(self, order: dict[str, Any]) -> None:
        match order.get("do"):
            case "stop":
                self._stop()
            case "snapshot":
                self._send_snapshot()

    def _reload(self, settings: BfdSettings) -> None:
        self._step(m.Reloaded(settings))
        self.sockets.listen_for(self.engine.sessions)
        self.line.send({"do": "reloaded"})

    def _send_snapshot(self) -> None:
        """Show the parent what we know; times are wall clock times there."""
        self.snapshot_at = NEVER
        offset = time.time() - time.monotonic()
        sessions = [asdict(status) | {"since": status.since + offset} for status in self.engine.snapshot()]
        self.line.send({"do": "snapshot", "sessions": sessions, "refused": self.engine.counters})


_PERFORM: dict[type, Callable[[BfdProcess, Any], None]] = {
    m.Open: BfdProcess._open,
    m.Close: BfdProcess._close,
    m.Send: BfdProcess._send,
    m.Tell: BfdProcess._tell,
    m.Changed: BfdProcess._changed,
    m.Remember: BfdProcess._remember,
    m.Log: BfdProcess._write_log,
    m.Finished: BfdProcess._finish,
}
