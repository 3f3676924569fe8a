"""The mistakes that people make, one at a time: one message each, at its line, and nothing that follows from it."""

from __future__ import annotations

from typing import Any

import pytest

from hakeep.config.diagnostic import Code, Severity

GOOD = """\
global_defs {
    router_id first
    enable_script_security
    script_user root
}
vrrp_script chk {
    script /usr/bin/true
    interval 2
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 110
    authentication {
        auth_type PASS
        auth_pass secret
    }
    virtual_ipaddress {
        192.0.2.10/24
        192.0.2.11/24
    }
    track_script {
        chk
    }
}
virtual_server 192.0.2.10 80 {
    delay_loop 10
    lvs_sched rr
    lvs_method NAT
    protocol TCP
    real_server 192.0.2.21 80 {
        weight 1
        TCP_CHECK {
            connect_timeout 3
        }
    }
}
"""
FLAT = "\n".join(line.strip() for line in GOOD.split("\n"))

#: (what is replaced, by what, line of the message or of its second place, code)
MISTAKES = [
    ("router_id first", "routr_id first", 2, Code.UNKNOWN_KEYWORD),
    ("    priority 110", "    prioritty 110", 13, Code.UNKNOWN_KEYWORD),
    ("        weight 1", "        weigth 1", 32, Code.UNKNOWN_KEYWORD),
    ("priority 110", "priority high", 13, Code.BAD_NUMBER),
    ("priority 110", "priority 300", 13, Code.OUT_OF_RANGE),
    ("192.0.2.11/24", "192.0.2.311/24", 20, Code.BAD_ADDRESS),
    ("auth_type PASS", "auth_type PASSWORD", 15, Code.BAD_WORD),
    ("auth_pass secret", "auth_pass secretsecret", 16, Code.TOO_LONG),
    ("protocol TCP", "protocol HTTP", 30, Code.BAD_WORD),
    ("interval 2", "interval", 8, Code.MISSING_PARAMETER),
    ("        chk\n", "        check\n", 23, Code.UNKNOWN_REFERENCE),
    ("    delay_loop 10", "    nat_mask 255.255.255.0\n    delay_loop 10", 27, Code.UNKNOWN_KEYWORD),
    ("    router_id first", "    lvs_id first", 2, Code.UNKNOWN_KEYWORD),
    ("            connect_timeout 3", "            nb_get_retry 3", 34, Code.UNKNOWN_KEYWORD),
    ("    track_script {", "    track_pathmon {\n        a {\n            b\n        }\n    }\n    track_script {", 22,
     Code.UNKNOWN_KEYWORD),
    ("192.0.2.11/24\n    }\n", "192.0.2.11/24\n", 18, Code.UNCLOSED_BLOCK),
    ("auth_pass secret\n    }\n", "auth_pass secret\n", 14, Code.UNCLOSED_BLOCK),
    ("192.0.2.11/24\n    }\n", "192.0.2.11/24\n    }\n        }\n", 22, Code.EXTRA_BRACE),
    ("    virtual_ipaddress {\n", "    virtual_ipaddress\n", 18, Code.MISSING_BRACE),
    ("    authentication {\n", "    authentication\n", 14, Code.MISSING_BRACE),
    ("script /usr/bin/true", 'script "/usr/bin/true', 7, Code.QUOTE),
    ("router_id first", 'router_id "first', 2, Code.QUOTE),
    ("vrrp_instance VI_1", "vrrp_instance VI 1", 10, Code.BLOCK_NAME),
    ("interface eth0", "interface <interface>", 11, Code.UNKNOWN_INTERFACE),
    ("interface eth0", "interface eth0@if5", 11, Code.UNKNOWN_INTERFACE),
    ("priority 110", "priority ${PRIORITY}", 13, Code.UNDEFINED),
    ("    priority 110", "<<<<<<< HEAD\n    priority 110", 13, Code.UNKNOWN_KEYWORD),
    ("interface eth0", "interface ${IF}", 11, Code.UNDEFINED),
    ("virtual_router_id 51", "virtual_router_id ${ID}", 12, Code.UNDEFINED),
    ("virtual_router_id 51", "virtual_router_id $ID", 12, Code.BAD_NUMBER),
    ("interface eth0", "interface {{ interface }}", 11, Code.UNDEFINED),
    ("vrrp_instance VI_1 {", "vrrp_instance VI_1 \uff5b", 10, Code.BLOCK_NAME),
    ("auth_pass secret", "auth_pass", 16, Code.MISSING_PARAMETER),
    ("    priority 110", "    state MASTER\n    priority", 14, Code.MISSING_PARAMETER),
    ("interface eth0", "interface { eth0 }", 11, Code.MISSING_PARAMETER),
    ("        chk\n", "        chk\n        chk wieght 5\n", 24, Code.TRACKED_TWICE),
    ("        192.0.2.10/24\n        192.0.2.11/24\n", "    }\n        192.0.2.10/24\n        192.0.2.11/24\n", 20,
     Code.MISPLACED_KEYWORD),
    ("interface eth0", "interface eth0 # the first one \\", 11, Code.UNKNOWN_INTERFACE),
    ("    priority 110", "    priority 110\n    # priority 120 \\", 14, Code.UNKNOWN_KEYWORD),
    ("192.0.2.11/24", "192.0.2.11/24 dev name-that-is-too-long", 20, Code.UNKNOWN_INTERFACE),
    ("        TCP_CHECK {\n            connect_timeout 3\n", "        HTTP_GET {\n", 34, Code.CHECK_INCOMPLETE),
    ("        TCP_CHECK {\n            connect_timeout 3\n", "        MISC_CHECK {\n", 34, Code.CHECK_INCOMPLETE),
]


