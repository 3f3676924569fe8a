"""The track worker in a network namespace: pings that are dropped, gateways and routes that come and go."""

from __future__ import annotations

import ctypes
import os
import pickle
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from hakeep.config.settled_track import Rhythm, Tracking, TrackPing, TrackProcess, TrackRoute, Watched
from hakeep.worker import Line, Log

pytestmark = pytest.mark.netns

PATIENCE = 15.0
QUICK = Rhythm(interval=0.1, timeout=0.3)


class Host:
    """A network namespace."""

    def __init__(self, name: str) -> None:
        self.name = f"hkt-{os.getpid()}-{name}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.ip("link set lo up")

    def ip(self, command: str) -> None:
        subprocess.run(["ip", "-n", self.name, *command.split()], check=True)

    def nft(self, command: str) -> None:
        subprocess.run(["ip", "netns", "exec", self.name, "nft", command], check=True)

    def close(self) -> None:
        subprocess.run(["ip", "netns", "del", self.name], check=True)


class Worker:
    """A track worker as the supervisor has it: a forked child, in `host`."""

    def __init__(self, host: Host, *things: Watched) -> None:
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            self._live(host, Tracking(things), theirs, parent)
        theirs.close()
        self.line = Line(ours, trusting=False)
        self.heard: list[tuple[float, dict[str, Any]]] = []

    def _live(self, host: Host, tracking: Tracking, end: socket.socket, parent: int) -> None:
        status = 9
        try:
            with open(f"/run/netns/{host.name}") as namespace:  # noqa: PTH123
                assert ctypes.CDLL(None).setns(namespace.fileno(), 0x40000000) == 0
            from hakeep.track import process

            log = Log("track", console=False, facility=None, detail=False)
            status = process.main(tracking, Line(end, trusting=True), log, process.Start(parent))
        finally:
            os._exit(status)

    def judgements(self, name: str) -> list[bool]:
        return [body["well"] for _, body in self.heard if body["do"] == "tracked" and body["name"] == name]

    def why(self, name: str) -> str:
        return next(body["why"] for _, body in reversed(self.heard)
                    if body["do"] == "tracked" and body["name"] == name)

    def until(self, condition: Callable[[], object]) -> float:
        """Wait for it; returns when the last message came."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0 and not self.line.closed, self.heard[-5:]
            select.select([self.line], [], [], left)
            self.heard += [(time.monotonic(), message.body) for message in self.line.receive()]
        return self.heard[-1][0]

    def is_over(self) -> bool:
        if self.pid and os.waitpid(self.pid, os.WNOHANG) != (0, 0):
            self.pid = 0
        return not self.pid

    def stop(self) -> None:
        self.line.send({"do": "stop"})
        deadline = time.monotonic() + PATIENCE
        while not self.is_over():
            if time.monotonic() > deadline:
                os.kill(self.pid, 9)
            time.sleep(0.01)
        self.line.close()


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    """Two of them on one wire: 10.99.0.1 and 10.99.0.2, fd99::1 and fd99::2."""
    here, there = Host("a"), Host("b")
    try:
        here.ip(f"link add wire type veth peer name wire netns {there.name}")
        for number, host in enumerate((here, there), 1):
            host.ip(f"addr add 10.99.0.{number}/24 dev wire")
            host.ip(f"addr add fd99::{number}/64 dev wire nodad")
            host.ip("link set wire up")
        yield here, there
    finally:
        here.close()
        there.close()


@pytest.fixture
def watch() -> Iterator[Callable[..., Worker]]:
    workers = []

    def start(host: Host, *things: Watched) -> Worker:
        workers.append(Worker(host, *things))
        return workers[-1]

    yield start
    for worker in workers:
        worker.stop()


def test_pings_that_are_dropped(hosts: tuple[Host, Host], watch: Callable[..., Worker]) -> None:
    here, there = hosts
    worker = watch(
        here, TrackPing("four", ip_address("10.99.0.2"), rhythm=QUICK),
        TrackPing("six", ip_address("fd99::2"), 6, source=ip_address("fd99::1"), rhythm=QUICK),
        TrackPing("lossy", ip_address("10.99.0.2"), count=10, loss=40.0, interface="wire", rhythm=Rhythm(0.5, 1.0)))
    worker.until(lambda: worker.judgements("four")[-1:] == worker.judgements("six")[-1:] == [True])
    worker.until(lambda: worker.judgements("lossy")[-1:] == [True])
    there.nft("add table inet gate; add chain inet gate in { type filter hook input priority 0; }")
    there.nft("add rule inet gate in icmp type echo-request numgen inc mod 10 < 3 drop")
    before = len(worker.judgements("lossy"))
    worker.until(lambda: worker.judgements("four")[-1:] == [False])  # one of one is lost now and then
    assert len(worker.judgements("lossy")) == before, worker.why("lossy")  # three of ten may be
    there.nft("add rule inet gate in meta l4proto { icmp, icmpv6 } drop")
    worker.until(lambda: worker.judgements("lossy")[-1:] == [False])
    assert worker.why("lossy").startswith("10 of 10 echoes lost")
    worker.until(lambda: worker.judgements("six")[-1:] == [False])
    there.nft("delete table inet gate")
    worker.until(lambda: worker.judgements("lossy")[-1:] == worker.judgements("six")[-1:] == [True])
    worker.until(lambda: worker.judgements("four")[-1:] == [True])


def test_the_gateway_is_that_of_the_moment(hosts: tuple[Host, Host], watch: Callable[..., Worker]) -> None:
    here, there = hosts
    worker = watch(here, TrackPing("gw", None, rhythm=QUICK), TrackPing("gw6", None, 6, rhythm=QUICK))
    worker.until(lambda: worker.judgements("gw") == worker.judgements("gw6") == [False])
    assert worker.why("gw") == "there is no default gateway"
    here.ip("route add default via 10.99.0.2")
    worker.until(lambda: worker.judgements("gw") == [False, True])
    there.ip("addr add fe80::99/64 dev wire nodad")
    here.ip("-6 route add default via fe80::99 dev wire")
    worker.until(lambda: worker.judgements("gw6") == [False, True])
    here.ip("route replace default via 10.99.0.77")
    worker.until(lambda: worker.judgements("gw") == [False, True, False])


def test_routes_come_and_go(hosts: tuple[Host, Host], watch: Callable[..., Worker]) -> None:
    here, _ = hosts
    worker = watch(
        here, TrackRoute("default", "default"), TrackRoute("net", "10.50.0.0/16"), TrackRoute("six", "fd50::/32", 6),
        TrackRoute("other", "10.50.0.0/16", 4, 1000))
    names = ("default", "net", "six", "other")
    worker.until(lambda: all(worker.judgements(name) == [False] for name in names))

    def change(name: str, well: bool, command: str) -> None:
        here.ip(command)
        done = time.monotonic()
        told = worker.until(lambda: worker.judgements(name)[-1] is well)
        assert told - done < 1.0

    change("default", True, "route add default via 10.99.0.2")
    assert worker.why("default") == "there is a route via 10.99.0.2 dev wire"
    change("net", True, "route add 10.50.0.0/16 via 10.99.0.2")
    here.ip("route add 10.50.0.0/24 via 10.99.0.2")
    change("six", True, "-6 route add fd50::/32 via fd99::2")
    change("other", True, "route add 10.50.0.0/16 table 1000 nexthop via 10.99.0.2 nexthop via 10.99.0.3")
    change("net", False, "route replace unreachable 10.50.0.0/16")
    change("net", True, "route replace 10.50.0.0/16 via 10.99.0.2")
    here.ip("route add 10.50.0.0/16 via 10.99.0.3 metric 50")
    here.ip("route del 10.50.0.0/16 metric 0")
    change("six", False, "-6 route del fd50::/32")
    assert worker.judgements("net")[-1] is True  # there is still one of the two
    change("default", False, "link set wire down")  # IPv4 routes go with it, and the kernel says nothing of them
    worker.until(lambda: worker.judgements("net")[-1] is worker.judgements("other")[-1] is False)


def test_processes_are_counted_from_within_a_namespace(
    hosts: tuple[Host, Host], watch: Callable[..., Worker]
) -> None:
    """Where the connector is not to be had, it is got from the host's namespace, or /proc is read."""
    started = subprocess.Popen(["sleep", "1000"])
    try:
        worker = watch(hosts[0], TrackProcess("p", "sleep", ("1000",), "exact"))
        worker.until(lambda: worker.judgements("p") == [True])
    finally:
        started.kill()
        started.wait()


def test_a_reload_and_a_line_that_closes(hosts: tuple[Host, Host], watch: Callable[..., Worker]) -> None:
    here, _ = hosts
    worker = watch(here, TrackRoute("net", "10.99.0.0/24"))
    worker.until(lambda: worker.judgements("net") == [True])
    things = TrackRoute("net", "10.99.0.0/24"), TrackRoute("none", "10.9.0.0/24")
    worker.line.send_blob(pickle.dumps(Tracking(things)))
    worker.until(lambda: worker.judgements("net") == [True, True] and worker.judgements("none") == [False])
    worker.line.sock.shutdown(socket.SHUT_RDWR)
    deadline = time.monotonic() + PATIENCE
    while not worker.is_over():
        assert time.monotonic() < deadline
        time.sleep(0.01)
