"""What must hold of an LVS engine at each moment, whatever has happened to it."""

from __future__ import annotations

from hakeep.lvs.check import ASSUMED, UNHEARD, Inquiry
from hakeep.lvs.engine import Engine
from hakeep.lvs.lineup import health, line_up
from hakeep.lvs.messages import Tell
from hakeep.lvs.pool import MEMORY, Pool
from hakeep.objects.ipvs import ServiceKey, Table
from tests.lvs.stage import Stage


def check(stage: Stage) -> None:
    """All of them. Raises AssertionError."""
    engine = stage.engine
    for pool in engine.roster.pools.values():
        recomputed(pool, engine, stage.now)
        as_a_simple_mind_sees_it(pool, engine)
        somebody_serves(pool)
        told_is_true(pool, stage)
    checks_are_somewhere(engine, stage)
    memory_is_complete(stage)
    if not stage.stubborn:
        table_is_as_wanted(engine.wanted(), stage.table, engine)
    no_gap(stage)


def recomputed(pool: Pool, engine: Engine, now: float) -> None:
    """The pool is what it would be if it were worked out anew from all that is known."""
    healths = [
        health(server, [inquiry.verdict for inquiry in several], engine.orders.of(server.ip, server.port, pool.name))
        for server, several in zip(pool.settings.reals, pool.inquiries, strict=True)
    ]
    assert healths == pool.healths
    if pool.now.wake > now:
        assert line_up(pool.settings, healths, pool.now, now) == pool.now


def as_a_simple_mind_sees_it(pool: Pool, engine: Engine) -> None:
    """The rules of F.4, said in another way."""
    settings, lineup = pool.settings, pool.now
    sorry_in = settings.sorry is not None and not lineup.quorum
    assert bool(lineup.sorry) == sorry_in
    total = 0
    for server, standing, several in zip(settings.reals, lineup.reals, pool.inquiries, strict=True):
        order = engine.orders.of(server.ip, server.port, pool.name)
        ordered_down = order is not None and order.what == "down"
        assert standing.up == (all(inquiry.verdict.up for inquiry in several) and not ordered_down)
        kept = lineup.panic and standing.failed and not ordered_down
        if standing.up or kept:
            total += standing.weight
        if standing.present:
            assert (standing.up or kept) and not sorry_in
            assert standing.present <= standing.weight
            assert standing.present == standing.weight or server.slow_start
        elif standing.up and not sorry_in:
            assert standing.present == standing.weight == 0
        elif standing.present is None:
            assert not server.inhibit
    assert total == lineup.total
    if lineup.quorum:
        assert total > 0 and total >= settings.quorum - settings.hysteresis
    else:
        assert total < settings.quorum + settings.hysteresis or total == 0


def somebody_serves(pool: Pool) -> None:
    """What is wanted is never without a destination while a sorry server or a server that is up exists."""
    if not pool.rows.services:
        return  # another virtual server has them
    if pool.settings.sorry is not None or any(standing.up for standing in pool.now.reals):
        table = pool.table()
        for key in table.services:
            assert any(name.service == key for name in table.destinations), pool.name
        if pool.settings.sorry is not None or any(s.up and s.weight for s in pool.now.reals):
            assert any(row.weight for row in table.destinations.values())


def told_is_true(pool: Pool, stage: Stage) -> None:
    """The last line about a virtual server, and about each real server, is how it stands."""
    lines = [effect.line for _, effect in stage.effects[stage.news:] if isinstance(effect, Tell)]
    last = {line.rpartition(" ")[0]: line.rpartition(" ")[2] for line in lines}
    state = last.get(f"VS {pool.settings.label}")
    assert state in (None, "UP" if pool.now.quorum else "DOWN")
    for server, standing in zip(pool.settings.reals, pool.now.reals, strict=True):
        state = last.get(f"RS [{server.ip}]:tcp:{server.port} {pool.settings.label}")
        assert state in (None, "UP" if standing.up else "DOWN")


def checks_are_somewhere(engine: Engine, stage: Stage) -> None:
    """Each check that runs has a time, or is being made, or waits for its turn: one of the three."""
    flight = engine.flight
    assert len(flight.asked) <= max(flight.limit, stage.under_way)  # a reload may have lowered the limit
    assert engine.running <= engine.roster.inquiries.keys()
    scheduled = {name for name in engine.agenda._at if not name.startswith(MEMORY)}
    assert scheduled | flight.asked | flight.waiting.keys() == engine.running
    assert len(scheduled) + len(flight.asked) + len(flight.waiting) == len(engine.running)
    assert not flight.waiting or len(flight.asked) >= flight.limit
    for key, users in engine.roster.users.items():
        wants = engine.roster.inquiries[key].asks and any(not pool.suspended for pool in users.values())
        assert wants == (key in engine.running)


def memory_is_complete(stage: Stage) -> None:
    """A successor would know what we know, and nothing that is not so."""
    engine = stage.engine
    for key, inquiry in engine.roster.inquiries.items():
        memory = stage.memory.get(key, "")
        assert bool(memory) == (inquiry.verdict not in (ASSUMED, UNHEARD))
        if memory:
            successor = Inquiry(key, inquiry.check)
            assert successor.restore(memory)
            assert successor.verdict._replace(why="") == inquiry.verdict._replace(why="")
    extra = stage.memory.keys() - engine.roster.inquiries.keys()
    assert extra == {MEMORY + name for name in engine.roster.pools}


def table_is_as_wanted(wanted: Table, there: Table, engine: Engine) -> None:
    """The table holds what is wanted and what is somebody else's, and nothing else."""
    named = engine.named()
    assert {key: one for key, one in there.services.items() if key in named} == dict(wanted.services)
    assert {key: one for key, one in there.destinations.items() if key.service in named} == dict(wanted.destinations)


def no_gap(stage: Stage) -> None:
    """Between two changes of one Reconcile, no service that serves before and after has nobody who serves."""
    if stage.stubborn:
        return
    for journey in stage.journeys:
        first, last = journey[0], journey[-1]
        for key in last.services:
            if serves(first, key) and serves(last, key):
                assert all(serves(moment, key) for moment in journey), f"{key} had a moment without a server"


def serves(table: Table, key: ServiceKey) -> bool:
    """Whether somebody takes new connections of this service."""
    return any(row.weight for name, row in table.destinations.items() if name.service == key)
