"""hakeep and keepalived as one virtual router: each as master of the other, in every way of the protocol they share.

One run of a pair goes through start, crash of the master, its return, and its orderly stop. Who is right is judged by
the wire and the kernel, against the times of RFC 3768 and RFC 9568.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from hosts import wait_until
from scene import VIP, VIP6, VRID, Scene, Way

pytestmark = [pytest.mark.netns, pytest.mark.interop, pytest.mark.usefixtures("keepalived")]

WAYS = {
    "v2": Way(2, 1),
    "v2-pass": Way(2, 1, "authentication {{\n auth_type PASS\n auth_pass 1234abcd\n }}", auth="PASS"),
    "v2-ah": Way(2, 1, "authentication {{\n auth_type AH\n auth_pass 1234abcd\n }}", auth="AH"),
    "v2-vmac": Way(2, 1, "use_vmac"),
    "v3": Way(3, 0.2),
    "v3-vmac": Way(3, 0.2, "use_vmac"),
    "v3-ipv6": Way(3, 0.2, vips=("fe80::51/64", f"{VIP6}/64"), source="fe80::"),
    "v3-ipv6-vmac": Way(3, 0.2, "use_vmac", vips=("fe80::51/64", f"{VIP6}/64"), source="fe80::"),
    "v3-unicast": Way(3, 0.2, "unicast_src_ip 192.0.2.{me}\n unicast_peer {{\n 192.0.2.{peer}\n }}"),
    "v3-ipv6-unicast": Way(3, 0.2, "unicast_src_ip 2001:db8::{me}\n unicast_peer {{\n 2001:db8::{peer}\n }}",
                           vips=(f"{VIP6}/64",), source="2001:db8::"),
}

#: How much later than in theory a takeover may be, in seconds: two busy processors, and one process that wakes up.
LATE = 0.15
#: How much earlier: rounding and clocks.
EARLY = 0.01

#: Whom an advert goes to when it goes to a peer: b, for what a says is looked at.
PEERS = ("192.0.2.12", "2001:db8::12")

COMPLAINT = re.compile(r"invalid|auth.*(fail|mismatch)|mismatch|bogus|checksum|malformed|replay|wrong", re.IGNORECASE)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(("better", "other"), [("hakeepd", "keepalived"), ("keepalived", "hakeepd")])
def test_a_pair(make_scene: Callable[..., Scene], way: Way, better: str, other: str) -> None:
    vip = VIP6 if ":" in way.vips[-1] else VIP
    scene = make_scene(vip)
    a = scene.run("a", way.config("a", 150), better)
    scene.wait_for_holder("a", way.down_interval(150) + 2)
    b = scene.run("b", way.config("b", 100), other)
    the_backup_stays_silent(scene, way)
    the_adverts_are_right(scene, way)

    a.kill()
    takeover(scene, way, since=scene.sniffer.adverts("a")[-1].at, delay=way.down_interval(100))

    heard_from = scene.start(a)
    the_better_one_takes_back(scene, way, heard_from)

    since = time.time()
    a.signal(15)
    farewell = scene.first_advert("a", since, 1, priority=0)
    takeover(scene, way, since=farewell.at, delay=way.skew(100))
    wait_until(lambda: not a.alive(), 10, "a ends")
    assert scene.holders() == {"b"}
    b.stop()
    assert scene.holders() == set()
    assert all(advert.intact for advert in scene.sniffer.adverts())
    for daemon in (a, b):
        assert not COMPLAINT.findall(daemon.log())


def the_backup_stays_silent(scene: Scene, way: Way) -> None:
    """b listens for two down intervals and says nothing."""
    time.sleep(1.5 * way.down_interval(100))
    assert scene.sniffer.adverts("b") == []
    assert scene.holders() == {"a"}


def the_adverts_are_right(scene: Scene, way: Way) -> None:
    """What a says is what it was told to say."""
    for advert in scene.sniffer.adverts("a"):
        assert (advert.version, advert.vrid, advert.priority, advert.auth) == (way.version, 51, 150, way.auth)
        assert advert.interval == way.interval
        assert advert.addresses == tuple(vip.partition("/")[0] for vip in way.vips)
        assert advert.source.startswith(way.source)
        assert advert.ttl == (64 if advert.destination == PEERS[1] else 255)  # the system's own, without unicast_ttl
        assert advert.mac == mac_of(scene, way, "a")
        assert (advert.destination in PEERS) == ("unicast" in way.extra)


def mac_of(scene: Scene, way: Way, host: str) -> str:
    """The MAC address that a master on that host shows: of the virtual router (RFC 9568 section 7.3) or its own."""
    if "use_vmac" in way.extra:
        return f"00:00:5e:00:{2 if ':' in way.vips[0] else 1:02x}:{VRID:02x}"
    return scene.network[host].macs()["eth0"]


def takeover(scene: Scene, way: Way, since: float, delay: float) -> None:
    """b becomes master `delay` seconds after a's last word at `since`, takes the address and announces it."""
    first = scene.first_advert("b", since, delay + 2)
    assert delay - EARLY <= first.at - since <= delay + LATE
    announced = wait_until(lambda: scene.sniffer.announcements("b", first.at, scene.vip), 1, "b announces the address")
    assert announced[0].at - first.at < LATE
    assert announced[0].mac == mac_of(scene, way, "b")
    wait_until(lambda: "b" in scene.holders(), 1, "b has the address")
    time.sleep(2 * way.interval)
    assert not [advert for advert in scene.sniffer.adverts("a", first.at) if advert.priority], "a second master"


def the_better_one_takes_back(scene: Scene, way: Way, heard_from: float) -> None:
    """a, back again, is master after its own down interval; b gives way at its first word."""
    first = scene.first_advert("a", heard_from, way.down_interval(150) + 2)
    assert way.down_interval(150) - 0.1 <= first.at - heard_from <= way.down_interval(150) + 2 * LATE
    scene.wait_for_holder("a", 1)
    time.sleep(2 * way.interval)
    assert scene.sniffer.adverts("b", first.at + LATE) == [], "a second master"
