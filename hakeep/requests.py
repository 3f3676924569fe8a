"""What the user asks of the daemon: status, dumps, standby, recordings, reloads.

Answers come from the last snapshot that the worker sent; it is asked for a fresh one first, and not waited for longer
than a person would notice.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from hakeep import __version__
from hakeep.attendance import Attendance
from hakeep.config.settled import Settings
from hakeep.control import Connection, ControlSocket
from hakeep.display import Display
from hakeep.errands import Errands
from hakeep.in_force import InForce
from hakeep.lookout import Lookout
from hakeep.lvs.messages import Ordered
from hakeep.options import Options
from hakeep.overrides import Overrides, state_file
from hakeep.post import Courier
from hakeep.report import protocol
from hakeep.report.snapshot import (
    DaemonSnapshot,
    GroupSnapshot,
    RouterSnapshot,
    RoutingSnapshot,
    SnapshotError,
    from_document,
    parts,
)
from hakeep.standby import Orders
from hakeep.succession import Succession
from hakeep.vrrp.messages import Commanded
from hakeep.worker import WARNING, Log, SharedPage

#: How long a status request waits for the worker's fresh word, in seconds.
FRESH = 0.5

#: The same where the lvs worker is asked, who may have ten thousand servers to tell of: until it begins or goes on, and
#: in all; the tool waits a little longer.
LVS_FRESH, LVS_LONGEST = 2.5, 7.0

#: Who watches gets news of virtual servers at once, and then not before the worker has rested so many times as long as
#: its answer took.
LEISURE = 10.0

#: How long a record request waits for the worker, which encodes ten thousand events; the tool waits a little longer.
RECORDING = 2.5

#: Age of a heartbeat, in seconds, above which a snapshot is called stale.
STALE = 2.0


class Requests:
    """Serves the control socket. `succession`, `attendance` and `lookout` are set by the supervisor once they are
    there."""

    succession: Succession
    attendance: Attendance
    courier: Courier
    lookout: Lookout

    def __init__(
        self, options: Options, in_force: InForce, control: ControlSocket, page: SharedPage, errands: Errands, log: Log,
        *, watch: Callable[[int, Callable[[], None]], None], unwatch: Callable[[int], None], signals: tuple[int, ...],
    ) -> None:
        self._options = options
        self._in_force = in_force
        self._control = control
        self._page = page
        self._errands = errands
        self._log = log
        self._watch, self._unwatch = watch, unwatch
        self._signals = signals
        self._instance = in_force.facts.globals.instance
        self._routers: tuple[RouterSnapshot, ...] = ()
        self._groups: tuple[GroupSnapshot, ...] = ()
        self._packets: dict[str, int] = {}
        self._flooded = False
        self._static: tuple[RoutingSnapshot, ...] = ()
        self._events_kept = 0
        self._waiting: list[tuple[float, Connection]] = []
        self._lvs_is_late = False
        self._owed: set[str] = set()  # the workers that were asked and have not answered yet
        self._recording: list[tuple[float, Connection]] = []
        self._dumps: list[str] = []
        self._started = time.time()
        name = f"standby_{self._instance}.json" if self._instance else "standby.json"
        self._orders = Orders(options.run_directory / name)
        self._display = Display()
        self._stirred = False  # the lvs worker has news
        self._asked_at = self._leisure_until = 0.0
        self._overrides = Overrides(state_file(self._instance))
        if self._overrides.damage:
            log(WARNING, self._overrides.damage)

    def open(self) -> None:
        """Begin to serve."""
        self._watch(self._control.sock.fileno(), self._accept)

    @property
    def wake_at(self) -> float:
        """When to turn at the latest."""
        until = min((at for at, _ in (*self._waiting, *self._recording)), default=float("inf"))
        if self._stirred and self._watched:
            until = min(until, self._leisure_until)
        if any(connection.out for connection in self._control.connections.values()):
            until = min(until, time.monotonic() + 0.05)
        return until

    @property
    def _watched(self) -> bool:
        return any(connection.watching for connection in self._control.connections.values())

    def turn(self, now: float) -> None:
        """Answer those who have waited long enough, send on what was not taken yet, forget who has gone. Ask for news
        of virtual servers that somebody watches."""
        if self._stirred and self._watched and now >= self._leisure_until:
            self._stirred = False
            self._asked_at, self._leisure_until = now, now + LVS_FRESH
            self.attendance.seat.order({"do": "snapshot"})
        for at, connection in [pair for pair in self._waiting if pair[0] <= now]:
            self._waiting.remove((at, connection))
            self._lvs_is_late = "lvs" in self._owed
            self._send_status(connection)
        for at, connection in [pair for pair in self._recording if pair[0] <= now]:
            self._recording.remove((at, connection))
            connection.send(protocol.encode_error("the vrrp worker is still writing its recording; see the log"))
        for connection in self._control.connections.values():
            connection.flush()
        self._control.bury(self._unwatch)

    # ------------------------------------------------------------------------------------------------- the worker

    def hear(self, body: dict[str, Any]) -> None:
        """What the worker says that is meant for users."""
        match body.get("do"):
            case "snapshot":
                self._events_kept = int(body.get("recorder", 0))
                self._packets, self._flooded = dict(body.get("packets", {})), bool(body.get("flooded"))
                self._take_snapshot(body.get("routers", []), body.get("groups", []), body.get("static", []))
            case "recorded":
                self._recorded(str(body.get("path", "")))
            case "news":
                self.courier.tell(body)
            case "router":
                self.attendance.router_is(str(body["name"]), str(body["state"]))
            case "lvs_snapshot":
                self._take_piece(body)
            case "lvs_changed":
                self._stirred = True
            case "quorums":
                self.lookout.hear(body)
            case "sessions":
                self._heard_from("bfd")

    def _take_piece(self, body: dict[str, Any]) -> None:
        """The lvs worker answers. As long as it does, who asked waits."""
        now = time.monotonic()
        if not self._display.take(body):
            until = min(now + LVS_FRESH, self._asked_at + LVS_LONGEST)
            self._waiting = [(max(at, until), connection) for at, connection in self._waiting]
            return
        self._leisure_until = now + LEISURE * (now - self._asked_at)
        self._lvs_is_late = False
        self._heard_from("lvs")
        self._show_watchers()

    def _take_snapshot(self, routers: list[Any], groups: list[Any], static: list[Any]) -> None:
        with suppress(SnapshotError):
            self._routers = tuple(from_document(document, RouterSnapshot) for document in routers)
            self._groups = tuple(from_document(document, GroupSnapshot) for document in groups)
            self._static = parts(static, RoutingSnapshot)
        self._heard_from("vrrp")
        self._show_watchers()
        for kind in self._dumps:
            self._dump(kind)
        self._dumps.clear()

    def _show_watchers(self) -> None:
        for connection in self._control.connections.values():
            if connection.watching:
                self._send_status(connection)

    def _heard_from(self, worker: str) -> None:
        """Answer those who wait for what the workers say, once all that were asked have said it."""
        self._owed.discard(worker)
        if not self._owed:
            asked, self._waiting = self._waiting, []
            for _, connection in asked:
                self._send_status(connection)

    def _send_status(self, connection: Connection) -> None:
        for piece in protocol.encode_status_around(
                self.snapshot(), self._display.pieces if self.attendance.seat.wanted else ()):
            connection.send(piece)

    def snapshot(self) -> DaemonSnapshot:
        """The daemon as it was last heard of."""
        worker = self.succession.worker
        age = time.monotonic() - self._page.heartbeat
        stale = ""
        if worker is None:
            stale = "the vrrp worker is dead" if self._options.vrrp else ""
        elif worker.started and age > STALE:
            stale = f"the vrrp worker has not moved for {age:.1f} s"
        director = self.attendance.seat.worker
        if director is None and self.attendance.seat.wanted and not stale:
            stale = "the lvs worker is dead"
        elif self._lvs_is_late and not stale:
            stale = "the lvs worker does not answer: virtual servers are shown as they were"
        workers = {name: each.pid for name, each in (("vrrp", worker), ("lvs", director)) if each is not None}
        workers |= {seat.name: seat.pid for seat in self.lookout.seats if seat.pid}
        return DaemonSnapshot(
            version=__version__, pid=os.getpid(), workers=workers,
            started=self._started, config=self._options.config, instance=self._instance, routers=self._routers,
            groups=self._groups,
            recorder=self._events_kept, restarts=self.succession.restarts, stale=stale,
            packets=self._packets, flooded=self._flooded, backend=self._display.backend, static=self._static,
            things=self.lookout.things, sessions=self.lookout.sessions, posts=self.courier.shown(time.monotonic()))

    def _recorded(self, path: str) -> None:
        answer = protocol.encode_ok(paths=[path]) if path else protocol.encode_error("the recording cannot be written")
        asked, self._recording = self._recording, []
        for _, connection in asked:
            connection.send(answer)

    # ------------------------------------------------------------------------------------------------- dumps

    def ask_dump(self, kind: str) -> None:
        """Write a dump as soon as the worker has sent a snapshot for it: data, stats, json or stats_clear."""
        self._dumps.append(kind)
        if not self.succession.order({"do": "snapshot"}):
            self._dumps.clear()
        if kind == "stats_clear":
            self.succession.order({"do": "clear"})

    def _dump(self, kind: str) -> None:
        self._errands.send("writing a dump", lambda: self._write_dump(kind), lambda _: None, self._signals)

    def _write_dump(self, kind: str) -> bytes:
        """In a child: write a dump file, whole or not at all."""
        from hakeep.report import dumps

        settings: Settings = pickle.loads(self._in_force.blob)
        what = "stats" if kind == "stats_clear" else kind
        folder, stem = str(self._options.dump_directory), self._options.dump_stem
        path = Path(dumps.dump_path(what, settings.globals, folder, stem))
        text = dumps.render(what, settings, self._routers, self.lookout.things)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with os.fdopen(fd, "w", errors="surrogateescape") as file:
            file.write(text)
        fresh.rename(path)
        return b""

    # ------------------------------------------------------------------------------------------------- control

    def _accept(self) -> None:
        connection = self._control.accept()
        if connection is not None:
            self._watch(connection.fileno(), lambda: self._serve(connection))

    def _serve(self, connection: Connection) -> None:
        connection.flush()
        for request in connection.receive():
            self._obey(connection, request)

    def _obey(self, connection: Connection, request: protocol.Request) -> None:
        if isinstance(request, protocol.Status | protocol.Watch):
            connection.watching = isinstance(request, protocol.Watch)
            workers = (("vrrp", self.succession), ("lvs", self.attendance.seat), ("bfd", self.lookout.bfd))
            self._owed = {name for name, room in workers if room.order({"do": "snapshot"})}
            self._asked_at, self._stirred = time.monotonic(), False
            if self._owed:
                patience = LVS_FRESH if "lvs" in self._owed else FRESH
                self._waiting.append((time.monotonic() + patience, connection))
            else:
                self._send_status(connection)
        elif isinstance(request, protocol.Override):
            connection.send(self._override(request))
        elif isinstance(request, protocol.Standby | protocol.Resume):
            connection.send(self._standby(request))
        elif isinstance(request, protocol.Reload):
            self._reload(connection)
        elif self.succession.order({"do": "record"}):
            self._recording.append((time.monotonic() + RECORDING, connection))
        else:
            connection.send(protocol.encode_error("the vrrp worker is dead; it left its recording if it could"))

    def _reload(self, connection: Connection) -> None:
        if self.succession.stopping:
            connection.send(protocol.encode_error("the daemon is stopping"))
        else:
            self._in_force.reload(lambda reloaded: connection.send(protocol.encode_reloaded(reloaded)))

    # ------------------------------------------------------------------------------------------------- standby

    def _standby(self, request: protocol.Standby | protocol.Resume) -> bytes:
        facts = self._in_force.facts
        known = facts.names
        unknown = [name for name in request.routers if name not in known and name not in facts.groups]
        if unknown:
            return protocol.encode_error(f"there is no vrrp_instance and no vrrp_sync_group {unknown[0]}")
        if self.succession.worker is None:
            return protocol.encode_error("the vrrp worker is dead")
        names = facts.together(request.routers) or known
        if isinstance(request, protocol.Resume):
            self._orders.drop(names)
            self.succession.order({"do": "resume", "routers": names})
        else:
            order = self._orders.put(names, request.seconds, request.even_if_alone)
            self.succession.order({
                "do": "standby", "routers": names, "seconds": order.seconds, "even_if_alone": order.even_if_alone,
            })
        try:
            self._orders.save()
        except OSError as error:
            self._log(WARNING, f"standby will not outlive a restart: {error}")
        return protocol.encode_ok()

    def standby_orders(self) -> dict[str, Commanded]:
        """For a new worker: who is in standby from its start."""
        orders = {}
        for name, order in self._orders.current():
            until = float("inf") if order.seconds is None else time.monotonic() + order.seconds
            orders[name] = Commanded("standby", (name,), until, order.even_if_alone)
        return orders

    # ------------------------------------------------------------------------------------------------- real servers

    def lvs_orders(self) -> list[Ordered]:
        """For a new lvs worker: what operators want of real servers."""
        return list(self._overrides)

    def _override(self, request: protocol.Override) -> bytes:
        if request.virtual and request.virtual not in self._display.reals:
            return protocol.encode_error(f"there is no virtual_server {request.virtual}")
        if request.what != "ready" and not self._display.has(request.virtual, request.ip, request.port):
            where = f" in virtual_server {request.virtual}" if request.virtual else ""
            return protocol.encode_error(f"there is no real_server {request.ip} {request.port}{where}")
        order = Ordered(request.what, ip_address(request.ip), request.port, request.virtual, request.weight)
        self.attendance.seat.order({"do": "order", **order._asdict(), "ip": request.ip})
        try:
            self._overrides.put(order)
        except OSError as error:
            self._log(WARNING, f"the order for {request.ip} {request.port} will not outlive a restart: {error}")
        return protocol.encode_ok()
