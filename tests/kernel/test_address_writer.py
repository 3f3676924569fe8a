from __future__ import annotations

import errno
import time
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from hakeep.kernel import address_writer, rtnl
from hakeep.kernel.address_writer import CHUNK, AddressChange, AddressWriter, Outcome, only_lifetimes_differ
from hakeep.kernel.netlink import Netlink, Overrun
from hakeep.kernel.rtnl import Encoder
from hakeep.objects.diff import Add, Remove, Replace, diff
from hakeep.objects.rtnl import IFA_F_NODAD, IFA_F_NOPREFIXROUTE, Address, AddressKey, serves

pytestmark = pytest.mark.netns


def v4(number: int, **fields: Any) -> Address:
    return Address("eth0", IPv4Address("10.1.0.0") + number, 32, **fields)


def v6(number: int, **fields: Any) -> Address:
    return Address("eth0", IPv6Address("2001:db8::") + number, 64, flags=IFA_F_NODAD, **fields)


def adds(addresses: Iterable[Address]) -> list[AddressChange]:
    return [Add(address.key, address) for address in addresses]


def removes(addresses: Iterable[Address]) -> list[AddressChange]:
    return [Remove(address.key, address) for address in addresses]


class Lane:
    """A writer on a namespace's eth0, driven to the end as its owner would."""

    def __init__(self, lab: Any) -> None:
        self.namespace, _ = lab.pair()
        self.netlink: Netlink = lab.keep(self.namespace.run(Netlink))
        self.reader: Netlink = lab.keep(self.namespace.run(Netlink))
        self.indexes = {link.name: link.index for link in rtnl.read_links(self.reader)}
        self.writer = AddressWriter(self.netlink, Encoder(), self.indexes.get)
        self.chunks: list[int] = []

    def drive(self, changes: Iterable[AddressChange] = ()) -> Outcome:
        self.writer.put(changes)
        total = Outcome()
        while not self.writer.idle:
            self.chunks.append(self.writer.send_chunk())
            total = Outcome(*(a + b for a, b in zip(total, self.writer.collect(), strict=True)))
        return total

    def addresses(self) -> dict[AddressKey, Address]:
        names = {index: name for name, index in self.indexes.items() if name != "lo"}
        found = rtnl.read_addresses(self.reader, names)
        return {address.key: address for address in found if not address.ip.is_link_local}


@pytest.fixture
def lane(lab: Any) -> Lane:
    return Lane(lab)


def test_what_is_wanted_comes_and_what_is_not_goes(lane: Lane) -> None:
    first = [v4(n) for n in range(1, 5)] + [v6(n) for n in range(1, 5)]
    outcome = lane.drive(adds(first))
    assert outcome == Outcome(added=tuple(address.key for address in first))
    assert all(serves(lane.addresses()[address.key], address) for address in first)

    second = {address.key: address for address in [v4(1), v4(2, label="eth0:x"), v6(9), v4(3, valid_lft=30)]}
    have = lane.addresses()
    outcome = lane.drive(diff(have, second, same=serves))
    assert outcome.refused == ()
    assert outcome.added == (v4(2).key, v6(9).key, v4(3).key)
    assert set(outcome.removed) == set(have) - set(second)
    assert diff(lane.addresses(), second, same=serves) == []


def test_an_address_that_is_not_named_is_not_touched(lane: Lane) -> None:
    lane.namespace.ip("addr add 192.0.2.9/24 dev eth0")
    lane.drive(adds([v4(1)]))
    lane.drive(removes([v4(1)]))
    assert [str(address) for address in lane.addresses().values()] == ["192.0.2.9/24 dev eth0"]


def test_a_thousand_addresses_leave_in_chunks(lane: Lane, record_property: Any) -> None:
    addresses = [v4(n) for n in range(1, 1001)]
    for address in addresses:  # as a BACKUP does while it has time
        lane.writer._encoder.add(address, lane.indexes["eth0"])
    started = time.perf_counter()
    outcome = lane.drive(adds(addresses))
    milliseconds = (time.perf_counter() - started) * 1000
    record_property("ms_for_1000", milliseconds)
    print(f"1000 addresses: {milliseconds:.1f} ms in {len(lane.chunks)} chunks of at most {max(lane.chunks)}")
    assert outcome.added == tuple(address.key for address in addresses)
    assert sum(lane.chunks) == 1000 and max(lane.chunks) <= CHUNK
    assert len(lane.addresses()) == 1000
    assert lane.drive(removes(reversed(addresses))).removed == tuple(a.key for a in reversed(addresses))
    assert lane.addresses() == {}


