"""A seat: one worker, and those that come after it.

This is the life-cycle of all workers on which no address hangs. There is one while there is something to do. One that
dies is replaced, at once and then with growing pauses, for as long as there is something to do: whatever it held goes
on to count meanwhile, so nothing is lost by patience. One that is told to go and does not, or that does not turn any
more, is killed. Only where nobody is to be started again (-R) its death ends the daemon.

The vrrp worker's life is another one (`succession`): its addresses cannot wait.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hakeep.offspring import Child, fork_worker, manner, note_pid
from hakeep.parcel import Parcel
from hakeep.pidfile import PidFile
from hakeep.worker import ERROR, INFO, WARNING, Line, Log

NEVER = float("inf")

#: Seconds without a death after which the next one is a first one again, and the longest pause.
STEADY = 30.0
BACKOFF_MAX = 60.0

#: Seconds that we look on when a worker has been silent for too long: all of us may have stood still.
LOOK_ON = 5.0


@dataclass
class Worker(Child):
    """The one who has the seat. `stopped_at` is when it was told to go, `heard_at` when it said something last, and
    `silent_at` when that was found to be too long ago, NEVER while it is not."""

    stopped_at: float = NEVER
    heard_at: float = 0.0
    silent_at: float = NEVER

    @property
    def leaving(self) -> bool:
        """True once it was told to go."""
        return self.stopped_at < NEVER


@dataclass(frozen=True)
class Terms:
    """How it is with the workers of a seat. `name` is what people call them.

    `stop_max`: seconds that one may take to stop. `silent_max`: seconds that one may be silent when it has started (all
    say something every other second), and `start_max` before. `label`: how the log calls it when it has started; "" =
    by its name, and only with -D. `remains`: what the log says of the end of one that has no successor, `meanwhile`:
    of one that has. Without `respawn` nobody has.
    """

    name: str
    pid_path: Path
    stop_max: float = 5.0
    silent_max: float = 15.0
    start_max: float = 15.0
    label: str = ""
    remains: str = ""
    meanwhile: str = "what it said last counts meanwhile"
    respawn: bool = True


class Plumbing(NamedTuple):
    """`watch` and `unwatch` belong to the supervisor's loop; `leave()` lets a child go of what is the parent's, the
    lines and locks of all seats among it."""

    watch: Callable[[int, Callable[[], None]], None]
    unwatch: Callable[[int], None]
    leave: Callable[[], None]


class Seat:
    """`be(line)` is the child's side of the fork, for what is in `parcel` then. `hear(body)` is called with what a
    worker says that is not about its life. What there is beyond it: `born()` when there is a new one, `gone()` when
    there is none any more, and `died(worker, how, now)` when another one is to follow."""

    def __init__(
        self, terms: Terms, log: Log, plumbing: Plumbing, *, be: Callable[[Line], int],
        hear: Callable[[dict[str, Any]], None], born: Callable[[], None] = lambda: None,
        gone: Callable[[], None] = lambda: None, died: Callable[[Worker, str, float], object] = lambda *_: None,
    ) -> None:
        self.terms = terms
        self._log = log
        self._plumbing = plumbing
        self._be, self._hear, self._born, self._gone, self._died = be, hear, born, gone, died
        self._pid_file: PidFile | None = None
        self._backoff = 0.0
        self._respawn_at = NEVER
        self._deaths, self._renewed = 0, ""  # since the time of day when something else was delivered
        self.parcel = Parcel()
        self.worker: Worker | None = None
        self.filled = False  # once at least
        self.restarts = 0
        self.parent = os.getpid()
        self.stopping = False

    @property
    def name(self) -> str:
        """What people call the worker."""
        return self.terms.name

    @property
    def pid(self) -> int:
        """Of the worker; 0 while there is none."""
        return 0 if self.worker is None else self.worker.pid

    @property
    def wanted(self) -> bool:
        """True while there is something to do, and we are not stopping."""
        return bool(self.parcel) and not self.stopping

    @property
    def awaited(self) -> bool:
        """True while there is no worker, but another one is to follow."""
        return self.worker is None and self._respawn_at < NEVER

    @property
    def wake_at(self) -> float:
        """When to turn at the latest."""
        worker = self.worker
        if worker is None:
            return self._respawn_at
        soon = time.monotonic() + 0.01 if worker.line.waiting and not worker.line.closed else NEVER
        return min(soon, NEVER if worker.killed else worker.stopped_at + self.terms.stop_max)

    def order(self, order: dict[str, Any]) -> bool:
        """Tell the worker. False when there is none."""
        if self.worker is None:
            return False
        self.worker.line.send(order)
        return True

    def deliver(self, parcel: Parcel) -> bool:
        """This is to be done from now on; an empty one = nothing. True when it was sent to a worker that is there."""
        if parcel == self.parcel or self.stopping:
            return False
        self._deaths, self._renewed = 0, time.strftime("%H:%M:%S") if self.filled else ""
        self.parcel = parcel
        if not parcel:
            self.dismiss()
        elif self.worker is None:
            self.fill()
        elif not self.worker.leaving:
            self.worker.line.send_blob(parcel.data)
            return True
        return False

    # ------------------------------------------------------------------------------------------------- birth

    def fill(self) -> None:
        """Have a worker, or try it again later."""
        self._respawn_at = NEVER
        self.parent = os.getpid()  # not who made us: that was before the daemon went into the background
        try:
            pid, line = fork_worker(self._live, self._log)
        except OSError as error:
            self._log(ERROR, f"cannot start the {self.name} worker, trying again: {error}")
            self._respawn_at = time.monotonic() + max(1.0, self._backoff)
            return
        now = time.monotonic()
        self.worker, self.filled = Worker(pid, line, now, heard_at=now), True
        self._born()
        self._plumbing.watch(line.fileno(), self._readable)
        self._pid_file = note_pid(self._pid_file, self.terms.pid_path, pid, self._log, self.name)

    def _live(self, line: Line) -> int:
        """The child's side. What it imports may take a while, in which a signal to it must not come to the parent."""
        self._plumbing.leave()
        return self._be(line)

    def leave(self) -> None:
        """In a child that is somebody else: a line or a lock that it kept would outlive the worker's."""
        if self.worker is not None:
            self.worker.line.close()
        if self._pid_file is not None:
            self._pid_file.leave()

    # ------------------------------------------------------------------------------------------------- life

    def _readable(self) -> None:
        worker = self.worker
        if worker is None:
            return
        worker.heard_at = time.monotonic()
        try:
            for message in worker.line.receive():
                self._listen(worker, message.body)
        except Exception as error:  # whatever it says: we have addresses to look after
            self._log(ERROR, f"the {self.name} worker says what makes no sense, killing it: {error!r}")
            worker.kill()
        if worker.line.closed:
            self._plumbing.unwatch(worker.line.fileno())

    def _listen(self, worker: Worker, body: dict[str, Any]) -> None:
        match body.get("do"):
            case "started":
                worker.started = True
                label = self.terms.label
                self._log(INFO, f"{label or self.name} start-up complete", not label)
            case "alive" | "finished":
                pass
            case _:
                self._hear(body)

    def turn(self, now: float) -> None:
        """Look after everything once."""
        if now >= self._respawn_at:
            self.restarts += 1
            self.fill()
        worker = self.worker
        if worker is None:
            return
        worker.line.flush()
        if worker.killed:
            return
        if now - worker.stopped_at > self.terms.stop_max:
            self._log(WARNING, f"the {self.name} worker does not stop: killing it")
            worker.kill()
        elif now - worker.heard_at <= (self.terms.silent_max if worker.started else self.terms.start_max):
            worker.silent_at = NEVER
        else:
            worker.silent_at = min(worker.silent_at, now)
            if now - worker.silent_at > LOOK_ON:
                silent = now - worker.heard_at
                self._log(ERROR, f"the {self.name} worker has not moved for {silent:.0f} s: killing it")
                worker.kill()

    # ------------------------------------------------------------------------------------------------- death

    def ended(self, pid: int, code: int, now: float) -> None:
        """A child has ended: was it ours?"""
        worker = self.worker
        if worker is None or worker.pid != pid:
            return
        worker.killed = True  # its number may be another's soon
        if not worker.line.closed:
            self._readable()
            self._plumbing.unwatch(worker.line.fileno())
        worker.line.close()
        self.worker = None
        self._gone()
        if not self.wanted:
            return
        if worker.leaving:  # it was to go, and is wanted again
            self._respawn_at = now
        elif self.terms.respawn:
            self._replace(worker, manner(code), now)
        else:
            remains = f"; {self.terms.remains}" if self.terms.remains else ""
            self._log(ERROR, f"the {self.name} worker {manner(code)}: it is not to be respawned{remains}")
            signal.raise_signal(signal.SIGTERM)  # to us, as an operator would, and keepalived does

    def _replace(self, worker: Worker, how: str, now: float) -> None:
        self._deaths += 1
        pause = 0.0 if now - worker.born > STEADY else self._backoff
        self._backoff = min(BACKOFF_MAX, max(1.0, 2 * pause))
        again = f"another one starts in {pause:g} s" if pause else "starting another one"
        since = f" (death {self._deaths} since the reload at {self._renewed})" if self._renewed else ""
        self._log(ERROR, f"the {self.name} worker {how}{since}: {again}; {self.terms.meanwhile}")
        self._respawn_at = now + pause
        self._died(worker, how, now)

    # ------------------------------------------------------------------------------------------------- the end

    def stop(self) -> None:
        """Have the worker stop; called again: at once."""
        if self.stopping and self.worker is not None:
            self.worker.kill()
        self.stopping = True
        self.dismiss()

    def dismiss(self, again: bool = False, **more: Any) -> None:
        """Have the worker go, and nobody come after it; it is told `more`. One that was told already is not told twice
        unless `again`."""
        self._respawn_at = NEVER
        if self.worker is not None and (again or not self.worker.leaving):
            self.worker.stopped_at = min(self.worker.stopped_at, time.monotonic())
            self.order({"do": "stop", **more})

    def remove_files(self) -> None:
        """All has ended."""
        if self._pid_file is not None:
            self._pid_file.remove()
