"""The worker's loop: what it says to its parent, and what it does at the end."""

from __future__ import annotations

import json
import os
import pickle
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from hakeep.config.settled import Fifo, Global, Script
from hakeep.config.settled_lvs import Director
from hakeep.display import Display
from hakeep.lvs import messages as m
from hakeep.lvs.backends import Refusal, TableChange, Unavailable
from hakeep.lvs.backends.memory import Memory
from hakeep.lvs.process import loop as module
from hakeep.lvs.process import show
from hakeep.lvs.process.loop import LvsProcess
from hakeep.lvs.process.start import Start
from hakeep.objects.ipvs import Service, ServiceKey, Table, Timeouts
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
                await until(lambda: self.has_heard("taken"))
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
    found = next(body for body in parent.heard if body["do"] == "lvs_snapshot")
    (virtual,) = json.loads(f"[{found['text']}]")
    assert len(virtual["reals"]) == SERVERS
    assert found["reals"] == {virtual["name"]: [[each["ip"], each["port"]] for each in virtual["reals"]]}


@pytest.mark.trio
async def test_news_are_told_of_once_until_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = Parent(quiet(1), monkeypatch)
    told = lambda: parent.has_heard("") or [body["do"] for body in parent.heard].count("lvs_changed")  # noqa: E731
    async with parent.running():
        await until(lambda: told() == 1)
        drain = {"do": "order", "what": "drain", "ip": "10.1.0.0", "port": 80}
        parent.line.send(drain)
        await until(lambda: list(parent.worker.engine.orders))
        await trio.sleep(0.05)
        assert told() == 1
        parent.line.send({"do": "snapshot"})
        await until(lambda: parent.has_heard("lvs_snapshot"))
        assert told() == 1
        parent.line.send(drain | {"what": "ready"})
        await until(lambda: told() == 2)


@pytest.mark.trio
async def test_quorums_are_told_at_the_start_and_when_they_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUORUMS", 2)
    reals = [real(f"10.0.0.{n}", checks=()) for n in (1, 2)]
    servers = [virtual(*reals, port=port, quorum=10) for port in (1, 2, 3)]
    parent = Parent(Director(virtual=tuple(servers)), monkeypatch)
    told = lambda: parent.has_heard("") or [  # noqa: E731
        state for body in parent.heard if body["do"] == "quorums" for state in body["states"]]
    async with parent.running():
        await until(lambda: len(told()) == 3)
        assert {(name, up) for name, up, _ in told()} == {(server.name, False) for server in servers}
        parent.line.send({"do": "order", "what": "weight", "ip": "10.0.0.1", "port": 80, "weight": 5,
                          "virtual": servers[0].name})
        await until(lambda: parent.worker.engine.roster.pools[servers[0].name].now.total != 2)
        assert len(told()) == 3, "its weights have changed and its quorum has not"
        parent.line.send({"do": "order", "what": "weight", "ip": "10.0.0.2", "port": 80, "weight": 5,
                          "virtual": servers[0].name})
        await until(lambda: len(told()) == 4)
        assert told()[3] == [servers[0].name, True, ""]


@pytest.mark.trio
async def test_an_answer_comes_in_pieces_and_others_work_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a long time to tell of many servers: no longer than a slice of it may pass without a turn for others."""
    monkeypatch.setattr(show, "SLICE", 0.0)
    monkeypatch.setattr(show, "LETTERS", 2000)
    servers = [virtual(real("10.0.0.1", checks=()), port=port) for port in range(1000, 1020)]
    parent = Parent(Director(virtual=tuple(servers)), monkeypatch)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += parent.worker.showing
            await trio.lowlevel.checkpoint()

    async with parent.running(), trio.open_nursery() as nursery:
        nursery.start_soon(count)
        parent.line.send({"do": "snapshot"})
        await until(lambda: parent.has_heard("lvs_snapshot") and parent.heard[-1].get("last"))
        nursery.cancel_scope.cancel()
    found = [body for body in parent.heard if body["do"] == "lvs_snapshot"]
    assert len(found) > 5 and [body["piece"] for body in found] == list(range(len(found)))
    assert [body["last"] for body in found] == [False] * (len(found) - 1) + [True]
    assert all(len(body["text"]) < 4000 for body in found)
    display = Display()
    assert [display.take(body) for body in found] == [body["last"] for body in found]
    documents = json.loads(b"[" + b",".join(display.pieces) + b"]")
    assert [each["name"] for each in documents] == [each.name for each in servers]
    assert display.has(servers[3].name, "10.0.0.1", 80) and not display.has(servers[3].name, "10.0.0.2", 80)
    assert turns > 40


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
async def test_a_configuration_is_taken_when_the_table_is_as_it_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = Parent(quiet(1), monkeypatch)
    gate = trio.Event()
    apply = parent.backend.apply

    async def slow(changes: Sequence[TableChange]) -> list[Refusal]:
        await gate.wait()
        return await apply(changes)

    async with parent.running():
        await until(lambda: parent.has_heard("taken"))
        monkeypatch.setattr(parent.backend, "apply", slow)
        parent.heard.clear()
        parent.line.send_blob(pickle.dumps(quiet(5)))
        await until(lambda: len(parent.worker.engine.director.virtual[0].reals) == 5)
        await trio.sleep(0.05)
        assert not parent.has_heard("taken")
        gate.set()
        await until(lambda: parent.has_heard("taken"))
        assert len(parent.backend._ledger.table().destinations) == 5
        parent.heard.clear()
        parent.line.send_blob(pickle.dumps(quiet(5)))
        await until(lambda: parent.has_heard("taken"))


@pytest.mark.trio
async def test_a_configuration_is_taken_as_far_as_it_can_be_where_there_is_no_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parent = Parent(quiet(1), monkeypatch)

    async def choose(*_: object) -> Memory:
        raise Unavailable("no IPVS here")

    monkeypatch.setattr(module, "choose", choose)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(parent.worker.run)
            await until(lambda: parent.has_heard("taken"))
            parent.heard.clear()
            parent.line.send_blob(pickle.dumps(quiet(5)))
            await until(lambda: parent.has_heard("taken"))
            nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_timeouts_from_before_the_first_worker_come_back_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many workers die in between: what the second one finds in the kernel is ours."""
    director = replace(quiet(1), timeouts=Timeouts(tcp=60))
    first = Parent(director, monkeypatch)
    async with first.running():
        await until(lambda: first.has_heard("remember"))
    memory: dict[str, str] = {}
    for body in first.heard:
        memory |= body.get("checks", {})
    second = Parent(director, monkeypatch, memory=memory)
    second.backend.timeouts = first.backend.timeouts
    assert second.backend.timeouts.tcp == 60
    async with second.running():
        second.line.send({"do": "stop"})
        await until(lambda: second.backend.timeouts == Timeouts(900, 120, 300))
        await until(lambda: second.has_heard("remember"))
    said: dict[str, str] = {}
    for body in second.heard:
        said |= body.get("checks", {})
    assert said[module.BORROWED] == "", "given back: whoever comes later borrows anew"


