"""The link lane: what is made and removed, in which order, and who waits for whom."""

from __future__ import annotations

import errno
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio

from hakeep.kernel.link_lane import LinkLane, VirtualLink
from hakeep.objects.rtnl import Macvlan

pytestmark = pytest.mark.trio

A, B, C = (Macvlan(f"vrrp.{n}", "eth0", bytes((0, 0, 0x5E, 0, 1, n))) for n in (1, 2, 3))
OTHER_A = replace(A, base="eth1")


class Kernel:
    """Stands for `VirtualLinks`: notes what it is told, and does as slowly as the test wants."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.there: dict[str, VirtualLink] = {}
        self.refuses: dict[str, int] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.threads: set[int] = set()

    def make(self, link: VirtualLink) -> None:
        self._work(f"+{link.name}")
        if number := self.refuses.get(link.base):
            raise OSError(number, "no")
        assert self.there.get(link.name) in (None, link), "another link has this name"
        self.there[link.name] = link

    def remove(self, name: str) -> list[str]:
        self._work(f"-{name}")
        del self.there[name]
        return []

    def remove_all(self) -> list[str]:
        for name in list(self.there):
            self.remove(name)
        return []

    def sweep(self) -> list[str]:
        return ["vrrp.9"]

    def _work(self, what: str) -> None:
        self.gate.wait(5)
        self.threads.add(threading.get_ident())
        self.done.append(what)


class Stage:
    def __init__(self) -> None:
        self.kernel = Kernel()
        self.lines: list[str] = []
        self.told: list[list[str]] = []
        self.busy = False
        self.lane = LinkLane(
            self.kernel, lambda level, text: self.lines.append(text), lambda: self.busy,  # type: ignore[arg-type]
        )

    def want(self, *links: VirtualLink, keep: tuple[str, ...] = ()) -> None:
        self.lane.want(links, keep, lambda: self.told.append(sorted(self.kernel.there)))

    async def until(self, check: Callable[[], object]) -> None:
        with trio.fail_after(5):
            while not check():
                await trio.sleep(0.001)


@asynccontextmanager
async def running(*begin: VirtualLink) -> AsyncIterator[Stage]:
    stage = Stage()
    stage.lane.begin(begin)
    stage.kernel.done.clear()
    stage.kernel.threads.clear()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.lane.run)
        yield stage
        stage.kernel.gate.set()
        nursery.cancel_scope.cancel()


async def test_the_loop_goes_on_while_links_are_made_and_removed() -> None:
    async with running(A) as s:
        s.kernel.gate.clear()
        s.want(B)
        for _ in range(10):
            await trio.sleep(0.001)
        assert s.kernel.done == [] and s.told == []
        s.kernel.gate.set()
        await s.until(lambda: s.kernel.there == {B.name: B})
        assert threading.get_ident() not in s.kernel.threads
        assert s.kernel.done == ["+vrrp.2", "-vrrp.1"], "somebody waits for what is to be made"
        assert s.told == [["vrrp.1", "vrrp.2"]], "he does not wait for what goes"


async def test_who_waits_for_nothing_is_told_at_once() -> None:
    async with running(A, B) as s:
        s.want(A)
        assert s.told == [["vrrp.1", "vrrp.2"]]
        await s.until(lambda: s.kernel.done == ["-vrrp.2"])


async def test_a_link_that_is_wanted_again_before_it_went_stays() -> None:
    async with running(A, B, C) as s:
        s.busy = True
        s.want()
        await trio.sleep(0.02)
        assert s.kernel.done == []
        s.want(A, B, C)
        s.busy = False
        await trio.sleep(0.02)
        assert s.kernel.done == []


async def test_a_link_that_is_wanted_while_it_goes_is_made_anew_after_that() -> None:
    async with running(A) as s:
        s.kernel.gate.clear()
        s.want()
        await s.until(lambda: not s.lane.have)
        s.want(A)
        assert s.told == [["vrrp.1"]], "that was for the first wish, at once"
        s.kernel.gate.set()
        await s.until(lambda: len(s.told) == 2)
        assert s.kernel.done == ["-vrrp.1", "+vrrp.1"] and s.kernel.there == {A.name: A}


async def test_another_link_of_the_same_name_takes_the_place() -> None:
    async with running(A) as s:
        s.want(OTHER_A, keep=(A.name,))
        assert len(s.told) == 1 and s.lane.have == {A.name: A}, "somebody still works there"
        s.want(OTHER_A)
        await s.until(lambda: s.kernel.there == {A.name: OTHER_A})
        assert s.kernel.done == ["-vrrp.1", "+vrrp.1"]


async def test_removals_wait_for_the_loop_but_nothing_that_is_made_does() -> None:
    async with running(A) as s:
        s.busy = True
        s.want(B)
        await s.until(lambda: s.told)
        await trio.sleep(0.02)
        assert s.kernel.done == ["+vrrp.2"]
        s.busy = False
        await s.until(lambda: s.kernel.done == ["+vrrp.2", "-vrrp.1"])


async def test_a_link_without_its_base_is_made_when_that_comes() -> None:
    async with running() as s:
        s.kernel.refuses["eth0"] = errno.ENODEV
        s.want(A)
        await s.until(lambda: s.told)
        s.lane.noticed("eth7", True)
        await trio.sleep(0.01)
        assert s.kernel.done == ["+vrrp.1"] and s.lines == ["removed vrrp.9, which an earlier run left behind"]
        del s.kernel.refuses["eth0"]
        s.lane.noticed("eth0", True)
        await s.until(lambda: s.kernel.there)


async def test_a_link_that_vanished_is_made_again() -> None:
    async with running(A) as s:
        del s.kernel.there[A.name]
        s.lane.noticed(A.name, False)
        await s.until(lambda: s.kernel.there)
        assert s.kernel.done == ["+vrrp.1"]


async def test_a_refusal_is_told_once_and_keeps_nobody_waiting() -> None:
    async with running() as s:
        s.kernel.refuses["eth0"] = errno.EOPNOTSUPP
        s.want(A)
        await s.until(lambda: s.told)
        s.want(A)
        assert len(s.told) == 2
        assert s.lines[1:] == ["cannot make vrrp.1 on eth0: no"]


async def test_release_removes_all_and_waits_for_what_runs() -> None:
    async with running(A) as s:
        s.kernel.gate.clear()
        s.want(A, B, C)
        await trio.sleep(0.01)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(s.lane.release)
            await trio.sleep(0.01)
            assert s.kernel.done == []
            s.kernel.gate.set()
        assert s.kernel.there == {} and s.kernel.done == ["+vrrp.2", "-vrrp.1", "-vrrp.2"]
        s.want(A)
        await trio.sleep(0.01)
        assert s.kernel.there == {} and s.told == []
