"""Virtual servers: services, groups, flags, persistence, quorum, and what holds for all (grammar sections 8 and 10)."""

from __future__ import annotations

import pickle
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hakeep.config.diagnostic import Code
from hakeep.config.settled import Fifo, Process, Script
from hakeep.config.settled_lvs import Director, SyncWish
from hakeep.config.values.services import MOST_ADDRESSES
from hakeep.objects.ipvs import (
    ONE_PACKET,
    PERSISTENT,
    SCHED1,
    SCHED2,
    SCHED3,
    SCTP,
    TCP,
    UDP,
    Service,
    ServiceKey,
    SyncDaemon,
    Timeouts,
)
from tests.effort import tries

V4, V6 = IPv4Address("10.0.0.1"), IPv6Address("2001:db8::1")


def test_without_virtual_servers_there_is_no_director(load: Any) -> None:
    assert load("global_defs {\nlvs_flush\n}").settings.lvs is None


def test_the_plain_one(virtual: Any) -> None:
    one = virtual()
    assert (one.name, one.label) == ("10.0.0.1 80", "[10.0.0.1]:tcp:80")
    assert one.services == (Service(ServiceKey(4, TCP, V4, 80), "rr", 0, 0, 32, ""),)
    assert (one.quorum, one.hysteresis, one.omega, one.ha_suspend, one.sorry) == (1, 0, False, False, None)
    assert (one.smtp_alert, one.quorum_up, one.quorum_down, one.panic_threshold) == (False, None, None, 0)
    assert one.addresses == {V4}


# head, what stands in the block, {field of the service: value}
SERVICES: list[tuple[str, str, dict[str, object]]] = [
    # the key
    ("2001:db8::1 80", "protocol TCP", {"key": ServiceKey(6, TCP, V6, 80), "prefix": 128}),
    ("10.0.0.1 80", "protocol sctp", {"key": ServiceKey(4, SCTP, V4, 80)}),
    ("10.0.0.1 80", "", {"key": ServiceKey(4, UDP, V4, 80)}),
    ("fwmark 7", "protocol TCP", {"key": ServiceKey(4, 0, None, 0, 7)}),
    ("fwmark 7", "ip_family inet6\nreal_server 2001:db8::9 {\n}", {"key": ServiceKey(6, 0, None, 0, 7)}),
    # scheduler and flags
    ("10.0.0.1 80", "", {"scheduler": "wlc", "flags": 0}),
    ("10.0.0.1 80", "lb_algo sed", {"scheduler": "sed"}),
    ("10.0.0.1 80", "lvs_sched sh\nsh-port", {"flags": SCHED2}),
    ("10.0.0.1 80", "lvs_sched sh\nsh-fallback", {"flags": SCHED1}),
    ("10.0.0.1 80", "lvs_sched mh\nmh-port\nmh-fallback", {"flags": SCHED1 | SCHED2}),
    ("10.0.0.1 80", "lvs_sched mh\nsh-port", {"flags": 0}),
    ("10.0.0.1 80", "sh-port\nlvs_sched sh", {"flags": 0}),
    ("10.0.0.1 80", "lvs_sched rr\nsh-port", {"flags": 0}),
    ("10.0.0.1 80", "flag-1\nflag-3\nhashed", {"flags": SCHED1 | SCHED3}),
    ("10.0.0.1 80", "protocol UDP\nops", {"flags": ONE_PACKET}),
    ("10.0.0.1 80", "ops", {"flags": ONE_PACKET}),  # without protocol it is UDP
    ("10.0.0.1 80", "protocol TCP\nops", {"flags": 0}),
    ("fwmark 7", "ops", {"flags": ONE_PACKET}),
    # persistence
    ("10.0.0.1 80", "persistence_timeout 50", {"timeout": 50, "flags": PERSISTENT, "prefix": 32}),
    ("10.0.0.1 80", "persistence_timeout", {"timeout": 360, "flags": PERSISTENT}),
    ("10.0.0.1 80", "persistence_granularity 255.255.255.0", {"timeout": 360, "flags": PERSISTENT, "prefix": 24}),
    ("10.0.0.1 80", "persistence_granularity 24\npersistence_timeout 9", {"timeout": 9, "prefix": 24}),
    ("2001:db8::1 80", "persistence_granularity 64", {"timeout": 360, "prefix": 64}),
    ("10.0.0.1 80", "persistence_granularity 64", {"prefix": 32}),  # more than there is
    ("10.0.0.1", "protocol TCP", {"timeout": 360, "flags": PERSISTENT, "key": ServiceKey(4, TCP, V4, 0)}),
    ("10.0.0.1 0", "persistence_timeout 9", {"timeout": 9}),
    ("fwmark 7", "", {"timeout": 0}),
    ("10.0.0.1 5060", "protocol UDP\nops\npersistence_engine sip\npersistence_timeout 9",
     {"engine": "sip", "flags": ONE_PACKET | PERSISTENT}),
]


