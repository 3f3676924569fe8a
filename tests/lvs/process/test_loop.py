"""The worker's loop: what it says to its parent, and what it does at the end."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import trio

from hakeep.config.settled_lvs import Director
from hakeep.lvs import messages as m
from hakeep.lvs.backends.memory import Memory
from hakeep.lvs.process import loop as module
from hakeep.lvs.process.loop import LvsProcess
from hakeep.lvs.process.start import Start
from hakeep.objects.ipvs import Service, ServiceKey, Table
from hakeep.worker import Line, Log
from tests.lvs.stage import real, virtual

PATIENCE = 10.0
SERVERS = 3000


class Parent:
    """A worker in this process, and its parent's end of the line."""

    def __init__(self, director: Director, monkeypatch: pytest.MonkeyPatch, **start: Any) -> None:
        ours, theirs = socket.socketpair()
        self.line = Line(ours, trusting=False)
        self.heard: list[dict[str, Any]] = []
        self.backend = Memory()
        monkeypatch.setattr(module, "choose", self._choose)
        log = Log("test", console=False, facility=None, detail=False)
        self.worker = LvsProcess(director, Line(theirs, trusting=True), log, Start(os.getppid(), **start))

    async def _choose(self, *_: object) -> Memory:
        return self.backend

    def has_heard(self, what: str) -> bool:
        self.heard += [message.body for message in self.line.receive()]
        return any(body["do"] == what for body in self.heard)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.worker.run)
                await until(lambda: any(self.backend.applied))
                yield
                nursery.cancel_scope.cancel()


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await trio.sleep(0.005)


def quiet(count: int) -> Director:
    """Servers that nobody checks."""
    return Director(virtual=(virtual(*(real(f"10.1.{n >> 8}.{n & 255}", checks=()) for n in range(count))),))


@pytest.mark.trio
async def test_all_of_a_long_answer_comes_although_nothing_else_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = Parent(quiet(SERVERS), monkeypatch)
    async with parent.running():
        parent.line.send({"do": "snapshot"})
        await until(lambda: parent.has_heard("lvs_snapshot"))
    (found,) = [body for body in parent.heard if body["do"] == "lvs_snapshot"]
    assert len(found["virtual_servers"][0]["reals"]) == SERVERS


@pytest.mark.trio
async def test_who_asks_while_an_answer_takes_its_time_waits_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = Parent(quiet(1), monkeypatch)
    async with parent.running():
        async with parent.worker.lane._at_work:
            for _ in range(50):
                parent.line.send({"do": "snapshot"})
            await until(lambda: parent.worker.showing)
            await trio.sleep(0.05)
        await until(lambda: parent.has_heard("lvs_snapshot"))
        await trio.sleep(0.05)
        parent.has_heard("")
        assert len([body for body in parent.heard if body["do"] == "lvs_snapshot"]) == 1
        parent.line.send({"do": "snapshot"})
        await until(lambda: parent.has_heard("") or len(parent.heard) > 2)


@pytest.mark.trio
@pytest.mark.parametrize(("keep", "ordered", "stays"), [(True, True, True), (True, False, False), (False, True, False)])
async def test_what_stays_at_the_end(monkeypatch: pytest.MonkeyPatch, keep: bool, ordered: bool, stays: bool) -> None:
    parent = Parent(quiet(2), monkeypatch, keep=keep)
    async with parent.running():
        parent.line.send({"do": "stop", "keep": ordered})
        await until(lambda: parent.line.receive() or parent.worker.finished)
        with trio.fail_after(PATIENCE):
            await until(lambda: parent.worker.last_moments is not None)
        await until(lambda: bool(parent.backend._ledger.table().services) == stays)
        await trio.sleep(0.05)
        assert bool(parent.backend._ledger.table().services) == stays


@pytest.mark.trio
async def test_a_backend_with_a_defect_does_not_keep_the_end_away(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = Parent(quiet(1), monkeypatch)

    async def apply(_: object) -> None:
        raise ValueError("oops")

    async with parent.running():
        monkeypatch.setattr(parent.backend, "apply", apply)
        parent.worker.tell(m.Stopped())
        await until(lambda: parent.worker.finished)


@pytest.mark.trio
async def test_the_parent_hears_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PULSE", 0.01)
    parent = Parent(quiet(1), monkeypatch)
    async with parent.running():
        await until(lambda: parent.has_heard("alive") and [body["do"] for body in parent.heard].count("alive") > 3)


@pytest.mark.trio
@pytest.mark.parametrize("flush", [True, False])
async def test_lvs_flush_is_for_the_first_worker_only(monkeypatch: pytest.MonkeyPatch, flush: bool) -> None:
    foreign = Service(ServiceKey(4, 6, None, 0, fwmark=77))
    parent = Parent(replace(quiet(1), flush=True), monkeypatch, flush=flush)
    parent.backend.alter(Table.of([foreign]))
    async with parent.running():
        assert (foreign.key in parent.backend._ledger.table().services) == (not flush)
