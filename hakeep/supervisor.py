"""The parent: starts the workers, watches over them, and is who the user and the service manager talk to.

A poll loop: no trio, no threads, and nothing that waits. What could take long (parsing a new configuration, writing a
dump) is done by a short-lived child. What there is to do stands in five rooms: `succession` (the vrrp worker and those
that follow it), `attendance` (the same for the lvs worker) and `lookout` (for the track and bfd workers), which have
the life of these in common (`seat`), `in_force` (the configuration, and reloads) and `requests` (what users ask).

If the supervisor itself is killed, the kernel tells the workers (PR_SET_PDEATHSIG) and they stop as they would on TERM.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from hakeep import __version__, hooks
from hakeep.attendance import Attendance
from hakeep.config.settled import Settings
from hakeep.control import ControlSocket
from hakeep.errands import Errands
from hakeep.facts import Facts
from hakeep.guard import Guard, release, release_routing
from hakeep.in_force import InForce
from hakeep.kernel.nft import Nft, Support, probe
from hakeep.kernel.sched import set_process_name
from hakeep.lookout import Lookout
from hakeep.options import Options
from hakeep.pidfile import PidFile
from hakeep.post import Courier
from hakeep.requests import Requests
from hakeep.sdnotify import ServiceManager
from hakeep.seat import Plumbing
from hakeep.succession import Succession
from hakeep.vrrp.fence import table_name
from hakeep.worker import NOTICE, WARNING, Log, SharedPage

#: Seconds between two turns at most, and by how many a turn may be late before a pause is suspected.
TURN = 1.0
LATE = 0.25


class Supervisor:
    """Runs until told to stop; `run` returns the exit status."""

    def __init__(
        self, settings: Settings, options: Options, log: Log, pid_file: PidFile, control: ControlSocket
    ) -> None:
        self.options = options
        self.log = log
        self.pid_file = pid_file
        self.control = control
        self.poll = select.poll()
        self.readers: dict[int, Callable[[], None]] = {}
        self.manager = ServiceManager()
        self.page = SharedPage()
        self.errands = Errands(self._watch, self._unwatch, log)
        self.in_force = InForce(
            settings, options, self.errands, log, self.manager, self._changed, self._deliver, SIGNALS
        )
        self.guard = Guard(self.page, self.in_force.facts.charges)
        self.requests = Requests(
            options, self.in_force, control, self.page, self.errands, log,
            watch=self._watch, unwatch=self._unwatch, signals=SIGNALS,
        )
        self.succession = self.requests.succession = Succession(
            options, self.in_force, self.guard, log, self.manager,
            watch=self._watch, unwatch=self._unwatch, hear=self.requests.hear, leave=self._leave_as_vrrp,
            standby=self.requests.standby_orders, tracked=lambda: self.lookout.tracked(), give_up=self._give_up,
        )
        plumbing = Plumbing(self._watch, self._unwatch, self._leave_seat)
        self.attendance = self.requests.attendance = Attendance(
            options, log, plumbing, hear=self.requests.hear, orders=self.requests.lvs_orders)
        self.attendance.in_force = self.in_force
        self.lookout = self.requests.lookout = Lookout(
            options, self.in_force, log, plumbing, hear=self.requests.hear, tell_vrrp=self.succession.order,
            tell_session=self.attendance.session_is,
        )
        self.seats = (self.attendance.seat, *self.lookout.seats)
        self.courier = self.requests.courier = Courier(log, self._watch, self._unwatch)
        self.courier.configure(self.in_force.facts.globals)
        self.stopping = False
        self.status = 0
        self.wake_in, self.wake_out = socket.socketpair()
        for sock in (self.wake_in, self.wake_out):
            sock.setblocking(False)

    # ------------------------------------------------------------------------------------------------- life

    def run(self) -> int:
        """Serve until stopped. Returns the exit status."""
        self._catch_signals()
        first = self.in_force.facts.globals
        with suppress(OSError):
            set_process_name(first.process_name or "hakeepd")
        if self.options.vrrp:
            support = self.succession.support = self._probe()
            if not support.fence:
                self.log(WARNING, f"no fence on this kernel ({support.reason}): the lease alone guards the addresses")
        self.requests.open()
        hooks.run("startup_script", first.startup_script, first.startup_script_timeout, first, self.log)
        gc.freeze()  # a child's collector must not touch, and so copy, the pages that it shares with us
        if self.options.vrrp:
            self.succession.spawn()
        else:
            self.manager.ready()
        self._direct()
        turned = time.monotonic()
        while self._busy():
            pause = self._pause()
            for fd, _ in self.poll.poll(pause * 1000):
                reader = self.readers.get(fd)
                if reader is not None:
                    reader()
            now = time.monotonic()
            self._turn(now, late=now - turned > pause + LATE)
            turned = now
        self._clean_up()
        return self.status

    def _busy(self) -> bool:
        """While there is a worker, or, unless we are stopping, will be one."""
        if self.stopping:
            working = self.succession.worker is not None or any(seat.worker is not None for seat in self.seats)
            return working or self.courier.farewell(time.monotonic())
        return bool(self.succession.expected or not self.options.vrrp or self.errands)

    def _direct(self) -> None:
        """Have the lvs worker that the configuration asks for, or none."""
        if self.options.lvs:
            self.attendance.deliver(self.in_force.director)
        else:
            self.in_force.pack()
        self.lookout.direct()

    def _reap(self) -> None:
        """Take note of children that have ended: workers and others."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code, now = os.waitstatus_to_exitcode(status), time.monotonic()
            self.succession.ended(pid, code, now)
            for seat in self.seats:
                seat.ended(pid, code, now)
            self.courier.ended(pid, code, now)

    def _catch_signals(self) -> None:
        signal.set_wakeup_fd(self.wake_out.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self._watch(self.wake_in.fileno(), self._signalled)

    def _pause(self) -> float:
        now = time.monotonic()
        return max(0.0, min(now + TURN, self.succession.wake_at, self.courier.wake_at, self.requests.wake_at,
                            *(seat.wake_at for seat in self.seats)) - now)

    def _turn(self, now: float, late: bool) -> None:
        self._reap()
        self.succession.turn(now, late)
        for seat in self.seats:
            seat.turn(now)
        self.courier.turn(now)
        if not self.options.vrrp:  # with it, its heartbeat must be fresh as well
            self.manager.alive(now)
        self.errands.end_overdue(now)
        if not self.stopping:
            self.in_force.turn()
        self.requests.turn(now)

    def _clean_up(self) -> None:
        if not self.options.keep_addresses:
            with suppress(OSError):
                release_routing(self.guard.watched)
            with suppress(OSError):
                release(key for charge in self.guard.watched for key in charge.addresses)
        self._release_filter()
        last = self.in_force.facts.globals
        hooks.run("shutdown_script", last.shutdown_script, last.shutdown_script_timeout, last, self.log)
        self.courier.close()
        self.control.close()
        self.succession.remove_files()
        for seat in self.seats:
            seat.remove_files()
        self.pid_file.remove()
        self.log(NOTICE, f"Stopped hakeep v{__version__}")

    def _probe(self) -> Support:
        """Ask nftables in a child: an odd libnftables could crash."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            with suppress(BaseException):
                support = probe()
                os.write(writer, json.dumps([support.fence, support.reason]).encode()[:4000])
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read()
        os.waitpid(pid, 0)
        if not said:
            return Support(False, "libnftables crashed")
        ok, reason = json.loads(said)
        return Support(bool(ok), str(reason))

    def _release_filter(self) -> None:
        """The worker takes its tables with it; after one that was killed we do. Also where addresses are to stay:
        behind a fence that nobody keeps open they would be of no use."""
        if not self.succession.support.fence:
            return
        pid = os.fork()
        if pid == 0:
            with suppress(BaseException):
                Nft().release(table_name(self.in_force.facts.globals))
            os._exit(0)
        os.waitpid(pid, 0)

    # ------------------------------------------------------------------------------------------------- signals

    def _signalled(self) -> None:
        with suppress(BlockingIOError):
            for number in self.wake_in.recv(256):
                if number in (signal.SIGTERM, signal.SIGINT):
                    self._stop()
                elif number == signal.SIGHUP and not self.stopping:
                    self.in_force.reload()
                elif number in DUMPS:
                    self.requests.ask_dump(DUMPS[number])

    def _stop(self) -> None:
        if not self.stopping:
            self.log(NOTICE, "Stopping")
            self.manager.stopping()
        self.stopping = True
        self.succession.stop()
        self.attendance.stop()
        self.lookout.stop()
        self.courier.stop()

    def _give_up(self, status: int) -> None:
        self.status = status
        self.stopping = True
        self.attendance.stop()
        self.lookout.stop()

    # ------------------------------------------------------------------------------------------------- configuration

    def _deliver(self, blob: bytes) -> None:
        self.succession.deliver(blob)

    def _changed(self, old: Facts) -> None:
        """Another configuration is in force. The page is the worker's, and ours to put in order while there is none."""
        facts = self.in_force.facts
        self.guard.watched = facts.charges
        self.courier.configure(facts.globals)
        if self.succession.worker is None:
            self.page.rearrange(facts.names, old.names)
        os.umask(facts.globals.umask if self.options.umask is None else self.options.umask)
        self._direct()

    def _leave(self) -> None:
        """In a worker: what is the parent's."""
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self.wake_in.close()
        self.wake_out.close()
        self.control.leave()
        self.pid_file.leave()
        self.manager.leave()
        self.courier.leave()

    def _leave_as_vrrp(self) -> None:
        self._leave()
        self.in_force.leave()
        for seat in self.seats:
            seat.leave()

    def _leave_seat(self) -> None:
        self._leave()
        self.succession.leave()
        for seat in self.seats:
            seat.leave()

    # ------------------------------------------------------------------------------------------------- plumbing

    def _watch(self, fd: int, reader: Callable[[], None]) -> None:
        self.readers[fd] = reader
        self.poll.register(fd, select.POLLIN)

    def _unwatch(self, fd: int) -> None:
        if self.readers.pop(fd, None) is not None:
            self.poll.unregister(fd)


DUMPS = {
    int(signal.SIGUSR1): "data",
    int(signal.SIGUSR2): "stats",
    signal.SIGRTMIN + 2: "json",
    signal.SIGRTMAX - 1: "stats_clear",
}
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, *DUMPS)
