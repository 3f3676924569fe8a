from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakeep.report.snapshot import (
    AddressSnapshot,
    DaemonSnapshot,
    RouterSnapshot,
    RoutingSnapshot,
    SnapshotError,
    decode,
    encode,
    from_document,
    load,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
addresses = st.builds(AddressSnapshot, st.text(), st.booleans(), st.none() | st.booleans())
things = st.lists(
    st.builds(RoutingSnapshot, st.text(), st.text(), st.booleans(), st.text()), max_size=3).map(tuple)
routers = st.builds(
    RouterSnapshot,
    name=st.text(),
    interface=st.text(),
    virtual_router_id=st.integers(),
    state=st.text(),
    since=finite,
    why=st.text(),
    master=st.none() | st.text(),
    master_advert_int=finite,
    addresses=st.lists(addresses, max_size=3).map(tuple),
    routes=things,
    rules=things,
    lease=st.none() | finite,
    standby=st.booleans(),
    counters=st.dictionaries(st.text(), st.integers(), max_size=4),
)
daemons = st.builds(
    DaemonSnapshot,
    version=st.text(),
    workers=st.dictionaries(st.text(), st.integers(), max_size=3),
    routers=st.lists(routers, max_size=3).map(tuple),
    stale=st.text(),
    static=things,
    packets=st.dictionaries(st.text(), st.integers(), max_size=3),
    flooded=st.booleans(),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@settings(deadline=None)
@given(daemons)
def test_a_snapshot_survives_the_journey(snapshot: DaemonSnapshot) -> None:
    line = encode(snapshot)
    assert "\n" not in line
    assert decode(line) == snapshot
    assert decode(line.encode()) == snapshot


@settings(deadline=None)
@given(routers)
def test_a_router_travels_alone_too(router: RouterSnapshot) -> None:
    assert from_document(load(encode(router)), RouterSnapshot) == router


@settings(deadline=None)
@given(daemons, st.dictionaries(st.text().map(lambda name: f"new_{name}"), json_values, max_size=3))
def test_fields_of_newer_versions_are_left_aside(snapshot: DaemonSnapshot, extra: dict[str, object]) -> None:
    document = json.loads(encode(snapshot)) | extra
    for router in document["routers"]:
        router.update(extra)
    assert decode(json.dumps(document)) == snapshot


def test_fields_that_are_missing_have_their_defaults() -> None:
    assert decode('{"hakeep":1,"routers":[{"name":"VI"}]}') == DaemonSnapshot(routers=(RouterSnapshot("VI"),))


@settings(deadline=None)
@given(daemons, st.data())
def test_whatever_is_in_a_field_it_is_read_or_refused(snapshot: DaemonSnapshot, data: st.DataObject) -> None:
    document = json.loads(encode(snapshot))
    place = data.draw(st.sampled_from([document, *document["routers"]]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(json_values)
    try:
        read = from_document(document, DaemonSnapshot)
    except SnapshotError as error:
        assert str(error)
    else:
        assert decode(encode(read)) == read


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "[]", "3", '"hakeep"', "{}", '{"hakeep":2}', '{"hakeep":"1"}', b"\xff", "[" * 100000,
        '{"hakeep":1,"pid":true}', '{"hakeep":1,"pid":1.5}',
        '{"hakeep":1,"started":NaN}', '{"hakeep":1,"started":1e999}',
        '{"hakeep":1,"started":"0"}', '{"hakeep":1,"routers":[{}]}', '{"hakeep":1,"routers":[[]]}',
        '{"hakeep":1,"routers":{}}', '{"hakeep":1,"workers":{"vrrp":"1"}}', '{"hakeep":1,"started":' + "1" * 400 + "}",
        '{"hakeep":1,"routers":[{"name":"VI","addresses":[{"text":"a","present":1}]}]}',
    ],
)  # fmt: skip
def test_what_is_not_a_snapshot(text: str | bytes) -> None:
    with pytest.raises(SnapshotError):
        decode(text)


def test_numbers_that_json_has_not_are_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode(RouterSnapshot("VI", lease=float("inf")))


def test_small_facts() -> None:
    held = AddressSnapshot("10.0.0.50/24 dev eth0 scope global", present=True)
    missing = AddressSnapshot("fd00::1 dev eth0 scope global", present=False)
    assert (held.ip, missing.ip) == ("10.0.0.50", "fd00::1")
    assert RouterSnapshot("VI", addresses=(missing, held)).vipset
    assert not RouterSnapshot("VI", addresses=(missing, AddressSnapshot("10.0.0.1"))).vipset
