"""The courier on a socket that does what a test wants, and under an address writer in a namespace."""

from __future__ import annotations

import errno
import select
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from typing import Any

import pytest

from hakeep.kernel import rtnl
from hakeep.kernel.address_writer import AHEAD, AddressWriter, Outcome
from hakeep.kernel.courier import Courier
from hakeep.kernel.netlink import Netlink
from hakeep.kernel.rtnl import Encoder
from hakeep.objects.diff import Add, Remove
from hakeep.objects.rtnl import Address

PATIENCE = 10.0


class Gate:
    """A socket that takes data when the gate is open, and refuses what is in `refused`."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.taken: list[bytes] = []
        self.refused: dict[bytes, int] = {}

    def sendto(self, data: bytes, _: object) -> int:
        assert self.open.wait(PATIENCE)
        data = bytes(data)
        if data in self.refused:
            raise OSError(self.refused[data], "no")
        self.taken.append(data)
        return len(data)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def readable(fd: int, seconds: float = 0.0) -> bool:
    return bool(select.select([fd], [], [], seconds)[0])


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def courier(gate: Gate) -> Iterator[Courier]:
    courier = Courier(gate)  # type: ignore[arg-type]
    yield courier
    gate.open.set()
    courier.close()


def test_whoever_gives_does_not_wait_and_the_order_is_kept(gate: Gate, courier: Courier) -> None:
    for data in (b"a", b"b", b"c"):
        courier.carry(data, 1)
    assert gate.taken == []
    assert not courier.idle
    gate.open.set()
    until(lambda: courier.idle)
    assert gate.taken == [b"a", b"b", b"c"]
    assert courier.resume() == 0
    assert not readable(courier.fileno())


def test_after_a_failure_nothing_is_delivered_until_resumed(gate: Gate, courier: Courier) -> None:
    gate.refused[b"b"] = errno.ENOBUFS
    for data in (b"a", b"b", b"c"):
        courier.carry(data, 1)
    gate.open.set()
    assert readable(courier.fileno(), PATIENCE)
    assert courier.idle
    courier.carry(b"d", 1)
    until(lambda: courier.idle)
    assert gate.taken == [b"a"]
    courier.heed()
    assert courier.resume() == errno.ENOBUFS
    gate.refused.clear()
    courier.carry(b"b", 1)
    until(lambda: courier.idle)
    assert gate.taken == [b"a", b"b"]
    assert courier.resume() == 0


def test_the_pace_is_that_of_one_message(gate: Gate, courier: Courier) -> None:
    courier.carry(b"a", 1000)
    began = time.monotonic()
    time.sleep(0.02)
    gate.open.set()
    until(lambda: courier.idle)
    assert 0.00001 < courier.pace <= (time.monotonic() - began) / 1000


class Lane:
    """A writer with a courier on a namespace's eth0, driven as the loop would."""

    def __init__(self, lab: Any) -> None:
        namespace, _ = lab.pair()
        self.netlink: Netlink = lab.keep(namespace.run(Netlink))
        self.reader: Netlink = lab.keep(namespace.run(Netlink))
        indexes = {link.name: link.index for link in rtnl.read_links(self.reader)}
        self.names = {index: name for name, index in indexes.items() if name != "lo"}
        self.courier: Courier = lab.keep(self.netlink.courier())
        self.writer = AddressWriter(self.netlink, Encoder(), indexes.get, courier=self.courier)

    def drive(self) -> Outcome:
        total = Outcome()
        while not self.writer.idle:
            while self.writer.send_chunk():
                pass
            select.select([self.netlink, self.courier], [], [], PATIENCE)
            total = Outcome(*(a + b for a, b in zip(total, self.writer.collect(), strict=True)))
        return total

    def addresses(self) -> set[Address]:
        found = rtnl.read_addresses(self.reader, self.names)
        return {address.key for address in found if address.ip.version == 4}  # type: ignore[misc]


@pytest.fixture
def lane(lab: Any) -> Lane:
    return Lane(lab)


WANTED = [Address("eth0", IPv4Address("10.77.0.0") + n, 32) for n in range(1, 701)]


