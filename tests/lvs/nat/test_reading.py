"""What libnftables lists is understood, and damage is seen. `listing.json` was listed by 1.0.6."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from hakeep.lvs.nat.chain import Entry, numbered
from hakeep.lvs.nat.reading import read, timeouts
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

LISTING: list[dict[str, Any]] = json.loads(Path(__file__).with_name("listing.json").read_text())

VIP = ip_address("192.0.2.1")
WEB, DNS = ServiceKey(4, TCP, VIP, 80), ServiceKey(4, UDP, VIP, 0)
MARK, NOBODY = ServiceKey(4, 0, None, 0, 7), ServiceKey(4, SCTP, VIP, 99)
NEAR = ServiceKey(4, TCP, VIP, 81)


def real(service: ServiceKey, last: int, weight: int = 1, port: int = 0) -> Destination:
    return Destination(DestinationKey(service, ip_address("10.0.0.0") + last, port or service.port), weight)


ENTRIES = [
    Entry(Service(WEB, "wrr", PERSISTENT, 50, 24), (real(WEB, 1, 2), real(WEB, 2), real(WEB, 3, 0))),
    Entry(Service(DNS, "rr"), (real(DNS, 1),)),
    Entry(Service(MARK, "rr"), (real(MARK, 1, port=8080), real(MARK, 2))),
    Entry(Service(NOBODY, "rr"), ()),
    Entry(Service(NEAR, "sh"), (real(NEAR, 1), real(NEAR, 2), real(NEAR, 3, 2))),
]
ENTRIES = [numbered(None, entry) or entry for entry in ENTRIES]


def test_all_is_found_in_its_order() -> None:
    reading = read(4, LISTING)
    assert reading.frame
    assert reading.sound == ENTRIES
    assert reading.broken == []
    assert timeouts(LISTING, Timeouts()) == Timeouts(900, 120, 300)


def test_nothing_is_nothing() -> None:
    reading = read(4, [])
    assert not reading.frame and not reading.sound and not reading.broken
    assert timeouts([], Timeouts(1, 2, 3)) == Timeouts(1, 2, 3)


def rules(listing: list[dict[str, Any]], chain: str) -> list[dict[str, Any]]:
    return [each["rule"] for each in listing if each.get("rule", {}).get("chain") == chain]


def _no_rules(chain: str) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda listing: [each for each in listing if each.get("rule", {}).get("chain") != chain]


def _other_slot(listing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    slots = rules(listing, "tcp-192.0.2.1-80")[-1]["expr"][-1]["dnat"]["addr"]["map"]["data"]["set"]
    slots[0][1] = slots[-1][1] if slots[0][1] != slots[-1][1] else slots[1][1]
    return listing


def _other_turn(listing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    turn = rules(listing, "tcp-192.0.2.1-80")[2]["expr"][0]["match"]
    assert turn["right"] == {"set": [0, 1]}
    turn["right"] = {"set": [0, 2]}
    return listing


def _other_address(listing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rules(listing, "tcp-192.0.2.1-80")[0]["expr"][-1]["dnat"]["addr"] = "10.0.0.66"
    return listing


def _other_port(listing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rules(listing, "tcp-192.0.2.1-80")[1]["expr"][-1]["dnat"]["port"] = 81
    return listing


def _other_timeout(listing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rules(listing, "tcp-192.0.2.1-80")[0]["expr"][1]["set"]["elem"]["elem"]["timeout"] = 51
    return listing


def _other_number(listing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rules(listing, "tcp-192.0.2.1-80")[0]["expr"][0]["match"]["left"]["concat"][1]["numgen"]["offset"] = 2
    return listing


def _enlisted(listing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The elements of the roster; the set is listed twice, without them and with them."""
    return next(each["set"]["elem"] for each in listing
                if each.get("set", {}).get("name") == "servers" and "elem" in each["set"])


