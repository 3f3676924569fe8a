#!/usr/bin/env python3
"""A director with very many servers: how long it takes to load them, to read them again, and to act.

    python -m tests.bench.bench_large decide [--virtual 2277] [--real 37205]
    python -m tests.bench.bench_large late [--checked 1000] [--virtual ...] [--real ...]
    python -m tests.bench.bench_large uml|load [--daemons keepalived,hakeepd] [--virtual ...] [--real ...]

* decide: the loop and the lane of the lvs worker with a table in memory, all in this process: milliseconds from the
  answer that decides until the backend has the change.
* late: hakeepd with a table in memory, in namespaces of its own; so many of the real servers are asked every second.
  The longest time between two checks of one of them, in milliseconds: while nothing happens, while the file is read
  again as it was, and while it is read again with one comment more. And how long both readings take.
* uml: whole daemons on the real IPVS of User Mode Linux (package user-mode-linux), one boot each. Seconds from
  the start until the table has everything, and until one says that it has read the file again; memory of the
  processes; and with ten servers in front of which somebody is listening, milliseconds from the daemon's word (its
  FIFO) that one is down until the kernel's table has it no more. Only ratios mean anything there.
* load: the first part of it. On a machine that has other things to do as well, what counts is the processor time that
  the host needed for it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

ROOT = Path(__file__).resolve().parents[2]

#: Commands of the daemons, behind which the configuration and the pid file come.
DAEMONS = {
    "keepalived": ["keepalived", "-C", "-n", "-l", "-D", "-G"],
    "hakeepd": [sys.executable, "-m", "hakeep.cli.hakeepd", "-C", "-n", "-l", "-D", "-G"],
}
FIFO = "/run/fifo"

#: What says, in the folder of results, that a daemon was started, and that the table has everything.
BEGAN, LOADED = "began", "loaded"

#: Real servers whose checks find somebody, and how often each of them dies.
NEAR, DEATHS = 10, 1


# ---------------------------------------------------------------------------------------------------------- in memory


def decide(virtual: int, real: int) -> None:
    """Prints the milliseconds."""
    import trio

    from hakeep.lvs import messages as m
    from hakeep.lvs.backends.memory import Memory
    from hakeep.lvs.process import loop as module
    from hakeep.lvs.process.start import Start
    from hakeep.worker import Line, Log
    from tests.bench.bench_lvs_engine import director

    class Stamping(Memory):
        """Remembers when something was last applied."""

        at = 0.0

        async def apply(self, changes: Any) -> Any:
            found = await super().apply(changes)
            self.at = time.perf_counter()
            return found

    class Silent:
        """Asks nobody."""

        def __init__(self, *_: object) -> None:
            self.kit = None

        def ask(self, effect: m.Ask) -> None:
            pass

        def forget(self, effect: m.Forget) -> None:
            pass

    backend = Stamping()

    async def choose(*_: object) -> Memory:
        return backend

    async def measure() -> None:
        ours, theirs = socket.socketpair()
        worker = module.LvsProcess(director(virtual, real), Line(theirs, trusting=True),
                                   Log("bench", console=False, facility=None, detail=False), Start(os.getppid()))
        times = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.run)
            nursery.start_soon(_drain, ours)
            while not backend.at:
                await trio.sleep(0.1)
            await trio.sleep(8.0)  # the first round of checks has been asked for, and nobody answers
            inquiries = list(worker.engine.roster.inquiries.values())
            for inquiry in inquiries[:: max(1, len(inquiries) // 50)]:
                inquiry.tries_left = 0
                before, began = backend.at, time.perf_counter()
                worker.tell(m.Probed(inquiry.key, inquiry.page, m.Result(False, "refused")))
                with trio.move_on_after(5):
                    while backend.at == before:
                        await trio.lowlevel.checkpoint()
                times.append((backend.at - began) * 1e3)
                await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
        times.sort()
        print(f"{len(times)} deaths: median {times[len(times) // 2]:.2f} ms, the slowest {times[-1]:.2f} ms")

    module.choose = choose
    module.Asking = Silent  # type: ignore[assignment,misc]
    trio.run(measure)


async def _drain(ours: socket.socket) -> None:
    import trio

    made = trio.socket.from_stdlib_socket(ours)
    while await made.recv(1 << 16):
        pass


# --------------------------------------------------------------------------------------------------------- on this host


class Asked(threading.Thread):
    """Listens for checks, and notes the longest time between two of the same server."""

    def __init__(self, count: int) -> None:
        super().__init__(daemon=True)
        self._sockets = {}
        self._poll = select.epoll()
        for n in range(count):
            made = socket.create_server(("127.0.0.1", 10000 + n), backlog=10)
            made.setblocking(False)
            self._sockets[made.fileno()] = made
            self._poll.register(made.fileno(), select.EPOLLIN)
        self._last: dict[int, float] = {}
        self._longest = 0.0

    def run(self) -> None:
        while True:
            for descriptor, _ in self._poll.poll():
                self._sockets[descriptor].accept()[0].close()
                now = time.monotonic()
                self._longest = max(self._longest, now - self._last.get(descriptor, now))
                self._last[descriptor] = now

    def longest(self) -> float:
        """Since the last call, in milliseconds, with those who are still waiting."""
        now = time.monotonic()
        found = max(self._longest, now - min(self._last.values(), default=now))
        self._longest = 0.0
        return found * 1e3


def late(virtual: int, real: int, checked: int) -> None:
    """Prints what was found; in namespaces of its own."""
    if os.environ.get("BENCH_LARGE") != "inside":
        inner = 'mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@"'
        os.environ["BENCH_LARGE"] = "inside"
        os.execvp("unshare", ["unshare", "-n", "-m", "sh", "-c", inner, "sh", sys.executable, *sys.orig_argv[1:]])
    servers = Asked(checked)
    servers.start()
    config, log = Path("/run/large.conf"), Path("/run/large.log")
    config.write_text(configuration(virtual, real, checked))
    os.mkfifo(FIFO)
    words = [*DAEMONS["hakeepd"], "--lvs-backend", "memory", "-f", str(config)]
    with log.open("wb") as out:
        daemon = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        _wait(lambda: b"virtual servers live in" in log.read_bytes(), 120)
        time.sleep(5)
        print("memory MiB:", memory(daemon.pid))
        servers.longest()
        time.sleep(10)
        print(f"nothing happens: {servers.longest():.0f} ms")
        for what, more in (("as it was", b""), ("with a comment", b"# a comment\n")):
            with config.open("ab") as written:
                written.write(more)
            done = log.read_bytes().count(b"Reload complete")
            servers.longest()
            began = time.monotonic()
            daemon.send_signal(signal.SIGHUP)
            while log.read_bytes().count(b"Reload complete") == done:
                time.sleep(0.01)
            seconds = time.monotonic() - began
            time.sleep(2)
            print(f"read again {what}, in {seconds:.2f} s: {servers.longest():.0f} ms")
        print("memory MiB:", memory(daemon.pid))
    finally:
        daemon.terminate()
        daemon.wait(60)


# ------------------------------------------------------------------------------------------------------------- in UML


def configuration(virtual: int, real: int, near: int = NEAR) -> str:
    """Virtual servers with TCP checks. The first real servers are asked every second at 127.0.0.1, the others not for
    an hour."""
    lines = [f"global_defs {{\nrouter_id large\nscript_user root\nlvs_notify_fifo {FIFO}\n}}"]
    for v in range(virtual):
        lines.append(f"virtual_server {_ip(128, v)} 80 {{\nprotocol TCP\nlvs_sched wlc\nlvs_method NAT")
        lines.append("delay_loop 3600")
        for r in range(real * v // virtual, real * (v + 1) // virtual):
            what = "warmup 3600"
            if r < near:
                what = f"delay_loop 1\nwarmup 0\nretry 0\nconnect_ip 127.0.0.1\nconnect_port {10000 + r}"
            lines.append(f"real_server {_ip(1, r)} 80 {{\nTCP_CHECK {{\nconnect_timeout 3\n{what}\n}}\n}}")
        lines.append("}")
    return "\n".join(lines) + "\n"


def _ip(first: int, number: int) -> str:
    return f"10.{first + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


class Daemon:
    """One in front of the kernel's table; within, its life is a measurement."""

    def __init__(self, name: str, virtual: int, real: int, more: bool, marks: Path) -> None:
        self.name = name
        self.more = more
        self.marks = marks
        self.config = Path("/run/large.conf")
        self.log = Path(f"/run/{name}.log")
        self.virtual, self.real = virtual, real
        self.config.write_text(configuration(virtual, real))
        Path(FIFO).unlink(missing_ok=True)
        os.mkfifo(FIFO)
        self.fifo = os.open(FIFO, os.O_RDWR | os.O_NONBLOCK)

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        pid_file = "/run/large.pid"
        with self.log.open("wb") as log:
            daemon = subprocess.Popen([*DAEMONS[self.name], "-p", pid_file, "-f", str(self.config)], cwd=ROOT,
                                      stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield daemon
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(120)

    def measure(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        listeners = [socket.create_server(("127.0.0.1", 10000 + n), backlog=100) for n in range(NEAR)]
        (self.marks / BEGAN).touch()
        began = time.monotonic()
        with self.running() as daemon:
            _wait(lambda: entries() >= (self.virtual, self.real * 0.99), 20 + self.real / 200)  # some fail already
            found["load s"] = time.monotonic() - began
            (self.marks / LOADED).touch()
            time.sleep(5)
            found["memory MiB"] = memory(daemon.pid)
            if not self.more:
                return found
            found["reload s"] = self._reload(daemon, b"")
            found["reload with another comment s"] = self._reload(daemon, b"# as before\n")
            found["deaths ms"] = [self._death(n, listeners) for n in range(NEAR) for _ in range(DEATHS)]
            began = time.monotonic()
        found["stop s"] = time.monotonic() - began
        assert entries() == (0, 0), entries()
        return found

    def _reload(self, daemon: subprocess.Popen[bytes], more: bytes) -> float:
        done = {"keepalived": b"Reload finished", "hakeepd": b"Reload complete"}[self.name]
        before = self.log.read_bytes().count(done)
        with self.config.open("ab") as config:
            config.write(more)
        began = time.monotonic()
        daemon.send_signal(signal.SIGHUP)
        with contextlib.suppress(TimeoutError):
            _wait(lambda: self.log.read_bytes().count(done) > before, 120)
            return time.monotonic() - began
        return float("nan")

    def _death(self, n: int, listeners: list[socket.socket]) -> float:
        """Milliseconds between the word in the FIFO and the end of the entry in the table; negative where the entry
        went first."""
        from ipaddress import ip_address

        from hakeep.kernel.ipvs import Ipvs
        from hakeep.objects.ipvs import TCP, ServiceKey

        key = ServiceKey(4, TCP, ip_address(_ip(128, n * self.virtual // self.real)), 80)
        server = ip_address(_ip(1, n))
        with contextlib.suppress(BlockingIOError):
            while os.read(self.fifo, 65536):
                pass
        said: list[float] = []

        def listen() -> None:
            os.set_blocking(self.fifo, True)
            while b"DOWN" not in os.read(self.fifo, 65536):
                pass
            said.append(time.monotonic())
            os.set_blocking(self.fifo, False)

        listener = threading.Thread(target=listen)
        listener.start()
        ipvs = Ipvs()
        listeners[n].close()
        while any(each.key.ip == server for each in ipvs.destinations(key)):
            time.sleep(0.0003)  # there is one processor, and who is waited for needs it
        gone = time.monotonic()
        listener.join(10)
        listeners[n] = socket.create_server(("127.0.0.1", 10000 + n), backlog=100)
        _wait(lambda: any(each.key.ip == server for each in ipvs.destinations(key)), 30)
        ipvs.close()
        return (gone - said[0]) * 1e3 if said else float("nan")


def entries() -> tuple[int, int]:
    """How many services and destinations the table has."""
    services = destinations = 0
    with Path("/proc/net/ip_vs").open("rb") as table:
        for line in table:
            services += line.startswith((b"TCP", b"UDP", b"FWM"))
            destinations += line.startswith(b"  -> ") and b"RemoteAddress" not in line
    return services, destinations


def memory(parent: int) -> dict[str, float]:
    """The proportional share of each process."""
    found = {}
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for pid in (parent, *map(int, children)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a child on an errand has come to its end
            name, rows = (Path(f"/proc/{pid}/{what}").read_text() for what in ("comm", "smaps_rollup"))
            share = next(line for line in rows.splitlines() if line[:4] == "Pss:")
            found[f"{name.strip()} {pid}"] = int(share.split()[1]) / 1024
    return found


def _wait(condition: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.25)


def _inside(folder: Path, scenes: list[str]) -> None:
    """What runs in UML: a scene is DAEMON-VIRTUAL-REAL, or DAEMON-VIRTUAL-REAL-load for the first part alone."""
    for scene in scenes:
        name, virtual, real, *more = scene.split("-")
        try:
            found = Daemon(name, int(virtual), int(real), not more, folder).measure()
        except BaseException as error:
            found = {"error": repr(error), "log": Path(f"/run/{name}.log").read_text(errors="replace")[-2000:]}
        (folder / f"{scene}.json").write_text(json.dumps(found))


class Spending(threading.Thread):
    """Notes the processor time of the UML with this folder when it makes its marks there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self._at: dict[str, float] = {}

    def run(self) -> None:
        for mark in (BEGAN, LOADED):
            while not (self._folder / "results" / mark).exists():
                time.sleep(0.02)
            self._at[mark] = self._spent()

    def _spent(self) -> float:
        """Of all processes of its session: each one within has one here."""
        words = f"uml_dir={self._folder}/".encode()
        ticks: dict[str, int] = {}
        session = ""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                found = (process / "stat").read_text().rpartition(")")[2].split()
                ticks[found[3]] = ticks.get(found[3], 0) + sum(map(int, found[11:15]))
                if words in (process / "cmdline").read_bytes():
                    session = found[3]
        return ticks[session] / os.sysconf("SC_CLK_TCK")

    def seconds(self) -> float:
        """Between the marks; nan when they were not made."""
        return self._at.get(LOADED, float("nan")) - self._at.get(BEGAN, float("nan"))


def uml(daemons: str, virtual: int, real: int, limit: float, what: str) -> None:
    """Prints what was found in there."""
    sys.path.insert(0, str(ROOT / "tests" / "uml"))
    sys.path.insert(0, str(ROOT / "netns-lab"))
    import boot

    for daemon in daemons.split(","):  # each in a kernel of its own: the second one would take half as long again
        scene = f"{daemon}-{virtual}-{real}{'-load' if what == 'load' else ''}"
        with tempfile.TemporaryDirectory() as folder:
            spending = Spending(Path(folder))
            spending.start()
            found = boot.play(Path(folder), [scene], limit, player=str(Path(__file__).resolve()),
                              modules=("ipv6", "ip_vs", "ip_vs_wlc"))
        print(scene)
        print(f"  load, processor time of the host s: {spending.seconds():.2f}")
        for name, value in found[scene].items():
            if isinstance(value, list):
                value = f"median {sorted(value)[len(value) // 2]:.2f}, {min(value):.2f} to {max(value):.2f}"
            print(f"  {name}: {value}")


def main() -> None:
    logging.disable()
    if len(sys.argv) > 2 and Path(sys.argv[1]).is_dir():
        return _inside(Path(sys.argv[1]), sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("decide", "late", "uml", "load"))
    parser.add_argument("--virtual", type=int, default=2277)
    parser.add_argument("--real", type=int, default=37205)
    parser.add_argument("--checked", type=int, default=1000)
    parser.add_argument("--daemons", default="keepalived,hakeepd")
    parser.add_argument("--limit", type=float, default=600.0)
    options = parser.parse_args()
    if options.what == "decide":
        return decide(options.virtual, options.real)
    if options.what == "late":
        return late(options.virtual, options.real, options.checked)
    return uml(options.daemons, options.virtual, options.real, options.limit, options.what)


if __name__ == "__main__":
    main()