def test_slow_chunks_shrink_and_fast_ones_grow(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**6))  # every look at it is a "second" later
    monkeypatch.setattr(address_writer, "monotonic", lambda: next(clock) * step)
    step = 0.01
    lane.drive(adds(v4(n) for n in range(1, 200)))
    assert lane.chunks[0] > 60 and lane.chunks[1] < 40 and min(lane.chunks[:-1]) > 0
    step = 0.0
    lane.chunks.clear()
    lane.drive(removes(v4(n) for n in range(1, 200)))
    assert lane.chunks[0] < 40 and max(lane.chunks) > 60


def test_there_and_gone_already_are_no_errors(lane: Lane) -> None:
    lane.drive(adds([v4(1), v6(1)]))
    assert lane.drive(adds([v4(1), v6(1)])) == Outcome(added=(v4(1).key, v6(1).key))
    assert lane.drive(removes([v4(2), v6(2)])) == Outcome(removed=(v4(2).key, v6(2).key))


def test_an_interface_that_is_not_there(lane: Lane) -> None:
    elsewhere = Address("none", IPv4Address("10.1.0.1"), 32)
    outcome = lane.drive([*adds([elsewhere, v4(1)]), *removes([elsewhere])])
    assert outcome == Outcome((v4(1).key,), (elsewhere.key,), ((elsewhere.key, errno.ENODEV),))


def test_an_interface_that_went_while_nobody_looked(lane: Lane) -> None:
    lane.drive(adds([v4(1), v6(1)]))
    lane.namespace.ip("link del eth0")
    outcome = lane.drive([*removes([v4(1), v6(1)]), *adds([v4(2), v6(2)])])
    assert outcome.removed == (v4(1).key, v6(1).key)
    assert outcome.refused == ((v4(2).key, errno.ENODEV), (v6(2).key, errno.ENODEV))


def test_a_refusal_is_reported_and_stops_nothing(lane: Lane) -> None:
    broken = replace(v4(1), prefix=33)
    outcome = lane.drive(adds([broken, v4(2)]))
    assert outcome == Outcome(added=(v4(2).key,), refused=((broken.key, errno.EINVAL),))


@pytest.mark.parametrize("at", [0, 1, 2])
def test_the_answers_find_their_changes(lane: Lane, at: int) -> None:
    """Only refusals and the last message of a chunk are answered."""
    addresses = [v4(1), v4(2), v4(3)]
    addresses[at] = replace(addresses[at], prefix=33)
    outcome = lane.drive(adds(addresses))
    assert outcome.refused == ((addresses[at].key, errno.EINVAL),)
    assert outcome.added == tuple(address.key for n, address in enumerate(addresses) if n != at)
    assert set(lane.addresses()) == set(outcome.added)


def test_half_a_replacement_is_told_as_it_is(lane: Lane) -> None:
    lane.drive(adds([v4(1)]))
    broken = v4(1, label="eth0:x", valid_lft=5, preferred_lft=0, broadcast=IPv4Address("10.1.0.255"))
    have = lane.addresses()[broken.key]
    change = Replace(have.key, have, replace(broken, valid_lft=0))  # no lifetime at all is refused
    assert lane.drive([change]) == Outcome((), (have.key,), ((have.key, errno.EINVAL),))
    assert lane.addresses() == {}


@pytest.mark.parametrize("make", [v4, v6])
def test_a_renewal_is_one_message_and_brings_back(lane: Lane, make: Any) -> None:
    address = make(1, valid_lft=60, preferred_lft=60)
    lane.drive(adds([replace(address, valid_lft=5, preferred_lft=5)]))
    lane.writer.put_renewals([address])
    assert lane.drive() == Outcome(added=(address.key,))
    assert lane.chunks[-1] == 1
    assert (lane.addresses()[address.key].valid_lft or 0) > 50
    lane.drive(removes([address]))
    lane.writer.put_renewals([address])
    lane.drive()
    assert address.key in lane.addresses()


