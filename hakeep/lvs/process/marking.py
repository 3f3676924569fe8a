"""The lane to the table of marks: brings nftables to what `lvs.marks` wants, one transaction at a time.

It runs beside the lane to the table of services. Neither waits for the other: a mark without its service and a service
without its mark are the same to a client, and both come within milliseconds.

A table of another name is made before the old one goes, so that packets are always marked. What others do to the table
the kernel tells, and it is put back: without it, a group of addresses gets no packets at all.
"""

from __future__ import annotations

import time
from contextlib import suppress

import trio

from hakeep.kernel import netns
from hakeep.kernel.nft import Nft, NftError, NftMonitor, reason
from hakeep.kernel.quarrel import Quarrel
from hakeep.lvs.marks import MarkTable, to_deletions, to_script
from hakeep.worker import ERROR, NOTICE, WARNING, Log

#: Seconds until nftables is asked again when it refuses.
RETRY = 5.0

NEVER = float("inf")


class MarkLane:
    """Call `want` with what nftables should hold, keep `run` running, and end with `release`. `left` is the name of a
    table that a worker before us may have made, `namespace` the network namespace of IPVS (see `netns.visit`). Nothing
    is loaded or opened as long as no table is wanted, or left."""

    def __init__(self, log: Log, left: str = "", namespace: str | None = None) -> None:
        self._log = log
        self._namespace = namespace
        self._nft = Nft()
        self._monitor: NftMonitor | None = None
        self._wanted: MarkTable | None = None
        self._have: MarkTable | None = None  # None = not known, or nothing
        self._name = left  # of the table that may be there
        self._news = trio.Event()
        self._at_work = trio.Lock()
        self._quarrel = Quarrel()
        self._complaint = ""
        self._closing = False
        self._pause = 0.0

    @property
    def idle(self) -> bool:
        """True when nftables holds what is wanted, and nothing else of ours."""
        return self._have == self._wanted and self._name == (self._wanted.name if self._wanted is not None else "")

    def want(self, wanted: MarkTable | None) -> None:
        """From now on nftables should hold this; None = no table."""
        if wanted != self._wanted and not self._closing:
            self._wanted = wanted
            self._news.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            pause, self._pause = self._pause, 0.0
            with trio.move_on_after(pause):
                await self._news.wait()
            self._news = trio.Event()
            async with self._at_work:
                again = await self._reach()
            with trio.move_on_after(again):
                await self._until_news()

    async def release(self) -> None:
        """Take no more wishes, and delete the table."""
        self._closing = True
        async with self._at_work:
            self._wanted = None
            await self._reach()

    async def _reach(self) -> float:
        """Bring nftables to what is wanted. Seconds until that must be tried again."""
        wanted = self._wanted
        if wanted is None or wanted.name != self._name:
            self._deafen()
        try:
            if wanted is not None and wanted != self._have:
                await self._make(wanted)
        except (NftError, OSError) as error:
            self._have = None
            why = reason(error) if isinstance(error, NftError) else str(error)
            if why != self._complaint:
                self._complaint = why
                self._log(ERROR, f"nftables refuses the table of marks ({why}): virtual_server_groups get no packets")
            return RETRY
        if self._name and (wanted is None or wanted.name != self._name):
            await self._delete(self._name)
        self._have, self._name = wanted, wanted.name if wanted is not None else ""
        complaint, self._complaint = self._complaint, ""
        if complaint and wanted is not None:
            self._log(NOTICE, "the table of marks is as wanted again")
        return NEVER

    async def _make(self, wanted: MarkTable) -> None:
        """Raises NftError or OSError."""
        self._open()
        if self._monitor is None:
            with netns.visit(self._namespace):
                self._monitor = NftMonitor(wanted.name, self._nft)
        have, self._have = self._have, None
        await trio.to_thread.run_sync(self._nft.run, to_script(have, wanted))
        if have is None:
            await self._delete(wanted.name, wanted)

    async def _delete(self, name: str, but: MarkTable | None = None) -> None:
        for script in to_deletions(name, but):
            with suppress(NftError, OSError):
                self._open()
                await trio.to_thread.run_sync(self._nft.run, script)

    def _open(self) -> None:
        """Here and not in a thread, which might live in another network namespace. Raises NftError or OSError."""
        with netns.visit(self._namespace):
            self._nft.check("")

    def _deafen(self) -> None:
        if self._monitor is not None:
            self._monitor.close()
            self._monitor = None

    async def _until_news(self) -> None:
        """Return when something else is wanted, or when somebody else changed the table."""
        async with trio.open_nursery() as nursery:
            if self._monitor is not None:
                nursery.start_soon(self._listen, self._monitor, nursery.cancel_scope)
            await self._news.wait()
            nursery.cancel_scope.cancel()

    async def _listen(self, monitor: NftMonitor, scope: trio.CancelScope) -> None:
        disturbances = monitor.receive()
        while not disturbances:
            await trio.lowlevel.wait_readable(monitor.fileno())
            disturbances = monitor.receive()
        self._have = None
        who, now = disturbances[-1].who or "somebody", time.monotonic()
        news = self._quarrel.over(now)
        self._pause = self._quarrel.blame(who, now, all(each.gone for each in disturbances))
        if not self._pause:
            self._log(WARNING, f"{who} changed the nftables table of marks: putting it back")
        elif news:
            self._log(ERROR, f"{who} keeps changing the nftables table of marks: putting it back every "
                             f"{self._pause:g} s; without it virtual_server_groups get no packets")
        scope.cancel()
