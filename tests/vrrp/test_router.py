"""What keepalived's routers do beyond the RFC (its options, its FAULT), and our own rules about being late."""

from __future__ import annotations

from dataclasses import replace
from errno import EACCES, ENETDOWN, ENOBUFS
from ipaddress import ip_address

import pytest

from hakeep.config.settled import Garp, Notify, Peer
from hakeep.vrrp import messages as m
from hakeep.vrrp.engine import Mark
from tests.vrrp.stage import ADMIN4, ETH0, HIGHER4, LOWER4, OWN4, VIP4, Stage, instance, vip

BACKUP, MASTER, FAULT, STOP = m.State.BACKUP, m.State.MASTER, m.State.FAULT, m.State.STOP
DOWN_150 = 3 + 106 / 256
DOWN_100 = 3 + 156 / 256


def master(priority: int = 100, **fields: object) -> Stage:
    """MASTER since a while, half way between two adverts."""
    s = Stage(instance(priority=priority, **fields))
    s.until(20 if priority == 255 else s.router().watch.timer + 16.5)
    assert s.state is MASTER
    s.effects.clear()
    return s


# --------------------------------------------------------------------------------------------------------- starting


def test_state_master_without_priority_255_waits_all_the_same() -> None:
    s = Stage(instance(priority=150, state="MASTER"))
    s.until(10)
    assert s.sent()[0] == (pytest.approx(DOWN_150, abs=1e-5), 150)


def test_state_backup_with_priority_255_is_master_at_once() -> None:
    assert Stage(instance(priority=255, state="BACKUP")).sent() == [(0.0, 255)]


def test_startup_delay_shifts_everything() -> None:
    s = Stage(instance(priority=150), hold_until=10.0)
    s.hear(0, 1.0)
    s.hear(200, 9.9)
    assert s.router().counters["advert_rcvd"] == 0
    s.until(20)
    assert s.sent()[0][0] == pytest.approx(10 + DOWN_150, abs=1e-5)


def test_startup_delay_of_an_owner() -> None:
    s = Stage(instance(priority=255), hold_until=10.0)
    s.until(20)
    assert s.sent()[0] == (10.0, 255)


def test_an_owner_with_ah_learns_the_sequence_before_it_speaks() -> None:
    """Its adverts would be refused from 1 on while another master counts at 5000: two masters for an interval."""
    s = Stage(instance(priority=255, auth_type="AH", auth_pass=b"secret"))
    assert s.state is BACKUP
    for at in (0.5, 1.5, 2.5):
        s.hear(100, at)
    s.until(3.1)
    assert s.state is MASTER
    assert s.router().memory.ah_sequence == 3


# -------------------------------------------------------------------------------------------------------- preemption


def test_nopreempt_takes_over_when_the_lower_master_falls_silent() -> None:
    s = Stage(instance(priority=150, nopreempt=True))
    for at in range(1, 21):
        s.hear(100, float(at))
    s.until(30)
    assert s.sent()[0][0] == pytest.approx(20 + DOWN_150, abs=1e-5)


def test_preempt_delay_tolerates_the_lower_master_until_it_is_over() -> None:
    """Measured with keepalived: delay 4 s, adverts from 0.5 s on, the one at 4.495 is the last accepted: 7.91 s."""
    s = Stage(instance(priority=150, preempt_delay=4.0))
    for at in (0.5, 1.499, 2.498, 3.497, 4.495, 5.494, 6.493, 7.492):
        s.hear(100, at)
    s.until(9)
    assert s.sent()[0][0] == pytest.approx(4.495 + DOWN_150, abs=1e-5)


def test_preempt_delay_is_cleared_by_a_better_master() -> None:
    s = Stage(instance(priority=150, preempt_delay=4.0))
    s.hear(100, 1.0)
    s.hear(200, 2.0)
    s.hear(100, 4.5)
    assert s.router().watch.preempt_at == pytest.approx(8.5)


