#!/usr/bin/env python3
"""What the LVS engine costs, in milliseconds of one core.

    python -m tests.bench.bench_lvs_engine [--virtual 2277] [--real 37205]

* start: `Engine(...)` and its first effects; wanted: the whole table; changes: against an empty one and an equal one.
* reload, the same: a `Reloaded` with an equal configuration that shares no object with the first (as after a pickle).
* reload, one changed: one virtual server has another quorum.
* answer: a `Probed` that says what is known already, by far the most frequent step, with the `Ticked` before it.
* death: a `Probed` that takes a server out, until the changes for the backend are known.
* snapshot: everything, as a document.

Each but the start is the least of several rounds.
"""

from __future__ import annotations

import argparse
import gc
import pickle
import sys
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from time import perf_counter

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hakeep.config.settled_lvs import (
    Check,
    Director,
    HttpProbe,
    Page,
    Peer,
    RealServer,
    TcpProbe,
    Timing,
    VirtualServer,
)
from hakeep.lvs import messages as m
from hakeep.lvs.engine import Engine
from hakeep.lvs.ledger import Ledger
from hakeep.lvs.status import to_document
from hakeep.objects.ipvs import TCP, Service, ServiceKey, Table

ROUNDS = 5


def director(virtual: int, real: int) -> Director:
    """So many virtual servers, with so many real servers in all: half of them asked by TCP, half by HTTP."""
    servers = []
    for n in range(virtual):
        ip = IPv4Address("10.128.0.0") + n
        mine = range(real * n // virtual, real * (n + 1) // virtual)
        servers.append(VirtualServer(
            f"{ip} 80", f"[{ip}]:tcp:80", (Service(ServiceKey(4, TCP, ip, 80)),),
            tuple(_real(IPv4Address("10.0.0.0") + one) for one in mine)))
    return Director(virtual=tuple(servers), checks_max=100_000)


def _real(ip: IPv4Address) -> RealServer:
    timing = Timing(delay_loop=6.0, warmup=6.0, retry=3, delay_before_retry=3.0)
    if int(ip) % 2:
        return RealServer(ip, 80, checks=(Check("TCP_CHECK", TcpProbe(Peer(ip, 80, 3.0)), timing),))
    pages = (Page("/status", str(ip), ((200, 200),)),)
    return RealServer(ip, 80, checks=(Check("HTTP_GET", HttpProbe(Peer(ip, 80, 3.0), pages), timing),))


def least(what: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Milliseconds."""
    best = float("inf")
    for _ in range(rounds):
        gc.collect()
        began = perf_counter()
        what()
        best = min(best, perf_counter() - began)
    return best * 1e3


def answers(engine: Engine, now: float, result: m.Result) -> float:
    """Microseconds for each check of a whole round: its Ticked and its Probed."""
    began, count = perf_counter(), 0
    while count < len(engine.roster.inquiries):
        now = max(now, engine.deadline)
        for effect in engine.step(now, m.Ticked()):
            if isinstance(effect, m.Ask):
                engine.step(now, m.Probed(effect.key, effect.step, result))
                count += 1
    return (perf_counter() - began) / count * 1e6


def death(engine: Engine, now: float, have: Ledger) -> float:
    """Milliseconds from the answer that decides to the changes for the backend."""
    best = float("inf")
    for _ in range(20):
        asked = None
        while asked is None:
            now = max(now, engine.deadline)
            effects = engine.step(now, m.Ticked())
            asked = next((effect for effect in effects if isinstance(effect, m.Ask)), None)
        engine.roster.inquiries[asked.key].tries_left = 0
        began = perf_counter()
        effects = engine.step(now, m.Probed(asked.key, asked.step, m.Result(False, "refused")))
        only = next(effect.only for effect in effects if isinstance(effect, m.Reconcile))
        found = engine.changes(have, only)
        best = min(best, perf_counter() - began)
        assert found
    return best * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--virtual", type=int, default=2277)
    parser.add_argument("--real", type=int, default=37205)
    options = parser.parse_args()
    config = director(options.virtual, options.real)
    again = pickle.loads(pickle.dumps(config))
    began = perf_counter()
    engine = Engine(config, 0.0)
    engine.begin()
    print(f"start                {(perf_counter() - began) * 1e3:10.1f} ms")
    print(f"wanted, first        {least(engine.wanted, 1):10.1f} ms")
    print(f"wanted               {least(engine.wanted):10.1f} ms")
    table = engine.wanted()
    print(f"changes, from none   {least(lambda: engine.changes(Table())):10.1f} ms")
    print(f"changes, from equal  {least(lambda: engine.changes(table)):10.1f} ms")
    print(f"reload, the same     {least(lambda: engine.step(1.0, m.Reloaded(again))):10.1f} ms")
    servers = list(config.virtual)
    others = [replace(config, virtual=(replace(servers[0], quorum=n), *servers[1:])) for n in range(2, ROUNDS + 2)]
    print(f"reload, one changed  {least(lambda: engine.step(1.0, m.Reloaded(others.pop()))):10.1f} ms")
    print(f"first answer         {answers(engine, 1.0, m.Result(True, 'status 200')):10.1f} us each, first round")
    print(f"answer               {answers(engine, 1.0, m.Result(True, 'status 200')):10.1f} us each")
    print(f"death                {death(engine, 1.0, Ledger(table)):10.3f} ms")
    print(f"snapshot             {least(lambda: to_document(engine.snapshot(1.0)), 2):10.1f} ms")


if __name__ == "__main__":
    main()
