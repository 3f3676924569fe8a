"""Which BFD sessions run, and how."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from hakeep.config.diagnostic import Code, Severity
from hakeep.config.settled_bfd import BfdInstance, BfdSettings
from hakeep.config.settled_globals import Process

NEIGHBOR = ip_address("192.0.2.12")
PLAIN = BfdInstance("peer", NEIGHBOR)


@pytest.fixture
def settled(load: Any) -> Any:
    def settled(body: str, neighbor: str = "neighbor_ip 192.0.2.12") -> BfdInstance:
        found = load(f"bfd_instance peer {{\n{neighbor}\n{body}\n}}\n").settings.bfd
        assert isinstance(found, BfdSettings)
        (instance,) = found.instances
        return instance

    return settled


def test_defaults(settled: Any) -> None:
    assert settled("") == PLAIN
    assert (PLAIN.min_rx, PLAIN.min_tx, PLAIN.idle_tx, PLAIN.multiplier, PLAIN.ttl, PLAIN.max_hops) == (
        0.01, 0.01, 1.0, 5, 255, 0)


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("source_ip 192.0.2.11", "source_ip", ip_address("192.0.2.11")),
        ("min_rx 300", "min_rx", 0.3), ("min_tx 1.5", "min_tx", 0.0015), ("idle_tx 2000", "idle_tx", 2.0),
        ("multiplier 3", "multiplier", 3), ("passive", "passive", True),
        ("ttl 64", "ttl", 64), ("hoplimit 64", "ttl", 64),
        ("max_hops 3", "max_hops", 3), ("max_hops -1", "max_hops", 255),
        ("multihop", "multihop", True), ("multihop false", "multihop", False),
        ("weight -20", "weight", -20),
    ],
)
def test_each_keyword(settled: Any, line: str, field: str, value: object) -> None:
    instance = settled(line)
    assert getattr(instance, field) == value
    others = {name for name in BfdInstance.__slots__ if getattr(instance, name) != getattr(PLAIN, name)}
    assert others <= {field}


def test_the_other_spelling_and_family(settled: Any) -> None:
    assert settled("", "neighbour_ip 192.0.2.12") == PLAIN
    six = settled("", "neighbor_ip 2001:db8::12")
    assert (six.neighbor_ip, six.ttl) == (ip_address("2001:db8::12"), 255), "RFC 5881, not keepalived's 64"


def test_no_more_hops_than_packets_have(settled: Any) -> None:
    instance = settled("ttl 5\nmax_hops 10")
    assert (instance.ttl, instance.max_hops) == (5, 5)


@pytest.mark.parametrize(
    ("lines", "vrrp", "checker"),
    [("", True, True), ("vrrp", True, False), ("checker", False, True), ("vrrp\nchecker", True, True)],
)
def test_who_hears_of_it(settled: Any, lines: str, vrrp: bool, checker: bool) -> None:
    instance = settled(lines)
    assert (instance.vrrp, instance.checker) == (vrrp, checker)


def test_a_reversed_weight(settled: Any) -> None:
    instance = settled("weight 10 reverse")
    assert (instance.weight, instance.reverse) == (10, True)


def test_how_the_worker_runs(load: Any) -> None:
    text = "global_defs {\nbfd_rt_priority 20\nbfd_priority -5\nbfd_no_swap\nbfd_cpu_affinity 1\n" \
           "bfd_process_name b\nbfd_rlimit_rttime 7000\n}\nbfd_instance a { neighbor_ip 192.0.2.12 }"
    assert load(text).settings.bfd.process == Process("b", -5, 20, True, (1,), 7000)


def test_without_sessions_there_is_no_worker(load: Any) -> None:
    assert load("").settings.bfd is None
    assert load("bfd_instance a {\n}").settings.bfd is None


# ---------------------------------------------------------------------------------------------- what cannot be


def _found(loaded: Any) -> list[tuple[Severity, str]]:
    return [(d.severity, d.message) for d in loaded.diagnostics if d.code is Code.BFD_NEIGHBOR]


def test_two_families_are_no_session(load: Any) -> None:
    loaded = load("bfd_instance a {\nneighbor_ip 192.0.2.12\nsource_ip 2001:db8::1\n}")
    assert loaded.settings.bfd is None
    ((severity, message),) = _found(loaded)
    assert severity is Severity.ERROR
    assert "not of the same family" in message


def test_a_second_session_with_a_neighbor_is_left_out(load: Any) -> None:
    loaded = load("bfd_instance a {\nneighbor_ip 192.0.2.12\n}\nbfd_instance b {\nneighbor_ip 192.0.2.12\nmin_rx 50\n}")
    assert [instance.name for instance in loaded.settings.bfd.instances] == ["a"]
    ((severity, message),) = _found(loaded)
    assert severity is Severity.ERROR
    assert "already" in message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("neighbor_ip fe80::1", "without an interface"),
        ("neighbor_ip 192.0.2.12\nmultihop", "over a router are dropped"),
        ("neighbor_ip 192.0.2.12\nmultihop\nmax_hops 2", ""),
        ("neighbor_ip 192.0.2.12", ""),
        ("neighbor_ip 169.254.0.1", ""),
    ],
)
def test_what_cannot_come_up_is_warned_of(load: Any, body: str, said: str) -> None:
    loaded = load(f"bfd_instance a {{\n{body}\n}}")
    assert len(loaded.settings.bfd.instances) == 1
    found = _found(loaded)
    assert [severity for severity, _ in found] == [Severity.WARNING] * bool(said)
    assert all(said in message for _, message in found)
