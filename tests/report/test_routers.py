"""Snapshots of a real engine, moved by hand."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from hakeep.config.settled import Global, Settings, VirtualAddress, VrrpInstance
from hakeep.objects.rtnl import Address, Link
from hakeep.report.routers import Lines, packets, snapshots
from hakeep.report.snapshot import RouterSnapshot, encode, from_document, load
from hakeep.vrrp import messages as m
from hakeep.vrrp.engine import Engine

ETH0 = Link(2, "eth0", up=True, running=True, mac=bytes(6))
OWN = Address("eth0", ip_address("10.9.0.5"), 24, proto=0)
INSTANCE = VrrpInstance(
    "VI_1", 51, "eth0", priority=150,
    addresses=(
        VirtualAddress(Address("", ip_address("10.9.0.50"), 24)),
        VirtualAddress(Address("", ip_address("fd00::9"), 64), advertised=False),
    ),
)  # fmt: skip


class Host:
    """An engine at a moment that the test chooses; Unix time runs 1000000 s ahead of it."""

    def __init__(self) -> None:
        self.engine = Engine(Settings(Global(), (INSTANCE,)), 0.0, links=(ETH0,), addresses=(OWN,))
        self.engine.begin()
        self.now = 0.0

    def step(self, event: m.Event, now: float) -> None:
        self.now = now
        self.engine.step(now, event)

    def snapshot(self, unfenced: dict[str, str] | None = None) -> RouterSnapshot:
        (router,) = snapshots(self.engine, self.now, 1e6 + self.now, unfenced or {})
        assert from_document(load(encode(router)), RouterSnapshot) == router
        return router


@pytest.fixture
def host() -> Host:
    return Host()


def test_a_backup(host: Host) -> None:
    router = host.snapshot()
    assert (router.state, router.master, router.master_priority) == ("BACKUP", None, 0)
    assert (router.priority, router.effective_priority, router.source) == (150, 150, "10.9.0.5")
    assert [(a.text, a.advertised, a.present) for a in router.addresses] == [
        ("10.9.0.50/24 dev eth0 scope global", True, False),
        ("fd00::9/64 dev eth0 scope global preferred_lft forever", False, False),
    ]


def test_a_master_shows_what_the_kernel_has_and_what_is_configured(host: Host) -> None:
    host.step(m.Ticked(), 3.5)
    router = host.snapshot()
    assert router.state == "MASTER"
    assert router.since == 1e6 + 3.5
    assert (router.master, router.master_priority) == (None, 0), "it follows nobody"
    assert not router.vipset
    for wanted in host.engine.routers["VI_1"].holding.addresses:
        assert wanted.address.valid_lft, "the kernel gets a lease"
        host.step(m.AddressChanged(wanted.address, True, 7), 3.6)
    router = host.snapshot()
    assert [(a.text, a.present) for a in router.addresses] == [
        ("10.9.0.50/24 dev eth0 scope global", True),
        ("fd00::9/64 dev eth0 scope global preferred_lft forever", True),
    ]
    assert router.lease is not None
    assert router.counters["become_master"] == 1


def test_packets_that_are_for_no_router(host: Host) -> None:
    assert set(packets(host.engine, 0).values()) == {0}
    other = b"\x21\x63" + bytes(18)  # VRID 99
    for payload in (b"", b"\x21", other, other, other):
        header = b"\x45\0" + (20 + len(payload)).to_bytes(2) + bytes(4) + b"\xff\x70" + bytes(10)
        host.step(m.Received("eth0", header + payload, bytes(4), bytes(4), 255, 0.5, 0.0), 0.5)
    assert packets(host.engine, 4) == {"discarded": 2, "malformed": 2, "unknown_vrids": 3, "floods": 4}


def test_without_a_fence_the_reason_is_told(host: Host) -> None:
    assert host.snapshot().fence == "active"
    router = host.snapshot({"VI_1": "no nftables"})
    assert router.fence == "off: no nftables"
    assert "two for at most 5 ms" not in router.bounds


def test_what_is_known_is_not_written_anew_but_told_as_it_is(host: Host) -> None:
    known: dict[str, Lines] = {}
    (before,) = snapshots(host.engine, 0.0, 1e6, {}, known)
    lines = known["VI_1"]
    virtual = host.engine.routers["VI_1"].holding.addresses[0]
    host.step(m.AddressChanged(virtual.address, True, 0), 1.0)
    (after,) = snapshots(host.engine, 1.0, 1e6 + 1.0, {}, known)
    assert known["VI_1"] is lines
    assert [a.present for a in before.addresses] == [False, False]
    assert [a.present for a in after.addresses] == [True, False]
    assert [a.text for a in after.addresses] == [a.text for a in before.addresses]


def test_after_a_reload_the_addresses_are_the_new_ones(host: Host) -> None:
    known: dict[str, Lines] = {}
    snapshots(host.engine, 0.0, 1e6, {}, known)
    fewer = replace(INSTANCE, addresses=INSTANCE.addresses[1:])
    host.step(m.Reloaded(Settings(Global(), (fewer,))), 1.0)
    (router,) = snapshots(host.engine, 1.0, 1e6 + 1.0, {}, known)
    assert [a.ip for a in router.addresses] == ["fd00::9"]
    other = replace(fewer, name="VI_2")
    host.step(m.Reloaded(Settings(Global(), (other,))), 2.0)
    host.step(m.Ticked(), 2.0)
    snapshots(host.engine, 2.0, 1e6 + 2.0, {}, known)
    assert "VI_2" in known
    assert known.keys() == host.engine.routers.keys()
