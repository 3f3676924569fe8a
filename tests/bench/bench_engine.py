#!/usr/bin/env python3
"""What a packet and an advert cost inside the engine, in microseconds of one core.

    python -m tests.bench.bench_engine [--rounds 20]

* BACKUP: `Engine.step(now, Received)` for the master's regular advert, the hot path of every backup.
* BACKUP, lower: the same for a lower priority advert that is discarded, the long way through all checks.
* MASTER: `Engine.step(now, Ticked)` and `Transmitter.packets`, for each advert that is due; all routers of a worker are
  due at the same moment, as they are after a common start.

Each is measured with 1, 255 and 1000 routers, each of which has one address. The least of several rounds counts.
"""

from __future__ import annotations

import argparse
import sys
from ipaddress import IPv4Address
from pathlib import Path
from time import perf_counter

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hakeep.config.settled import Settings
from hakeep.objects.rtnl import Address, Link
from hakeep.vrrp import messages as m
from hakeep.vrrp.authentication import AuthMemory
from hakeep.vrrp.engine import Engine
from hakeep.vrrp.transmit import Transmitter
from tests.vrrp.stage import instance, vip

OURS, RIVAL = IPv4Address("10.0.0.5"), IPv4Address("10.0.0.9")
COUNTS = (1, 255, 1000)


def settings(count: int, **fields: object) -> Settings:
    """`count` instances, 255 on each interface."""
    return Settings(vrrp=tuple(
        instance(
            f"V{n}", interface=f"eth{n // 255}", virtual_router_id=n % 255 + 1, version=3,
            addresses=(vip(f"10.{n // 250 + 1}.{n % 250}.1"),), **fields,
        )
        for n in range(count)
    ))


def engine(config: Settings) -> Engine:
    """At time 0, on as many interfaces as it takes."""
    names = sorted({one.interface for one in config.vrrp})
    made = Engine(
        config, 0.0, links=[Link(n, name, up=True, running=True) for n, name in enumerate(names, 1)],
        addresses=[Address(name, OURS, 24, proto=0) for name in names],
    )
    made.begin()
    return made


def adverts(config: Settings, priority: int) -> list[m.Received]:
    """What another router sends, one packet for each instance."""
    found = []
    for one in config.vrrp:
        (to, data), = Transmitter(one, RIVAL, AuthMemory()).packets(priority, 0.0)
        found.append(m.Received(one.interface, data, RIVAL.packed, IPv4Address(to).packed, 255, 0.0, 0.0))
    return found


def hearing(count: int, rounds: int, priority: int) -> float:
    """Seconds for one advert of another master as BACKUP."""
    config = settings(count)
    made, best, now = engine(config), float("inf"), 1.0
    packets = adverts(config, priority)
    for packet in packets:
        made.step(now, packet)
    repeats = max(1, 2000 // count)
    for _ in range(rounds):
        spent = 0.0
        for _ in range(repeats):
            now += 0.001
            batch = [packet._replace(at=now) for packet in packets]
            started = perf_counter()
            for packet in batch:
                made.step(now, packet)
            spent += perf_counter() - started
        best = min(best, spent / count / repeats)
    assert all(router.state is m.State.BACKUP for router in made.routers.values())
    return best


def beating(count: int, rounds: int, **fields: object) -> float:
    """Seconds for one advert of ours as MASTER, from the tick to the bytes."""
    config = settings(count, **fields)
    made = engine(config)
    transmitters = {one.name: Transmitter(one, OURS, AuthMemory()) for one in config.vrrp}
    now = 0.0
    while any(router.state is not m.State.MASTER for router in made.routers.values()):
        now = max(now, made.deadline)
        for effect in made.step(now, m.Ticked()):
            if isinstance(effect, m.Reconcile):
                made.step(now, m.Applied(tuple(c.key for c in made.changes(effect.routers)), ()))
    for router in made.routers.values():
        router.holding.side.clear()
        router.holding.announcer.forget(router.name)
    best = float("inf")
    for _ in range(rounds):
        now += 1.0
        sent = 0
        started = perf_counter()
        while made.deadline <= now:
            for effect in made.step(now, m.Ticked()):
                if type(effect) is m.Advertise:
                    transmitters[effect.router].packets(effect.priority, 0.0)
                    sent += 1
        best = min(best, (perf_counter() - started) / sent)
        assert sent == count
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    print(f"{'microseconds, with this many routers':42}", *(f"{count:8}" for count in COUNTS))
    for name, measure in (
        ("BACKUP, an advert of the master", lambda count: hearing(count, rounds, 200)),
        ("BACKUP, an advert of lower priority", lambda count: hearing(count, rounds, 50)),
        ("MASTER, an advert and its lease", lambda count: beating(count, rounds)),
        ("MASTER, an advert without a lease", lambda count: beating(count, rounds, vip_lease=None)),
    ):
        print(f"{name:42}", *(f"{measure(count) * 1e6:8.2f}" for count in COUNTS), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
