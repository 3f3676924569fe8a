"""BFD in whole daemons: what becomes of addresses and of real servers when a session goes down and comes up.

Each of two routers has a neighbor of its own to which it has a session. One virtual router goes by it with weight 0,
the other with a negative one; router a directs to its neighbor besides, as long as the session is up.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import topology
from bfd_scene import BfdScene, State, Worker
from hosts import ROOT, Daemon, wait_until

pytestmark = pytest.mark.netns

HOSTS = {"a": "192.0.2.11", "b": "192.0.2.12", "r-a": "192.0.2.21", "r-b": "192.0.2.22"}
NEIGHBORS = {"a": "r-a", "b": "r-b"}
PRIORITIES = {"a": 150, "b": 100}
STRICT, WEIGHTY = "192.0.2.100", "192.0.2.101"
PATIENCE = 20.0

#: What the neighbors say: they are missed after half a second. And what the routers say: they may be silent for longer,
#: so that a worker can be replaced without anybody noticing.
SPOKEN = "min_rx 100\nmin_tx 100\nmultiplier 5"
PACE = "min_rx 100\nmin_tx 100\nmultiplier 20"

PLAN = topology.parse("sessions", {
    "segments": ["lan"],
    "hosts": {name: {"interfaces": {"eth0": {"segment": "lan", "addresses": [f"{ip}/24"]}}}
              for name, ip in HOSTS.items()},
}, Path())

GLOBALS = """
global_defs {
    lvs_backend memory
}
"""
SESSION = """
bfd_instance way {{
    neighbor_ip {neighbor}
    {pace}
}}
"""
ROUTER = """
vrrp_instance {name} {{
    version 3
    interface eth0
    virtual_router_id {number}
    priority {priority}
    advert_int 0.2
    virtual_ipaddress {{
        {vip}/24
    }}
    {track}
}}
"""
DIRECTOR = """
virtual_server 203.0.113.1 80 {{
    delay_loop 1
    protocol TCP
    lvs_sched wlc
    lvs_method NAT
    real_server {neighbor} 80 {{
        BFD_CHECK {{
            name way
        }}
    }}
}}
"""


def routers(host: str, *, tracked: bool = True) -> str:
    """Both virtual routers, as that host has them."""
    tracks = ["track_bfd {\n way\n }", "track_bfd {\n way weight -60\n }"] if tracked else ["", ""]
    return "".join(
        ROUTER.format(name=name, number=number, priority=PRIORITIES[host], vip=vip, track=track)
        for name, number, vip, track in (("strict", 51, STRICT, tracks[0]), ("weighty", 52, WEIGHTY, tracks[1])))


class Sessions:
    """The routers, their neighbors and what they are to each other."""

    def __init__(self, scene: BfdScene) -> None:
        self.scene = scene
        self.network = scene.network
        self.neighbors: dict[str, Worker] = {}
        self.daemons = {host: self.network.add(host, "vrrp", "hakeepd", self.config(host)) for host in NEIGHBORS}

    def config(self, host: str, *, pace: str = PACE, neighbor: str = "") -> str:
        ip = neighbor or HOSTS[NEIGHBORS[host]]
        director = DIRECTOR.format(neighbor=ip) if host == "a" else ""
        return GLOBALS + SESSION.format(neighbor=ip, pace=pace) + routers(host) + director

    def start(self) -> None:
        """Neighbors first; until both sessions are up and a has both addresses."""
        for host, neighbor in NEIGHBORS.items():
            self.neighbors[host] = self.scene.ours(neighbor, SPOKEN, HOSTS[host])
            self.daemons[host].start()
        for neighbor in self.neighbors.values():
            neighbor.wait_for_session(True, PATIENCE)
        self.held_by("a", "a")

    def held_by(self, strict: str, weighty: str) -> None:
        """Until these hosts alone have the addresses."""
        def settled() -> bool:
            return self.holders() == {STRICT: [strict], WEIGHTY: [weighty]}

        wait_until(settled, PATIENCE, f"{strict} has {STRICT}, {weighty} has {WEIGHTY}")

    def holders(self) -> dict[str, list[str]]:
        return {vip: [host for host in NEIGHBORS if self.network[host].holds(vip)] for vip in (STRICT, WEIGHTY)}

    def stays(self, seconds: float) -> None:
        """The addresses are where they were, all the time."""
        before, until = self.holders(), time.monotonic() + seconds
        while time.monotonic() < until:
            assert self.holders() == before
            time.sleep(0.05)

    def has_logged(self, host: str, text: str, times: int = 1) -> None:
        daemon = self.daemons[host]
        wait_until(lambda: daemon.log().count(text) >= times, PATIENCE, f"{host} says {text!r}")

    def status(self, host: str = "a") -> Any:
        """What `hakeep status` shows there."""
        enter = ("nsenter", f"--target={self.daemons[host].pid}", "--mount", "--root", "--net", "--")
        words = (sys.executable, "-m", "hakeep.cli.hakeep", "status", "--json")
        done = subprocess.run((*enter, *words), capture_output=True, text=True, timeout=30,
                              env={**os.environ, "PYTHONPATH": str(ROOT)})
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def real(self) -> dict[str, Any]:
        """The real server that a directs to."""
        found: dict[str, Any] = self.status()["virtual_servers"][0]["reals"][0]
        return found

    def serves(self, wanted: bool) -> None:
        """Until clients of a are sent to the real server, or not."""
        wait_until(lambda: (self.real()["wanted"] is not None) is wanted, PATIENCE, f"the real server: {wanted}")

    def reconfigure(self, host: str, text: str) -> None:
        daemon = self.daemons[host]
        before = daemon.log().count("Reload complete")
        Path(daemon.words[daemon.words.index("-f") + 1]).write_text(text)
        daemon.signal(signal.SIGHUP)
        self.has_logged(host, "Reload complete", before + 1)

    def worker(self, name: str, host: str = "a") -> int:
        return worker(self.daemons[host], name)

    def kill(self, name: str, host: str = "a") -> int:
        """SIGKILL to a worker; the pid of the one that comes after it."""
        first = self.worker(name, host)
        os.kill(first, signal.SIGKILL)
        successor: int = wait_until(
            lambda: self.worker(name, host) not in (0, first) and self.worker(name, host), PATIENCE, f"another {name}")
        return successor


def worker(daemon: Daemon, name: str) -> int:
    """The pid of a worker, 0 when there is none."""
    for pid in daemon.processes():
        comm = Path(f"/proc/{pid}/comm")
        if pid != daemon.pid and comm.exists() and comm.read_text() == f"{name}\n":
            return pid
    return 0


@pytest.fixture
def sessions() -> Iterator[Sessions]:
    with BfdScene(PLAN) as scene:
        made = Sessions(scene)
        yield made
        print(scene.story())  # shown when the test fails


def test_addresses_go_where_the_way_is_good(sessions: Sessions) -> None:
    """A dead neighbor puts one router in FAULT and lowers the other's priority, 90 against 100; and back. When b's is
    dead as well, who would rather be in FAULT is nowhere, and of those that go on the better one has the address."""
    sessions.start()
    sessions.neighbors["a"].daemon.kill()
    sessions.held_by("b", "b")
    routers = {router["name"]: router for router in sessions.status()["routers"]}
    assert routers["strict"]["state"] == "FAULT"
    assert "bfd way failed (nothing was received for 500 ms)" in routers["strict"]["why"]
    assert (routers["weighty"]["state"], routers["weighty"]["effective_priority"]) == ("BACKUP", 90)
    (session,) = sessions.status()["sessions"]
    assert (session["name"], session["state"], session["up"]) == ("way", "Down", False)
    sessions.neighbors["b"].daemon.kill()
    wait_until(lambda: sessions.holders() == {STRICT: [], WEIGHTY: ["a"]}, PATIENCE, "90 against 40")
    for neighbor in sessions.neighbors.values():
        neighbor.daemon.start()
    sessions.held_by("a", "a")


def test_a_cut_counts_like_a_death_and_a_goodbye_does_not(sessions: Sessions) -> None:
    sessions.start()
    sessions.network.switch.ip("link set r-a.eth0 down")
    sessions.held_by("b", "b")
    sessions.network.switch.ip("link set r-a.eth0 up")
    sessions.held_by("a", "a")
    neighbor = sessions.neighbors["a"]
    neighbor.daemon.signal(signal.SIGTERM)
    wait_until(lambda: not neighbor.daemon.alive(), PATIENCE, "it says goodbye")
    wait_until(lambda: sessions.status()["sessions"][0]["remote_state"] == "AdminDown", PATIENCE, "it is heard")
    sessions.stays(2.0)


def test_without_a_session_nobody_takes_part_and_with_it_they_do(sessions: Sessions) -> None:
    """The neighbors come last: until then no router with weight 0 has an address."""
    for daemon in sessions.daemons.values():
        daemon.start()
    wait_until(lambda: sessions.holders() == {STRICT: [], WEIGHTY: ["a"]}, PATIENCE, "90 against 40")
    sessions.stays(1.5)
    sessions.neighbors = {
        host: sessions.scene.ours(name, SPOKEN, HOSTS[host]) for host, name in NEIGHBORS.items()}
    sessions.held_by("a", "a")


def test_a_bfd_worker_that_is_killed_is_replaced_and_nobody_notices(sessions: Sessions) -> None:
    """Neither its neighbor, nor the addresses, nor the real servers. The next one still notices death."""
    sessions.start()
    sessions.serves(True)
    (before,) = sessions.status()["sessions"]
    died = time.time()
    sessions.kill("hakeepd_bfd")
    sessions.has_logged("a", "bfd start-up complete", 2)
    sessions.stays(2.5)
    assert sessions.neighbors["a"].told() == [False, True]
    assert not sessions.scene.of("a", died, state=State.DOWN)
    (after,) = sessions.status()["sessions"]
    assert (after["state"], after["discriminator"]) == ("Up", before["discriminator"])
    assert len({seen.source_port for seen in sessions.scene.of("a")}) == 1 and after["downs"] == 0
    assert "Removing service" not in sessions.daemons["a"].log()
    sessions.neighbors["a"].daemon.kill()
    sessions.held_by("b", "b")


def test_a_vrrp_worker_that_comes_later_knows_the_session(sessions: Sessions) -> None:
    """What was said while there was none to hear it, too."""
    sessions.start()
    os.kill(sessions.worker("hakeepd_vrrp"), signal.SIGSTOP)
    sessions.neighbors["a"].daemon.kill()
    sessions.has_logged("a", "(way) Entering Down state")
    sessions.kill("hakeepd_vrrp")
    sessions.held_by("b", "b")


def test_a_reload_changes_a_session_without_losing_it(sessions: Sessions) -> None:
    sessions.start()
    (before,) = sessions.status()["sessions"]
    sessions.reconfigure("a", sessions.config("a", pace=PACE.replace("min_tx 100", "min_tx 200")))
    wait_until(lambda: sessions.status()["sessions"][0]["tx_interval"] == pytest.approx(0.2), PATIENCE, "it is agreed")
    sessions.stays(1.0)
    assert sessions.status()["sessions"][0]["discriminator"] == before["discriminator"]
    assert sessions.neighbors["a"].told() == [False, True]
    assert "bfd_instance way, min_tx: 100 -> 200: taken up as it runs" in sessions.daemons["a"].log()


def test_a_reload_that_names_another_neighbor_makes_another_session(sessions: Sessions) -> None:
    """One that does not answer: the routers go by that."""
    sessions.start()
    sessions.reconfigure("a", sessions.config("a", neighbor="192.0.2.99"))
    sessions.held_by("b", "b")
    assert sessions.scene.of("a", state=State.ADMIN_DOWN), "who is left is told that it is on purpose"
    sessions.reconfigure("a", sessions.config("a"))
    sessions.held_by("a", "a")


def test_sessions_that_go_and_come_back_begin_anew(sessions: Sessions) -> None:
    """Without any the worker goes; what was known of them does not count for those that come later."""
    sessions.start()
    sessions.reconfigure("a", GLOBALS + routers("a", tracked=False))
    wait_until(lambda: not sessions.worker("hakeepd_bfd"), PATIENCE, "the bfd worker goes")
    sessions.stays(1.0)
    assert sessions.holders() == {STRICT: ["a"], WEIGHTY: ["a"]} and not sessions.status()["sessions"]
    sessions.neighbors["a"].daemon.kill()
    sessions.reconfigure("a", sessions.config("a"))
    sessions.held_by("b", "b")
    (session,) = sessions.status()["sessions"]
    assert session["ups"] == 0 and session["why"] == "no packet was received yet"
    sessions.neighbors["a"].daemon.start()
    sessions.held_by("a", "a")


def test_a_real_server_follows_the_session(sessions: Sessions) -> None:
    sessions.start()
    sessions.serves(True)
    sessions.neighbors["a"].daemon.kill()
    sessions.serves(False)
    assert sessions.real()["checks"][0]["why"] == "the session is down"
    sessions.neighbors["a"].daemon.start()
    sessions.serves(True)


def test_an_lvs_worker_that_comes_later_knows_the_session(sessions: Sessions) -> None:
    """What was said while its predecessor did not listen, and could not leave it to anybody."""
    sessions.start()
    sessions.serves(True)
    os.kill(sessions.worker("hakeepd_lvs"), signal.SIGSTOP)
    sessions.neighbors["a"].daemon.kill()
    sessions.has_logged("a", "(way) Entering Down state")
    sessions.kill("hakeepd_lvs")
    sessions.has_logged("a", "LVS start-up complete", 2)
    sessions.serves(False)
    sessions.neighbors["a"].daemon.start()
    sessions.serves(True)