def test_preempt_delay_starts_again_after_a_fault() -> None:
    s = Stage(instance(priority=150, preempt_delay=4.0))
    s.hear(100, 1.0)
    s.link(replace(ETH0, running=False))
    s.until(30)
    s.link(ETH0)
    s.hear(100, 31.0)
    assert s.router().watch.preempt_at == pytest.approx(35)


def test_preempt_delay_does_not_hold_up_the_takeover_from_a_dead_master() -> None:
    s = Stage(instance(priority=150, preempt_delay=1000.0))
    s.hear(100, 1.0)
    s.until(10)
    assert s.sent()[0][0] == pytest.approx(1 + DOWN_150, abs=1e-5)


@pytest.mark.parametrize("adverts", [1, 3, 10])
def test_down_timer_adverts(adverts: int) -> None:
    s = Stage(instance(priority=150, down_timer_adverts=adverts))
    s.until(20)
    assert s.sent()[0][0] == pytest.approx(adverts + 106 / 256, abs=1e-5)


# ----------------------------------------------------------------------------------------- adverts into a master


def test_higher_prio_send_advert_says_goodbye() -> None:
    s = master(higher_prio_send_advert=True)
    at = s.now
    effects = s.hear(150)
    assert s.kinds(effects)[0] == "Advertise"
    assert s.sent() == [(pytest.approx(at, abs=1e-5), 100)]
    assert s.state is BACKUP


def test_lower_prio_no_advert_neither_answers_nor_announces() -> None:
    s = master(lower_prio_no_advert=True)
    s.hear(50)
    s.until(s.now + 0.3)
    assert s.sent() == [] and s.announced() == []
    assert s.told() == ["MASTER_RX_LOWER_PRI"]


def test_a_lower_advert_is_answered_and_the_addresses_are_claimed_twice() -> None:
    s = master(garp=Garp(lower_prio_repeat=3, lower_prio_delay=2.0))
    at = s.now
    effects = s.hear(50)
    assert s.kinds(effects)[0] == "Advertise"
    s.until(at + 1.0)
    assert s.announced() == [(pytest.approx(at, abs=1e-5), VIP4[0])] * 3
    s.until(at + 3.0)
    assert len(s.announced(at + 1.4)) == 1 + 3, "one when the other has given way, and the second burst"
    assert s.told() == ["MASTER_RX_LOWER_PRI"]


def test_a_flood_of_lower_adverts_is_not_answered_with_a_flood() -> None:
    s = master()
    at = s.now
    for n in range(100):
        s.hear(50, at + n * 0.001)
    assert len(s.sent()) <= 3


def test_bad_packets_do_not_put_off_our_adverts() -> None:
    """keepalived re-arms its timer for every packet: one bad one per 0.7 s silences it."""
    s = master()
    at = s.now
    for n in range(1, 9):
        good = s.packet(50, at=at + 0.7 * n)
        s.step(good._replace(data=good.data[:-9] + b"x" + good.data[-8:]), at + 0.7 * n)
    assert [round(when - at, 4) for when, _ in s.sent()] == pytest.approx([0.5, 1.5, 2.5, 3.5, 4.5, 5.5], abs=1e-3)
    assert s.router().counters["checksum_err"] == 8


def test_our_own_priority_and_address_is_only_complained_about() -> None:
    s = master()
    for _ in range(3):
        s.hear(100, source=str(OWN4))
    assert s.state is MASTER and s.sent() == []
    assert s.router().counters["twin_seen"] == 3
    assert s.logged("our own priority and source")


def test_ah_counts_on_beyond_a_lower_master() -> None:
    s = master(auth_type="AH", auth_pass=b"secret")
    s.router().memory.ah_sequence = 7
    packet = s.packet(50)
    for _ in range(9):  # the rival has counted further than we have
        packet = s.packet(50)
    s.step(packet)
    assert s.router().memory.ah_sequence == 11


