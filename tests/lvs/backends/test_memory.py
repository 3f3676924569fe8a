"""The memory backend keeps the contract, and does what a test tells it to."""

from __future__ import annotations

import pytest
import trio
from contract import BackendContract, Making, add, adds, destination, must, remove, same, service, table

from hakeep.lvs.backends import Unavailable
from hakeep.lvs.backends.memory import Memory
from hakeep.objects.ipvs import Counts, SyncDaemon, Table, Usage


class TestContract(BackendContract):
    name = "memory"
    examples = 200

    @pytest.fixture
    def make(self) -> Making:
        one = Memory()
        return lambda: one


@pytest.mark.trio
async def test_it_refuses_what_it_is_told_to() -> None:
    memory = Memory()
    one = service()
    first, second = destination(one, 1), destination(one, 2)
    memory.refusals[first.key] = "it does not like this one"
    assert await memory.apply(adds(one, first, second)) == [(first.key, "it does not like this one")]
    same(await memory.read(), table(one, second))
    assert memory.cannot(one, [second]) == ""
    assert memory.cannot(one, [second, first]) == "it does not like this one"
    del memory.refusals[first.key]
    await must(memory, [add(first)])
    same(await memory.read(), table(one, second, first))


@pytest.mark.trio
async def test_it_is_unavailable_when_told_to() -> None:
    memory = Memory()
    memory.unavailable = "there is no memory left here"
    for call in (memory.open(), memory.read(), memory.apply([]), memory.usage(), memory.flush()):
        with pytest.raises(Unavailable, match="no memory left"):
            await call
    memory.unavailable = ""
    await memory.open()


@pytest.mark.trio
async def test_it_counts_what_it_is_told_to() -> None:
    memory = Memory()
    one = service()
    await must(memory, adds(one, destination(one)))
    memory.counted[one.key] = Usage(counts=Counts(7))
    assert await memory.usage() == {one.key: Usage(counts=Counts(7)), destination(one).key: Usage()}


@pytest.mark.trio
async def test_it_tells_when_somebody_altered_the_table(autojump_clock: trio.abc.Clock) -> None:
    memory = Memory()
    one = service()
    await must(memory, adds(one))
    with trio.move_on_after(5) as patience:
        await memory.changed()
    assert patience.cancelled_caught, "what it was asked for itself is no news"
    memory.alter(Table())
    with trio.fail_after(5):
        await memory.changed()
    same(await memory.read(), Table())
    await must(memory, [remove(one)])


@pytest.mark.trio
async def test_it_remembers_daemons() -> None:
    memory = Memory()
    daemon = SyncDaemon("master", "eth0", 51)
    await memory.set_daemons([daemon])
    assert memory.daemons == (daemon,)
