"""The vrrp worker and those that come after it.

A worker that dies is replaced at once, later ones with growing pauses. The page that it leaves (`worker.SharedPage`)
and duplicates of its sockets let the next one go on as MASTER without touching an address. A worker that is there but
does not turn any more must not keep addresses: they are released, and it is killed.

Lateness has two sides. If we ourselves have not turned for a while, the whole machine or all our processes may have
stood still, and a worker gets all of its time anew before anything is held against it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hakeep.guard import Guard, release, release_routing
from hakeep.in_force import InForce
from hakeep.kernel.nft import Support
from hakeep.offspring import Child, fork_worker, manner, note_pid
from hakeep.options import Options
from hakeep.parcel import unpack
from hakeep.pidfile import PidFile
from hakeep.sdnotify import ServiceManager
from hakeep.vrrp.messages import Commanded, Tracked
from hakeep.worker import ERROR, INFO, WARNING, Line, Log, SharedPage

NEVER = float("inf")

#: Deaths within this many seconds, and how many of them, after which addresses are not left to the next worker.
DEATH_WINDOW = 10.0
DEATHS_MAX = 3

#: Seconds that a worker may take to start: a thousand VMACs take the kernel some twenty.
START_MAX = 90.0

#: Seconds that a worker which still turns may take to stop.
STOP_MAX = 60.0

#: Exit statuses that another start would not mend: see `process.main` and keepalived's.
HOPELESS = (1, 2, 4)


@dataclass
class Worker(Child):
    """One vrrp worker process. `late_since` is when its heartbeat was first found too old, NEVER while it is fresh."""

    late_since: float = NEVER
    released: bool = False
    recorded: bool = False


class Sockets:
    """Duplicates of a worker's sockets, by what they are for. They come in several messages."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}
        self._coming: dict[str, int] = {}

    def add(self, keys: list[str], fds: list[int], last: bool) -> None:
        """One more message; with the `last` one they replace those from before."""
        _close(fds[len(keys) :])
        for key, fd in zip(keys, fds, strict=False):
            _close([self._coming.pop(key)] if key in self._coming else [])
            self._coming[key] = fd
        if last:
            _close(self.held.values())
            self.held, self._coming = self._coming, {}

    def close(self) -> None:
        """Let go of them all."""
        _close((*self.held.values(), *self._coming.values()))
        self.held, self._coming = {}, {}

    def make_do(self) -> None:
        """No more will come from that worker: what it said last counts, as far as it got."""
        _close(self.held[key] for key in self._coming.keys() & self.held.keys())
        self.held |= self._coming
        self._coming = {}


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)


