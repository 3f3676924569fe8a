"""One daemon among adverts that the test writes itself: what it must do, and exactly when.

The numbers are those of the RFCs' timers; keepalived keeps them all (`--daemon keepalived` runs this file on it).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hosts import wait_until
from scene import V2, VIP, VRID, Scene, Way
from voice import Voice

pytestmark = pytest.mark.netns

#: Seconds by which a deadline may be missed, early and late, on two busy processors.
EARLY, LATE = 0.02, 0.15
#: Reaction to a packet, in seconds: theory says at once.
AT_ONCE = 0.05

LOW_SOURCE, HIGH_SOURCE = "192.0.2.5", "192.0.2.99"  # a has 192.0.2.11


@pytest.fixture
def speak(scene: Scene) -> Iterator:
    """Makes other routers speak on the segment, until the test ends."""
    voices = []

    def make(priority: int, version: int = 2, interval: float = 1, source: str = LOW_SOURCE) -> Voice:
        voices.append(Voice(scene.network["observer"], version, interval, priority, source, VRID, (VIP,)))
        return voices[-1]

    yield make
    for voice in voices:
        voice.__exit__()


def from_others(scene: Scene) -> float:
    """When the last advert of the voices was on the wire."""
    return scene.sniffer.adverts("observer")[-1].at


def assert_about(measured: float, expected: float, late: float = LATE) -> None:
    """Within the tolerances of this file."""
    assert expected - EARLY <= measured <= expected + late, f"{measured:.3f} s, expected {expected:.3f} s"


@pytest.mark.parametrize(("version", "interval", "priority", "delay"), [
    (2, 1, 100, 3.609), (2, 1, 150, 3.414), (3, 0.5, 100, 1.804)])
def test_alone_it_becomes_master_after_one_down_interval(scene: Scene, version: int, interval: float, priority: int,
                                                         delay: float) -> None:
    daemon = scene.network.add("a", "vrrp", "hakeepd", Way(version, interval).config("a", priority))
    started = time.time()
    listening = scene.start(daemon)
    first = scene.first_advert("a", listening, delay + 3)
    # The timer starts when start-up is complete, and that is a little after the socket is there.
    assert started + delay <= first.at <= listening + delay + 0.3
    assert first.interval == interval
    adverts = wait_until(lambda: scene.sniffer.adverts("a")[:4] if len(scene.sniffer.adverts("a")) >= 4 else None, 5)
    gaps = [later.at - earlier.at for earlier, later in pairwise(adverts)]
    # The beat is steady, so after one that a busy machine made late the next comes sooner.
    assert all(interval - 0.05 <= gap <= interval + 0.05 for gap in gaps), gaps
    assert abs(sum(gaps) / len(gaps) - interval) < 0.02


def test_an_owner_is_master_at_once(scene: Scene) -> None:
    daemon = scene.network.add("a", "vrrp", "hakeepd", V2.config("a", 255, "state MASTER"))
    listening = scene.start(daemon)
    first = scene.first_advert("a", 0, 3)
    assert first.at - listening < 0.3
    assert first.priority == 255


def test_a_silent_master_is_followed_after_the_down_interval(scene: Scene, speak) -> None:
    other = speak(150).keep_talking()
    scene.run("a", V2.config("a", 100))
    time.sleep(2.5)
    assert scene.sniffer.adverts("a") == []
    other.fall_silent()
    last = from_others(scene)
    assert_about(scene.first_advert("a", last, 6).at - last, 3.609)


def test_a_master_that_resigns_is_followed_after_the_skew_time(scene: Scene, speak) -> None:
    other = speak(150).keep_talking()
    scene.run("a", V2.config("a", 100))
    time.sleep(1.5)
    other.fall_silent()
    other.say(priority=0)
    wait_until(lambda: scene.sniffer.adverts("observer", priority=0), 1, "the resignation")
    assert_about(scene.first_advert("a", 0, 3).at - from_others(scene), 0.609)


def master(scene: Scene, more: str = "") -> None:
    """a is master with priority 100, and its first announcements are out."""
    scene.run("a", V2.config("a", 100, "garp_master_delay 1\n garp_lower_prio_delay 1\n" + more))
    scene.wait_for_holder("a", 6)
    announcements_settle(scene)


def announcements_settle(scene: Scene) -> None:
    """Until nothing has been announced for 1.3 seconds."""
    def quiet() -> bool:
        seen = scene.sniffer.announcements("a")
        return bool(seen) and time.time() - seen[-1].at > 1.3

    wait_until(quiet, 10, "announcements end")


def test_a_lower_advert_is_answered_and_the_address_announced_again(scene: Scene, speak) -> None:
    master(scene)
    said = speak(50).say()
    answer = scene.first_advert("a", said, 1)
    assert answer.at - from_others(scene) < AT_ONCE
    announcements_settle(scene)
    bursts = scene.sniffer.announcements("a", said)
    assert bursts[0].at - answer.at < AT_ONCE
    assert len(bursts) >= 10, "five at once, five after garp_lower_prio_delay"
    assert bursts[4].at - bursts[0].at < AT_ONCE
    assert_about(bursts[5].at - bursts[0].at, 1.0)


def test_an_equal_advert_from_a_higher_address_wins_in_silence(scene: Scene, speak) -> None:
    master(scene)
    other = speak(100, source=HIGH_SOURCE).keep_talking()
    scene.wait_for_holder_to_give_way("a", 1)
    heard = scene.sniffer.adverts("observer")[0].at
    time.sleep(4)
    assert scene.sniffer.adverts("a", heard + AT_ONCE) == []
    assert other.last > heard


def test_an_equal_advert_from_a_lower_address_is_answered(scene: Scene, speak) -> None:
    master(scene)
    said = speak(100, source=LOW_SOURCE).say()
    answer = scene.first_advert("a", said, 1)
    assert answer.at - from_others(scene) < AT_ONCE
    assert scene.holders() == {"a"}


def test_a_resignation_heard_by_the_master_brings_one_advert_and_no_announcement(scene: Scene, speak) -> None:
    master(scene)
    before = scene.next_advert("a", 2).at
    time.sleep(0.4)  # between two adverts of its own
    said = speak(100).say(priority=0)
    answer = scene.first_advert("a", said, 1)
    assert answer.at - from_others(scene) < AT_ONCE
    after = scene.first_advert("a", answer.at + 0.001, 2)
    assert_about(after.at - answer.at, 1.0)
    assert answer.at - before < 0.9
    assert scene.sniffer.announcements("a", said) == []


def test_the_interval_of_the_master_is_learned_in_version_3(scene: Scene, speak) -> None:
    other = speak(150, version=3, interval=0.9).keep_talking()
    scene.run("a", Way(3, 0.3).config("a", 100))
    time.sleep(2.5)
    other.fall_silent()
    last = from_others(scene)
    first = scene.first_advert("a", last, 6)
    assert_about(first.at - last, 3 * 0.9 + 156 / 256 * 0.9)
    assert first.interval == 0.3
    assert_about(scene.first_advert("a", first.at + 0.001, 1).at - first.at, 0.3, late=0.05)


def test_nopreempt_waits_for_the_lower_master_to_fall_silent(scene: Scene, speak) -> None:
    other = speak(100).keep_talking()
    scene.run("a", V2.config("a", 150, "nopreempt"))
    time.sleep(5)
    assert scene.sniffer.adverts("a") == []
    other.fall_silent()
    last = from_others(scene)
    assert_about(scene.first_advert("a", last, 6).at - last, 3.414)


def test_preempt_delay_runs_out_before_the_last_down_interval(scene: Scene, speak) -> None:
    speak(100).keep_talking()
    scene.run("a", V2.config("a", 150, "preempt_delay 2"))
    heard = wait_until(lambda: scene.sniffer.adverts("observer", time.time() - 0.05), 2, "an advert")[0].at
    first = scene.first_advert("a", 0, 9)
    # The delay counts from the first advert heard; the last one accepted before its end starts the down interval.
    accepted = [advert.at for advert in scene.sniffer.adverts("observer") if advert.at <= first.at - 3.414 + EARLY]
    assert_about(first.at - accepted[-1], 3.414)
    assert 1 - EARLY <= accepted[-1] - heard <= 3


def test_three_addresses_are_announced_five_times_in_turn_and_again_later(scene: Scene) -> None:
    vips = ("192.0.2.100", "192.0.2.101", "192.0.2.102")
    scene.run("a", Way(2, 1, vips=vips).config("a", 100, "garp_master_delay 2"))
    scene.wait_for_holder("a", 6)
    seen = wait_until(lambda: scene.sniffer.announcements("a")[:30] if len(scene.sniffer.announcements("a")) >= 30
                      else None, 8, "thirty announcements")
    assert [each.address for each in seen] == list(vips) * 10
    assert seen[14].at - seen[0].at < AT_ONCE
    assert_about(seen[15].at - seen[0].at, 2.0)
    assert {each.mac for each in seen} == {scene.network["a"].macs()["eth0"]}


def test_an_address_deleted_by_hand_comes_back_announced(scene: Scene) -> None:
    scene.run("a", V2.config("a", 150))
    scene.wait_for_holder("a", 6)
    time.sleep(0.5)
    since = time.time()
    scene.network["a"].ip(f"addr del {VIP}/32 dev eth0")
    wait_until(lambda: scene.sniffer.announcements("a", since, VIP), 2, "announced again")
    assert time.time() - since < 1
    assert scene.holders() == {"a"}
