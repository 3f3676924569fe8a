#!/usr/bin/env python3
"""What many track scripts cost: processor time of the track worker, its spawner and the scripts, beside keepalived's.

    python -m tests.bench.bench_scripts cost|adverts [--scripts 1000] [--interval 1] [--seconds 20] [--rounds 1]

A script makes a file one byte longer, which tells how many have run. Both have the same ones, one after the other.

* cost: the track worker alone; keepalived in a network namespace of its own (root; without it, or without keepalived,
  only ours is measured).
* adverts: whole daemons (root), each a master with adverts every second and one with five a second. How late adverts
  are, in percent of their interval, by the kernel's stamps on the wire; once without scripts, once with them.

Figures are in README.md.
"""

from __future__ import annotations

import argparse
import itertools
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hakeep.config.settled_globals import Script
from hakeep.config.settled_track import Tracking, TrackScript
from hakeep.track import process
from hakeep.worker import Line, Log

TICK = os.sysconf("SC_CLK_TCK")

#: Seconds before the measuring begins: all have been started once.
WARM_UP = 4.0


def spent(pids: list[int]) -> float:
    """Seconds of processor time of these processes and of what they have waited for."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15])) / TICK
    return total


def children(pid: int) -> list[int]:
    """The children of a process that are no scripts: those that live on."""

    def now() -> set[int]:
        return {int(child) for each in Path(f"/proc/{pid}/task").iterdir()
                for child in Path(each, "children").read_text().split()}

    before = now()
    time.sleep(0.5)
    return sorted(before & now())


def measure(pids: list[int], counter: Path, wait: Callable[[], None]) -> float:
    """Milliseconds of processor time for each script that ran meanwhile."""
    began, before, runs = time.monotonic(), spent(pids), counter.stat().st_size
    wait()
    seconds, used, ran = time.monotonic() - began, spent(pids) - before, counter.stat().st_size - runs
    print(f"    {ran / seconds:.0f} runs a second, {used / seconds:.1%} of a core")
    return 1000 * used / ran


def command(counter: Path) -> tuple[str, ...]:
    """The script."""
    return shutil.which("truncate") or "truncate", "-s", "+1", str(counter)


def ours(arguments: argparse.Namespace, counter: Path) -> float:
    """What a script costs the track worker, all told."""
    scripts = tuple(
        TrackScript(f"s{number}", Script(command(counter), "root"), arguments.interval, arguments.interval)
        for number in range(arguments.scripts))
    near, far = socket.socketpair()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        near.close()
        log = Log("bench", console=False, facility=None, detail=False)
        os._exit(process.main(Tracking(scripts), Line(far, trusting=True), log, process.Start(parent)))
    far.close()
    line = Line(near, trusting=False)

    def read(seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            select.select([line], [], [], left)
            line.receive()

    try:
        read(WARM_UP)
        return measure([pid, *children(pid)], counter, lambda: read(arguments.seconds))
    finally:
        line.close()
        os.waitpid(pid, 0)


def theirs(arguments: argparse.Namespace, counter: Path) -> float:
    """What it costs keepalived."""
    name = f"hk-bench-{os.getpid()}"
    script = " ".join(command(counter))
    blocks = "".join(
        f'vrrp_script s{number} {{\n script "{script}"\n interval {arguments.interval:g}\n weight 1\n}}\n'
        for number in range(arguments.scripts))
    tracked = "\n".join(f"s{number}" for number in range(arguments.scripts))
    with tempfile.TemporaryDirectory() as place:
        config = Path(place, "keepalived.conf")
        config.write_text(
            f"global_defs {{\n script_user root\n}}\n{blocks}vrrp_instance A {{\n interface v0\n virtual_router_id 7\n"
            f" virtual_ipaddress {{\n 10.77.0.9\n }}\n track_script {{\n{tracked}\n }}\n}}\n")
        subprocess.run(["ip", "netns", "add", name], check=True)
        try:
            for order in ("link set lo up", "link add v0 type veth peer name v1", "link set v0 up", "link set v1 up",
                            "addr add 10.77.0.1/24 dev v0"):
                subprocess.run(["ip", "-n", name, *order.split()], check=True)
            daemon = subprocess.Popen(
                ["ip", "netns", "exec", name, "keepalived", "-n", "-P", "-f", str(config), "-p", f"{place}/p", "-r",
                 f"{place}/v"])
            try:
                time.sleep(WARM_UP)
                worker = children(daemon.pid)
                return measure([daemon.pid, *worker], counter, lambda: time.sleep(arguments.seconds))
            finally:
                daemon.send_signal(signal.SIGTERM)
                daemon.wait()
        finally:
            subprocess.run(["ip", "netns", "del", name], check=True)


# -------------------------------------------------------------------------------------------------------------- adverts

#: Seconds between adverts of each instance, by its number.
INTERVALS = {51: 1.0, 52: 0.2}


def adverts(kind: str, arguments: argparse.Namespace, count: int) -> float:
    """Prints how late a daemon's adverts are with so many scripts. Returns milliseconds of processor time of all of it
    for each script that ran, 0 without scripts."""
    sys.path.append(str(Path(__file__).resolve().parents[2] / "netns-lab"))
    import topology
    from hosts import Network, wait_until
    from observe import Sniffer

    host = {"interfaces": {"eth0": {"segment": "lan", "addresses": ["192.0.2.11/24"]}}}
    plan = topology.parse("scripts", {"segments": ["lan"], "hosts": {"a": host}}, Path())
    with Network(plan) as network, Sniffer(network) as sniffer:
        counter = network.files / "counter"
        counter.touch()
        daemon = network.add("a", "vrrp", kind, configuration(counter, count, arguments.interval)).start()
        wait_until(lambda: {each.vrid for each in sniffer.adverts("a")} == set(INTERVALS), 60, "adverts of both")
        time.sleep(WARM_UP)
        since, runs, before = time.time(), counter.stat().st_size, spent_by(daemon.processes())
        time.sleep(arguments.seconds)
        seconds, ran, after = time.time() - since, counter.stat().st_size - runs, spent_by(daemon.processes())
        used = sum(after[pid] - before[pid] for pid in before.keys() & after.keys())
        print(f"{kind}, {count} scripts: {ran / seconds:.0f} runs a second, {used / seconds:.1%} of a core, "
              f"load {os.getloadavg()[0]:.1f}")
        for vrid, interval in INTERVALS.items():
            at = [each.at for each in sniffer.adverts("a", since, vrid=vrid)]
            late = sorted(100 * ((later - earlier) / interval - 1) for earlier, later in itertools.pairwise(at))
            most = quantiles(late, n=20, method="inclusive")[-1]
            print(f"    every {interval:g} s: {len(at)} adverts, latest by {late[-1]:.1f} %, 95 of 100 by {most:.1f} %")
        return 1000 * used / ran if ran else 0.0


def configuration(counter: Path, count: int, interval: float) -> str:
    """Two masters and the scripts, which the first one goes by."""
    script = " ".join(command(counter))
    text = "global_defs {\n script_user root\n}\n" + "".join(
        f'vrrp_script s{number} {{\n script "{script}"\n interval {interval:g}\n weight 1\n}}\n'
        for number in range(count))
    tracked = "".join(f"s{number}\n" for number in range(count))
    for vrid, pause in INTERVALS.items():
        text += (f"vrrp_instance V{vrid} {{\n version 3\n interface eth0\n virtual_router_id {vrid}\n"
                 f" advert_int {pause:g}\n virtual_ipaddress {{\n 192.0.2.{vrid}/32\n }}\n"
                 f" track_script {{\n{tracked}}}\n}}\n")
        tracked = tracked and "s0\n"
    return text


def spent_by(pids: list[int]) -> dict[int, float]:
    """Seconds of processor time of each of these, and of what they have waited for."""
    found = {}
    for pid in pids:
        try:
            found[pid] = spent([pid])
        except FileNotFoundError:  # it was a script
            continue
    return found


def compare_adverts(arguments: argparse.Namespace) -> None:
    """Both daemons in turns."""
    kinds = ["hakeepd", *(["keepalived"] if shutil.which("keepalived") else [])]
    for _ in range(arguments.rounds):
        for kind in kinds:
            adverts(kind, arguments, 0)
        costs = {kind: adverts(kind, arguments, arguments.scripts) for kind in kinds}
        print(", ".join(f"{kind} {cost:.3f} ms a script" for kind, cost in costs.items()))
        if len(costs) == 2:
            print(f"ratio of processor time {costs['hakeepd'] / costs['keepalived']:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("cost", "adverts"))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--scripts", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    if arguments.what == "adverts":
        compare_adverts(arguments)
        return
    with tempfile.NamedTemporaryFile() as file:
        counter = Path(file.name)
        cost = ours(arguments, counter)
        print(f"hakeep:     {cost:.3f} ms a script")
        if shutil.which("keepalived") and os.geteuid() == 0:
            other = theirs(arguments, counter)
            print(f"keepalived: {other:.3f} ms a script; ratio {cost / other:.2f}")


if __name__ == "__main__":
    main()
