"""The parent: starts the vrrp worker, watches over it, and is who the user and the service manager talk to.

A poll loop: no trio, no threads, and nothing that waits. What could take long (parsing a new configuration, writing a
dump) is done by a short-lived child. A worker that dies is replaced at once; the page it leaves (`worker.SharedPage`)
and duplicates of its receiving sockets let the next one go on as MASTER without touching an address.

If the supervisor itself is killed, the kernel tells the workers (PR_SET_PDEATHSIG) and they stop as they would on TERM.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hakeep import __version__, hooks
from hakeep.config.settled import Settings
from hakeep.control import Connection, ControlSocket
from hakeep.errands import Errands
from hakeep.guard import Guard, charges, describe, release
from hakeep.kernel.nft import Nft, Support, probe
from hakeep.pidfile import PidFile
from hakeep.report import protocol
from hakeep.report.snapshot import DaemonSnapshot, RouterSnapshot, SnapshotError, from_document
from hakeep.sdnotify import ServiceManager
from hakeep.standby import Order, Orders
from hakeep.vrrp import process
from hakeep.vrrp.fence import table_name
from hakeep.vrrp.messages import Commanded
from hakeep.worker import ERROR, INFO, NOTICE, WARNING, Line, Log, SharedPage

#: Deaths within this many seconds, and how many of them, after which addresses are not left to the next worker.
DEATH_WINDOW = 10.0
DEATHS_MAX = 3

#: Seconds that a worker which still turns may take to stop.
STOP_MAX = 60.0

#: How long a status request waits for the worker's fresh word.
FRESH = 0.5

#: How long a record request waits for the worker, which encodes ten thousand events; the tool waits a little longer.
RECORDING = 2.5


@dataclass
class Options:
    """What the command line says, as far as the supervisor needs it."""

    config: str
    run_directory: Path
    pid_file: Path
    vrrp_pid_file: Path
    control: Path
    dump_directory: Path
    dump_stem: str
    respawn: bool = True
    keep_addresses: bool = False
    ignore_unsupported: bool = False
    load: Callable[[], tuple[Settings | None, list[tuple[int, str]]]] = field(default=lambda: (None, []))


@dataclass
class Worker:
    """One vrrp worker process."""

    pid: int
    line: Line
    born: float
    started: bool = False
    overdue: bool = False
    recorded: bool = False


class Supervisor:
    """Runs until told to stop; `run` returns the exit status."""

    def __init__(
        self, settings: Settings, options: Options, log: Log, pid_file: PidFile, control: ControlSocket
    ) -> None:
        self.options = options
        self.log = log
        self.poll = select.poll()
        self.readers: dict[int, Callable[[], None]] = {}
        self.pid_file = pid_file
        self.control = control
        self.blob = pickle.dumps(settings)
        self.page = SharedPage()
        self.guard = Guard(self.page)
        self.globals = settings.globals
        self.instance = settings.globals.instance
        self.child_wait_time = settings.globals.child_wait_time
        self._take_facts(facts(settings))
        self.support = Support(False, "not probed yet")
        self.worker: Worker | None = None
        self.vrrp_pid: PidFile | None = None
        self.sockets: dict[str, int] = {}
        self.routers: tuple[RouterSnapshot, ...] = ()
        self.snapshot_at = 0.0
        self.waiting: list[tuple[float, Connection]] = []
        self.recording: list[tuple[float, Connection]] = []
        self.events_kept = 0
        self.errands = Errands(self._watch, self._unwatch, log)
        self.reload_again = False
        self.deaths: list[float] = []
        self.respawn_at = float("inf")
        self.release_at = float("inf")
        self.backoff = 1.0
        self.restarts = 0
        self.stopping_since = 0.0
        self.status = 0
        self.started = time.time()
        self.turned = time.monotonic()
        self.pending_dumps: list[str] = []
        name = f"standby_{self.instance}.json" if self.instance else "standby.json"
        self.orders = Orders(options.run_directory / name)
        self.manager = ServiceManager()
        self.wake_in, self.wake_out = socket.socketpair()
        for sock in (self.wake_in, self.wake_out):
            sock.setblocking(False)

    # ------------------------------------------------------------------------------------------------- life

    def run(self) -> int:
        """Serve until stopped. Returns the exit status."""
        self._catch_signals()
        self.support = self._probe()
        if not self.support.fence:
            self.log(WARNING, f"no fence on this kernel ({self.support.reason}): the lease alone guards the addresses")
        self._watch(self.control.sock.fileno(), self._accept)
        first = self.globals
        hooks.run("startup_script", first.startup_script, first.startup_script_timeout, first, self.log)
        gc.freeze()  # a child's collector must not touch, and so copy, the pages that it shares with us
        self._spawn()
        while self.worker is not None or self.respawn_at < float("inf") or self.errands:
            if self.stopping_since and self.worker is None:
                break
            for fd, _ in self.poll.poll(self._timeout() * 1000):
                reader = self.readers.get(fd)
                if reader is not None:
                    reader()
            self._turn(time.monotonic())
        self._clean_up()
        return self.status

    def _catch_signals(self) -> None:
        signal.set_wakeup_fd(self.wake_out.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self._watch(self.wake_in.fileno(), self._signalled)

    def _timeout(self) -> float:
        now = time.monotonic()
        until = min(now + 1.0, self.respawn_at, self.release_at, *(at for at, _ in (*self.waiting, *self.recording)))
        until = min(until, now + self.guard.patience / 2)
        if self.worker is not None and self.worker.line.waiting:
            until = min(until, now + 0.01)
        if any(connection.out for connection in self.control.connections.values()):
            until = min(until, now + 0.05)
        return max(0.0, until - now)

    def _turn(self, now: float) -> None:
        self._reap()
        self._watch_heartbeat(now)
        if now >= self.respawn_at:
            self.respawn_at = float("inf")
            self._spawn(respawned=True)
        if now >= self.release_at:
            self.release_at = float("inf")
            self._release("no worker has taken them over")
        self._answer_overdue(now)
        self._stop_overdue(now)
        self.errands.end_overdue(now)
        if self.reload_again and not self.errands:
            self.reload_again = False
            self._reload()
        if self.worker is not None:
            self.worker.line.flush()
        for connection in self.control.connections.values():
            connection.flush()
        self.control.bury(self._unwatch)
        self.turned = now

    def _clean_up(self) -> None:
        if not self.options.keep_addresses:
            with suppress(OSError):
                release(key for charge in self.guard.watched for key in charge.addresses)
        self._release_filter()
        last = self.globals
        hooks.run("shutdown_script", last.shutdown_script, last.shutdown_script_timeout, last, self.log)
        self.control.close()
        if self.vrrp_pid is not None:
            self.vrrp_pid.remove()
        self.pid_file.remove()
        self.log(NOTICE, f"Stopped hakeep v{__version__}")

    # ------------------------------------------------------------------------------------------------- the worker

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

    def _spawn(self, respawned: bool = False) -> None:
        parent = os.getpid()
        try:
            ours, theirs = socket.socketpair()
            pid = os.fork()
        except OSError as error:
            self.log(ERROR, f"cannot start the vrrp worker, trying again: {error}")
            self.respawn_at = time.monotonic() + self.backoff
            return
        if pid == 0:
            ours.close()
            os._exit(self._be_worker(theirs, parent, respawned))
        theirs.close()
        self.worker = Worker(pid, Line(ours, trusting=False), time.monotonic())
        self._watch(ours.fileno(), self._worker_readable)
        if self.vrrp_pid is None:
            with suppress(Exception):
                self.vrrp_pid = PidFile(self.options.vrrp_pid_file, pid)
        else:
            self.vrrp_pid.write(pid)

    def _be_worker(self, sock: socket.socket, parent: int, respawned: bool) -> int:
        """The child's side of the fork."""
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self.control.leave()
        self.pid_file.leave()
        try:
            return process.main(
                pickle.loads(self.blob), Line(sock, trusting=True), self.page, self.log.child("hakeepd_vrrp"),
                parent=parent, run_directory=self.options.run_directory, inherited=self.sockets,
                respawned=respawned, fence_support=self.support, keep=self.options.keep_addresses,
                standby=self._standby_orders(),
            )
        except BaseException:
            import traceback

            for line in traceback.format_exc().splitlines():
                self.log(ERROR, line)
            return 70

    def _worker_readable(self) -> None:
        worker = self.worker
        if worker is None:
            return
        for message in worker.line.receive():
            self._hear(worker, message.body, message.fds)
        if worker.line.closed:
            self._unwatch(worker.line.fileno())

    def _hear(self, worker: Worker, body: dict[str, Any], fds: list[int]) -> None:
        do = body.get("do")
        if do in ("started", "reloaded", "sockets"):
            self._keep_sockets(body.get("fds", []), fds)
        if do == "started":
            worker.started = True
            self.release_at = float("inf")
            self.log(INFO, "Startup complete")
            self.manager.ready()
        elif do == "reloaded":
            self.log(INFO, "Reload complete")
            self.manager.ready()
        elif do == "snapshot":
            self.events_kept = int(body.get("recorder", 0))
            self._take_snapshot(body.get("routers", []))
        elif do == "recorded":
            self._recorded(body)

    def _keep_sockets(self, keys: list[str], fds: list[int]) -> None:
        for fd in self.sockets.values():
            os.close(fd)
        self.sockets = dict(zip(keys, fds, strict=False))
        for fd in fds[len(keys):]:
            os.close(fd)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.worker is not None and pid == self.worker.pid:
                self._worker_died(status)

    def _worker_died(self, status: int) -> None:
        worker, now = self.worker, time.monotonic()
        assert worker is not None
        if not worker.line.closed:
            self._worker_readable()
            self._unwatch(worker.line.fileno())
            worker.line.close()
        self.worker = None
        code = os.waitstatus_to_exitcode(status)
        if self.stopping_since:
            return
        how = f"was killed by signal {-code}" if code < 0 else f"exited with status {code}"
        if code in (1, 2, 4):
            self.log(ERROR, f"the vrrp worker {how}, which another start would not mend: terminating")
            self.status = code
            self._release("the daemon ends")
            self.stopping_since = now
            return
        self.log(ERROR, f"the vrrp worker {how}")
        self.deaths = [at for at in self.deaths if at > now - DEATH_WINDOW] + [now]
        if not self.options.respawn:
            self._release("it is not to be respawned")
            self.status = 1
            self.stopping_since = now
            return
        self.restarts += 1
        if len(self.deaths) >= DEATHS_MAX:
            self._release(f"it died {len(self.deaths)} times in {DEATH_WINDOW:g} s")
        self.release_at = now + 2 * max((charge.interval for charge in self.guard.masters()), default=1.0)
        if len(self.deaths) == 1:
            self.backoff = 1.0
            self._spawn(respawned=True)
        else:
            self.respawn_at = now + self.backoff
            self.backoff = min(60.0, 2 * self.backoff)

    def _watch_heartbeat(self, now: float) -> None:
        """A worker that is there but does not turn must not keep its addresses."""
        worker = self.worker
        if worker is None or not worker.started or self.stopping_since or now - self.turned > 1.2:
            return
        age = now - self.page.heartbeat
        if age <= self.guard.patience:
            worker.overdue = False
            self.manager.alive(now)
            return
        if not worker.overdue:  # look twice: it may be we who were late
            worker.overdue = True
            return
        if age > self.guard.kill_after:
            self.log(ERROR, f"the vrrp worker has not moved for {age:.1f} s: killing it")
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
        else:
            self._release(f"the vrrp worker has not moved for {age:.2f} s")
            if not worker.recorded:  # it may still be able to say what it was doing
                worker.recorded = True
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGQUIT)

    def _release(self, why: str) -> None:
        if self.options.keep_addresses:
            return
        try:
            count = release(key for charge in self.guard.masters() for key in charge.addresses)
        except OSError as error:
            self.log(ERROR, f"cannot release addresses: {error}")
            return
        if count:
            self.log(WARNING, f"released {count} addresses: {why}")

    def _release_filter(self) -> None:
        """The worker takes its tables with it; after one that was killed we do."""
        if not self.support.fence or self.options.keep_addresses:
            return
        pid = os.fork()
        if pid == 0:
            with suppress(BaseException):
                Nft().release(table_name(self.globals))
            os._exit(0)
        os.waitpid(pid, 0)

    # ------------------------------------------------------------------------------------------------- signals

    def _signalled(self) -> None:
        with suppress(BlockingIOError):
            for number in self.wake_in.recv(256):
                if number in (signal.SIGTERM, signal.SIGINT):
                    self._stop()
                elif number == signal.SIGHUP:
                    self._reload()
                elif number in DUMPS:
                    self._ask_dump(DUMPS[number])

    def _stop(self) -> None:
        again = bool(self.stopping_since)
        self.stopping_since = self.stopping_since or time.monotonic()
        self.respawn_at = self.release_at = float("inf")
        if not again:
            self.log(NOTICE, "Stopping")
            self.manager.stopping()
        if self.worker is not None:
            self.worker.line.send({"do": "stop", "keep": self.options.keep_addresses})

    def _stop_overdue(self, now: float) -> None:
        if self.stopping_since and self.worker is not None and now - self.stopping_since > self.child_wait_time + 1.0:
            if now - self.page.heartbeat < 1.0 and now - self.stopping_since < STOP_MAX:
                return  # it is still at it: many links take their time
            self.log(WARNING, "the vrrp worker does not stop: killing it")
            with suppress(ProcessLookupError):
                os.kill(self.worker.pid, signal.SIGKILL)
            self.stopping_since = now

    # ------------------------------------------------------------------------------------------------- reload

    def _reload(self) -> None:
        if self.stopping_since:
            return
        if self.errands:
            self.reload_again = True
            return
        self.log(INFO, "Reloading ...")
        self.manager.reloading()
        self._mark_reading(True)
        self.errands.send("reading the configuration", self._parse, self._parsed, SIGNALS)

    def _parse(self) -> bytes:
        """In a child: read the configuration. The first line of the result is JSON, the rest a pickle."""
        settings, lines = self.options.load()
        for level, text in lines:
            self.log(level, text)
        if settings is None:
            return b""
        return json.dumps(facts(settings)).encode() + b"\n" + pickle.dumps(settings)

    def _mark_reading(self, reading: bool) -> None:
        """reload_file: it is there while the configuration is read."""
        name = self.globals.reload_file
        if name is None:
            return
        suffix = f"_{self.instance}" if self.instance else ""
        path = Path(name) if name else self.options.run_directory / f"hakeepd{suffix}.reload"
        with suppress(OSError):
            if reading:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644))
            else:
                path.unlink()

    def _parsed(self, result: bytes) -> None:
        self._mark_reading(False)
        head, _, blob = result.partition(b"\n")
        if not blob:
            self.log(ERROR, "the new configuration is not usable: keeping the running one")
            self.manager.ready()
            return
        if blob == self.blob:
            self.log(INFO, "Reload complete: nothing has changed")
            self.manager.ready()
            return
        self.blob = blob
        self._take_facts(json.loads(head))
        if self.worker is not None:
            self.worker.line.send_blob(blob)

    def _take_facts(self, known: dict[str, Any]) -> None:
        self.child_wait_time = float(known["child_wait_time"])
        self.guard.watched = charges(known["charges"])

    # ------------------------------------------------------------------------------------------------- reports

    def _take_snapshot(self, documents: list[Any]) -> None:
        with suppress(SnapshotError):
            self.routers = tuple(from_document(document, RouterSnapshot) for document in documents)
        self.snapshot_at = time.monotonic()
        asked, self.waiting = self.waiting, []
        for _, connection in asked:
            connection.send(protocol.encode_status(self.snapshot()))
        for connection in self.control.connections.values():
            if connection.watching:
                connection.send(protocol.encode_status(self.snapshot()))
        for kind in self.pending_dumps:
            self._dump(kind)
        self.pending_dumps.clear()

    def snapshot(self) -> DaemonSnapshot:
        """The daemon as it was last heard of."""
        age = time.monotonic() - self.page.heartbeat
        stale = ""
        if self.worker is None:
            stale = "the vrrp worker is dead"
        elif self.worker.started and age > 2.0:
            stale = f"the vrrp worker has not moved for {age:.1f} s"
        return DaemonSnapshot(
            version=__version__, pid=os.getpid(), workers={"vrrp": self.worker.pid} if self.worker else {},
            started=self.started, config=self.options.config, instance=self.instance, routers=self.routers,
            recorder=self.events_kept, restarts=self.restarts, stale=stale,
        )

    def _ask_worker(self, order: dict[str, Any]) -> bool:
        if self.worker is None:
            return False
        self.worker.line.send(order)
        return True

    def _answer_overdue(self, now: float) -> None:
        for at, connection in [pair for pair in self.waiting if pair[0] <= now]:
            self.waiting.remove((at, connection))
            connection.send(protocol.encode_status(self.snapshot()))
        for at, connection in [pair for pair in self.recording if pair[0] <= now]:
            self.recording.remove((at, connection))
            connection.send(protocol.encode_error("the vrrp worker is still writing its recording; see the log"))

    def _recorded(self, body: dict[str, Any]) -> None:
        path = str(body.get("path", ""))
        answer = protocol.encode_ok(paths=[path]) if path else protocol.encode_error("the recording cannot be written")
        asked, self.recording = self.recording, []
        for _, connection in asked:
            connection.send(answer)

    def _ask_dump(self, kind: str) -> None:
        self.pending_dumps.append(kind)
        if not self._ask_worker({"do": "snapshot"}):
            self.pending_dumps.clear()
        if kind == "stats_clear":
            self._ask_worker({"do": "clear"})

    def _dump(self, kind: str) -> None:
        self.errands.send("writing a dump", lambda: self._write_dump(kind), lambda _: None, SIGNALS)

    def _write_dump(self, kind: str) -> bytes:
        """In a child: write a dump file, whole or not at all."""
        from hakeep.report import dumps

        settings: Settings = pickle.loads(self.blob)
        what = "stats" if kind == "stats_clear" else kind
        path = Path(dumps.dump_path(what, settings.globals, str(self.options.dump_directory), self.options.dump_stem))
        render = {"data": dumps.render_data, "stats": dumps.render_stats, "json": dumps.render_json}[what]
        text = render(settings, self.routers)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with os.fdopen(fd, "w", errors="surrogateescape") as file:
            file.write(text)
        fresh.rename(path)
        return b""

    # ------------------------------------------------------------------------------------------------- control

    def _accept(self) -> None:
        connection = self.control.accept()
        if connection is not None:
            self._watch(connection.fileno(), lambda: self._serve(connection))

    def _serve(self, connection: Connection) -> None:
        connection.flush()
        for request in connection.receive():
            self._obey(connection, request)

    def _obey(self, connection: Connection, request: protocol.Request) -> None:
        if isinstance(request, protocol.Status | protocol.Watch):
            connection.watching = isinstance(request, protocol.Watch)
            if self._ask_worker({"do": "snapshot"}):
                self.waiting.append((time.monotonic() + FRESH, connection))
            else:
                connection.send(protocol.encode_status(self.snapshot()))
        elif isinstance(request, protocol.Standby | protocol.Resume):
            connection.send(self._standby(request))
        elif self._ask_worker({"do": "record"}):
            self.recording.append((time.monotonic() + RECORDING, connection))
        else:
            connection.send(protocol.encode_error("the vrrp worker is dead; it left its recording if it could"))

    def _standby(self, request: protocol.Standby | protocol.Resume) -> bytes:
        known = [charge.name for charge in self.guard.watched]
        unknown = [name for name in request.routers if name not in known]
        if unknown:
            return protocol.encode_error(f"there is no vrrp_instance {unknown[0]}")
        if self.worker is None:
            return protocol.encode_error("the vrrp worker is dead")
        names = list(request.routers) or known
        if isinstance(request, protocol.Resume):
            self.orders.drop(names)
            self._ask_worker({"do": "resume", "routers": names})
        else:
            self._order_standby(names, self.orders.put(names, request.seconds, request.even_if_alone))
        try:
            self.orders.save()
        except OSError as error:
            self.log(WARNING, f"standby will not outlive a restart: {error}")
        return protocol.encode_ok()

    def _standby_orders(self) -> dict[str, Commanded]:
        """For a new worker: who is in standby from its start."""
        orders = {}
        for name, order in self.orders.current():
            until = float("inf") if order.seconds is None else time.monotonic() + order.seconds
            orders[name] = Commanded("standby", (name,), until, order.even_if_alone)
        return orders

    def _order_standby(self, names: list[str], order: Order) -> None:
        self._ask_worker(
            {"do": "standby", "routers": names, "seconds": order.seconds, "even_if_alone": order.even_if_alone}
        )

    # ------------------------------------------------------------------------------------------------- plumbing

    def _watch(self, fd: int, reader: Callable[[], None]) -> None:
        self.readers[fd] = reader
        self.poll.register(fd, select.POLLIN)

    def _unwatch(self, fd: int) -> None:
        if self.readers.pop(fd, None) is not None:
            self.poll.unregister(fd)


def facts(settings: Settings) -> dict[str, Any]:
    """What the supervisor must know of a configuration, as JSON can hold it."""
    return {"child_wait_time": settings.globals.child_wait_time, "charges": describe(settings)}


DUMPS = {
    int(signal.SIGUSR1): "data",
    int(signal.SIGUSR2): "stats",
    signal.SIGRTMIN + 2: "json",
    signal.SIGRTMAX - 1: "stats_clear",
}
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, *DUMPS)
