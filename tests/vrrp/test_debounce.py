"""interface_up_down_delays: a change of a link counts when it has lasted."""

from __future__ import annotations

from dataclasses import replace

from hakeep.config.settled import LinkDelay
from hakeep.config.settled_track import Track
from hakeep.vrrp import messages as m
from hakeep.vrrp.debounce import Debounce
from hakeep.vrrp.timers import NEVER
from tests.vrrp.stage import ETH0, ETH1, Stage, instance

DOWN = replace(ETH0, running=False)
DELAYS = (LinkDelay("eth0", down=2.0, up=5.0),)


def waiting() -> Debounce:
    it = Debounce()
    it.configure(DELAYS)
    assert it.hear(0.0, ETH0) == ETH0
    return it


def test_what_lasts_counts() -> None:
    it = waiting()
    assert it.hear(1.0, DOWN) == ETH0 and it.deadline == 3.0
    assert it.due(2.9) == [] and it.due(3.0) == [DOWN] and it.deadline == NEVER
    assert it.hear(10.0, ETH0) == DOWN and it.deadline == 15.0
    assert it.due(15.0) == [ETH0]


def test_what_does_not_last_never_happened() -> None:
    it = waiting()
    it.hear(1.0, DOWN)
    assert it.hear(2.0, ETH0) == ETH0 and it.deadline == NEVER


def test_other_news_of_a_link_are_passed_on_at_once() -> None:
    it = waiting()
    it.hear(1.0, DOWN)
    assert it.hear(1.5, replace(DOWN, mtu=9000)) == replace(ETH0, mtu=9000)
    assert it.deadline == 3.5, "a change that goes on changing has not lasted"


def test_other_links_do_not_wait_and_neither_does_who_is_gone_and_comes_again() -> None:
    it = waiting()
    it.hear(0.0, ETH1)
    assert it.hear(1.0, replace(ETH1, up=False)) == replace(ETH1, up=False)
    it.hear(1.0, DOWN)
    it.lose("eth0")
    assert it.deadline == NEVER and it.hear(2.0, DOWN) == DOWN


def test_without_the_delay_what_waited_counts() -> None:
    it = waiting()
    it.hear(1.0, DOWN)
    assert it.configure(()) == [DOWN] and it.deadline == NEVER


def test_in_the_engine() -> None:
    s = Stage(instance(priority=150, tracks=(Track("interface", "eth1", -20),)), links=(ETH0, ETH1))
    s.settings = replace(s.settings, link_delays=(*DELAYS, LinkDelay("eth1", down=1.0)))
    s.step(m.Reloaded(s.settings))
    s.until(10.0)
    assert s.state is m.State.MASTER
    s.link(DOWN)
    s.link(replace(ETH1, up=False), "eth1")
    s.until(11.1)
    assert s.state is m.State.MASTER and s.router().rank.priority == 130
    s.until(12.1)
    assert s.state is m.State.FAULT
    s.link(ETH0)
    s.until(17.0)
    assert s.state is m.State.FAULT
    s.until(17.2)
    assert s.state is m.State.BACKUP
    s.step(m.Reloaded(replace(s.settings, link_delays=())))
    s.link(DOWN)
    assert s.state is m.State.FAULT
