"""An operator says standby: serve no longer. Unless nobody else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hakeep.vrrp import messages as m
from hakeep.vrrp.engine import Engine, Mark
from hakeep.vrrp.timers import NEVER
from tests.vrrp.stage import ETH0, HIGHER4, VIP4, Stage, instance

BACKUP, MASTER, FAULT = m.State.BACKUP, m.State.MASTER, m.State.FAULT


def master(priority: int = 150, **fields: object) -> Stage:
    s = Stage(instance(priority=priority, **fields))
    s.until(20.5)
    assert s.state is MASTER
    s.effects.clear()
    return s


def standby(s: Stage, until: float = NEVER, *, even_if_alone: bool = False) -> list[m.Effect]:
    return s.step(m.Commanded("standby", ("V", "nobody"), until, even_if_alone))


def resume(s: Stage) -> list[m.Effect]:
    return s.step(m.Commanded("resume", ("V",)))


def test_a_master_hands_over_and_follows_whoever_comes() -> None:
    s = master()
    at = s.now
    effects = standby(s)
    assert s.kinds(effects)[0] == "Advertise" and s.sent() == [(pytest.approx(at, abs=1e-5), 0)]
    assert s.state is BACKUP and s.has()
    s.hear(100, at + 0.609)
    s.until(at + 0.7)
    assert not s.has()
    assert s.told() == ["BACKUP"]
    for n in range(1, 20):
        s.hear(100, at + 0.609 + n)
    assert s.state is BACKUP and len(s.sent()) == 1


def test_when_nobody_comes_it_serves_on_without_a_gap_as_the_last_choice() -> None:
    s = master()
    at = s.now
    standby(s)
    s.until(at + 10)
    assert s.state is MASTER and s.router().rank.alone
    assert s.router().why == "in standby, but no other master was heard"
    assert s.touched[-1][1] == "+" and s.touched[-1][0] < at, "the address never left"
    assert {p for _, p in s.sent(at + 0.1)} == {1}
    assert s.sent(at + 0.1)[0][0] <= at + 1.1
    s.hear(2, at + 10.2)
    s.until(at + 10.3)
    assert s.state is BACKUP and not s.has()


def test_even_if_alone() -> None:
    s = master()
    at = s.now
    standby(s, even_if_alone=True)
    s.until(at + 60)
    assert s.state is BACKUP and not s.has()
    assert [p for _, p in s.sent()] == [0]


def test_even_if_alone_ends_serving_alone() -> None:
    s = master()
    standby(s)
    s.until(s.now + 10)
    s.effects.clear()
    standby(s, even_if_alone=True)
    assert [p for _, p in s.sent()] == [0]
    s.until(s.now + 10)
    assert s.state is BACKUP and not s.has()
    assert s.router().rank.priority == 150


def test_a_backup_in_standby_lets_all_others_go_first() -> None:
    """Its skew is that of priority 1: a backup of priority 2 is earlier."""
    s = Stage(instance(priority=254))
    s.hear(100, 1.0)
    standby(s)
    s.hear(0, 2.0)
    assert s.router().watch.timer == pytest.approx(2 + 255 / 256)
    s.hear(1, 2.9)
    s.hear(1, 3.9)
    assert s.state is BACKUP


def test_an_order_comes_between_a_backup_and_the_master_it_was_about_to_preempt() -> None:
    s = Stage(instance(priority=150))
    s.hear(100, 1.0)
    s.hear(100, 2.0)
    standby(s)
    assert s.router().watch.timer == pytest.approx(2 + 3 + 255 / 256)
    s.until(4.0)
    s.hear(100, 4.0)
    assert s.state is BACKUP
    assert s.router().watch.timer == pytest.approx(4 + 3 + 255 / 256)


def test_a_backup_in_standby_moves_its_timer_back_and_forth() -> None:
    s = Stage(instance(priority=150))
    s.hear(200, 1.0)
    s.until(2.0)
    standby(s)
    assert s.router().watch.timer == pytest.approx(1 + 3 + 255 / 256)
    resume(s)
    assert s.router().watch.timer == pytest.approx(1 + 3 + 106 / 256)


def test_resume_makes_it_what_it_was() -> None:
    s = master()
    standby(s)
    s.hear(100, s.now + 0.609)
    resume(s)
    at = s.now
    for n in range(1, 4):
        s.hear(100, at + n)
    s.until(at + 5)
    assert s.state is MASTER and s.sent()[-1][1] == 150


def test_resume_while_serving_alone_says_so_at_once() -> None:
    s = master()
    standby(s)
    s.until(s.now + 5)
    at = s.now
    resume(s)
    assert s.sent(at) == [(pytest.approx(at, abs=1e-5), 150)]
    assert s.state is MASTER


def test_resume_of_what_is_not_in_standby() -> None:
    s = master()
    assert resume(s) == []


def test_standby_for_a_while() -> None:
    s = master()
    at = s.now
    standby(s, at + 30.0)
    for n in range(1, 30):
        s.hear(100, at + n)
    assert s.state is BACKUP
    s.until(at + 30.0)
    assert not s.router().rank.standby
    s.until(at + 35)
    assert s.state is MASTER


def test_standby_of_an_owner() -> None:
    s = master(255)
    standby(s)
    s.hear(100, s.now + 0.6)
    s.until(s.now + 1)
    assert s.state is BACKUP
    at = s.now
    resume(s)
    assert s.state is MASTER and s.sent(at) == [(pytest.approx(at, abs=1e-5), 255)]


@pytest.mark.parametrize("ignores", [False, True])
def test_an_owner_that_serves_alone_gives_way(ignores: bool) -> None:
    s = master(255, owner_ignore_adverts=ignores)
    standby(s)
    s.until(s.now + 5)
    assert s.router().rank.alone
    s.hear(50)
    assert s.state is BACKUP
    for _ in range(10):
        s.hear(50, s.now + 1)
    assert s.state is BACKUP


def test_standby_in_fault_is_remembered() -> None:
    s = master()
    s.link(replace(ETH0, running=False))
    standby(s)
    assert s.state is FAULT
    s.link(ETH0)
    s.hear(100, s.now + 1)
    s.until(s.now + 2)
    s.hear(100)
    s.until(s.now + 2)
    assert s.state is BACKUP and s.sent()[-1][1] == 0


def test_stop_while_handing_over_to_standby() -> None:
    s = master()
    at = s.now
    standby(s)
    s.step(m.Stopped(), at + 0.2)
    s.until(at + 0.5)
    assert s.has(), "still handing over"
    s.hear(100, at + 0.6)
    s.until(at + 3)
    assert not s.has() and isinstance(s.effects[-1][1], m.Finished)
    assert s.told() == ["BACKUP", "STOP"]
    assert [p for _, p in s.sent()] == [0], "once"


def test_standby_on_several_and_none_after_stop() -> None:
    s = Stage(instance("A", priority=255), instance("B", virtual_router_id=52, priority=255, addresses=()))
    s.step(m.Commanded("standby", ("A", "B")))
    assert [s.router(name).rank.standby for name in "AB"] == [True, True]
    s.step(m.Stopped())
    assert s.step(m.Commanded("resume", ("A", "B"))) == []


def test_another_router_of_higher_priority_while_in_standby() -> None:
    s = master()
    standby(s)
    s.hear(200, s.now + 0.3, source=HIGHER4)
    s.until(s.now + 2)
    assert s.router().watch.master_priority == 200 and not s.has(VIP4[0])


# --- from before this process


def born_in_standby(order: m.Commanded, **more: object) -> Stage:
    s = Stage(instance(priority=150))
    s.effects.clear()
    s.engine = Engine(
        s.settings, s.now, links=(ETH0,), addresses=s.kernel.values(), standby={"V": order}, **more,  # type: ignore[arg-type]
    )
    s._take(s.engine.begin())
    return s


def test_a_start_in_standby_says_so() -> None:
    s = born_in_standby(m.Commanded("standby", ("V",)))
    assert s.state is BACKUP and s.router().rank.standby
    assert s.router().why == "standby by order"
    assert s.logged("(V) standby by order") and s.logged("(V) Entering BACKUP STATE (standby)")
    assert s.router().watch.down_interval == pytest.approx(3 + 255 / 256), "the last to take over"


def test_who_served_alone_goes_on_as_the_last_choice() -> None:
    """The worker of a MASTER in standby dies: the next one is no better a choice than the last one was."""
    s = born_in_standby(m.Commanded("standby", ("V",)), marks={"V": Mark(-0.5, {})})
    s.until(3.0)
    assert s.state is MASTER and {p for _, p in s.sent()} == {1}
    s.hear(100)
    assert s.state is BACKUP
