"""Links whose carrier is asked for: what the kernel says and what drivers say, together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import trio

from hakeep.config.settled import LinkBeat
from hakeep.objects.rtnl import Link
from hakeep.vrrp.messages import LinkChanged, Resync
from hakeep.vrrp.process import linkbeat
from hakeep.vrrp.process.linkbeat import Beats
from hakeep.worker import Log

ETH0 = Link(2, "eth0", up=True, running=True)
ETH1 = Link(3, "eth1", up=True, running=True)
DOWN = replace(ETH0, running=False)


class Driver:
    """Answers what it is told to, and remembers who was asked."""

    def __init__(self, **carriers: bool | None) -> None:
        self.carriers = carriers
        self.asked: list[tuple[str, str]] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def carrier(self, interface: str, method: str = "") -> bool | None:
        self.asked.append((interface, method))
        answer = self.carriers[interface]
        self.meanwhile()
        return answer


class Room:
    def __init__(self, driver: Driver, *beats: LinkBeat, links: tuple[Link, ...] = (ETH0, ETH1)) -> None:
        self.driver = driver
        self.told: list[LinkChanged] = []
        self.lines: list[str] = []
        log = Log("test", console=False, facility=None, detail=False)
        log._put = lambda level, text: self.lines.append(text)  # type: ignore[method-assign]
        self.beats = Beats(driver, log, self.told.append)
        self.first = self.beats.begin(beats, links)

    async def asks(self, until: Callable[[], object]) -> None:
        """Run it until that is so."""
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.beats.run)
                while not until():
                    await trio.sleep(0.002)
                nursery.cancel_scope.cancel()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linkbeat, "INTERVAL", 0.02)


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("carrier", [True, False, None])
def test_at_the_start_a_link_runs_if_both_say_so(running: bool, carrier: bool | None) -> None:
    room = Room(Driver(eth0=carrier), LinkBeat("eth0", "MII"), links=(replace(ETH0, running=running), ETH1))
    assert room.first == [replace(ETH0, running=running and carrier is not False), ETH1]
    assert room.driver.asked == ([("eth0", "MII")] if running else [])


@pytest.mark.trio
async def test_a_carrier_that_only_the_driver_misses() -> None:
    room = Room(Driver(eth0=True), LinkBeat("eth0"))
    room.driver.carriers["eth0"] = False
    await room.asks(lambda: room.told)
    assert room.told == [LinkChanged("eth0", DOWN)]
    assert room.beats.amend(LinkChanged("eth0", replace(ETH0, mtu=1400))).link == replace(DOWN, mtu=1400)
    assert room.beats.amend_all(Resync((ETH0, ETH1), ())).links == (DOWN, ETH1)
    room.driver.carriers["eth0"] = True
    await room.asks(lambda: len(room.told) > 1)
    assert room.told[1:] == [LinkChanged("eth0", ETH0)]


@pytest.mark.trio
async def test_who_comes_back_by_its_flags_is_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linkbeat, "INTERVAL", 1000.0)
    room = Room(Driver(eth0=True), LinkBeat("eth0"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.beats.run)
        await room_has(lambda: len(room.driver.asked) == 2)
        assert room.beats.amend(LinkChanged("eth0", DOWN)).link == DOWN
        assert room.beats.amend(LinkChanged("eth0", ETH0)).link == DOWN, "not before its driver says so"
        await room_has(lambda: room.told)
        nursery.cancel_scope.cancel()
    assert room.told == [LinkChanged("eth0", ETH0)]


@pytest.mark.trio
async def test_an_answer_from_before_a_change_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(Driver(eth0=True), LinkBeat("eth0"))

    def flaps() -> None:
        room.driver.meanwhile = lambda: None
        room.driver.carriers["eth0"] = False
        trio.from_thread.run_sync(room.beats.amend, LinkChanged("eth0", DOWN))
        trio.from_thread.run_sync(room.beats.amend, LinkChanged("eth0", replace(ETH0)))

    room.driver.meanwhile = flaps
    await room.asks(lambda: len(room.driver.asked) > 4)
    assert room.told == []


@pytest.mark.trio
async def test_a_driver_that_knows_no_answer_is_complained_of_once() -> None:
    room = Room(Driver(eth0=None), LinkBeat("eth0", "MII"))
    await room.asks(lambda: len(room.driver.asked) > 4)
    assert room.lines == ["eth0 cannot be asked for its carrier by MII: what the kernel says counts"]
    assert room.told == []


@pytest.mark.trio
async def test_after_a_reload_others_are_asked() -> None:
    room = Room(Driver(eth0=False, eth1=False), LinkBeat("eth0"))
    room.beats.configure([LinkBeat("eth1")])
    assert room.told == [LinkChanged("eth0", ETH0)]
    await room.asks(lambda: len(room.told) > 1)
    assert room.told[1:] == [LinkChanged("eth1", replace(ETH1, running=False))]


@pytest.mark.trio
async def test_a_new_link_is_asked_before_it_runs() -> None:
    room = Room(Driver(eth0=True), LinkBeat("eth0"), links=(ETH1,))
    assert room.beats.amend(LinkChanged("eth0", ETH0)).link == DOWN
    await room.asks(lambda: room.told)
    assert room.told == [LinkChanged("eth0", ETH0)]
    assert room.beats.amend(LinkChanged("eth0", None)) == LinkChanged("eth0", None)


async def room_has(condition: Callable[[], object]) -> None:
    with trio.fail_after(10):
        while not condition():
            await trio.sleep(0.002)
