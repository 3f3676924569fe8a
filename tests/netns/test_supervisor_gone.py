"""However its processes are told to go, or lose their parent: an orderly handover, and only one.

A service manager may signal the supervisor alone or everything at once, and when the supervisor dies it signals what is
left. The worker then hears of the same end by several ways: the order of its parent, the end of its line, the signal
that the kernel sends for a dead parent, and the service manager's own. All mean one stop.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hosts import Daemon, wait_until
from observe import Prober
from scene import VIP, Scene, Way

PATIENCE = 10.0

#: Rounds of questions, 2 ms each, that may go without an answer: a busy machine loses some.
UNANSWERED = 12

pytestmark = [pytest.mark.netns, pytest.mark.parametrize("interval", [1, 0.1], ids=["1s", "0.1s"])]


class Pair:
    """a is master, b its backup, and somebody asks for the address all the time. a's scripts write down its states."""

    def __init__(self, scene: Scene, interval: float) -> None:
        self.scene = scene
        self.told = scene.network.files / "told"
        script = scene.network.files / "notify.sh"
        script.write_text(f"#!/bin/sh\necho $3 >> {self.told}\n")
        script.chmod(0o755)
        self.way = Way(3, interval, globals="script_user root")
        self.a = scene.run("a", self.way.config("a", 150, f"notify {script}"))
        scene.wait_for_holder("a", self.way.down_interval(150) + 3)
        self.b = scene.run("b", self.way.config("b", 100))
        self.prober = Prober(
            scene.network["observer"], VIP, {name: scene.network[name].macs()["eth0"] for name in "ab"}, "192.0.2.201"
        )
        wait_until(lambda: "MASTER" in self.states(), PATIENCE, "the script ran")
        wait_until(lambda: len(self.prober.rounds) > 100, PATIENCE)
        self.processes = self.a.processes()
        self.workers = [pid for pid in self.processes if pid != self.a.pid]

    def states(self) -> list[str]:
        return self.told.read_text().split() if self.told.exists() else []

    def check_handover(self, since: float) -> None:
        """b has it, nobody who asked went without an answer, and a did everything once."""
        self.scene.wait_for_holder("b", PATIENCE)
        wait_until(lambda: not self.a.processes(), PATIENCE, "all of a has ended")
        time.sleep(0.2)
        until = time.time()
        assert len(self.scene.sniffer.adverts("a", since, priority=0)) == 1, "priority 0 goes out once"
        farewell = self.scene.sniffer.adverts("a", since, priority=0)[0].at
        assert not [advert for advert in self.scene.sniffer.adverts("a", farewell) if advert.priority]
        announced = self.scene.sniffer.announcements("b", since, VIP)[0].at
        gone = next(at for at, host, held in self.scene.watch.changes if host == "a" and not held and at >= since)
        assert gone >= announced, "a let go before b was known to have it"
        assert self.states() == ["BACKUP", "MASTER", "STOP"]
        assert self.a.log().count("Stopping") <= 1
        assert self.unanswered(since, until) <= UNANSWERED
        assert "Traceback" not in self.a.log()

    def unanswered(self, since: float, until: float) -> int:
        """The longest row of questions without an answer."""
        answers = [since, *sorted(at for at, _ in list(self.prober.replies) if since <= at <= until), until]
        rounds = [at for at in list(self.prober.rounds) if since <= at <= until]
        longest, asked = 0, iter(rounds)
        at = next(asked, until)
        for _, end in pairwise(answers):
            row = 0
            while at < end:
                row, at = row + 1, next(asked, until)
            longest = max(longest, row)
        return longest


@pytest.fixture
def pair(make_scene: Callable[..., Scene], interval: float) -> Iterator[Pair]:
    made = Pair(make_scene(), interval)
    with made.prober:
        yield made


def send(number: int, *pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def vrrp_worker(daemon: Daemon) -> int:
    return next(pid for pid in daemon.processes()
                if pid != daemon.pid and Path(f"/proc/{pid}/comm").read_text() == "hakeepd_vrrp\n")


def test_a_killed_supervisor(pair: Pair) -> None:
    since = time.time()
    send(signal.SIGKILL, pair.a.pid)
    pair.check_handover(since)
    assert "the supervisor is gone: stopping" in pair.a.log()


def test_a_killed_supervisor_whose_children_get_a_signal_as_well(pair: Pair) -> None:
    """What a service manager does when the main process has died (KillMode=control-group)."""
    since = time.time()
    send(signal.SIGKILL, pair.a.pid)
    send(signal.SIGTERM, *pair.workers)
    pair.check_handover(since)


@pytest.mark.parametrize("first", ["supervisor", "worker"])
def test_a_signal_to_all_at_once(pair: Pair, first: str) -> None:
    """KillMode=control-group, in whatever order the kernel delivers it."""
    since = time.time()
    send(signal.SIGTERM, *(pair.processes if first == "supervisor" else reversed(pair.processes)))
    pair.check_handover(since)
    assert not Path(f"/proc/{pair.a.pid}").exists() or not pair.a.alive()


def test_a_supervisor_that_is_killed_while_it_stops(pair: Pair) -> None:
    since = time.time()
    send(signal.SIGTERM, pair.a.pid)
    wait_until(lambda: "Stopping" in pair.a.log(), PATIENCE)
    send(signal.SIGKILL, pair.a.pid)
    pair.check_handover(since)


def test_a_worker_whose_signal_comes_late(pair: Pair) -> None:
    """The order of the supervisor has come long before: the signal is no second order."""
    worker = vrrp_worker(pair.a)
    since = time.time()
    send(signal.SIGTERM, pair.a.pid)
    wait_until(lambda: pair.scene.sniffer.adverts("a", since, priority=0), PATIENCE)
    send(signal.SIGTERM, worker)
    pair.check_handover(since)
