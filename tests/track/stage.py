"""A track worker in this process, and its parent."""

from __future__ import annotations

import os
import pickle
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio

from hakeep.config.settled_globals import Script
from hakeep.config.settled_track import Tracking, TrackScript, Watched
from hakeep.track.process import Start, TrackWorker
from hakeep.track.standing import Key
from hakeep.track.streak import Memory
from hakeep.worker import Line, Log

PATIENCE = 15.0


class Lines(Log):
    """A log that is kept."""

    def __init__(self) -> None:
        super().__init__("test", console=False, facility=None, detail=True)
        self.lines: list[str] = []

    def __call__(self, level: int, text: str, detail: bool = False) -> None:
        self.lines.append(text)


class Parent:
    """The parent's end of the line to a worker that watches `things`."""

    def __init__(
        self, *things: Watched, first: bool = True, memory: Mapping[Key, Memory] | None = None, **more: Any,
    ) -> None:
        ours, theirs = socket.socketpair()
        self.line = Line(ours, trusting=False)
        self.log = Lines()
        self.heard: list[tuple[float, dict[str, Any]]] = []
        self.worker = TrackWorker(Tracking(things, **more), Line(theirs, trusting=True), self.log,
                                  Start(os.getppid(), first, memory or {}))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While this is entered the worker runs; it is stopped as the supervisor would stop it."""
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.worker.run)
                nursery.start_soon(self._listen)
                await self.until(lambda: self.said("started"))
                yield
                self.line.send({"do": "stop"})
                await self.until(lambda: self.said("finished"))
                nursery.cancel_scope.cancel()

    async def _listen(self) -> None:
        while not self.line.closed:
            await trio.lowlevel.wait_readable(self.line.fileno())
            self.heard += [(time.monotonic(), message.body) for message in self.line.receive()]

    async def until(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait for it. Fails with what was said."""
        with trio.move_on_after(seconds):
            while not condition():
                await trio.sleep(0.005)
        assert condition(), (self.tells(), self.log.lines)

    def reload(self, *things: Watched, **more: Any) -> None:
        """Another configuration is in force."""
        self.line.send_blob(pickle.dumps(Tracking(things, **more)))

    def said(self, what: str) -> list[dict[str, Any]]:
        return [body for _, body in self.heard if body["do"] == what]

    def tells(self, name: str = "") -> list[tuple[str, bool | None, int]]:
        """Name, judgement and value of what was told, of all things or of one."""
        return [(body["name"], body["well"], body["value"]) for body in self.said("tracked")
                if not name or body["name"] == name]

    def judgements(self, name: str) -> list[bool | None]:
        return [well for _, well, _ in self.tells(name)]

    def values(self, name: str) -> list[int]:
        return [value for _, _, value in self.tells(name)]

    def why(self, name: str) -> str:
        """Why the last judgement of it is as it is."""
        return next((body["why"] for body in reversed(self.said("tracked")) if body["name"] == name), "")

    def thing(self, name: str) -> dict[str, Any]:
        """What status shows of it now; empty before there is something."""
        shown = [body["things"] for body in self.said("tracks")][-1:]
        return next((dict(thing) for things in shown for thing in things if thing["name"] == name), {})

    def memory(self) -> dict[Key, Memory]:
        """What a supervisor has kept of it for the next worker."""
        kept = {(kind, name): memory for body in self.said("remember") for kind, name, memory in body["streaks"]}
        return {key: Memory(*memory) for key, memory in kept.items() if memory is not None}

    def logged(self, text: str) -> list[str]:
        return [line for line in self.log.lines if text in line]


def script(name: str, *argv: str, user: str | None = "0", **more: Any) -> TrackScript:
    """A vrrp_script; run as root, or as whoever runs the tests."""
    return TrackScript(name, Script(argv, user if os.geteuid() == 0 else str(os.geteuid())), **more)


def shell(name: str, text: str, **more: Any) -> TrackScript:
    """A vrrp_script that is a line of shell."""
    return script(name, "/bin/sh", "-c", text, **more)