@pytest.mark.parametrize(("priority", "counted"), [(50, 8), (150, 7)])
def test_two_masters_that_count_in_step_do_not_refuse_each_other_for_ever(priority: int, counted: int) -> None:
    """The better one counts on by one, once for each advert of its own."""
    s = master(auth_type="AH", auth_pass=b"secret")
    s.router().memory.ah_sequence = 7
    packets = [s.packet(priority) for _ in range(4)]  # sequences 1 to 4: all old
    for packet in packets:
        s.step(packet)
    assert s.router().memory.ah_sequence == counted
    assert s.state is MASTER
    assert len(s.sent()) == (counted == 8), "at once, so that the other hears it"
    s.until(s.now + 1.6)
    assert bool(s.announced()) == (counted == 8), "and it announces once more"


def test_an_overslept_master_does_not_outcount_anybody() -> None:
    s = master(auth_type="AH", auth_pass=b"secret")
    s.router().memory.ah_sequence = 7
    packet = s.packet(50)
    s.freeze(s.now + 60)
    effects = s.step(packet)
    assert s.state is BACKUP and not any(isinstance(effect, m.Advertise) for effect in effects)


# ------------------------------------------------------------------------------------------------------- two owners


def test_the_owner_with_the_higher_address_stays() -> None:
    s = master(255)
    for n in range(20):
        s.hear(255, s.now + 1.0, source=LOWER4)
        assert s.state is MASTER, n
    assert {priority for _, priority in s.sent()} == {255}


def test_the_owner_with_the_lower_address_goes_on_for_a_while_and_then_gives_way() -> None:
    s = master(255)
    at = s.now
    for n in range(8):
        s.hear(255, at + n, source=HIGHER4)
    assert s.state is BACKUP
    said = [(when - at, priority) for when, priority in s.sent()]
    assert [priority for _, priority in said] == [255, 255, 255, 254]
    assert said[-1][0] >= 2 * 1 + 1.2
    assert s.router().rank.priority == 254
    s.until(s.now + 10)
    assert s.state is MASTER
    assert s.sent()[-1][1] == 255, "the other has gone"


def test_an_owner_that_was_heard_only_once_frightens_nobody() -> None:
    s = master(255)
    s.hear(255, source=HIGHER4)
    s.until(s.now + 20)
    assert {priority for _, priority in s.sent()} == {255}
    assert s.router().rivals.owner_since is None


def test_owner_ignore_adverts() -> None:
    s = master(255, owner_ignore_adverts=True)
    for n in range(20):
        s.hear(255, s.now + 1.0, source=HIGHER4)
        assert s.state is MASTER, n
    assert {priority for _, priority in s.sent()} == {255}


# ----------------------------------------------------------------------------------------------------------- FAULT


@pytest.mark.parametrize(
    ("links", "addresses", "fields", "why"),
    [
        ((), (ADMIN4,), {}, "interface eth0 missing"),
        ((replace(ETH0, running=False),), (ADMIN4,), {}, "interface eth0 down"),
        ((replace(ETH0, up=False),), (ADMIN4,), {}, "interface eth0 down"),
        ((ETH0,), (), {}, "no source address"),
        ((ETH0,), (ADMIN4,), {"config_fault": "duplicate VRID"}, "duplicate VRID"),
        ((ETH0,), (ADMIN4,), {"multicast": None, "unicast_fault_no_peer": True}, "no unicast peers"),
        (
            (ETH0,), (ADMIN4,), {"addresses": (vip(VIP4[0], "eth7"),)}, "interface eth7 missing",
        ),
    ],
)
def test_reasons_to_be_in_fault(links: object, addresses: object, fields: dict[str, object], why: str) -> None:
    s = Stage(instance(**fields), links=links, addresses=addresses)  # type: ignore[arg-type]
    assert s.state is FAULT
    assert s.router().why == why
    assert s.told() == ["FAULT"]
    s.until(30)
    assert s.sent() == []


def test_a_missing_source_address_that_is_tracked() -> None:
    s = Stage(instance(source=OWN4, track_src_ip=True), addresses=())
    assert s.router().why == f"source address {OWN4} missing"
    s.step(m.AddressChanged(ADMIN4, True, 99), 5.0)
    assert s.state is BACKUP
    s.step(m.AddressChanged(ADMIN4, False, 99), 6.0)
    assert s.state is FAULT