def errors(loaded: Any) -> list[tuple[int, Code]]:
    return [(d.span.line if d.span else 0, d.code) for d in loaded.diagnostics if d.severity is Severity.ERROR]


def test_the_good_one_is_good(load: Any) -> None:
    assert errors(load(GOOD)) == []
    assert errors(load(FLAT)) == []


@pytest.mark.parametrize(("right", "wrong", "line", "code"), MISTAKES, ids=lambda value: str(value).strip()[:24])
def test_one_mistake_one_message(load: Any, right: str, wrong: str, line: int, code: Code) -> None:
    assert right in GOOD
    loaded = load(GOOD.replace(right, wrong, 1))
    assert errors(loaded) == [(line, code)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("virtual_ipaddress {\n192.0.2.300\n}", [Code.BAD_ADDRESS]),
        ("virtual_ipaddress {\n{{ vip }}\n}", [Code.UNDEFINED]),
        ("virtual_ipaddress {\n${VIP}\n}", [Code.UNDEFINED]),
        ("virtual_ipaddress {\n$VIP\n}", [Code.BAD_ADDRESS]),
        ("virtual_ipaddress {\n}", [Code.NO_VIP]),
        ("virtual_ipaddress 192.0.2.1", [Code.MISSING_BRACE]),
        ("virtual_ipaddress {\n192.0.2.1/\n}", [Code.BAD_NUMBER]),
        ("virtual_ipaddress {\n192.0.2.1\n}\ncheck_unicast_src\nunicast_peer {\nhost\n}", [Code.BAD_ADDRESS]),
        ("virtual_ipaddress {\n192.0.2.1\n}\ncheck_unicast_src\nunicast_peer {\n}", [Code.UNICAST]),
        ("virtual_ipaddress {\n192.0.2.1\n}\nunicast_src_ip 192.0.2.9\nmcast_src_ip 192.0.2.9", [Code.UNICAST]),
        ("virtual_ipaddress {\n192.0.2.1\n}\nunicast_peer {\n192.0.2.9/24\n}", []),
    ],
)
def test_what_follows_from_a_list_is_no_second_mistake(load: Any, text: str, told: list[Code]) -> None:
    loaded = load(f"vrrp_instance A {{\ninterface eth0\nvirtual_router_id 5\n{text}\n}}\n")
    assert [d.code for d in loaded.diagnostics if d.severity is not Severity.NOTE] == told


def test_the_name_of_a_bfd_session_is_short(load: Any) -> None:
    text = "bfd_instance %s {\nneighbor_ip 192.0.2.1\n}\n"
    assert errors(load(text % ("x" * 31))) == []
    assert errors(load(text % ("x" * 32))) == [(1, Code.TOO_LONG)]


