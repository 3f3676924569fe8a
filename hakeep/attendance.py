"""The lvs worker and those that come after it.

No address hangs on it. When it dies the kernel's table stays as it was, and so does what clients get: only a server
that fails meanwhile is not taken out. So it is started again, at once and then with growing pauses, for as long as
there are virtual servers; and it takes nobody with it. Only where nobody is to be started again (-R) the daemon ends.

What is known of each check is kept here while there is nobody to know it, and given to the next one, which so does not
begin with all servers up.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hakeep.offspring import fork_worker, note_pid
from hakeep.options import Options
from hakeep.pidfile import PidFile
from hakeep.worker import ERROR, INFO, WARNING, Line, Log, no_collection

if TYPE_CHECKING:
    from hakeep.config.settled_lvs import Director
    from hakeep.in_force import InForce
    from hakeep.lvs.messages import Ordered

NEVER = float("inf")

#: Seconds without a death after which the next one is a first one again, and the longest pause.
STEADY = 30.0
BACKOFF_MAX = 60.0

#: Seconds that a worker may take to empty the table: ten thousands of servers take a while.
STOP_MAX = 15.0

#: Seconds that a worker may be silent: it says something every other second, unless it is busy with ten
#: thousands of servers. And how long we look on after that: all of us may have stood still.
SILENT_MAX, LOOK_ON = 30.0, 5.0


@dataclass
class Worker:
    """One lvs worker process. `stopped_at` is when it was told to go, `heard_at` when it said something last, and
    `silent_at` when that was found to be too long ago, NEVER while it is not."""

    pid: int
    line: Line
    born: float
    started: bool = False
    stopped_at: float = NEVER
    heard_at: float = 0.0
    silent_at: float = NEVER
    killed: bool = False
    given: deque[bytes] = field(default_factory=deque)  # what it got and has not taken up yet


class Attendance:
    """`hear(body)` is called with what a worker says that is not for us, `watch` and `unwatch` belong to the loop,
    `leave()` lets a child go of what is the parent's. `orders()` has what operators want. `in_force`, where it is set,
    is told what became of a configuration."""

    in_force: InForce | None = None

    def __init__(
        self, options: Options, log: Log, *, watch: Callable[[int, Callable[[], None]], None],
        unwatch: Callable[[int], None], hear: Callable[[dict[str, Any]], None], leave: Callable[[], None],
        orders: Callable[[], Iterable[Ordered]],
    ) -> None:
        self._options = options
        self._log = log
        self._watch, self._unwatch = watch, unwatch
        self._hear = hear
        self._leave = leave
        self._orders = orders
        self._blob = b""
        self._pid_file: PidFile | None = None
        self._had_one = False
        self._held = b""  # what a worker took up last: the table may still be as that wants it
        self._half = b""  # what one that died was about to take up: the table may have some of it
        self._memory: dict[str, str] = {}
        self._routers: dict[str, str] = {}
        self._sessions: dict[str, bool] = {}
        self._backoff = 0.0
        self._deaths, self._reloaded = 0, ""  # since the time of day when something else was delivered
        self._respawn_at = NEVER
        self._stopping = False
        self.worker: Worker | None = None
        self.restarts = 0

    @property
    def wanted(self) -> bool:
        """True while the configuration has virtual servers, and we are not stopping."""
        return bool(self._blob) and not self._stopping

    @property
    def before(self) -> bytes | None:
        """What the next worker has to clear away, because nobody wants it any more."""
        return next((blob for blob in (self._half, self._held) if blob not in (b"", self._blob)), None)

    @property
    def wake_at(self) -> float:
        """When to turn at the latest."""
        worker = self.worker
        if worker is None:
            return self._respawn_at
        soon = time.monotonic() + 0.01 if worker.line.waiting and not worker.line.closed else NEVER
        return min(soon, NEVER if worker.killed else worker.stopped_at + STOP_MAX)

    def order(self, order: dict[str, Any]) -> bool:
        """Tell the worker. False when there is none."""
        if self.worker is None:
            return False
        self.worker.line.send(order)
        return True

    def router_is(self, name: str, state: str) -> None:
        """A vrrp_instance reached a state; one that is started later is told as well."""
        if self._routers.get(name) != state:
            self._routers[name] = state
            self.order({"do": "router", "name": name, "state": state})

    def session_is(self, name: str, up: bool) -> None:
        """A BFD session came up or went down; a worker that is started later is told as well."""
        if self._sessions.get(name) is not up:
            self._sessions[name] = up
            self.order({"do": "session", "name": name, "up": up})

    def deliver(self, blob: bytes) -> None:
        """A pickled Director is in force; empty = there is nothing to direct any more."""
        if blob == self._blob:
            return
        if not blob:
            self._dismiss()  # who is to empty the table needs the old one
        self._deaths, self._reloaded = 0, time.strftime("%H:%M:%S") if self._had_one else ""
        self._blob = blob
        if not blob:
            if self.worker is None:
                self._taken_over()
        elif self.worker is None:
            self._spawn()
        elif self.worker.stopped_at == NEVER:
            self.worker.line.send_blob(blob)
            self.worker.given.append(blob)

    def _taken_over(self) -> None:
        """What was delivered last is done."""
        if self.in_force is not None:
            self.in_force.taken_over(time.monotonic(), "lvs")

    # ------------------------------------------------------------------------------------------------- birth

    def _spawn(self) -> None:
        parent = os.getpid()
        self._respawn_at = NEVER
        try:
            pid, line = fork_worker(lambda line: self._be_worker(line, parent), self._log)
        except OSError as error:
            self._log(ERROR, f"cannot start the lvs worker, trying again: {error}")
            self._respawn_at = time.monotonic() + max(1.0, self._backoff)
            return
        self.worker = Worker(pid, line, time.monotonic())
        self._had_one = True
        self.worker.given.append(self._blob)
        self._watch(line.fileno(), self._readable)
        self._pid_file = note_pid(self._pid_file, self._options.lvs_pid_file, pid, self._log, "lvs")

    def leave(self) -> None:
        """In a child that is somebody else: a line or a lock that it kept would outlive the worker's."""
        if self.worker is not None:
            self.worker.line.close()
        if self._pid_file is not None:
            self._pid_file.leave()

    def _be_worker(self, line: Line, parent: int) -> int:
        """The child's side of the fork. What only it uses is not imported before: VRRP must not wait for HTTP. It takes
        a while, in which a signal to the child must not come to the parent."""
        self._leave()
        if self._pid_file is not None:
            self._pid_file.leave()
        from hakeep.lvs import process

        start = process.Start(
            parent=parent, memory=self._memory, orders=tuple(self._orders()), routers=self._routers,
            sessions=self._sessions, keep=self._options.keep_ipvs, flush=not self._had_one,
            alone=not self._options.vrrp,
        )
        with no_collection():
            director: Director = pickle.loads(self._blob)
            if self.before is not None:
                start = replace(start, before=pickle.loads(self.before))
        return process.main(director, line, self._log.child("hakeepd_lvs"), start)

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
            self._log(ERROR, f"the lvs worker says what makes no sense, killing it: {error!r}")
            self._kill(worker)
        if worker.line.closed:
            self._unwatch(worker.line.fileno())

    def _listen(self, worker: Worker, body: dict[str, Any]) -> None:
        match body.get("do"):
            case "remember":
                for check, memory in dict(body.get("checks", {})).items():
                    if memory:
                        self._memory[str(check)] = str(memory)
                    else:
                        self._memory.pop(str(check), None)
            case "started":
                worker.started = True
                self._log(INFO, "LVS start-up complete")
            case "taken":
                self._held, self._half = worker.given.popleft(), b""
                if not worker.given and worker.stopped_at == NEVER:
                    self._taken_over()
            case "alive":
                pass
            case _:
                self._hear(body)

    def turn(self, now: float) -> None:
        """Look after everything once."""
        if now >= self._respawn_at:
            self.restarts += 1
            self._spawn()
        worker = self.worker
        if worker is None:
            return
        worker.line.flush()
        if now - worker.stopped_at > STOP_MAX and not worker.killed:
            self._log(WARNING, "the lvs worker does not stop: killing it")
            self._kill(worker)
        self._watch_over(worker, now)

    def _watch_over(self, worker: Worker, now: float) -> None:
        """One that does not turn any more leaves clients with servers that are dead."""
        if not worker.started or worker.killed or now - worker.heard_at <= SILENT_MAX:
            worker.silent_at = NEVER
            return
        worker.silent_at = min(worker.silent_at, now)
        if now - worker.silent_at > LOOK_ON:
            self._log(ERROR, f"the lvs worker has not moved for {now - worker.heard_at:.0f} s: killing it")
            self._kill(worker)

    def _kill(self, worker: Worker) -> None:
        if not worker.killed:
            worker.killed = True
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)

    # ------------------------------------------------------------------------------------------------- death

    def ended(self, pid: int, code: int, now: float) -> None:
        """A child has ended: was it ours?"""
        worker = self.worker
        if worker is None or worker.pid != pid:
            return
        worker.killed = True  # its number may be another's soon
        if not worker.line.closed:
            self._readable()
            self._unwatch(worker.line.fileno())
            worker.line.close()
        self.worker = None
        if not self._blob and not self._stopping:
            self._taken_over()
        if not self.wanted:
            return
        if worker.stopped_at < NEVER:  # it was to go, and is wanted again
            self._respawn_at = now
            return
        how = f"was killed by signal {-code}" if code < 0 else f"exited with status {code}"
        if self._options.respawn:
            self._replace(worker, how, now)
        else:
            self._log(ERROR, f"the lvs worker {how}: it is not to be respawned; the kernel's table stays as it is")
            signal.raise_signal(signal.SIGTERM)  # to us, as an operator would, and keepalived does

    def _replace(self, worker: Worker, how: str, now: float) -> None:
        """Have another one soon, with the configuration before if this one's is to blame."""
        self._deaths += 1
        pause = 0.0 if now - worker.born > STEADY else self._backoff
        self._backoff = min(BACKOFF_MAX, max(1.0, 2 * pause))
        again = f"another one starts in {pause:g} s" if pause else "starting another one"
        since = f" (death {self._deaths} since the reload at {self._reloaded})" if self._reloaded else ""
        self._log(ERROR, f"the lvs worker {how}{since}: {again}; the kernel's table stays as it is meanwhile")
        self._half = worker.given[-1] if worker.given and worker.started else b""
        self._respawn_at = now + pause
        if self.in_force is not None:
            self.in_force.crashed(how, now, "lvs")

    # ------------------------------------------------------------------------------------------------- the end

    def stop(self) -> None:
        """Have the worker stop; called again: at once."""
        hurry, self._stopping = self._stopping, True
        self._dismiss(hurry)

    def _dismiss(self, hurry: bool = False) -> None:
        """Have the worker go. Told twice it does not wait for an empty table. One that died has left the table as it
        was: then it is for another one to empty it."""
        keep = self._options.keep_ipvs and self._stopping
        if self.worker is None and self._respawn_at < NEVER and not keep:
            self._spawn()
        self._respawn_at = NEVER
        if self.worker is not None and (hurry or self.worker.stopped_at == NEVER):
            self.worker.stopped_at = min(self.worker.stopped_at, time.monotonic())
            self.order({"do": "stop", "keep": keep})

    def remove_files(self) -> None:
        """All has ended."""
        if self._pid_file is not None:
            self._pid_file.remove()
