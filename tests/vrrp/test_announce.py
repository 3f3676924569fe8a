"""Who announces what when: turns, batches, rate limits."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from hakeep.config.settled import GarpLimit
from hakeep.vrrp.announce import BATCH, Announcer
from hakeep.vrrp.timers import NEVER
from tests.vrrp.stage import vip

A, B, C = (vip(f"10.9.0.{n}", "eth0") for n in (1, 2, 3))
OTHER = vip("10.9.1.1", "eth1")
SIX = vip("2001:db8::1", "eth0")


def drain(announcer: Announcer, now: float, until: float) -> list[tuple[float, str, str]]:
    """Everything that comes out between now and `until`, by the announcer's own deadlines."""
    out = []
    while announcer.deadline <= until:
        now = max(now, announcer.deadline)
        for effect in announcer.due(now):
            out += [(round(now, 6), effect.router, str(v.address.ip)) for v in effect.addresses]
    return out


def ips(announcer: Announcer, now: float = 0.0, until: float = 1000.0) -> list[str]:
    return [ip for _, _, ip in drain(announcer, now, until)]


def test_addresses_take_turns() -> None:
    announcer = Announcer()
    announcer.ask("V", (A, B, C), 3)
    assert ips(announcer) == ["10.9.0.1", "10.9.0.2", "10.9.0.3"] * 3
    assert announcer.deadline == NEVER


def test_first_announcements_go_before_all_repetitions() -> None:
    announcer = Announcer((GarpLimit((), 1.0),))
    announcer.ask("V", (A,), 5)
    announcer.due(0.0)
    announcer.ask("W", (B,), 2)
    assert ips(announcer, 0.0, 2.0) == ["10.9.0.2", "10.9.0.1"]


def test_a_thousand_addresses_are_all_announced_before_any_is_repeated() -> None:
    announcer = Announcer()
    many = [vip(f"10.{n // 250}.{n % 250}.1", "eth0") for n in range(1000)]
    announcer.ask("V", many, 5)
    first = announcer.due(0.0)
    assert sum(len(effect.addresses) for effect in first) == BATCH, "an advert never waits for more than a batch"
    assert announcer.deadline <= 0.0
    rest = ips(announcer)
    assert len(set(rest[: 1000 - BATCH])) == 1000 - BATCH
    assert len(rest) == 5000 - BATCH


def test_nothing_is_repeated_while_anybody_waits_for_its_addresses() -> None:
    announcer = Announcer()
    announcer.wait_for("V", True)
    announcer.ask("V", (A,), 3)
    announcer.ask("W", (C,), 2)
    assert ips(announcer) == ["10.9.0.1", "10.9.0.3"]
    announcer.ask("V", (B,), 3)
    assert ips(announcer) == ["10.9.0.2"]
    announcer.wait_for("V", False)
    announcer.wait_for("V", False)
    assert Counter(ips(announcer)) == {"10.9.0.1": 2, "10.9.0.2": 2, "10.9.0.3": 1}


def test_a_batch_is_for_all_interfaces_together_and_they_take_turns() -> None:
    announcer = Announcer()
    announcer.ask("V", [vip(f"10.0.{n}.1", "eth0") for n in range(200)], 5)
    announcer.ask("W", [vip(f"10.1.{n}.1", "eth1") for n in range(200)], 5)
    batches = [Counter(e.router for e in announcer.due(0.0) for _ in e.addresses) for _ in range(4)]
    assert all(sum(batch.values()) == BATCH for batch in batches)
    assert {router for batch in batches[:2] for router in batch} == {"V", "W"}


def test_rate_limits_are_by_interface_and_family() -> None:
    announcer = Announcer((GarpLimit((), 0.5, 0.1),))
    announcer.ask("V", (A, B), 1)
    announcer.ask("V", (OTHER,), 2)
    out = drain(announcer, 0.0, 10.0)
    assert [(at, ip) for at, _, ip in out if ip != "10.9.1.1"] == [(0.0, "10.9.0.1"), (0.5, "10.9.0.2")]
    assert [at for at, _, ip in out if ip == "10.9.1.1"] == [0.0, 0.5]
    announcer.ask("V", (SIX, A), 1)
    assert [(at, ip) for at, _, ip in drain(announcer, 20.0, 30.0)] == [(20.0, "2001:db8::1"), (20.1, "10.9.0.1")]


def test_a_garp_group_shares_one_limit() -> None:
    announcer = Announcer((GarpLimit(("eth0", "eth1"), 1.0), GarpLimit((), 0.0)))
    announcer.ask("V", (A, OTHER, vip("10.9.2.1", "eth2")), 1)
    assert drain(announcer, 0.0, 5.0) == [(0.0, "V", "10.9.0.1"), (0.0, "V", "10.9.2.1"), (1.0, "V", "10.9.1.1")]


def test_asking_again_does_not_add_up() -> None:
    announcer = Announcer((GarpLimit((), 1.0),))
    announcer.ask("V", (A,), 5)
    announcer.due(0.0)
    announcer.ask("V", (A,), 3)
    assert len(ips(announcer)) == 4
    announcer.ask("V", (A,), 0)
    assert ips(announcer) == []


def test_forgetting_a_router_leaves_the_others() -> None:
    announcer = Announcer((GarpLimit((), 1.0),))
    announcer.ask("V", (A, B), 5)
    announcer.ask("W", (C,), 2)
    announcer.forget("V")
    announcer.forget("nobody")
    assert ips(announcer) == ["10.9.0.3", "10.9.0.3"]
    announcer.ask("V", (A,), 1)
    assert ips(announcer) == ["10.9.0.1"]


def test_what_was_forgotten_and_asked_for_again_counts_once() -> None:
    announcer = Announcer()
    announcer.ask("W", (C,), 1)
    announcer.ask("V", (A,), 5)
    announcer.forget("V")
    announcer.ask("V", (A,), 2)
    assert Counter(ips(announcer)) == {"10.9.0.1": 2, "10.9.0.3": 1}


def test_new_limits_hold_for_what_is_waiting() -> None:
    announcer = Announcer((GarpLimit((), 10.0),))
    announcer.ask("V", (A, B), 2)
    announcer.due(0.0)
    announcer.configure((GarpLimit((), 0.1),))
    assert Counter(ips(announcer, 0.0, 1.0)) == {"10.9.0.1": 1, "10.9.0.2": 2}


@given(
    wishes=st.lists(st.tuples(st.sampled_from("VWX"), st.integers(0, 5), st.integers(0, 6)), max_size=30),
    forgotten=st.sets(st.sampled_from("VWX")),
    interval=st.sampled_from((0.0, 0.3)),
)
def test_each_wish_is_fulfilled_and_no_more(
    wishes: list[tuple[str, int, int]], forgotten: set[str], interval: float
) -> None:
    announcer = Announcer((GarpLimit((), interval),))
    addresses = [vip(f"10.9.{n % 2}.{n}", f"eth{n % 2}") for n in range(6)]
    expected: Counter[tuple[str, str]] = Counter()
    for router, n, times in wishes:
        announcer.ask(router, (addresses[n],), times)
        key = (router, str(addresses[n].address.ip))
        if router not in forgotten and times:
            expected[key] = max(expected[key], times)
    for router in forgotten:
        announcer.forget(router)
    assert Counter((router, ip) for _, router, ip in drain(announcer, 0.0, 1000.0)) == expected
