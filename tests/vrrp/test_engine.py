"""The door: which router an event reaches, what comes out and in which order, and that nothing else happens."""

from __future__ import annotations

from dataclasses import replace
from errno import EPERM
from ipaddress import ip_address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.config.settled import Global, Peer
from hakeep.objects.rtnl import Address
from hakeep.vrrp import messages as m
from hakeep.vrrp.timers import NEVER
from tests.vrrp.stage import ADMIN4, ADMIN6, ETH0, ETH1, LOWER4, OWN4, VIP4, Stage, instance, vip

BACKUP, MASTER, FAULT, STOP = m.State.BACKUP, m.State.MASTER, m.State.FAULT, m.State.STOP


def test_an_engine_without_routers_never_wants_anything() -> None:
    s = Stage()
    assert s.engine.deadline == NEVER and s.effects == []
    assert s.step(m.Ticked(), 1000.0) == []
    assert s.kinds(s.step(m.Stopped())) == ["Finished"]


def test_a_tick_before_its_time_does_nothing() -> None:
    s = Stage(instance())
    deadline = s.engine.deadline
    for at in (0.1, 1.0, 3.6):
        assert s.step(m.Ticked(), at) == []
    assert s.engine.deadline == deadline


def test_hearing_the_master_moves_the_deadline_without_a_new_entry() -> None:
    s = Stage(instance())
    for n in range(1, 1000):
        s.hear(200, float(n))
    assert s.engine.deadline <= s.router().watch.timer
    assert len(s.engine.agenda._heap) <= 2


def test_the_soonest_is_early_at_most_until_somebody_asks_for_the_deadline() -> None:
    s = Stage(instance())
    s.hear(200, 1.0)
    first = s.engine.deadline
    assert s.engine.soonest == first == s.router().watch.timer
    for at in (2.0, 3.0):
        s.now = at  # nobody asks
        s.hear(200)
        assert s.engine.soonest == first
    assert s.engine.deadline == s.engine.soonest == s.router().watch.timer > first


def test_an_advert_that_is_repeated_is_heard_again_and_again() -> None:
    """The second repeat is known without asking the router's receiver, and does just what the first one did."""
    s = Stage(instance())
    for n in range(1, 6):
        assert s.kinds(s.hear(200, float(n))) == (["Changed"] if n == 1 else [])
        router = s.router()
        assert (router.counters["advert_rcvd"], router.watch.last_heard) == (n, n)
        down = n + router.watch.down_interval
        assert (router.watch.timer, router.watch.late_at) == (down, down + 1.0)
    assert len(s.engine.reception._repeats) == 1
    s.hear(200, 6.0, stamp=5.5)
    assert s.router().watch.last_heard == 5.5
    s.hear(200, 7.0, stamp=99.0)
    assert s.router().watch.last_heard == 7.0, "a stamp of the future would put off the next election"


def test_what_was_followed_is_thought_of_anew_when_things_have_changed() -> None:
    s = Stage(instance(priority=150))
    for n in range(1, 4):
        s.hear(200, float(n))
    s.hear(0, 4.0)
    s.until(5.0)
    assert s.state is MASTER
    s.hear(200, 5.5)
    assert s.state is BACKUP
    for n in range(6, 9):
        s.hear(200, float(n))
    s.reload(instance(priority=254))
    timer = s.router().watch.timer
    s.hear(200, 8.5)
    assert s.router().watch.timer == timer, "it is worse than us now"
    s.step(m.Stopped())
    s.hear(200, 9.0)
    assert s.router().watch.timer == NEVER


def test_a_repeat_is_known_by_its_link_and_its_ttl_too() -> None:
    s = Stage(
        instance("A", addresses=()), instance("B", interface="eth1", addresses=()), links=(ETH0, ETH1),
        addresses=(ADMIN4, replace(ADMIN4, interface="eth1")),
    )
    for at in (1.0, 2.0, 3.0):
        s.hear(200, at, name="A")
    packet = s.packet(200, name="A", at=3.5)
    s.until(3.5)
    s.step(packet._replace(link="eth1"))
    assert [s.router(name).counters["advert_rcvd"] for name in "AB"] == [3, 1]
    s.step(packet._replace(data=packet.data[:8] + b"\xfe" + packet.data[9:], hop_limit=254))
    assert s.router("A").counters["ip_ttl_err"] == 1
    s.step(packet)
    assert [s.router(name).counters["advert_rcvd"] for name in "AB"] == [4, 1]


