"""Two pairs of routers with the same configuration, one pair hakeep and one keepalived, have the same faults: each time
the same node is MASTER in both.

Each host has two links with a virtual router on each, which are a sync group, and a third link that is tracked. Scripts
and a file move the priorities.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import topology
from hosts import HAKEEPD, Daemon, Network, wait_until

pytestmark = [pytest.mark.netns, pytest.mark.interop, pytest.mark.usefixtures("keepalived")]

#: Seconds for which a new holder must stay to be believed, and an old one: scripts run once a second and may fail
#: once.
STEADY, UNMOVED = 0.7, 3.0

#: Seconds that it may take until it is so.
PATIENCE = 25.0

VIPS = ("192.0.2.100", "198.51.100.100")
NUMBERS = {"a": 11, "b": 12}
PRIORITIES = {"a": 150, "b": 100}

PLAN = topology.parse("pair", {
    "segments": ["lan", "wan", "aside"],
    "hosts": {name: {"interfaces": {
        "eth0": {"segment": "lan", "addresses": [f"192.0.2.{n}/24"]},
        "eth1": {"segment": "wan", "addresses": [f"198.51.100.{n}/24"]},
        "eth2": {"segment": "aside", "addresses": [f"203.0.113.{n}/24"]},
    }} for name, n in NUMBERS.items()},
}, Path())

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


class Pair:
    """Two hosts that run the same implementation."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.network = Network(PLAN, HAKEEPD)
        self.daemons: dict[str, Daemon] = {}
        for host, priority in PRIORITIES.items():
            (self.network.files / f"number-{host}").write_text("0\n")
            config = CONFIG.format(files=self.network.files, host=host, priority=priority)
            self.daemons[host] = self.network.add(host, "vrrp", kind, config).start()

    def holders(self) -> tuple[str, ...]:
        """For each address, who has it."""
        return tuple("".join(name for name in NUMBERS if self.network[name].holds(vip)) for vip in VIPS)

    def settles_on(self, holder: str, was: str) -> None:
        """Wait until this host has both addresses, and has had them for a while."""
        since = time.monotonic()

        def steady() -> bool:
            nonlocal since
            now = time.monotonic()
            if self.holders() != (holder, holder):
                since = now
            return now - since > (UNMOVED if holder == was else STEADY)

        wait_until(steady, PATIENCE, f"{holder} has both addresses")

    # -- faults

    def link(self, host: str, name: str, up: bool) -> None:
        self.network.switch.ip(f"link set {host}.{name} {'up' if up else 'down'}")

    def file(self, name: str, there: bool) -> None:
        path = self.network.files / name
        if there:
            path.touch()
        else:
            path.unlink(missing_ok=True)

    def number(self, host: str, value: int) -> None:
        (self.network.files / f"number-{host}").write_text(f"{value}\n")

    def close(self) -> None:
        self.network.close()


def link(host: str, name: str, up: bool) -> Callable[[Pair], None]:
    return lambda pair: pair.link(host, name, up)


def fails(what: str, failed: bool = True) -> Callable[[Pair], None]:
    return lambda pair: pair.file(what, failed)


def says(host: str, value: int) -> Callable[[Pair], None]:
    return lambda pair: pair.number(host, value)


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
STORY: list[tuple[str, Callable[[Pair], None], str]] = [
    ("at the start", lambda pair: None, "a"),
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
    ("no bonus for anybody", lambda pair: (pair.file("bonus-a", False), pair.file("bonus-b", False))[0], "a"),
    ("a's file says -30: 90 against 100", says("a", -30), "b"),
    ("b's says -20: 90 against 60", says("b", -20), "a"),
    ("a's says -200, which is FAULT", says("a", -200), "b"),
    ("both say 0", lambda pair: (pair.number("a", 0), pair.number("b", 0))[0], "a"),
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
            made.append(Pair(kind))
        yield made
    finally:
        for pair in made:
            pair.close()


def test_the_same_faults_have_the_same_outcome(pairs: list[Pair]) -> None:
    was = ""
    for what, happens, holder in STORY:
        for pair in pairs:
            happens(pair)
        for pair in pairs:
            try:
                pair.settles_on(holder, was)
            except TimeoutError as error:
                error.add_note(f"{pair.kind} after: {what}; it is {pair.holders()}")
                for host, daemon in pair.daemons.items():
                    error.add_note(f"--- log on {host}\n" + "\n".join(daemon.log().splitlines()[-25:]))
                raise
        was = holder
