"""One end of a session against RFC 5880: the table of states, the intervals, Poll Sequences, detection."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from hakeep.bfd import messages as m
from hakeep.wire.bfd import Diagnostic, Packet, State, decode
from tests.bfd.stage import THEIR_NUMBER, Stage, bfd

ADMIN_DOWN, DOWN, INIT, UP = State


def stage_in(state: State) -> Stage:
    stage = Stage()
    if state is INIT:
        stage.hear(stage.theirs(DOWN))
    elif state is UP:
        stage.come_up()
    assert stage.session().state is state
    return stage


# ---------------------------------------------------------------------------------------------- section 6.8.6


@pytest.mark.parametrize(
    ("ours", "theirs", "then"),
    [
        (DOWN, ADMIN_DOWN, DOWN),
        (DOWN, DOWN, INIT),
        (DOWN, INIT, UP),
        (DOWN, UP, DOWN),
        (INIT, ADMIN_DOWN, DOWN),
        (INIT, DOWN, INIT),
        (INIT, INIT, UP),
        (INIT, UP, UP),
        (UP, ADMIN_DOWN, DOWN),
        (UP, DOWN, DOWN),
        (UP, INIT, UP),
        (UP, UP, UP),
    ],
)
def test_the_table_of_states(ours: State, theirs: State, then: State) -> None:
    stage = stage_in(ours)
    before = len(stage.sent())
    stage.hear(stage.theirs(theirs))
    session = stage.session()
    assert session.state is then
    if ours in (INIT, UP) and then is DOWN:
        assert session.diagnostic is Diagnostic.NEIGHBOR_DOWN
    if then is not ours:
        said = stage.sent()[before:]
        assert [packet.state for _, packet in said] == [then], "a change is said at once"
        assert said[0][1].diagnostic is session.diagnostic
        assert said[0][1].your_discriminator == THEIR_NUMBER
    else:
        assert len(stage.sent()) == before


@pytest.mark.parametrize("ours", [INIT, UP])
def test_silence_ends_a_session(ours: State) -> None:
    stage = stage_in(ours)
    session = stage.session()
    stage.hear(stage.theirs(DOWN if ours is INIT else UP))
    detect_time = 3.0 if ours is INIT else 0.03
    assert session.detect_time == pytest.approx(detect_time)
    start = stage.now
    stage.until(start + detect_time - 0.001)
    assert session.state is ours
    stage.until(start + detect_time)
    assert session.state is DOWN
    (_, packet), = stage.sent(start + detect_time)
    assert (packet.state, packet.diagnostic, packet.your_discriminator, packet.poll) == (
        DOWN, Diagnostic.EXPIRED, 0, False)


def test_silence_changes_nothing_in_down() -> None:
    stage = Stage()
    stage.hear(stage.theirs(ADMIN_DOWN))
    assert stage.session().remote_discriminator == THEIR_NUMBER
    stage.wait(10)
    assert stage.session().state is DOWN
    assert stage.session().remote_discriminator == 0, "who has been silent for so long is forgotten"


def test_a_session_keeps_its_number_and_port() -> None:
    stage = Stage()
    first = stage.session().discriminator, stage.session().source_port
    stage.come_up()
    stage.wait(1)
    assert stage.session().state is DOWN
    assert (stage.session().discriminator, stage.session().source_port) == first
    assert {packet.my_discriminator for _, packet in stage.sent()} == {first[0]}
    assert 49152 <= first[1] <= 65535


def test_the_receive_stamp_counts_and_not_when_we_look() -> None:
    stage = stage_in(UP)
    stage.now += 0.02
    stage.hear(stage.theirs(), at=stage.now - 0.015)
    start = stage.now
    stage.until(start + 0.0149)
    assert stage.session().state is UP
    stage.until(start + 0.0151)
    assert stage.session().state is DOWN


def test_what_was_queued_while_we_slept_is_no_silence() -> None:
    """Ten times the detection time without a turn; packets are told first, with their stamps."""
    stage = stage_in(UP)
    last = stage.now
    stage.now += 0.3
    for number in range(1, 30):
        stage.hear(stage.theirs(), at=last + number * 0.01)
    stage.step(m.Ticked())
    assert stage.session().state is UP
    assert stage.told() == [False, True]


# ---------------------------------------------------------------------------------------------- what is told


def test_up_and_down_are_told_once() -> None:
    stage = Stage()
    assert stage.told() == [False]
    stage.come_up()
    assert stage.told() == [False, True]
    stage.keep_alive(0.1)
    assert stage.told() == [False, True]
    stage.wait(0.1)
    assert stage.told() == [False, True, False]
    assert stage.all(m.Tell)[-1].why == "nothing was received for 30 ms"
    stage.hear(stage.theirs(DOWN))
    stage.wait(10)
    assert stage.told() == [False, True, False]


def test_that_the_neighbor_is_down_is_told_with_its_reason() -> None:
    stage = stage_in(UP)
    stage.hear(stage.theirs(DOWN, diagnostic=Diagnostic.EXPIRED))
    assert stage.told()[-1] is False
    assert stage.all(m.Tell)[-1].why == "the neighbor says Down: Control Detection Time Expired"


def test_that_somebody_switched_the_neighbor_off_is_no_failure() -> None:
    stage = stage_in(UP)
    stage.hear(stage.theirs(ADMIN_DOWN))
    stage.wait(20)
    assert stage.session().state is DOWN
    assert stage.told() == [False, True]
    stage.come_up()
    assert stage.told() == [False, True]
    stage.wait(1)
    assert stage.told() == [False, True, False]


def test_who_comes_back_and_vanishes_is_a_failure_after_all() -> None:
    stage = stage_in(UP)
    stage.hear(stage.theirs(ADMIN_DOWN))
    stage.hear(stage.theirs(DOWN))
    stage.wait(2.9)
    assert stage.told() == [False, True]
    stage.wait(0.2)
    assert stage.told() == [False, True, False]


# ---------------------------------------------------------------------------------------------- sending


def gaps(stage: Stage, since: float) -> list[float]:
    return [later - before for (before, _), (later, _) in pairwise(stage.sent(since))]


@pytest.mark.parametrize(("multiplier", "most"), [(1, 0.9), (2, 1.0), (3, 1.0), (255, 1.0)])
def test_jitter_is_that_of_section_6_8_7(multiplier: int, most: float) -> None:
    stage = Stage(bfd(multiplier=multiplier))
    stage.come_up()
    start = stage.now
    stage.keep_alive(4)
    all_gaps = gaps(stage, start)[1:]
    assert len(all_gaps) > 300
    assert min(all_gaps) >= 0.0075 - 1e-9
    assert max(all_gaps) <= 0.01 * most + 1e-9
    assert max(all_gaps) - min(all_gaps) > 0.01 * (most - 0.75) * 0.9, "the whole range is used"


@pytest.mark.parametrize(
    ("fields", "theirs", "interval"),
    [({"min_tx": 0.05}, {}, 0.05), ({}, {"required_min_rx": 0.2}, 0.2),
     ({"min_tx": 0.3}, {"required_min_rx": 0.2}, 0.3), ({"min_tx": 0.0125}, {"required_min_rx": 0.000001}, 0.0125)],
)
def test_the_slower_one_sets_the_pace(fields: dict[str, Any], theirs: dict[str, Any], interval: float) -> None:
    stage = Stage(bfd(**fields))
    for packet in (stage.theirs(INIT, **theirs), stage.theirs(UP, final=True, desired_min_tx=60.0, **theirs)):
        stage.hear(packet)
    start = stage.now
    stage.wait(interval * 20)
    all_gaps = gaps(stage, start)[1:]
    assert all(0.75 * interval - 1e-9 <= gap <= interval + 1e-9 for gap in all_gaps)
    assert len(all_gaps) >= 17


@pytest.mark.parametrize("idle", [1.0, 2.5])
def test_who_is_not_up_speaks_slowly(idle: float) -> None:
    stage = Stage(bfd(idle_tx=idle, min_tx=0.01))
    start = stage.now
    stage.wait(50)
    assert all(0.75 * idle - 1e-9 <= gap <= idle + 1e-9 for gap in gaps(stage, start))
    assert {packet.desired_min_tx for _, packet in stage.sent()} == {idle}
    assert stage.sent()[0][0] == start, "the first one leaves at once"


def test_who_is_down_again_speaks_slowly_again() -> None:
    stage = stage_in(UP)
    stage.wait(1)
    start = stage.now
    stage.wait(20)
    assert all(0.75 - 1e-9 <= gap <= 1 + 1e-9 for gap in gaps(stage, start))
    assert stage.sent()[-1][1].desired_min_tx == 1.0


def test_a_passive_end_speaks_when_it_is_spoken_to() -> None:
    stage = Stage(bfd(passive=True))
    stage.wait(30)
    assert stage.sent() == []
    stage.hear(stage.theirs(DOWN))
    assert [packet.state for _, packet in stage.sent()] == [INIT]
    stage.hear(stage.theirs(UP))
    assert stage.session().state is UP
    stage.wait(1)
    last = len(stage.sent())
    assert stage.session().state is DOWN
    stage.wait(30)
    assert len(stage.sent()) == last, "the other end is gone, and we are passive again"


def test_who_can_bear_nothing_gets_nothing() -> None:
    stage = stage_in(UP)
    stage.hear(stage.theirs(required_min_rx=0.0, desired_min_tx=60.0))
    before = len(stage.sent())
    stage.wait(5)
    assert len(stage.sent()) == before
    stage.hear(stage.theirs(required_min_rx=0.0, desired_min_tx=60.0, poll=True))
    assert len(stage.sent()) == before + 1, "but an answer"
    stage.hear(stage.theirs(required_min_rx=0.01, desired_min_tx=60.0))
    stage.wait(0.1)
    assert len(stage.sent()) > before + 8


def test_a_neighbor_in_demand_mode_is_left_in_peace() -> None:
    stage = stage_in(UP)
    stage.hear(stage.theirs(demand=True, desired_min_tx=60.0))
    before = len(stage.sent())
    stage.wait(5)
    assert len(stage.sent()) == before
    stage.hear(stage.theirs(demand=True, poll=True, desired_min_tx=60.0))
    assert [packet.final for _, packet in stage.sent()[before:]] == [True]
    stage.reload(bfd(min_tx=0.02))
    stage.wait(0.1)
    assert all(packet.poll for _, packet in stage.sent()[before + 1:]), "a Poll Sequence of ours still runs"
    assert len(stage.sent()) > before + 4


def test_a_faster_pace_holds_at_once() -> None:
    """Section 6.8.7: when the other end can bear more, we may not wait any longer than the new interval."""
    stage = stage_in(UP)
    stage.hear(stage.theirs(required_min_rx=60.0, desired_min_tx=60.0))
    stage.wait(5)
    before = len(stage.sent())
    stage.hear(stage.theirs(required_min_rx=0.01, desired_min_tx=60.0))
    stage.wait(0)
    assert len(stage.sent()) == before + 1


# ---------------------------------------------------------------------------------------------- Poll Sequences


def test_poll_is_answered_at_once() -> None:
    stage = stage_in(UP)
    stage.wait(0.0041)
    effects = stage.hear(stage.theirs(poll=True))
    (answer,) = [decode(effect.data) for effect in effects if isinstance(effect, m.Send)]
    assert (answer.final, answer.poll, answer.state) == (True, False, UP)


def test_the_answer_does_not_put_the_next_packet_off() -> None:
    stage = stage_in(UP)
    due = stage.session().send_at
    stage.wait(0.004)
    stage.hear(stage.theirs(poll=True))
    assert stage.session().send_at == due


def test_coming_up_is_polled_for_until_it_is_answered() -> None:
    stage = Stage()
    stage.hear(stage.theirs(INIT))
    for _ in range(20):
        stage.wait(0.01)
        stage.hear(stage.theirs(UP))
    assert all(packet.poll for _, packet in stage.sent() if packet.state is UP)
    assert {packet.desired_min_tx for _, packet in stage.sent() if packet.state is UP} == {0.01}
    stage.hear(stage.theirs(UP, final=True))
    start = stage.now
    stage.keep_alive(0.2)
    assert not any(packet.poll for _, packet in stage.sent(start + 1e-9))


@pytest.mark.parametrize(
    ("change", "tx", "rx", "tx_after", "rx_after"),
    [
        ({"min_tx": 0.05}, 0.01, 0.01, 0.05, 0.01),  # slower: only when it is known
        ({"min_tx": 0.005}, 0.01, 0.01, 0.01, 0.01),  # the other end can bear 10 ms
        ({"min_rx": 0.05}, 0.01, 0.05, 0.01, 0.05),  # to expect less: at once
        ({"min_rx": 0.002}, 0.01, 0.01, 0.01, 0.01),  # it sends every 10 ms
    ],
)
def test_other_settings_are_polled_for(
    change: dict[str, float], tx: float, rx: float, tx_after: float, rx_after: float,
) -> None:
    """Section 6.8.3."""
    stage = stage_in(UP)
    stage.keep_alive(0.05)
    start = stage.now
    stage.reload(bfd(**change))
    session = stage.session()
    assert (session.tx_interval, session.rx_interval) == (tx, rx)
    said = stage.sent(start)[-1][1]
    assert said.poll
    assert (said.desired_min_tx, said.required_min_rx) == (change.get("min_tx", 0.01), change.get("min_rx", 0.01))
    stage.hear(stage.theirs(final=True))
    assert not session.polling
    assert (session.tx_interval, session.rx_interval) == (tx_after, rx_after)
    assert session.state is UP
    assert stage.told() == [False, True]


def test_who_is_to_be_expected_later_is_waited_for() -> None:
    stage = stage_in(UP)
    start = stage.now
    stage.wait(0.01)
    stage.reload(bfd(min_rx=0.1))
    stage.until(start + 0.299)
    assert stage.session().state is UP
    stage.until(start + 0.3)
    assert stage.session().state is DOWN


def test_a_lower_min_rx_is_expected_only_when_it_is_known() -> None:
    stage = Stage(bfd(min_rx=0.05))
    stage.come_up()
    assert stage.session().detect_time == pytest.approx(0.15)
    stage.reload(bfd(min_rx=0.01))
    stage.hear(stage.theirs())
    assert stage.session().detect_time == pytest.approx(0.15)
    stage.hear(stage.theirs(final=True))
    assert stage.session().detect_time == pytest.approx(0.03)


def test_an_answer_that_nobody_asked_for_does_no_harm() -> None:
    stage = stage_in(UP)
    stage.hear(stage.theirs(final=True))
    assert stage.session().state is UP


# ---------------------------------------------------------------------------------------------- beginning and end


def test_at_the_end_the_other_one_is_told() -> None:
    stage = stage_in(UP)
    effects = stage.step(m.Stopped())
    (send,) = [effect for effect in effects if isinstance(effect, m.Send)]
    goodbye = decode(send.data)
    assert (goodbye.state, goodbye.diagnostic) == (ADMIN_DOWN, Diagnostic.ADMIN_DOWN)
    assert goodbye.your_discriminator == THEIR_NUMBER
    assert isinstance(effects[-1], m.Finished)
    assert m.Remember("B1", None) in effects, "who comes later does not go on with what has ended"
    assert [type(effect) for effect in effects].index(m.Send) < [type(effect) for effect in effects].index(m.Close)
    assert stage.told() == [False, True], "nobody is told that it is down: we stop"
    assert stage.step(m.Stopped()) == []
    assert stage.engine.deadline == float("inf")


def test_who_was_never_heard_is_told_nothing() -> None:
    stage = Stage()
    assert not any(isinstance(effect, m.Send) for effect in stage.step(m.Stopped()))


def test_a_socket_that_cannot_be_opened_is_tried_again() -> None:
    stage = Stage()
    number = stage.session().discriminator
    for _ in range(3):
        start = stage.now
        stage.step(m.Failed(number, "address not available", True))
        stage.until(start + 0.99)
        assert not stage.all(m.Open, start + 0.001)
        stage.until(start + 1.0)
        assert len(stage.all(m.Open, start + 0.001)) == 1
    assert len([line for line in stage.lines() if "address not available" in line]) == 1
    ports = {effect.source_port for effect in stage.all(m.Open)}
    assert len(ports) == 1
    stage.come_up()
    assert stage.session().trouble == ""


def test_while_a_socket_is_not_open_nothing_is_sent() -> None:
    stage = Stage()
    stage.step(m.Failed(stage.session().discriminator, "no", True))
    start = stage.now
    stage.hear(stage.theirs(DOWN, poll=True))
    stage.wait(0.9)
    assert stage.sent(start + 0.001) == []
    assert stage.session().trouble == "no"
    stage.wait(1.2)
    assert stage.sent(start + 0.001)


def test_a_successor_goes_on_where_a_worker_died() -> None:
    stage = stage_in(UP)
    memory = stage.all(m.Remember)[-1].memory
    assert memory is not None
    successor = Stage(memory={"B1": memory}, seed=9, start=stage.now + 0.005)
    session, old = successor.session(), stage.session()
    assert (session.discriminator, session.source_port) == (old.discriminator, old.source_port)
    assert successor.told() == [True]
    successor.wait(0)
    assert successor.sent()[0][1].state is UP
    successor.keep_alive(0.5)
    assert session.state is UP
    successor.wait(0.03)
    assert session.state is DOWN
    assert successor.told() == [True, False]


def test_a_successor_finds_the_other_end_gone() -> None:
    memory = stage_in(UP).all(m.Remember)[-1].memory
    assert memory is not None
    successor = Stage(memory={"B1": memory}, seed=9)
    successor.wait(0.031)
    assert successor.told() == [True, False]


def test_a_memory_of_another_session_is_none() -> None:
    memory = stage_in(UP).all(m.Remember)[-1].memory
    assert memory is not None
    successor = Stage(bfd(source_ip=bfd().neighbor_ip), memory={"B1": memory}, seed=9)
    assert successor.told() == [False]
    assert successor.session().discriminator != memory.discriminator


def test_what_is_down_again_is_remembered_as_down() -> None:
    stage = stage_in(UP)
    stage.wait(1)
    memory = stage.all(m.Remember)[-1].memory
    assert memory is not None
    assert (memory.up, memory.told, memory.remote_discriminator) == (False, False, 0)


def test_a_packet_from_the_middle_of_nowhere_is_not_encoded_wrongly() -> None:
    """All that is sent can be read, and says what the session is."""
    stage = stage_in(UP)
    stage.keep_alive(0.2)
    for _, packet in stage.sent():
        assert isinstance(packet, Packet)
        assert packet.required_min_echo_rx == 0
        assert not packet.demand


def test_the_log_has_keepalived_s_sentences() -> None:
    stage = stage_in(UP)
    stage.wait(1)
    assert "(B1) Entering Up state" in stage.lines()
    assert stage.lines()[-1] == (
        "(B1) Entering Down state (Local diagnostic - Control Detection Time Expired, "
        "Remote diagnostic - No Diagnostic): nothing was received for 30 ms")
