"""Two BFD workers of ours on a real wire: coming up, silence, goodbye, death, standing still, and what is forged."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest
from bfd_scene import BfdScene, State, Worker, address, instance
from hosts import wait_until

from hakeep.wire.bfd import Diagnostic, Packet

pytestmark = pytest.mark.netns

#: Milliseconds that most tests use: slow enough for a busy machine, with nothing to prove about speed.
PACE = "min_rx 100\nmin_tx 100\nmultiplier 3"
DETECT = 0.3
#: How late a worker may be on a busy machine.
LATE = 0.15


@pytest.fixture
def scene() -> Iterator[BfdScene]:
    with BfdScene() as made:
        yield made
        print(made.story())  # shown when the test fails


def two(scene: BfdScene, family: int = 4, body: str = PACE) -> tuple[Worker, Worker]:
    """A worker on each host, and the session is up."""
    a = scene.ours("a", body, address("b", family))
    b = scene.ours("b", body, address("a", family))
    for worker in (a, b):
        worker.wait_for_session(True, 10)
    return a, b


@pytest.mark.parametrize("family", [4, 6])
def test_a_session_comes_up_and_notices_death(scene: BfdScene, family: int) -> None:
    a, b = two(scene, family)
    assert {seen.hop_limit for seen in scene.seen} == {255}
    for host, worker in (("a", a), ("b", b)):
        ports = {seen.source_port for seen in scene.of(host)}
        assert len(ports) == 1
        assert min(ports) >= 49152
        wait_until(lambda worker=worker: not worker.session()["polling"], 5)
        session = worker.session()
        assert (session["state"], session["remote_state"]) == ("Up", "Up")
        assert session["detect_time"] == pytest.approx(DETECT)
    assert a.session()["discriminator"] == b.session()["remote_discriminator"]

    dying = time.time()
    b.daemon.kill()
    down = a.wait_for_session(False, 5, dying)
    last = scene.of("b")[-1].at
    assert DETECT - 0.002 <= down["heard"] - last <= DETECT + LATE
    assert down["why"] == "nothing was received for 300 ms"
    said = scene.wait_for_packet("a", last, 1, state=State.DOWN)
    assert said.packet.diagnostic is Diagnostic.EXPIRED
    b.daemon.start()
    a.wait_for_session(True, 10, down["heard"])


def test_a_session_over_a_router(scene: BfdScene) -> None:
    far = scene.ours("c", f"{PACE}\nmultihop\nmax_hops 1", "192.0.2.11")
    near = scene.ours("a", f"{PACE}\nmultihop\nmax_hops 1", "198.51.100.13")
    for worker in (near, far):
        worker.wait_for_session(True, 10)
    since = time.time()
    near.reload(instance("peer", "198.51.100.13", f"{PACE}\nmultihop"))
    near.wait_for_session(False, 5, since)
    wait_until(lambda: near.snapshot()["refused"]["ttl"] > 2, 5, "packets that came too far are counted")
    assert near.told() == [False, True, False]


def test_goodbye_is_no_failure(scene: BfdScene) -> None:
    a, b = two(scene)
    b.daemon.signal(signal.SIGTERM)
    wait_until(lambda: not b.daemon.alive(), 5, "b ends")
    assert b.messages()[-1]["do"] == "finished"
    goodbye = scene.wait_for_packet("b", 0, 2, state=State.ADMIN_DOWN).packet
    assert goodbye.diagnostic is Diagnostic.ADMIN_DOWN
    wait_until(lambda: a.session()["state"] == "Down", 2, "a hears it")
    time.sleep(2 * DETECT)
    assert a.told() == [False, True]
    assert a.session()["remote_state"] == "AdminDown"


def test_a_worker_that_dies_is_replaced_and_nobody_notices(scene: BfdScene) -> None:
    """SIGKILL; its successor has its numbers, and is faster than the detection time."""
    a, b = two(scene, body="min_rx 300\nmin_tx 300\nmultiplier 5")
    number = a.session()["discriminator"]
    died = time.time()
    a.daemon.signal(signal.SIGUSR1)
    a.wait_for(lambda m: m["do"] == "started", 10, died)
    a.wait_for_session(True, 1, died)
    time.sleep(2.5)
    assert a.told(died) == [True]
    assert b.told() == [False, True]
    assert a.session()["discriminator"] == number


def test_standing_still_is_not_taken_for_silence(scene: BfdScene) -> None:
    """b is patient, a is not; a stands still for longer than its own detection time, while b goes on sending."""
    a = scene.ours("a", "min_rx 20\nmin_tx 100\nmultiplier 20", address("b", 4))
    b = scene.ours("b", "min_rx 20\nmin_tx 20\nmultiplier 3", address("a", 4))
    for worker in (a, b):
        worker.wait_for_session(True, 10)
    wait_until(lambda: a.session()["detect_time"] == pytest.approx(0.06), 5)
    worker = a.pid()
    before = a.session()["received"]
    os.kill(worker, signal.SIGSTOP)
    time.sleep(0.7)
    os.kill(worker, signal.SIGCONT)
    time.sleep(0.3)
    assert a.told() == [False, True]
    assert b.told() == [False, True]
    assert a.session()["received"] - before > 30, "all that waited was taken in"


def test_a_clock_that_is_set_moves_nothing(scene: BfdScene) -> None:
    """Receive stamps are wall clock time. It cannot be set here, so a reader is given another one."""
    from hakeep.kernel import bfd_socket

    with scene.network["b"].inside():
        ear = bfd_socket.Ear(4, 3784)
    with scene.network["a"].inside():
        mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        for offset in (3600.0, -3600.0):
            real = bfd_socket.clock_gettime
            assert ear.read() == []
            before = time.monotonic()
            mouth.sendto(b"x" * 24, ("192.0.2.12", 3784))
            time.sleep(0.05)
            bfd_socket.clock_gettime = lambda clock, real=real, offset=offset: real(clock) + offset
            try:
                (received,) = wait_until(ear.read, 2)
            finally:
                bfd_socket.clock_gettime = real
            assert before - 0.01 <= received.at <= time.monotonic()
    finally:
        ear.close()
        mouth.close()


def test_what_is_forged_touches_nothing(scene: BfdScene) -> None:
    """By another host of the same network: every kind of packet is counted and no session moves."""
    a, b = two(scene)
    session = a.session()
    good = Packet(State.DOWN, 3, 7, 0, 1.0, 0.1, Diagnostic.ADMIN_DOWN)
    with scene.network["r"].inside():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
    raw = good.encode()
    forged = [
        b"", raw[:20], b"\xff" * 24, b"\0" * 24, raw[:2] + b"\0" + raw[3:], raw[:4] + bytes(4) + raw[8:],
        bytes([raw[0], raw[1] | 1]) + raw[2:], bytes([raw[0], raw[1] | 4]) + raw[2:],
        bytes([raw[0], raw[1] | 0x30]) + raw[2:], bytes([raw[0] | 0x1F]) + raw[1:],
        good._replace(state=State.ADMIN_DOWN, your_discriminator=session["discriminator"]).encode(),
        good._replace(your_discriminator=session["discriminator"]).encode(), raw,
    ]
    for _ in range(50):
        for data in forged:
            sender.sendto(data, ("192.0.2.11", 3784))
    sender.close()
    wait_until(lambda: sum(a.snapshot()["refused"].values()) >= 50 * len(forged), 5, "all are counted")
    assert a.told() == b.told() == [False, True]
    assert a.session()["state"] == "Up"
    refused = a.snapshot()["refused"]
    assert {kind for kind, count in refused.items() if count} >= {
        "length", "version", "multiplier", "multipoint", "authentication", "my_discriminator", "poll_and_final",
        "diagnostic", "unknown_session"}
    assert a.daemon.log().count(" dropped: ") <= len(refused)


def test_settings_change_and_the_session_stays(scene: BfdScene) -> None:
    a, b = two(scene)
    a.reload(instance("peer", address("b", 4), "min_rx 50\nmin_tx 200\nmultiplier 4"))
    wait_until(lambda: not a.session()["polling"], 5)
    wait_until(lambda: b.session()["detect_time"] == pytest.approx(0.8), 5)
    assert (a.session()["tx_interval"], a.session()["rx_interval"]) == (0.2, 0.1)
    assert a.told() == b.told() == [False, True]
    a.reload("")
    assert a.snapshot()["sessions"] == []
    wait_until(lambda: b.session()["remote_state"] == "AdminDown", 2)
    a.reload(instance("peer", address("b", 4), PACE))
    wait_until(lambda: b.session()["state"] == "Up", 5)


def test_an_address_that_comes_later(scene: BfdScene) -> None:
    a = scene.ours("a", f"{PACE}\nsource_ip 192.0.2.77", address("b", 4))
    b = scene.ours("b", PACE, "192.0.2.77")
    assert "Cannot assign requested address" in a.session()["trouble"]
    scene.network["a"].ip("addr add 192.0.2.77/24 dev eth0")
    for worker in (a, b):
        worker.wait_for_session(True, 10)
    assert a.session()["trouble"] == ""
    since = time.time()
    scene.network["a"].ip("addr del 192.0.2.77/24 dev eth0")
    down = b.wait_for_session(False, 5, since)
    scene.network["a"].ip("addr add 192.0.2.77/24 dev eth0")
    b.wait_for_session(True, 10, down["heard"])


def test_the_port_is_taken_and_then_free(scene: BfdScene) -> None:
    with scene.network["a"].inside():
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind(("", 3784))
    a = scene.ours("a", PACE, address("b", 4))
    scene.ours("b", PACE, address("a", 4))
    wait_until(lambda: "Address already in use" in a.daemon.log(), 5)
    other.close()
    a.wait_for_session(True, 10)
    assert a.daemon.log().count("Address already in use") == 1


def test_the_parent_is_gone(scene: BfdScene) -> None:
    """The worker says goodbye and goes: whoever is there must not believe in a session that nobody looks at."""
    a, b = two(scene)
    worker = b.pid()
    os.kill(b.daemon.pid, signal.SIGKILL)
    wait_until(lambda: worker not in b.daemon.processes(), 5, "the worker ends")
    scene.wait_for_packet("b", 0, 2, state=State.ADMIN_DOWN)
    assert a.told() == [False, True]


def test_a_parent_that_stands_still(scene: BfdScene) -> None:
    """Nobody takes what the worker says: it does not wait for that."""
    a, b = two(scene)
    os.kill(a.daemon.pid, signal.SIGSTOP)
    since = time.time()
    time.sleep(2)
    assert len(scene.of("a", since, state=State.UP)) > 15
    os.kill(a.daemon.pid, signal.SIGCONT)
    wait_until(lambda: len([m for m in a.messages(since) if m["do"] == "alive"]) >= 2, 5, "it says that it is alive")
    assert a.told() == b.told() == [False, True]


def test_who_follows_the_session_hears_of_its_end_at_once(scene: BfdScene) -> None:
    """From the packet that says Down to the parent: the best of a few, for a busy machine is late at times."""
    a, b = two(scene)
    worker = b.pid()
    delays = []
    for _ in range(5):
        since = time.time()
        os.kill(worker, signal.SIGSTOP)
        heard = a.wait_for_session(False, 5, since)["heard"]
        os.kill(worker, signal.SIGCONT)
        said = scene.wait_for_packet("a", since, 2, state=State.DOWN, diagnostic=Diagnostic.EXPIRED)
        delays.append(heard - said.at)
        a.wait_for_session(True, 10, heard)
    assert min(delays) < 0.002, delays