def test_master_to_fault_and_back() -> None:
    """One advert of priority 0 (keepalived sends two), no address left, then the full down timer."""
    s = master(150)
    effects = s.link(replace(ETH0, running=False))
    assert s.kinds(effects)[0] == "Advertise"
    assert [p for _, p in s.sent()] == [0]
    assert not s.has() and s.told() == ["FAULT"]
    at = s.now + 50
    s.until(at)
    s.link(ETH0)
    s.until(at + 30)
    assert s.sent()[1] == (pytest.approx(at + DOWN_150, abs=1e-5), 150)
    assert s.told() == ["FAULT", "BACKUP", "MASTER"]


def test_backup_to_fault_sends_nothing() -> None:
    s = Stage(instance())
    s.link(replace(ETH0, running=False))
    assert s.state is FAULT and s.sent() == []


def test_an_owner_is_master_as_soon_as_its_fault_is_over() -> None:
    s = master(255)
    s.link(replace(ETH0, running=False))
    s.until(s.now + 5)
    s.effects.clear()
    effects = s.link(ETH0)
    assert s.kinds(effects)[0] == "Advertise"
    assert s.state is MASTER


@pytest.mark.parametrize("unicast", [True, False])
def test_a_unicast_router_announces_its_own_address_when_a_fault_is_over(unicast: bool) -> None:
    peers = (Peer(ip_address(LOWER4)),)
    s = Stage(instance(multicast=None, peers=peers) if unicast else instance())
    s.link(replace(ETH0, running=False))
    s.until(5.0)
    s.link(ETH0)
    assert s.announced() == ([(5.0, str(OWN4))] if unicast else [])


def test_a_second_reason_is_shown_and_must_go_too() -> None:
    s = Stage(instance(addresses=(vip(VIP4[0], "eth1"),)), links=())
    assert s.router().why == "interface eth0 missing, interface eth1 missing"
    s.link(ETH0)
    assert s.state is FAULT and s.router().why == "interface eth1 missing"


def test_dont_track_primary_stays_when_the_link_goes_down_but_not_when_it_is_deleted() -> None:
    s = master(dont_track_primary=True)
    s.link(replace(ETH0, running=False))
    assert s.state is MASTER
    s.link(None)
    assert s.state is FAULT


# ------------------------------------------------------------------------------------------------ adverts are refused


def test_a_master_whose_adverts_are_refused_for_too_long_steps_down() -> None:
    s = master()
    s.refusing["V"] = EACCES
    last = s.router().beat.last_sent
    s.until(last + DOWN_100 - 1.01)
    assert s.state is MASTER
    s.until(last + DOWN_100 - 0.8)
    assert s.state is BACKUP
    assert not s.has()
    assert s.renewed() == [], "an advert that did not leave renews no lease"


def test_a_router_whose_first_advert_is_refused_takes_no_address() -> None:
    """Somebody else may be MASTER whom it preempts: nobody would know."""
    s = Stage(instance(priority=150), lane=0.001)
    s.refusing["V"] = EACCES
    s.until(8.3)
    assert s.state is BACKUP and s.touched == []
    assert [at for at, _ in s.sent()] == [pytest.approx(DOWN_150 + n, abs=1e-5) for n in range(5)]
    del s.refusing["V"]
    s.until(8.5)
    assert s.state is MASTER and s.has()


@pytest.mark.parametrize(("mark", "since"), [(Mark(99.5, {}, 12.5), 12.5), (Mark(99.5, {}), 99.5)])
def test_a_resumed_master_is_one_since_it_became_one(mark: Mark, since: float) -> None:
    s = Stage(instance(), marks={"V": mark}, start=100.0)
    assert s.state is MASTER and s.router().since == since


def test_a_resumed_master_may_have_its_first_advert_refused() -> None:
    s = Stage(instance(), marks={"V": Mark(99.5, {})}, start=100.0)
    s.refusing["V"] = ENOBUFS
    s.until(100.55)
    assert s.state is MASTER and len(s.sent()) == 1


