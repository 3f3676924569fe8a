"""The scripts, byte by byte: `golden/` has what was read with care once, and tried with nft 1.0.6."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.lvs.nat.chain import Entry, numbered
from hakeep.lvs.nat.rules import to_declaration, to_deletion, to_script, to_timeouts
from hakeep.objects.ipvs import (
    PERSISTENT,
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
MIXED = Entry(Service(MARK, "wrr"), (real(MARK, 1, 2), real(MARK, 2, port=8080), real(MARK, 3)))
SIX = Entry(Service(DNS, "rr", PERSISTENT, 50, 56), (real(DNS, 1), real(DNS, 2), real(DNS, 3, 0)))


def script(*steps: tuple[Entry | None, Entry | None]) -> str:
    """What leads each service from the first to the second, with the numbers that it gets."""
    pairs = []
    for before, after in steps:
        start = numbered(None, before)
        pairs.append((start, numbered(start, after)))
    return to_script("T", pairs)


SCRIPTS = {
    "declaration4": to_declaration("T", 4),
    "declaration6": to_declaration("T", 6),
    "timeouts": to_timeouts("T", 4, Timeouts(900, 120, 300)),
    "deletion": to_deletion("T", 6),
    "add": script((None, PLAIN)),
    "add6": script((None, SIX)),
    "add-mark": script((None, Entry(Service(MARK, "rr"), (real(MARK, 1), real(MARK, 2, port=8080))))),
    "add-every-port": script((None, Entry(Service(EVERY, "rr"), (real(EVERY, 1), real(EVERY, 2))))),
    "add-empty": script((None, Entry(Service(PHONE, "rr"), ()))),
    "weight": script((PLAIN, PLAIN._replace(destinations=(real(WEB, 1, 0), real(WEB, 2))))),
    "weight-staying": script((STAYING, STAYING._replace(destinations=(real(WEB, 1, 0), real(WEB, 2))))),
    "remove-destination": script((STAYING, STAYING._replace(destinations=(real(WEB, 2),)))),
    "sorry": script((PLAIN, PLAIN._replace(destinations=(real(WEB, 9),)))),
    "remove": script((STAYING, None)),
    "mixed-ports": script((None, MIXED)),
    "stay": script((PLAIN, STAYING)),
    "stay-no-more": script((STAYING, PLAIN)),
    "two": script((None, PLAIN), (SIX, None)),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name: str) -> None:
    assert SCRIPTS[name] == (GOLDEN / f"{name}.nft").read_text()


def test_no_golden_file_is_forgotten() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(SCRIPTS)


def test_nothing_to_do_is_nothing() -> None:
    assert to_script("T", []) == to_script("T", [(None, None)]) == ""


#: The same objects in all examples: whoever compares two states finds those that stayed.
REALS = [real(WEB, last, weight, port) for last in (1, 2, 3) for weight in (0, 1, 3) for port in (80, 0, 8080)]


@st.composite
def entries(draw: st.DrawFn) -> Entry | None:
    if draw(st.booleans()):
        return None
    service = Service(WEB, draw(st.sampled_from(["rr", "wrr"])), 0, draw(st.sampled_from([0, 60])))
    return Entry(service, tuple(draw(st.lists(st.sampled_from(REALS), unique_by=lambda each: each.key))))


class Table:
    """What the kernel would make of scripts: it refuses what needs something that is not there, and what is used."""

    def __init__(self, *scripts: str) -> None:
        self.chains: dict[str, list[str]] = {}
        self.sets: dict[str, dict[str, str]] = {}
        for line in to_declaration("T", 4).splitlines():
            self.do(line)
        for script in scripts:
            for line in script.splitlines():
                self.do(line)

    def do(self, line: str) -> None:
        verb, kind, *_ = line.split()
        name = "" if kind == "table" else line.split()[4]
        match verb, kind:
            case "add", "chain":
                self.chains.setdefault(name, [])
            case "add", "set" | "map":
                self.sets.setdefault(name, {})
            case "add", "rule":
                assert set(re.findall(r"@(\S+)", line)) <= set(self.sets)
                self.chains[name].append(line)
            case "flush", "chain":
                self.chains[name].clear()
            case "delete", "chain":
                assert not self.chains.pop(name)
                assert all(f"goto {name}" not in value for held in self.sets.values() for value in held.values())
            case "delete", "set":
                del self.sets[name]
                assert all(f"@{name} " not in rule for rules in self.chains.values() for rule in rules)
            case "add", "element":
                for element in re.sub(r"^.*? \{ | }$", "", line).split(", "):
                    key, *value = re.split(r" (?=: |comment)", element, maxsplit=1)
                    assert set(re.findall(r"goto (\S+)", element)) <= set(self.chains)
                    self.sets[name].setdefault(key, "".join(value))
            case "delete", "element":
                del self.sets[name][re.sub(r"^.*? \{ | }$", "", line)]
            case _:
                assert (verb, kind) == ("add", "table"), line


@given(entries(), entries())
def test_a_change_leads_from_one_state_to_the_other(before: Entry | None, after: Entry | None) -> None:
    """No line can fail, and what is there in the end is what there would be if it had been made at once."""
    before = numbered(None, before)
    after = numbered(before, after)
    changed = Table(to_script("T", [(None, before)]), to_script("T", [(before, after)]))
    made = Table(to_script("T", [(None, after)]))
    assert changed.chains == made.chains
    assert changed.sets == made.sets


@given(entries())
def test_a_script_works_whatever_it_meets(entry: Entry | None) -> None:
    """What is there already is no hindrance, nor is what is gone already."""
    entry = numbered(None, entry)
    add, remove = to_script("T", [(None, entry)]), to_script("T", [(entry, None)])
    assert vars(Table(add, add)) == vars(Table(add))
    assert vars(Table(add, remove)) == vars(Table(remove)) == vars(Table())