def test_routers_do_not_pile_up_what_they_followed() -> None:
    s = Stage(instance())
    for n in range(1, 60):
        s.hear(200 + n % 50, n / 10, source=f"10.9.0.{n % 200 + 10}")
        s.hear(200 + n % 50, n / 10, source=f"10.9.0.{n % 200 + 10}")
    assert len(s.engine.reception._repeats) == len(s.engine.reception._repeated) == 1


def test_a_renewed_lease_is_no_news() -> None:
    s = Stage(instance(), lane=0.5)
    s.until(5.0)
    key, = s.router().holding.held
    present = s.engine.host.have[key]
    assert s.step(m.Applied((key,), ())) == []
    assert s.engine.host.have[key] is present
    s.step(m.AddressChanged(present, False, 0), 5.1)
    assert s.router().holding.unsettled == {key}
    s.step(m.Applied((key,), ()), 5.1)  # the renewal brought it back
    assert not s.router().holding.unsettled and s.engine.host.have[key] == present


def test_the_deadline_is_never_behind_what_is_due() -> None:
    s = Stage(instance("A", priority=150), instance("B", virtual_router_id=52, priority=200, addresses=()))
    s.until(1000.5)
    for name, expected in (("A", 150), ("B", 200)):
        times = [at for at, _ in s.sent(router=name)]
        assert len(times) == 998
        assert {p for _, p in s.sent(router=name)} == {expected}


def test_routers_are_told_apart_by_link_family_and_vrid() -> None:
    same = {"addresses": ()}
    s = Stage(
        instance("A", **same), instance("B", virtual_router_id=52, **same), instance("C", family=6, **same),
        instance("D", interface="eth1", **same), links=(ETH0, ETH1),
        addresses=(ADMIN4, ADMIN6, replace(ADMIN4, interface="eth1")),
    )
    for name in "ABCD":
        s.hear(200, name=name)
        heard = {n for n in "ABCD" if s.router(n).counters["advert_rcvd"]}
        assert heard == {name}
        s.router(name).counters["advert_rcvd"] = 0


def test_multicast_and_unicast_routers_with_one_vrid() -> None:
    group = instance("A", addresses=())
    other = instance("B", addresses=(), multicast=ip_address("224.0.0.99"))
    alone = instance("C", addresses=(), multicast=None, peers=(Peer(ip_address(LOWER4)),))
    s = Stage(group, other, alone)
    for name, settings in (("A", group), ("B", other)):
        s.step(s.packet(200, name=name, multicast=settings.multicast, peers=()))
    s.step(s.packet(200, name="C", multicast=None, peers=(Peer(OWN4),)))
    assert [s.router(name).counters["advert_rcvd"] for name in "ABC"] == [1, 1, 1]


def test_an_unknown_vrid_is_counted_and_complained_about_now_and_then() -> None:
    s = Stage(instance(), globals_=Global(log_unknown_vrids=True))
    for n in range(100):
        s.hear(200, float(n) / 10, virtual_router_id=99)
    assert s.engine.reception.unknown_vrids == 100
    assert len([e for _, e in s.effects if isinstance(e, m.Log) and "unknown VRID 99" in e.text]) == 1


@pytest.mark.parametrize(
    "data", [b"", b"E", b"\x45" + bytes(20), b"\x4f" + bytes(60), b"\x45" + bytes(8) + b"\x33" * 40]
)
def test_rubbish_reaches_nobody(data: bytes) -> None:
    s = Stage(instance())
    assert s.kinds(s.step(m.Received("eth0", data, bytes(4), bytes(4), 255, 0.0, 0.0))) == []
    assert s.kinds(s.step(m.Received("eth0", data[:7], bytes(16), bytes(16), 255, 0.0, 0.0))) == []
    assert s.engine.reception.discarded + s.engine.reception.unknown_vrids == 2, "whatever it is, it is counted"


@pytest.mark.parametrize(("keep", "counted"), [
    (0, (1, 0, 0)), (19, (1, 0, 0)), (21, (1, 0, 0)), (22, (0, 0, 1)), (27, (0, 0, 1)), (28, (0, 0, 1)),
])  # fmt: skip
def test_a_packet_that_is_cut_is_counted(keep: int, counted: tuple[int, int, int]) -> None:
    """For all routers together when it does not say whose it is, else where it belongs; and the log says it."""
    s = Stage(instance())
    packet = s.packet(200)
    s.step(packet._replace(data=packet.data[:keep]))
    counters = s.router().counters
    assert (s.engine.reception.malformed, counters["malformed"], counters["packet_len_err"]) == counted
    assert s.engine.reception.discarded == 1 and counters["advert_rcvd"] == 0
    assert s.logged("discarding")


