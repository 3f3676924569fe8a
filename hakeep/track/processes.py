"""vrrp_track_process: running processes are counted.

The kernel tells of every process that comes, goes or changes (`kernel.proc_connector`); what is there already is found
in /proc. Where the kernel does not tell, because we are not root or not in the host's first namespaces, /proc is read
every second.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import trio

from hakeep.config.settled_track import Tracking, TrackProcess, Watched
from hakeep.kernel import proc_connector
from hakeep.kernel.netlink import Overrun
from hakeep.kernel.proc_connector import Confirmed, Executed, Exited, Forked, ProcConnector, Renamed
from hakeep.track.census import NEVER, Census, Likeness
from hakeep.track.standing import Key, Standing
from hakeep.track.telling import Teller
from hakeep.worker import INFO, WARNING

#: Seconds between two readings of /proc where the kernel does not tell; after news were lost; and until the kernel
#: must have said that it tells.
LOOK, AFTER_LOSS, CONFIRMED = 1.0, 1.0, 0.5

#: Bytes for news of processes to begin with, and at most. Each news takes about a kilobyte of it.
BUFFER, BUFFER_MAX = 1 << 20, 64 << 20

#: Bytes of a command line that are looked at.
LONGEST_COMMAND = 1 << 16

PROC = Path("/proc")


@dataclass(slots=True, eq=False)
class Counted:
    """One thing, and its processes."""

    thing: TrackProcess
    likeness: Likeness
    census: Census
    standing: Standing


class Processes:
    """The room of processes. Without any nothing is opened."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._counted: dict[Key, Counted] = {}
        self._buffer = BUFFER
        self._news = trio.Event()
        self._sooner = trio.Event()
        self._told_why = ""

    def follow(self, tracking: Tracking, things: Iterable[tuple[Key, Watched]]) -> None:
        """Watch these. What stays as it is goes on as it was."""
        self._buffer = max(self._buffer, tracking.process_monitor_rcv_bufs)
        wanted = {key: thing for key, thing in things if isinstance(thing, TrackProcess)}
        for key, counted in list(self._counted.items()):
            if wanted.get(key) != counted.thing:
                del self._counted[key]
        for key, thing in wanted.items():
            if key not in self._counted:
                census = Census(thing.quorum, thing.quorum_max, thing.fork_delay, thing.terminate_delay)
                self._counted[key] = Counted(thing, Likeness(thing), census, self._teller.begin(key))
        self._news.set()

    async def run(self) -> None:
        """Count until cancelled. What a reload brings makes us begin anew: that is one reading of /proc."""
        while True:
            self._news = trio.Event()
            if not self._counted:
                await self._news.wait()
                continue
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._count)
                nursery.start_soon(self._tick)
                await self._news.wait()
                nursery.cancel_scope.cancel()

    async def _count(self) -> None:
        while True:
            connector = await self._connect()
            if connector is None:
                while True:
                    await self._read_all()
                    await trio.sleep(LOOK)
            try:
                await self._read_all()
                await self._hear(connector)
            finally:
                connector.close()
            self._buffer = min(2 * self._buffer, BUFFER_MAX)
            self._teller.log(WARNING, f"news of processes were lost: counting them anew, with {self._buffer >> 10} KiB")
            await trio.sleep(AFTER_LOSS)

    async def _connect(self) -> ProcConnector | None:
        """None where the kernel does not tell."""
        try:
            connector = ProcConnector(self._buffer)
        except OSError as error:
            why = (error.strerror or "unknown error").lower()
        else:
            if await self._is_confirmed(connector):
                return connector
            connector.close()
            why = "it does not answer"
        if why != self._told_why:
            self._told_why = why
            self._teller.log(
                WARNING, f"no news of processes from the kernel ({why}): /proc is read every {LOOK:g} s instead")
        return None

    async def _is_confirmed(self, connector: ProcConnector) -> bool:
        """What comes before the confirmation need not be kept: all processes are read after it."""
        with trio.move_on_after(CONFIRMED):
            while True:
                await trio.lowlevel.wait_readable(connector.fileno())
                for news in connector.receive():
                    if isinstance(news, Confirmed):
                        return not news.errno
        return False

    async def _hear(self, connector: ProcConnector) -> None:
        """Until news are lost."""
        while True:
            await trio.lowlevel.wait_readable(connector.fileno())
            for news in connector.receive():
                if isinstance(news, Overrun):
                    return
                self._note(news)

    # ------------------------------------------------------------------------------------------------- counting

    def _note(self, news: proc_connector.News) -> None:
        now = time.monotonic()
        if isinstance(news, Forked):  # it is as its parent is, until it runs something else
            for counted in self._counted.values():
                if news.parent in counted.census:
                    self._set(counted, news.pid, True, now)
        elif isinstance(news, Exited):
            for counted in self._counted.values():
                self._set(counted, news.pid, False, now)
        elif isinstance(news, Renamed):
            for counted in self._counted.values():
                if not counted.likeness.by_command_line:
                    self._set(counted, news.pid, counted.likeness.fits_name(news.comm), now)
        elif isinstance(news, Executed):
            process = Process(news.pid)
            for counted in self._counted.values():
                self._set(counted, news.pid, process.is_like(counted.likeness), now)

    def _set(self, counted: Counted, pid: int, counts: bool, now: float) -> None:
        deadline = counted.census.deadline
        self._judge(counted, counted.census.set(pid, counts, now))
        if counted.census.deadline < deadline:
            self._sooner.set()

    async def _read_all(self) -> None:
        likenesses = {key: counted.likeness for key, counted in self._counted.items()}
        found = await trio.to_thread.run_sync(find_processes, likenesses, abandon_on_cancel=True)
        now = time.monotonic()
        for key, counted in self._counted.items():
            self._judge(counted, counted.census.replace(found[key], now) if key in found else False)
        self._sooner.set()

    async def _tick(self) -> None:
        """Delays run out."""
        while True:
            self._sooner = trio.Event()
            now = time.monotonic()
            for counted in self._counted.values():
                self._judge(counted, counted.census.tick(now))
            due = min((counted.census.deadline for counted in self._counted.values()), default=NEVER)
            with trio.move_on_after(max(0.0, due - now)):
                await self._sooner.wait()

    def _judge(self, counted: Counted, changed: bool) -> None:
        count, delay = len(counted.census), counted.census.delay
        if (count, delay) != (counted.standing.count, counted.standing.delay):
            counted.standing.count, counted.standing.delay = count, delay
            self._teller.counted()
        if not changed:
            return
        well = bool(counted.census.well)
        why = "1 process" if count == 1 else f"{count} processes"
        counted.standing.looked(well, why, None)
        self._teller.counted()
        said = "gained" if well else "lost"
        self._teller.log(INFO, f"Quorum {said} for tracked process {counted.thing.name} ({why})")
        self._teller.judge(counted.standing, well, why)


