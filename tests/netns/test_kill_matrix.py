"""Whatever is done to a master's processes, the address has one holder, and soon the right one.

a is master, b its backup, and both of them are the daemon under test. Signals go to a's supervisor, to its vrrp
worker, or to all of its processes. From an observer's place, by ARP and by ping to each host's own MAC address, it is
measured how long two hosts answered for the address; the kernels tell who had it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from math import floor
from pathlib import Path

import pytest
from hosts import Daemon, wait_until
from observe import Prober
from scene import VIP, VIP6, Scene, Way
from yardstick import Yardstick

pytestmark = [
    pytest.mark.netns,
    pytest.mark.parametrize("guard", ["fence", "lease"]),
    pytest.mark.parametrize("interval", [1, 0.1], ids=["1s", "0.1s"]),
]

#: An IPv6 address of a prefix that the host has as well: its route must not be touched by what happens to the address.
MORE = f"virtual_ipaddress_excluded {{\n {VIP6}/64\n }}"

#: Two rounds of probes, in seconds.
GRAIN = 0.006
#: The most that two hosts may be reachable, in seconds: after a crash with the fence, and in a move that was planned.
CRASH, PLANNED = 0.005 + GRAIN, 0.1
#: An answer is here within this time, or there is none.
ANSWERING = 0.1

#: A killed worker is MASTER again within this time, in seconds, and says so; its next advert may be this late.
RESPAWN, LATE = 0.1, 0.02
RESUMED = "Resuming MASTER STATE"
#: Seconds by which a machine may be late itself, and how often it is asked; after how many seconds the supervisor
#: respawns at once again.
UNFIT, TRIES, DEATHS_FORGOTTEN = 0.05, 3, 10.5


class Cell:
    """One cell of the matrix: the pair, the prober, and what is to be kept."""

    def __init__(self, scene: Scene, interval: float, fence: bool) -> None:
        self.scene = scene
        self.fence = fence
        self.way = Way(3, interval, globals="" if fence else "vip_fence off")
        self.down_interval = self.way.down_interval(100)
        self.lease = max(1, floor(3 * interval) - 1)
        self.routes = self.read_routes()
        self.a = scene.run("a", self.way.config("a", 150, MORE))
        scene.wait_for_holder("a", self.way.down_interval(150) + 3)
        self.b = scene.run("b", self.way.config("b", 100, MORE))
        macs = {name: scene.network[name].macs()["eth0"] for name in "ab"}
        self.prober = Prober(scene.network["observer"], VIP, macs, "192.0.2.201")
        time.sleep(max(1.2, 1.2 * interval))
        assert scene.holders() == {"a"}
        assert scene.sniffer.adverts("b") == []

    def read_routes(self) -> list[str]:
        """All IPv6 routes of both hosts, as text, but for the one that is the virtual address's own."""
        tables = [self.scene.network[name].ip("-6 route show table all") for name in "ab"]
        return ["".join(line for line in table.splitlines(True) if f"local {VIP6} dev" not in line) for table in tables]

    def check_routes(self) -> None:
        """The routes are what they were before any daemon ran."""
        assert self.read_routes() == self.routes

    def pids(self, target: str) -> list[int]:
        """The processes of a that are meant by "supervisor", "worker" or "all"."""
        everything = self.a.processes()
        assert workers(self.a), "a has no vrrp worker"
        return {"supervisor": [self.a.pid], "worker": workers(self.a), "all": everything}[target]

    def send(self, number: int, pids: list[int]) -> float:
        """Sends a signal, in the middle between two adverts; returns when."""
        self.scene.next_advert("a", self.way.interval + 2)
        time.sleep(self.way.interval / 2)
        return signal_all(pids, number)

    def crash_bound(self) -> float:
        """How long two hosts may be reachable when the master falls silent without a word."""
        by_lease = max(0.0, self.lease + 1.05 - self.down_interval) + CRASH
        return CRASH if self.fence else by_lease

    def check_overlap(self, since: float, until: float, bound: float) -> None:
        """Not longer than `bound` did both hosts answer, at each move."""
        ours, theirs = (self.prober.spells(host, since, until) for host in "ab")
        overlap = max((one & other for one in ours for other in theirs), default=0.0)
        assert overlap <= bound, f"both answered for {overlap * 1000:.1f} ms, allowed are {bound * 1000:.1f} ms"

    def check_served(self, since: float, until: float, bound: float = 0.0) -> None:
        """A client that follows the announcements was without an answer for at most `bound` seconds; by default every
        single request was answered."""
        moves = [(seen.at, seen.host) for seen in self.scene.sniffer.announcements(address=VIP)]
        lost = self.prober.lost(since, min(until, time.time() - ANSWERING), moves)
        longest = max((stretch.end - stretch.start for stretch in lost), default=0.0)
        told = f"no answer for {longest * 1000:.0f} ms, allowed are {bound * 1000:.0f} ms: {lost}, {moves[-12:]}"
        assert longest <= bound, told

    def check_crash_was_short(self, since: float) -> None:
        """Nobody answered for at most a down interval and 0.2 s."""
        self.check_served(since, time.time(), self.down_interval + 0.2)

    def check_gone(self, since: float) -> None:
        """The kernel has taken the address from a within the lease."""
        gone = [at for at, host, held in self.scene.watch.changes if host == "a" and not held and at >= since]
        assert gone, "a still has the address"
        assert gone[-1] - since <= self.lease + 1.05 + GRAIN

    def check_master(self, host: str, deadline: float) -> None:
        """That host, and it alone, is master within `deadline` seconds, and stays it."""
        other = "b" if host == "a" else "a"
        self.scene.wait_for_holder(host, deadline)
        self.check_routes()
        settled = time.time()
        time.sleep(2 * self.way.interval + 0.3)
        assert self.scene.holders() == {host}
        assert self.scene.sniffer.adverts(host, settled), f"{host} is silent"
        assert not [advert for advert in self.scene.sniffer.adverts(other, settled) if advert.priority]
        assert self.prober.answered(host, settled), f"{host} is not reachable"
        assert self.prober.spells(other, settled + GRAIN) == [], f"{other} is reachable"

    def takeover(self, since: float, deadline: float) -> float:
        """Waits until b is master; when it became it. In the middle of it all the routes are what they were."""
        at = self.scene.first_advert("b", since, deadline).at
        self.check_routes()
        return at