def test_a_refused_advert_is_tried_again_soon() -> None:
    s = master()
    s.refusing["V"] = ENOBUFS
    s.until(s.now + 0.55)
    assert len(s.sent()) == 1
    del s.refusing["V"]
    s.until(s.now + 0.1)
    assert len(s.sent()) == 2
    s.until(s.now + 10)
    assert s.state is MASTER


def test_a_refused_advert_renews_nothing() -> None:
    """The driver drops the renewal, so it must come again with the next advert that leaves."""
    s = master()
    s.refusing["V"] = ENOBUFS
    s.until(s.now + 0.55)
    del s.refusing["V"]
    before = len(s.renewed())
    s.until(s.now + 0.1)
    assert len(s.renewed()) == before + 1


def test_dont_track_primary_goes_on_while_the_link_is_down() -> None:
    """It was asked to: it must neither step down nor let its addresses expire."""
    s = master(dont_track_primary=True, addresses=(vip(VIP4[0]), vip(VIP4[1])))
    s.link(replace(ETH0, up=False, running=False))
    s.refusing["V"] = ENETDOWN
    at = s.now
    s.until(at + 60)
    assert s.state is MASTER
    answers = [(when, e) for when, e in s.effects if isinstance(e, m.Renew)]
    assert len(answers) >= 60
    del s.refusing["V"]
    s.link(ETH0)
    s.until(s.now + 0.01)
    assert {ip for _, ip in s.announced(s.now - 0.02)} == set(VIP4[:2]), "the switch may have forgotten us"


@pytest.mark.parametrize(("dont_track", "errno", "up"), [(True, EACCES, False), (True, ENETDOWN, True)])
def test_dont_track_primary_is_no_excuse_for_other_refusals(dont_track: bool, errno: int, up: bool) -> None:
    s = master(dont_track_primary=dont_track)
    s.link(replace(ETH0, up=up, running=up))
    s.refusing["V"] = errno
    s.until(s.now + 10)
    assert BACKUP in {e.state for _, e in s.effects if isinstance(e, m.Changed)}


# ------------------------------------------------------------------------------------------------------------- late


def test_a_master_that_was_frozen_too_long_listens_first() -> None:
    s = master()
    s.freeze(s.router().beat.last_sent + DOWN_100 + 0.01)
    at = s.now
    s.step(m.Ticked())
    assert s.state is BACKUP and s.sent() == [] and s.renewed() == []
    assert s.router().counters["late_wakeups"] == 1
    s.until(at + 30)
    assert s.sent()[0][0] == pytest.approx(at + 1 + 156 / 256, abs=1e-5)
    bursts = s.announced()
    assert bursts[0][0] == pytest.approx(at + 1 + 156 / 256, abs=1e-5)


def test_a_master_that_was_frozen_a_little_goes_on() -> None:
    s = master()
    s.freeze(s.router().beat.last_sent + DOWN_100 - 0.01)
    s.step(m.Ticked())
    assert s.state is MASTER and len(s.sent()) == 1


def test_the_better_master_in_the_queue_is_heard_before_anything_is_sent() -> None:
    s = master()
    s.freeze(s.router().beat.last_sent + 10)
    s.hear(50, stamp=s.now - 5)  # too old to be answered: who overslept has no say
    assert s.state is BACKUP
    s.hear(200, stamp=s.now - 0.2)
    s.step(m.Ticked())
    assert s.state is BACKUP and s.sent() == []
    assert s.router().watch.timer == pytest.approx(s.now - 0.2 + DOWN_100)


def test_a_backup_that_was_frozen_waits_for_a_sign_of_the_master() -> None:
    s = Stage(instance())
    s.hear(200, 1.0)
    s.freeze(100.0)
    s.step(m.Ticked())
    assert s.state is BACKUP
    s.hear(200, 100.5)
    s.until(103)
    assert s.state is BACKUP and s.sent() == []


def test_a_backup_that_is_always_a_little_late_becomes_master_in_the_end() -> None:
    s = Stage(instance())
    for _ in range(3):
        s.freeze(s.router().watch.timer + 1.5)
        s.step(m.Ticked())
    assert s.state is MASTER