@pytest.mark.parametrize(("head", "body", "expected"), SERVICES)
def test_services(virtual: Any, head: str, body: str, expected: dict[str, object]) -> None:
    real = "2001:db8::2 80" if ":" in head else "10.1.0.1 80"
    (service,) = virtual(body, head, real=real, plain="").services
    assert {name: getattr(service, name) for name in expected} == expected


# what stands in the block, {field: value}
CASES: list[tuple[str, dict[str, object]]] = [
    ("quorum 3", {"quorum": 1}),  # there is no more weight
    ("quorum 3\nweight 5", {"quorum": 3, "hysteresis": 0}),
    ("quorum 3\nhysteresis 2\nweight 5", {"quorum": 3, "hysteresis": 2}),
    ("quorum 3\nhysteresis 3\nweight 5", {"quorum": 3, "hysteresis": 2}),
    ("hysteresis 1\nweight 5", {"quorum": 1, "hysteresis": 0}),
    ("quorum 9\nhysteresis 9\nweight 5", {"quorum": 5, "hysteresis": 4}),
    ("omega", {"omega": True}),
    ("ha_suspend", {"ha_suspend": True}),
    ("smtp_alert", {"smtp_alert": True}),
    ("panic_threshold 40", {"panic_threshold": 40}),
    ("quorum_up /bin/true someone\nquorum_down \"/bin/false now\"",
     {"quorum_up": Script(("/bin/true",), "someone"), "quorum_down": Script(("/bin/false", "now"))}),
]


@pytest.mark.parametrize(("body", "expected"), CASES)
def test_virtual_servers(virtual: Any, body: str, expected: dict[str, object]) -> None:
    one = virtual(body)
    assert {name: getattr(one, name) for name in expected} == expected


def test_with_nothing_but_weight_0_the_quorum_is_1(virtual: Any) -> None:
    assert virtual("quorum 3", inside="weight 0").quorum == 1


@pytest.mark.parametrize(("globals_", "body", "expected"), [
    ("smtp_alert", "", True), ("smtp_alert\nsmtp_alert_checker false", "", False),
    ("smtp_alert_checker", "", True), ("smtp_alert_checker", "smtp_alert false", False),
])
def test_smtp_alert_is_inherited(virtual: Any, globals_: str, body: str, expected: bool) -> None:
    assert virtual(body, outside=f"global_defs {{\n{globals_}\n}}").smtp_alert is expected


def test_a_mark_has_no_address_to_wait_for(virtual: Any) -> None:
    assert not virtual("ha_suspend", "fwmark 7").ha_suspend


@pytest.mark.parametrize(("entries", "noted"), [("10.0.0.7-9 80", True), ("fwmark 7", True), ("10.0.0.1 80", False)])
def test_a_group_waits_for_any_of_its_addresses(load: Any, entries: str, noted: bool) -> None:
    text = INSTANCE % "" + group(entries) + several(("group shop", "protocol TCP\nha_suspend"))
    assert (Code.HA_SUSPEND in [d.code for d in load(text).diagnostics]) is noted


