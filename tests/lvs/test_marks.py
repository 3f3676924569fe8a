"""The table of marks: what is in it, who keeps which mark over a reload, and the scripts from one to the next."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.config.settled_globals import Global
from hakeep.config.settled_lvs import Director, VirtualServer
from hakeep.lvs.marks import MarkTable, Target, keep_marks, marks, table_name, to_deletions, to_script
from hakeep.objects.ipvs import SCTP, TCP, UDP, Service, ServiceKey
from tests.lvs.stage import real, virtual

Key = tuple[int, str, int]
KEYS: list[Key] = [(TCP, "10.0.0.1", 80), (UDP, "10.0.0.1", 80), (TCP, "10.0.0.2", 0), (SCTP, "10.0.0.3", 443),
                   (TCP, "2001:db8::1", 80), (UDP, "2001:db8::2", 0)]


def target(key: Key) -> Target:
    protocol, ip, port = key
    return Target(protocol, ip_address(ip), port)


def group(name: str, mark: int, *keys: Key, written: int = 0) -> VirtualServer:
    """A group whose addresses have a mark, and perhaps another one of its own."""
    marked = tuple(ServiceKey(ip_address(ip).version, protocol, ip_address(ip), port) for protocol, ip, port in keys)
    families = dict.fromkeys(key.family for key in marked)
    services = [Service(ServiceKey(family, 0, None, 0, mark)) for family in families]
    services += [Service(ServiceKey(4, 0, None, 0, written))] if written else []
    return virtual(real("10.1.0.1"), name=f"group {name}", services=tuple(services), marked=marked, mark=mark)


def director(*several: VirtualServer, **fields: Any) -> Director:
    return Director(virtual=several, mark_table="hakeep_ipvs", **fields)


# --- what is wanted


def test_each_address_has_the_mark_of_its_group_and_the_first_one_has_it() -> None:
    found = marks(director(group("a", 1000, *KEYS[:3]), group("b", 1001, *KEYS[2:])), "ipvs")
    assert found is not None
    assert found.marks == {target(key): 1000 if n < 3 else 1001 for n, key in enumerate(KEYS)}


@pytest.mark.parametrize(("backend", "priority", "hooks"), [
    ("ipvs", -1, (("input", -1), ("output", -99))), ("ipvs", -150, (("input", -150), ("output", -150))),
    ("nftables", -1, (("prerouting", -106), ("output", -106))),
    ("nftables", -300, (("prerouting", -300), ("output", -300))), ("loud", 5, (("input", 5), ("output", -99)))])
def test_packets_have_their_mark_before_anybody_looks_for_it(
    backend: str, priority: int, hooks: tuple[tuple[str, int], ...]
) -> None:
    found = marks(director(group("a", 1000, *KEYS), mark_priority=priority), backend)
    assert found is not None and found.hooks == hooks


def test_there_is_no_table_where_there_is_nothing_to_mark_or_nobody_who_would_look() -> None:
    assert marks(director(virtual(real("10.1.0.1"))), "ipvs") is None
    assert marks(director(group("a", 1000, *KEYS)), "memory") is None


def test_a_virtual_server_at_one_port_of_an_address_that_is_marked_as_a_whole_gets_its_packets() -> None:
    one, other = virtual(real("10.1.0.1"), ip="10.0.0.2", port=25), virtual(real("10.1.0.1"), ip="10.0.0.1", port=25)
    found = marks(director(one, other, group("a", 1000, *KEYS[:3])), "ipvs")
    assert found is not None and found.marks[target((TCP, "10.0.0.2", 25))] == 0
    assert target((TCP, "10.0.0.1", 25)) not in found.marks


def test_the_table_of_an_instance_has_its_name() -> None:
    assert table_name(director()) == "hakeep_ipvs"
    assert table_name(director(globals=Global(instance="a-b"))) == "hakeep_ipvs_a_b"


# --- over a reload


def given_marks(found: Director) -> list[int]:
    for one in found.virtual:
        assert [service.key.fwmark for service in one.services if service.key.fwmark == one.mark]
    return [one.mark for one in found.virtual]


A, B, C = (group(name, 1000 + n, KEYS[n]) for n, name in enumerate("abc"))


def moved(one: VirtualServer, mark: int) -> VirtualServer:
    services = tuple(replace(each, key=each.key._replace(fwmark=mark)) if each.key.fwmark == one.mark else each
                     for each in one.services)
    return replace(one, mark=mark, services=services)


def test_a_group_that_comes_in_between_takes_no_mark_from_others() -> None:
    new = group("new", 1001, KEYS[3])
    found = keep_marks(director(A, B, C), director(A, new, moved(B, 1002), moved(C, 1003)))
    assert given_marks(found) == [1000, 1003, 1001, 1002]
    assert (found.virtual[0], found.virtual[2], found.virtual[3]) == (A, B, C)


def test_a_group_that_goes_leaves_its_mark() -> None:
    found = keep_marks(director(A, B, C), director(A, moved(C, 1001)))
    assert given_marks(found) == [1000, 1002]
    again = keep_marks(found, director(A, moved(C, 1001), group("new", 1002, KEYS[4])))
    assert given_marks(again) == [1000, 1002, 1001]


def test_two_virtual_servers_of_a_group_go_on_sharing_their_mark() -> None:
    twin = replace(B, name="group b #2")
    found = keep_marks(director(A, B, twin), director(moved(B, 1000), moved(twin, 1000), moved(A, 1001)))
    assert given_marks(found) == [1001, 1001, 1000]


def test_a_mark_that_is_written_now_is_nobody_s() -> None:
    new = director(group("a", 1000, KEYS[0], written=1001), moved(B, 1002))
    found = keep_marks(director(A, B), new)
    assert given_marks(found) == [1000, 1002] and found is new


@pytest.mark.parametrize("new", [director(A, B, mark_first=1000), director(virtual(real("10.1.0.1")))])
def test_where_nothing_moves_nothing_is_made_anew(new: Director) -> None:
    assert keep_marks(director(A, B), new) is new
    assert keep_marks(None, new) is new


def test_other_marks_are_given_when_that_is_wanted() -> None:
    new = director(moved(A, 50), mark_first=50)
    assert keep_marks(director(A), new) is new


@given(st.lists(st.lists(st.integers(0, 5), unique=True), max_size=5))
def test_whoever_stays_keeps_its_mark_and_no_two_have_the_same(configurations: list[list[int]]) -> None:
    present: Director | None = None
    for names in configurations:
        groups = (group(str(name), 1000 + n, (TCP, f"10.0.0.{name + 1}", 80)) for n, name in enumerate(names))
        old, present = present, keep_marks(present, director(*groups))
        found = given_marks(present)
        assert len(set(found)) == len(found) and all(mark < 1000 + 12 for mark in found)
        before = {one.name: one.mark for one in old.virtual} if old else {}
        assert all(before.get(one.name, one.mark) == one.mark for one in present.virtual)


# --- scripts


class Ruleset:
    """What nft makes of our scripts, as far as they go; it takes no liberties."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, dict[str, str]]] = {}
        self.rules: dict[str, list[str]] = {}

    def run(self, script: str) -> None:
        for line in script.splitlines():
            verb, what, family, name, *rest = line.split(maxsplit=4)
            table = f"{family} {name}"
            text = rest[0] if rest else ""
            match verb, what:
                case "add", "table":
                    self.tables.setdefault(table, {})
                    self.rules.setdefault(table, [])
                case "delete", "table":
                    del self.tables[table], self.rules[table]
                case "add", "map":
                    self.tables[table].setdefault(text.split()[0], {})
                case "add", "chain" | "rule":
                    self.rules[table].append(text)
                case _, "element":
                    map_name, elements = re.fullmatch(r"(\w+) \{ (.*) \}", text).groups()  # type: ignore[union-attr]
                    for element in elements.split(", "):
                        key, _, value = element.partition(" : ")
                        entries = self.tables[table][map_name]
                        if verb == "add":
                            assert entries.setdefault(key, value) == value, "File exists"
                        else:
                            del entries[key]
                case _:
                    raise AssertionError(line)


