"""The worker's side of the spawner: commands are defined once, and run again and again at the cost of some bytes.

A spawner that does not answer for a while hangs in the start of a program (on a file server that is gone, say). It is
killed, together with what it had started, and another one goes on with all the other commands; the one that it hung in
is refused for a while.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from hakeep.track.spawner import LARGEST, MOST_RECORDS
from hakeep.worker import ERROR, WARNING, Log

#: What the spawner's interpreter runs: nothing of the environment or the site, only our own package.
PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from hakeep.track.spawner import main; main(int(sys.argv[2]))"
PACKAGE_PARENT = Path(__file__).resolve().parents[2]

#: Seconds that a spawner has to start a command, and to come up.
PATIENCE, COMING_UP = 10.0, 20.0

#: Seconds before a spawner that died is started again, and for which a command is refused that the spawner hung in.
RESTART_DELAY, PENALTY = 0.5, 30.0

HANGS, UNSTARTABLE = "hangs", "it does not start: its file system may hang"


@dataclass(slots=True, eq=False)
class Command:
    """Something that can be run, and who is told what became of it.

    `ended` gets the exit status, minus the signal that ended it; `refused` a reason in words. `lost`: the run came to
    nothing, through no fault of the command.
    """

    argv: tuple[str, ...]
    user: str | None
    group: str | None
    supplementary: bool
    secure: bool
    began: Callable[[], None]
    ended: Callable[[int], None]
    refused: Callable[[str], None]
    lost: Callable[[], None]
    slot: int = 0
    asked_at: float = field(default=0.0)
    pid: int = 0
    barred_until: float = 0.0


class Commands:
    """All commands. `run` must be running for anything to happen; the other methods never block and never raise."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._known: dict[int, Command] = {}
        self._asked: dict[int, Command] = {}  # asked to run, and not known to have begun; oldest first
        self._last_slot = 0
        self._orders: list[list[Any]] = []
        self._news = trio.Event()
        self._asking = trio.Event()
        self._up = False
        self.spawner: int | None = None  # its pid

    def define(self, command: Command) -> None:
        """From now on it can be run."""
        self._last_slot += 1
        command.slot = self._last_slot
        self._known[command.slot] = command
        self._define(command)

    def _define(self, command: Command) -> None:
        self._order("define", command.slot, command.argv, command.user, command.group, command.supplementary,
                    command.secure)  # fmt: skip

    def forget(self, command: Command) -> None:
        """It will not be run again; if it runs it has to end. Nothing is told of it any more."""
        if self._known.pop(command.slot, None) is not None:
            self._asked.pop(command.slot, None)
            self._order("end", command.slot)
            self._order("forget", command.slot)

    def start(self, command: Command) -> None:
        """Run it, unless it runs."""
        if command.barred_until > time.monotonic():
            command.refused(UNSTARTABLE)
            return
        command.asked_at = time.monotonic()
        self._asked[command.slot] = command
        self._asking.set()
        self._order("run", command.slot)

    def end(self, command: Command) -> None:
        """SIGTERM to its group, SIGKILL two seconds later. Its end is told as usual."""
        self._order("end", command.slot)

    def _order(self, *order: Any) -> None:
        self._orders.append(list(order))
        self._news.set()

    # ------------------------------------------------------------------------------------------------- the spawner

    async def run(self) -> None:
        """Keep a spawner for as long as this runs; without a command there is none."""
        while True:
            await self._news.wait()
            if not self._known:  # all that was wanted is not wanted any more
                self._orders.clear()
                self._news = trio.Event()
                continue
            try:
                why = await self._with_spawner()
            except Exception:
                self._begin_anew("cannot be talked to")
                raise
            self._begin_anew(why)
            await trio.sleep(RESTART_DELAY)

    def _begin_anew(self, why: str) -> None:
        """The spawner is gone. What it had started is killed, and the next one is told of all commands."""
        running = [command for command in self._known.values() if command.pid]
        hung = next(iter(self._asked.values()), None) if why == HANGS else None
        lost = [*running, *(command for command in self._asked.values() if not command.pid)]
        self._log(ERROR, f"the spawner of track commands {why or 'died'}; starting another one")
        for command in running:
            try:
                os.killpg(command.pid, signal.SIGKILL)
            except OSError:
                pass
        self._asked.clear()
        self._orders.clear()
        for command in self._known.values():
            command.pid = 0
            self._define(command)
        if hung is not None:
            hung.barred_until = time.monotonic() + PENALTY
        for command in lost:
            if command is hung:
                command.refused(UNSTARTABLE)
            else:
                command.lost()

    async def _with_spawner(self) -> str:
        """Start one and talk to it until it is gone or hangs; then say so."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._up = False
        with trio.socket.from_stdlib_socket(ours) as channel:
            with theirs:
                process = await trio.lowlevel.open_process(
                    [sys.executable, "-I", "-S", "-B", "-c", PROGRAM, str(PACKAGE_PARENT), str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
            self.spawner = process.pid
            hangs = False
            try:
                async with trio.open_nursery() as nursery:

                    async def watch() -> None:
                        nonlocal hangs
                        await self._watch()
                        hangs = True
                        nursery.cancel_scope.cancel()

                    nursery.start_soon(self._write, channel)
                    nursery.start_soon(watch)
                    await self._read(channel)
                    nursery.cancel_scope.cancel()
            finally:
                self.spawner = None
                channel.close()  # this is what tells it to go; with commands that do not end it takes a while
                if hangs:
                    process.kill()
                with trio.move_on_after(RESTART_DELAY, shield=True):
                    await process.wait()
        return HANGS if hangs else ""

    async def _watch(self) -> None:
        """Until it has not started something for too long."""
        while True:
            if not self._asked:
                self._asking = trio.Event()
                await self._asking.wait()
            oldest = next(iter(self._asked.values()), None)
            if oldest is not None:
                late = oldest.asked_at + (PATIENCE if self._up else COMING_UP)
                if late <= time.monotonic():
                    return
                await trio.sleep(min(late - time.monotonic(), PATIENCE / 2))

    async def _write(self, channel: trio.socket.SocketType) -> None:
        while True:
            while self._orders:
                batch, self._orders = self._orders[:MOST_RECORDS], self._orders[MOST_RECORDS:]
                await self._send(channel, batch)
            self._news = trio.Event()
            await self._news.wait()

    async def _send(self, channel: trio.socket.SocketType, batch: list[list[Any]]) -> None:
        try:
            await channel.send(json.dumps(batch).encode())
        except ConnectionError:
            await trio.sleep_forever()  # the reader sees it too, and ends this
        except OSError as error:  # too long for one datagram
            if len(batch) > 1:
                await self._send(channel, batch[: len(batch) // 2])
                await self._send(channel, batch[len(batch) // 2 :])
            else:
                self._log(WARNING, f"a command cannot be handed to the spawner: {error.strerror}")

    async def _read(self, channel: trio.socket.SocketType) -> None:
        while True:
            try:
                data = await channel.recv(LARGEST)
            except ConnectionError:
                return
            if not data:
                return
            for what, slot, detail in json.loads(data):
                self._hear(what, slot, detail)

    def _hear(self, what: str, slot: int, detail: Any) -> None:
        self._up = True
        command = self._known.get(slot)
        self._asked.pop(slot, None)
        if command is None:
            return
        command.pid = detail if what == "began" else 0
        if what == "began":
            command.began()
        elif what == "ended":
            command.ended(detail)
        elif what == "refused":
            command.refused(detail)
