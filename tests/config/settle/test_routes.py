"""Entries of routes and rules, and what comes of them; what the kernel makes of that is in tests/kernel."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network
from pathlib import Path

import pytest

from hakeep.config.diagnostic import Code, Diagnostic, Severity
from hakeep.config.files import this_host
from hakeep.config.host import Host
from hakeep.config.loaded import Loaded
from hakeep.config.settle.names import UnknownName, resolve
from hakeep.config.settled_routes import Static
from hakeep.config.settled_track import Track
from tests.config.conftest import Desk

NAMES = {"rt_tables": {"uplink": 7, "main": 254}, "rt_protos": {"mine": 200}, "rt_realms": {"customers": 9},
         "rt_dsfield": {"ef": 0xB8}, "group": {"wan": 3}, "protocols": {"quux": 222}}
HOST = Host(names=NAMES, tables=frozenset(NAMES["rt_tables"]))

INSTANCE = """
vrrp_instance VI {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress { 192.0.2.1/24 }
    %s
}
"""


def static(text: str, host: Host = HOST) -> Static:
    loaded = read(text, host)
    assert loaded.settings is not None
    return loaded.settings.static or Static()


def read(text: str, host: Host = HOST) -> Loaded:
    return Desk().load(text, host)


def route(text: str, host: Host = HOST):
    (entry,) = static(f"static_routes {{\n{text}\n}}", host).routes
    return entry.route


def rule(text: str, host: Host = HOST):
    (entry,) = static(f"static_rules {{\n{text} preference 5\n}}", host).rules
    return entry.rule


def found(loaded: Loaded, code: Code) -> list[Diagnostic]:
    return [diagnostic for diagnostic in loaded.diagnostics if diagnostic.code is code]


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("192.0.2.77/24 dev eth0", "to", ip_network("192.0.2.0/24")),
        ("default via 10.0.0.1", "to", ip_network("0.0.0.0/0")),
        ("inet6 default dev eth0", "to", ip_network("::/0")), ("192.0.2.7 dev eth0", "to", ip_network("192.0.2.7/32")),
        ("default dev eth0 table uplink", "table", 7), ("default dev eth0 table 0x10", "table", 16),
        ("default dev eth0", "scope", 253),
        ("default via 10.0.0.1", "scope", 0),
        ("local 192.0.2.7 dev eth0", "table", 255),
        ("local 192.0.2.7 dev eth0", "scope", 254), ("default dev eth0 scope site", "scope", 200),
        ("2001:db8::/64 dev eth0", "metric", 1024), ("2001:db8::/64 dev eth0 metric 5", "metric", 5),
        ("default dev eth0", "protocol", 18), ("default dev eth0 protocol mine no_track", "protocol", 200),
        ("default dev eth0 protocol mine", "protocol", 18), ("default via 10.0.0.1 protocol mine", "protocol", 200),
        ("default dev eth0 tos ef", "tos", 0xB8), ("default dev eth0 src 192.0.2.1", "src", IPv4Address("192.0.2.1")),
        ("default dev eth0 rtt 100 rttvar 1s rto_min .5s", "metrics", (("rto_min", 500),
        ("rtt", 800),
        ("rttvar", 4000))),
        ("default dev eth0 mtu lock 1400 window 5", "locked", ("mtu",)),
        ("default dev eth0 append", "insert", "append"),
        ("2001:db8::/64 dev eth0 pref low", "pref", -1),
        ("default dev eth0 ttl-propagate disabled", "ttl_propagate", False),
    ],
)
def test_what_a_word_comes_to(text: str, field: str, value: object) -> None:
    assert getattr(route(text), field) == value


@pytest.mark.parametrize(
    ("text", "hops"),
    [
        ("default via 10.0.0.1 or 10.0.0.2 dev eth0", ["via 10.0.0.1 dev eth0", "via 10.0.0.2 dev eth0"]),
        ("default dev eth0 nexthop via 10.0.0.1 nexthop via 10.0.0.2 dev eth1 weight 9",
         ["via 10.0.0.1 dev eth0", "via 10.0.0.2 dev eth1 weight 9"]),
        ("default nexthop via 10.0.0.1 weight 2 nexthop via 10.0.0.2 metric 5",
         ["via 10.0.0.1 weight 2", "via 10.0.0.2"]),
        ("blackhole default", []), ("default via inet 10.0.0.1", ["via 10.0.0.1"]),
        ("default encap mpls 16/17 via 10.0.0.1", ["encap mpls labels 16/17 via 10.0.0.1"]),
    ],
)
def test_next_hops(text: str, hops: list[str]) -> None:
    assert [str(hop) for hop in route(text).nexthops] == hops


def test_realms() -> None:
    assert route("default via 10.0.0.1 realms customers/0x14").nexthops[0].realm == 9 << 16 | 0x14
    assert rule("from all realms 4 table 5").realms == 4


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("from 192.0.2.1 table uplink", "table", 7),
        ("from 192.0.2.1", "table", 254),
        ("from all table 5", "source", None),
        ("inet6 table 5", "family", 6),
        ("from 2001:db8::/32 table 5", "family", 6),
        ("fwmark 0x10/0xf0 table 5", "mark", (16, 240)),
        ("fwmark 7 table 5", "mark", (7, 0xFFFFFFFF)), ("type prohibit", "action", "prohibit"), ("goto 9", "goto", 9),
        ("suppress_ifgroup wan table 5", "suppress_ifgroup", 3), ("ipproto quux table 5", "ip_protocol", 222),
        ("ipproto udp table 5", "ip_protocol", 17),
        ("dport 53 table 5", "dport", (53, 53)),
        ("not from 192.0.2.1 table 5", "inverted", True),
        ("protocol 77 table 5", "protocol", 18),
        ("protocol 77 no_track table 5", "protocol", 77),
        ("iif eth0 table 5", "iif", "eth0"),
    ],
)
def test_what_a_word_of_a_rule_comes_to(text: str, field: str, value: object) -> None:
    assert getattr(rule(text), field) == value


@pytest.mark.parametrize(
    "text",
    [
        "static_routes {\n192.0.2.0/24 table main\n}",
        "static_routes {\nblackhole default via 10.0.0.1\n}",
        "static_routes {\ndefault via 10.0.0.1 nexthop via 10.0.0.2\n}",
        "static_routes {\ndefault dev eth0 vrf red\n}",
        "static_routes {\ninet6 default via 10.0.0.1\n}",
        "static_routes {\ndefault dev eth0 protocol nobodys no_track\n}",
        "static_routes {\ndefault dev eth0 encap ip6 dst 10.0.0.1\n}",
        "static_routes {\ndefault dev eth0 encap ip ttl 256\n}",
        "static_routes {\ndefault dev eth0 encap mpls 1048576\n}",
        "static_routes {\ndefault dev eth0 encap ila 1:2\n}",
        "static_rules {\ngoto 4 preference 5\n}",
        "static_rules {\ntype throw preference 5\n}",
        "static_rules {\nsport 9-5 table 5 preference 5\n}",
        "static_rules {\nnop suppress_prefixlength 0 preference 5\n}",
    ],
)
def test_what_makes_no_sense_is_left_out_with_an_error(text: str) -> None:
    loaded = read(text)
    assert loaded.settings is not None and loaded.settings.static is None
    (problem,) = found(loaded, Code.BAD_ENTRY)
    assert problem.severity is Severity.ERROR and problem.span is not None and problem.span.line == 2


def test_names_that_nobody_knows_are_told_once_and_only_where_the_host_is_known() -> None:
    text = "static_routes {\ndefault dev eth0 table nobodys\n}"
    assert len(found(read(text), Code.ROUTE_TABLE)) == 1 and static(text) == Static()
    assert found(read(text, Host()), Code.ROUTE_TABLE) == [] and static(text, Host()) == Static()
    with pytest.raises(UnknownName):
        resolve("nobodys", "rt_protos", Host())


def test_this_host_knows_the_names_of_iproute2() -> None:
    names = this_host().names
    assert names is not None and names["protocols"].get("tcp", 6) == 6
    assert resolve("keepalived", "rt_protos", this_host()) == 18


def test_names_come_from_the_directories_that_the_configuration_names(tmp_path: Path) -> None:
    usr, etc = tmp_path / "usr", tmp_path / "etc"
    for folder, files in ((usr, {"rt_tables": "70 uplink\n71 backup\n", "rt_protos": "201 mine\n"}),
                          (etc, {"rt_tables": "80 uplink\n", "rt_realms.d/more.conf": "9 customers\n"})):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    text = """