# --------------------------------------------------------------------------------------------------------------- groups


def group(entries: str) -> str:
    return f"virtual_server_group shop {{\n{entries}\n}}\n"


def test_a_group_has_a_service_for_each_address_port_and_mark(virtual: Any) -> None:
    one = virtual(head="group shop", outside=group("10.0.0.1-3 80\n10.0.1.0/31 443\nfwmark 9\n10.0.0.2 80"))
    assert [str(service.key) for service in one.services] == [
        "[10.0.0.1]:tcp:80", "[10.0.0.2]:tcp:80", "[10.0.0.3]:tcp:80", "[10.0.1.0]:tcp:443", "[10.0.1.1]:tcp:443",
        "FWM 9"]
    assert (one.name, one.label) == ("group shop", "[shop]:0")


def test_an_address_without_port_makes_the_whole_group_persist(virtual: Any) -> None:
    one = virtual(head="group shop", outside=group("10.0.0.1 80\n10.0.0.2"))
    assert [(each.timeout, each.flags) for each in one.services] == [(360, PERSISTENT)] * 2


def test_families_of_marks_in_a_group(virtual: Any) -> None:
    marks = group("fwmark 1\nfwmark 2 inet\nfwmark 3 inet6")
    one = virtual(head="group shop", outside=marks, real="2001:db8::2 80")
    assert [service.key.family for service in one.services] == [6, 4, 6]


def test_huge_groups_are_cut(virtual: Any) -> None:
    one = virtual(head="group shop", outside=group("2001:db8::/64 80"), real="2001:db8:1::1 80")
    assert len(one.services) == MOST_ADDRESSES


def test_unknown_and_empty_groups_are_left_out(direct: Any) -> None:
    real = "protocol TCP\nreal_server 10.1.0.1 80 {\n}\n"
    found = direct(f"virtual_server group nobody {{\n{real}}}\n{group('')}virtual_server group shop {{\n{real}}}\n")
    assert found.virtual == ()


@settings(max_examples=tries(50), deadline=None, suppress_health_check=list(HealthCheck))
@given(first=st.integers(0, 2**32 - 1000), count=st.integers(1, 300), port=st.integers(1, 65535))
def test_ranges(virtual: Any, first: int, count: int, port: int) -> None:
    entry = f"{IPv4Address(first)}-{IPv4Address(first + count - 1)} {port}"
    one = virtual(head="group shop", outside=group(entry))
    assert [each.key for each in one.services] == [
        ServiceKey(4, TCP, IPv4Address(first + n), port) for n in range(count)]


# ---------------------------------------------------------------------------------------------------------------- names


def several(*blocks: tuple[str, str]) -> str:
    return "".join(f"virtual_server {head} {{\n{body}\nreal_server 10.1.0.{n} 80 {{\n}}\n}}\n"
                   for n, (head, body) in enumerate(blocks, 1))


def test_names_are_different(direct: Any) -> None:
    found = direct(group("10.0.0.9 80") + several(
        ("10.0.0.1 53", "protocol TCP"), ("10.0.0.1 53", "protocol UDP"), ("10.0.0.1 53", "protocol TCP"),
        ("group shop", "protocol TCP"), ("group shop", "protocol UDP"), ("fwmark 7", "")))
    assert [(one.name, one.label) for one in found.virtual] == [
        ("10.0.0.1 53", "[10.0.0.1]:tcp:53"), ("10.0.0.1 53 UDP", "[10.0.0.1]:udp:53"),
        ("10.0.0.1 53 #2", "[10.0.0.1]:tcp:53"), ("group shop", "[shop]:0"), ("group shop UDP", "[shop]:1"),
        ("fwmark 7", "FWM 7")]