def test_version_3_does_not_start_without_a_good_address(load: Any) -> None:
    loaded = load("vrrp_instance A {\ninterface eth0\nversion 3\nvirtual_router_id 5\nvirtual_ipaddress {\nvip\n}\n}\n")
    assert loaded.fatal
    assert [(d.code, d.stops) for d in loaded.diagnostics] == [(Code.NO_VIP, True), (Code.BAD_ADDRESS, False)]


@pytest.mark.parametrize("block", ["track_file f {{\nfile /f{0}\n}}\n", "vrrp_track_process f {{\nprocess p{0}\n}}\n"])
def test_keepalived_says_nothing_of_a_second_one(load: Any, block: str) -> None:
    loaded = load(block.format(1) + block.format(2))
    (found,) = [d for d in loaded.diagnostics if d.code is Code.DUPLICATE]
    assert (found.severity, loaded.exit_status()) == (Severity.WARNING, 0)


@pytest.mark.parametrize(
    ("list_", "entry"),
    [
        ("virtual_routes", "192.0.2.0/24 dev eth0 mtu"), ("virtual_routes", "192.0.2.0/24 via"),
        ("virtual_rules", "from 192.0.2.1 table"), ("static_routes", "192.0.2.0/24 dev"),
    ],
)
def test_a_route_that_ends_in_the_middle_stops(load: Any, list_: str, entry: str) -> None:
    text = f"{list_} {{\n{entry}\n}}\n"
    loaded = load(text if list_ == "static_routes" else GOOD.replace("    priority 110\n", text))
    assert loaded.fatal
    assert loaded.exit_status() == 2


@pytest.mark.parametrize(
    ("list_", "entry", "good"),
    [
        ("virtual_routes", "192.0.2.0/24 dev eth0 rtt 960000", True),
        ("virtual_routes", "192.0.2.0/24 dev eth0 rtt 960s", True),
        ("virtual_routes", "192.0.2.0/24 dev eth0 rtt 0.5s", True),
        ("virtual_routes", "192.0.2.0/24 dev eth0 rtt 960001", False),
        ("virtual_routes", "192.0.2.0/24 dev eth0 rtt 961s", False),
        ("virtual_routes", "192.0.2.0/24 dev eth0 rttvar 480001ms", False),
        ("virtual_routes", "192.0.2.0/24 dev eth0 rto_min 120000", True),
        ("virtual_routes", "192.0.2.0/24 dev eth0 rto_min 120001", False),
        ("virtual_routes", "192.0.2.0/24 dev eth0 rtt 1.5", False),
        ("virtual_routes", "192.0.2.0/24 dev eth0 realms 255/1", True),
        ("virtual_routes", "192.0.2.0/24 dev eth0 realms 300/5", False),
        ("virtual_routes", "192.0.2.0/24 dev eth0 tos 0xff", True),
        ("virtual_routes", "192.0.2.0/24 dev eth0 tos 256", False),
        ("virtual_routes", "192.0.2.0/24 dev eth0 weight 5", False),
        ("virtual_routes", "192.0.2.0/24 dev eth0 pref low", False),
        ("virtual_routes", "2001:db8::/64 dev eth0 pref low", True),
        ("virtual_routes", "192.0.2.0/24 dev eth0 protocol static", False),
        ("virtual_routes", "192.0.2.0/24 dev eth0 protocol static no_track", True),
        ("virtual_rules", "from 192.0.2.1 table 5 goto 7 preference 5", False),
        ("virtual_rules", "from 192.0.2.1 blackhole preference 5", True),
        ("virtual_rules", "uidrange 5-x table 5 preference 5", False),
        ("virtual_rules", "from 192.0.2.1 protocol 300 table 5 preference 5", False),
    ],
)
def test_words_of_routes_and_rules(load: Any, list_: str, entry: str, good: bool) -> None:
    found = errors(load(GOOD.replace("    priority 110\n", f"    {list_} {{\n{entry}\n    }}\n")))
    assert [line for line, _ in found] == ([] if good else [14])


