"""Whatever is done to a master with a VMAC: the address goes, and sooner or later everything else goes as well.

A VMAC is a link of its own with settings on it, on its base and on the whole host. It outlives a daemon that was
killed; the next one takes it over or takes it away. When a daemon has ended in good order its host is, byte by byte,
what it was before the first one began.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from math import floor
from pathlib import Path

import pytest
from hosts import Host, wait_until
from observe import Prober
from scene import VIP, VIP6, VRID, Scene, Way
from test_kill_matrix import ANSWERING, PLANNED, signal_all, workers

pytestmark = pytest.mark.netns

WAY = Way(3, 0.2, "use_vmac")
MORE = f"virtual_ipaddress_excluded {{\n {VIP6}/64\n }}"
LEASE = max(1, floor(3 * WAY.interval) - 1)
VMAC, MAC = f"vrrp.{VRID}", f"00:00:5e:00:01:{VRID:02x}"
PATIENCE = 10.0

#: Nothing may leave a VMAC after priority 0, so the address is gone until the backup's skew time is over.
HANDOVER = WAY.skew(100) + 0.15

#: What of a host is compared, and how it is asked for it.
QUESTIONS = {
    "links": "ip -d -o link show",
    "addresses": "ip -o addr show",
    "routes": "ip route show table all",
    "IPv6 routes": "ip -6 route show table all",
    "rules": "ip rule show",
    "nftables": "nft list ruleset",
}


def picture(host: Host) -> dict[str, str]:
    """All that a daemon could have changed on a host."""
    return {name: host.run(*words.split()) for name, words in QUESTIONS.items()} | settings(host)


def settings(host: Host) -> dict[str, str]:
    """All of /proc/sys/net that can be read."""
    found = {}
    with host.inside():
        for path in Path("/proc/sys/net").rglob("*"):
            with contextlib.suppress(OSError, UnicodeDecodeError):  # a folder, write only, or not set
                found[str(path)] = path.read_text()
    return found


def difference(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """What is not the same."""
    return {key: (before.get(key), after.get(key)) for key in before | after if before.get(key) != after.get(key)}


def links(host: Host) -> dict[str, int]:
    """The macvlans of a host with their numbers."""
    return {name: int(number) for number, name in
            re.findall(r"^(\d+): (\S+)@", host.run("ip", "-o", "link", "show", "type", "macvlan"), re.MULTILINE)}


class Pair:
    """a is master by its VMAC, b is its backup by one of its own; a client asks through a switch that learns MACs."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.hosts = {name: scene.network[name] for name in "ab"}
        for host in self.hosts.values():  # a host that the distribution made strict
            host.sysctl("net.ipv4.conf.all.rp_filter", 1)
        self.before = {name: picture(host) for name, host in self.hosts.items()}
        self.a = scene.run("a", WAY.config("a", 150, MORE))
        scene.wait_for_holder("a", PATIENCE)
        self.b = scene.run("b", WAY.config("b", 100, MORE))
        macs = {name: host.macs()["eth0"] for name, host in self.hosts.items()}  # the way back leads over eth0
        self.prober = Prober(scene.network["observer"], VIP, macs, "192.0.2.201", mac=MAC)
        time.sleep(1)
        assert links(self.hosts["a"]).keys() == links(self.hosts["b"]).keys() == {VMAC}
        assert f"{VMAC} " in self.hosts["a"].ip("-o addr show to", VIP)
        assert difference(self.before["a"], picture(self.hosts["a"])), "a master that leaves no trace is not one"

    def send(self, number: int, target: str) -> float:
        """A signal to "supervisor", "worker" or "all" of a; when it was sent."""
        everything = self.a.processes()
        pids = {"supervisor": [self.a.pid], "worker": workers(self.a), "all": everything}[target]
        return signal_all(pids, number)

    def check_gone(self, since: float) -> None:
        """The kernel has taken the address from a within the lease."""
        wait_until(lambda: self.scene.holders() <= {"b"}, LEASE + 1.05 + PATIENCE, "a has no address")
        gone = [at for at, host, held in self.scene.watch.changes if host == "a" and not held and at >= since]
        assert gone[-1] - since <= LEASE + 1.1
        wait_until(lambda: not self.hosts["a"].holds(VIP6), 1.5, "IPv6 addresses are swept up a little later")

    def check_master(self, host: str) -> None:
        """That host alone has the address, and has it on the one VMAC of ours."""
        self.scene.wait_for_holder(host, PATIENCE)
        self.scene.first_advert(host, time.time(), PATIENCE)
        assert self.scene.holders() == {host}
        assert f"{VMAC} " in self.hosts[host].ip("-o addr show to", VIP)
        assert links(self.hosts[host]).keys() == {VMAC}

    def check_served(self, since: float, bound: float = 0.0) -> None:
        """The client was without an answer for at most `bound` seconds."""
        lost = self.prober.lost(since, time.time() - ANSWERING)
        longest = max((stretch.end - stretch.start for stretch in lost), default=0.0)
        assert longest <= bound, f"no answer for {longest * 1000:.0f} ms: {lost}"

    def check_untouched(self, name: str) -> None:
        """That host is what it was before."""
        assert difference(self.before[name], picture(self.hosts[name])) == {}

    def check_ended(self) -> None:
        """a has ended by itself and left nothing."""
        wait_until(lambda: not self.a.processes(), PATIENCE, "a ends")
        self.check_untouched("a")

    def end(self) -> None:
        """Both stop in good order; nothing is left of either."""
        for daemon in (self.a, self.b):
            if daemon.alive():
                daemon.signal(signal.SIGTERM)
                wait_until(lambda daemon=daemon: not daemon.processes(), PATIENCE, "it ends")
        for name in "ab":
            self.check_untouched(name)


