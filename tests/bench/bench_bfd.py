#!/usr/bin/env python3
"""BFD in real time: how soon others go by a session that goes down, and whether the fastest pace holds.

    python -m tests.bench.bench_bfd relay [--rounds 20]
    python -m tests.bench.bench_bfd pace [--seconds 60] [--multiplier 3] [--rt-priority 50] [--hogs 4]

`relay` has a whole daemon in a network namespace, and its neighbor say that the session is down. It shows how long it
takes from that packet on the wire, by the kernel's stamp, until the daemon's router resigns, by the stamp of its advert
with priority 0, and until it is said on the FIFO of the virtual servers that the real server is out. So the worker that
hears the packet, the supervisor and the worker that acts are all in it.

`pace` has two workers with the intervals of keepalived's default, 10 ms, and three packets instead of five (or as many
as one says), while some processes, by default twice as many as there are processors, want a processor all the time. It
tells how often a session was lost, and, by a witness on each processor whom nothing in user space can hold up, when
that processor itself stood still for 8 ms or more.

Needs root, and a machine that has nothing else to do: figures are in README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.extend(str(Path(__file__).resolve().parents[2] / each) for each in ("", "netns-lab", "tests/netns"))

import topology
from bfd_scene import BfdScene, address
from hosts import wait_until
from observe import Sniffer

from hakeep.wire.bfd import State

PLAN = topology.parse("relay", {
    "segments": ["lan"],
    "hosts": {name: {"interfaces": {"eth0": {"segment": "lan", "addresses": [f"192.0.2.{n}/24"]}}}
              for name, n in {"a": 11, "b": 12}.items()},
}, Path())

CONFIG = """
global_defs {{
    lvs_backend memory
    lvs_notify_fifo {fifo}
}}
bfd_instance way {{
    neighbor_ip 192.0.2.12
    min_rx 100
    min_tx 100
    multiplier 3
}}
vrrp_instance web {{
    version 3
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 0.1
    virtual_ipaddress {{
        192.0.2.100/24
    }}
    track_bfd {{
        way
    }}
}}
virtual_server 203.0.113.1 80 {{
    lvs_sched wlc
    lvs_method NAT
    protocol TCP
    real_server 192.0.2.12 80 {{
        BFD_CHECK {{
            name way
        }}
    }}
}}
"""

#: The neighbor hears nothing any more, and says so after a third of a second.
DEAFEN = "add table inet deaf; add chain inet deaf in { type filter hook input priority 0; }; " \
         "add rule inet deaf in udp dport 3784 drop"
HEAL = "delete table inet deaf"

PATIENCE = 20.0


class Words:
    """What is said on a FIFO, and when it was read."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.heard: list[tuple[float, str]] = []
        self._fd = os.open(path, os.O_RDWR)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            said = os.read(self._fd, 65536)
            self.heard.append((time.time(), said.decode()))

    def first(self, text: str, since: float) -> float:
        """When this was said first since then."""
        found: float = wait_until(
            lambda: next((at for at, said in self.heard if at >= since and text in said), 0.0), PATIENCE, text)
        return found


def relay(rounds: int) -> None:
    """Show the best, the median and the worst in milliseconds."""
    with BfdScene(PLAN) as scene, Sniffer(scene.network) as sniffer:
        network = scene.network
        fifo = network.files / "fifo"
        words = Words(fifo)
        neighbor = scene.ours("b", "min_rx 100\nmin_tx 100\nmultiplier 3", address("a", 4))
        network.add("a", "vrrp", "hakeepd", CONFIG.format(fifo=fifo)).start()
        taken: dict[str, list[float]] = {"advert with priority 0": [], "line on the FIFO": []}
        since = 0.0
        for _ in range(rounds):
            neighbor.wait_for_session(True, PATIENCE, since)
            wait_until(lambda: network["a"].holds("192.0.2.100"), PATIENCE, "a has the address")
            since = time.time()
            network["b"].run("nft", DEAFEN)
            down = scene.wait_for_packet("b", since, PATIENCE, state=State.DOWN).at
            advert = wait_until(lambda: sniffer.adverts("a", since, priority=0), PATIENCE, "a resigns")[0].at  # noqa: B023
            taken["advert with priority 0"].append(advert - down)
            taken["line on the FIFO"].append(words.first("DOWN", since) - down)
            network["b"].run("nft", HEAL)
        for what, times in taken.items():
            best, median, worst = (1000 * f(times) for f in (min, statistics.median, max))
            print(f"{what}: best {best:.2f} ms, median {median:.2f} ms, worst {worst:.2f} ms")


#: Wakes up each millisecond with the highest real-time priority, and says when that came too late, and by how much.
WITNESS = """
import json, os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))
late, due = [], time.monotonic()
while os.getppid() == int(sys.argv[2]):
    due += 0.001
    time.sleep(max(0.0, due - time.monotonic()))
    behind = time.monotonic() - due
    if behind >= 0.008:
        print(json.dumps([time.time(), behind]), flush=True)
        due = time.monotonic()
"""


def pace(seconds: float, multiplier: int, priority: int, count: int) -> None:
    """Show how often a session was lost, how many packets came, and when a processor stood still."""
    words = ("nice", sys.executable, "-c", "while True: sum(range(10000))")
    hogs = [subprocess.Popen(words) for _ in range(count)]
    witnesses = [subprocess.Popen((sys.executable, "-c", WITNESS, str(each), str(os.getpid())), stdout=subprocess.PIPE)
                 for each in sorted(os.sched_getaffinity(0))]
    hogs += witnesses
    try:
        with BfdScene() as scene:
            more = f"global_defs {{\n    bfd_rt_priority {priority}\n}}\n" if priority else ""
            workers = [scene.ours(host, f"min_rx 10\nmin_tx 10\nmultiplier {multiplier}", address(peer, 4), more=more)
                       for host, peer in (("a", "b"), ("b", "a"))]
            for worker in workers:
                worker.wait_for_session(True, PATIENCE)
            since = time.time()
            time.sleep(seconds)
            for worker in workers:
                lost = [each for each in worker.messages(since) if each["do"] == "session" and not each["up"]]
                print(f"{len(lost)} times down in {seconds:g} s, {worker.session()['received']} packets",
                      *(f"after {each['heard'] - since:.2f} s: {each['why']}" for each in lost), sep="\n    ")
        for number, witness in enumerate(witnesses):
            witness.kill()
            assert witness.stdout is not None
            stood = [json.loads(line) for line in witness.stdout]
            print(f"processor {number} stood still for 8 ms or more {len(stood)} times",
                  *(f"after {at - since:.2f} s: {1000 * length:.0f} ms" for at, length in stood), sep="\n    ")
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("relay").add_argument("--rounds", type=int, default=20)
    paced = what.add_parser("pace")
    paced.add_argument("--seconds", type=float, default=60.0)
    paced.add_argument("--multiplier", type=int, default=3)
    paced.add_argument("--rt-priority", type=int, default=50)
    paced.add_argument("--hogs", type=int, default=2 * (os.cpu_count() or 1))
    arguments = parser.parse_args()
    if arguments.what == "relay":
        relay(arguments.rounds)
    else:
        pace(arguments.seconds, arguments.multiplier, arguments.rt_priority, arguments.hogs)


if __name__ == "__main__":
    main()
