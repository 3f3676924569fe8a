"""The rules of one service, and who gets a connection by them."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.lvs.nat.chain import Entry, in_order, numbered, service_rules
from hakeep.lvs.nat.spread import round_robin, weighted
from hakeep.objects.ipvs import PERSISTENT, SCHED2, TCP, Destination, DestinationKey, Service, ServiceKey

WEB = ServiceKey(4, TCP, ip_address("192.0.2.1"), 80)
MARK = ServiceKey(4, 0, None, 0, 7)


def real(service: ServiceKey, last: int, weight: int = 1, port: int = -1) -> Destination:
    return Destination(
        DestinationKey(service, ip_address("10.0.0.0") + last, service.port if port < 0 else port), weight)


def test_a_hash_has_all_its_slots() -> None:
    rule = service_rules(Entry(Service(WEB, "sh"), (real(WEB, 1), real(WEB, 2))))[0]
    assert "jhash ip saddr mod 1021 seed 0x68616b65 map { 0 : 10.0.0." in rule
    assert re.findall(r"(\d+) : 10", rule) == [str(slot) for slot in range(1021)]
    by_port = service_rules(Entry(Service(WEB, "sh", SCHED2), (real(WEB, 1), real(WEB, 2))))[0]
    assert "jhash ip saddr . th sport mod 1021" in by_port


@pytest.mark.parametrize(("prefix", "text"), [
    (32, "ip saddr"), (128, "ip saddr"), (31, "ip saddr & 255.255.255.254"), (9, "ip saddr & 255.128.0.0"),
    (0, "ip saddr & 0.0.0.0"),
])
def test_granularity(prefix: int, text: str) -> None:
    entry = numbered(None, Entry(Service(WEB, "rr", PERSISTENT, 5, prefix), (real(WEB, 1),)))
    assert entry is not None
    client = f"{text} . numgen inc mod 1 offset 1"
    update = f"update @tcp-192.0.2.1-80 {{ {client} timeout 5s }} meta l4proto tcp dnat to 10.0.0.1:80"
    known, chosen, _ = service_rules(entry)
    assert known.startswith(f"{client} @tcp-192.0.2.1-80 {update} comment")
    assert chosen == update


@st.composite
def entries(draw: st.DrawFn) -> Entry | None:
    if draw(st.booleans()):
        return None
    service = Service(WEB, draw(st.sampled_from(["rr", "wrr"])), 0, draw(st.sampled_from([0, 60])))
    numbers = draw(st.lists(st.integers(1, 4), unique=True))
    return Entry(service, tuple(real(WEB, number, draw(st.integers(0, 3))) for number in numbers))


def connections(entry: Entry, count: int) -> list[int]:
    """Which servers connections get, by their last byte, as the rules say: turn by turn through each rule's numbers."""
    turns: dict[int, int] = {}

    def number(rule: int, modulus: str) -> int:
        turns[rule] = turns.get(rule, -1) + 1
        return turns[rule] % int(modulus)

    def lead() -> int:
        for at, rule in enumerate(service_rules(entry)):
            if " @" in rule.partition("update")[0]:
                continue  # somebody who comes for the first time
            found = re.match(r"numgen inc mod (\d+) (?:\{ )?([\d, ]+)", rule)
            if found and str(number(at, found[1])) not in found[2].replace(",", " ").split():
                continue
            if mapped := re.search(r"dnat to numgen inc mod (\d+) map", rule):
                slot = number(-at - 1, mapped[1])
                found = re.search(rf"[{{ ]{slot} : 10\.0\.0\.(\d+)", rule)
            else:
                found = re.search(r"dnat to 10\.0\.0\.(\d+)", rule)
            assert found
            return int(found[1])
        raise AssertionError("nobody gets it")

    return [lead() for _ in range(count)]


@given(entries())
def test_rules_choose_as_the_scheduler_does(entry: Entry | None) -> None:
    """With rules for each server (clients stay), for each kind of port, or with one for all: the order is the same."""
    if entry is None or not any(each.weight for each in entry.destinations):
        return
    servers = in_order(entry.destinations)
    by_turns = weighted if entry.service.scheduler == "wrr" else round_robin
    slots = [int(servers[at].key.ip) & 0xFF for at in by_turns([each.weight for each in servers])]
    for service in (entry.service, replace(entry.service, timeout=60), replace(entry.service, key=MARK)):
        mixed = service.key == MARK  # every other server with a port of its own
        reals = [real(service.key, int(each.key.ip) & 0xFF, each.weight, 8080 * (at % 2) if mixed else -1)
                 for at, each in enumerate(entry.destinations)]
        numbers = numbered(None, Entry(service, tuple(reals)))
        assert numbers is not None
        assert connections(numbers, 2 * len(slots) + 1) == (slots * 3)[:2 * len(slots) + 1]


@given(st.lists(entries(), min_size=2, max_size=6))
def test_a_number_is_nobody_elses(states: list[Entry | None]) -> None:
    """Clients of a server that took none for a while are not given back to it, nor to another one."""
    before: Entry | None = None
    owners: dict[int, tuple[DestinationKey, int]] = {}
    for at, state in enumerate(states):
        wanted = None if state is None else state._replace(service=replace(state.service, timeout=60))
        after = numbered(before, wanted)
        if after is None:
            owners = {}  # the set is gone as well
        else:
            assert set(after.numbers) == {each.key for each in after.destinations if each.weight}
            for key, number in after.numbers.items():
                assert owners.get(number, (key, at - 1)) == (key, at - 1)
                owners[number] = key, at
            assert max(after.numbers.values(), default=0) <= after.given
        before = after
