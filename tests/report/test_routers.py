"""Snapshots of a real engine, moved by hand."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from hakeep.config.settled import Global, Settings, VirtualAddress, VrrpInstance
from hakeep.objects.rtnl import Address, Link
from hakeep.report.routers import snapshots
from hakeep.report.snapshot import RouterSnapshot, decode_router, encode
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
        assert decode_router(encode(router)) == router
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


def test_without_a_fence_the_reason_is_told(host: Host) -> None:
    assert host.snapshot().fence == "active"
    router = host.snapshot({"VI_1": "no nftables"})
    assert router.fence == "off: no nftables"
    assert "two for at most 5 ms" not in router.bounds
