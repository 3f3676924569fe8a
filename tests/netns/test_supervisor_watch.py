"""The supervisor watches the worker's heartbeat: it is fair to one that had no chance, and replaces one that hangs."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hosts import Daemon, wait_until
from observe import Prober
from scene import VIP, Scene, Way

pytestmark = pytest.mark.netns

PATIENCE = 20.0
QUICK = Way(3, 0.1)


def vrrp_worker(daemon: Daemon) -> int:
    return next(pid for pid in daemon.processes()
                if pid != daemon.pid and Path(f"/proc/{pid}/comm").read_text() == "hakeepd_vrrp\n")


def running(scene: Scene, config: str) -> Daemon:
    daemon = scene.run("a", config)
    wait_until(lambda: "Startup complete" in daemon.log(), PATIENCE)
    wait_until(lambda: "Entering MASTER STATE" in daemon.log(), PATIENCE)
    return daemon


def test_after_a_pause_of_all_the_worker_gets_its_time_anew(scene: Scene) -> None:
    """All stood still, longer than a worker may; the worker wakes up a little after its supervisor. Nobody is killed,
    and nothing is released."""
    daemon = running(scene, QUICK.config("a", 150))
    worker = vrrp_worker(daemon)
    for _ in range(3):
        for pid in (daemon.pid, worker):
            os.kill(pid, signal.SIGSTOP)
        time.sleep(2.5)  # more than kill_after: two leases of a second
        os.kill(daemon.pid, signal.SIGCONT)
        time.sleep(0.15)  # several turns of the supervisor, less than the worker's 0.2 s
        os.kill(worker, signal.SIGCONT)
        woken = time.time()
        wait_until(lambda woken=woken: scene.sniffer.adverts("a", woken + 0.5), PATIENCE)
    assert vrrp_worker(daemon) == worker
    assert "has not moved" not in daemon.log()


def test_a_worker_that_hangs_is_killed_once_and_what_it_left_is_taken_over(scene: Scene) -> None:
    """Its VMAC and tables serve the next worker, and go when that stops."""
    host = scene.network["a"]
    links = host.ip("-o", "link", "show").count("\n")
    daemon = running(scene, QUICK.config("a", 150, "use_vmac vrrp.51\n vmac_xmit_base"))
    wait_until(lambda: VIP in host.run("nft", "list", "ruleset"), PATIENCE)
    assert host.ip("-o", "link", "show").count("\n") == links + 1
    index = host.ip("-o", "link", "show", "dev", "vrrp.51").split(":")[0]
    hung = vrrp_worker(daemon)
    os.kill(hung, signal.SIGSTOP)
    wait_until(lambda: daemon.log().count("Startup complete") == 2, PATIENCE, "it is replaced")
    assert daemon.log().count("killing it") == 1
    since = time.time()
    wait_until(lambda: scene.sniffer.adverts("a", since), PATIENCE, "the next one is MASTER")
    wait_until(lambda: host.holds(VIP), PATIENCE)
    assert vrrp_worker(daemon) != hung
    assert host.ip("-o", "link", "show", "dev", "vrrp.51").split(":")[0] == index, "the same VMAC"
    assert host.run("nft", "list", "tables").count("hakeep") >= 1
    daemon.signal(signal.SIGTERM)
    wait_until(lambda: not daemon.alive(), PATIENCE)
    assert host.ip("-o", "link", "show").count("\n") == links
    assert "hakeep" not in host.run("nft", "list", "tables")
    assert not host.holds(VIP)


def test_a_worker_that_hangs_while_it_stops_leaves_nothing(scene: Scene) -> None:
    """The supervisor kills it in the end, once; addresses and tables go, and the VMAC at the next start and stop."""
    host = scene.network["a"]
    links = host.ip("-o", "link", "show").count("\n")
    config = "child_wait_time 1\n" + QUICK.config("a", 150, "use_vmac vrrp.51")
    daemon = running(scene, config)
    os.kill(vrrp_worker(daemon), signal.SIGSTOP)
    daemon.signal(signal.SIGTERM)
    wait_until(lambda: not daemon.alive(), PATIENCE)
    assert daemon.log().count("does not stop: killing it") == 1
    assert not host.holds(VIP)
    assert "hakeep" not in host.run("nft", "list", "tables")
    again = scene.network.add("a", "again", "hakeepd", QUICK.config("a", 150))
    again.start()
    wait_until(lambda: "Entering MASTER STATE" in again.log(), PATIENCE)
    assert host.ip("-o", "link", "show").count("\n") == links, "a link that nobody wants any more"
    again.stop()


def test_addresses_that_are_to_stay_keep_their_links(scene: Scene) -> None:
    """-V: the address answers on, on its VMAC, although nobody sends adverts any more; a later run cleans up."""
    host = scene.network["a"]
    links = host.ip("-o", "link", "show").count("\n")
    daemon = scene.network.add("a", "vrrp", "hakeepd", QUICK.config("a", 150, "use_vmac vrrp.51"))
    plain = daemon.words
    daemon.words = (*plain, "-V")
    daemon.start()
    wait_until(lambda: "Entering MASTER STATE" in daemon.log(), PATIENCE)
    wait_until(lambda: host.holds(VIP), PATIENCE)
    daemon.signal(signal.SIGTERM)
    wait_until(lambda: not daemon.alive(), PATIENCE)
    assert host.holds(VIP)
    with Prober(scene.network["observer"], VIP, {"a": "00:00:5e:00:01:33"}, "192.0.2.201") as prober:
        wait_until(lambda: prober.answered("a"), PATIENCE, "it answers")
    assert "hakeep" not in host.run("nft", "list", "tables"), "a fence without adverts would be shut"
    daemon.words = plain
    daemon.start()
    wait_until(lambda: daemon.log().count("Entering MASTER STATE") == 2, PATIENCE)
    daemon.stop()
    assert not host.holds(VIP)
    assert host.ip("-o", "link", "show").count("\n") == links


MANY = 130


def test_all_sockets_go_to_the_next_worker(scene: Scene) -> None:
    """More than go into one message. The kernel tells them apart: they are the same ones."""
    host = scene.network["a"]
    for number in range(MANY):
        host.ip("addr", "add", f"198.51.100.{number + 1}/32", "dev", "eth0")
    daemon = scene.run("a", "".join(f"""
vrrp_instance web{number} {{
    version 3
    interface eth0
    virtual_router_id {number + 1}
    advert_int 1
    unicast_src_ip 198.51.100.{number + 1}
    unicast_peer {{
        192.0.2.12
    }}
    virtual_ipaddress {{
        203.0.113.{number + 1}
    }}
}}
""" for number in range(MANY)))
    wait_until(lambda: daemon.log().count("Entering MASTER STATE") == MANY, PATIENCE)
    worker = vrrp_worker(daemon)
    before = raw_sockets(worker)
    assert len(before) >= MANY
    wait_until(lambda: len(sockets_of(daemon.pid) & before) >= MANY, PATIENCE, "the supervisor has them")
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: daemon.log().count("Startup complete") == 2, PATIENCE)
    after = sockets_of(vrrp_worker(daemon)) & raw_sockets(daemon.pid)
    assert len(after & before) >= MANY
    assert len(after) == len(before), "as many as the first one had"


def raw_sockets(pid: int) -> set[str]:
    """The inodes of all raw sockets in the network of that process."""
    return {line.split()[9] for line in Path(f"/proc/{pid}/net/raw").read_text().splitlines()[1:]}


def sockets_of(pid: int) -> set[str]:
    """The inodes of the sockets that a process has open."""
    found = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            found.add(str(fd.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found
