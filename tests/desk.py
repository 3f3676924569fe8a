"""The supervisor's side of its workers, without processes: they are only lines."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from hakeep import seat as module
from hakeep.offspring import os as offspring_os
from hakeep.seat import Plumbing, Seat
from hakeep.worker import Line


class Desk:
    """Where seats get their workers; it is the log and the loop as well. A test sets `seat` to the one in question."""

    seat: Seat

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.workers: list[Line] = []
        self.readers: dict[int, Callable[[], None]] = {}
        self.logged: list[str] = []
        self.left: list[str] = []
        self.killed: list[int] = []
        self.plumbing = Plumbing(self.readers.__setitem__, self.readers.pop, lambda: self.left.append("left"))
        monkeypatch.setattr(module, "fork_worker", self.fork)
        monkeypatch.setattr(offspring_os, "kill", self._kill)

    def __call__(self, level: int, text: str, detail: bool = False) -> None:
        self.logged.append(text)

    def child(self, ident: str) -> Desk:
        return self

    def fork(self, be: Callable[[Line], int], log: object) -> tuple[int, Line]:
        ours, theirs = socket.socketpair()
        self.workers.append(Line(theirs, trusting=True))
        return os.getpid() + len(self.workers), Line(ours, trusting=False)

    def _kill(self, pid: int, number: int) -> None:
        assert number == signal.SIGKILL
        self.killed.append(pid)

    def close(self) -> None:
        for line in self.workers:
            line.close()

    def told(self) -> list[Any]:
        """What the present worker has been told since it was asked last."""
        return [message.body for message in self.workers[-1].receive()]

    def says(self, **body: Any) -> None:
        self.workers[-1].send(body)
        self.turn_readers()

    def turn_readers(self) -> None:
        for reader in list(self.readers.values()):
            reader()

    def dies(self, code: int = -9, after: float = 0.0) -> float:
        """The present worker ends; in how many seconds another one is to start (inf = never)."""
        assert self.seat.worker is not None
        now = time.monotonic()
        self.seat.worker.born = now - after
        self.seat.ended(self.seat.worker.pid, code, now)
        return self.seat.wake_at - now