@pytest.mark.trio
async def test_a_reload_sets_other_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are set when the configuration counts as taken, though nothing else is new in it."""
    director = replace(quiet(1), timeouts=Timeouts(tcp=60))
    parent = Parent(director, monkeypatch)
    async with parent.running():
        await until(lambda: parent.has_heard("taken"))
        assert parent.backend.timeouts == Timeouts(60, 120, 300)
        parent.heard.clear()
        parent.line.send_blob(pickle.dumps(replace(director, timeouts=Timeouts(udp=70))))
        await until(lambda: parent.has_heard("taken"))
        assert parent.backend.timeouts == Timeouts(900, 120, 70)


@pytest.mark.trio
async def test_timeouts_that_went_while_there_was_no_worker_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = {module.BORROWED: "[900, 120, 300]"}
    parent = Parent(quiet(1), monkeypatch, memory=memory)
    parent.backend.timeouts = Timeouts(60, 120, 300)
    async with parent.running():
        await until(lambda: parent.backend.timeouts == Timeouts(900, 120, 300))
        await until(lambda: any(body.get("checks", {}).get(module.BORROWED) == "" for body in parent.heard))


@pytest.mark.trio
@pytest.mark.parametrize("alone", [False, True])
async def test_who_is_alone_runs_the_script_of_the_general_fifo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, alone: bool,
) -> None:
    """Else the vrrp worker does, and two readers would share the lines."""
    fifo, found = tmp_path / "fifo", tmp_path / "found"
    script = tmp_path / "reader"
    script.write_text(f"#!/bin/sh\necho started >>{found}\nexec cat \"$1\" >>{found}\n")
    script.chmod(0o755)
    general = Fifo(str(fifo), script=Script((str(script),), "root", "root"))
    parent = Parent(replace(quiet(1), globals=Global(notify_fifo=general)), monkeypatch, alone=alone)
    async with parent.running():
        await until(fifo.exists)
        if alone:
            await until(lambda: found.exists() and b" UP" in found.read_bytes())
            assert found.read_text().count("started") == 1
        else:
            reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
            parent.worker._perform([m.Tell("VS x UP")])
            await until(lambda: b"VS x UP" in os.read(reader, 4096))
            os.close(reader)
            assert not found.exists()


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


@pytest.mark.trio
async def test_another_backend_counts_from_the_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of the first one would stay behind, so it is told and not done."""
    parent = Parent(replace(quiet(1), backend="memory"), monkeypatch)
    said: list[str] = []
    chosen: list[str] = []

    async def choose(name: str, *_: object) -> Memory:
        chosen.append(name)
        return parent.backend

    monkeypatch.setattr(module, "choose", choose)
    async with parent.running():
        parent.worker.log = lambda level, text, *_: said.append(text)  # type: ignore[assignment]
        for backend in ("nftables", "nftables", "memory"):
            parent.worker._reload(replace(quiet(1), backend=backend))
        parent.backend.unavailable = "gone for a moment"
        parent.backend.alter(Table())
        await until(lambda: len(chosen) > 1)
        parent.backend.unavailable = ""
    assert said == ["lvs_backend nftables counts from the next start: until then it is memory"]
    assert set(chosen) == {"memory"}