def test_a_header_that_is_none_is_malformed() -> None:
    s = Stage(instance())
    packet = s.packet(200)
    s.step(packet._replace(data=packet.data[:9] + bytes([89]) + packet.data[10:]))
    assert s.router().counters["malformed"] == s.engine.reception.discarded == 1


@given(data=st.binary(max_size=80), link=st.sampled_from(("eth0", "", "eth9")), hops=st.integers(-1, 255))
def test_no_packet_breaks_the_engine(data: bytes, link: str, hops: int) -> None:
    s = Stage(instance(), instance("W", family=6))
    for source in (bytes(4), bytes(16)):
        s.step(m.Received(link, data, source, source, hops, 0.0, 0.0))
    assert s.router().state is BACKUP and s.router("W").state is BACKUP


def test_a_discarded_packet_is_counted_and_logged_now_and_then() -> None:
    s = Stage(instance(auth_type="PASS", auth_pass=b"right"))
    for n in range(100):
        s.hear(200, n / 2, auth_pass=b"wrong")
    assert s.router().counters["auth_failure"] == 100 == s.engine.reception.discarded
    assert len([e for _, e in s.effects if isinstance(e, m.Log) and "wrong password" in e.text]) == 1


def test_the_advert_is_the_first_effect_of_everything() -> None:
    s = Stage(instance(priority=150, higher_prio_send_advert=True))
    s.until(s.router().watch.timer - 0.001)
    s.effects.clear()
    s.until(s.now + 0.002)
    assert isinstance(s.effects[0][1], m.Advertise), "takeover"
    for event in (s.packet(50), s.packet(0), s.packet(200)):
        effects = s.step(event)
        assert isinstance(effects[0], m.Advertise), event


def test_order_at_takeover() -> None:
    """C.1: advert, log, addresses, announcements, scripts."""
    s = Stage(instance(priority=255), lane=0.01)
    s.until(0.02)
    kinds = s.kinds(e for _, e in s.effects)
    assert kinds == ["Rebind", "Advertise", "Changed", "Reconcile", "Reconcile", "NotifyChange", "Announce"]


def test_changes_touch_only_what_the_named_routers_name() -> None:
    s = Stage(
        instance("A", priority=255, addresses=(vip(VIP4[0]),)),
        instance("B", virtual_router_id=52, priority=255, addresses=(vip(VIP4[1]),)), lane=99.0,
        addresses=(ADMIN4, ADMIN6, Address("eth0", ip_address("10.9.0.200"), 32)),
    )
    assert [change.key[1] for change in s.engine.changes(["A"])] == [ip_address(VIP4[0])]
    assert [change.key[1] for change in s.engine.changes(["B", "B", "nobody"])] == [ip_address(VIP4[1])]
    assert len(s.engine.changes(["A", "B"])) == 2
    assert s.engine.changes(()) == []


def test_two_routers_that_name_one_address_do_not_take_it_from_each_other() -> None:
    s = Stage(instance("A", priority=255), instance("B", virtual_router_id=52, priority=255))
    s.until(1.0)
    s.link(replace(ETH0, running=False))
    assert not s.has()
    s.link(ETH0)
    assert s.has()
    s.step(m.Commanded("standby", ("B",)))
    s.until(s.now + 0.5)
    s.hear(9, name="B")
    s.until(s.now + 0.5)
    assert s.router("B").state is BACKUP and s.has()
    assert s.engine.masters() == {"A"}
    assert s.told(1.0)[-1] == "BACKUP", "it does not wait for the address to go"


def test_masters_are_those_whose_addresses_may_be_there() -> None:
    s = Stage(instance(priority=150), lane=0.1)
    assert s.engine.masters() == frozenset()
    s.until(s.router().watch.timer)
    assert s.engine.masters() == {"V"}
    s.until(s.now + 1)
    s.hear(200)
    assert s.engine.masters() == {"V"}, "until the kernel has taken them"
    s.until(s.now + 0.2)
    assert s.engine.masters() == frozenset()


