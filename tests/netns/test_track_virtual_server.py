"""An instance that follows a virtual server: the address is where somebody can serve."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import topology
from hosts import HAKEEPD, ROOT, Daemon, Network, wait_until

pytestmark = pytest.mark.netns

VIP = "192.0.2.100"
PATIENCE = 20.0
PRIORITIES = {"a": 150, "b": 100}
SERVERS = {"a": "192.0.2.21", "b": "192.0.2.22"}
HOSTS = {"a": "192.0.2.11", "b": "192.0.2.12", "r-a": SERVERS["a"], "r-b": SERVERS["b"]}

PLAN = topology.parse("followed", {
    "segments": ["lan"],
    "hosts": {name: {"interfaces": {"eth0": {"segment": "lan", "addresses": [f"{ip}/24"]}}}
              for name, ip in HOSTS.items()},
}, Path())

CONFIG = """
global_defs {{
    lvs_backend memory
}}
vrrp_instance web {{
    version 3
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int 0.2
    virtual_ipaddress {{
        {vip}/24
    }}
    {track}
}}
virtual_server {vip} 80 {{
    delay_loop 0.3
    protocol TCP
    real_server {server} 80 {{
        TCP_CHECK {{
            connect_timeout 1
            retry 0
        }}
    }}
}}
"""
TRACK = f"track_virtual_server {VIP} 80"


class Directors:
    """Two of them, each with a real server of its own."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.webs = {host: network.add(f"r-{host}", "web", "web").start() for host in SERVERS}
        self.daemons = {host: network.add(host, "vrrp", "hakeepd", self.config(host)) for host in SERVERS}

    def config(self, host: str, track: str = TRACK) -> str:
        return CONFIG.format(vip=VIP, priority=PRIORITIES[host], server=SERVERS[host], track=track)

    def start(self) -> None:
        for host, daemon in self.daemons.items():
            daemon.start()
            self.has_logged(host, "LVS start-up complete")

    def has_logged(self, host: str, text: str) -> None:
        daemon = self.daemons[host]
        wait_until(lambda: text in daemon.log(), PATIENCE, f"{host} says {text!r}\n{daemon.log()}")

    def served_by(self, *hosts: str) -> None:
        """Until the address is there, and nowhere else."""
        wait_until(lambda: tuple(h for h in SERVERS if self.network[h].holds(VIP)) == hosts, PATIENCE,
                   f"{VIP} is on {hosts}\n" + "\n".join(daemon.log() for daemon in self.daemons.values()))

    def status(self, host: str) -> Any:
        """Of the only instance, as JSON."""
        daemon = self.daemons[host]
        enter = ("nsenter", f"--target={daemon.pid}", "--mount", "--root", "--net", "--")
        words = (sys.executable, "-m", "hakeep.cli.hakeep", "status", "--json")
        done = subprocess.run((*enter, *words), capture_output=True, text=True, timeout=30,
                              env={**os.environ, "PYTHONPATH": str(ROOT)})
        return json.loads(done.stdout)["routers"][0]


def workers(daemon: Daemon, name: str) -> set[int]:
    """The pids of the workers of that name."""
    found = set()
    for pid in daemon.processes():
        comm = Path(f"/proc/{pid}/comm")
        if comm.exists() and comm.read_text().strip() == name:
            found.add(pid)
    return found


@pytest.fixture
def directors() -> Iterator[Directors]:
    with Network(PLAN, HAKEEPD) as network:
        yield Directors(network)


def test_the_address_goes_where_a_server_is(directors: Directors) -> None:
    directors.start()
    directors.served_by("a")
    (track,) = directors.status("a")["tracks"]
    assert (track["kind"], track["name"], track["well"], track["fault"]) == (
        "virtual_server", f"{VIP} 80", True, False)
    directors.webs["a"].kill()
    directors.served_by("b")
    router = directors.status("a")
    assert router["state"] == "FAULT" and router["tracks"][0]["fault"], "without a quorum"
    assert "weights 0, quorum 1" in router["why"]
    directors.webs["a"].start()
    directors.served_by("a")
    directors.webs["b"].kill()
    directors.has_logged("b", "Entering FAULT STATE")
    directors.served_by("a")


def test_the_last_word_of_a_dead_worker_counts_and_a_new_vrrp_worker_hears_it(directors: Directors) -> None:
    directors.start()
    directors.webs["a"].kill()
    directors.served_by("b")
    daemon = directors.daemons["a"]
    for name in ("hakeepd_lvs", "hakeepd_vrrp"):
        (first,) = workers(daemon, name)
        os.kill(first, 9)
        wait_until(lambda name=name, first=first: workers(daemon, name) not in (set(), {first}), PATIENCE, "another")
        wait_until(lambda: directors.status("a")["state"] == "FAULT", PATIENCE, "it is in FAULT")
        directors.served_by("b")
    directors.webs["a"].start()
    directors.served_by("a")


def test_what_is_followed_only_after_a_reload_is_known(directors: Directors) -> None:
    text = directors.config("a", "")
    directors.daemons["a"] = directors.network.add("a", "vrrp", "hakeepd", text)
    directors.webs["a"].kill()
    directors.start()
    directors.has_logged("a", "Removing service")
    directors.served_by("a")
    daemon = directors.daemons["a"]
    Path(daemon.words[daemon.words.index("-f") + 1]).write_text(directors.config("a"))
    daemon.signal(1)
    directors.served_by("b")
