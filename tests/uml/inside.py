"""Runs inside User Mode Linux: pairs of hosts, what is done to them, and a record of what the kernel saw.

    python inside.py FOLDER SCENE...       a JSON document for each scene into FOLDER

Nothing is judged here; that is done outside, where a failure can be shown (see test_uml.py). Two network namespaces
joined by a veth pair are the hosts a and b of a scene; a prefers to be master. Every host has a /run of its own that
outlives its daemons, as on a real machine. All times are seconds of the monotonic clock of this kernel.

System calls cost ten times the host's here and there is one processor, so the scenes run side by side, in a thread
each, and wait most of the time. Little is imported and few processes are started, because that takes longest.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import ipaddress
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import scenes

from hakeep.cli import hakeep

ROOT = Path(__file__).resolve().parents[2]
HAKEEPD = (sys.executable, "-m", "hakeep.cli.hakeepd", "-n", "-l", "-D", "-G")

CLONE_NEWNET = 0x40000000  # linux/sched.h
RTM_NEWADDR, RTM_DELADDR, IFA_ADDRESS, IFA_LOCAL, IFA_CACHEINFO, IFA_PROTO = 20, 21, 1, 2, 6, 11  # linux/rtnetlink.h
RTMGRP_ADDRESSES = 0x10 | 0x100  # IPv4, IPv6

#: Seconds after which whatever is waited for will not come.
PATIENCE = 25.0

_libc = ctypes.CDLL(None, use_errno=True)
_stdout = threading.Lock()


def wait_until(condition: Callable[[], Any], what: str, deadline: float = PATIENCE) -> None:
    """Until `condition()` is true; TimeoutError when `deadline` seconds have gone without."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {deadline} s: {what}")
        time.sleep(0.02)


def command(*words: str) -> str:
    """The output of a command; RuntimeError with its error text when it fails."""
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


class Host:
    """A network namespace with a /run of its own, and the daemon on it."""

    def __init__(self, scene: str, name: str, config: str) -> None:
        self.name = name
        self.namespace = f"{scene}-{name}"
        self.run = Path("/run/hosts", self.namespace)
        self.run.mkdir(parents=True)
        self.log = self.run / "log"
        self.config = self.run / "hakeep.conf"
        self.config.write_text(config)
        self.daemon: subprocess.Popen[bytes] | None = None
        command("ip", "netns", "add", self.namespace)
        self.ip("link set lo up")

    def ip(self, words: str) -> str:
        """`ip WORDS` in this host."""
        return command("ip", "-n", self.namespace, *words.split())

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread is in this host within the block; sockets made there stay there."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.namespace}", os.O_RDONLY)
        try:
            if _libc.setns(there, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            yield
        finally:
            _libc.setns(before, CLONE_NEWNET)
            os.close(before)
            os.close(there)

    def start(self) -> None:
        """Starts the daemon; its output is appended to the log."""
        prefix = ("nsenter", f"--net=/run/netns/{self.namespace}", "--", "unshare", "--mount", "--", "sh", "-c",
                  f'mount --bind {self.run} /run && exec "$@"', "sh")
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen((*prefix, *HAKEEPD, "-f", "/run/hakeep.conf"), stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log, cwd=ROOT)

    def alive(self) -> bool:
        """True while the daemon's first process runs."""
        return self.daemon is not None and self.daemon.poll() is None

    def pids(self, target: str) -> list[int]:
        """The processes that are meant by "supervisor", "worker" or "all"."""
        everything = [int(pid) for pid in command("ip", "netns", "pids", self.namespace).split()]
        workers = [pid for pid in everything if Path(f"/proc/{pid}/comm").read_text() == "hakeepd_vrrp\n"]
        assert self.daemon and workers, everything
        return {"supervisor": [self.daemon.pid], "worker": workers, "all": everything}[target]

    def end(self) -> None:
        """An orderly end of the daemon; what is left after that is killed."""
        if self.daemon is not None:
            if self.alive():
                self.daemon.terminate()
            with contextlib.suppress(TimeoutError):
                wait_until(lambda: not self.alive(), "it ends", 10)
            send(signal.SIGKILL, [int(pid) for pid in command("ip", "netns", "pids", self.namespace).split()])

    def status(self) -> Any:
        """What `hakeep status --json` says; None when it has nothing to say."""
        with _stdout, contextlib.redirect_stdout(io.StringIO()) as said:
            hakeep.main(["status", "--json", "--socket", str(self.run / "hakeep" / "control.sock")])
        return json.loads(said.getvalue()) if said.getvalue() else None

    def routes(self) -> str:
        """All IPv6 routes, of all tables."""
        return self.ip("-6 route show table all")

    def sysctls(self) -> dict[str, str]:
        """The settings of the interfaces and protocols, as far as they can be read."""
        found = {}
        with self.inside():
            for family in ("ipv4", "ipv6"):
                for path in Path("/proc/sys/net", family).rglob("*"):
                    with contextlib.suppress(OSError):  # a folder, write only, or not set
                        found[str(path.relative_to("/proc/sys/net"))] = path.read_text().strip()
        return found


def send(number: int, pids: list[int]) -> None:
    """The signal to each of them that still lives. Those to be killed are stopped first: none sees another one die."""
    for each in (signal.SIGSTOP, signal.SIGKILL) if number == signal.SIGKILL else (number,):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, each)


