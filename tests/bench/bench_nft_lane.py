#!/usr/bin/env python3
"""From the fact that takes a server out to the kernel's word that it is out: engine, lane and backend `nftables`.

    python -m tests.bench.bench_nft_lane [--changes 200] [--staying]        (as root, in a network namespace of its own)

For some numbers of virtual servers, with some real servers each: milliseconds until the whole table is there, and of
single servers that go and come back, the median, the 95th of a hundred and the worst. With `--staying`, clients stay
with their servers (persistence_timeout).
"""

from __future__ import annotations

import argparse
import ctypes
import sys
from ipaddress import IPv4Address
from pathlib import Path
from time import monotonic, perf_counter

import trio

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hakeep.config.settled_lvs import Director, RealServer, VirtualServer
from hakeep.lvs import messages as m
from hakeep.lvs.backends import Refusal, TableChange
from hakeep.lvs.backends.nftables import Nftables
from hakeep.lvs.engine import Engine
from hakeep.lvs.process.lane import TableLane
from hakeep.objects.ipvs import PERSISTENT, TCP, Service, ServiceKey

SIZES = ((1, 3), (10, 3), (100, 3), (100, 20), (500, 20))
_CLONE_NEWNET = 0x40000000
_PAUSE = 0.02


class Timed(Nftables):
    """Tells when the kernel has acknowledged a change."""

    def __init__(self) -> None:
        super().__init__("hakeep_bench")
        self.done = trio.Event()
        self.at = 0.0

    async def apply(self, changes: list[TableChange]) -> list[Refusal]:  # type: ignore[override]
        refused = await super().apply(changes)
        assert not refused, refused
        self.at = perf_counter()
        self.done.set()
        return refused


def director(virtual: int, real: int, staying: bool) -> Director:
    flags, timeout = (PERSISTENT, 50) if staying else (0, 0)
    servers = []
    for n in range(virtual):
        ip = IPv4Address("192.0.2.1") + n
        reals = tuple(RealServer(IPv4Address("10.0.0.1") + 256 * n + one, 80) for one in range(real))
        service = Service(ServiceKey(4, TCP, ip, 80), "wrr", flags, timeout)
        servers.append(VirtualServer(f"{ip} 80", f"[{ip}]:tcp:80", (service,), reals))
    return Director(virtual=tuple(servers))


async def measure(virtual: int, real: int, changes: int, staying: bool) -> None:
    backend = Timed()
    engine = Engine(director(virtual, real, staying), monotonic())

    async def choose() -> Timed:
        await backend.open()
        return backend

    lane = TableLane(engine, choose, lambda event: None, lambda *words: None)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        began = perf_counter()
        nursery.start_soon(lane.run)
        await backend.done.wait()
        load = backend.at - began
        took = []
        for number in range(changes):
            await trio.sleep(_PAUSE)
            backend.done = trio.Event()
            server = engine.director.virtual[number // 2 * 7 % virtual].reals[0]
            began = perf_counter()
            for effect in engine.step(monotonic(), m.Ordered("ready" if number % 2 else "down", server.ip, 80)):
                if isinstance(effect, m.Reconcile):
                    lane.want(effect.only)
            await backend.done.wait()
            took.append(backend.at - began)
        nursery.cancel_scope.cancel()
    await backend.flush()
    await backend.close()
    took.sort()
    figures = [load, took[len(took) // 2], took[len(took) * 95 // 100], took[-1]]
    print(f"| {virtual} x {real} | " + " | ".join(f"{figure * 1e3:.1f}" for figure in figures) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--staying", action="store_true")
    arguments = parser.parse_args()
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise SystemExit("it needs a network namespace of its own: run it as root")
    print("| virtual x real | whole table | median | 95 % | worst |\n|---|---|---|---|---|")
    for virtual, real in SIZES:
        trio.run(measure, virtual, real, arguments.changes, arguments.staying)


if __name__ == "__main__":
    main()
