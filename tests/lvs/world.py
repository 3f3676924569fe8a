#!/usr/bin/env python3
"""Twenty minutes in the life of one director, drawn from a seed.

    python -m tests.lvs.world --worlds 10000 [--seed N]      many worlds, from seed N on
    python -m tests.lvs.world --seed N                       one world, with its trace

Servers flap and answer slowly, sockets run out, files and agents say weights, operators order, the address comes and
goes, somebody lays hands on the table, the backend refuses now and then, configurations are reloaded and the worker
dies and is started again. After each of these things the invariants are looked at. At the end all is quiet for long
enough, and then what is wanted must be what the truth says.

Nothing in it looks at a clock or at chance but for its own `now` and `random`: a seed tells the same story every time.
Exit status 1 when a world failed.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hakeep.config.settled_lvs import AgentProbe, Check, FileProbe, Peer, RealServer, Timing, VirtualServer
from hakeep.lvs import messages as m
from hakeep.objects.ipvs import Destination, DestinationKey
from tests.lvs import invariants
from tests.lvs.stage import Stage, http, peer, real, service, sorry, tcp, virtual

#: Seconds that things happen, and seconds of quiet after that.
LIFE, QUIET = 1200.0, 400.0

SERVERS = [f"10.0.0.{n}" for n in range(1, 7)]
VIPS = ["10.0.0.100", "10.0.0.101", "10.0.0.102"]
FILES = ["/run/a", "/run/b"]
FOREIGN = service("10.0.0.200")


class World:
    """A story. `trace` collects lines when it is a list."""

    def __init__(self, seed: int, trace: list[str] | None = None) -> None:
        self.random = Random(seed)
        self.trace = trace
        self.slow = self.random.choice([0.001, 0.5, 4.0])
        self.limit = self.random.choice([1, 3, 500])
        self.files: dict[str, int | None] = {}
        self.present: set[str] = set()
        self.virtual = self._configuration()
        self.stage = Stage(*self.virtual, checks_max=self.limit)
        self._prepare()

    def live(self) -> None:
        """The whole story. Raises AssertionError."""
        while self.stage.now < LIFE:
            happening = self.random.choice(HAPPENINGS)
            self._note(happening.__name__.lstrip("_"))
            happening(self)
            self._look()
            self.stage.until(self.stage.now + self.random.expovariate(1 / 6.0))
            self._look()
        self._calm_down()

    def _look(self) -> None:
        try:
            invariants.check(self.stage)
            assert self.stage.table.services.get(FOREIGN.key) == FOREIGN, "a foreign service was touched"
            assert any(key.service == FOREIGN.key for key in self.stage.table.destinations)
        except AssertionError as wrong:
            wrong.add_note(f"at {self.stage.now:.3f}")
            raise
        if self.trace is not None:
            shown = self.stage.effects[self._shown:]
            self.trace.extend(
                f"{at:9.3f}   {effect}" for at, effect in shown if not isinstance(effect, m.Ask | m.Remember))
        self._shown = len(self.stage.effects)
        self.stage.journeys.clear()

    def _note(self, what: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.stage.now:9.3f} {what}")

    # -- the beginning, also of each worker

    def _prepare(self) -> None:
        stage = self.stage
        self._shown = 0
        stage.delay = lambda: self.random.expovariate(1 / self.slow)
        services: Any = stage.table.services
        destinations: Any = stage.table.destinations
        services[FOREIGN.key] = FOREIGN
        foreign = Destination(DestinationKey(FOREIGN.key, ip_address("10.0.0.1"), 80))
        destinations[foreign.key] = foreign

    def _check(self, ip: str) -> Check:
        pick = self.random
        timing = Timing(
            delay_loop=pick.choice([2.0, 6.0, 20.0]), warmup=pick.choice([0.0, 6.0]), retry=pick.choice([0, 1, 3]),
            delay_before_retry=pick.choice([1.0, 3.0]))
        alpha = pick.random() < 0.2
        kind = pick.random()
        if kind < 0.5:
            return tcp(ip, timing=timing, alpha=alpha)
        if kind < 0.75:
            return http(ip, pick.choice([1, 2, 3]), timing=timing, alpha=alpha, fast=pick.random() < 0.5)
        if kind < 0.9:
            return Check("AGENT_CHECK", AgentProbe(Peer(ip_address(ip), 9)), timing, alpha)
        return Check("FILE_CHECK", FileProbe(pick.choice(FILES), pick.choice([-1, 0, 1, 2])))

    def _real(self, ip: str) -> RealServer:
        pick = self.random
        return real(
            ip, pick.choice([0, 1, 1, 5, 100]), [self._check(ip) for _ in range(pick.choice([0, 1, 1, 1, 2]))],
            inhibit=pick.random() < 0.3, slow_start=pick.choice([0.0, 0.0, 10.0, 60.0]))

    def _virtual(self, ip: str, port: int) -> VirtualServer:
        pick = self.random
        quorum = pick.choice([1, 1, 2, 5])
        server = virtual(
            *(self._real(one) for one in pick.sample(SERVERS, pick.randint(1, 5))), ip=ip, port=port, quorum=quorum,
            hysteresis=pick.randrange(quorum), ha_suspend=pick.random() < 0.2,
            sorry=sorry(pick.choice(["10.0.0.99", "10.0.0.1"]), inhibit=pick.random() < 0.3)
            if pick.random() < 0.5 else None,
            panic_threshold=pick.choice([0, 0, 0, 34, 60]), omega=pick.random() < 0.5)
        if pick.random() < 0.2:
            server = replace(server, services=(*server.services, service(ip, port + 1000)))
        return server

    def _configuration(self) -> list[VirtualServer]:
        places = [(ip, port) for ip in VIPS for port in (80, 81)]
        return [self._virtual(*place) for place in self.random.sample(places, self.random.randint(1, 4))]

    # -- what happens

    def _one_falls_sick(self) -> None:
        self.stage.sick.add(self.random.choice(SERVERS))

    def _a_page_fails(self) -> None:
        self.stage.sick.add(f"{self.random.choice(SERVERS)}/{self.random.randrange(3)}")

    def _many_fall_sick(self) -> None:
        self.stage.sick.update(self.random.sample(SERVERS, 4))

    def _all_are_well(self) -> None:
        self.stage.sick.clear()

    def _sockets_run_out(self) -> None:
        self.stage.local = set() if self.stage.local else set(self.random.sample(SERVERS, 3))

    def _an_agent_speaks(self) -> None:
        said: dict[str, Any] = self.random.choice([{"weight": 50}, {"weight": 0}, {"weight": 100}, {"drain": True}, {}])
        self.stage.says[self.random.choice(SERVERS)] = said

    def _a_file_is_written(self) -> None:
        path, value = self.random.choice(FILES), self.random.choice([None, 0, 1, 7, -3, -(2**31)])
        self.files[path] = value
        self.stage.step(m.FileSays(path, value))

    def _an_operator_orders(self) -> None:
        virtual = self.random.choice(["", "", self.random.choice(self.virtual).name])
        what = self.random.choice(["drain", "down", "weight", "ready", "ready", "ready"])
        self.stage.order(what, self.random.choice(SERVERS), virtual, self.random.choice([0, 1, 50]))

    def _an_address_moves(self) -> None:
        ip = self.random.choice(VIPS)
        self.present ^= {ip}
        self.stage.step(m.AddressSeen(ip_address(ip), ip in self.present))

    def _the_configuration_changes(self) -> None:
        kept = [server for server in self.virtual if self.random.random() < 0.6]
        ours = {server.name for server in kept}
        self.virtual = kept + [server for server in self._configuration() if server.name not in ours]
        for n, server in enumerate(self.virtual):
            if self.random.random() < 0.3:
                reals = tuple(one for one in server.reals if self.random.random() < 0.8) or server.reals
                self.virtual[n] = replace(server, reals=reals)
        self.limit = self.random.choice([self.limit, 1, 500])
        self.stage.reload(*self.virtual, checks_max=self.limit)

    def _a_reload_of_the_same(self) -> None:
        effects = self.stage.reload(*self.virtual, checks_max=self.limit)
        assert effects == [], effects

    def _the_worker_dies(self) -> None:
        """What it knew, its orders and the table live on; what it was told is told again."""
        old = self.stage
        known = {key: one.verdict.up for key, one in old.engine.roster.inquiries.items() if one.verdict.proved}
        quorums = {name: pool.now.quorum for name, pool in old.engine.roster.pools.items()}
        self.stage = Stage(
            *self.virtual, memory=old.memory, orders=old.engine.orders, start=old.now, have=old.table,
            checks_max=self.limit)
        self._prepare()
        self.stage.sick, self.stage.local, self.stage.says = old.sick, old.local, old.says
        for path, value in self.files.items():
            self.stage.step(m.FileSays(path, value))
        for ip in self.present:
            self.stage.step(m.AddressSeen(ip_address(ip), True))
        for key, one in self.stage.engine.roster.inquiries.items():
            assert one.verdict.up == known.get(key, one.verdict.up), "a successor knows better"
        assert {name: pool.now.quorum for name, pool in self.stage.engine.roster.pools.items()} == quorums

    def _the_backend_refuses(self) -> None:
        rows = sorted(self.stage.engine.wanted().destinations, key=str)
        if rows:
            self.stage.stubborn = set(self.random.sample(rows, min(len(rows), 2)))

    def _the_backend_obeys(self) -> None:
        self.stage.stubborn.clear()
        self.stage.take([m.Reconcile()])

    def _somebody_lays_hands_on_the_table(self) -> None:
        table: Any = self.stage.table
        key = self.random.choice([*table.destinations, *table.services])
        if key != FOREIGN.key and getattr(key, "service", None) != FOREIGN.key:
            if key in table.services:
                table.services[key] = replace(table.services[key], scheduler="sh")
            else:
                del table.destinations[key]
            self.stage.step(m.Restored((key,)))
            self.stage.take([m.Reconcile()])

    # -- the end

    def _calm_down(self) -> None:
        """All faults end, and all that is said of servers is what they are."""
        stage = self.stage
        self._note("quiet")
        stage.local.clear()
        self._the_backend_obeys()
        for ip in VIPS:
            stage.step(m.AddressSeen(ip_address(ip), True))
        self.slow = 0.001
        stage.until(stage.now + QUIET)
        self._look()
        for inquiry in stage.engine.roster.inquiries.values():
            if not inquiry.asks:
                continue
            ip = peer(inquiry.check)
            pages = range(getattr(inquiry, "_pages", 1))
            ill = ip in stage.sick or any(f"{ip}/{page}" in stage.sick for page in pages)
            assert inquiry.verdict.up is not ill, f"{ip} is {'ill' if ill else 'well'}, and nobody noticed"
        assert all(real.slow_since is None for pool in stage.engine.roster.pools.values() for real in pool.now.reals)
        self._note("stop")
        stage.step(m.Stopped())
        assert set(stage.table.services) == {FOREIGN.key}


HAPPENINGS = [
    World._one_falls_sick, World._one_falls_sick, World._a_page_fails, World._many_fall_sick, World._all_are_well,
    World._all_are_well, World._sockets_run_out, World._an_agent_speaks, World._a_file_is_written,
    World._an_operator_orders, World._an_operator_orders, World._an_address_moves, World._the_configuration_changes,
    World._a_reload_of_the_same, World._the_worker_dies, World._the_backend_refuses, World._the_backend_obeys,
    World._somebody_lays_hands_on_the_table,
]


def run(seed: int, trace: list[str] | None = None) -> None:
    """Live the world of a seed. Raises AssertionError."""
    try:
        World(seed, trace).live()
    except AssertionError as wrong:
        wrong.add_note(f"seed {seed}: python -m tests.lvs.world --seed {seed}")
        raise


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began, failed = time.monotonic(), 0
    for seed in range(options.seed, options.seed + options.worlds):
        trace: list[str] | None = [] if options.worlds == 1 else None
        try:
            run(seed, trace)
        except Exception as problem:
            failed += 1
            print(*(trace or ()), sep="\n")
            print(f"seed {seed}: {problem!r}", *getattr(problem, "__notes__", ()), sep="\n    ", flush=True)
            if trace is not None:
                raise
        else:
            print(*(trace or ()), sep="\n", end="")
    print(f"{options.worlds} worlds, {failed} failed, {time.monotonic() - began:.0f} s")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
