"""The order in which states reach their scripts, with scripts that end when the test says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from hakeep.notify.lane import Lane, Order
from hakeep.notify.script import Command, Execution


class Stage:
    """Scripts by name; each runs until `end` is called for it."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.log: list[str] = []
        self.patience = 10.0
        self.ends: dict[str, Execution] = {}
        self.status, self.error = 0, ""
        self.lane = Lane("(VI)", self.start, lambda level, text: self.log.append(text), lambda: self.patience)

    def start(self, command: Command) -> Execution:
        name = command.argv[0]
        self.started.append(name)
        self.ends[name] = Execution(lambda: self.ends[name].settle(-15))
        return self.ends[name]

    def running(self) -> list[str]:
        return list(self.ends)

    async def end(self, name: str) -> None:
        self.ends.pop(name).settle(None if self.error else self.status, self.error)
        await trio.testing.wait_all_tasks_blocked()


def order(state: str, *names: str) -> Order:
    return Order(state, tuple(Command((name,)) for name in names or (state,)))


@asynccontextmanager
async def stage() -> AsyncIterator[tuple[Stage, trio.Nursery]]:
    it = Stage()
    async with trio.open_nursery() as nursery:
        yield it, nursery
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_one_state_after_the_other() -> None:
    async with stage() as (it, nursery):
        it.lane.put(order("BACKUP"), nursery)
        await trio.testing.wait_all_tasks_blocked()
        it.lane.put(order("MASTER"), nursery)
        await trio.testing.wait_all_tasks_blocked()
        assert it.started == ["BACKUP"]
        await it.end("BACKUP")
        assert it.started == ["BACKUP", "MASTER"]
        assert not it.lane.idle.is_set()
        await it.end("MASTER")
        assert it.lane.idle.is_set()


@pytest.mark.trio
async def test_the_newest_state_wins() -> None:
    async with stage() as (it, nursery):
        for state in ("1", "2", "3", "4"):
            it.lane.put(order(state), nursery)
            await trio.testing.wait_all_tasks_blocked()
        await it.end("1")
        await it.end("4")
        assert it.started == ["1", "4"]
        assert it.lane.idle.is_set()


@pytest.mark.trio
async def test_the_scripts_of_one_state_run_together_and_start_in_order() -> None:
    async with stage() as (it, nursery):
        it.lane.put(order("MASTER", "notify_master", "notify"), nursery)
        it.lane.put(order("BACKUP"), nursery)
        await trio.testing.wait_all_tasks_blocked()
        assert it.started == ["BACKUP"], "MASTER was overtaken before it began"
        it.lane.put(order("MASTER", "notify_master", "notify"), nursery)
        await it.end("BACKUP")
        assert it.started[1:] == ["notify_master", "notify"]
        assert it.running() == ["notify_master", "notify"]


@pytest.mark.trio
async def test_both_scripts_must_end_before_the_next_state() -> None:
    async with stage() as (it, nursery):
        it.lane.put(order("MASTER", "own", "any"), nursery)
        await trio.testing.wait_all_tasks_blocked()
        assert it.started == ["own", "any"]
        it.lane.put(order("BACKUP"), nursery)
        await it.end("any")
        assert len(it.started) == 2
        await it.end("own")
        assert it.started[2:] == ["BACKUP"]


@pytest.mark.trio
async def test_a_stuck_script_is_overtaken_after_a_while(autojump_clock: trio.testing.MockClock) -> None:
    async with stage() as (it, nursery):
        it.lane.put(order("MASTER"), nursery)
        await trio.sleep(4)
        it.lane.put(order("BACKUP"), nursery)
        await trio.sleep(5.9)
        assert it.started == ["MASTER"]
        await trio.sleep(0.2)
        assert it.started == ["MASTER", "BACKUP"]
        assert it.log == ["(VI) 'MASTER' for MASTER has not ended; starting the scripts for BACKUP beside it"]
        await it.end("BACKUP")
        assert not it.lane.idle.is_set(), "MASTER still runs"
        it.lane.put(order("FAULT"), nursery)
        await trio.sleep(0.1)
        assert it.started[-1] == "FAULT"
        await it.end("FAULT")
        await it.end("MASTER")
        assert it.lane.idle.is_set()


@pytest.mark.trio
async def test_patience_alone_overtakes_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with stage() as (it, nursery):
        it.lane.put(order("MASTER"), nursery)
        await trio.sleep(1000)
        assert it.log == []
        it.lane.put(order("BACKUP"), nursery)
        await trio.sleep(0.1)
        assert it.started == ["MASTER", "BACKUP"]


@pytest.mark.trio
async def test_hurry_makes_it_look_at_the_clock_again(autojump_clock: trio.testing.MockClock) -> None:
    async with stage() as (it, nursery):
        it.lane.put(order("MASTER"), nursery)
        await trio.sleep(1)
        it.lane.put(order("STOP"), nursery)
        await trio.sleep(0.1)
        it.patience = 0.5
        it.lane.hurry()
        await trio.sleep(0.1)
        assert it.started == ["MASTER", "STOP"]


@pytest.mark.trio
async def test_what_was_put_before_the_start_is_run_at_the_start() -> None:
    async with stage() as (it, nursery):
        it.lane.put(order("BACKUP"), None)
        it.lane.put(order("MASTER"), None)
        assert not it.lane.idle.is_set()
        it.lane.start(nursery)
        it.lane.start(nursery)
        await trio.testing.wait_all_tasks_blocked()
        assert it.started == ["MASTER"]


@pytest.mark.trio
@pytest.mark.parametrize(
    ("status", "error", "line"),
    [
        (3, "", "(VI) 'x' for MASTER exited with status 3"),
        (-15, "", "(VI) 'x' for MASTER was ended by signal 15"),
        (0, "it is not executable", "(VI) 'x' for MASTER: it is not executable"),
    ],
)
async def test_what_goes_wrong_is_logged_once(status: int, error: str, line: str) -> None:
    async with stage() as (it, nursery):
        it.status, it.error = status, error
        it.lane.put(order("MASTER", "x"), nursery)
        await trio.testing.wait_all_tasks_blocked()
        await it.end("x")
        assert it.log == [line]
        assert it.lane.idle.is_set()


@settings(deadline=None)
@given(st.lists(st.one_of(st.integers(0, 5), st.none()), max_size=30))
def test_the_last_script_run_is_that_of_the_last_state(history: list[int | None]) -> None:
    """Numbers are states that come, None is the end of what runs. At the end the last state has been run last."""

    async def play() -> None:
        async with stage() as (it, nursery):
            states = []
            for index, move in enumerate(history):
                if move is not None:
                    states.append(f"{move}.{index}")
                    it.lane.put(order(states[-1]), nursery)
                elif it.running():
                    await it.end(it.running()[0])
                await trio.testing.wait_all_tasks_blocked()
                assert len(it.running()) <= 1
            while it.running():
                await it.end(it.running()[0])
            assert it.lane.idle.is_set()
            assert it.started[-1:] == states[-1:]
            assert it.started == sorted(it.started, key=states.index)

    trio.run(play)
