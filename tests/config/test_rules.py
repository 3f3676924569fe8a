"""Between the parts of a configuration: references, scripts, routes, services, and what is not supported."""

from __future__ import annotations

from typing import Any

import pytest

from hakeep.config.diagnostic import Code, Severity, Verdict
from hakeep.config.host import Host
from hakeep.config.settled import Script

SECURE = "global_defs {\nenable_script_security\n}\n"
INSTANCE = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nvirtual_ipaddress {\n10.0.0.1\n}\n%s\n}\n"
SERVICE = "virtual_server 10.0.0.1 80 {\nprotocol TCP\nlvs_sched wlc\nlvs_method NAT\n%s\n}\n"


def codes(loaded: Any) -> list[Code]:
    return [d.code for d in loaded.diagnostics]


# ------------------------------------------------------------------------------------------------------------ tracking


@pytest.mark.parametrize(
    ("definition", "use"),
    [
        ("vrrp_script x {\nscript /x\n}\n", "track_script"),
        ("track_file x {\nfile /x\n}\n", "track_file"),
        ("vrrp_track_process x {\nprocess x\n}\n", "track_process"),
        ("bfd_instance x {\nneighbor_ip 10.0.0.9\n}\n", "track_bfd"),
    ],
)
def test_trackers_must_be_defined_before_their_use(load: Any, definition: str, use: str) -> None:
    user = INSTANCE % f"{use} {{\nx weight 5\n}}"
    assert codes(load(SECURE + definition + user)) == []
    after = load(SECURE + user + definition)
    assert codes(after) == [Code.UNKNOWN_REFERENCE]
    assert after.diagnostics[0].also[1] == "defined here"
    assert codes(load(user)) == [Code.UNKNOWN_REFERENCE]


def test_a_misspelt_reference_is_guessed(load: Any) -> None:
    loaded = load(SECURE + "vrrp_script check_web {\nscript /x\n}\n" + INSTANCE % "track_script {\ncheck_wbe\n}")
    errors = [d for d in loaded.diagnostics if d.severity is Severity.ERROR]
    assert [d.fix for d in errors] == ["did you mean check_web?"]


def test_trackers_are_given_once(load: Any) -> None:
    loaded = load(SECURE + "vrrp_script x {\nscript /x\n}\n" + INSTANCE % "track_script {\nx\nx\n}")
    assert codes(loaded) == [Code.DUPLICATE]
    assert codes(load(INSTANCE % "track_interface {\neth1\neth1\n}")) == [Code.DUPLICATE]


def test_the_own_interface_is_tracked_anyway(load: Any) -> None:
    assert codes(load(INSTANCE % "track_interface {\neth0\n}")) == [Code.DUPLICATE]


@pytest.mark.parametrize(
    "text",
    ["vrrp_script x {\ninterval 1\n}", "track_file x {\n}", "vrrp_track_process x {\n}", "bfd_instance x {\n}"],
)
def test_definitions_lack_what_they_are_about(load: Any, text: str) -> None:
    loaded = load(text)
    assert codes(loaded) == [Code.INCOMPLETE]
    assert loaded.exit_status() == 5


def test_unused_scripts_are_noted(load: Any) -> None:
    loaded = load(SECURE + "vrrp_script x {\nscript /x\n}\n" + INSTANCE % "")
    assert codes(loaded) == [Code.UNUSED]
    assert loaded.exit_status() == 0


def test_sync_groups(load: Any) -> None:
    two = INSTANCE % "" + (INSTANCE % "").replace(" A ", " B ").replace("id 7", "id 8")
    assert codes(load(two + "vrrp_sync_group G {\ngroup {\nA\nB\n}\n}")) == []
    assert codes(load("vrrp_sync_group G {\ngroup {\nA\nB\n}\n}\n" + two)) == []  # order does not matter here
    assert codes(load(two + "vrrp_sync_group G {\ngroup {\nA\n}\n}")) == [Code.SYNC_GROUP]
    assert codes(load(two + "vrrp_sync_group G {\ngroup {\nA\nB\nC\n}\n}")) == [Code.UNKNOWN_REFERENCE]
    assert codes(load("vrrp_sync_group G {\n}")) == [Code.SYNC_GROUP]
    again = load(two + "vrrp_sync_group G {\ngroup {\nA\nB\n}\n}\nvrrp_sync_group H {\ngroup {\nA\nB\n}\n}")
    assert codes(again) == [Code.SYNC_GROUP] * 3
    assert codes(load("track_group g {\ngroup {\n}\n}")) == [Code.SYNC_GROUP]


