"""What every backend promises, as tests: subclass `BackendContract`, and say in `make` how to get a backend.

`make()` returns a backend that is not open; all that it returns within one test have the same table under them, which
may hold anything at first. The tests need pytest-trio and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hakeep.lvs.backends import Backend, Refusal, TableChange
from hakeep.objects.diff import Add, Remove, Replace
from hakeep.objects.ipvs import (
    PERSISTENT,
    SCTP,
    TCP,
    UDP,
    Destination,
    DestinationKey,
    Service,
    ServiceKey,
    Table,
    Timeouts,
    whole,
)
from tests.effort import tries

Making = Callable[[], Backend]

VIRTUAL = {4: ip_address("192.0.2.80"), 6: ip_address("2001:db8::80")}
REAL = {4: ip_address("198.51.100.0"), 6: ip_address("2001:db8:1::")}


def service(family: int = 4, protocol: int = TCP, port: int = 80, *, last: int = 0, fwmark: int = 0,
            scheduler: str = "rr", timeout: int = 0, prefix: int = 0) -> Service:
    """A service that every backend can have. `prefix` 0 = each client for itself."""
    key = ServiceKey(family, 0, None, 0, fwmark) if fwmark else ServiceKey(
        family, protocol, VIRTUAL[family] + last, port)
    return Service(key, scheduler, PERSISTENT if timeout else 0, timeout, prefix or whole(family))


def destination(owner: Service, last: int = 1, *, weight: int = 1, port: int = -1) -> Destination:
    """A real server of that service, on the same port."""
    key = DestinationKey(owner.key, REAL[owner.key.family] + last, owner.key.port if port < 0 else port)
    return Destination(key, weight)


def adds(*wanted: Service | Destination) -> list[TableChange]:
    return [add(each) for each in wanted]


def add(wanted: Service | Destination) -> TableChange:
    return Add(wanted.key, wanted)  # type: ignore[arg-type, return-value]


def remove(have: Service | Destination) -> TableChange:
    return Remove(have.key, have)  # type: ignore[arg-type, return-value]


def change(have: Service | Destination, **words: object) -> TableChange:
    """Replace by itself with other words."""
    return Replace(have.key, have, replace(have, **words))  # type: ignore[arg-type, return-value]


def same(found: Table, wanted: Table) -> None:
    assert dict(found.services) == dict(wanted.services), found
    assert dict(found.destinations) == dict(wanted.destinations)


def table(*wanted: Service | Destination) -> Table:
    return Table.of([each for each in wanted if isinstance(each, Service)],
                    [each for each in wanted if isinstance(each, Destination)])


def is_a_sentence(text: str) -> bool:
    return len(text.split()) >= 3 and "\n" not in text and "Traceback" not in text and "0x" not in text


@asynccontextmanager
async def opened(make: Making, *, empty: bool = True) -> AsyncIterator[Backend]:
    backend = make()
    await backend.open()
    try:
        if empty:
            await backend.flush()
        yield backend
    finally:
        await backend.close()


async def must(backend: Backend, changes: Iterable[TableChange]) -> None:
    assert await backend.apply(list(changes)) == []


class BackendContract:
    """The promises. What differs between backends is said in these fields."""

    name = ""
    protocols: tuple[int, ...] = (TCP, UDP, SCTP)
    schedulers: tuple[str, ...] = ("rr", "wrr", "sh")
    #: Whether `read` returns destinations in the order in which they were added.
    keeps_order = True
    #: What cannot be had: a service, its destinations, and the keyword that the sentence must name.
    impossible: tuple[tuple[Service, tuple[Destination, ...], str], ...] = ()
    #: Whether it can tell how many connections there are.
    knows_connections = True
    #: How many sequences of changes the model is compared with.
    examples = 25

    @pytest.fixture
    def make(self) -> Making:
        raise AssertionError("a subclass says how")

    @pytest.mark.trio
    async def test_it_has_its_name(self, make: Making) -> None:
        assert make().name == self.name

    @pytest.mark.trio
    async def test_after_a_flush_it_is_empty(self, make: Making) -> None:
        async with opened(make) as backend:
            one = service()
            await must(backend, adds(one, destination(one)))
            await backend.flush()
            same(await backend.read(), Table())
            assert dict(await backend.usage()) == {}
            await must(backend, adds(one))
            same(await backend.read(), table(one))

    @pytest.mark.parametrize("family", [4, 6])
    @pytest.mark.trio
    async def test_a_service_of_each_protocol(self, make: Making, family: int) -> None:
        async with opened(make) as backend:
            services = [service(family, protocol) for protocol in self.protocols]
            everything = [each for one in services for each in (one, destination(one, 1), destination(one, 2))]
            await must(backend, adds(*everything))
            same(await backend.read(), table(*everything))

    @pytest.mark.trio
    async def test_each_scheduler(self, make: Making) -> None:
        async with opened(make) as backend:
            services = [service(port=port, scheduler=name) for port, name in enumerate(self.schedulers, 80)]
            everything = [each for one in services
                          for each in (one, destination(one, 1, weight=3), destination(one, 2, weight=2))]
            await must(backend, adds(*everything))
            same(await backend.read(), table(*everything))

    @pytest.mark.trio
    async def test_marks_are_services_of_a_family(self, make: Making) -> None:
        async with opened(make) as backend:
            services = [service(4, fwmark=5), service(6, fwmark=5), service(4, fwmark=2**32 - 1)]
            everything = [each for one in services for each in (one, destination(one, 1, port=80))]
            await must(backend, adds(*everything))
            same(await backend.read(), table(*everything))
            await must(backend, [remove(services[0])])
            same(await backend.read(), table(*everything[2:]))

    @pytest.mark.parametrize("family", [4, 6])
    @pytest.mark.trio
    async def test_persistence_and_its_granularity(self, make: Making, family: int) -> None:
        async with opened(make) as backend:
            every = service(family, port=0, timeout=360)
            some = service(family, port=80, timeout=50, prefix=24 if family == 4 else 64)
            everything = [every, destination(every), some, destination(some, 1), destination(some, 2, weight=0)]
            await must(backend, adds(*everything))
            same(await backend.read(), table(*everything))
            await must(backend, [change(some, timeout=0, flags=0)])
            same(await backend.read(), table(*everything[:2], replace(some, timeout=0, flags=0), *everything[3:]))
            await must(backend, [change(some, timeout=7, flags=PERSISTENT, prefix=whole(family))])
            found = await backend.read()
            assert found.services[some.key] == replace(some, timeout=7, prefix=whole(family))
            assert len(found.destinations) == 3

    @pytest.mark.trio
    async def test_a_change_leaves_the_rest(self, make: Making) -> None:
        async with opened(make) as backend:
            one, two = service(port=80), service(port=81)
            first, second, third = destination(one, 1), destination(one, 2), destination(two, 1)
            await must(backend, adds(one, first, second, two, third))
            await must(backend, [change(one, scheduler="wrr")])
            same(await backend.read(), table(replace(one, scheduler="wrr"), first, second, two, third))
            await must(backend, [change(first, weight=5)])
            same(await backend.read(),
                 table(replace(one, scheduler="wrr"), replace(first, weight=5), second, two, third))
            await must(backend, [remove(second)])
            same(await backend.read(), table(replace(one, scheduler="wrr"), replace(first, weight=5), two, third))

    @pytest.mark.trio
    async def test_weight_nought_stays_in_the_table(self, make: Making) -> None:
        async with opened(make) as backend:
            one = service()
            first, second = destination(one, 1), destination(one, 2)
            await must(backend, adds(one, first, second))
            for weight in (0, 65535, 0, 1):
                await must(backend, [change(first, weight=weight)])
                same(await backend.read(), table(one, replace(first, weight=weight), second))

    @pytest.mark.trio
    async def test_a_service_goes_with_its_destinations(self, make: Making) -> None:
        async with opened(make) as backend:
            one, two = service(port=80), service(port=81)
            await must(backend, adds(one, destination(one, 1), destination(one, 2), two, destination(two, 1)))
            await must(backend, [remove(one)])
            same(await backend.read(), table(two, destination(two, 1)))
            await must(backend, adds(one))
            same(await backend.read(), table(one, two, destination(two, 1)))

    @pytest.mark.trio
    async def test_what_is_there_or_gone_already_is_no_refusal(self, make: Making) -> None:
        async with opened(make) as backend:
            one = service()
            first = destination(one, 1)
            await must(backend, [remove(first), remove(one)])
            await must(backend, [change(one, scheduler="wrr"), change(first, weight=3)])
            same(await backend.read(), table(replace(one, scheduler="wrr"), replace(first, weight=3)))
            await must(backend, adds(one, first))
            same(await backend.read(), table(one, first))
            await must(backend, adds(one, first))
            await must(backend, [remove(first), remove(first), remove(one), remove(first), remove(one)])
            same(await backend.read(), Table())

    @pytest.mark.trio
    async def test_changes_are_made_in_their_order(self, make: Making) -> None:
        async with opened(make) as backend:
            one = service()
            first, second = destination(one, 1), destination(one, 2)
            await must(backend, [
                *adds(one, first, second), remove(one), *adds(one, second), change(second, weight=2),
                remove(second), *adds(replace(second, weight=3)), change(one, scheduler="wrr")])
            same(await backend.read(), table(replace(one, scheduler="wrr"), replace(second, weight=3)))

    @pytest.mark.trio
    async def test_destinations_come_in_the_order_of_asking(self, make: Making) -> None:
        if not self.keeps_order:
            return
        async with opened(make) as backend:
            one = service()
            reals = [destination(one, last) for last in (9, 2, 7, 1, 12)]
            await must(backend, adds(one, *reals))
            assert list((await backend.read()).destinations.values()) == reals
            await must(backend, [remove(reals[1]), change(reals[2], weight=4)])
            await must(backend, adds(reals[1]))
            async with opened(make, empty=False) as other:
                for each in (backend, other):
                    assert [key.ip for key in (await each.read()).destinations] == [
                        reals[at].key.ip for at in (0, 2, 3, 4, 1)]

    @pytest.mark.trio
    async def test_what_others_made_is_left_alone(self, make: Making) -> None:
        async with opened(make) as ours, opened(make, empty=False) as others:
            foreign = service(port=8080)
            theirs = [foreign, destination(foreign, 1, weight=3), destination(foreign, 2, weight=0)]
            await must(others, adds(*theirs))
            mine = service(port=80)
            await must(ours, adds(mine, destination(mine, 1)))
            same(await ours.read(), table(*theirs, mine, destination(mine, 1)))
            await must(ours, [change(mine, scheduler="wrr"), remove(destination(mine, 1))])
            await must(ours, [remove(mine)])
            same(await ours.read(), table(*theirs))
            same(await others.read(), table(*theirs))

    @pytest.mark.trio
    async def test_what_others_changed_is_seen(self, make: Making) -> None:
        async with opened(make) as ours, opened(make, empty=False) as others:
            one = service()
            await must(ours, adds(one, destination(one, 1), destination(one, 2)))
            await must(others, [change(destination(one, 1), weight=9), remove(destination(one, 2))])
            same(await ours.read(), table(one, destination(one, 1, weight=9)))
            await others.flush()
            same(await ours.read(), Table())
            await must(ours, adds(one, destination(one, 1)))
            same(await others.read(), table(one, destination(one, 1)))

    @pytest.mark.trio
    async def test_it_is_all_there_after_a_restart(self, make: Making) -> None:
        one, two = service(4, timeout=50, prefix=24), service(6, UDP, 53, scheduler="wrr")
        everything = [one, destination(one, 1), two, destination(two, 1, weight=4), destination(two, 2, weight=0)]
        async with opened(make) as backend:
            await must(backend, adds(*everything))
        async with opened(make, empty=False) as backend:
            same(await backend.read(), table(*everything))
            await must(backend, [remove(destination(two, 1, weight=4)), change(one, timeout=60)])
            same(await backend.read(), table(replace(one, timeout=60), *everything[1:3], everything[4]))

    @pytest.mark.trio
    async def test_reading_some_services(self, make: Making) -> None:
        async with opened(make) as backend:
            services = [service(port=port) for port in (80, 81, 82)] + [service(6)]
            everything = [each for one in services for each in (one, destination(one))]
            await must(backend, adds(*everything))
            same(await backend.read([services[1].key, services[3].key, service(port=99).key]),
                 table(*everything[2:4], *everything[6:8]))
            same(await backend.read([]), Table())

    @pytest.mark.trio
    async def test_usage_is_of_all_that_is_there(self, make: Making) -> None:
        async with opened(make) as backend:
            one, two = service(4, timeout=50), service(6, UDP, 53)
            await must(backend, adds(one, destination(one, 1), destination(one, 2), two, destination(two, 1)))
            usage = await backend.usage()
            assert set(usage) == {one.key, destination(one, 1).key, destination(one, 2).key,
                                  two.key, destination(two, 1).key}
            for counted in usage.values():
                connections = 0 if self.knows_connections else None
                assert (counted.active, counted.inactive, counted.persistent) == (connections, connections, 0)
                assert not any(counted.counts)

    @pytest.mark.trio
    async def test_a_destination_without_a_service_is_refused_alone(self, make: Making) -> None:
        async with opened(make) as backend:
            one, missing = service(port=80), service(port=81)
            lost = destination(missing, 1)
            refused = await backend.apply(adds(one, lost, destination(one, 1)))
            assert [key for key, _ in refused] == [lost.key]
            assert is_a_sentence(refused[0][1])
            same(await backend.read(), table(one, destination(one, 1)))

    @pytest.mark.trio
    async def test_what_cannot_be_had_names_the_keyword(self, make: Making) -> None:
        async with opened(make) as backend:
            fine = service(port=9)
            for wrong, reals, keyword in self.impossible:
                why = backend.cannot(wrong, reals)
                assert keyword in why
                assert is_a_sentence(why)
                refused = await backend.apply(adds(wrong, *reals, fine))
                assert refused, f"{keyword} must be refused by apply as well"
                assert all(is_a_sentence(text) for _, text in refused)
                found = await backend.read()
                for key, _ in refused:
                    assert key not in found.services and key not in found.destinations
                assert fine.key in found.services, "the others are made all the same"
                await must(backend, [remove(wrong)])
            assert backend.cannot(fine, [destination(fine)]) == ""

    @pytest.mark.trio
    async def test_timeouts_are_what_they_were(self, make: Making) -> None:
        async with opened(make) as backend:
            before = await backend.set_timeouts(Timeouts())
            assert await backend.set_timeouts(Timeouts(tcp=1234)) == before
            assert await backend.set_timeouts(Timeouts(udp=77)) == before._replace(tcp=1234)
            assert await backend.set_timeouts(before) == before._replace(tcp=1234, udp=77)
            assert await backend.set_timeouts(Timeouts()) == before

    @pytest.mark.trio
    async def test_no_daemons_is_always_possible(self, make: Making) -> None:
        async with opened(make) as backend:
            await backend.set_daemons([])

    def test_after_any_changes_the_table_is_that_of_a_model(self, make: Making) -> None:
        @settings(max_examples=tries(self.examples), deadline=None, database=None,
                  suppress_health_check=list(HealthCheck))
        @given(st.lists(st.lists(_steps(self.protocols, self.schedulers), max_size=8), max_size=4))
        def compare(batches: list[list[TableChange]]) -> None:
            trio.run(play, make, batches)

        compare()


# ---------------------------------------------------------------------------------------------------------- the model


async def play(make: Making, batches: list[list[TableChange]]) -> None:
    """Make the changes, and compare after each batch what is there and what was refused."""
    services: dict[ServiceKey, Service] = {}
    destinations: dict[DestinationKey, Destination] = {}
    async with opened(make) as backend:
        for batch in batches:
            refused: list[Refusal] = await backend.apply(batch)
            assert [key for key, _ in refused] == _expect(batch, services, destinations)
            same(await backend.read(), Table(services, destinations))
        async with opened(make, empty=False) as other:
            same(await other.read(), Table(services, destinations))


def _expect(
    batch: list[TableChange], services: dict[ServiceKey, Service], destinations: dict[DestinationKey, Destination]
) -> list[ServiceKey | DestinationKey]:
    """Bring the dictionaries to what should be there; returns what must be refused."""
    refused: list[ServiceKey | DestinationKey] = []
    for step in batch:
        key = step.key
        if isinstance(key, ServiceKey):
            if isinstance(step, Remove):
                services.pop(key, None)
                for each in [each for each in destinations if each.service == key]:
                    del destinations[each]
            else:
                services[key] = step.wanted  # type: ignore[assignment]
        elif isinstance(step, Remove):
            destinations.pop(key, None)
        elif key.service in services:
            destinations[key] = step.wanted  # type: ignore[assignment]
        else:
            refused.append(key)
    return refused


@st.composite
def _steps(draw: st.DrawFn, protocols: tuple[int, ...], schedulers: tuple[str, ...]) -> TableChange:
    family = draw(st.sampled_from([4, 6]))
    timeout = draw(st.sampled_from([0, 0, 50]))
    one = service(
        family, draw(st.sampled_from(protocols)), 80,
        last=draw(st.integers(0, 1)), fwmark=draw(st.sampled_from([0, 7])), scheduler=draw(st.sampled_from(schedulers)),
        timeout=timeout, prefix=draw(st.sampled_from([0, 16])) if timeout else 0)
    real = destination(one, draw(st.integers(1, 3)), weight=draw(st.integers(0, 4)), port=80)
    subject = draw(st.sampled_from([one, real, real]))
    return draw(st.sampled_from([add, add, change, remove]))(subject)
