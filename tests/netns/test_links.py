"""Links come and go: VMACs with a reload, and those of others all the time. Adverts do not wait for any of them."""

from __future__ import annotations

import itertools
import signal
import time

import pytest
from hosts import wait_until
from scene import VRID, Scene, Way
from test_daemon import PATIENCE, reconfigure, running_master, status

from hakeep.kernel.nft import Nft, NftMonitor

pytestmark = pytest.mark.netns

FAST = Way(version=3, interval=0.1)

#: Many enough that to make or remove them all takes longer than two intervals.
MANY = 24


def with_vmacs(first: int) -> str:
    """The instance of the scene, and many on VMACs, with VRIDs from `first` on."""
    others = (
        f"vrrp_instance v{vrid} {{ \n version 3 \n interface eth0 \n use_vmac \n virtual_router_id {vrid} \n"
        f" priority 150 \n advert_int 0.1 \n virtual_ipaddress {{ \n 192.0.2.{vrid} \n }} \n }}\n"
        for vrid in range(first, first + MANY)
    )
    return FAST.config("a", 150) + "".join(others)


def vmacs(scene: Scene) -> set[str]:
    links = scene.network["a"].ip("-o", "link", "show", "type", "macvlan")
    return {line.split(":")[1].split("@")[0].strip() for line in links.splitlines()}


def test_vmacs_come_and_go_with_a_reload_and_adverts_keep_their_beat(scene: Scene) -> None:
    before = scene.network["a"].ip("-o", "link", "show")
    daemon = scene.run("a", with_vmacs(110))
    scene.wait_for_holder("a", PATIENCE)
    wait_until(lambda: len(scene.sniffer.adverts("a", vrid=110 + MANY - 1)) > 3, PATIENCE)
    since = time.time()
    reconfigure(daemon, with_vmacs(150))
    after = {f"vrrp.{vrid}" for vrid in range(150, 150 + MANY)}
    wait_until(lambda: vmacs(scene) == after, PATIENCE, "old links are gone")
    for vrid in range(150, 150 + MANY):
        wait_until(lambda vrid=vrid: scene.sniffer.adverts("a", since, vrid=vrid), PATIENCE, f"VRID {vrid} serves")
    wait_until(lambda: len(scene.sniffer.adverts("a", since, vrid=VRID)) > 10, PATIENCE)
    times = [frame.at for frame in scene.sniffer.adverts("a", since, vrid=VRID)]
    assert max(b - a for a, b in itertools.pairwise(times)) < 0.2, "it waited for links"
    for vrid in range(110, 110 + MANY):
        assert len(scene.sniffer.adverts("a", since, vrid=vrid, priority=0)) == 1, "it resigned while it could"
    assert "FAULT" not in daemon.log(), "instances start when their links are there"
    daemon.signal(signal.SIGTERM)
    wait_until(lambda: not daemon.alive(), PATIENCE)
    assert scene.network["a"].ip("-o", "link", "show") == before


def test_a_vmac_that_somebody_deletes_comes_back(scene: Scene) -> None:
    daemon = running_master(scene, "use_vmac")
    scene.network["a"].ip("link", "del", f"vrrp.{VRID}")
    wait_until(lambda: "FAULT" in daemon.log(), PATIENCE)
    scene.wait_for_holder("a", PATIENCE)
    assert vmacs(scene) == {f"vrrp.{VRID}"}


def test_links_of_others_are_none_of_our_business(scene: Scene) -> None:
    """Containers come and go: no transaction of the packet filter, no advert out of step."""
    daemon = running_master(scene)
    wait_until(lambda: status(daemon)["fence"] == "active", PATIENCE)
    host = scene.network["a"]
    with host.inside():
        monitor = NftMonitor("hakeep", Nft())
    try:
        for number in range(5):
            host.ip("link", "add", f"veth{number}", "type", "veth", "peer", "name", f"peer{number}")
            host.ip("link", "set", f"veth{number}", "up")
            host.ip("addr", "add", f"198.51.100.{number}/32", "dev", f"veth{number}")
            host.ip("link", "del", f"veth{number}")
        count = len(scene.sniffer.adverts("a"))
        wait_until(lambda: len(scene.sniffer.adverts("a")) > count + 2, PATIENCE)
        assert monitor.receive() == []
    finally:
        monitor.close()
    assert status(daemon)["state"] == "MASTER"