def test_routes_and_rules(load: Any) -> None:
    assert codes(load("static_routes {\n10.0.0.0/8 via 10.0.0.1 dev eth0\n10.1.0.0/16 via 10.0.0.1 no_track\n}")) == []
    assert codes(load("static_routes {\n10.0.0.0/8 via 10.0.0.1\n}")) == [Code.INCOMPLETE]
    assert codes(load(INSTANCE % "virtual_rules {\nfrom 10.0.0.1 table 5 preference 3\n}")) == []
    loaded = load(INSTANCE % "virtual_rules {\nfrom 10.0.0.1 table 5\n}")
    assert codes(loaded) == [Code.INCOMPLETE]
    assert loaded.diagnostics[0].span.line == 8


# ------------------------------------------------------------------------------------------------------------- scripts


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (INSTANCE % "notify /x", 6),
        (SECURE + INSTANCE % "notify /x", 0),
        (INSTANCE % "notify_deleted", 0),
        ("vrrp_script x {\nscript /x\n}\n", 0),  # nothing runs it
        ("vrrp_script x {\nscript /x\n}\n" + INSTANCE % "", 6),
        ("global_defs {\nstartup_script /x\n}\n", 6),
        ("vrrp_sync_group G {\nnotify /x\ngroup {\nA\nB\n}\n}\n", 5),  # the group is left out
        (SERVICE % "quorum_up /x\nreal_server 10.0.0.2 80 {\n}", 6),
        (SERVICE % "real_server 10.0.0.2 80 {\nMISC_CHECK {\nmisc_path /x\n}\n}", 6),
    ],
)
def test_scripts_want_security(load: Any, text: str, status: int) -> None:
    assert load(text).exit_status() == status


def test_shell_syntax_needs_a_shell(load: Any) -> None:
    loaded = load("vrrp_script x {\nscript </dev/tcp/127.0.0.1/80\n}\n" + INSTANCE % "track_script {\nx\n}")
    assert (codes(loaded), loaded.exit_status()) == ([Code.SCRIPT], 0)
    assert "/bin/sh -c" in loaded.diagnostics[0].fix


def test_scripts_that_cannot_run(load: Any) -> None:
    def problem(script: Script) -> str:
        return "" if script.argv[0] == "/good" else f"{script.argv[0]} is not there"

    host = Host(script_problem=problem, users=frozenset({"root"}), groups=frozenset({"root"}))
    loaded = load(INSTANCE % "notify /bad", host)
    assert (codes(loaded), loaded.exit_status()) == ([Code.SCRIPT], 0)
    loaded = load("vrrp_script x {\nscript /bad\n}\n" + INSTANCE % "track_script {\nx\n}", host)
    assert (codes(loaded), loaded.exit_status()) == ([Code.SCRIPT], 5)
    loaded = load(SECURE + INSTANCE % "notify /good argument", host)
    assert codes(loaded) == [Code.UNKNOWN_USER]
    assert "quote" in loaded.diagnostics[0].fix
    loaded = load(SECURE + INSTANCE % "notify /good root nogroup", host)
    assert codes(loaded) == [Code.UNKNOWN_USER]


# ------------------------------------------------------------------------------------------------------------ services


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SERVICE % "real_server 10.0.0.2 80 {\n}", []),
        (SERVICE % "", [Code.SERVICE_INCOMPLETE]),
        (SERVICE % "sorry_server 10.0.0.2 80", []),
        ("virtual_server 10.0.0.1 80 {\nreal_server 10.0.0.2 80 {\n}\n}", [Code.SERVICE_INCOMPLETE] * 3),
        ("virtual_server group web {\n}", [Code.UNKNOWN_REFERENCE]),
        ("virtual_server fwmark 7 {\nprotocol TCP\nlvs_sched rr\nlvs_method DR\nreal_server 10.0.0.2 {\n}\n}",
         [Code.SERVICE_CONFLICT]),
        (SERVICE % "ops\nreal_server 10.0.0.2 80 {\n}", [Code.SERVICE_CONFLICT]),
        (SERVICE % "real_server 10.0.0.2 80 {\n}\nreal_server 10.0.0.2 80 {\n}", [Code.DUPLICATE]),
        (SERVICE % "lvs_method DR\nreal_server 10.0.0.2 81 {\n}", [Code.SERVICE_CONFLICT]),
        (SERVICE % "real_server 10.0.0.2 81 {\nlvs_method DR\n}", [Code.SERVICE_CONFLICT]),
        (SERVICE % "real_server fe80::2 80 {\n}", [Code.FAMILY]),
        (SERVICE % "real_server fe80::2 80 {\nlvs_method TUN\n}", []),
        (SERVICE % "quorum 3\nreal_server 10.0.0.2 80 {\nweight 2\n}", [Code.SERVICE_CONFLICT]),
        (SERVICE % "quorum 2\nhysteresis 2\nreal_server 10.0.0.2 80 {\nweight 2\n}", [Code.SERVICE_CONFLICT]),
        (SERVICE % "real_server 10.0.0.2 80 {\nHTTP_GET {\n}\n}", [Code.SERVICE_INCOMPLETE]),
        (SERVICE % "real_server 10.0.0.2 80 {\nHTTP_GET {\nurl {\n}\n}\n}", [Code.SERVICE_INCOMPLETE]),
        (SERVICE % "real_server 10.0.0.2 80 {\nHTTP_GET {\nurl {\npath /\n}\n}\n}", []),
        ("virtual_server_group g {\n}", [Code.SERVICE_INCOMPLETE]),
        ("virtual_server nonsense {\nfoo\n}", [Code.BAD_ADDRESS]),
        (SERVICE % "real_server nonsense {\nfoo\n}", [Code.BAD_ADDRESS, Code.SERVICE_INCOMPLETE]),
    ],
)
def test_services(load: Any, text: str, expected: list[Code]) -> None:
    assert sorted(codes(load(text))) == sorted(expected)


