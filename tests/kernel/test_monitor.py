from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from hakeep.kernel.address_writer import AddressChange, AddressWriter
from hakeep.kernel.monitor import Monitor, Noticed
from hakeep.kernel.netlink import Netlink, Overrun
from hakeep.kernel.rtnl import Encoder
from hakeep.objects.diff import Add, Remove
from hakeep.objects.rtnl import IFA_F_NODAD, Address
from hakeep.vrrp.messages import AddressChanged, LinkChanged

pytestmark = pytest.mark.netns

V4 = Address("eth0", IPv4Address("10.1.0.1"), 24)
V4_PEER = Address("eth0", IPv4Address("10.1.0.1"), 32, peer=IPv4Address("10.2.0.1"))
V6 = Address("eth0", IPv6Address("2001:db8::1"), 64, flags=IFA_F_NODAD)
V6_PEER = Address("eth0", IPv6Address("2001:db8::1"), 128, peer=IPv6Address("2001:db8::2"), flags=IFA_F_NODAD)


class Ear:
    """A monitor in one end of a veth pair, and what it has said."""

    def __init__(self, lab: Any, **options: Any) -> None:
        self.lab = lab
        self.namespace, self.other = lab.pair()
        self.netlink: Netlink = lab.keep(self.namespace.run(Netlink))
        self.own = {self.netlink.port}
        self.own_removals = Counter[bytes]()
        self.monitor: Monitor = lab.keep(
            self.namespace.run(lambda: Monitor(self.own, own_removals=self.own_removals, **options))
        )
        self.writer = AddressWriter(self.netlink, Encoder(), self.monitor.index_of, self.own_removals)
        self.first = self.namespace.run(self.monitor.resync)
        self.drain()
        self.index = self.monitor.index_of("eth0")
        assert self.index

    def drain(self) -> list[Noticed]:
        found: list[Noticed] = []
        while self.lab.readable(self.monitor, 0):
            found += self.namespace.run(self.monitor.receive)
        return found

    def until(self, wanted: Callable[[Noticed], bool]) -> list[Noticed]:
        """What is heard up to the first that is `wanted`, with it."""
        found: list[Noticed] = []

        def heard() -> bool:
            found.extend(self.namespace.run(self.monitor.receive))
            return any(map(wanted, found))

        self.lab.eventually(heard)
        return found

    def delete_by_hand(self, address: Address) -> None:
        peer = f" peer {address.peer}" if address.peer else ""
        self.namespace.ip(f"addr del {address.ip}{peer}/{address.prefix} dev eth0")

    def change(self, *changes: AddressChange) -> None:
        """What the kernel lane does."""
        self.writer.put(changes)
        while not self.writer.idle:
            self.writer.send_chunk()
            assert self.writer.collect().refused == ()


@pytest.fixture
def ear(lab: Any) -> Ear:
    return Ear(lab)


def addresses(found: list[Noticed]) -> list[AddressChanged]:
    return [item for item in found if isinstance(item, AddressChanged)]


def test_resync_reads_everything(ear: Ear) -> None:
    ear.namespace.ip("addr add 10.9.0.1/24 dev eth0")
    everything = ear.namespace.run(ear.monitor.resync)
    assert ear.drain() == []  # the event is older than what was read
    assert [link.name for link in everything.links] == ["lo", "eth0"]
    assert IPv4Address("10.9.0.1") in [a.ip for a in everything.addresses if a.interface == "eth0"]
    assert IPv4Address("127.0.0.1") in [a.ip for a in everything.addresses if a.interface == "lo"]


def test_a_foreign_hand_is_named_by_its_port(ear: Ear, lab: Any) -> None:
    stranger = lab.keep(ear.namespace.run(Netlink))
    stranger.request(Encoder().add(V4, ear.index))
    stranger.request(Encoder().delete(V4, ear.index))
    assert [(a.address.key, a.present, a.port) for a in addresses(ear.drain())] == [
        (V4.key, True, stranger.port),
        (V4.key, False, stranger.port),
    ]