tables = st.builds(
    MarkTable, name=st.sampled_from(["one", "two"]), counters=st.booleans(),
    hooks=st.sampled_from([(("input", -1), ("output", -99)), (("prerouting", -106), ("output", -106))]),
    marks=st.dictionaries(st.sampled_from([target(key) for key in KEYS]), st.integers(0, 3), min_size=1))


@given(tables, tables)
def test_the_way_from_one_table_to_another_leads_where_the_way_from_nothing_leads(
    have: MarkTable, wanted: MarkTable
) -> None:
    walked, fresh = Ruleset(), Ruleset()
    walked.run(to_script(None, have))
    walked.run(to_script(have, wanted))
    if have.name != wanted.name:
        for script in to_deletions(have.name):
            walked.run(script)
    fresh.run(to_script(None, wanted))
    assert walked.tables == fresh.tables and walked.rules == fresh.rules
    assert to_script(wanted, replace(wanted)) == ""


@given(tables, tables)
def test_of_an_unknown_table_nothing_is_left(left: MarkTable, wanted: MarkTable) -> None:
    left = replace(left, name=wanted.name)
    found, fresh = Ruleset(), Ruleset()
    for script in (to_script(None, left), to_script(None, wanted), *to_deletions(wanted.name, wanted)):
        found.run(script)
    fresh.run(to_script(None, wanted))
    assert found.tables == fresh.tables and found.rules == fresh.rules


def test_an_address_more_is_one_element() -> None:
    one = MarkTable("t", marks={target(KEYS[0]): 1000})
    more = MarkTable("t", marks={target(KEYS[0]): 1000, target(KEYS[2]): 1000})
    assert to_script(one, more) == "add element ip t addresses { tcp . 10.0.0.2 : 0x3e8 }\n"
    assert to_script(more, one) == "delete element ip t addresses { tcp . 10.0.0.2 }\n"
