"""The scripts, byte by byte: `golden/` has what was read with care once, and tried with nft 1.0.6."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.lvs.nat.rules import Entry, frame, to_declaration, to_deletion, to_script, to_timeouts
from hakeep.objects.ipvs import (
    PERSISTENT,
    SCHED2,
    SCTP,
    TCP,
    UDP,
    Destination,
    DestinationKey,
    Service,
    ServiceKey,
    Timeouts,
)

GOLDEN = Path(__file__).with_name("golden")

WEB = ServiceKey(4, TCP, ip_address("192.0.2.1"), 80)
DNS = ServiceKey(6, UDP, ip_address("2001:db8::1"), 53)
MARK = ServiceKey(4, 0, None, 0, 7)
EVERY = ServiceKey(6, TCP, ip_address("2001:db8::1"), 0)
PHONE = ServiceKey(4, SCTP, ip_address("192.0.2.1"), 2905)


def real(service: ServiceKey, last: int, weight: int = 1, port: int = -1) -> Destination:
    base = ip_address("10.0.0.0" if service.family == 4 else "fd00::")
    return Destination(DestinationKey(service, base + last, service.port if port < 0 else port), weight)


PLAIN = Entry(Service(WEB, "wrr"), (real(WEB, 1, 2), real(WEB, 2)))
STAYING = PLAIN._replace(service=Service(WEB, "wrr", PERSISTENT, 60, 24))
SIX = Entry(Service(DNS, "rr", PERSISTENT, 50, 56), (real(DNS, 1), real(DNS, 2), real(DNS, 3, 0)))

SCRIPTS = {
    "declaration4": to_declaration("T", 4),
    "declaration6": to_declaration("T", 6),
    "timeouts": to_timeouts("T", 4, Timeouts(900, 120, 300)),
    "deletion": to_deletion("T", 6),
    "add": to_script("T", [(None, PLAIN)]),
    "add6": to_script("T", [(None, SIX)]),
    "add-mark": to_script("T", [(None, Entry(Service(MARK, "rr"), (real(MARK, 1), real(MARK, 2, port=8080))))]),
    "add-every-port": to_script("T", [(None, Entry(Service(EVERY, "rr"), (real(EVERY, 1), real(EVERY, 2))))]),
    "add-empty": to_script("T", [(None, Entry(Service(PHONE, "rr"), ()))]),
    "weight": to_script("T", [(PLAIN, PLAIN._replace(destinations=(real(WEB, 1, 0), real(WEB, 2))))]),
    "weight-staying": to_script("T", [(STAYING, STAYING._replace(destinations=(real(WEB, 1, 0), real(WEB, 2))))]),
    "remove-destination": to_script("T", [(STAYING, STAYING._replace(destinations=(real(WEB, 2),)))]),
    "sorry": to_script("T", [(PLAIN, PLAIN._replace(destinations=(real(WEB, 9),)))]),
    "remove": to_script("T", [(STAYING, None)]),
    "stay": to_script("T", [(PLAIN, STAYING)]),
    "stay-no-more": to_script("T", [(STAYING, PLAIN)]),
    "two": to_script("T", [(None, PLAIN), (SIX, None)]),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name: str) -> None:
    assert SCRIPTS[name] == (GOLDEN / f"{name}.nft").read_text()


def test_no_golden_file_is_forgotten() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(SCRIPTS)


def test_nothing_to_do_is_nothing() -> None:
    assert to_script("T", []) == to_script("T", [(None, None)]) == ""


def test_a_hash_has_all_its_slots() -> None:
    script = to_script("T", [(None, Entry(Service(WEB, "sh"), (real(WEB, 1), real(WEB, 2))))])
    rule = next(line for line in script.splitlines() if "jhash" in line)
    assert "jhash ip saddr mod 1021 seed 0x68616b65 vmap { 0 : goto" in rule
    assert re.findall(r"(\d+) : goto", rule) == [str(slot) for slot in range(1021)]
    by_port = to_script("T", [(None, Entry(Service(WEB, "sh", SCHED2), (real(WEB, 1), real(WEB, 2))))])
    assert "jhash ip saddr . th sport mod 1021" in by_port


@pytest.mark.parametrize(("prefix", "text"), [
    (32, "ip saddr"), (128, "ip saddr"), (31, "ip saddr & 255.255.255.254"), (9, "ip saddr & 255.128.0.0"),
    (0, "ip saddr & 0.0.0.0"),
])
def test_granularity(prefix: int, text: str) -> None:
    script = to_script("T", [(None, Entry(Service(WEB, "rr", PERSISTENT, 5, prefix), (real(WEB, 1),)))])
    name = "tcp-192.0.2.1-80-to-10.0.0.1-80"
    assert f"update @{name} {{ {text} timeout 5s }}\n" in script
    assert f"{text} @{name} goto {name}\n" in script


@st.composite
def entries(draw: st.DrawFn) -> Entry | None:
    if draw(st.booleans()):
        return None
    service = Service(WEB, draw(st.sampled_from(["rr", "wrr"])), 0, draw(st.sampled_from([0, 60])))
    numbers = draw(st.lists(st.integers(1, 4), unique=True))
    return Entry(service, tuple(real(WEB, number, draw(st.integers(0, 3))) for number in numbers))


@given(entries(), entries())
def test_every_name_is_made_before_it_is_used(before: Entry | None, after: Entry | None) -> None:
    """In a kernel that has `before`, no line of the script can fail because something is not there, or is used."""
    chains, counters, sets = set(frame(4)), set(), set()
    for line in (to_declaration("T", 4) + to_script("T", [(None, before)]) + to_script("T", [(before, after)])
                 ).splitlines():
        words = line.split()
        match words[:2]:
            case ["add", "chain"]:
                chains.add(words[4])
            case ["add", "counter"]:
                counters.add(words[4])
            case ["add", "set"]:
                sets.add(words[4])
            case ["flush" | "delete", "chain"]:
                assert words[4] in chains
                chains -= {words[4]} if words[0] == "delete" else set()
            case ["delete", "counter"]:
                counters.remove(words[4])
            case ["flush", "set"]:
                assert words[4] in sets
            case ["delete", "set"]:
                sets.remove(words[4])
            case ["add", "rule" | "element"]:
                assert set(re.findall(r"goto ([^ ,}]+)", line)) <= chains
                assert set(re.findall(r"(?:counter name|: ) ?(tcp\S+\.(?:new|in|out))", line)) <= counters
                assert set(re.findall(r"@(tcp\S+)", line)) <= sets