@pytest.fixture
def pair(make_scene: Callable[..., Scene]) -> Iterator[Pair]:
    """The pair, with a as master. In the end both hosts must be as they were."""
    made = Pair(make_scene())
    with made.prober:
        yield made
    try:
        made.end()
    except AssertionError as error:
        error.add_note(made.scene.story())
        raise


@pytest.mark.parametrize(("number", "target"), [
    (signal.SIGTERM, "supervisor"), (signal.SIGTERM, "all"), (signal.SIGKILL, "supervisor")])
def test_an_orderly_end_leaves_nothing(pair: Pair, number: int, target: str) -> None:
    since = pair.send(number, target)
    pair.scene.wait_for_holder("b", 1)
    pair.check_ended()
    pair.check_master("b")
    both = sum(a & b for a in pair.scene.watch.held("a") for b in pair.scene.watch.held("b"))
    assert both <= PLANNED
    pair.check_served(since, HANDOVER)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP])
def test_a_new_worker_takes_the_vmac_over(pair: Pair, number: int) -> None:
    """Nobody makes a second one, and the first is not made anew under a master that goes on."""
    was = links(pair.hosts["a"])
    since = pair.send(number, "worker")
    if number == signal.SIGSTOP:
        pair.check_gone(since)
    wait_until(lambda: workers(pair.a), PATIENCE, "a new worker")
    pair.check_master("a")
    if number == signal.SIGKILL:
        assert links(pair.hosts["a"]) == was
        assert not [1 for at, _, held in pair.scene.watch.changes if at > since and not held]
    bounds = {signal.SIGTERM: HANDOVER, signal.SIGKILL: 0.0, signal.SIGSTOP: WAY.down_interval(100) + 0.2}
    pair.check_served(since, bounds[number])


def test_a_frozen_supervisor_changes_nothing(pair: Pair) -> None:
    pair.send(signal.SIGSTOP, "supervisor")
    time.sleep(WAY.down_interval(100) + 1)
    pair.check_master("a")
    pair.send(signal.SIGCONT, "supervisor")
    time.sleep(0.5)
    pair.check_master("a")


@pytest.mark.parametrize("target", ["worker", "all"])
def test_who_wakes_up_finds_its_vmac(pair: Pair, target: str) -> None:
    """The address was taken away meanwhile; it comes back in good order, to the same link or its like."""
    since = pair.send(signal.SIGSTOP, target)
    pair.scene.first_advert("b", since, 3)
    time.sleep(0.2)
    pair.send(signal.SIGCONT, target)
    pair.check_master("a")
    pair.check_served(since, WAY.down_interval(100) + 0.2)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("then", ["again", "without", "elsewhere"])
def test_the_next_start_adopts_or_clears_away(pair: Pair, number: int, then: str) -> None:
    """After a crash the address is gone within the lease. The rest waits for the next start: with the same
    configuration it is used again, with another one that has no VMAC, or one of another name, it goes at once."""
    since = pair.send(number, "all")
    pair.check_gone(since)
    pair.check_master("b")
    pair.check_served(since, WAY.down_interval(100) + 0.2)
    pair.a.kill()
    left = links(pair.hosts["a"])
    assert left.keys() == {VMAC}
    extra = {"again": "use_vmac", "without": "", "elsewhere": "use_vmac other0"}[then]
    config = Path(pair.a.words[pair.a.words.index("-f") + 1])
    config.write_text(Way(3, 0.2, extra).config("a", 50, MORE))  # it stays BACKUP, and borrows nothing more
    starts = pair.a.log().count("Startup complete")
    pair.scene.start(pair.a)
    wait_until(lambda: pair.a.log().count("Startup complete") > starts, PATIENCE, "it is there again")
    there = links(pair.hosts["a"])
    if then == "again":
        assert there == left
    elif then == "without":
        assert there == {}
        assert {key: now for key, now in difference(pair.before["a"], picture(pair.hosts["a"])).items()
                if key != "nftables"} == {}
    else:
        assert there.keys() == {"other0"}


def test_a_vmac_gets_another_name_by_a_reload(pair: Pair) -> None:
    """It keeps its MAC, so the kernel wants the old one gone before there can be a new one."""
    config = Path(pair.a.words[pair.a.words.index("-f") + 1])
    config.write_text(Way(3, 0.2, "use_vmac other0").config("a", 150, MORE))
    pair.a.signal(signal.SIGHUP)
    wait_until(lambda: links(pair.hosts["a"]).keys() == {"other0"}, PATIENCE, "the new link alone")
    wait_until(lambda: "other0 " in pair.hosts["a"].ip("-o addr show to", VIP), PATIENCE, "the address is there")
    pair.scene.wait_for_holder("a", PATIENCE)


def test_a_stranger_with_our_name_stays(make_scene: Callable[..., Scene]) -> None:
    """A macvlan that the administrator made is used as it is, and is there afterwards, as it was."""
    scene = make_scene()
    host = scene.network["a"]
    host.ip(f"link add {VMAC} link eth0 type macvlan mode private")
    host.ip(f"link set {VMAC} address {MAC} up")
    wait_until(lambda: "fe80" in host.ip(f"addr show dev {VMAC} scope link -tentative"), PATIENCE, "its address")
    before = picture(host)
    daemon = scene.run("a", WAY.config("a", 150, MORE))
    scene.wait_for_holder("a", PATIENCE)
    assert f"{VMAC} " in host.ip("-o addr show to", VIP)
    os.kill(daemon.pid, signal.SIGTERM)
    wait_until(lambda: not daemon.processes(), PATIENCE, "it ends")
    assert difference(before, picture(host)) == {}
