"""The lane brings the table to what is wanted, whatever the backend and others do meanwhile."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio

from hakeep.config.settled_lvs import Director
from hakeep.lvs import messages as m
from hakeep.lvs.backends import Refusal, Unavailable
from hakeep.lvs.backends.memory import Memory
from hakeep.lvs.engine import Engine
from hakeep.lvs.process import lane as lane_module
from hakeep.lvs.process.lane import TableLane
from hakeep.objects.ipvs import Destination, DestinationKey, Service, ServiceKey, SyncDaemon, Table, Timeouts
from tests.lvs.stage import real, three, virtual

PATIENCE = 10.0
FOREIGN = Service(ServiceKey(4, 6, None, 0, fwmark=77))


class Bench:
    """An engine, a lane, and a backend in memory."""

    def __init__(self, director: Director) -> None:
        self.engine = Engine(director, time.monotonic())
        self.backend = Memory()
        self.broken = ""
        self.chosen = 0
        self.told: list[m.Event] = []
        self.log: list[str] = []
        self.lane = TableLane(self.engine, self._choose, self.tell, lambda level, text: self.log.append(text))  # type: ignore[arg-type]

    async def _choose(self) -> Memory:
        self.chosen += 1
        if self.broken:
            raise Unavailable(self.broken)
        return self.backend

    def tell(self, event: m.Event) -> None:
        """As the loop does, at once."""
        self.told.append(event)
        for effect in self.engine.step(time.monotonic(), event):
            if isinstance(effect, m.Reconcile):
                self.lane.want(effect.only)
            elif isinstance(effect, m.Log):
                self.log.append(effect.text)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.lane.run)
                yield
                nursery.cancel_scope.cancel()

    async def table(self) -> Table:
        return await self.backend.read()

    async def until_as_wanted(self) -> None:
        await until(lambda: any(isinstance(event, m.Applied) for event in self.told))
        assert (await self.table()).destinations == self.engine.wanted().destinations


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await trio.sleep(0.005)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "AGAIN", 0.02)
    monkeypatch.setattr(lane_module, "LOOK", 0.05)


@pytest.mark.trio
async def test_what_is_wanted_is_there_and_what_is_foreign_stays() -> None:
    bench = Bench(Director(virtual=(three(),)))
    bench.backend.alter(Table.of([FOREIGN]))
    async with bench.running():
        await bench.until_as_wanted()
    assert FOREIGN.key in (await bench.table()).services


@pytest.mark.trio
async def test_what_a_worker_before_left_is_repaired() -> None:
    director = Director(virtual=(three(),))
    wanted = Engine(director, 0.0).wanted()
    service = next(iter(wanted.services.values()))
    first = next(iter(wanted.destinations.values()))
    alien = Destination(DestinationKey(service.key, first.key.ip + 100, 80))
    bench = Bench(director)
    bench.backend.alter(Table.of([replace(service, scheduler="mh")], [replace(first, weight=99), alien]))
    async with bench.running():
        await bench.until_as_wanted()
    table = await bench.table()
    assert table.services[service.key].scheduler == service.scheduler
    assert alien.key not in table.destinations


@pytest.mark.trio
async def test_what_is_refused_is_told_and_tried_again() -> None:
    bench = Bench(Director(virtual=(three(),)))
    key = next(iter(bench.engine.wanted().destinations))
    bench.backend.refusals[key] = "no such method"
    async with bench.running():
        await until(lambda: m.Refused(key, "no such method") in bench.told)
        assert key not in (await bench.table()).destinations
        del bench.backend.refusals[key]
        await bench.until_as_wanted()
    assert sum("no such method" in line for line in bench.log) == 1


@pytest.mark.trio
@pytest.mark.parametrize("when", ["at the start", "later"])
async def test_a_backend_that_is_gone_is_opened_again(when: str) -> None:
    bench = Bench(Director(virtual=(three(),)))
    if when == "at the start":
        bench.broken = "no module"
    async with bench.running():
        if when == "later":
            await bench.until_as_wanted()
            bench.backend.unavailable = bench.broken = "no module"
            bench.backend.alter(Table())
        await until(lambda: bench.chosen >= 3)
        bench.told.clear()
        bench.backend.unavailable = bench.broken = ""
        await bench.until_as_wanted()
    assert sum("no module" in line for line in bench.log) == 1, bench.log


@pytest.mark.trio
@pytest.mark.parametrize("tells", [True, False], ids=["the backend tells", "somebody must look"])
async def test_what_others_change_is_put_back(tells: bool) -> None:
    bench = Bench(Director(virtual=(three(),)))
    async with bench.running():
        await bench.until_as_wanted()
        bench.told.clear()
        table = await bench.table()
        first, *rest = table.destinations.values()
        altered = Table.of([*table.services.values(), FOREIGN], [replace(first, weight=5), *rest[1:]])
        if tells:
            bench.backend.alter(altered)
        else:
            bench.backend._ledger = type(bench.backend._ledger)(altered)
        await bench.until_as_wanted()
        assert FOREIGN.key in (await bench.table()).services
    restored = next(event for event in bench.told if isinstance(event, m.Restored))
    assert set(restored.what) == {first.key, rest[0].key}


@pytest.mark.trio
async def test_nothing_is_written_when_nothing_has_changed() -> None:
    bench = Bench(Director(virtual=(three(),)))
    async with bench.running():
        await bench.until_as_wanted()
        writes = len([changes for changes in bench.backend.applied if changes])
        bench.tell(m.Reloaded(Director(virtual=(three(),))))
        bench.lane.want(())
        await trio.sleep(0.1)
        assert len([changes for changes in bench.backend.applied if changes]) == writes


@pytest.mark.trio
async def test_the_end() -> None:
    """Our services go, foreign ones stay, timeouts are what they were, the daemons of synchronisation are stopped."""
    daemon = SyncDaemon("master", "eth0", 5)
    director = Director(virtual=(three(), virtual(real("10.0.0.9"), port=443)), timeouts=Timeouts(tcp=60))
    bench = Bench(director)
    bench.backend.alter(Table.of([FOREIGN]))
    async with bench.running():
        await bench.until_as_wanted()
        assert bench.backend.timeouts == Timeouts(60, 120, 300)
        bench.backend.daemons = (daemon,)
        bench.engine.step(time.monotonic(), m.Stopped())
        await bench.lane.finish()
    table = await bench.table()
    assert table == Table.of([FOREIGN])
    assert bench.backend.timeouts == Timeouts(900, 120, 300)
    assert bench.backend.daemons == ()


@pytest.mark.trio
async def test_lvs_flush_empties_the_table_once() -> None:
    bench = Bench(Director(virtual=(three(),), flush=True))
    bench.backend.alter(Table.of([FOREIGN]))
    async with bench.running():
        await bench.until_as_wanted()
        assert FOREIGN.key not in (await bench.table()).services


@pytest.mark.trio
async def test_news_of_one_do_not_end_what_another_is_refused() -> None:
    other = virtual(real("10.0.0.9"), port=443)
    bench = Bench(Director(virtual=(three(), other)))
    key = next(key for key in bench.engine.wanted().destinations if key.service.port == 80)
    bench.backend.refusals[key] = "no such method"
    async with bench.running():
        await until(lambda: m.Refused(key, "no such method") in bench.told)
        for what in ("drain", "down", "ready"):
            bench.tell(m.Ordered(what, other.reals[0].ip, 80))
            bench.lane.want((other.name,))
            await until(lambda: not bench.engine.changes(bench.backend._ledger, (other.name,)))
        assert not any(isinstance(event, m.Applied) for event in bench.told)
        del bench.backend.refusals[key]
        await bench.until_as_wanted()
    assert key in (await bench.table()).destinations


class Broken(Memory):
    """A package of somebody else with a defect, in one of its methods."""

    def __init__(self, where: str, error: Exception) -> None:
        super().__init__()
        self.where, self.error = where, error
        self.closed = 0

    def _fail(self, where: str) -> None:
        if where == self.where:
            raise self.error

    async def read(self, *words: object) -> Table:
        self._fail("read")
        return await super().read()

    async def apply(self, changes: object) -> list[Refusal]:  # type: ignore[override]
        self._fail("apply")
        return await super().apply(changes)  # type: ignore[arg-type]

    async def changed(self) -> None:
        await trio.lowlevel.checkpoint()
        self._fail("changed")
        await super().changed()

    async def close(self) -> None:
        self.closed += 1
        await super().close()


@pytest.mark.trio
@pytest.mark.parametrize("error", [ValueError("oops"), Unavailable("oops"), OSError("oops")], ids=type)
@pytest.mark.parametrize("where", ["read", "apply"])
async def test_a_backend_that_fails_is_closed_and_opened_again(where: str, error: Exception) -> None:
    bench = Bench(Director(virtual=(three(),)))
    bench.backend = broken = Broken(where, error)
    async with bench.running():
        await until(lambda: bench.chosen >= 3)
        assert broken.closed >= bench.chosen - 1
        assert sum("oops" in line for line in bench.log) == 1
        broken.where = ""
        bench.told.clear()
        bench.lane.want(())
        await bench.until_as_wanted()


@pytest.mark.trio
@pytest.mark.parametrize("error", [ValueError("oops"), Unavailable("oops"), OSError("oops")], ids=type)
async def test_a_backend_that_cannot_tell_is_looked_at(error: Exception) -> None:
    bench = Bench(Director(virtual=(three(),)))
    bench.backend = Broken("changed", error)
    async with bench.running():
        await bench.until_as_wanted()
        for _ in range(3):
            bench.backend._ledger = type(bench.backend._ledger)()
            await until(lambda: bench.backend._ledger.table().destinations == bench.engine.wanted().destinations)
    assert bench.chosen == 1
    assert sum("oops" in line for line in bench.log) == 1


@pytest.mark.trio
async def test_pauses_grow_while_all_is_refused() -> None:
    bench = Bench(Director(virtual=(three(),)))
    bench.backend = Broken("apply", Unavailable("oops"))
    began = time.monotonic()
    async with bench.running():
        await until(lambda: bench.chosen >= 5)
    assert time.monotonic() - began >= lane_module.AGAIN * (1 + 2 + 4 + 8)
