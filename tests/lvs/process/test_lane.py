"""The lane brings the table to what is wanted, whatever the backend and others do meanwhile."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio

from hakeep.config.settled_lvs import Director
from hakeep.lvs import messages as m
from hakeep.lvs.backends import Refusal, TableChange, Unavailable
from hakeep.lvs.backends.memory import Memory
from hakeep.lvs.engine import Engine
from hakeep.lvs.process import lane as lane_module
from hakeep.lvs.process.lane import TableLane
from hakeep.objects.diff import Remove
from hakeep.objects.ipvs import (
    Destination,
    DestinationKey,
    Forward,
    Service,
    ServiceKey,
    SyncDaemon,
    Table,
    Timeouts,
)
from tests.lvs.stage import real, three, virtual

PATIENCE = 10.0
FOREIGN = Service(ServiceKey(4, 6, None, 0, fwmark=77))


class Picky(Memory):
    """A backend in memory that cannot do everything. It counts how often it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    def cannot(self, service: Service, destinations: Sequence[Destination]) -> str:
        if service.scheduler == "mh":
            return "lvs_sched mh needs another backend"
        far = any(each.forward is not Forward.MASQ for each in destinations)
        return "lvs_method DR needs another backend" if far else ""

    async def apply(self, changes: Sequence[TableChange]) -> list[Refusal]:
        assert not any(self._impossible(change.wanted) for change in changes if not isinstance(change, Remove))
        self.writes += bool(changes)
        return await super().apply(changes)

    def _impossible(self, wanted: Service | Destination) -> bool:
        if isinstance(wanted, Service):
            return wanted.scheduler == "mh"
        return wanted.forward is not Forward.MASQ


class Bench:
    """An engine, a lane, and a backend in memory."""

    def __init__(self, director: Director) -> None:
        self.engine = Engine(director, time.monotonic())
        self.backend = Picky()
        self.broken = ""
        self.chosen = 0
        self.told: list[m.Event] = []
        self.log: list[str] = []
        self.lane = TableLane(self.engine, self._choose, self.tell, lambda level, text: self.log.append(text))  # type: ignore[arg-type]

    async def _choose(self) -> Picky:
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
async def test_what_the_backend_cannot_do_is_said_once_for_a_virtual_server_and_the_rest_is_served() -> None:
    far = [replace(real(f"10.0.0.{n}"), forward=Forward.ROUTE) for n in (8, 9)]
    mixed, plain = virtual(real("10.0.0.1"), *far), virtual(real("10.0.0.2"), port=443)
    other = virtual(real("10.0.0.3"), real("10.0.0.4"), port=8080)
    other = replace(other, services=tuple(replace(each, scheduler="mh") for each in other.services))
    bench = Bench(Director(virtual=(mixed, plain, other)))
    async with bench.running():
        await until(lambda: len([event for event in bench.told if isinstance(event, m.Refused)]) >= 6)  # tried twice
        table = await bench.table()
    assert {key.service.port: str(key.ip) for key in table.destinations} == {80: "10.0.0.1", 443: "10.0.0.2"}
    assert {key.port for key in table.services} == {80, 443}
    for sentence in ("lvs_method DR needs another backend", "lvs_sched mh needs another backend"):
        assert sum(line.endswith(sentence) for line in bench.log) == 1, bench.log
    shown = {status.name: status for status in bench.engine.snapshot(0.0).virtual}
    assert [each.refused for each in shown[mixed.name].reals] == ["", *2 * ["lvs_method DR needs another backend"]]
    assert shown[other.name].refused == "lvs_sched mh needs another backend"
    assert not shown[plain.name].refused


@pytest.mark.trio
async def test_a_service_keeps_its_form_when_the_backend_cannot_do_the_new_one() -> None:
    before = virtual(real("10.0.0.1"))
    after = virtual(real("10.0.0.1"), real("10.0.0.2"))
    after = replace(after, services=tuple(replace(each, scheduler="mh") for each in after.services))
    bench = Bench(Director(virtual=(before,)))
    async with bench.running():
        await bench.until_as_wanted()
        bench.tell(m.Reloaded(Director(virtual=(after,))))
        await until(lambda: len(bench.backend._ledger.table().destinations) == 2)
    assert [each.scheduler for each in (await bench.table()).services.values()] == [before.services[0].scheduler]
    assert any(line.endswith("lvs_sched mh needs another backend") for line in bench.log)


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
        writes = bench.backend.writes
        assert writes
        bench.tell(m.Reloaded(Director(virtual=(three(),))))
        bench.lane.want(())
        await trio.sleep(0.1)
        assert bench.backend.writes == writes


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
async def test_other_timeouts_count_at_once_and_those_that_are_not_configured_any_more_come_back() -> None:
    director = Director(virtual=(three(),), timeouts=Timeouts(tcp=60, udp=70))
    bench = Bench(director)
    async with bench.running():
        await bench.until_as_wanted()
        assert bench.backend.timeouts == Timeouts(60, 120, 70)
        for timeouts, there in (
            (Timeouts(tcp=50), Timeouts(50, 120, 300)), (Timeouts(tcp_fin=9), Timeouts(900, 9, 300)),
            (Timeouts(), Timeouts(900, 120, 300)), (Timeouts(udp=1), Timeouts(900, 120, 1)),
        ):
            bench.tell(m.Reloaded(replace(director, timeouts=timeouts)))
            bench.lane.retime()
            await bench.lane.settled()
            assert bench.backend.timeouts == there
            assert bench.lane.borrowed == (Timeouts(900, 120, 300) if any(timeouts) else None)
        await bench.lane.finish()
        assert bench.backend.timeouts == Timeouts(900, 120, 300)


@pytest.mark.trio
async def test_who_has_no_timeouts_leaves_those_of_the_kernel_alone() -> None:
    """Also those that somebody sets meanwhile (ipvsadm --set)."""
    bench = Bench(Director(virtual=(three(),)))
    async with bench.running():
        await bench.until_as_wanted()
        bench.backend.timeouts = Timeouts(1, 2, 3)
        bench.tell(m.Reloaded(Director(virtual=(three(),), flush=True)))
        bench.lane.retime()
        await bench.lane.settled()
        await bench.lane.finish()
    assert bench.backend.timeouts == Timeouts(1, 2, 3)


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


class Broken(Picky):
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