def test_a_backup_that_was_frozen_twice_has_no_say_either() -> None:
    s = Stage(instance())
    for _ in range(3):
        s.freeze(s.router().watch.timer + 100)
        s.step(m.Ticked())
    assert s.state is BACKUP


def test_a_burst_of_late_ticks_is_late_once() -> None:
    s = master()
    s.freeze(s.now + 60)
    for _ in range(3):
        s.step(m.Ticked())
    assert s.router().counters["late_wakeups"] == 1


@pytest.mark.parametrize(("slept", "state"), [(2.5, MASTER), (2.7, BACKUP), (3600.0, BACKUP)])
def test_the_host_slept(slept: float, state: m.State) -> None:
    """CLOCK_MONOTONIC stood still: only BOOTTIME tells."""
    s = master()
    s.step(m.Woken(slept))
    assert s.state is state


def test_a_backup_that_slept_does_not_hurry() -> None:
    s = Stage(instance())
    s.hear(200, 1.0)
    s.step(m.Woken(3600.0))
    assert s.router().watch.timer == pytest.approx(1 + DOWN_100)


def test_after_a_late_wakeup_the_addresses_are_announced_twice() -> None:
    s = master(garp=Garp(master_repeat=1, master_delay=0.0))
    s.freeze(s.now + 60)
    s.until(s.now + 10)
    assert s.state is MASTER
    assert len(s.announced()) == 2


@pytest.mark.parametrize(
    ("ours", "theirs", "frozen", "state"),
    [
        (100, 254, 3.02, BACKUP),  # a router of priority 254 may have taken over after 3.008 s
        (100, 254, 3.00, MASTER),
        (100, None, 3.5, MASTER),
        (100, None, 3.62, BACKUP),
        (200, 50, 3.25, BACKUP),  # ours is shorter: whoever is equal to us has taken over
    ],
)
def test_timer_expired_backup(ours: int, theirs: int | None, frozen: float, state: m.State) -> None:
    """With nopreempt, a router that may have taken over must not be pushed aside again."""
    s = master(ours, nopreempt=True, timer_expired_backup=theirs)
    s.freeze(s.router().beat.last_sent + frozen)
    s.step(m.Ticked())
    assert s.state is state


def test_a_stamp_of_the_future_does_not_put_off_the_next_election() -> None:
    """The wall clock, which kernel stamps are made with, may have been set back meanwhile."""
    s = Stage(instance())
    s.hear(200, 1.0, stamp=3600.0)
    s.hear(200, 2.0, stamp=3600.0)
    assert s.router().watch.timer == pytest.approx(2 + DOWN_100)


# ------------------------------------------------------------------------------------------------------- respawned


@pytest.mark.parametrize(("age", "state"), [(0.2, MASTER), (1.7, MASTER), (1.9, BACKUP), (100.0, BACKUP)])
def test_a_new_worker_resumes_only_what_is_fresh(age: float, state: m.State) -> None:
    """Half the down interval (1.8 s here): the other routers have certainly not acted."""
    old = master()
    s = Stage(instance(), addresses=old.kernel.values(), marks={"V": Mark(100.0 - age, {})}, start=100.0)
    assert s.state is state
    s.until(100.0)
    assert s.touched == ([] if state is MASTER else [(100.0, "-", ("eth0", vip(VIP4[0]).address.ip, 32))])
    if state is MASTER:
        s.until(100.9)
        assert s.told() == []
        assert s.announced() == [(100.0, VIP4[0])], "once: the other worker may have died before it did"
        assert s.sent()[0][0] == pytest.approx(max(100.0, 101.0 - age), abs=1e-6)


def test_a_new_worker_gives_way_to_what_is_in_the_queue() -> None:
    s = Stage(instance(), marks={"V": Mark(99.9, {})}, start=100.0)
    s.hear(200, stamp=99.95)
    s.until(101)
    assert s.state is BACKUP and s.sent() == [] and not s.has()


def test_a_new_worker_remembers_its_sequences() -> None:
    settings = instance(auth_type="AH", auth_pass=b"secret")
    s = Stage(settings, marks={"V": Mark(99.9, {"ah_sequence": 77})}, start=100.0)
    assert s.router().memory.ah_sequence == 77