@pytest.mark.parametrize("entry", ["192.0.2.0/24 dev name-that-is-too-long", "192.0.2.0/24 dev 192.0.2.1"])
def test_a_route_over_what_is_no_interface_stops(load: Any, entry: str) -> None:
    loaded = load(GOOD.replace("    priority 110\n", f"virtual_routes {{\n{entry}\n}}\n"))
    assert errors(loaded) == [(14, Code.UNKNOWN_INTERFACE)]
    assert loaded.fatal


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ("192.0.2.11/24\n}\ntrack", "192.0.2.11/24\ntrack", Code.UNCLOSED_BLOCK),
        ("chk\n}\n}\n", "chk\n}\n", Code.UNCLOSED_BLOCK),
        ("chk\n}\n}\n", "chk\n}\n}\n}\n}\n}\n", Code.EXTRA_BRACE),
        ("TCP_CHECK {\nconnect_timeout 3\n}\n}\n}\n", "TCP_CHECK {\nconnect_timeout 3\n", Code.UNCLOSED_BLOCK),
    ],
)
def test_braces_without_indentation(load: Any, right: str, wrong: str, code: Code) -> None:
    assert right in FLAT
    found = errors(load(FLAT.replace(right, wrong, 1)))
    assert [each for _, each in found].count(code) == 1
    assert len(found) <= 3


FLAT_INSTANCE = """vrrp_instance A {
interface eth0
virtual_router_id 5
virtual_ipaddress {
10.0.0.9
track_interface {
eth1
}
}
"""
FLAT_SERVICE = """virtual_server 10.0.0.9 80 {
protocol TCP
lb_algo rr
lb_kind NAT
real_server 10.0.0.20 80 {
weight 1
TCP_CHECK {
connect_timeout 3
}
real_server 10.0.0.21 80 {
weight 1
}
}
virtual_server 10.0.0.9 81 {
protocol TCP
lb_algo rr
lb_kind NAT
real_server 10.0.0.20 81 {
}
}
"""


@pytest.mark.parametrize("margin", ["", "  "])
@pytest.mark.parametrize(("text", "line"), [(FLAT_INSTANCE, 4), (FLAT_SERVICE, 5)])
def test_what_the_block_does_not_know_ends_it(load: Any, text: str, line: int, margin: str) -> None:
    loaded = load("".join(f"{margin}{each}\n" for each in text.splitlines()))
    assert errors(loaded) == [(line, Code.UNCLOSED_BLOCK)]


def test_blocks_are_indented_and_what_is_in_them_is_not(load: Any) -> None:
    text = FLAT_SERVICE.replace("\n", "\n ").replace(" }\n virtual_server", "}\nvirtual_server")
    assert errors(load(text.removesuffix(" }\n ") + "}\n")) == [(5, Code.UNCLOSED_BLOCK)]


@pytest.mark.parametrize(
    ("line", "cure"),
    [
        ("nat_mask 255.255.255.0", "take it out"),
        ("lvs_id x", "write router_id"),
        ("prioritty 5", "priority"),
        ("laddr_group_name x", "DPVS"),
        ("start_delay 5", "vrrp_startup_delay"),
        ("Priority 5", "write priority"),
        ("priority=5", "no = between"),
        ("virtual-ipaddress", "write virtual_ipaddress"),
        ("priority: 5", "write priority"),
        ("=======", "merge conflict"),
        ("```conf", "Markdown"),
        ("// remark", "comments begin with"),
        ("router_id 7", "virtual_router_id"),
        ("delay_loop 5", "virtual_server"),
    ],
)
def test_a_word_from_elsewhere_gets_its_cure(load: Any, line: str, cure: str) -> None:
    loaded = load(GOOD.replace("    priority 110", f"    priority 110\n{line}"))
    (found,) = [d for d in loaded.diagnostics if d.code is Code.UNKNOWN_KEYWORD]
    assert found.span.line == 14
    assert cure in f"{found.note} {found.fix}"


def test_a_mistake_in_a_line_that_comes_often_is_told_a_few_times(load: Any) -> None:
    block = "vrrp_instance V$i { \\\n interface eth0 \\\n virtual_router_id $i \\\n foo bar \\\n}"
    text = f"$I= \\\n{block}\n~SEQ(i, 1, 50) $I\n"
    found = [d for d in load(text).diagnostics if d.code is Code.UNKNOWN_KEYWORD]
    assert len(found) == 3
    assert "47 more" in found[-1].note
    assert {(d.span.line, d.span.via[0].line) for d in found} == {(5, 7)}


def test_only_so_many_words_are_looked_for(load: Any) -> None:
    loaded = load("".join(f"word{n} x\n" for n in range(3000)))
    assert len(errors(loaded)) == 3000
