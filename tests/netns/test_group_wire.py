"""A sync group on the wire: two hosts with two links each, and one link is cut. keepalived does the same to a tenth of
a second."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import topology
from hosts import HAKEEPD, Network, wait_until
from observe import Sniffer

pytestmark = pytest.mark.netns

PATIENCE = 20.0
VRIDS = (51, 52)
NUMBERS, PRIORITIES = {"a": 11, "b": 12}, {"a": 150, "b": 100}
INTERVAL = 0.5

#: Master down intervals of RFC 9568 section 6.1.
DOWN = {host: 3 * INTERVAL + (256 - priority) / 256 * INTERVAL for host, priority in PRIORITIES.items()}

#: What routers may be late by, and the adverts of a group apart.
LATE, APART = 0.3, 0.02

PLAN = topology.parse("cut", {
    "segments": ["lan", "wan"],
    "hosts": {name: {"interfaces": {
        "eth0": {"segment": "lan", "addresses": [f"192.0.2.{n}/24"]},
        "eth1": {"segment": "wan", "addresses": [f"198.51.100.{n}/24"]},
    }} for name, n in NUMBERS.items()},
}, Path())

GROUP = "vrrp_sync_group G {\n group {\n V51\n V52\n }\n}\n"
INSTANCE = """
vrrp_instance V{vrid} {{
    version 3
    interface {interface}
    virtual_router_id {vrid}
    priority {priority}
    advert_int {interval}
    virtual_ipaddress {{
        {address}/24
    }}
}}
"""


def config(host: str) -> str:
    places = zip(VRIDS, ("eth0", "eth1"), ("192.0.2.100", "198.51.100.100"), strict=True)
    return GROUP + "".join(
        INSTANCE.format(vrid=vrid, interface=interface, address=address, priority=PRIORITIES[host], interval=INTERVAL)
        for vrid, interface, address in places)


def test_one_link_is_cut_and_both_go() -> None:
    one_link_is_cut("hakeepd")


@pytest.mark.interop
@pytest.mark.usefixtures("keepalived")
def test_keepalived_does_the_same() -> None:
    one_link_is_cut("keepalived")


def one_link_is_cut(kind: str) -> None:
    with Network(PLAN, HAKEEPD) as network, Sniffer(network) as sniffer:

        def first(host: str, since: float) -> list[float]:
            """When it sent its first advert as MASTER, of each router; nothing as long as one is missing."""
            found = [[f.at for f in sniffer.adverts(host, since, vrid=vrid) if f.priority] for vrid in VRIDS]
            return [times[0] for times in found] if all(found) else []

        for host in NUMBERS:
            network.add(host, "vrrp", kind, config(host)).start()
        wait_until(lambda: first("a", 0), PATIENCE, "a is MASTER of both")
        time.sleep(2 * INTERVAL)

        cut = time.time()
        network.switch.ip("link set a.eth1 down")
        both = wait_until(lambda: first("b", cut), PATIENCE, "b is MASTER of both")
        resigned = sniffer.adverts("a", cut, priority=0)
        assert {frame.vrid for frame in resigned} == {51}, "on the link that is left, and once"
        assert len(resigned) == 1 and resigned[0].at - cut < LATE
        assert not first("a", resigned[0].at)
        heard = max(frame.at for frame in sniffer.adverts("a", vrid=52))
        assert max(both) - min(both) < APART, "together"
        assert -0.02 < min(both) - heard - DOWN["b"] < LATE, "not before the one that was only silent is given up"
        wait_until(lambda: network["b"].holds("192.0.2.100") and network["b"].holds("198.51.100.100"), PATIENCE)
        assert not network["a"].holds("192.0.2.100") and not network["a"].holds("198.51.100.100")

        back = time.time()
        network.switch.ip("link set a.eth1 up")
        again = wait_until(lambda: first("a", back), PATIENCE, "a is MASTER of both again")
        assert max(again) - min(again) < APART
        assert -0.02 < min(again) - back - DOWN["a"] < LATE + 0.5, "a full down interval from when the link is back"
        time.sleep(3 * INTERVAL)
        assert not sniffer.adverts("b", back, priority=0), "it gives way without a word"
        assert max(frame.at for frame in sniffer.adverts("b", back)) < max(again) + LATE
