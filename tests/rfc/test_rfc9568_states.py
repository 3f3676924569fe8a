"""RFC 9568 section 6.4, row by row: every event in every state. (RFC 3768 for version 2 where it differs.)

RFC 9568 calls MASTER Active. `skew` and `down` are computed here from the RFC's formulas, not with our functions.
"""

from __future__ import annotations

import pytest

from hakeep.vrrp import messages as m
from tests.vrrp.stage import HIGHER4, HIGHER6, LOWER4, LOWER6, VIP4, VIP6, Stage, instance

BACKUP, MASTER, FAULT, STOP = m.State.BACKUP, m.State.MASTER, m.State.FAULT, m.State.STOP

FLAVOURS = pytest.mark.parametrize(
    ("version", "family", "interval"), [(2, 4, 1.0), (3, 4, 0.5), (3, 6, 2.0)], ids=["v2-IPv4", "v3-IPv4", "v3-IPv6"]
)


def skew(version: int, priority: int, interval: float) -> float:
    return (256 - priority) / 256 * (1 if version == 2 else interval)


def down(version: int, priority: int, interval: float) -> float:
    return 3 * interval + skew(version, priority, interval)


def stage(version: int, family: int, interval: float, priority: int = 100, **more: object) -> Stage:
    return Stage(instance(version=version, family=family, advert_int=interval, priority=priority, **more))


def master(version: int, family: int, interval: float, priority: int = 100, **more: object) -> Stage:
    """A MASTER in the middle between two adverts, its first burst out and its effects forgotten."""
    made = stage(version, family, interval, priority, **more)
    made.until(down(version, priority, interval) + 10.5 * interval if priority < 255 else 10.5 * interval)
    assert made.state is MASTER
    made.effects.clear()
    return made


def lower(family: int) -> str:
    return LOWER4 if family == 4 else LOWER6


def higher(family: int) -> str:
    return HIGHER4 if family == 4 else HIGHER6


# ------------------------------------------------------------------------------------------------------ Initialize


@FLAVOURS
def test_startup_of_an_owner(version: int, family: int, interval: float) -> None:
    """(110)-(150): advert, gratuitous ARP or unsolicited NA for each address, Adver_Timer, Active."""
    s = stage(version, family, interval, 255)
    s.until(0.9 * interval)
    assert s.state is MASTER
    assert s.sent() == [(0.0, 255)]
    assert {ip for _, ip in s.announced()} == set(VIP4[:1] if family == 4 else VIP6)
    s.until(interval)
    assert s.sent() == [(0.0, 255), (interval, 255)]


@FLAVOURS
def test_startup_of_a_backup(version: int, family: int, interval: float) -> None:
    """(155)-(170): Active_Adver_Interval is our own, Active_Down_Timer the down interval, Backup."""
    s = stage(version, family, interval)
    assert s.state is BACKUP
    assert s.sent() == [] and not s.has()
    assert s.router().watch.timer == pytest.approx(down(version, 100, interval))


# ---------------------------------------------------------------------------------------------------------- Backup


@FLAVOURS
def test_backup_shutdown(version: int, family: int, interval: float) -> None:
    s = stage(version, family, interval)
    s.step(m.Stopped(), 1.0)
    s.until(100)
    assert s.state is STOP
    assert s.sent() == []


@FLAVOURS
def test_backup_down_timer(version: int, family: int, interval: float) -> None:
    """Advert first, then the addresses and their announcements; then one advert an interval."""
    s = stage(version, family, interval)
    at = down(version, 100, interval)
    s.until(at - 0.001)
    assert s.state is BACKUP
    s.effects.clear()
    s.until(at + 0.001)
    assert s.state is MASTER
    assert isinstance(s.effects[0][1], m.Advertise)
    assert s.announced()[0][0] == pytest.approx(at, abs=1e-6)
    s.until(at + 3.5 * interval)
    assert [when for when, _ in s.sent()] == pytest.approx([at + n * interval for n in range(4)], abs=1e-5)


@FLAVOURS
def test_backup_hears_priority_0(version: int, family: int, interval: float) -> None:
    s = stage(version, family, interval)
    s.hear(200, 0.3)
    s.hear(0, 0.4)
    assert s.router().watch.timer == pytest.approx(0.4 + skew(version, 100, interval))


@FLAVOURS
@pytest.mark.parametrize("priority", [100, 101, 255])
def test_backup_hears_its_equal_or_better(version: int, family: int, interval: float, priority: int) -> None:
    """The timer starts anew; at equal priority the source address does not matter here."""
    s = stage(version, family, interval)
    for source in (lower(family), higher(family)):
        s.hear(priority, s.now + 0.3, source=source)
        assert s.router().watch.timer == pytest.approx(s.now + down(version, 100, interval))
    assert s.state is BACKUP