class Watch(threading.Thread):
    """Who holds which address, by the word of the hosts' kernels: a list of `events`, and who holds what now."""

    def __init__(self, hosts: list[Host]) -> None:
        super().__init__(daemon=True)
        self.events: list[dict[str, Any]] = []
        self.held: dict[str, set[str]] = {host.name: set() for host in hosts}
        self._names: dict[socket.socket, str] = {}
        for host in hosts:
            with host.inside():
                made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            made.bind((0, RTMGRP_ADDRESSES))
            self._names[made] = host.name

    def run(self) -> None:
        while True:
            for sock in select.select(list(self._names), [], [])[0]:
                data, at = sock.recv(65536), time.monotonic()
                while len(data) >= 16:
                    length, kind = struct.unpack_from("IH", data)
                    if kind in (RTM_NEWADDR, RTM_DELADDR):
                        self._take(at, self._names[sock], kind == RTM_NEWADDR, data[16:length])
                    data = data[(length + 3) & ~3:]

    def _take(self, at: float, host: str, present: bool, message: bytes) -> None:
        _, prefix, _, _, index = struct.unpack_from("BBBBI", message)
        found, rest = {}, message[8:]
        while len(rest) >= 4:
            length, kind = struct.unpack_from("HH", rest)
            found[kind] = rest[4:length]
            rest = rest[max(4, (length + 3) & ~3):]
        address = str(ipaddress.ip_address(found.get(IFA_LOCAL) or found[IFA_ADDRESS]))
        preferred, valid = struct.unpack_from("II", found.get(IFA_CACHEINFO, bytes(8)))
        (self.held[host].add if present else self.held[host].discard)(address)
        self.events.append({
            "at": at, "host": host, "address": address, "prefix": prefix, "interface": index, "held": present,
            "proto": found.get(IFA_PROTO, b"\0")[0], "valid": valid, "preferred": preferred})


