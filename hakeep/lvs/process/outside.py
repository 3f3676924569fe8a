"""What the configuration makes us follow: addresses (ha_suspend), and files with a number in them (FILE_CHECK).

Of addresses the kernel tells. Files are looked at: a look is one stat(2), and a number that changes twice between two
looks need not be known.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import trio

from hakeep.kernel.monitor import Monitor
from hakeep.kernel.netlink import Overrun
from hakeep.lvs import messages as m
from hakeep.objects.rtnl import IPAddress
from hakeep.vrrp.messages import AddressChanged

#: Seconds between two looks at a file, and as many bytes of it are read.
LOOK = 0.5
LENGTH = 64

#: What a number in a file can be; keepalived takes what fits an int.
NUMBER_MAX = 2**31 - 1


class Addresses:
    """Says which of the followed addresses are on this host, and when that changes."""

    def __init__(self, tell: Callable[[m.AddressSeen], None]) -> None:
        self._tell = tell
        self._followed: frozenset[IPAddress] = frozenset()
        self._there: dict[IPAddress, set[object]] = {}
        self._monitor: Monitor | None = None
        self._news = trio.Event()

    def follow(self, addresses: Iterable[IPAddress]) -> None:
        """From now on, these and no others."""
        self._followed = frozenset(addresses)
        self._news.set()

    async def run(self) -> None:
        """Watch until cancelled; without anything to follow nothing is opened."""
        while True:
            self._news = trio.Event()
            if not self._followed:
                await self._news.wait()
                continue
            if self._monitor is None:
                self._monitor = Monitor()
            self._read_all(self._monitor)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, self._monitor)
                await self._news.wait()
                nursery.cancel_scope.cancel()

    async def _listen(self, monitor: Monitor) -> None:
        while True:
            await trio.lowlevel.wait_readable(monitor.fileno())
            for event in monitor.receive():
                if isinstance(event, Overrun):
                    self._read_all(monitor)
                elif isinstance(event, AddressChanged):
                    self._note(event.address.ip, event.address.key, event.present)

    def _read_all(self, monitor: Monitor) -> None:
        """All there is, and the absence of what is not."""
        fresh: dict[IPAddress, set[object]] = {}
        for address in monitor.resync().addresses:
            fresh.setdefault(address.ip, set()).add(address.key)
        self._there = fresh
        for ip in self._followed:
            self._tell(m.AddressSeen(ip, ip in fresh))

    def _note(self, ip: IPAddress, key: object, present: bool) -> None:
        places = self._there.setdefault(ip, set())
        before = bool(places)
        (places.add if present else places.discard)(key)
        if not places:
            del self._there[ip]
        if bool(places) != before and ip in self._followed:
            self._tell(m.AddressSeen(ip, bool(places)))


class Files:
    """Says which number stands in each of the followed files, and when that changes."""

    def __init__(self, tell: Callable[[m.FileSays], None]) -> None:
        self._tell = tell
        self._seen: dict[str, tuple[int, ...]] = {}
        self._news = trio.Event()

    def follow(self, paths: Iterable[str]) -> None:
        """From now on, these and no others."""
        self._seen = {path: self._seen.get(path, ()) for path in paths}
        self._news.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self._news = trio.Event()
            for path in self._seen:
                self._look(path)
            with trio.move_on_after(LOOK if self._seen else float("inf")):
                await self._news.wait()

    def _look(self, path: str) -> None:
        try:
            stat = Path(path).stat()
            mark: tuple[int, ...] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        except OSError:
            mark = (0,)
        if mark != self._seen[path]:
            self._seen[path] = mark
            self._tell(m.FileSays(path, number_in(path)))


def number_in(path: str) -> int | None:
    """The number that a track_file begins with; None when there is no such file or no number in it."""
    with suppress(OSError, ValueError):
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            words = os.read(fd, LENGTH).split()
        finally:
            os.close(fd)
        return max(-NUMBER_MAX - 1, min(NUMBER_MAX, int(words[0]))) if words else None
    return None
