"""The changes between two tables: where they lead, and that no moment on the way is without a server."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakeep.config.settled_lvs import RealServer
from hakeep.lvs.wanted import changes, reaches, same_destination, same_service
from hakeep.objects.diff import Add, Remove, Replace
from hakeep.objects.ipvs import (
    HASHED,
    PERSISTENT,
    TCP,
    Destination,
    DestinationKey,
    Encapsulation,
    Forward,
    Service,
    ServiceKey,
    Table,
    Tunnel,
)
from tests.effort import tries
from tests.lvs.stage import apply

KEYS = [ServiceKey(4, TCP, ip_address("10.0.0.100"), port) for port in (80, 81, 82, 83)]


def row(service: ServiceKey, n: int, weight: int = 1, **fields: object) -> Destination:
    return Destination(DestinationKey(service, ip_address(f"10.0.0.{n}"), 80), weight, **fields)  # type: ignore[arg-type]


def table(*rows: Destination, services: tuple[Service, ...] = ()) -> Table:
    keys = dict.fromkeys(each.key.service for each in rows)
    return Table.of((*services, *(Service(key) for key in keys if key not in {s.key for s in services})), rows)


def applied(have: Table, wanted: Table, names: set[ServiceKey]) -> list[Table]:
    """The table after each change, the first as it was."""
    now = Table(dict(have.services), dict(have.destinations))
    found = [have]
    for change in changes(have, wanted, names):
        apply(now, change)
        found.append(Table(dict(now.services), dict(now.destinations)))
    return found


def test_nothing_to_do() -> None:
    there = table(row(KEYS[0], 1), row(KEYS[1], 2))
    assert changes(there, there, set(KEYS)) == []


def test_order_within_a_service() -> None:
    """Who comes, who gets weight, who loses it, who goes."""
    key = KEYS[0]
    have = table(row(key, 1), row(key, 2), row(key, 3, 0), row(key, 4))
    wanted = table(row(key, 9, 0), row(key, 2, 0), row(key, 3, 5), row(key, 8), row(key, 4))
    assert [(type(change), str(change.key.ip)) for change in changes(have, wanted)] == [
        (Replace, "10.0.0.3"), (Add, "10.0.0.8"), (Add, "10.0.0.9"), (Replace, "10.0.0.2"), (Remove, "10.0.0.1")]


def test_a_service_is_set_in_place_and_its_new_destinations_come_after_it() -> None:
    have, wanted = table(row(KEYS[0], 1)), table(row(KEYS[0], 1), row(KEYS[1], 1))
    changed = Table({**wanted.services, KEYS[0]: Service(KEYS[0], "rr")}, wanted.destinations)
    found = changes(have, changed)
    assert [(type(change), change.key) for change in found] == [
        (Replace, KEYS[0]), (Add, KEYS[1]), (Add, row(KEYS[1], 1).key)]


def test_a_service_goes_in_one_change_and_last() -> None:
    have = table(row(KEYS[0], 1), row(KEYS[0], 2), row(KEYS[1], 1))
    found = changes(have, table(row(KEYS[2], 1)), {KEYS[0]})
    assert [(type(change), change.key) for change in found] == [
        (Add, KEYS[2]), (Add, row(KEYS[2], 1).key), (Remove, KEYS[0])]


@pytest.mark.parametrize(("there", "same"), [
    (Service(KEYS[0]), True),
    (Service(KEYS[0], flags=HASHED), True),
    (Service(KEYS[0], flags=PERSISTENT), False),
    (Service(KEYS[0], "rr"), False),
    (Service(KEYS[0], timeout=5), False),
    (Service(KEYS[0], prefix=24), False),
    (Service(KEYS[0], engine="sip"), False),
])
def test_same_service(there: Service, same: bool) -> None:
    assert same_service(there, Service(KEYS[0])) is same


GRE = Tunnel(Encapsulation.GRE)


@pytest.mark.parametrize(("there", "wish", "same"), [
    ({}, {}, True),
    ({"weight": 2}, {}, False),
    ({"upper": 2}, {}, False),
    ({"lower": 2}, {}, False),
    ({"forward": Forward.ROUTE}, {}, False),
    ({"forward": Forward.LOCAL}, {"forward": Forward.ROUTE}, True),
    ({"forward": Forward.TUNNEL}, {"forward": Forward.TUNNEL, "tunnel": GRE}, False),
    ({"tunnel": GRE}, {}, True),
])
def test_same_destination(there: dict[str, object], wish: dict[str, object], same: bool) -> None:
    plain = Destination(row(KEYS[0], 1).key)
    assert same_destination(replace(plain, **there), replace(plain, **wish)) is same  # type: ignore[arg-type]


ROWS = st.builds(row, st.sampled_from(KEYS), st.integers(1, 5), st.integers(0, 2), upper=st.integers(0, 1))
SERVICES = st.builds(
    Service, st.sampled_from(KEYS), st.sampled_from(["rr", "wlc"]), st.sampled_from([0, PERSISTENT]))
TABLES = st.builds(lambda rows, services: table(*rows, services=tuple(services)),
                   st.lists(ROWS, max_size=10), st.lists(SERVICES, max_size=3, unique_by=lambda one: one.key))


def serving(there: Table, key: ServiceKey) -> bool:
    return any(each.weight for name, each in there.destinations.items() if name.service == key)


def inhabited(there: Table, key: ServiceKey) -> bool:
    return any(name.service == key for name in there.destinations)


@settings(max_examples=tries(400), deadline=None)
@given(have=TABLES, wanted=TABLES, names=st.sets(st.sampled_from(KEYS)))
def test_changes_lead_to_what_is_wanted_without_a_gap(have: Table, wanted: Table, names: set[ServiceKey]) -> None:
    moments = applied(have, wanted, names)
    after = moments[-1]
    for key in KEYS:
        before = {name: each for name, each in have.destinations.items() if name.service == key}
        rows = {name: each for name, each in after.destinations.items() if name.service == key}
        if key in wanted.services:
            assert after.services[key] == wanted.services[key]
            assert rows == {name: each for name, each in wanted.destinations.items() if name.service == key}
            for holds in (serving, inhabited):
                if holds(have, key) and holds(wanted, key):
                    assert all(holds(moment, key) for moment in moments)
            if key in have.services:
                assert all(key in moment.services for moment in moments)
        elif key in names:
            assert key not in after.services and not rows
        else:  # somebody else's
            assert all(moment.services.get(key) == have.services.get(key) for moment in moments)
            assert rows == before
    assert changes(after, wanted, names) == []


@pytest.mark.parametrize(("ip", "forward", "families"), [
    ("10.0.0.1", Forward.MASQ, [4]), ("2001:db8::1", Forward.ROUTE, [6]), ("10.0.0.1", Forward.TUNNEL, [4, 6]),
])
def test_only_tunnels_lead_to_the_other_family(ip: str, forward: Forward, families: list[int]) -> None:
    services = KEYS[0], ServiceKey(6, TCP, ip_address("2001:db8::100"), 80)
    server = RealServer(ip_address(ip), 80, forward=forward)
    assert [service.family for service in services if reaches(server, service)] == families
