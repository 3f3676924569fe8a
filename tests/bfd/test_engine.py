"""Many sessions behind one door: which one a packet is for, what is refused, and what a reload leaves alone."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from hakeep.bfd import messages as m
from hakeep.bfd.engine import COUNTERS, QUIET, QUIET_MAX
from hakeep.wire.bfd import MULTIHOP, SINGLE_HOP, Diagnostic, State
from tests.bfd.stage import STRANGER, THEM, US, Stage, bfd
from tests.wire.test_bfd import DAMAGE, GOOD

OTHER_US = ip_address("10.9.0.77")
SIX = ip_address("2001:db8::2")


# ---------------------------------------------------------------------------------------------- which session


def test_a_first_packet_is_for_the_session_with_its_sender() -> None:
    stage = Stage(bfd("B1"), bfd("B2", neighbor_ip=STRANGER), bfd("B6", neighbor_ip=SIX))
    stage.hear(stage.theirs(State.DOWN), source=STRANGER)
    stage.hear(stage.theirs(State.DOWN), source=SIX)
    assert [session.state for session in stage.engine.sessions] == [State.DOWN, State.INIT, State.INIT]


def test_one_and_several_hops_are_two_sessions() -> None:
    stage = Stage(bfd("near"), bfd("far", multihop=True))
    down = GOOD._replace(state=State.DOWN, your_discriminator=0, poll=False)
    stage.hear(down, port=MULTIHOP)
    assert (stage.session("near").state, stage.session("far").state) == (State.DOWN, State.INIT)
    number = stage.session("far").discriminator
    stage.hear(down._replace(state=State.UP, your_discriminator=number), port=SINGLE_HOP)
    assert stage.session("far").state is State.INIT
    assert stage.engine.counters["unknown_session"] == 1
    stage.hear(down._replace(state=State.UP, your_discriminator=number), port=MULTIHOP)
    assert stage.session("far").state is State.UP


def test_two_sessions_with_one_neighbor_are_told_apart_by_our_addresses() -> None:
    stage = Stage(bfd("any"), bfd("this", source_ip=US), bfd("other", source_ip=OTHER_US))
    down = GOOD._replace(state=State.DOWN, your_discriminator=0, poll=False)
    stage.hear(down, destination=OTHER_US.packed)
    assert [s.state for s in stage.engine.sessions] == [State.DOWN, State.DOWN, State.INIT]
    stage.hear(down, destination=ip_address("10.9.0.99").packed)
    assert [s.state for s in stage.engine.sessions] == [State.INIT, State.DOWN, State.INIT]


def test_numbers_and_ports_are_all_different() -> None:
    stage = Stage(*(bfd(f"B{n}", neighbor_ip=THEM + n) for n in range(300)))
    sessions = list(stage.engine.sessions)
    assert len({s.discriminator for s in sessions}) == len({s.source_port for s in sessions}) == 300
    assert all(0 < s.discriminator < 2**32 and 49152 <= s.source_port <= 65535 for s in sessions)


def test_two_workers_that_start_at_once_have_nothing_in_common() -> None:
    one, other = Stage(seed=1).session(), Stage(seed=2).session()
    assert one.discriminator != other.discriminator
    assert one.source_port != other.source_port


# ---------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(("kind", "data"), [(kind, data) for kind, every in DAMAGE.items() for data in every])
@pytest.mark.parametrize("state", [State.DOWN, State.UP])
def test_damage_is_counted_and_touches_nothing(kind: str, data: bytes, state: State) -> None:
    stage = Stage()
    if state is State.UP:
        stage.come_up()
    session = stage.session()
    number = session.discriminator.to_bytes(4, "big")
    if len(data) >= 12 and any(data[8:12]):
        data = data[:8] + number + data[12:]
    before = session.memory, session.deadline, session.state, session.received
    effects = stage.hear_bytes(data)
    assert (session.memory, session.deadline, session.state, session.received) == before
    assert {name: count for name, count in stage.engine.counters.items() if count} == {kind: 1}
    assert [type(effect) for effect in effects] == [m.Log]
    assert f"BFD packet from {THEM} dropped" in stage.lines()[-1]


@pytest.mark.parametrize(
    ("fields", "accepted"),
    [
        ({}, 255), ({"max_hops": 1}, 254), ({"max_hops": 255}, 0), ({"ttl": 64}, 64), ({"ttl": 64, "max_hops": 10}, 54),
        ({"max_hops": 191}, 64), ({"multihop": True, "max_hops": 5}, 250),
    ],
)
def test_how_far_a_packet_may_have_come(fields: dict[str, object], accepted: int) -> None:
    stage = Stage(bfd(**fields))
    port = stage.session().port
    if accepted:
        stage.hear(stage.theirs(State.DOWN), hop_limit=accepted - 1, port=port)
        assert stage.session().state is State.DOWN
        assert stage.engine.counters["ttl"] == 1
        assert "TTL or hop limit" in stage.lines()[-1]
    stage.hear(stage.theirs(State.DOWN), hop_limit=accepted, port=port)
    assert stage.session().state is State.INIT


def test_a_repeated_packet_is_judged_by_the_way_it_came() -> None:
    """The short cut for equal packets must not be one for those of others."""
    stage = Stage()
    stage.come_up()
    stage.hear(stage.theirs())
    deadline = stage.session().detect_at
    stage.now += 0.01
    for how in ({"hop_limit": 254}, {"source": STRANGER}, {"port": MULTIHOP}):
        stage.hear(stage.theirs(), **how)  # type: ignore[arg-type]
        assert stage.session().detect_at == deadline, how
    stage.hear(stage.theirs())
    assert stage.session().detect_at == deadline + 0.01


@pytest.mark.parametrize("number", ["wrong", "right, of somebody else"])
def test_a_packet_for_no_session(number: str) -> None:
    stage = Stage()
    stage.come_up()
    mine = stage.session().discriminator
    goodbye = stage.theirs(State.ADMIN_DOWN, diagnostic=Diagnostic.ADMIN_DOWN)
    if number == "wrong":
        stage.hear(goodbye._replace(your_discriminator=mine ^ 1))
    else:
        stage.hear(goodbye._replace(your_discriminator=mine), source=STRANGER)
    stage.hear(goodbye, source=STRANGER)
    assert stage.session().state is State.UP
    assert stage.engine.counters["unknown_session"] == 2


@pytest.mark.parametrize(("source_ip", "number", "how", "why"), [
    (None, 0, {"source": STRANGER}, "no bfd_instance has this neighbor_ip"),
    (None, 0, {"port": MULTIHOP}, "no bfd_instance has this neighbor_ip and multihop"),
    (OTHER_US, 0, {"destination": US.packed}, f"it is for {US}, which is not our source_ip"),
    (None, 77, {}, "no session with this neighbor has the number 77 (any more)"),
])
def test_the_log_says_why_a_packet_is_for_no_session(
    source_ip: Any, number: int, how: dict[str, Any], why: str,
) -> None:
    stage = Stage(bfd("B1", source_ip=source_ip))
    stage.hear(GOOD._replace(state=State.DOWN, your_discriminator=number, poll=False), **how)
    assert stage.lines()[-1].endswith(f" dropped: {why}")


def test_who_never_stops_is_told_of_ever_more_rarely() -> None:
    stage = Stage()
    start = len(stage.lines())
    for _ in range(24 * 3600):
        stage.now += 1.0
        stage.hear_bytes(b"")
    assert 24 <= len(stage.lines()) - start <= 40
    stage.now += 2 * QUIET_MAX
    for _ in range(2):
        stage.hear_bytes(b"")
        stage.now += QUIET + 1
        stage.hear_bytes(b"")
    assert len(stage.lines()) - start <= 44


def test_a_flood_is_one_line_in_ten_seconds() -> None:
    stage = Stage()
    start = len(stage.lines())
    for _ in range(1000):
        stage.hear_bytes(b"")
        stage.hear_bytes(DAMAGE["version"][0])
    assert len(stage.lines()) == start + 2, "one of each kind"
    stage.wait(QUIET)
    stage.hear_bytes(b"")
    assert "(999 more like it were not logged)" in stage.lines()[-1]
    assert stage.engine.counters["length"] == 1001
    assert set(stage.engine.counters) == set(COUNTERS)


# ---------------------------------------------------------------------------------------------- reload


def test_a_reload_of_the_same_does_nothing() -> None:
    stage = Stage(bfd("B1"), bfd("B2", neighbor_ip=STRANGER))
    stage.come_up()
    assert stage.reload(bfd("B1"), bfd("B2", neighbor_ip=STRANGER)) == []
    assert stage.session().state is State.UP


def test_a_reload_ends_begins_and_leaves_alone() -> None:
    stage = Stage(bfd("B1"), bfd("B2", neighbor_ip=STRANGER))
    stage.come_up()
    number = stage.session().discriminator
    effects = stage.reload(bfd("B3", neighbor_ip=OTHER_US), bfd("B1", weight=10))
    assert [session.instance.name for session in stage.engine.sessions] == ["B3", "B1"]
    assert stage.session().discriminator == number
    assert stage.session().state is State.UP
    assert stage.session().instance.weight == 10
    assert [(e.instance.name, e.up) for e in effects if isinstance(e, m.Tell)] == [("B3", False)]
    assert len([e for e in effects if isinstance(e, m.Close)]) == 1
    assert len([e for e in effects if isinstance(e, m.Open)]) == 1
    assert m.Remember("B2", None) in effects


@pytest.mark.parametrize("change", [{"neighbor_ip": STRANGER}, {"source_ip": US}, {"multihop": True}])
def test_another_path_is_another_session(change: dict[str, object]) -> None:
    stage = Stage()
    stage.come_up()
    number = stage.session().discriminator
    effects = stage.reload(bfd(**change))
    assert stage.session().discriminator != number
    assert stage.session().state is State.DOWN
    assert stage.told() == [False, True, False]
    assert any(isinstance(e, m.Send) and e.session == number for e in effects), "the old neighbor is told"


def test_another_ttl_is_another_socket_of_the_same_session() -> None:
    stage = Stage()
    stage.come_up()
    stage.keep_alive(0.1)
    effects = stage.reload(bfd(ttl=200, max_hops=3))
    assert [type(effect) for effect in effects] == [m.Open]
    stage.hear(stage.theirs(), hop_limit=197)
    assert stage.session().state is State.UP
    stage.hear(stage.theirs(), hop_limit=196)
    assert stage.engine.counters["ttl"] == 1


def test_who_hears_of_it_from_now_on_is_told() -> None:
    stage = Stage(bfd(checker=False))
    stage.come_up()
    (told,) = [e for e in stage.reload(bfd()) if isinstance(e, m.Tell)]
    assert (told.up, told.instance.checker) == (True, True)


def test_the_snapshot_says_what_it_is() -> None:
    stage = Stage(bfd(), bfd("B2", neighbor_ip=SIX))
    stage.come_up()
    first, second = stage.engine.snapshot()
    assert (first.name, first.state, first.up, first.remote_state) == ("B1", "Up", True, "Up")
    assert (first.tx_interval, first.rx_interval, first.detect_time) == (0.01, 0.01, pytest.approx(0.03))
    assert (first.received, first.ups, first.downs) == (3, 1, 0)
    assert (second.state, second.up, second.neighbor_ip) == ("Down", False, "2001:db8::2")


def test_without_sessions_there_is_nothing_to_do() -> None:
    stage = Stage()
    stage.reload()
    assert stage.engine.deadline == float("inf")
    stage.hear_bytes(GOOD.encode())
    assert stage.engine.counters["unknown_session"] == 1
