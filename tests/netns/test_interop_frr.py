"""hakeep and FRR's vrrpd as one virtual router: version 3, IPv4, the only ways that FRR has without a routing protocol.

FRR wants the address on a macvlan that the administrator made, always; it is reachable there only while FRR is master.
So its state is read off the wire.
"""

from __future__ import annotations

import time

import pytest
from hosts import Daemon, wait_until
from scene import VIP, VRID, Scene, Way

pytestmark = [pytest.mark.netns, pytest.mark.interop, pytest.mark.usefixtures("frr")]

WAY = Way(3, 0.2)
EARLY, LATE = 0.01, 0.15


def frr_on(scene: Scene, host: str, priority: int) -> Daemon:
    """FRR's vrrpd on a host, with the macvlan it needs."""
    there = scene.network[host]
    there.ip("link add vrrp4 link eth0 type macvlan mode bridge")
    there.ip(f"link set vrrp4 address 00:00:5e:00:01:{VRID:02x} addrgenmode random")
    there.ip("link set vrrp4 up")
    there.ip(f"addr add {VIP}/32 dev vrrp4")
    return scene.run(host, f"""
interface eth0
 vrrp {VRID} version 3
 vrrp {VRID} priority {priority}
 vrrp {VRID} advertisement-interval {WAY.interval * 1000:.0f}
 vrrp {VRID} ip {VIP}
""", "frr")


def test_hakeep_is_the_better_one(scene: Scene) -> None:
    ours = scene.run("a", WAY.config("a", 150))
    scene.wait_for_holder("a", 5)
    frr_on(scene, "b", 100)
    time.sleep(3)
    assert scene.sniffer.adverts("b") == [], "a second master"

    ours.kill()
    last = scene.sniffer.adverts("a")[-1].at
    first = scene.first_advert("b", last, 3)
    assert WAY.down_interval(100) - EARLY <= first.at - last <= WAY.down_interval(100) + LATE
    assert (first.priority, first.interval, first.addresses) == (100, WAY.interval, (VIP,))

    listening = scene.start(ours)
    first = scene.first_advert("a", listening, 3)
    time.sleep(1)
    assert scene.sniffer.adverts("b", first.at + LATE) == [], "a second master"

    since = time.time()
    ours.signal(15)
    farewell = scene.first_advert("a", since, 1, priority=0).at
    first = scene.first_advert("b", farewell, 1)
    assert first.at - farewell <= WAY.skew(100) + LATE
    wait_until(lambda: not scene.network["a"].holds(VIP), 2, "a gives the address up")


def test_frr_is_the_better_one(scene: Scene) -> None:
    theirs = frr_on(scene, "b", 150)
    scene.first_advert("b", 0, 8)
    scene.run("a", WAY.config("a", 100))
    time.sleep(3)
    assert scene.sniffer.adverts("a") == [], "a second master"
    assert not scene.network["a"].holds(VIP)

    theirs.kill()
    last = scene.sniffer.adverts("b")[-1].at
    first = scene.first_advert("a", last, 3)
    assert WAY.down_interval(100) - EARLY <= first.at - last <= WAY.down_interval(100) + LATE
    wait_until(lambda: scene.network["a"].holds(VIP), 1, "a takes the address")

    since = time.time()
    scene.start(theirs)
    first = scene.first_advert("b", since, 8)
    wait_until(lambda: not scene.network["a"].holds(VIP), 1, "a gives the address up")
    time.sleep(1)
    assert scene.sniffer.adverts("a", first.at + LATE) == [], "a second master"
