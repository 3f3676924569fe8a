"""Blocks, lists and keywords: structure, errors, one message for one mistake (grammar sections 2 and 6)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakeep.config.definitions import Surroundings
from hakeep.config.diagnostic import Code, Severity, Verdict
from hakeep.config.host import Host
from hakeep.config.includes import Opened
from hakeep.config.loaded import assemble
from hakeep.config.reader import Reader
from tests.effort import tries

GOOD = "interface eth0\nvirtual_router_id 7\nvirtual_ipaddress {\n10.0.0.1\n}\n"


def problems(loaded: Any) -> list[Code]:
    return [d.code for d in loaded.diagnostics if d.severity is Severity.ERROR]


def instance(body: str = "", name: str = "VI_1") -> str:
    return f"vrrp_instance {name} {{\n{GOOD}{body}\n}}\n"


# ------------------------------------------------------------------------------------------------------------ blocks


@pytest.mark.parametrize(
    "text",
    [
        "global_defs { router_id a }",
        "global_defs\n{\nrouter_id a\n}",
        "global_defs { router_id a\n}",
        "global_defs {\n}\nglobal_defs { router_id a }",
        "global_defs { router_id b }\nglobal_defs { router_id a }",
    ],
)
def test_ways_to_write_a_block(load: Any, text: str) -> None:
    loaded = load(text)
    assert problems(loaded) == []
    assert loaded.settings.globals.router_id == "a"


def test_a_block_without_brace_is_empty(load: Any) -> None:
    loaded = load("global_defs\nrouter_id x\n")
    assert problems(loaded) == [Code.MISSING_BRACE]  # and nothing about router_id, which would follow from it
    assert loaded.settings.globals.router_id == ""
    assert loaded.exit_status() == 5


def test_a_list_without_brace_is_one_message_and_those_of_its_brace(load: Any) -> None:
    loaded = load("global_defs {\nnotification_email\na@example.org\nb@example.org\n}\nrouter_id x\n}\n")
    assert problems(loaded) == [Code.MISSING_BRACE]
    loaded = load("static_ipaddress\n10.0.0.1\n10.0.0.2\n}\n" + instance())
    assert problems(loaded) == [Code.MISSING_BRACE]
    assert len(loaded.settings.vrrp) == 1


def test_a_keyword_that_takes_no_block(load: Any) -> None:
    loaded = load(instance("priority 50 {\nfoo\n}\nadvert_int 2"))
    assert problems(loaded) == [Code.UNEXPECTED_BRACE]
    assert loaded.settings.vrrp[0].priority == 50
    assert loaded.settings.vrrp[0].advert_int == 2.0


def test_an_unknown_keyword_is_one_message(load: Any) -> None:
    loaded = load(instance("foo bar\nadvert_int 2"))
    assert problems(loaded) == [Code.UNKNOWN_KEYWORD]
    assert loaded.settings.vrrp[0].advert_int == 2.0


def test_an_unknown_block_is_left_out_with_all_that_is_in_it(load: Any) -> None:
    loaded = load(instance("foo {\nbar {\nx\n}\ny\n}\nadvert_int 2") + instance(name="VI_2").replace("7", "8"))
    assert problems(loaded) == [Code.UNKNOWN_KEYWORD]
    assert [i.name for i in loaded.settings.vrrp] == ["VI_1", "VI_2"]
    assert loaded.settings.vrrp[0].advert_int == 2.0


def test_a_forgotten_brace_is_found_by_the_next_block(load: Any) -> None:
    text = f"vrrp_instance A {{\n{GOOD}\nvrrp_instance B {{\n{GOOD.replace('7', '8')}}}\n"
    loaded = load(text)
    assert problems(loaded) == [Code.UNCLOSED_BLOCK]
    diagnostic = next(d for d in loaded.diagnostics if d.code is Code.UNCLOSED_BLOCK)
    assert diagnostic.span.line == 1
    assert diagnostic.also[0].line == 8
    assert [i.name for i in loaded.settings.vrrp] == ["A", "B"]
    assert loaded.exit_status() == 5


def test_a_forgotten_brace_at_the_end(load: Any) -> None:
    loaded = load(f"vrrp_instance A {{\n{GOOD}")
    assert problems(loaded) == [Code.UNCLOSED_BLOCK]
    assert [i.name for i in loaded.settings.vrrp] == ["A"]


def test_a_brace_too_many(load: Any) -> None:
    loaded = load(instance() + "}\n")
    assert problems(loaded) == [Code.EXTRA_BRACE]
    assert loaded.exit_status() == 5


def test_a_block_closed_too_early_is_one_message(load: Any) -> None:
    rest = "priority 50\nadvert_int 2\nauthentication {\nauth_type PASS\n}\n}\n"
    loaded = load(instance() + rest + "global_defs { }")
    assert problems(loaded) == [Code.MISPLACED_KEYWORD]
    (diagnostic,) = loaded.diagnostics
    assert diagnostic.also[1] == "this closes vrrp_instance"


def test_a_list_closed_before_its_first_entry_is_one_message(load: Any) -> None:
    loaded = load(instance("track_interface {\n}\neth1\neth2\nadvert_int 2"))
    assert problems(loaded) == [Code.MISPLACED_KEYWORD]
    assert loaded.diagnostics[0].also[1] == "this closes track_interface"
    assert loaded.settings.vrrp[0].advert_int == 2.0
    assert problems(load(instance("virtual_rules {\n}\n10.0.0.9"))) == [Code.UNKNOWN_KEYWORD]
    assert problems(load(instance("track_interface {\n}\nadvert_itn 2"))) == [Code.UNKNOWN_KEYWORD]


def test_a_brace_without_keyword(load: Any) -> None:
    loaded = load("{\nglobal_defs { router_id a }\n}")
    assert problems(loaded) == [Code.UNEXPECTED_BRACE]


@pytest.mark.parametrize("head", ["vrrp_instance", "vrrp_instance A B", "vrrp_sync_group"])
def test_instances_and_groups_have_one_name(load: Any, head: str) -> None:
    loaded = load(f"{head} {{\n{GOOD}\n}}\n" + instance())
    assert problems(loaded) == [Code.BLOCK_NAME]
    assert [i.name for i in loaded.settings.vrrp] == ["VI_1"]


def test_a_second_block_of_a_name_is_left_out(load: Any) -> None:
    loaded = load(instance() + instance("priority 7"))
    assert problems(loaded) == [Code.DUPLICATE]
    assert [i.priority for i in loaded.settings.vrrp] == [100]
    assert loaded.diagnostics[0].also[0].line == 1


def test_words_before_the_brace_of_a_list(load: Any) -> None:
    loaded = load(instance().replace("virtual_ipaddress {", "virtual_ipaddress 10.0.0.9 {"))
    assert problems(loaded) == [Code.EXTRA_WORDS]
    assert len(loaded.settings.vrrp[0].addresses) == 1


def test_words_before_the_brace_of_a_block_mean_nothing(load: Any) -> None:
    loaded = load("global_defs foo {\n}\n" + instance("authentication PASS {\nauth_type PASS\nauth_pass x\n}"))
    assert [(d.code, d.severity) for d in loaded.diagnostics] == [(Code.EXTRA_WORDS, Severity.WARNING)] * 2
    assert loaded.exit_status() == 0


def test_lists_add_up_and_a_line_is_one_entry(load: Any) -> None:
    loaded = load(instance("virtual_ipaddress {\n10.0.0.2 10.0.0.3\n}\n"))
    assert problems(loaded) == [Code.UNKNOWN_OPTION]
    assert [str(a.address.ip) for a in loaded.settings.vrrp[0].addresses] == ["10.0.0.1", "10.0.0.2"]


def test_word_lists_take_all_words_of_all_lines(load: Any) -> None:
    loaded = load("vrrp_sync_group G {\ngroup {\nA B\nC\n}\n}")
    assert loaded.config.vrrp_sync_group[0].group == ("A", "B", "C")


def test_extra_words_after_a_value_are_not_looked_at(load: Any) -> None:
    loaded = load(instance("priority 50 or so\nnopreempt please"))
    assert problems(loaded) == []
    assert loaded.settings.vrrp[0].priority == 50
    assert loaded.exit_status() == 0


@pytest.mark.parametrize(
    ("line", "column", "fix"),
    [("priority 50 advert_int 3", 13, "write advert_int 3 on"), ("interface eth1 eth2", 16, ""),
     ("virtual_router_id 5 6", 21, "")],
)
def test_words_without_effect_get_a_hint(load: Any, line: str, column: int, fix: str) -> None:
    (found,) = [d for d in load(instance(line)).diagnostics if d.code is Code.EXTRA_WORDS]
    assert (found.severity, found.verdict, found.span.column) == (Severity.WARNING, Verdict.OK, column)
    assert fix in found.fix


@pytest.mark.parametrize("line", ["advert_int 2", "state MASTER", "garp_master_delay 5", "use_vmac vrrp.7"])
def test_words_with_effect_get_none(load: Any, line: str) -> None:
    assert Code.EXTRA_WORDS not in [d.code for d in load(instance(line)).diagnostics]


# -------------------------------------------------------------------------------------------------------- repetition


def test_the_last_of_a_plain_keyword_counts(load: Any) -> None:
    loaded = load(instance("priority 50\npriority 60"))
    assert [(d.code, d.severity, d.span.line, d.also[0].line) for d in loaded.diagnostics] == [
        (Code.REPEATED, Severity.WARNING, 8, 7)]
    assert loaded.exit_status() == 0
    assert loaded.settings.vrrp[0].priority == 60


def test_nothing_is_said_of_the_same_again_or_of_what_a_definition_brings(load: Any) -> None:
    assert load(instance("priority 50\npriority 50")).diagnostics == ()
    text = "$DEFAULTS= \\\npriority 50 \\\nadvert_int 2\n" + instance("$DEFAULTS\npriority 60")
    assert load(text).diagnostics == ()


def test_the_first_notify_script_counts(load: Any) -> None:
    loaded = load("global_defs { enable_script_security }\n" + instance("notify /a\nnotify /b"))
    assert problems(loaded) == [Code.REPEATED]
    assert loaded.settings.vrrp[0].notify.any.argv == ("/a",)


@pytest.mark.parametrize(("words", "told"), [
    ("BACKUP BACKUP", []), ("BACKUP MASTER", []), ("MASTER BACKUP", [Code.REPEATED]),
    ("BACKUP MASTER BACKUP", [Code.REPEATED])])
def test_of_several_states_master_counts(load: Any, words: str, told: list[Code]) -> None:
    loaded = load(instance("\n".join(f"state {word}" for word in words.split())))
    assert problems(loaded) == told
    assert loaded.settings.vrrp[0].state == ("MASTER" if "MASTER" in words else "BACKUP")


def test_the_last_ssl_block_counts_with_an_error(load: Any) -> None:
    loaded = load("SSL { ca /a }\nSSL { ca /b }")
    assert problems(loaded) == [Code.REPEATED]
    assert loaded.config.SSL.get("ca") == "/b"


# ------------------------------------------------------------------------------------------------- places of keywords


@pytest.mark.parametrize("keyword", ["use_pid_dir", "instance x", "net_namespace x", "child_wait_time 5"])
def test_root_keywords_are_unknown_in_global_defs(load: Any, keyword: str) -> None:
    assert problems(load(f"global_defs {{\n{keyword}\n}}")) == [Code.UNKNOWN_KEYWORD]


def test_global_keywords_are_unknown_at_the_root(load: Any) -> None:
    loaded = load("router_id x\nvrrp_strict\nglobal_defs { }")
    assert [(d.code, d.span.line) for d in loaded.diagnostics] == [
        (Code.UNKNOWN_KEYWORD, 1), (Code.UNKNOWN_KEYWORD, 2)]
    assert "global_defs" in loaded.diagnostics[0].note


@pytest.mark.parametrize(
    "lines",
    ["vrrp_version 3|router_id x|script_user root", "auth_type PASS|auth_pass 1", "garp_interval 1|gna_interval 1",
     "lb_algo rr|lb_kind NAT|delay_loop 1|protocol TCP"],
)
def test_each_misplaced_keyword_is_told(load: Any, lines: str) -> None:
    found = [d.span.line for d in load(instance(lines.replace("|", "\n"))).diagnostics
             if d.code is Code.UNKNOWN_KEYWORD]
    assert found == list(range(7, 8 + lines.count("|")))


@pytest.mark.parametrize(("text", "stops"), [
    (f"vrrp_instance A\n{GOOD}}}\n", False), ("vrrp_instance A\n", True), ("vrrp_instance A\n}\n", True),
])
def test_an_instance_without_brace_runs_if_its_body_is_there(load: Any, text: str, stops: bool) -> None:
    loaded = load(text)
    assert Code.MISSING_BRACE in problems(loaded)
    assert loaded.exit_status() == 5
    assert any(d.stops for d in loaded.diagnostics if d.code is Code.MISSING_BRACE) == stops
    if not stops:
        assert problems(loaded) == [Code.MISSING_BRACE]
        assert [i.virtual_router_id for i in loaded.settings.vrrp] == [7]


@pytest.mark.parametrize(
    ("word", "advice"),
    [("priorty 5", "did you mean priority?"), ("Priority 5", "write priority"), ("interval 5", "vrrp_script"),
     ("real_server 10.0.0.1 { }", "virtual_server"), ("priority\u00a0 5", "write priority"),
     ("priority\u00a050", "not a plain one"), ("\u00a0", ""),
     ("$B = 6", "write $B= 6"), ("sync-group G", "vrrp_sync_group"), ("hello-source-address x", "mcast_src_ip"),
     ("zzz", "")],
)
def test_advice_for_an_unknown_keyword(load: Any, word: str, advice: str) -> None:
    (diagnostic,) = load(instance(word)).diagnostics
    assert diagnostic.code is Code.UNKNOWN_KEYWORD
    assert advice in f"{diagnostic.note} {diagnostic.fix}"


@pytest.mark.parametrize(
    ("line", "status"), [("priority {{ prio }}", 2), ("{% if x %}", 5), ("{{ extra }}", 5), ("advert_int 2 {{ x }}", 5),
                         ("virtual_ipaddress {\n{{ vip }}\n}", 5), ("foo {{ x }}", 5)])
def test_a_template_s_mark_is_one_message(load: Any, line: str, status: int) -> None:
    loaded = load(instance(line))
    (found,) = loaded.diagnostics
    assert found.code is Code.UNDEFINED
    assert "template" in found.message
    assert loaded.exit_status() == status
    assert load('global_defs {\nrouter_id "{{ x }}"\n}').diagnostics == ()


# --------------------------------------------------------------------------------------------- missing words, verdicts


@pytest.mark.parametrize(
    ("text", "status", "fatal"),
    [
        ("", 0, False),
        ("# nothing", 0, False),
        (instance(), 0, False),
        (instance("priority"), 2, True),  # missing parameter
        (instance("debug\nfoo"), 2, True),
        (instance("notify"), 2, True),
        ("global_defs { router_id }", 5, False),
        ("vrrp_script { }", 2, True),
        ("bfd_instance { }", 5, False),  # crashes keepalived
        (instance('priority "'), 2, True),
        (instance("priority x"), 5, False),
        (instance("foo"), 5, False),
        (instance("notify /a"), 6, False),
        ("global_defs { enable_script_security }" + instance("notify /a"), 0, False),
        (instance("notify /a\nfoo"), 6, False),
        (instance("native_ipv6"), 5, False),
        (instance('script "unknown') + 'vrrp_script a {\nscript "x\n}', 5, False),
        ("linkbeat_interfaces {\nnone0\n}", 4, False),
        (instance().replace("eth0", "none0"), 5, True),
        (instance().replace("virtual_router_id 7", ""), 5, True),
        (instance().replace("virtual_router_id 7", "virtual_router_id 300"), 5, True),
        (instance().replace("interface eth0", ""), 5, True),
        ("includem nothing.conf", 6, True),
        ("include nothing.conf", 0, False),
    ],
)
def test_exit_status_and_fatality(load: Any, text: str, status: int, fatal: bool) -> None:
    loaded = load(text, Host(known_interfaces=frozenset({"lo", "eth0"})))
    assert (loaded.exit_status(), loaded.fatal) == (status, fatal)


def test_old_spellings(load: Any) -> None:
    loaded = load(instance("vmac_garp_intvl all 7\nthread_timer_expired 200\nnopreempt"))
    assert [(d.severity, d.verdict, d.fix) for d in loaded.diagnostics] == [
        (Severity.WARNING, Verdict.DEPRECATED, "write garp_extra_if"),
        (Severity.NOTE, Verdict.OK, "write timer_expired_backup"),
    ]
    assert loaded.settings.vrrp[0].timer_expired_backup == 200


def test_a_bad_value_says_what_is_right(load: Any) -> None:
    (diagnostic,) = load(instance("priority 256")).diagnostics
    assert diagnostic.code is Code.OUT_OF_RANGE
    assert diagnostic.message == "priority: 256 is outside 1..255"
    assert "priority PRIO (1..255)" in diagnostic.note
    assert (diagnostic.span.line, diagnostic.span.column, diagnostic.span.length) == (7, 10, 3)


def test_diagnostics_are_in_the_order_of_the_text(load: Any) -> None:
    loaded = load("global_defs { foo }\n" + instance("nopreempt\nstate MASTER\nbar"))
    assert [d.span.line for d in loaded.diagnostics] == sorted(d.span.line for d in loaded.diagnostics)


# ---------------------------------------------------------------------------------------------------------- anything

WORDS = ["global_defs", "vrrp_instance", "VI", "virtual_ipaddress", "10.0.0.1/24", "fe80::1", "interface", "eth0",
         "virtual_router_id", "51", "{", "}", "{\n", "}\n", "\n", "priority", "state", "MASTER", "track_script", "chk",
         "vrrp_script", "script", '"/bin/x y"', "'", '"', "weight", "-5", "virtual_server", "80", "real_server",
         "TCP_CHECK", "authentication", "auth_type", "PASS", "auth_pass", "unicast_peer", "use_vmac", "static_routes",
         "via", "dev", "group", "vrrp_sync_group", "bfd_instance", "notify", "$A=1\n", "$A", "version", "3",
         "advert_int", ".01", "auth_hmac", "key", "1", "hex:00", "label", "peer", "fwmark", "interface_up_down_delays",
         "vip_lease", "off", "HTTP_GET", "url", "status_code", "200-299", "lvs_sync_daemon", "smtp_server"]


@settings(max_examples=tries(400), deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=80).map(" ".join))
def test_loading_never_fails(text: str) -> None:
    reader = Reader(lambda pattern, folder: Opened(), Surroundings())
    loaded = assemble(list(reader.read("main", "/", text)), reader, Host())
    assert loaded.exit_status() in (0, 2, 4, 5, 6)
    assert loaded.settings is not None
    loaded.unsupported()