def test_a_lifetime_never_meets_an_address_without_one(lane: Lane) -> None:
    """The prefix route of the network belongs to the host's address too and must not get an expiry."""
    lane.namespace.ip("addr add 2001:db8::aaaa/64 dev eth0 nodad")
    permanent, leased = v6(1), v6(1, valid_lft=30, preferred_lft=30)
    lane.drive(adds([permanent]))
    have = lane.addresses()[permanent.key]
    lane.drive([Replace(permanent.key, have, leased)])
    assert lane.chunks[-1] == 2  # deleted and added
    assert serves(lane.addresses()[permanent.key], leased)
    lane.writer.put_renewals([leased])
    lane.drive()
    assert "expires" not in lane.namespace.ip("-6 route show 2001:db8::/64")
    lane.drive(removes([leased]))
    assert "2001:db8::/64 dev eth0" in lane.namespace.ip("-6 route show 2001:db8::/64")
    assert "expires" not in lane.namespace.ip("-6 route show 2001:db8::/64")


def test_the_trap_is_real(lane: Lane) -> None:
    """What the test above guards against: RTM_NEWADDR with a lifetime on a permanent address."""
    lane.namespace.ip("addr add 2001:db8::aaaa/64 dev eth0 nodad")
    lane.drive(adds([v6(1)]))
    index = lane.indexes["eth0"]
    lane.reader.request(Encoder().replace(v6(1, valid_lft=30, preferred_lft=30), index))
    assert "expires" in lane.namespace.ip("-6 route show 2001:db8::/64")


@pytest.mark.parametrize(
    ("have", "wanted", "one_message"),
    [
        (v4(1), v4(1), True),
        (v4(1, valid_lft=5), v4(1, valid_lft=9), True),
        (v4(1, valid_lft=5), v4(1), True),
        (v4(1), v4(1, valid_lft=5), False),
        (v6(1), v6(1, valid_lft=5), False),
        (v6(1), v6(1, preferred_lft=0), True),
        (v4(1), v4(1, label="x"), False),
        (v4(1), v4(1, flags=IFA_F_NOPREFIXROUTE), False),
        (v4(1, proto=0), v4(1), True),
    ],
)
def test_which_changes_take_one_message(have: Address, wanted: Address, one_message: bool) -> None:
    assert only_lifetimes_differ(have, wanted) is one_message


def test_after_lost_answers_the_chunk_is_sent_again(lane: Lane) -> None:
    lane.drive(adds([v4(1)]))
    have = lane.addresses()[v4(1).key]
    lane.writer.put([Replace(have.key, have, v4(1, label="eth0:l")), *adds([v4(2)]), *removes([v4(3)])])
    assert lane.writer.send_chunk() == 4
    assert lane.writer.send_chunk() == 0  # one at a time
    assert lane.writer.on_acks([Overrun()]) == Outcome()
    late = lane.netlink.receive()
    assert lane.writer.on_acks(late) == Outcome()  # answers to the first attempt come too late to count
    assert lane.drive() == Outcome(added=(v4(1).key, v4(2).key), removed=(v4(3).key,))
    assert lane.addresses()[v4(1).key].label == "eth0:l"


def test_what_the_kernel_does_not_take_stays_queued(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    lane.writer.put(adds([v4(1), v4(2)]))

    def refuse(*_: object, **__: object) -> range:
        raise OSError(errno.ENOBUFS, "no room")

    with monkeypatch.context() as patch:
        patch.setattr(lane.netlink, "send", refuse)
        with pytest.raises(OSError, match="no room"):
            lane.writer.send_chunk()
    assert lane.drive() == Outcome(added=(v4(1).key, v4(2).key))


def test_what_is_not_sent_can_be_taken_back(lane: Lane) -> None:
    changes = adds(v4(n) for n in range(1, 101))
    lane.writer.put(changes)
    sent = lane.writer.send_chunk()
    assert lane.writer.withdraw() == changes[sent:]
    assert len(lane.drive().added) == sent
    assert lane.writer.idle