def test_the_kernel_does_not_name_the_hand_on_ipv6(ear: Ear, lab: Any) -> None:
    stranger = lab.keep(ear.namespace.run(Netlink))
    for message, present in ((Encoder().add(V6, ear.index), True), (Encoder().delete(V6, ear.index), False)):
        stranger.request(message)
        found = ear.until(lambda item, p=present: isinstance(item, AddressChanged) and item.present is p)
        assert {(a.address.key, a.present, a.port) for a in addresses(found)} == {(V6.key, present, 0)}


def add(address: Address) -> AddressChange:
    return Add(address.key, address)


def remove(address: Address) -> AddressChange:
    return Remove(address.key, address)


@pytest.mark.parametrize("address", [V4, V4_PEER])
def test_our_own_hand_is_not_reported(ear: Ear, address: Address) -> None:
    ear.change(add(address), remove(address), remove(address), add(address))
    assert addresses(ear.drain()) == []
    ear.delete_by_hand(address)
    assert [(a.address.key, a.present) for a in addresses(ear.drain())] == [(address.key, False)]


@pytest.mark.parametrize("address", [V6, V6_PEER])
def test_our_own_ipv6_removals_are_not_reported(ear: Ear, address: Address) -> None:
    ear.change(add(address), remove(address), remove(address), add(address), remove(address))
    assert [a.present for a in addresses(ear.drain()) if not a.present] == []
    ear.change(add(address))
    ear.delete_by_hand(address)
    ear.until(lambda item: isinstance(item, AddressChanged) and not item.present)


@pytest.mark.parametrize("address", [V4, V6])
def test_somebody_was_faster(ear: Ear, address: Address) -> None:
    """Our removal of what is gone already must not hide the next removal by somebody else."""
    ear.change(add(address))
    ear.delete_by_hand(address)
    ear.change(remove(address))
    ear.drain()
    ear.change(add(address))
    ear.delete_by_hand(address)
    ear.until(lambda item: isinstance(item, AddressChanged) and not item.present)


def test_an_address_that_went_along_with_ours_is_reported(ear: Ear) -> None:
    """Without promote_secondaries the kernel removes the others of a network with the first."""
    second = replace(V4, ip=V4.ip + 1)
    ear.change(add(V4), add(second))
    ear.change(remove(V4))
    assert [(a.address.ip, a.present, a.port) for a in addresses(ear.drain())] == [
        (second.ip, False, ear.netlink.port)
    ]


def test_without_a_list_of_removals_the_port_decides(ear: Ear, lab: Any) -> None:
    monitor = lab.keep(ear.namespace.run(lambda: Monitor(ear.own)))
    ear.change(add(V4), remove(V4), add(V6), remove(V6))
    heard = [item for _ in range(9) for item in ear.namespace.run(monitor.receive) if isinstance(item, AddressChanged)]
    assert V4.ip not in [item.address.ip for item in heard]
    assert (V6.ip, False) in [(item.address.ip, item.present) for item in heard]


@pytest.mark.parametrize("address", [V4, V6])
def test_expiry_comes_from_port_0(ear: Ear, address: Address) -> None:
    ear.change(add(replace(address, valid_lft=1, preferred_lft=1)))
    found = ear.until(lambda item: isinstance(item, AddressChanged) and not item.present)
    gone = addresses(found)[-1]
    assert (gone.address.key, gone.present, gone.port) == (address.key, False, 0)


def test_an_expiring_address_takes_a_later_one_along_unless_they_are_promoted(ear: Ear) -> None:
    """Why promote_secondaries is on while MASTER."""
    ear.change(add(replace(V4, valid_lft=1, preferred_lft=1)))
    ear.namespace.ip("addr add 10.1.0.2/24 dev eth0")
    gone = addresses(ear.until(lambda item: isinstance(item, AddressChanged) and item.address.ip == V4.ip))
    assert {a.address.ip for a in gone if not a.present} == {V4.ip, IPv4Address("10.1.0.2")}