def signal_all(pids: list[int], number: int) -> float:
    """The signal to each of them that still lives; returns when. Those who are killed are stopped first, so that none
    sees another one die."""
    now = time.time()
    for each in [signal.SIGSTOP, number] if number == signal.SIGKILL and len(pids) > 1 else [number]:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, each)
    return now


def workers(daemon: Daemon) -> list[int]:
    """Its vrrp workers, known by their name."""
    names = ("hakeepd_vrrp", "keepalived_vrrp", "keepalived")
    return [pid for pid in daemon.processes()
            if pid != daemon.pid and Path(f"/proc/{pid}/comm").read_text().strip() in names]


@pytest.fixture
def cell(make_scene: Callable[..., Scene], interval: float, guard: str):
    """A cell of the matrix, with a as master. At its end the hosts' own routes must be as they were."""
    made = Cell(make_scene(), interval, fence=guard == "fence")
    with made.prober:
        yield made
    made.check_routes()
    made.a.kill()
    made.b.stop()
    made.check_routes()


@pytest.mark.parametrize("target", ["supervisor", "all"])
def test_term(cell: Cell, target: str) -> None:
    """An orderly stop: b is asked to take over, and the address moves at once."""
    since = cell.send(signal.SIGTERM, cell.pids(target))
    farewell = cell.scene.first_advert("a", since, 1, priority=0)
    assert cell.takeover(since, 3) - farewell.at <= cell.way.skew(100) + 0.15
    cell.check_master("b", 5)
    assert wait_until(lambda: not cell.a.alive(), 5, "a ends")
    cell.check_overlap(since, time.time(), PLANNED)
    cell.check_served(since, time.time())


def test_term_to_the_worker(cell: Cell) -> None:
    """Somebody stops the worker alone: an orderly handover, and a fresh worker takes its place."""
    since = cell.send(signal.SIGTERM, cell.pids("worker"))
    farewell = cell.scene.first_advert("a", since, 1, priority=0)
    assert cell.takeover(since, 3) - farewell.at <= cell.way.skew(100) + 0.15
    cell.check_master("a", 2 * cell.down_interval + 5)
    cell.check_overlap(since, time.time(), PLANNED)
    cell.check_served(since, time.time())


def test_kill_the_supervisor(cell: Cell) -> None:
    """The workers notice that they are alone, and stop as if by TERM."""
    since = cell.send(signal.SIGKILL, cell.pids("supervisor"))
    farewell = cell.scene.first_advert("a", since, 2, priority=0)
    assert cell.takeover(since, 3) - farewell.at <= cell.way.skew(100) + 0.15
    cell.check_master("b", 5)
    cell.check_overlap(since, time.time(), PLANNED)
    cell.check_served(since, time.time())