static_routes {
    192.0.2.0/24 via 198.51.100.1 table uplink realms customers
    192.0.3.0/24 via 198.51.100.1 table backup protocol mine
    192.0.4.0/24 via 198.51.100.1 table nobodys
    192.0.5.0/24 via 198.51.100.1 realms nobodys
}
"""
    named = f"global_defs {{\niproute_usr_dir {usr}\niproute_etc_dir {etc}\n}}\n" + text
    first, second = (entry.route for entry in static(named, this_host()).routes)
    assert (first.table, first.nexthops[0].realm, second.table, second.protocol) == (80, 9, 71, 201)
    loaded = read(named, this_host())
    fixes = [problem.fix for code in (Code.ROUTE_TABLE, Code.BAD_ENTRY) for problem in found(loaded, code)]
    assert [fix.split()[-1] for fix in fixes if fix] == [f"{etc}/rt_tables", f"{etc}/rt_realms"]
    assert not static(text, this_host()).routes, "elsewhere nobody knows them"
    assert not loaded.unsupported(), "both keywords act"


def test_rules_without_a_preference_are_counted_down_in_the_order_of_the_file() -> None:
    text = INSTANCE % "virtual_rules {\nfrom 192.0.2.1 table 5\nfrom 2001:db8::1 table 5\n}"
    text += "static_rules {\nfrom 192.0.2.2 table 5\nfrom 192.0.2.3 table 5 preference 9\nfrom 192.0.2.4 table 5\n}"
    settings = read(text).settings
    assert settings is not None and settings.static is not None
    assert [entry.rule.priority for entry in settings.vrrp[0].rules] == [16384, 16384]
    assert [entry.rule.priority for entry in settings.static.rules] == [16383, 9, 16382]


def test_static_addresses_and_where_they_are() -> None:
    text = "global_defs {\ndefault_interface eth1\n}\n"
    text += "static_ipaddress {\n192.0.2.1/24\n192.0.2.2/24 dev eth2 no_track\n}"
    first, second = static(text).addresses
    assert str(first.address) == "192.0.2.1/24 dev eth1" and first.track
    assert str(second.address) == "192.0.2.2/24 dev eth2" and not second.track


def test_track_groups() -> None:
    text = "track_group G {\ngroup {\nVI\n}\n}\ntrack_group H {\ngroup {\nVI\n}\n}\n" + INSTANCE % ""
    loaded = read(text + "static_routes {\ndefault via 192.0.2.254 dev eth0 track_group G\n}")
    assert loaded.settings is not None and loaded.settings.static is not None
    assert loaded.settings.static.groups == (("G", ("VI",)),)
    assert loaded.settings.vrrp[0].tracks == (Track("group", "G"),)
    assert loaded.settings.static.routes[0].group == "G"


def test_what_moves_and_what_is_not_tracked() -> None:
    loaded = read(INSTANCE % "virtual_routes {\ndefault via 192.0.2.254 dev eth0\n203.0.113.0/24 dev eth0 no_track\n}")
    assert loaded.settings is not None and loaded.settings.static is None
    assert [entry.track for entry in loaded.settings.vrrp[0].routes] == [True, False]
