"""What is found out for others: the track worker and the bfd worker, and what they said last.

The vrrp worker goes by all of it, the lvs worker by BFD sessions; and the lvs worker's quorums, in turn, may be
something that an instance goes by. All of that passes through here, one message each, and the last one of each thing is
kept for a worker that starts later.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from hakeep.in_force import InForce
from hakeep.options import Options
from hakeep.parcel import Parcel
from hakeep.report.snapshot import SessionSnapshot, SnapshotError, ThingSnapshot, parts
from hakeep.seat import Plumbing, Seat, Terms
from hakeep.track.standing import Key
from hakeep.track.streak import Memory
from hakeep.vrrp.messages import Tracked
from hakeep.worker import WARNING, Line, Log

T = TypeVar("T")


class Lookout:
    """`hear(body)` is called with what is for users, `tell_vrrp(order)` reaches the vrrp worker and
    `tell_session(name, up)` the lvs worker.

    These workers hold nothing. When one of them dies, what it said last goes on to count: a tracker that cannot be
    asked is no reason to move addresses."""

    def __init__(
        self, options: Options, in_force: InForce, log: Log, plumbing: Plumbing, *,
        hear: Callable[[dict[str, Any]], None], tell_vrrp: Callable[[dict[str, Any]], object],
        tell_session: Callable[[str, bool], None],
    ) -> None:
        self._options = options
        self._in_force = in_force
        self._log = log
        self._hear_users = hear
        self._tell_vrrp, self._tell_session = tell_vrrp, tell_session
        self._known: dict[tuple[str, str], Tracked] = {}
        self._documents: dict[str, list[Any]] = {}  # for users: of what is watched, and of BFD sessions
        self._shown: dict[str, Any] = {}  # the same, read
        self._streaks: dict[Key, Memory] = {}  # how far the track worker's things had come that count
        self._session_memory: dict[str, Any] = {}  # what the next bfd worker needs to go on with its sessions
        tracker = Terms("track", options.track_pid_file, respawn=options.respawn)
        bfd = Terms("bfd", options.bfd_pid_file, respawn=options.respawn)
        self.tracker = Seat(tracker, log, plumbing, be=self._be_tracker, hear=self.hear)
        self.bfd = Seat(bfd, log, plumbing, be=self._be_bfd, hear=self.hear)
        self.seats = (self.tracker, self.bfd)

    def tracked(self) -> tuple[Tracked, ...]:
        """What is known now, for a new vrrp worker."""
        return tuple(tracked for tracked in self._known.values() if self._matters(tracked))

    @property
    def things(self) -> tuple[ThingSnapshot, ...]:
        """What the track worker watches, as it said last."""
        return self._show("things", ThingSnapshot) if self.tracker.wanted else ()

    @property
    def sessions(self) -> tuple[SessionSnapshot, ...]:
        """The BFD sessions, as their worker said last."""
        return self._show("sessions", SessionSnapshot) if self.bfd.wanted else ()

    def _show(self, what: str, kind: type[T]) -> tuple[T, ...]:
        """A thousand of them take milliseconds to read: once is enough, and not before somebody asks."""
        if what not in self._shown:
            self._shown[what] = ()
            with suppress(SnapshotError):
                self._shown[what] = parts(self._documents.get(what, []), kind)
        found: tuple[T, ...] = self._shown[what]
        return found

    def direct(self) -> None:
        """Have the workers that the configuration asks for, or none."""
        facts = self._in_force.facts
        self.tracker.deliver(Parcel(facts.tracking if self._options.vrrp else b""))
        if not self.tracker.wanted:
            self._streaks.clear()
        sessions = facts.bfd if self._options.bfd else b""
        self.bfd.deliver(Parcel(sessions))
        if sessions:
            import hakeep.bfd.process  # noqa: F401  # a successor has no time for it: its neighbors are waiting
        else:
            self._session_memory.clear()  # a worker that died has not said that its sessions have ended
        if facts.virtual_servers and not self._options.lvs:
            names = ", ".join(sorted(facts.virtual_servers))
            self._log(WARNING, f"instances go by virtual servers ({names}), and nobody looks after these: without a "
                               "weight such an instance does not start")
        for tracked in self._known.values():  # what was there before may be tracked only now
            if tracked.kind in ("bfd", "virtual_server"):
                self._pass_on(tracked)

    def hear(self, body: dict[str, Any]) -> None:
        """Something was found out."""
        match body.get("do"):
            case "tracked":
                self._know(Tracked(
                    str(body["kind"]), str(body["name"]), body["well"], int(body["value"]), str(body["why"])))
            case "session":
                up = bool(body["up"])
                if body["vrrp"]:
                    self._know(Tracked("bfd", str(body["name"]), up, 0, str(body["why"])))
                if body["checker"]:
                    self._tell_session(str(body["name"]), up)
            case "remember" if "streaks" in body:
                for kind, name, memory in body["streaks"]:
                    if memory is None:
                        self._streaks.pop((str(kind), str(name)), None)
                    else:
                        well, against, why, since = memory
                        self._streaks[str(kind), str(name)] = Memory(bool(well), int(against), str(why), float(since))
            case "remember":
                memory = {**self._session_memory, **body["sessions"]}
                self._session_memory = {name: known for name, known in memory.items() if known is not None}
            case "quorums":
                for name, up, why in body["states"]:
                    self._know(Tracked("virtual_server", str(name), bool(up), 0, str(why)))
            case "tracks":
                self._keep("things", body["things"])
            case "snapshot":
                self._keep("sessions", body["sessions"])
                self._hear_users({"do": "sessions"})
            case _:
                self._hear_users(body)

    def _keep(self, what: str, documents: list[Any]) -> None:
        self._documents[what] = documents
        self._shown.pop(what, None)

    def _know(self, tracked: Tracked) -> None:
        self._known[tracked.kind, tracked.name] = tracked
        self._pass_on(tracked)

    def _pass_on(self, tracked: Tracked) -> None:
        if self._matters(tracked):
            self._tell_vrrp({"do": "tracked", **tracked._asdict()})

    def _matters(self, tracked: Tracked) -> bool:
        """There may be thousands of virtual servers that no instance goes by."""
        return tracked.kind != "virtual_server" or tracked.name in self._in_force.facts.virtual_servers

    def stop(self) -> None:
        """Have both stop."""
        for seat in self.seats:
            seat.stop()

    # ------------------------------------------------------------------------------------------------- the children

    def _be_tracker(self, line: Line) -> int:
        """What only this child uses is not imported before."""
        self._in_force.leave()
        from hakeep.track import process

        first = self.tracker.restarts == 0
        start = process.Start(parent=self.tracker.parent, first=first, memory=self._streaks)
        return process.main(self.tracker.parcel.value, line, self._log.child("hakeepd_track"), start)

    def _be_bfd(self, line: Line) -> int:
        self._in_force.leave()
        from hakeep.bfd import process

        start = process.Start(parent=self.bfd.parent, memory=self._session_memory)
        return process.main(self.bfd.parcel.value, line, self._log.child("hakeepd_bfd"), start)
