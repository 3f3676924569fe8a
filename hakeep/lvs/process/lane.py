"""The lane to the kernel's table: one task, one plan at a time.

What the table has is read once, at the start; from then on it is what we made of it. Only that others change it as
well, and IPVS tells nobody. So it is read again now and then: the larger it is, the more rarely. What somebody altered
of ours is put back, and the log says so.

A backend that refuses single changes is asked again after a pause. One that can do nothing at all (a module that is
missing, say) is opened anew after growing pauses; meanwhile servers are checked all the same.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import trio

from hakeep.config.settled_lvs import NO_TIMEOUTS
from hakeep.lvs import messages as m
from hakeep.lvs.backends import Backend, Refusal, TableChange, Unavailable
from hakeep.lvs.engine import Engine
from hakeep.lvs.ledger import Ledger
from hakeep.lvs.wanted import same_destination, same_service
from hakeep.objects.diff import Remove, Replace
from hakeep.objects.ipvs import DestinationKey, Service, ServiceKey, Timeouts, Usage
from hakeep.worker import ERROR, INFO, WARNING, Log, no_collection

T = TypeVar("T")

NEVER = float("inf")

#: Seconds between two looks at the table; and looking may take at most this part of the time.
LOOK, LOOK_SHARE = 2.0, 0.01

#: Seconds until what was refused is tried again, the first time and at most.
AGAIN, AGAIN_MAX = 1.0, 60.0


class TableLane:
    """`choose` finds a backend that works here, or raises Unavailable. `tell` gives the engine its news. lvs_flush is
    done unless `flush` is False. `borrowed` are the timeouts that the kernel had before a worker of ours set them."""

    def __init__(
        self, engine: Engine, choose: Callable[[], Awaitable[Backend]], tell: Callable[[m.Event], None], log: Log,
        flush: bool = True, borrowed: Timeouts | None = None,
    ) -> None:
        self._engine = engine
        self._choose = choose
        self._tell = tell
        self._log = log
        self._have = Ledger()
        self._news = trio.Event()
        self._done = trio.Event()
        self._everything = True
        self._sync = True
        self._names: set[str] = set()
        self._look_at = self._again_at = NEVER
        self._pause = AGAIN
        self._complaint = self._deaf = ""
        self._flushed = not flush
        self.borrowed = borrowed
        self._timed: Timeouts | None = None  # what a worker of ours has set of them; None = that is not known
        self._at_work = trio.Lock()
        self._working = trio.CancelScope()
        self.backend: Backend | None = None

    def want(self, names: Sequence[str]) -> None:
        """The engine wants something else of these virtual servers; none named = of all."""
        self._names.update(names)
        self._everything = self._everything or not names
        if self._done.is_set():
            self._done = trio.Event()
        self._news.set()

    def synchronise(self) -> None:
        """The engine wants other connection synchronisation daemons."""
        self._sync = True
        self._news.set()

    def retime(self) -> None:
        """The engine has another configuration: its lvs_timeouts may be others."""
        if self._engine.director.timeouts != self._timed:
            if self._done.is_set():
                self._done = trio.Event()
            self._news.set()

    async def settled(self) -> None:
        """Return once what is wanted now has been tried, and at once while nothing can be done at all."""
        if not self._complaint:
            await self._done.wait()

    async def usage(self) -> dict[ServiceKey | DestinationKey, Usage]:
        """What the backend counts; nothing while there is none."""
        try:
            async with self._at_work:
                if self.backend is not None:
                    return dict(await self.backend.usage())
        except (Unavailable, OSError):
            pass
        except Exception as error:  # the table may be as it should all the same
            self._log(ERROR, f"the backend cannot count, a defect: {error!r}")
        return {}

    async def run(self) -> None:
        """Work until cancelled, or until `finish`."""
        with self._working:
            while True:
                try:
                    async with self._at_work:
                        backend = self.backend or await self._begin()
                        await self._time(backend)
                        await self._apply(backend)
                    if not (self._names or self._everything):
                        self._done.set()
                    await self._until_news(backend)
                except (Unavailable, OSError) as error:
                    await self._start_over(str(error))
                except Exception as error:  # a defect of a backend must not take the checks with it
                    await self._start_over(f"the table cannot be kept, a defect: {error!r}")

    async def _begin(self) -> Backend:
        backend = self.backend = await self._choose()
        director = self._engine.director
        if director.flush and not self._flushed:
            await backend.flush()
            self._flushed = True
        await self._read(backend)
        self._timed = None if self.borrowed else NO_TIMEOUTS
        self._log(INFO, f"virtual servers live in {backend.name}")
        self._everything = self._sync = True
        return backend

    async def _read(self, backend: Backend) -> None:
        began = time.monotonic()
        self._have = Ledger(await backend.read())
        now = time.monotonic()
        self._look_at = now + max(LOOK, (now - began) / LOOK_SHARE)

    async def _time(self, backend: Backend) -> None:
        """Set lvs_timeouts. One that is configured no more gets back what it was before us."""
        wanted, timed, usual = self._engine.director.timeouts, self._timed, self.borrowed or NO_TIMEOUTS
        if wanted == timed:
            return
        ours = usual if timed is None else timed
        asked = Timeouts(*(new or (old and before) for new, old, before in zip(wanted, ours, usual, strict=True)))
        self._timed = wanted
        try:
            before = await backend.set_timeouts(asked)
            self.borrowed = (self.borrowed or before) if any(wanted) else None
        except (Unavailable, OSError) as error:
            self._log(WARNING, f"lvs_timeouts are not set: {error}")

    async def _start_over(self, why: str) -> None:
        """Say once what is wrong, wait, and let it be tried anew."""
        if why != self._complaint:
            self._complaint = why
            self._done.set()
            self._log(ERROR, f"{why}; trying again, servers are checked meanwhile")
        backend, self.backend = self.backend, None
        if backend is not None:
            with suppress(Exception):
                await backend.close()
        pause, self._pause = self._pause, min(AGAIN_MAX, 2 * self._pause)
        await trio.sleep(pause)

    # ------------------------------------------------------------------------------------------------- changes

    async def _apply(self, backend: Backend) -> None:
        if self._everything or self._names:
            names = () if self._everything else tuple(self._names)
            self._everything, self._names = False, set()
            with no_collection():  # there may be ten thousands of them, and all are needed
                todo, refused = self._possible(backend, self._engine.changes(self._have, names))
            refused += await backend.apply(todo) if todo else []
            self._note(todo, refused)
            self._complaint = ""
            if refused:
                self._again_at = min(self._again_at, time.monotonic() + self._pause)
                self._pause = min(AGAIN_MAX, 2 * self._pause)
            elif not names or self._again_at == NEVER:  # else others are still refused
                self._again_at, self._pause = NEVER, AGAIN
                self._tell(m.Applied())
            for what, why in refused:
                self._tell(m.Refused(what, why))
        if self._sync:
            self._sync = False
            daemons = self._engine.daemons()
            try:
                await backend.set_daemons(daemons)
            except (Unavailable, OSError) as error:
                self._log(WARNING, f"no connection synchronisation: {error}")

    def _possible(self, backend: Backend, todo: Sequence[TableChange]) -> tuple[list[TableChange], list[Refusal]]:
        """What of it this backend can do, and what not. A new service that it cannot do has no servers either, which
        need no words of their own; one that is there stays as it was."""
        possible: list[TableChange] = []
        refused: list[Refusal] = []
        services: dict[ServiceKey, Service | None] = {}  # as they will be, None = there will be none
        for change in todo:
            wanted = None if isinstance(change, Remove) else change.wanted
            why = ""
            if isinstance(wanted, Service):
                why = backend.cannot(wanted, ())
                before = change.have if isinstance(change, Replace) else None
                services[wanted.key] = before if why else wanted  # type: ignore[assignment]
            elif wanted is not None:
                key = wanted.key.service
                if key not in services:
                    entry = self._have.entry(key)
                    services[key] = entry[0] if entry is not None else None
                service = services[key]
                if service is None:
                    continue
                why = backend.cannot(service, (wanted,))
            if why:
                refused.append((change.key, why))
            else:
                possible.append(change)
        return possible, refused

    def _note(self, done: Sequence[TableChange], refused: Sequence[Refusal]) -> None:
        """The table is what it was with these changes, but for those that were refused."""
        failed = {what for what, _ in refused}
        for change in done:
            if change.key not in failed:
                self._have.make(change)

    async def _until_news(self, backend: Backend) -> None:
        """Return when there may be something to do."""
        pause = min(self._look_at, self._again_at) - time.monotonic()
        with trio.move_on_after(max(0.0, pause)):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._alarm, backend, nursery.cancel_scope)
                await self._news.wait()
                nursery.cancel_scope.cancel()
        self._news = trio.Event()
        now = time.monotonic()
        if now >= self._again_at:
            self._again_at, self._everything = NEVER, True
        if now >= self._look_at and not self._names and not self._everything:
            async with self._at_work:
                await self._look(backend)

    async def _alarm(self, backend: Backend, scope: trio.CancelScope) -> None:
        """One that cannot tell is looked at now and then: what is wrong with it, if anything, is understood there."""
        try:
            await backend.changed()
        except Exception as error:
            if str(error) != self._deaf:
                self._deaf = str(error)
                self._log(WARNING, f"{backend.name} does not tell what others do: {error!r}")
            await trio.sleep(LOOK)
        self._look_at = 0.0
        scope.cancel()

    async def _look(self, backend: Backend) -> None:
        """Has somebody else laid hands on what is ours?"""
        ours = self._engine.named()
        before = self._have.table(ours)
        await self._read(backend)
        now = self._have.table(ours)
        altered: list[ServiceKey | DestinationKey] = [
            key for key in {**before.services, **now.services}
            if not _same(before.services.get(key), now.services.get(key), same_service)]
        gone = set(altered)
        altered += [
            key for key in {**before.destinations, **now.destinations}
            if key.service not in gone
            and not _same(before.destinations.get(key), now.destinations.get(key), same_destination)]
        if altered:
            self._tell(m.Restored(tuple(altered)))
            self._everything = True

    # ------------------------------------------------------------------------------------------------- the end

    async def finish(self) -> None:
        """Bring the table to what is wanted last, and give back what was borrowed. Raises what the backend raises."""
        async with self._at_work:  # whoever has it now comes to an end; nobody gets it after us
            self._working.cancel()
            backend = self.backend
            if backend is None:
                return
            self._everything = self._sync = True
            if self._engine.director.flush_on_stop == "all":
                await backend.flush()
            await self._apply(backend)
            if self.borrowed is not None:
                await backend.set_timeouts(self.borrowed)
                self.borrowed = None
            await backend.close()


def _same(one: T | None, other: T | None, same: Callable[[T, T], bool]) -> bool:
    if one is None or other is None:
        return one is other
    return same(one, other)