def test_backup_learns_the_interval_in_version_3_only() -> None:
    """(350)-(360). Own 1 s, heard 3 s at 0.5 s: MASTER 3 x 3 + 156/256 x 3 s later, then with our own interval."""
    s = stage(3, 4, 1.0)
    s.hear(200, 0.5, advert_int=3.0)
    assert s.router().watch.timer == pytest.approx(0.5 + 9 + 156 / 256 * 3)
    s.until(s.router().watch.timer + 2.5)
    assert s.state is MASTER
    first, second, third = (when for when, _ in s.sent())
    assert (second - first, third - second) == pytest.approx((1.0, 1.0), abs=1e-5)

    old = stage(2, 4, 1.0)
    old.hear(200, 0.5, advert_int=3.0)
    assert old.router().watch.timer == pytest.approx(down(2, 100, 1.0)), "RFC 3768: another interval is discarded"
    assert old.router().counters["advert_interval_err"] == 1


@FLAVOURS
def test_backup_with_preemption_discards_lower_priority(version: int, family: int, interval: float) -> None:
    s = stage(version, family, interval)
    s.hear(99, 0.3)
    assert s.router().watch.timer == pytest.approx(down(version, 100, interval))
    assert s.router().watch.master is None


@FLAVOURS
def test_backup_without_preemption_follows_lower_priority(version: int, family: int, interval: float) -> None:
    s = stage(version, family, interval, nopreempt=True)
    s.hear(1, 0.3)
    assert s.router().watch.timer == pytest.approx(0.3 + down(version, 100, interval))


# ---------------------------------------------------------------------------------------------------------- Active


@FLAVOURS
def test_active_shutdown(version: int, family: int, interval: float) -> None:
    """Priority 0 once, timer off."""
    s = master(version, family, interval)
    s.step(m.Stopped())
    s.until(s.now + 100)
    assert [priority for _, priority in s.sent()] == [0]
    assert not any(s.has(ip) for ip in (*VIP4, *VIP6))


@FLAVOURS
def test_active_adver_timer(version: int, family: int, interval: float) -> None:
    s = master(version, family, interval)
    at = s.now
    s.until(at + 0.6 * interval)
    assert s.sent() == [(pytest.approx(at + 0.5 * interval, abs=1e-5), 100)]


@FLAVOURS
def test_active_hears_priority_0(version: int, family: int, interval: float) -> None:
    """(605)-(615): an advert at once, and the next one an interval later."""
    s = master(version, family, interval)
    at = s.now
    s.hear(0)
    s.until(at + 0.9 * interval)
    assert s.sent() == [(pytest.approx(at, abs=1e-6), 100)]
    assert s.state is MASTER
    s.until(at + interval)
    assert len(s.sent()) == 2


@FLAVOURS
@pytest.mark.parametrize(("priority", "address"), [(101, lower), (255, lower), (100, higher)])
def test_active_hears_better(version: int, family: int, interval: float, priority: int, address: object) -> None:
    """(625)-(655): Backup, in silence, with a full down timer."""
    s = master(version, family, interval)
    at = s.now
    s.hear(priority, source=address(family))  # type: ignore[operator]
    assert s.state is BACKUP
    assert s.router().watch.timer == pytest.approx(at + down(version, 100, interval))
    s.until(at + 2.9 * interval)
    assert s.sent() == []
    assert not any(s.has(ip) for ip in (*VIP4, *VIP6))


def test_active_learns_the_interval_of_its_better() -> None:
    s = master(3, 4, 1.0)
    at = s.now
    s.hear(200, advert_int=3.0)
    assert s.router().watch.timer == pytest.approx(at + 9 + 156 / 256 * 3)


@FLAVOURS
@pytest.mark.parametrize(("priority", "address"), [(99, higher), (1, higher), (100, lower)])
def test_active_hears_worse(version: int, family: int, interval: float, priority: int, address: object) -> None:
    """(665)-(670): discard it and send an advert at once, so that who sent it learns who is Active."""
    s = master(version, family, interval)
    at = s.now
    s.hear(priority, source=address(family))  # type: ignore[operator]
    assert s.state is MASTER
    assert s.sent() == [(pytest.approx(at, abs=1e-6), 100)]


def test_addresses_are_compared_as_unsigned_numbers() -> None:
    """10.9.0.200 is above 10.9.0.5, though its last byte would be negative as a signed one."""
    s = master(2, 4, 1.0)
    s.hear(100, source="10.9.0.200")
    assert s.state is BACKUP


# ------------------------------------------------------------------------------------------------ no state to speak of


@pytest.mark.parametrize("priority", [0, 1, 100, 255])
def test_no_advert_matters_in_fault(priority: int) -> None:
    s = Stage(instance(), links=())
    assert s.state is FAULT
    s.hear(priority, 1.0)
    s.until(100)
    assert s.state is FAULT
    assert s.sent() == []


@pytest.mark.parametrize("priority", [0, 1, 100, 255])
def test_no_advert_matters_to_a_router_that_stops(priority: int) -> None:
    s = master(2, 4, 1.0)
    s.step(m.Stopped())
    s.hear(priority, s.now + 0.1)
    s.until(s.now + 50)
    assert s.state is STOP
    assert [p for _, p in s.sent()] == [0]