class Scene:
    """One pair of hosts, and the record of what happened to it."""

    def __init__(self, name: str) -> None:
        self.plan = scenes.SCENES[name]
        self.hosts = {host: Host(name, host, self.plan.config(host)) for host in "ab"}
        self.a, self.b = self.hosts.values()
        self.record: dict[str, Any] = {"kernel": os.uname().release, "rows": {}, "samples": {}}
        command("ip", "link", "add", "eth0", "netns", self.a.namespace, "type", "veth",
                "peer", "name", "eth0", "netns", self.b.namespace)
        for number, host in enumerate(self.hosts.values(), 11):
            with host.inside():
                for key, value in (("accept_dad", 0), ("dad_transmits", 0)):  # an address is usable at once
                    Path("/proc/sys/net/ipv6/conf/eth0", key).write_text(str(value))
            host.ip("link set eth0 up")
            host.ip(f"addr add 192.0.2.{number}/24 dev eth0")
            host.ip(f"addr add 2001:db8::{number}/64 dev eth0 nodad")
            host.ip("-6 route add default via 2001:db8::1 dev eth0")
        for host in self.hosts.values():
            wait_until(lambda host=host: "local fe80::" in host.routes(), "the link-local address")
        self.watch = Watch([self.a, self.b])
        self.watch.start()

    def sample(self, name: str, *, status: str = "") -> None:
        """Notes the routes of both hosts, read between `at` and `until`, and the status of those named."""
        self.record["samples"][name] = {
            host.name: {
                "at": time.monotonic(),
                "routes": host.routes(),
                "until": time.monotonic(),
                "status": host.status() if host.name in status else None,
            } for host in self.hosts.values()}

    def survey(self, name: str, *, sysctls: str, status: str = "") -> None:
        """A sample with all else that there is on both hosts, and the settings of those named."""
        self.sample(name, status=status)
        for host in self.hosts.values():
            self.record["samples"][name][host.name] |= {
                "links": host.ip("-o -d link show"),
                "addresses": host.ip("-o addr show"),
                "sysctls": host.sysctls() if host.name in sysctls else None,
            }

    def wait_for_master(self, host: str) -> None:
        """Until that host, and it alone, has all virtual addresses."""
        all_of_them, held = set(self.plan.vips), self.watch.held
        other = "b" if host == "a" else "a"
        wait_until(lambda: all_of_them <= held[host] and not all_of_them & held[other], f"{host} alone is master")

    def row(self, name: str, number: int, target: str, *, then: Callable[[], None] | None) -> None:
        """A signal to a, until b is master; then a comes back by what `then` does, by itself where there is nothing: at
        any moment, so nothing waits there for b to be alone."""
        self.sample(f"{name}: before")
        pids = self.a.pids(target)
        self.wait_for_master("a")
        since = time.monotonic()
        send(number, pids)
        wait_until(lambda: set(self.plan.vips) <= self.watch.held["b"], "b takes over")
        self.sample(f"{name}: during")
        if then is not None:
            self.wait_for_master("b")
        self.sample(f"{name}: taken over", status="b" if then else "")
        back = time.monotonic()
        if then is not None:
            then()
        self.wait_for_master("a")
        until = time.monotonic()
        self.sample(f"{name}: after", status="a")
        self.record["rows"][name] = {"since": since, "back": back, "until": until}

    def steady_row(self, name: str, number: int, target: str, *, then: Callable[[], None] | None) -> None:
        """A signal to a that is no reason to move, and longer than b would wait for a; then what `then` does."""
        self.sample(f"{name}: before")
        pids = self.a.pids(target)
        self.wait_for_master("a")
        since = time.monotonic()
        send(number, pids)
        self.sample(f"{name}: during")
        time.sleep(self.plan.down_interval)
        self.sample(f"{name}: taken over")
        back = time.monotonic()
        if then is not None:
            then()
        self.wait_for_master("a")
        until = time.monotonic()
        self.sample(f"{name}: after", status="a")
        self.record["rows"][name] = {"since": since, "back": back, "until": until}

    def start_again(self) -> None:
        """As an administrator would, after a crash or a stop, once all is over that was a's."""
        wait_until(lambda: not (self.a.alive() or command("ip", "netns", "pids", self.a.namespace)), "a has ended")
        self.a.start()

    def play(self) -> None:
        """Everything, from the start of the daemons to their end."""
        self.survey("idle", sysctls="ab")
        for host in self.hosts.values():
            host.start()
        for host in self.hosts.values():
            wait_until(lambda host=host: "Startup complete" in host.log.read_text(), f"{host.name} listens")
        self.wait_for_master("a")
        self.survey("master", sysctls="a", status="ab")
        self.row("TERM", signal.SIGTERM, "supervisor", then=self.start_again)
        if not self.plan.vmac:
            self.play_worker_and_supervisor()  # each death of a worker is the first one of its supervisor
        self.row("TERM all", signal.SIGTERM, "all", then=self.start_again)
        self.row("KILL all", signal.SIGKILL, "all", then=self.start_again)
        if not self.plan.vmac:
            self.row("STOP worker", signal.SIGSTOP, "worker", then=None)
            worker = self.a.pids("worker")
            self.row("STOP and CONT worker", signal.SIGSTOP, "worker", then=lambda: send(signal.SIGCONT, worker))
            stopped = self.a.pids("all")
            self.row("STOP and CONT all", signal.SIGSTOP, "all", then=lambda: send(signal.SIGCONT, stopped))
        self.a.end()
        self.wait_for_master("b")
        self.survey("a has ended", sysctls="a")
        self.b.end()
        self.survey("both have ended", sysctls="b")
        time.sleep(self.plan.lease + 1)
        self.sample("a lease later")

    def play_worker_and_supervisor(self) -> None:
        """What is done to the one and not to the other."""
        self.row("TERM worker", signal.SIGTERM, "worker", then=None)
        self.row("KILL supervisor", signal.SIGKILL, "supervisor", then=self.start_again)
        supervisor = self.a.pids("supervisor")
        self.steady_row("STOP and CONT supervisor", signal.SIGSTOP, "supervisor",
                        then=lambda: send(signal.SIGCONT, supervisor))
        self.steady_row("KILL worker", signal.SIGKILL, "worker", then=None)

    def close(self) -> None:
        """Ends what runs and completes the record."""
        for host in self.hosts.values():
            host.end()
        self.record["events"] = list(self.watch.events)
        self.record["logs"] = {host.name: host.log.read_text(errors="replace") for host in self.hosts.values()}


def run(folder: Path, name: str) -> None:
    """One scene; its record is written whatever happens."""
    record: dict[str, Any] = {}
    try:
        scene = Scene(name)
        record = scene.record
        try:
            scene.play()
        finally:
            scene.close()
    except BaseException:
        record["error"] = traceback.format_exc()
    (folder / f"{name}.json").write_text(json.dumps(record))


def main(folder: Path, names: list[str]) -> None:
    threads = [threading.Thread(target=run, args=(folder, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
