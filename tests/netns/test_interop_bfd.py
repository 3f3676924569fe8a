"""Our BFD worker with FRR's bfdd and with keepalived's BFD process: up, either end killed, goodbye, passive ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import groundwork
import pytest
from bfd_scene import BfdScene, State, address
from hosts import Daemon, wait_until

from hakeep.wire.bfd import Diagnostic

pytestmark = [pytest.mark.netns, pytest.mark.interop]

#: How late anybody may be on a busy machine.
LATE = 0.15
#: What each side is told, in seconds: we want to send and receive every 100 and 150 ms, they every 120 and 200.
OURS = "min_tx 100\nmin_rx 150\nmultiplier 3"
OUR_TX, THEIR_TX = 0.2, 0.15  # what comes of it
OUR_DETECT, THEIR_DETECT = 4 * THEIR_TX, 3 * OUR_TX

Start = Callable[..., Daemon]


@pytest.fixture
def scene() -> Iterator[BfdScene]:
    with BfdScene() as made:
        yield made
        print(made.story())  # shown when the test fails


@pytest.fixture(params=["frr", "keepalived"])
def start(request: pytest.FixtureRequest, scene: BfdScene) -> Start:
    """Starts the other implementation on host b; `passive` and `multihop` are options that both have."""
    program = {"frr": "/usr/lib/frr/bfdd", "keepalived": "keepalived"}[request.param]
    if not groundwork.find_program(program):
        pytest.skip(f"{request.param} is not installed")
    if request.param == "frr" and Path("/proc/self/uid_map").read_text().split()[2] == "1":
        pytest.skip("FRR becomes a user of its own, and this user namespace has none")

    def frr(family: int, *, passive: bool = False) -> Daemon:
        body = "transmit-interval 120\nreceive-interval 200\ndetect-multiplier 4"
        peer = f"{address('a', family)} local-address {address('b', family)} interface eth0"
        return scene.frr("b", peer, body + ("\npassive-mode" if passive else ""))

    def keepalived(family: int, *, passive: bool = False) -> Daemon:
        body = f"source_ip {address('b', family)}\nmin_tx 120\nmin_rx 200\nmultiplier 4\nhoplimit 255"
        return scene.keepalived("b", body + ("\npassive" if passive else ""), address("a", family))

    return frr if request.param == "frr" else keepalived


@pytest.mark.parametrize("family", [4, 6])
def test_up_and_both_ends_notice_the_death_of_the_other(scene: BfdScene, start: Start, family: int) -> None:
    ours = scene.ours("a", OURS, address("b", family))
    theirs = start(family)
    ours.wait_for_session(True, 15)
    wait_until(lambda: not ours.session()["polling"], 5, "polls are answered")
    session = ours.session()
    assert (session["tx_interval"], session["rx_interval"]) == (pytest.approx(OUR_TX), pytest.approx(THEIR_TX))
    assert session["detect_time"] == pytest.approx(OUR_DETECT)
    steady = time.time()
    time.sleep(3)
    assert ours.told() == [False, True]
    assert scene.of("b", steady, state=State.DOWN) == []

    since = time.time()
    theirs.kill()
    down = ours.wait_for_session(False, 5, since)
    last = scene.of("b")[-1].at
    assert OUR_DETECT - 0.002 <= down["heard"] - last <= OUR_DETECT + LATE

    restarted = time.time()
    theirs.start()
    ours.wait_for_session(True, 15, restarted)
    wait_until(lambda: not ours.session()["polling"], 5, "polls are answered")
    time.sleep(1)

    since = time.time()
    ours.daemon.kill()
    down_packet = scene.wait_for_packet("b", since, 5, state=State.DOWN)
    last = scene.of("a")[-1].at
    assert THEIR_DETECT - 0.02 <= down_packet.at - last <= THEIR_DETECT + LATE
    assert down_packet.packet.diagnostic is Diagnostic.EXPIRED


def test_our_goodbye_is_understood(scene: BfdScene, start: Start) -> None:
    ours = scene.ours("a", OURS, address("b", 4))
    start(4)
    ours.wait_for_session(True, 15)
    wait_until(lambda: not ours.session()["polling"], 5, "polls are answered")
    since = time.time()
    ours.daemon.signal(15)
    goodbye = scene.wait_for_packet("a", since, 2, state=State.ADMIN_DOWN)
    answer = scene.wait_for_packet("b", goodbye.at, THEIR_DETECT - 0.1, state=State.DOWN)
    assert answer.packet.diagnostic is Diagnostic.NEIGHBOR_DOWN


def test_we_are_passive(scene: BfdScene, start: Start) -> None:
    ours = scene.ours("a", OURS + "\npassive", address("b", 4))
    time.sleep(2.5)
    assert scene.of("a") == []
    start(4)
    ours.wait_for_session(True, 15)


def test_they_are_passive(scene: BfdScene, start: Start) -> None:
    start(4, passive=True)
    time.sleep(2.5)
    assert scene.of("b") == []
    scene.ours("a", OURS, address("b", 4)).wait_for_session(True, 15)


def test_our_other_settings_are_taken_up(scene: BfdScene, start: Start) -> None:
    """A Poll Sequence of ours, while the session stays up."""
    ours = scene.ours("a", OURS, address("b", 4))
    start(4)
    ours.wait_for_session(True, 15)
    wait_until(lambda: not ours.session()["polling"], 5, "polls are answered")
    ours.reload(f"bfd_instance peer {{\nneighbor_ip {address('b', 4)}\nmin_tx 300\nmin_rx 50\nmultiplier 3\n}}\n")
    wait_until(lambda: not ours.session()["polling"], 5, "the poll is answered")
    wait_until(lambda: ours.session()["rx_interval"] == pytest.approx(0.12), 5, "they send as often as they like to")
    assert ours.session()["tx_interval"] == pytest.approx(0.3)
    time.sleep(1.5)
    assert ours.told() == [False, True]


def test_keepalived_over_ipv6_needs_its_hop_limit_allowed(scene: BfdScene) -> None:
    """By itself keepalived sends IPv6 packets with hop limit 64, which anybody could do from afar."""
    if not groundwork.find_program("keepalived"):
        pytest.skip("keepalived is not installed")
    strict = scene.ours("a", OURS, address("b", 6))
    scene.keepalived("b", "min_tx 120\nmin_rx 200\nmultiplier 4", address("a", 6))
    wait_until(lambda: strict.snapshot()["refused"]["ttl"] >= 2, 15)
    assert strict.told() == [False]
    assert "hop limit is 64 and must be 255" in strict.daemon.log()
    since = time.time()
    strict.reload(f"bfd_instance peer {{\nneighbor_ip {address('b', 6)}\nmax_hops 191\n{OURS}\n}}\n")
    strict.wait_for_session(True, 15, since)