@pytest.mark.netns
def test_many_addresses_come_in_order_and_go_again(lane: Lane) -> None:
    keys = tuple(address.key for address in WANTED)
    lane.writer.put_coming(iter([Add(address.key, address) for address in WANTED]))
    assert lane.drive() == Outcome(added=keys)
    assert lane.addresses() == set(keys)
    lane.writer.put_coming(iter([Remove(address.key, address) for address in WANTED]))
    assert lane.drive() == Outcome(removed=keys)
    assert lane.addresses() == set()


@pytest.mark.netns
def test_no_more_is_under_way_than_two_chunks(lane: Lane) -> None:
    gate = Gate()
    real, lane.courier._socket = lane.courier._socket, gate  # type: ignore[assignment]
    lane.writer.put(Add(address.key, address) for address in WANTED)
    chunks = []
    while lane.writer.ready:
        chunks.append(lane.writer.send_chunk())
    assert len(chunks) == AHEAD
    assert chunks[0] < chunks[1]  # the first is small and made without the courier, who would have to wake up
    assert gate.taken == []
    assert len(lane.writer.collect().added) == chunks[0]
    chunks.append(lane.writer.send_chunk())
    assert chunks[2] > 0
    assert lane.writer.send_chunk() == 0
    assert len(lane.writer.withdraw()) == len(WANTED) - sum(chunks)
    gate.sendto = real.sendto  # type: ignore[method-assign]
    gate.open.set()
    until(lambda: lane.courier.idle)


@pytest.mark.netns
def test_a_renewal_never_waits_for_the_kernel(lane: Lane) -> None:
    """Others may hold the kernel's lock for seconds; a MASTER in whose loop that happened would fall silent."""
    lane.writer.put(Add(address.key, address) for address in WANTED[:1])
    lane.drive()
    free, real = threading.Event(), lane.courier._socket

    class Locked:
        def sendto(self, data: bytes, to: tuple[int, int]) -> int:
            assert free.wait(PATIENCE)
            return real.sendto(data, to)

    lane.courier._socket = Locked()  # type: ignore[assignment]
    lane.writer.put_renewals(WANTED[:1])
    assert lane.writer.send_chunk() == 1
    assert lane.writer.collect() == Outcome()
    assert lane.writer.under_way
    free.set()
    until(lambda: readable(lane.netlink.fileno()))
    assert lane.drive() == Outcome(added=(WANTED[0].key,))


@pytest.mark.netns
def test_what_could_not_be_delivered_is_queued_again_in_its_order(lane: Lane) -> None:
    real = lane.courier._socket
    calls = []

    class Full:
        def sendto(self, data: bytes, to: tuple[int, int]) -> int:
            calls.append(len(data))
            if len(calls) == 1:
                raise OSError(errno.ENOBUFS, "no room")
            return real.sendto(data, to)

    lane.courier._socket = Full()  # type: ignore[assignment]
    lane.writer.put(Add(address.key, address) for address in WANTED[:200])
    first, second = lane.writer.send_chunk(), lane.writer.send_chunk()
    assert 0 < first < 200 > first + second
    assert readable(lane.courier.fileno(), PATIENCE)
    lane.courier.heed()
    delivered = lane.writer.collect()  # says first what the kernel did take
    assert delivered == Outcome(added=tuple(address.key for address in WANTED[:first]))
    assert lane.drive() == Outcome(added=tuple(address.key for address in WANTED[first:200]))
    assert len(lane.addresses()) == 200


@pytest.mark.netns
def test_nothing_delivered_is_an_error(lane: Lane) -> None:
    shut = threading.Event()

    class Shut:
        def sendto(self, *_: object) -> int:
            assert shut.wait(PATIENCE)
            raise OSError(errno.ENOMEM, "no memory")

    real, lane.courier._socket = lane.courier._socket, Shut()  # type: ignore[assignment]
    lane.writer.put(Add(address.key, address) for address in WANTED[:100])
    first, second = lane.writer.send_chunk(), lane.writer.send_chunk()
    assert lane.writer.collect() == Outcome(added=tuple(address.key for address in WANTED[:first]))
    shut.set()
    assert readable(lane.courier.fileno(), PATIENCE)
    lane.courier.heed()
    with pytest.raises(OSError, match="memory") as caught:
        lane.writer.collect()
    assert caught.value.errno == errno.ENOMEM
    lane.courier._socket = real
    assert lane.drive() == Outcome(added=tuple(address.key for address in WANTED[first:100]))
    assert 0 < second <= 100 - first, "a chunk is what there was time for"