def test_of_two_that_ask_for_one_service_the_first_says_how_it_is(direct: Any) -> None:
    """keepalived's second NEW_SERVICE fails, and it goes on to add the real servers."""
    first, second = direct(several(
        ("10.0.0.1 80", "protocol TCP\nlvs_sched rr"),
        ("10.0.0.1 80", "protocol TCP\nlvs_sched wrr\npersistence_timeout 9"))).virtual
    assert second.services == first.services
    assert (first.services[0].scheduler, first.services[0].timeout) == ("rr", 0)
    assert [one.reals[0].ip for one in (first, second)] == [IPv4Address("10.1.0.1"), IPv4Address("10.1.0.2")]


def test_who_has_nobody_is_left_out(direct: Any) -> None:
    found = direct("virtual_server 10.0.0.1 80 {\nprotocol TCP\n}\n" + several(("10.0.0.2 80", "protocol TCP")))
    assert [one.name for one in found.virtual] == ["10.0.0.2 80"]


# -------------------------------------------------------------------------------------------------------------- for all


def test_what_global_defs_say(direct: Any) -> None:
    found = direct("""global_defs {
lvs_timeouts tcp 100 udp 7
lvs_flush
lvs_flush_on_stop
lvs_backend nftables
lvs_checks_in_flight 40
rs_init_notifies
checker_log_all_failures
checker_priority -5
process_names
lvs_notify_fifo /run/f someone
lvs_notify_fifo_script /bin/cat
}
""" + several(("10.0.0.1 80", "protocol TCP")))
    assert found == Director(
        globals=found.globals, virtual=found.virtual, timeouts=Timeouts(100, 0, 7), flush=True, flush_on_stop="all",
        backend="nftables", process=Process("hakeep_lvs", -5), rs_init_notifies=True, log_all_failures=True,
        lvs_notify_fifo=Fifo("/run/f", "someone", None, Script(("/bin/cat",))), checks_max=40)
    assert pickle.loads(pickle.dumps(found)) == found
    hash(found)


def test_defaults(direct: Any) -> None:
    found = direct(several(("10.0.0.1 80", "protocol TCP")))
    assert found == Director(globals=found.globals, virtual=found.virtual)
    assert (found.backend, found.checks_max, found.flush_on_stop, found.timeouts) == ("auto", 500, "", Timeouts())


def test_flush_on_stop_of_services_only(direct: Any) -> None:
    text = "global_defs {\nlvs_flush_on_stop VS\n}\n" + several(("10.0.0.1 80", "protocol TCP"))
    assert direct(text).flush_on_stop == "VS"


INSTANCE = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\n%s\nvirtual_ipaddress {\n10.0.0.1\n}\n}\n"


@pytest.mark.parametrize(("globals_", "inside", "expected"), [
    ("", "", None),
    ("lvs_sync_daemon eth1", "", SyncWish(SyncDaemon("backup", "eth1"))),
    ("lvs_sync_daemon eth1 A", "", SyncWish(SyncDaemon("backup", "eth1", 7), "A")),
    ("lvs_sync_daemon eth1 inst A id 9 maxlen 1000 port 8900 ttl 3 group 224.0.0.99", "",
     SyncWish(SyncDaemon("backup", "eth1", 9, 1000, ip_address("224.0.0.99"), 8900, 3), "A")),
    ("lvs_sync_daemon eth1 inst nobody", "", SyncWish(SyncDaemon("backup", "eth1", 0), "nobody")),
    ("", "lvs_sync_daemon_interface eth2", SyncWish(SyncDaemon("backup", "eth2", 7), "A")),
    ("lvs_sync_daemon eth1", "lvs_sync_daemon_interface eth2", SyncWish(SyncDaemon("backup", "eth1"))),
])
def test_sync_daemon(direct: Any, globals_: str, inside: str, expected: SyncWish | None) -> None:
    text = f"global_defs {{\n{globals_}\n}}\n" + INSTANCE % inside + several(("10.0.0.1 80", "protocol TCP"))
    assert direct(text).sync == expected