# --------------------------------------------------------------------------------------------------------- unsupported


@pytest.mark.parametrize(
    ("text", "keyword", "line"),
    [
        (INSTANCE % "track_interface {\neth1\n}", "track_interface", 8),
        (INSTANCE % "track_script {\nx\n}", "track_script", 8),
        (INSTANCE % "track_file {\nx\n}", "track_file", 8),
        (INSTANCE % "track_process {\nx\n}", "track_process", 8),
        (INSTANCE % "track_bfd {\nx\n}", "track_bfd", 8),
        (INSTANCE % "virtual_routes {\n10.0.0.0/8 dev eth0\n}", "virtual_routes", 8),
        (INSTANCE % "virtual_rules {\nfrom 10.0.0.0/8 preference 5\n}", "virtual_rules", 8),
        ("vrrp_sync_group G {\ngroup {\nA\nB\n}\n}", "vrrp_sync_group", 1),
        ("static_ipaddress {\n10.0.0.1 dev eth0\n}", "static_ipaddress", 2),
        ("static_routes {\n10.0.0.0/8 dev eth0\n}", "static_routes", 2),
        ("static_rules {\nfrom 10.0.0.0/8 preference 5\n}", "static_rules", 2),
    ],
)
def test_what_is_unsafe_to_ignore_is_an_error(load: Any, text: str, keyword: str, line: int) -> None:
    (diagnostic,) = load(text).unsupported()
    assert (diagnostic.code, diagnostic.severity, diagnostic.stops) == (Code.UNSUPPORTED, Severity.ERROR, True)
    assert f"{keyword} is not supported" in diagnostic.message
    assert (diagnostic.span.file, diagnostic.span.line) == ("main.conf", line)
    assert diagnostic.verdict is Verdict.OK


def test_each_use_is_named(load: Any) -> None:
    loaded = load(INSTANCE % "track_interface {\neth1\n}\ntrack_script {\nx\n}"
                  + (INSTANCE % "track_interface {\neth1\n}").replace(" A ", " B "))
    assert [d.message.partition(" is")[0] for d in loaded.unsupported()] == [
        "A: track_interface", "A: track_script", "B: track_interface"]


def test_what_is_merely_not_done_is_one_warning(load: Any) -> None:
    loaded = load(SERVICE % "real_server 10.0.0.2 80 {\nsmtp_alert\n}" + SERVICE % "" + "global_defs {\nsmtp_alert\n"
                  "smtp_server 10.0.0.1\nenable_snmp_vrrp\nenable_traps\nlvs_flush\n}\n"
                  "bfd_instance b {\nneighbor_ip 10.0.0.1\n}\n" + INSTANCE % "smtp_alert")
    found = loaded.unsupported()
    assert all(d.severity is Severity.WARNING and not d.stops and d.code is Code.IGNORED for d in found)
    assert sorted(d.message for d in found) == sorted([
        "virtual_server: virtual servers are not run",
        "smtp_alert, smtp_server: no alert mail is sent",
        "enable_snmp_vrrp, enable_traps: there is no SNMP agent",
        "lvs_flush: virtual servers are not run, so the IPVS tables stay as they are",
        "bfd_instance: BFD sessions are not run",
    ])


def test_a_supported_configuration_has_nothing(load: Any) -> None:
    assert load(SECURE + "vrrp_script unused {\nscript /x\n}\n" + INSTANCE % "notify /x\nuse_vmac").unsupported() == []