def test_a_refusal_is_logged_now_and_then() -> None:
    s = Stage(instance(priority=255))
    s.refusing["V"] = EPERM
    s.until(30)
    assert len([e for _, e in s.effects if isinstance(e, m.Log) and "cannot send adverts: EPERM" in e.text]) == 1
    assert s.step(m.Refused("nobody", None, EPERM)) == []
    assert s.step(m.Refused("", ("eth9", OWN4, 32), EPERM)) == []


def test_nobody_is_woken_for_a_foreign_interface() -> None:
    s = Stage(instance())
    assert s.step(m.LinkChanged("eth9", replace(ETH0, name="eth9"))) == []
    assert s.step(m.AddressChanged(replace(ADMIN4, interface="eth9"), True, 1)) == []
    assert s.step(m.Heard("eth9", OWN4.packed, b"")) == []


def test_stop_of_everything_is_finished_once() -> None:
    s = Stage(instance("A", priority=255), instance("B", virtual_router_id=52, addresses=()))
    s.until(1.0)
    s.step(m.Stopped())
    assert s.router("B").state is STOP
    s.until(10)
    s.step(m.Ticked())
    assert len([e for _, e in s.effects if isinstance(e, m.Finished)]) == 1


def test_events_after_stop_wake_nobody() -> None:
    s = Stage(instance(priority=255))
    s.step(m.Stopped(at_once=True))
    s.until(1.0)
    s.effects.clear()
    s.link(replace(ETH0, running=False))
    s.link(ETH0)
    s.step(m.Woken(1000.0))
    s.step(m.Resync((ETH0,), (ADMIN4,)))
    s.hear(0)
    s.until(100)
    assert s.sent() == [] and s.state is STOP


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("wait"), st.floats(0.0, 5.0)),
            st.tuples(st.just("hear"), st.sampled_from((0, 1, 99, 100, 101, 255))),
            st.tuples(st.just("link"), st.booleans()),
            st.tuples(st.just("steal"), st.integers(0, 1)),
            st.tuples(st.just("freeze"), st.floats(0.0, 9.0)),
            st.tuples(st.just("order"), st.sampled_from(("standby", "resume"))),
            st.tuples(st.just("reload"), st.integers(1, 2)),
            st.tuples(st.just("woken"), st.floats(0.0, 9.0)),
        ),
        max_size=60,
    ),
    st.sampled_from((0.0, 0.03, 0.7)),
    st.sampled_from((100, 255)),
)
def test_whatever_happens_addresses_follow_the_state(
    story: list[tuple[str, object]], lane: float, priority: int
) -> None:
    """Held if and only if MASTER or handing over; and once all is quiet the kernel has just that."""
    two = instance(priority=priority, addresses=(vip(VIP4[0]), vip(VIP4[1])))
    s = Stage(two, lane=lane)
    for what, value in story:
        if what == "wait":
            s.until(s.now + value)  # type: ignore[operator]
        elif what == "hear":
            s.hear(value, source=LOWER4)  # type: ignore[arg-type]
        elif what == "link":
            s.link(replace(ETH0, running=value))
        elif what == "steal" and s.has(VIP4[value]):  # type: ignore[index]
            s.steal(VIP4[value])  # type: ignore[index]
        elif what == "freeze":
            s.freeze(s.now + value)  # type: ignore[operator]
        elif what == "order":
            s.step(m.Commanded(value, ("V",)))  # type: ignore[arg-type]
        elif what == "reload":
            s.reload(replace(two, addresses=two.addresses[:value]))  # type: ignore[misc]
        elif what == "woken":
            s.step(m.Woken(value))  # type: ignore[arg-type]
        router = s.router()
        assert bool(router.holding.held) == (router.state is MASTER or router.holding.leaving)
        states = [what for what in s.told() if what != "MASTER_RX_LOWER_PRI"]
        assert all(before != after for before, after in pairwise(states))
    s.until(s.now + 70)
    router = s.router()
    ours = {key for key, address in s.kernel.items() if address.proto == 18}
    assert ours == set(router.holding.held)
    assert s.engine.changes(["V"]) == []
    assert router.holding.settled
    assert s.told()[-1] in (router.state.value, "MASTER_RX_LOWER_PRI")
    s.step(m.Stopped())
    s.until(s.now + 10)
    assert isinstance(s.effects[-1][1], m.Finished)
    assert {address.proto for address in s.kernel.values()} <= {0, 3}
