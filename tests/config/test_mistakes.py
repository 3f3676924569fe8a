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
    followed_by = {Code.NO_VIP, Code.INCOMPLETE, Code.UNKNOWN_REFERENCE} if code in (
        Code.QUOTE, Code.MISSING_PARAMETER) else set()
    assert [error for error in errors(loaded) if error[1] not in followed_by - {code}] == [(line, code)]


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
