"""Two pairs of routers with the same configuration, one pair hakeep and one keepalived, have the same faults: each time
the same node is MASTER in both.

Each host has two links with a virtual router on each, which are a sync group, and a third link that is tracked. Scripts
and a file move the priorities.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import topology
from hosts import wait_until
from twins import PATIENCE, Happening, Pair, fails, hosts, link, nothing, says, tell

pytestmark = [pytest.mark.netns, pytest.mark.interop, pytest.mark.usefixtures("keepalived")]

VIPS = ("192.0.2.100", "198.51.100.100")
SEGMENTS = {"lan": "192.0.2", "wan": "198.51.100", "aside": "203.0.113"}
PLAN = topology.parse("pair", {"segments": list(SEGMENTS), "hosts": hosts({"a": 11, "b": 12}, SEGMENTS)}, Path())

CONFIG = """
global_defs {{
    enable_script_security
    script_user root
}}
vrrp_script vital {{
    script "/usr/bin/test ! -e {files}/vital-{host}"
    interval 1
    fall 2
    rise 2
}}
vrrp_script weighty {{
    script "/usr/bin/test ! -e {files}/weighty-{host}"
    interval 1
    weight -60
}}
vrrp_script bonus {{
    script "/usr/bin/test -e {files}/bonus-{host}"
    interval 1
    weight 70
}}
track_file number {{
    file {files}/number-{host}
}}
vrrp_sync_group G {{
    group {{
        V0
        V1
    }}
    sync_group_tracking_weight
    track_interface {{
        eth2 weight -60
    }}
    track_script {{
        vital
        weighty
        bonus
    }}
    track_file {{
        number weight 2
    }}
}}
vrrp_instance V0 {{
    version 3
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int 0.2
    virtual_ipaddress {{
        192.0.2.100/24
    }}
}}
vrrp_instance V1 {{
    version 3
    interface eth1
    virtual_router_id 52
    priority {priority}
    advert_int 0.2
    virtual_ipaddress {{
        198.51.100.100/24
    }}
}}
"""


def kill(pair: Pair) -> None:
    """SIGKILL to all of it. What keepalived leaves on the host is taken away, as a reboot would."""
    pair.daemons["a"].kill()
    for vip, name in zip(VIPS, ("eth0", "eth1"), strict=True):
        if pair.network["a"].holds(vip):
            pair.network["a"].ip(f"addr del {vip}/24 dev {name}")


def stop(pair: Pair) -> None:
    pair.daemons["a"].signal(signal.SIGTERM)
    wait_until(lambda: not pair.daemons["a"].alive(), PATIENCE, "it stops")


def start(pair: Pair) -> None:
    pair.daemons["a"].start()


#: What happens, one after the other, and who is to hold both addresses afterwards.
STORY: list[tuple[str, Happening, str]] = [
    ("at the start", nothing, "a"),
    ("the link of one router of a is lost", link("a", "eth1", False), "b"),
    ("it is back", link("a", "eth1", True), "a"),
    ("the other link of a is lost", link("a", "eth0", False), "b"),
    ("it is back, too", link("a", "eth0", True), "a"),
    ("a tracked link of a is lost: 90 against 100", link("a", "eth2", False), "b"),
    ("and that of b: 90 against 40", link("b", "eth2", False), "a"),
    ("both are back: first a's", link("a", "eth2", True), "a"),
    ("then b's", link("b", "eth2", True), "a"),
    ("a script without a weight fails on a", fails("vital-a"), "b"),
    ("it is well again", fails("vital-a", False), "a"),
    ("a script with a weight fails on a: 90 against 100", fails("weighty-a"), "b"),
    ("on b as well: 90 against 40", fails("weighty-b"), "a"),
    ("b's is well: 90 against 100", fails("weighty-b", False), "b"),
    ("a's is well", fails("weighty-a", False), "a"),
    ("b gets a bonus: 150 against 170", fails("bonus-b"), "b"),
    ("a as well: 220 against 170", fails("bonus-a"), "a"),
    ("no bonus for anybody", lambda pair: (pair.file("bonus-a", False), pair.file("bonus-b", False)), "a"),
    ("a's file says -30: 90 against 100", says("a", -30), "b"),
    ("b's says -20: 90 against 60", says("b", -20), "a"),
    ("a's says -200, which is FAULT", says("a", -200), "b"),
    ("both say 0", lambda pair: (pair.number("a", 0), pair.number("b", 0)), "a"),
    ("a is killed", kill, "b"),
    ("a starts again", start, "a"),
    ("a is stopped", stop, "b"),
    ("a starts once more", start, "a"),
]


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    made: list[Pair] = []
    try:
        for kind in ("hakeepd", "keepalived"):
            made.append(Pair(kind, PLAN, VIPS, CONFIG))
            for host in "ab":
                made[-1].number(host, 0)
            made[-1].start()
        yield made
    finally:
        for pair in made:
            pair.close()


def test_the_same_faults_have_the_same_outcome(pairs: list[Pair]) -> None:
    tell(STORY, pairs)
