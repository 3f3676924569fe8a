"""Virtual servers as snapshots: what the backend counts, and what it cannot tell."""

from __future__ import annotations

import json

from hakeep.config.settled_lvs import Director
from hakeep.lvs.engine import Engine
from hakeep.objects.ipvs import Counts, Usage
from hakeep.report.snapshot import UsageSnapshot, VirtualSnapshot, to_document
from hakeep.report.status_virtual import excerpt
from hakeep.report.virtual import Counted, snapshots
from tests.lvs.stage import three

ENGINE = Engine(Director(virtual=(three(),)), 0.0)
WANTED = ENGINE.wanted()
(SERVICE,) = WANTED.services


def shown(active: int | None) -> VirtualSnapshot:
    counted = Counted()
    counted.add(SERVICE, Usage(None if active is None else 0, None, 0, Counts(15, connection_rate=6)))
    for key in WANTED.destinations:
        counted.add(key, Usage(active, active, 0, Counts(5, connection_rate=2)))
    (found,) = snapshots(ENGINE.snapshot(0.0).virtual, counted, 0.0)
    return found


def test_a_virtual_server_has_the_connections_of_its_real_servers() -> None:
    found = shown(7)
    assert found.usage == UsageSnapshot(21, 21, 15, 6)
    assert [real.usage for real in found.reals] == 3 * [UsageSnapshot(7, 7, 5, 2)]


def test_what_is_not_known_is_said_so() -> None:
    found = shown(None)
    assert found.usage == UsageSnapshot(None, None, 15, 6)
    usage = json.loads(json.dumps(to_document(found)))["usage"]
    assert (usage["active"], usage["inactive"], usage["connections"]) == (None, None, 15)
    heading, *rows = excerpt([found], lambda virtual, real: True, 0.0, 200, color=False)
    columns = {name: heading.index(name) + len(name) for name in ("ACTIVE", "INACT", "CONN/S")}
    for row, rate in zip(rows, "6222", strict=True):
        assert [row[end - 1] for end in columns.values()] == ["-", "-", rate], row


def test_nothing_counted_is_nothing() -> None:
    (found,) = snapshots(ENGINE.snapshot(0.0).virtual, Counted(), 0.0)
    assert found.usage is None and all(real.usage is None for real in found.reals)