def test_kill_the_worker(cell: Cell) -> None:
    """A new worker goes on where the old one was: nobody sees a thing.

    It has 0.1 s, and what this machine takes longer at this moment for any process that is buried and born again.
    Where that alone is longer than `UNFIT`, it says nothing about a daemon, and there is another try.
    """
    for _ in range(TRIES):
        before = len(cell.scene.watch.changes)
        since, resumed, machine = kill_the_worker(cell)
        if machine <= UNFIT:
            break
        cell.check_master("a", 20)
        time.sleep(DEATHS_FORGOTTEN)
    else:
        pytest.fail(f"processes are born {machine * 1000:.0f} ms late on this machine")
    assert resumed - since <= RESPAWN + machine, f"MASTER again after {(resumed - since) * 1000:.0f} ms"
    first = cell.scene.first_advert("a", since, 5).at
    assert first - since <= max(cell.way.interval / 2, RESPAWN + machine) + LATE, "an advert was lost"
    cell.check_master("a", 1)
    time.sleep(max(0.0, since + 5 - time.time()))
    lost = [host for _, host, held in cell.scene.watch.changes[before:] if not held]
    assert not lost, "the address was gone for a while"
    cell.check_served(since - 0.1, time.time())
    assert cell.scene.sniffer.adverts("b", since) == []
    assert cell.prober.spells("b", since) == []
    assert len(cell.pids("worker")) == 1


def kill_the_worker(cell: Cell) -> tuple[float, float, float]:
    """In the middle between two adverts; when, when there was a MASTER again, and how late the machine was then."""
    with Yardstick(cell.scene.network["a"].path) as yardstick:
        worker, said = cell.pids("worker"), cell.a.log().count(RESUMED)
        cell.scene.next_advert("a", cell.way.interval + 2)
        time.sleep(cell.way.interval / 2)
        since = time.time()
        yardstick.kill()
        signal_all(worker, signal.SIGKILL)
        while cell.a.log().count(RESUMED) == said and time.time() < since + 5:
            time.sleep(0.001)
        return since, time.time(), yardstick.read()


def test_kill_all(cell: Cell) -> None:
    """A crash: b takes over after its down interval, and a is not reachable any more by then."""
    since = cell.send(signal.SIGKILL, cell.pids("all"))
    took_over = cell.takeover(since, cell.down_interval + 1)
    assert took_over - cell.scene.sniffer.adverts("a")[-1].at <= cell.down_interval + 0.15
    cell.check_master("b", 5)
    cell.check_overlap(since, time.time(), cell.crash_bound())
    cell.check_crash_was_short(since)
    cell.check_gone(since)


def test_stop_the_supervisor(cell: Cell) -> None:
    """A frozen supervisor is no reason to move."""
    since = cell.send(signal.SIGSTOP, cell.pids("supervisor"))
    time.sleep(cell.down_interval + 1)
    cell.check_master("a", 1)
    assert cell.scene.sniffer.adverts("b", since) == []


def test_stop_and_continue_the_supervisor(cell: Cell) -> None:
    """Nor is one that wakes up again."""
    supervisor = cell.pids("supervisor")
    since = cell.send(signal.SIGSTOP, supervisor)
    time.sleep(cell.down_interval + 1)
    signal_all(supervisor, signal.SIGCONT)
    time.sleep(2)
    cell.check_master("a", 1)
    assert cell.scene.sniffer.adverts("b", since) == []
    assert [advert for advert in cell.scene.sniffer.adverts("a", since) if advert.priority == 0] == []


def test_stop_the_worker(cell: Cell) -> None:
    """A frozen worker: b takes over; the supervisor replaces the worker, which then takes back."""
    since = cell.send(signal.SIGSTOP, cell.pids("worker"))
    took_over = cell.takeover(since, cell.down_interval + 1)
    cell.check_overlap(since, took_over + 0.5, cell.crash_bound())
    cell.check_crash_was_short(since)
    cell.check_master("a", 2 * cell.lease + 2 * cell.down_interval + 5)
    cell.check_overlap(took_over + 0.5, time.time(), PLANNED)
    cell.check_served(took_over + 0.5, time.time())


def test_stop_all(cell: Cell) -> None:
    """A frozen machine's daemon: as a crash."""
    since = cell.send(signal.SIGSTOP, cell.pids("all"))
    cell.takeover(since, cell.down_interval + 1)
    cell.check_master("b", 5)
    cell.check_overlap(since, time.time(), cell.crash_bound())
    cell.check_crash_was_short(since)
    cell.check_gone(since)


@pytest.mark.parametrize("target", ["worker", "all"])
def test_stop_and_continue_after_the_takeover(cell: Cell, target: str) -> None:
    """It wakes up in a world that has another master: it says nothing as master, and takes back in good order."""
    pids = cell.pids(target)
    since = cell.send(signal.SIGSTOP, pids)
    took_over = cell.takeover(since, cell.down_interval + 1)
    time.sleep(0.2)
    woken = signal_all(pids, signal.SIGCONT)
    cell.check_overlap(since, woken + 0.3, cell.crash_bound())
    first = cell.scene.first_advert("a", woken, cell.down_interval + 5)
    assert first.at - took_over >= cell.way.interval, "it spoke up as master although another one was there"
    cell.check_master("a", 5)
    cell.check_overlap(woken + 0.3, time.time(), PLANNED)
    cell.check_crash_was_short(since)
    cell.check_served(woken + 0.3, time.time())