# ---------------------------------------------------------------------------------------------------------------- /proc


class Process:
    """What /proc says of a process; each file is read once, when it is asked for. One that has ended says nothing."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._name: str | None = None
        self._command: list[str] | None = None

    def is_like(self, likeness: Likeness) -> bool:
        """Whether it is one of those."""
        return likeness.fits(self.command) if likeness.by_command_line else likeness.fits_name(self.name)

    @property
    def name(self) -> str:
        """Its name; "" of a zombie."""
        if self._name is None:
            before, _, after = self._read("stat").rpartition(b")")
            ended = after[1:2] in (b"Z", b"X")
            self._name = "" if ended else os.fsdecode(before.partition(b"(")[2])
        return self._name

    @property
    def command(self) -> list[str]:
        """Its command line; nothing of a zombie or of a thread of the kernel."""
        if self._command is None:
            data = self._read("cmdline")
            self._command = os.fsdecode(data.removesuffix(b"\0")).split("\0") if data else []
        return self._command

    def _read(self, name: str) -> bytes:
        with suppress(OSError):
            fd = os.open(PROC / str(self._pid) / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return os.read(fd, LONGEST_COMMAND)
            finally:
                os.close(fd)
        return b""


def find_processes(likenesses: dict[Key, Likeness]) -> dict[Key, set[int]]:
    """The processes of each thing that are there now."""
    found: dict[Key, set[int]] = {key: set() for key in likenesses}
    for pid in _all_pids():
        process = Process(pid)
        for key, likeness in likenesses.items():
            if process.is_like(likeness):
                found[key].add(pid)
    return found


def _all_pids() -> Iterator[int]:
    return (int(name) for name in os.listdir(PROC) if name.isdecimal())  # noqa: PTH208 - twice as fast