def _other_weight(listing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for each in _enlisted(listing):
        if each["elem"]["comment"] == "weight=2 number=1":
            each["elem"]["comment"] = "weight=1 number=1"
    return listing


def _other_client_number(listing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for each in _enlisted(listing):
        each["elem"]["comment"] = each["elem"]["comment"].replace("number=1", "number=3")
    return listing


def _no_number(listing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for each in _enlisted(listing):
        each["elem"]["comment"] = each["elem"]["comment"].replace(" number=1", "")
    return listing


def _no_door(listing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for each in listing:
        if each.get("map", {}).get("name") == "services":
            each["map"]["elem"] = [pair for pair in each["map"].get("elem", []) if
                                   pair[0]["elem"]["val"]["concat"] != ["tcp", "192.0.2.1", 80]]
    return listing


def _another_rule(listing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*listing, {"rule": {"family": "ip", "chain": "tcp-192.0.2.1-80", "expr": [{"drop": None}]}}]


@pytest.mark.parametrize("damage", [
    _other_slot, _other_turn, _other_address, _other_port, _other_timeout, _other_number, _other_weight,
    _other_client_number, _no_number, _no_door, _another_rule, _no_rules("tcp-192.0.2.1-80"),
])
def test_a_damaged_service_is_broken(damage: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    reading = read(4, damage(deepcopy(LISTING)))
    assert reading.frame
    assert [entry.service.key for entry in reading.sound] == [DNS, MARK, NOBODY, NEAR]
    assert [entry.service.key for entry in reading.broken] == [WEB]


def _no_hook(listing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in listing if each.get("chain", {}).get("name") != "output"]


def _other_priority(listing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for each in listing:
        if each.get("chain", {}).get("name") == "prerouting":
            each["chain"]["prio"] = 100
    return listing


@pytest.mark.parametrize("damage", [_no_rules("dispatch"), _no_rules("opening"), _no_hook, _other_priority])
def test_without_a_frame_all_are_broken(damage: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    reading = read(4, damage(deepcopy(LISTING)))
    assert not reading.frame
    assert reading.sound == [] and reading.broken == ENTRIES


def test_slots_may_be_listed_in_any_order() -> None:
    listing = deepcopy(LISTING)
    rules(listing, "tcp-192.0.2.1-80")[-1]["expr"][-1]["dnat"]["addr"]["map"]["data"]["set"].reverse()
    rules(listing, "tcp-192.0.2.1-80")[2]["expr"][0]["match"]["right"]["set"].reverse()
    assert read(4, listing).sound == ENTRIES


def test_somebody_elses_chain_is_nothing() -> None:
    listing = [*LISTING, {"chain": {"family": "ip", "name": "mine"}},
               {"rule": {"chain": "mine", "comment": "weight=1", "expr": [{"drop": None}]}}]
    assert read(4, listing).sound == ENTRIES


def test_what_is_left_of_a_service_is_broken_and_goes_with_its_clients() -> None:
    """A roster without the chain, and a chain that does not say what it is: both may have a set of clients."""
    for gone in (["rule"], ["rule", "chain"]):
        listing = [each for each in LISTING if not any(
            "tcp-192.0.2.1-80" in (each.get(kind, {}).get("name"), each.get(kind, {}).get("chain")) for kind in gone)]
        (broken,) = read(4, listing).broken
        assert broken.service.key == WEB and broken.service.timeout
        assert [each.key for each in broken.destinations] == [each.key for each in ENTRIES[0].destinations]


def test_a_table_of_an_earlier_layout_is_foreign() -> None:
    """One without rosters cannot be put right; an empty one, or none, needs not."""
    listing = [each for each in LISTING if each.get("set", {}).get("name") != "servers"]
    reading = read(4, listing)
    assert reading.foreign and not (reading.frame or reading.sound or reading.broken)
    assert not read(4, LISTING).foreign
    assert not read(4, [each for each in LISTING if "table" in each]).foreign