class Succession:
    """`hear(body)` is called with what a worker says, `watch` and `unwatch` belong to the loop, `leave()` lets a child
    go of what is the parent's. `standby()` has the orders for a new worker, `tracked()` what is known of tracked
    things. `give_up(status)` ends the daemon."""

    def __init__(
        self, options: Options, in_force: InForce, guard: Guard, log: Log, manager: ServiceManager, *,
        watch: Callable[[int, Callable[[], None]], None], unwatch: Callable[[int], None],
        hear: Callable[[dict[str, Any]], None], leave: Callable[[], None],
        standby: Callable[[], Mapping[str, Commanded]], tracked: Callable[[], tuple[Tracked, ...]],
        give_up: Callable[[int], None],
    ) -> None:
        self._options = options
        self._in_force = in_force
        self._guard = guard
        self._page: SharedPage = guard.page
        self._log = log
        self._manager = manager
        self._watch, self._unwatch = watch, unwatch
        self._hear = hear
        self._leave = leave
        self._standby = standby
        self._tracked = tracked
        self._give_up = give_up
        self._pid_file: PidFile | None = None
        self._sockets = Sockets()
        self._deaths: list[float] = []
        self._backoff = 1.0
        self._respawn_at = self._release_at = self._stop_since = NEVER
        self._fair_since = 0.0
        self.support = Support(False, "not probed yet")
        self.worker: Worker | None = None
        self.restarts = 0

    @property
    def expected(self) -> bool:
        """True while there is a worker, or will be one."""
        return self.worker is not None or self._respawn_at < NEVER

    @property
    def stopping(self) -> bool:
        """True once `stop` was called."""
        return self._stop_since < NEVER

    @property
    def wake_at(self) -> float:
        """When to turn at the latest."""
        now = time.monotonic()
        soon = now + (0.01 if self.worker is not None and self.worker.line.waiting else self._guard.patience / 2)
        return min(soon, self._respawn_at, self._release_at)

    def order(self, order: dict[str, Any]) -> bool:
        """Tell the worker. False when there is none."""
        if self.worker is None:
            return False
        self.worker.line.send(order)
        return True

    def deliver(self, blob: bytes) -> None:
        """A new configuration for the worker; one that is started later gets it anyway."""
        if self.worker is not None:
            self.worker.line.send_blob(blob)

    # ------------------------------------------------------------------------------------------------- birth

    def spawn(self, respawned: bool = False) -> None:
        """Start a worker, or try it again later."""
        parent = os.getpid()
        self._respawn_at = NEVER
        try:
            pid, line = fork_worker(lambda line: self._be_worker(line, parent, respawned), self._log)
        except OSError as error:
            self._log(ERROR, f"cannot start the vrrp worker, trying again: {error}")
            self._respawn_at = time.monotonic() + self._backoff
            return
        self.worker = Worker(pid, line, time.monotonic())
        self._watch(line.fileno(), self._readable)
        self._pid_file = note_pid(self._pid_file, self._options.vrrp_pid_file, pid, self._log, "vrrp")

    def leave(self) -> None:
        """In a child that is somebody else: a line, a lock or a socket that it kept would outlive the worker's."""
        if self.worker is not None:
            self.worker.line.close()
        if self._pid_file is not None:
            self._pid_file.leave()
        self._sockets.close()

    def _be_worker(self, line: Line, parent: int, respawned: bool) -> int:
        """The child's side of the fork."""
        self._leave()
        from hakeep.vrrp import process

        if self._pid_file is not None:
            self._pid_file.leave()
        start = process.Start(
            parent=parent, run_directory=self._options.run_directory, inherited=self._sockets.held, respawned=respawned,
            fence=self.support, keep=self._options.keep_addresses, standby=self._standby(),
            tracked=self._tracked(),
        )
        log = self._log.child("hakeepd_vrrp")
        return process.main(unpack(self._in_force.blob), line, self._page, log, start)

    # ------------------------------------------------------------------------------------------------- life

    def _readable(self) -> None:
        worker = self.worker
        if worker is None:
            return
        for message in worker.line.receive():
            self._listen(worker, message.body, message.fds)
        if worker.line.closed:
            self._unwatch(worker.line.fileno())

    def _listen(self, worker: Worker, body: dict[str, Any], fds: list[int]) -> None:
        match body.get("do"):
            case "sockets":
                self._sockets.add(body.get("fds", []), fds, bool(body.get("last")))
            case "started":
                worker.started = True
                self._release_at = NEVER
                self._log(INFO, "Startup complete")
                self._in_force.taken_over(time.monotonic())
                self._manager.ready()
            case "reloaded":
                self._in_force.taken_over(time.monotonic())
            case _:
                self._hear(body)

    def turn(self, now: float, late: bool) -> None:
        """Look after everything once. `late`: we have not turned for longer than we wanted to."""
        if late:
            self._fair_since = now
        self._watch_heartbeat(now)
        if now >= self._respawn_at:
            self.spawn(respawned=True)
        if now >= self._release_at:
            self._release_at = NEVER
            self.release("no worker has taken them over")
        self._stop_overdue(now)
        if self.worker is not None:
            self.worker.line.flush()

    def _watch_heartbeat(self, now: float) -> None:
        """A worker that is there but does not turn must not keep its addresses."""
        worker = self.worker
        if worker is None or worker.killed or self._stop_since < NEVER:
            return
        if not worker.started:
            if now - max(worker.born, self._fair_since) > START_MAX:
                self._log(ERROR, f"the vrrp worker has not started within {START_MAX:g} s: killing it")
                worker.kill()
            return
        late = now - max(self._page.heartbeat, self._fair_since)
        if late <= self._guard.patience:
            worker.late_since, worker.released = NEVER, False
            if now - self._page.heartbeat <= self._guard.patience:
                self._manager.alive(now)
            return
        worker.late_since = min(worker.late_since, now)
        if now - worker.late_since < self._guard.patience / 2:  # look twice: a short pause may have hit both of us
            return
        age = now - self._page.heartbeat
        if late > self._guard.kill_after:
            self._log(ERROR, f"the vrrp worker has not moved for {age:.1f} s: killing it")
            worker.kill()
        elif not worker.released:
            worker.released = self.release(f"the vrrp worker has not moved for {age:.2f} s")
            if not worker.recorded:  # it may still be able to say what it was doing
                worker.recorded = True
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGQUIT)

    # ------------------------------------------------------------------------------------------------- death

    def ended(self, pid: int, code: int, now: float) -> None:
        """A child has ended: was it the worker?"""
        if self.worker is not None and pid == self.worker.pid:
            self._died(code, now)

    def _died(self, code: int, now: float) -> None:
        self._bury()
        if self._stop_since < NEVER:
            return
        how = manner(code)
        self._deaths = [at for at in self._deaths if at > now - DEATH_WINDOW] + [now]
        if code != 0 and self._options.respawn and self._in_force.crashed(how, now):
            self.restarts += 1
            self.spawn(respawned=True)
        elif code in HOPELESS:
            self._log(ERROR, f"the vrrp worker {how}, which another start would not mend: terminating")
            self._end(code, "the daemon ends")
        elif not self._options.respawn:
            self._log(ERROR, f"the vrrp worker {how}")
            self._end(1, "it is not to be respawned")
        else:
            self._log(ERROR, f"the vrrp worker {how}")
            self._respawn(now)

    def _bury(self) -> None:
        worker = self.worker
        assert worker is not None
        if not worker.line.closed:
            self._readable()
            self._unwatch(worker.line.fileno())
            worker.line.close()
        self._sockets.make_do()
        self.worker = None

    def _end(self, status: int, why: str) -> None:
        self.release(why)
        self._stop_since = time.monotonic()
        self._give_up(status)

    def _respawn(self, now: float) -> None:
        self.restarts += 1
        if len(self._deaths) >= DEATHS_MAX:
            self.release(f"it died {len(self._deaths)} times in {DEATH_WINDOW:g} s")
        self._release_at = now + 2 * max((charge.interval for charge in self._guard.masters()), default=1.0)
        if len(self._deaths) == 1:
            self._backoff = 1.0
            self.spawn(respawned=True)
        else:
            self._respawn_at = now + self._backoff
            self._backoff = min(60.0, 2 * self._backoff)

    def release(self, why: str) -> bool:
        """Delete the addresses of routers that are MASTER according to the page. False when the kernel refuses."""
        if self._options.keep_addresses:
            return True
        try:
            release_routing(self._guard.masters())
            count = release(key for charge in self._guard.masters() for key in charge.addresses)
        except OSError as error:
            self._log(ERROR, f"cannot release addresses: {error}")
            return False
        if count:
            self._log(WARNING, f"released {count} address{'' if count == 1 else 'es'}: {why}")
        return True

    # ------------------------------------------------------------------------------------------------- the end

    def stop(self) -> None:
        """Have the worker stop; called again: at once."""
        self._stop_since = min(self._stop_since, time.monotonic())
        self._respawn_at = self._release_at = NEVER
        self.order({"do": "stop", "keep": self._options.keep_addresses})

    def _stop_overdue(self, now: float) -> None:
        worker = self.worker
        waited = now - max(self._stop_since, self._fair_since)
        if worker is None or worker.killed or waited <= self._in_force.facts.globals.child_wait_time + 1.0:
            return
        if now - self._page.heartbeat < 1.0 and now - self._stop_since < STOP_MAX:
            return  # it is still at it: many links take their time
        self._log(WARNING, "the vrrp worker does not stop: killing it")
        worker.kill()

    def remove_files(self) -> None:
        """All has ended."""
        if self._pid_file is not None:
            self._pid_file.remove()
