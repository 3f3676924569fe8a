"""Processes, BFD sessions, reversed things, bonuses, `nopreempt` and links that are cut at the switch: each time the
same node is MASTER with hakeep as with keepalived.

Each host has three links. Two virtual routers are a sync group; on the third link is one that does not preempt. A third
host on the first link is the neighbor of BFD sessions.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import topology
import world
from hosts import wait_until
from twins import PATIENCE, FromOutside, Happening, Pair, fails, hosts, link, nothing, says, tell

pytestmark = [pytest.mark.netns, pytest.mark.interop, pytest.mark.usefixtures("keepalived")]

VIPS = ("192.0.2.100", "198.51.100.100", "203.0.113.100")
SEGMENTS = {"lan": "192.0.2", "wan": "198.51.100", "aside": "203.0.113"}
PLAN = topology.parse("pair", {
    "segments": list(SEGMENTS),
    "hosts": {**hosts({"a": 11, "b": 12}, SEGMENTS), **hosts({"c": 13}, {"lan": SEGMENTS["lan"]})},
}, Path())

CONFIG = """
{namespace}
global_defs {{{{
    enable_script_security
    script_user root
}}}}
vrrp_script closed {{{{
    script "/usr/bin/test -e {{files}}/closed-{{host}}"
    interval 1
    init_fail
}}}}
vrrp_script member {{{{
    script "/usr/bin/test ! -e {{files}}/member-{{host}}"
    interval 1
}}}}
vrrp_script bonus {{{{
    script "/usr/bin/test -e {{files}}/bonus-{{host}}"
    interval 1
    weight 70
}}}}
vrrp_script alone {{{{
    script "/usr/bin/test ! -e {{files}}/alone-{{host}}"
    interval 1
}}}}
vrrp_script weak {{{{
    script "/usr/bin/test ! -e {{files}}/weak-{{host}}"
    interval 1
    weight -60
}}}}
track_file number {{{{
    file {{files}}/number-{{host}}
}}}}
{process}
bfd_instance beyond {{{{
    neighbor_ip 192.0.2.13
    min_rx 50
    min_tx 50
    multiplier 4
}}}}
vrrp_sync_group G {{{{
    group {{{{
        V0
        V1
    }}}}
    sync_group_tracking_weight
    track_script {{{{
        closed weight 0 reverse
        bonus
    }}}}
    track_file {{{{
        number weight 2 reverse
    }}}}
    {track_process}
    track_bfd {{{{
        beyond weight -60
    }}}}
}}}}
vrrp_instance V0 {{{{
    version 3
    interface eth0
    virtual_router_id 51
    priority {{priority}}
    advert_int 0.2
    virtual_ipaddress {{{{
        192.0.2.100/24
    }}}}
}}}}
vrrp_instance V1 {{{{
    version 3
    interface eth1
    virtual_router_id 52
    priority {{priority}}
    advert_int 0.2
    track_script {{{{
        member
    }}}}
    virtual_ipaddress {{{{
        198.51.100.100/24
    }}}}
}}}}
vrrp_instance V2 {{{{
    state BACKUP
    nopreempt
    version 3
    interface eth2
    virtual_router_id 53
    priority {{priority}}
    advert_int 0.2
    track_script {{{{
        alone
        weak
    }}}}
    virtual_ipaddress {{{{
        203.0.113.100/24
    }}}}
}}}}
"""
PROCESS = """
vrrp_track_process work {{{{
    process {mark}{{host}}
    weight -60
}}}}
"""
TRACK_PROCESS = "track_process {{\nwork\n}}"

#: The kernel tells keepalived of processes in the initial namespaces only, and it knows no other way.
PROCESSES = not world.inside()

NEIGHBORS = "".join(f"""
bfd_instance {host} {{
    neighbor_ip 192.0.2.{number}
    min_rx 50
    min_tx 50
    multiplier 4
}}""" for host, number in (("a", 11), ("b", 12)))


class Tracking(Pair):
    """A pair with its neighbor c and the processes that are watched, whose name says whose they are."""

    def __init__(self, kind: str) -> None:
        self.mark = f"{kind[:2]}{os.getpid()}"
        self.namespace = f"{kind[:2]}-{{host}}"
        self.works: dict[str, subprocess.Popen[bytes]] = {}
        outside = PROCESSES and kind == "keepalived"
        super().__init__(kind, PLAN, VIPS, CONFIG.format(
            namespace=f"net_namespace {self.namespace}" if outside else "",
            process=PROCESS.format(mark=self.mark) if PROCESSES else "",
            track_process=TRACK_PROCESS if PROCESSES else ""))
        self.neighbor = self.network.add("c", "bfd", kind, NEIGHBORS)
        for host, daemon in list(self.daemons.items()):
            self.number(host, 0)
            self.work(host, True)
            if outside:
                daemon = FromOutside(daemon, self.namespace.format(host=host), self.files)
                self.network.daemons[host, "vrrp"] = self.daemons[host] = daemon
        for daemon in self.network.daemons.values():
            daemon.words = tuple(word for word in daemon.words if word != "-P")  # with it there would be no BFD
        self.neighbor.start()
        self.daemons["a"].start()  # where nobody preempts, the first one is the one
        wait_until(lambda: self.network["a"].holds(VIPS[2]), PATIENCE, f"{VIPS[2]} is with a")
        self.daemons["b"].start()

    def work(self, host: str, there: bool) -> None:
        """A process with the name that this host looks for is started, or killed."""
        if there:
            program = self.files / f"{self.mark}{host}"
            shutil.copy("/bin/sleep", program)
            self.works[host] = subprocess.Popen([program, "600"])
        elif host in self.works:
            process = self.works.pop(host)
            process.kill()
            process.wait()

    def port(self, host: str, name: str, open_: bool) -> None:
        """The switch forwards for this port, or drops all while the link stays up."""
        self.network.switch.run("bridge", "link", "set", "dev", f"{host}.{name}", "state", "3" if open_ else "0")

    def close(self) -> None:
        for host in list(self.works):
            self.work(host, False)
        super().close()


def work(host: str, there: bool) -> Happening:
    return lambda pair: pair.work(host, there)  # type: ignore[attr-defined]


def port(open_: bool, *ports: str) -> Happening:
    def happens(pair: Pair) -> None:
        for each in ports:
            host, _, name = each.partition(".")
            pair.port(host, name, open_)  # type: ignore[attr-defined]

    return happens


def neighbor_dies(pair: Pair) -> None:
    pair.neighbor.kill()  # type: ignore[attr-defined]


def neighbor_lives(pair: Pair) -> None:
    pair.neighbor.start()  # type: ignore[attr-defined]


PROCESS_STORY: list[tuple[str, Happening, str]] = [
    ("the process of a dies: 90 against 100", work("a", False), "b b a"),
    ("that of b as well: 90 against 40", work("b", False), "a"),
    ("that of a lives again", work("a", True), "a"),
    ("that of b, too", work("b", True), "a"),
]

#: What happens, one after the other, and who is to hold the addresses of V0, V1 and V2 afterwards.
STORY: list[tuple[str, Happening, str]] = [
    ("at the start", nothing, "a"),
    *(PROCESS_STORY if PROCESSES else []),
    ("a is closed by a reversed script", fails("closed-a"), "b b a"),
    ("a is open", fails("closed-a", False), "a"),
    ("a's reversed file says 30: 90 against 100", says("a", 30), "b b a"),
    ("b's says 20: 90 against 60", says("b", 20), "a"),
    ("a's says -30: 210 against 60", says("a", -30), "a"),
    ("b gets a bonus: 210 against 130", fails("bonus-b"), "a"),
    ("a's file says 0: 150 against 130", says("a", 0), "a"),
    ("b's, too: 150 against 170", says("b", 0), "b b a"),
    ("b loses its bonus", fails("bonus-b", False), "a"),
    ("a script of one member fails on a", fails("member-a"), "b b a"),
    ("it is well", fails("member-a", False), "a"),
    ("the neighbor dies: 90 against 40", neighbor_dies, "a"),
    ("it is there again", neighbor_lives, "a"),
    ("nothing comes through a's first link: the sessions of a end, 90 against 100", port(False, "a.eth0"), "b b a"),
    ("it does again", port(True, "a.eth0"), "a"),
    ("nothing comes through a's second link: half a group does not move", port(False, "a.eth1"), "a"),
    ("nothing through either: each side is alone", port(False, "a.eth0"), "ab ab a"),
    ("all comes through", port(True, "a.eth0", "a.eth1"), "a"),
    ("the third link of a is lost", link("a", "eth2", False), "a a b"),
    ("it is back: nobody preempts", link("a", "eth2", True), "a a b"),
    ("nothing comes through it: each side is alone", port(False, "a.eth2"), "a a ab"),
    ("it does: the better one stays", port(True, "a.eth2"), "a"),
    ("a script with a weight fails there: 90 against 100, nobody preempts", fails("weak-a"), "a"),
    ("one without: FAULT", fails("alone-a"), "a a b"),
    ("both are well", lambda pair: (pair.file("weak-a", False), pair.file("alone-a", False)), "a a b"),
    ("b's fails", fails("alone-b"), "a"),
]


@pytest.fixture
def pairs() -> Iterator[list[Tracking]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(Tracking(kind))) for kind in ("hakeepd", "keepalived")]


def test_what_is_tracked_has_the_same_outcome(pairs: list[Tracking]) -> None:
    tell(STORY, pairs)
