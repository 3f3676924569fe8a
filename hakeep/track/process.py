"""The worker itself: the rooms, and the line to the supervisor.

Each room looks after one kind of thing, and none can stop the others: what escapes from one is said in the log, and the
room is opened anew. What is to be told passes over the `Board`, which keeps the last of each thing only, so that a
parent that does not read costs no memory.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Protocol

import trio

from hakeep.config.settled import Settings
from hakeep.config.settled_track import (
    TrackFile,
    TrackHttp,
    Tracking,
    TrackPing,
    TrackProcess,
    TrackRoute,
    TrackScript,
    TrackTcp,
    TrackUnit,
    Watched,
)
from hakeep.kernel import sched
from hakeep.track.files import Files
from hakeep.track.probes import Probes
from hakeep.track.processes import Processes
from hakeep.track.routes import Routes
from hakeep.track.scripts import Scripts
from hakeep.track.standing import Board, Key
from hakeep.track.start import Start
from hakeep.track.telling import Teller
from hakeep.worker import ERROR, WARNING, Line, Log

__all__ = ["Start", "TrackWorker", "main"]

#: Seconds between two words to the parent that we are alive.
PULSE = 1.0

#: Seconds before a room that broke is opened again.
REOPEN = 1.0

_KINDS: dict[type, str] = {
    TrackScript: "script", TrackFile: "file", TrackProcess: "process", TrackPing: "ping", TrackTcp: "tcp",
    TrackHttp: "http", TrackUnit: "unit", TrackRoute: "route",
}  # fmt: skip


class Room(Protocol):
    """What watches one kind of thing."""

    def follow(self, tracking: Tracking, things: Iterable[tuple[Key, Watched]]) -> None:
        """These are all the things; those of its kind are watched from now on."""

    async def run(self) -> None:
        """Watch until cancelled. Called again after it raised."""


class TrackWorker:
    """Everything the worker has. `line` connects it to the parent."""

    def __init__(self, tracking: Tracking, line: Line, log: Log, start: Start) -> None:
        self._tracking = tracking
        self._line = line
        self._log = log
        self._board = Board(start.memory)
        self._news = trio.Event()
        self._stop = trio.Event()
        teller = Teller(self._board, log, self._notice)
        self.rooms: tuple[Room, ...] = (
            Scripts(teller, start.first), Files(teller, start.first), Processes(teller), Probes(teller), Routes(teller))

    async def run(self) -> None:
        """Watch until stopped."""
        async with trio.open_nursery() as nursery:
            for task in (self._listen, self._pulse, self._signals):
                nursery.start_soon(task)
            self._line.send({"do": "started"})
            self._follow(self._tracking)
            nursery.start_soon(self._speak)
            for room in self.rooms:
                nursery.start_soon(self._keep_open, room)
            await self._stop.wait()
            nursery.cancel_scope.cancel()
        self._line.send({"do": "finished"})
        self._line.flush()

    async def _keep_open(self, room: Room) -> None:
        while True:
            try:
                await room.run()
            except Exception as error:
                self._log(ERROR, f"watching {type(room).__name__.lower()} failed, trying again: {error!r}")
            await trio.sleep(REOPEN)
            self._follow_in(room)

    def _follow(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self._board.keep(_named(tracking))
        for room in self.rooms:
            self._follow_in(room)
        self._notice()

    def _follow_in(self, room: Room) -> None:
        try:
            room.follow(self._tracking, _named(self._tracking).items())
        except Exception as error:
            self._log(ERROR, f"cannot watch all {type(room).__name__.lower()}: {error!r}")

    # ------------------------------------------------------------------------------------------------- the parent

    def _notice(self) -> None:
        self._news.set()

    async def _speak(self) -> None:
        """Tell what is to be told, as fast as the parent reads."""
        while not self._line.closed:
            if self._line.waiting:
                await trio.lowlevel.wait_writable(self._line.fileno())
                self._line.flush()
                continue
            self._news = trio.Event()
            for message in self._board.take(time.monotonic()):
                self._line.send(message)
            with trio.move_on_after(max(0.0, self._board.deadline - time.monotonic())):
                await self._news.wait()

    async def _pulse(self) -> None:
        """Show the parent that we turn. It needs no more than one such word at a time."""
        while not self._line.closed:
            if not self._line.waiting:
                self._line.send({"do": "alive"})
            await trio.sleep(PULSE)

    async def _listen(self) -> None:
        while not self._line.closed:
            await trio.lowlevel.wait_readable(self._line.fileno())
            for message in self._line.receive():
                self._obey(message.body)
        self._stop.set()

    def _obey(self, body: Any) -> None:
        if isinstance(body, Settings | Tracking):
            self._follow(tracking_of(body))
        elif body.get("do") == "stop":
            self._stop.set()

    async def _signals(self) -> None:
        with trio.open_signal_receiver(signal.SIGTERM) as received:
            async for _ in received:
                self._stop.set()


def tracking_of(settled: Settings | Tracking) -> Tracking:
    """The part of a configuration that is for this worker."""
    if isinstance(settled, Settings):
        return settled.tracking or Tracking()
    return settled


def _named(tracking: Tracking) -> dict[Key, Watched]:
    return {(_KINDS[type(thing)], thing.name): thing for thing in tracking.watched}


def main(tracking: Settings | Tracking, line: Line, log: Log, start: Start) -> int:
    """Be the track worker until it is stopped. Returns the exit status."""
    settled = tracking_of(tracking)
    with suppress(OSError):
        sched.set_process_name(settled.worker.name or "hakeepd_track")
    try:
        sched.die_with_parent(start.parent)
    except OSError:
        return 0
    try:
        sched.schedule(settled.worker)
    except OSError as error:
        log(WARNING, f"cannot set the scheduling of the track worker: {error}")
    worker = TrackWorker(settled, line, log, start)
    trio.run(worker.run)
    return 0
