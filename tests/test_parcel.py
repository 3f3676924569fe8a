"""Values on their way to workers: every one comes out of its pickle as it went in."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep import parcel as module
from hakeep.config.settled_lvs import Check, Director, Peer, RealServer, TcpProbe, VirtualServer
from hakeep.parcel import Parcel, pack, unpack


class Kind(IntEnum):
    ONE = 1


class Pair(NamedTuple):
    left: object
    right: object = None


@dataclass(frozen=True, slots=True)
class Nothing:
    pass


@dataclass(frozen=True, slots=True)
class One:
    it: object


@dataclass
class Loose:
    it: object
    more: list[object] = field(default_factory=list)


@dataclass(frozen=True)
class Odd:
    """Cannot be made by a call with what its fields hold."""

    it: object = field(kw_only=True)
    made: int = field(init=False, default=3)


PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(),
    st.ip_addresses(v=4), st.ip_addresses(v=6), st.just(ip_address("fe80::1%eth0")), st.just(Kind.ONE),
    st.just(Nothing()), st.just(ip_interface("10.0.0.1/24")), st.just(frozenset({1})))
VALUES = st.recursive(PLAIN, lambda inner: st.one_of(
    st.tuples(inner, inner), st.builds(Pair, inner, inner), st.builds(One, inner), st.builds(Loose, inner),
    st.builds(Loose, inner, st.lists(inner)), st.builds(lambda it: Odd(it=it), inner),
    st.dictionaries(st.text(), inner)), max_leaves=20)


@given(VALUES)
def test_what_is_packed_comes_out_as_it_was(value: Any) -> None:
    again = unpack(pack(value))
    assert again == value and type(again) is type(value)
    assert pickle.loads(pack(value)) == value, "who unpickles it needs nothing of us"


def director(count: int) -> Director:
    reals = tuple(
        RealServer(address, 80, checks=(Check("TCP_CHECK", TcpProbe(Peer(address, 80))),))
        for address in map(IPv4Address, range(10 << 24, (10 << 24) + count)))
    return Director(virtual=(VirtualServer("10.0.0.1 80", "[10.0.0.1]:tcp:80", (), reals),))


def test_it_takes_fewer_calls_than_pickles_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataclass with slots has a __getstate__ in Python, which looks up its fields each time."""
    monkeypatch.setattr(RealServer, "__getstate__", lambda self: pytest.fail("that takes three times as long"))
    monkeypatch.setattr(IPv4Address, "__reduce__", lambda self: pytest.fail("an address goes as a number"))
    assert unpack(pack(director(3))) == director(3)


# --- parcels


def test_a_value_is_pickled_when_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[object] = []
    monkeypatch.setattr(module, "pack", lambda value: (times.append(value), pack(value))[1])
    parcel = Parcel(value=(1, 2))
    assert parcel and not parcel.sealed and parcel.value == (1, 2) and parcel == parcel and parcel != Parcel()
    assert times == []
    assert unpack(parcel.data) == (1, 2) and parcel.data and times == [(1, 2)]
    parcel.seal()
    assert parcel.sealed and parcel.value == (1, 2) and times == [(1, 2)]


def test_nothing_is_nothing() -> None:
    nothing = Parcel()
    assert not nothing and nothing.data == b"" and nothing.value is None and nothing.sealed
    nothing.seal()
    assert not nothing and nothing == Parcel()


def test_parcels_are_told_apart_by_what_is_in_them() -> None:
    value = Parcel(value="one")
    assert value == Parcel(pack("one")) and value != Parcel(value="two") and value != Parcel() and value != b""


@pytest.mark.parametrize("theirs", [pack("one"), b""], ids=["made", "failed"])
def test_another_process_may_make_the_pickle(theirs: bytes) -> None:
    parcel = Parcel(value="one")
    parcel.seal(theirs)
    assert parcel.sealed and parcel.data == pack("one"), "whatever became of it"


def test_who_has_no_use_for_it_lets_go() -> None:
    parcel = Parcel(value="one")
    parcel.drop()
    assert parcel.sealed and not parcel
    kept = Parcel(pack("one"))
    kept.drop()
    assert kept.value == "one", "a pickle is small"


def test_addresses_of_both_kinds() -> None:
    for each in (IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1"), IPv6Address("fe80::1%eth0")):
        assert unpack(pack(each)) == each