# ------------------------------------------------------------------------------------------------------- smaller things


def test_the_same_packet_again_takes_the_short_way_and_counts() -> None:
    s = Stage(instance())
    for n in range(1, 6):
        s.hear(200, float(n))
    assert s.router().counters["advert_rcvd"] == 5
    assert s.router().watch.timer == pytest.approx(5 + DOWN_100)


def test_what_is_wrong_with_an_accepted_advert_is_counted_each_time() -> None:
    s = Stage(instance())
    for n in range(1, 6):
        s.hear(200, float(n), addresses=(vip("10.9.0.77"),))
    assert s.router().counters["addr_list_err"] == 5


def test_a_follower_shows_its_master() -> None:
    s = Stage(instance())
    s.hear(200, 1.0)
    assert (str(s.router().watch.master), s.router().watch.master_priority) == (LOWER4, 200)
    effects = s.hear(200, 2.0)
    assert effects == []
    effects = s.hear(210, 3.0)
    assert s.kinds(effects) == ["Changed"]


def test_deleted_as_a_state_or_as_a_fault() -> None:
    for notify, word in ((Notify(deleted_is_a_state=True), "DELETED"), (Notify(), "FAULT")):
        s = master(notify=notify)
        s.reload()
        s.until(s.now + 5)
        assert s.told() == [word]
        assert s.engine.routers == {}


# --- why it is what it is: a word for status


def takes_over(s: Stage) -> str:
    """Let time pass until it is MASTER; why it says it is."""
    s.until(s.now + 10)
    assert s.state is MASTER
    return s.router().why


def test_why_nobody_was_there() -> None:
    assert takes_over(Stage(instance())) == "no other master was heard"


def test_why_the_master_fell_silent() -> None:
    s = Stage(instance())
    s.hear(200, 1.0)
    assert takes_over(s) == f"{LOWER4} fell silent"


def test_why_the_master_resigned() -> None:
    s = Stage(instance())
    s.hear(200, 1.0)
    s.hear(0, 1.5)
    assert takes_over(s) == f"{LOWER4} resigned"


def test_why_it_preempts() -> None:
    s = Stage(instance(priority=150))
    for n in range(8):
        s.hear(50, n / 2, source=HIGHER4)
    assert s.state is MASTER
    assert s.router().why == f"{HIGHER4} has lower priority 50"


def test_why_the_last_word_counts() -> None:
    """What was true of an earlier master is not said of a later one."""
    s = Stage(instance(priority=150))
    s.hear(50, 0.5)
    s.hear(0, 1.0)
    s.hear(200, 1.1, source=HIGHER4)
    assert takes_over(s) == f"{HIGHER4} fell silent"
    s = Stage(instance(priority=150))
    s.hear(0, 0.5)
    s.hear(50, 0.6, source=HIGHER4)
    assert takes_over(s) == f"{HIGHER4} has lower priority 50"
    s = Stage(instance(priority=150))
    s.hear(50, 0.5)
    s.hear(0, 0.6)
    assert takes_over(s) == f"{LOWER4} resigned"


def test_why_is_new_after_each_change() -> None:
    s = Stage(instance(priority=150))
    s.hear(0, 0.5)
    assert takes_over(s) == f"{LOWER4} resigned"
    s.hear(200)
    assert s.state is BACKUP
    assert s.router().why == f"{LOWER4} has higher priority 200, ours 150"
    s.link(replace(ETH0, running=False))
    assert s.router().why == "interface eth0 down"
    s.link(ETH0)
    assert s.router().why == "the fault is over"
    assert takes_over(s) == "no other master was heard"


def test_who_resigned_is_not_followed_after_a_reload() -> None:
    """A master that was about to be preempted and then resigned is no reason to wait, whatever our priority is now."""
    s = Stage(instance(priority=150))
    s.hear(100, 1.0)
    s.hear(0, 1.2)
    s.reload(instance(priority=90))
    s.until(1.2 + 0.7)
    assert s.state is MASTER