def test_a_link_goes_down_and_up(ear: Ear) -> None:
    def state(*, running: bool) -> Callable[[Noticed], bool]:
        return lambda item: isinstance(item, LinkChanged) and item.link is not None and item.link.running is running

    ear.other.ip("link set eth0 down")
    found = ear.until(state(running=False))
    (link,) = {item.link for item in found if isinstance(item, LinkChanged) and item.link and not item.link.running}
    assert link.name == "eth0" and link.up and not link.usable and link.index == ear.index
    ear.other.ip("link set eth0 up")
    ear.until(state(running=True))


def test_a_link_comes_is_renamed_and_goes(ear: Ear) -> None:
    ear.namespace.ip("link add one type bridge")
    ear.until(lambda item: isinstance(item, LinkChanged) and item.name == "one" and item.link is not None)
    index = ear.monitor.index_of("one")
    assert index
    ear.namespace.ip("link set one name two")
    found = ear.until(lambda item: isinstance(item, LinkChanged) and item.name == "two")
    names = [(item.name, item.link is not None) for item in found if isinstance(item, LinkChanged)]
    assert names.index(("one", False)) < names.index(("two", True))
    assert ear.monitor.index_of("one") is None and ear.monitor.index_of("two") == index
    ear.namespace.ip("link del two")
    ear.until(lambda item: item == LinkChanged("two", None))
    assert ear.monitor.index_of("two") is None


def test_an_interface_made_anew_has_another_number(ear: Ear) -> None:
    ear.namespace.ip("link del eth0")
    ear.until(lambda item: item == LinkChanged("eth0", None))
    assert ear.monitor.index_of("eth0") is None
    ear.namespace.ip("link add eth0 type bridge")
    ear.until(lambda item: isinstance(item, LinkChanged) and item.name == "eth0" and item.link is not None)
    assert ear.monitor.index_of("eth0") not in (None, ear.index)


def test_leaving_a_bridge_is_not_going_away(ear: Ear) -> None:
    """The bridge says RTM_DELLINK of the port's name and number then."""
    ear.namespace.ip("link add br0 type bridge")
    ear.namespace.ip("link set eth0 master br0")
    ear.namespace.ip("link set eth0 nomaster")
    ear.namespace.ip("link set lo down")  # the last word
    found = ear.until(
        lambda item: isinstance(item, LinkChanged) and item.name == "lo" and bool(item.link) and not item.link.up
    )
    assert LinkChanged("eth0", None) not in found
    assert ear.monitor.index_of("eth0") == ear.index


def test_an_address_on_a_link_nobody_spoke_of(lab: Any) -> None:
    namespace, _ = lab.pair()
    monitor = lab.keep(namespace.run(Monitor))
    namespace.ip("addr add 10.1.0.1/24 dev eth0")
    (heard,) = [item for item in namespace.run(monitor.receive) if isinstance(item, AddressChanged)]
    assert (heard.address.interface, heard.present) == ("eth0", True)


def test_an_overrun_is_said_once_and_resync_heals_it(lab: Any) -> None:
    ear = Ear(lab, rcvbuf=1)
    stranger = lab.keep(ear.namespace.run(Netlink))
    encoder = Encoder()
    many = [replace(V4, ip=V4.ip + n, prefix=32) for n in range(200)]
    stranger.send([encoder.add(address, ear.index) for address in many])
    found = ear.drain()
    assert found.count(Overrun()) == 1
    assert len(addresses(found)) < 200
    ear.own_removals[b"lost"] += 1
    everything = ear.namespace.run(ear.monitor.resync)
    assert not ear.own_removals
    assert {address.ip for address in many} <= {address.ip for address in everything.addresses}


def test_a_muted_port_is_not_even_received(ear: Ear) -> None:
    ear.monitor.mute(ear.netlink.port)
    ear.change(Add(V4.key, V4))
    ear.change(Add(V4.key, V4))
    assert not ear.lab.readable(ear.monitor, 0), "the kernel kept it to itself"
    ear.change(Remove(V4.key, V4))
    assert ear.lab.readable(ear.monitor, 0), "removals still come: others' addresses may go along"
    ear.drain()
    ear.namespace.ip("addr add 10.9.9.9/32 dev eth0")
    assert [item.address.ip for item in addresses(ear.drain())] == [IPv4Address("10.9.9.9")], "others are heard"
