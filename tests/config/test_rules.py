"""Between the parts of a configuration: references, scripts, routes, services, and what is not supported."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hakeep.config.advice import walk
from hakeep.config.diagnostic import Code, Severity, Verdict
from hakeep.config.files import load as load_file
from hakeep.config.forms.overview import not_acted_on
from hakeep.config.host import Host
from hakeep.config.keywords.static import ROOT
from hakeep.config.rules import RULES
from hakeep.config.schema import Keyword
from hakeep.config.settled import Script

SECURE = "global_defs {\nenable_script_security\n}\n"
INSTANCE = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nvirtual_ipaddress {\n10.0.0.1\n}\n%s\n}\n"


def second(body: str) -> str:
    """Another instance beside INSTANCE."""
    return (INSTANCE % body).replace(" A ", " B ").replace("id 7", "id 8").replace("10.0.0.1", "10.0.0.2")


SERVICE = "virtual_server 10.0.0.1 80 {\nprotocol TCP\nlvs_sched wlc\nlvs_method NAT\n%s\n}\n"


def told(loaded: Any) -> list[Any]:
    """The diagnostics but for hints that a line replaces another one, as lines of these tests often do."""
    return [d for d in loaded.diagnostics if (d.code, d.severity) != (Code.REPEATED, Severity.WARNING)]


def codes(loaded: Any) -> list[Code]:
    return [d.code for d in told(loaded)]


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


FOLLOWED = {
    "BFD_CHECK": ("name", "bfd_instance x {\nneighbor_ip 10.0.0.9\n%s\n}\n"),
    "FILE_CHECK": ("track_file", "track_file x {\nfile /x\n%s\n}\n"),
}


def following(kind: str) -> str:
    """A virtual server with a check that follows x."""
    return SERVICE % f"real_server 10.0.0.2 80 {{\n{kind} {{\n{FOLLOWED[kind][0]} x\n}}\n}}"


@pytest.mark.parametrize("kind", FOLLOWED)
def test_what_a_check_follows_must_be_defined_before(load: Any, kind: str) -> None:
    definition = FOLLOWED[kind][1] % ""
    good = load(definition + following(kind))
    assert codes(good) == [] and len(checks(good)) == 1
    for text in (following(kind), following(kind) + definition):
        loaded = load(text)
        [found] = [d for d in loaded.diagnostics if d.code is Code.UNKNOWN_REFERENCE]
        assert (found.severity, loaded.exit_status(), checks(loaded)) == (Severity.ERROR, 5, ())
        assert "the check is left out" in found.message


@pytest.mark.parametrize(("said", "fine"), [("", True), ("checker", True), ("vrrp", False), ("vrrp\nchecker", True)])
def test_a_session_that_is_for_vrrp_only_cannot_be_checked(load: Any, said: str, fine: bool) -> None:
    loaded = load(FOLLOWED["BFD_CHECK"][1] % said + following("BFD_CHECK"))
    assert codes(loaded) == ([] if fine else [Code.UNKNOWN_REFERENCE])
    assert len(checks(loaded)) == fine


def checks(loaded: Any) -> Any:
    """The checks of the only real server."""
    [virtual] = loaded.settings.lvs.virtual
    [real] = virtual.reals
    return real.checks


def test_a_misspelt_reference_is_guessed(load: Any) -> None:
    loaded = load(SECURE + "vrrp_script check_web {\nscript /x\n}\n" + INSTANCE % "track_script {\ncheck_wbe\n}")
    errors = [d for d in loaded.diagnostics if d.severity is Severity.ERROR]
    assert [d.fix for d in errors] == ["did you mean check_web?"]


def test_trackers_are_given_once(load: Any) -> None:
    loaded = load(SECURE + "vrrp_script x {\nscript /x\n}\n" + INSTANCE % "track_script {\nx\nx\n}")
    assert codes(loaded) == [Code.TRACKED_TWICE]
    assert codes(load(INSTANCE % "track_interface {\neth1\neth1\n}")) == [Code.TRACKED_TWICE]


def test_the_own_interface_is_tracked_anyway(load: Any) -> None:
    assert codes(load(INSTANCE % "track_interface {\neth0\n}")) == [Code.OWN_INTERFACE]


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
    two = INSTANCE % "" + second("")
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
    assert codes(load("static_routes {\n10.0.0.0/8 via 10.0.0.1\n}")) == [Code.ROUTE_UNTRACKED]
    assert codes(load(INSTANCE % "virtual_rules {\nfrom 10.0.0.1 table 5 preference 3\n}")) == []
    loaded = load(INSTANCE % "virtual_rules {\nfrom 10.0.0.1 table 5\n}")
    assert codes(loaded) == [Code.RULE_PREFERENCE]
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
    assert (codes(loaded), loaded.exit_status()) == ([Code.SHELL_SYNTAX], 0)
    assert "/bin/sh -c" in loaded.diagnostics[0].fix


@pytest.mark.parametrize(("kind", "fix"), [
    ("unreachable", "add no_track"), ("blackhole", "add no_track"), ("via 10.0.0.9", "add dev IFNAME, or no_track")])
def test_a_route_to_nowhere_has_no_interface_to_add(load: Any, kind: str, fix: str) -> None:
    (found,) = load(f"static_routes {{\n10.9.0.0/16 {kind}\n}}\n" if "via" in kind
                    else f"static_routes {{\n{kind} 10.9.0.0/16\n}}\n").diagnostics
    assert (found.code, found.fix) == (Code.ROUTE_UNTRACKED, fix)


def test_what_becomes_of_a_route_with_an_unknown_table(load: Any) -> None:
    host = Host(tables=frozenset({"main"}))
    for block, entry in (("routes", "10.9.0.0/16 dev eth0 table x"), ("rules", "from 10.0.0.0/8 table x preference 9")):
        (found,) = load(f"static_{block} {{\n{entry}\n}}\n", host).diagnostics
        assert (found.code, found.note) == (Code.ROUTE_TABLE, f"this {block[:-1]} is left out")


def test_scripts_that_cannot_run(load: Any) -> None:
    def problem(script: Script) -> str:
        return "" if script.argv[0] == "/good" else f"{script.argv[0]} is not there"

    host = Host(script_problem=problem, users=frozenset({"root"}), groups=frozenset({"root"}))
    loaded = load(INSTANCE % "notify /bad", host)
    assert (codes(loaded), loaded.exit_status()) == ([Code.SCRIPT], 0)
    assert loaded.diagnostics[0].note == "it will not run"
    loaded = load("vrrp_script x {\nscript /bad\n}\n" + INSTANCE % "track_script {\nx\n}", host)
    assert (codes(loaded), loaded.exit_status()) == ([Code.SCRIPT], 5)
    assert loaded.diagnostics[0].note == "vrrp_script x is left out: no priority and no state goes by it"
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
        ("virtual_server 10.0.0.1 80 {\nreal_server 10.0.0.2 80 {\n}\n}",
         [Code.SERVICE_INCOMPLETE] * 2 + [Code.NO_PROTOCOL]),
        ("virtual_server group web {\n}", [Code.UNKNOWN_REFERENCE]),
        ("virtual_server fwmark 7 {\nprotocol TCP\nlvs_sched rr\nlvs_method DR\nreal_server 10.0.0.2 {\n}\n}",
         [Code.SERVICE_CONFLICT]),
        (SERVICE % "ops\nreal_server 10.0.0.2 80 {\n}", [Code.ONE_PACKET]),
        (SERVICE % "real_server 10.0.0.2 80 {\n}\nreal_server 10.0.0.2 80 {\n}", [Code.SERVER_TWICE]),
        (SERVICE % "lvs_method DR\nreal_server 10.0.0.2 81 {\n}", [Code.DIRECT_PORT]),
        (SERVICE % "real_server 10.0.0.2 81 {\nlvs_method DR\n}", [Code.DIRECT_PORT]),
        (SERVICE % "real_server fe80::2 80 {\n}", [Code.SERVER_FAMILY]),
        (SERVICE % "real_server fe80::2 80 {\nlvs_method TUN\n}", []),
        (SERVICE % "quorum 3\nreal_server 10.0.0.2 80 {\nweight 2\n}", [Code.QUORUM]),
        (SERVICE % "quorum 2\nhysteresis 2\nreal_server 10.0.0.2 80 {\nweight 2\n}", [Code.QUORUM]),
        (SERVICE % "real_server 10.0.0.2 80 {\nHTTP_GET {\n}\n}", [Code.CHECK_INCOMPLETE]),
        (SERVICE % "real_server 10.0.0.2 80 {\nHTTP_GET {\nurl {\n}\n}\n}", [Code.CHECK_INCOMPLETE]),
        (SERVICE % "real_server 10.0.0.2 80 {\nHTTP_GET {\nurl {\npath /\n}\n}\n}", []),
        ("virtual_server_group g {\n}", [Code.SERVICE_INCOMPLETE, Code.UNUSED]),
        ("virtual_server nonsense {\nfoo\n}", [Code.BAD_ADDRESS]),
        (SERVICE % "real_server nonsense {\nfoo\n}", [Code.BAD_ADDRESS, Code.SERVICE_INCOMPLETE]),
    ],
)
def test_services(load: Any, text: str, expected: list[Code]) -> None:
    assert sorted(codes(load(text))) == sorted(expected)


# ------------------------------------------------------------------------------------------------- no cry without wolf

SCRIPT = SECURE + "vrrp_script x {\nscript /x\ninterval 2\n%s\n}\n"
GROUPED = "vrrp_sync_group G {\ngroup {\nA\nB\n}\n%s\n}\n"
MASTER, BACKUP = "state MASTER\npriority 150", "state BACKUP\npriority 100"
TRACK = "track_script {\nx\n}"
CHECK = "TCP_CHECK {\nconnect_timeout 3\n}"
SERVERS = SERVICE % f"%s\nreal_server 10.0.0.2 80 {{\n{CHECK}\n}}"


@pytest.mark.parametrize(("text", "status", "message"), [
    ("lvs_sched rr\nsh-port", 5, "sh-port has no effect with rr"),
    ("lvs_sched rr\nhashed", 5, "hashed has no effect with rr"),
    ("lvs_sched mh\nhashed\nmh-port", 0, ""),
    ("sh-port\nlvs_sched sh", 5, "sh-port has no effect before lvs_sched"),
    ("lvs_sched sh\nsh-port\nlvs_sched rr", 0, "sh-port has no effect with rr"),
    ("sorry_server_inhibit\nsorry_server 10.0.0.3 80", 5, "sorry_server_inhibit has no effect before sorry_server"),
    ("sorry_server_inhibit", 5, "sorry_server_inhibit has no effect before sorry_server"),
    ("sorry_server 10.0.0.3 80\nsorry_server_inhibit", 0, ""),
])
def test_what_must_stand_in_order(load: Any, text: str, status: int, message: str) -> None:
    loaded = load(INSTANCE % "" + SERVERS.replace("lvs_sched wlc\n", "" if "lvs_sched" in text else "lvs_sched rr\n")
                  % text)
    assert [d.message.partition(": ")[2] for d in told(loaded)] == ([message] if message else [])
    assert loaded.exit_status() == status


@pytest.mark.parametrize(("text", "status"), [
    ("vrrp_sync_group G {\nnotify /x\n}\n" + INSTANCE % "", 6),
    ("global_defs {\nlvs_notify_fifo /f\nlvs_notify_fifo_script /x\n}\n" + INSTANCE % "", 0),
    ("global_defs {\nlvs_notify_fifo /f\nlvs_notify_fifo_script /x\n}\n" + SERVICE % "real_server 10.0.0.2 80 {\n}", 6),
])
def test_which_scripts_count_as_run(load: Any, text: str, status: int) -> None:
    assert load(text).exit_status() == status


@pytest.mark.parametrize(("text", "expected"), [
    (SERVICE % "real_server {\nweight 1\n}", [Code.MISSING_PARAMETER]),
    ("vrrp_script x {\nscript\n}\n", [Code.MISSING_PARAMETER]),
    (INSTANCE % "virtual_rules {\nfrom 10.0.0.1 perf 10 table 5\n}", [Code.UNKNOWN_OPTION]),
    (INSTANCE % "virtual_routes {\n10.9.0.0/16 dve eth0 via 10.0.0.9\n}", [Code.UNKNOWN_OPTION]),
])
def test_one_mistake_is_told_once(load: Any, text: str, expected: list[Code]) -> None:
    found = [d.code for d in load(text).diagnostics if d.severity is Severity.ERROR or d.verdict is not Verdict.OK]
    assert found == expected


def test_two_scripts_of_one_name(load: Any) -> None:
    loaded = load(SCRIPT % "" + SCRIPT.removeprefix(SECURE) % "" + INSTANCE % TRACK)
    (only,) = [d for d in loaded.diagnostics if d.code is Code.SAME_SCRIPT]
    assert (only.severity, only.span.line > only.also[0].line, loaded.exit_status()) == (Severity.WARNING, True, 0)


@pytest.mark.parametrize(
    "text",
    [
        # weights
        SCRIPT % "weight -50" + INSTANCE % f"{MASTER}\n{TRACK}" + second(BACKUP),  # just enough
        SCRIPT % "weight 50" + INSTANCE % f"{MASTER}\n{TRACK}" + second(f"{BACKUP}\n{TRACK}"),
        SCRIPT % "weight 54" + INSTANCE % f"priority 200\n{TRACK}",
        SCRIPT % "weight -20" + INSTANCE % f"priority 254\n{TRACK}",
        SCRIPT % "" + INSTANCE % f"nopreempt\n{TRACK}",
        SCRIPT % "weight 0" + INSTANCE % "track_script {\nx weight 5\n}",
        SCRIPT % "weight -9" + INSTANCE % "" + second("") + GROUPED % TRACK,
        SCRIPT % "weight -9" + INSTANCE % TRACK + second("") + GROUPED % "sync_group_tracking_weight",
        INSTANCE % MASTER + second("state MASTER\npriority 90"),
        INSTANCE % "priority 255",
        # addresses
        INSTANCE % "virtual_ipaddress {\n10.0.0.9/24\n10.0.0.8/24\n}\nvirtual_ipaddress_excluded {\n10.0.0.7/32\n}",
        INSTANCE % "virtual_ipaddress_excluded {\n192.0.2.0/31\n192.0.2.6/32\n10.9.9.0 peer 10.9.8.1/24\n}",
        INSTANCE % "virtual_ipaddress_excluded {\n192.0.2.4/24 dev eth1\n192.0.3.4/24\n10.0.0.5/24 label eth0:x\n}",
        INSTANCE % "virtual_ipaddress_excluded {\nfe80::1/64 dev eth1\n}"
        + second("virtual_ipaddress_excluded {\nfe80::1/64 dev eth2\n}"),
        "static_ipaddress {\n10.0.0.9 dev eth0\n}\n" + INSTANCE % "mcast_src_ip 10.0.0.9",
        INSTANCE % "virtual_routes {\n192.0.2.0/24 dev eth0 src 10.0.0.1\n}",
        # peers and interfaces
        INSTANCE % "unicast_src_ip 10.0.0.8\nunicast_peer {\n10.0.0.9\n}",
        (INSTANCE % "").replace("interface eth0", "interface eth0.7"),
        INSTANCE % "use_vmac one" + second("use_vmac two"),
        INSTANCE % "use_vmac" + second("use_vmac"),
        INSTANCE % "dont_track_primary\ntrack_interface {\neth1\n}",
        # time
        "global_defs {\nvrrp_rt_priority 5\n}\n" + INSTANCE % "version 3\nadvert_int 0.02",
        INSTANCE % "version 3\nadvert_int 0.1",
        INSTANCE % "advert_int 10",
        INSTANCE % "garp_master_repeat 1",
        INSTANCE % "garp_master_delay 0",
        INSTANCE % "garp_master_delay 0\ngarp_master_repeat 1\ngarp_master_refresh 60",
        INSTANCE % "strict_mode\nstate MASTER\npriority 255",
        "interface_up_down_delays {\neth1 9\neth0 1\n}\n" + INSTANCE % "",
        # groups
        INSTANCE % "priority 9\nnopreempt" + second("priority 9\nnopreempt") + GROUPED % "",
        # scripts and mail
        SECURE + "vrrp_script x {\nscript \"/bin/sh -c 'a | b && c > d'\"\n}\n" + INSTANCE % TRACK,
        SECURE + "vrrp_script x {\nscript \"/usr/bin/check --above >=5 -> a<b\"\n}\n" + INSTANCE % TRACK,
        SECURE + INSTANCE % "notify /x nginx www-data\nnotify_master \"/x MASTER\" nginx",
        SCRIPT % "timeout 2" + INSTANCE % TRACK,
        SCRIPT % "interval 1\nfall 2" + INSTANCE % TRACK,
        SCRIPT % "interval 1\nweight -5" + INSTANCE % TRACK,
        "global_defs {\nsmtp_server 10.0.0.9\nnotification_email {\nme\n}\n}\n" + INSTANCE % "smtp_alert",
        # services
        INSTANCE % "" + SERVERS % "ha_suspend",
        SERVERS % "" + (SERVERS % "").replace("protocol TCP", "protocol UDP"),
        SERVERS % "" + (SERVERS % "").replace("10.0.0.1 80", "10.0.0.1 81"),
        SERVERS % "persistence_timeout 50\npersistence_granularity 255.255.255.0",
        (SERVERS % "persistence_timeout 50").replace("10.0.0.1 80", "10.0.0.1"),
        SERVERS % "lvs_sched mh\nmh-port",
        SERVERS % "sorry_server 10.0.0.2 8080",
        SERVERS % f"sorry_server 10.0.0.3 80\nreal_server 10.0.0.3 81 {{\n{CHECK}\n}}",
        SERVERS % "delay_loop 3",
        SERVICE % "real_server 10.0.0.2 80 {\nweight 0\n}\nreal_server 10.0.0.3 80 {\n}",
        SERVICE % "real_server 10.0.0.2 80 {\nuthreshold 5\nlthreshold 5\n}",
        SERVICE % "real_server 10.0.0.2 80 {\nuthreshold 5\nlthreshold 0\n}",
        SERVICE % "real_server 10.0.0.2 80 {\nslow_start 30\nweight 2\n}",
        SERVICE % "real_server 10.0.0.2 80 {\nslow_start 0\n}",
        "global_defs {\nenable_script_security\n}\n"
        + SERVICE % "real_server 10.0.0.2 80 {\nslow_start 30\nMISC_CHECK {\nmisc_path /bin/true\nmisc_dynamic\n}\n}",
        SERVICE % "real_server 10.0.0.2 8443 {\nSSL_GET {\nurl {\npath /\n}\n}\n}",
        SERVICE % "real_server 10.0.0.2 443 {\nHTTP_GET {\nconnect_port 80\nurl {\npath /\n}\n}\n}",
        "virtual_server_group g {\n10.0.0.1 80\n2001:db8::1 80\n}\nvirtual_server group g {\nprotocol TCP\n"
        "lvs_sched rr\nlvs_method TUN\nreal_server 10.0.0.2 80 {\n}\n}",
    ],
)
def test_what_is_meant_is_left_alone(load: Any, text: str) -> None:
    assert [(d.code, d.message) for d in told(load(text))] == []


@pytest.mark.parametrize("network", [ipaddress.ip_interface("10.0.0.7/24"), ipaddress.ip_interface("2001:db8::7/64")])
def test_addresses_of_the_interface_are_what_counts(load: Any, network: Any) -> None:
    def subnets(name: str) -> tuple[Any, ...]:
        return (network,) if name == "eth0" else ()

    host = Host(subnets=subnets)
    version = network.version
    outside = INSTANCE % "virtual_ipaddress_excluded {\n192.0.2.1\n}"
    assert codes(load(outside, host)) == [], "what adverts do not list may be anywhere"
    assert codes(load((INSTANCE % "").replace("10.0.0.1", "192.0.2.1"), host)) == [Code.VIP_OUTSIDE] * (version == 4)
    assert codes(load(INSTANCE % "priority 255", host)) == [Code.OWNER_BY_ACCIDENT]
    owner = Host(subnets=lambda name: (ipaddress.ip_interface("10.0.0.1/24"),))
    assert codes(load(INSTANCE % "priority 255", owner)) == []
    self = INSTANCE % "unicast_src_ip 10.0.0.7\nunicast_peer {\n10.0.0.7\n}"
    assert Code.PEER_IS_SELF in codes(load(self, host))


CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"


def clean_files() -> list[Path]:
    """Real files that keepalived read and has nothing to say about."""
    return [verdict.with_suffix(".conf") for verdict in sorted(CORPUS.glob("*.verdict"))
            if re.search(r"^# class .*: clean\b", verdict.read_text(errors="replace"), re.MULTILINE)]


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus of real configurations is not here")
def test_rules_do_not_cry_wolf_on_good_files() -> None:
    files = clean_files()
    assert len(files) > 30
    counts: Counter[Code] = Counter()
    for path in files:
        loaded = load_file(str(path), config_id="none", environment={})
        assert [d.message for d in loaded.diagnostics if d.severity is Severity.ERROR] == [], path
        counts.update({d.code for d in loaded.diagnostics if d.code in RULES})
    assert {code: count for code, count in counts.items() if count > len(files) / 10} == {}


# --------------------------------------------------------------------------------------------------------- unsupported


@pytest.mark.parametrize(
    ("text", "line"), [("namespace_with_ipsets", 1), (INSTANCE % "" + "namespace_with_ipsets", 9)])
def test_what_is_not_done_is_a_warning_where_it_stands(load: Any, text: str, line: int) -> None:
    (diagnostic,) = load(text).unsupported()
    assert (diagnostic.code, diagnostic.severity, diagnostic.stops) == (Code.IGNORED, Severity.WARNING, False)
    assert (diagnostic.span.file, diagnostic.span.line) == ("main.conf", line)
    assert diagnostic.verdict is Verdict.OK


@pytest.mark.parametrize("text", [
    INSTANCE % ("virtual_routes {\n10.0.0.0/8 dev eth0\n}\nvirtual_rules {\nfrom 10.0.0.0/8 table 5 preference 5\n}\n"
                "track_interface {\neth1\n}"),
    "static_ipaddress {\n10.0.0.1 dev eth0\n}\nstatic_routes {\n10.0.0.0/8 dev eth0\n}\n"
    "static_rules {\nfrom 10.0.0.0/8 table 5 preference 5\n}",
    "bfd_instance b {\nneighbor_ip 10.0.0.9\n}\n" + SERVICE % "real_server 10.0.0.2 80 {\nBFD_CHECK {\nname b\n}\n}",
    INSTANCE % "" + second("") + "vrrp_sync_group G {\ngroup {\nA\nB\n}\n}",
])
def test_what_once_was_refused_is_done(load: Any, text: str) -> None:
    loaded = load(text)
    assert [*loaded.diagnostics, *loaded.unsupported()] == []


def test_what_is_merely_not_done_is_one_warning(load: Any) -> None:
    loaded = load(SERVICE % "real_server 10.0.0.2 80 {\nsmtp_alert\n}" + SERVICE % "" + "global_defs {\nsmtp_alert\n"
                  "smtp_server 10.0.0.1\nenable_snmp_vrrp\nenable_traps\n}\n"
                  "bfd_instance b {\nneighbor_ip 10.0.0.1\n}\n" + INSTANCE % "smtp_alert")  # these are run
    found = loaded.unsupported()
    assert all(d.severity is Severity.WARNING and not d.stops and d.code is Code.IGNORED for d in found)
    assert sorted(d.message for d in found) == sorted([
        "enable_snmp_vrrp, enable_traps: there is no SNMP agent",
    ])


def test_a_supported_configuration_has_nothing(load: Any) -> None:
    assert load(SECURE + INSTANCE % "notify /x\nuse_vmac").unsupported() == []


OUTER = {"": "%s", "/global_defs": "global_defs {\n%s\n}", "/vrrp_instance": "vrrp_instance A {\n%s\n}",
         "/vrrp_sync_group": "vrrp_sync_group G {\n%s\n}", "/vrrp_script": "vrrp_script x {\n%s\n}",
         "/virtual_server": "virtual_server 10.0.0.1 80 {\n%s\n}", "/SSL": "SSL {\n%s\n}",
         "/virtual_server/real_server": "virtual_server 10.0.0.1 80 {\nreal_server 10.0.0.2 80 {\n%s\n}\n}"}
LANGUAGE = [(path, keyword) for path, keyword in walk(ROOT) if path in OUTER]
MARKED = {(row.path, row.keyword.name) for row in not_acted_on()}


@pytest.mark.parametrize(("path", "keyword"), LANGUAGE, ids=[f"{path}/{keyword.name}" for path, keyword in LANGUAGE])
def test_what_is_said_here_is_what_the_list_of_keywords_says(load: Any, path: str, keyword: Keyword) -> None:
    """`hakeep keywords --unsupported` and the diagnostics of a configuration are about the same keywords."""
    outer = path.rpartition("/")[2]
    names = {keyword.name, keyword.preferred}
    loaded = load(OUTER[path] % keyword.example)
    said = [d for d in (*loaded.unsupported(), *loaded.diagnostics)
            if d.code is Code.IGNORED and not d.message.startswith(f"{outer}:")]
    assert len([d for d in said if d.span and keyword.name in d.message]) <= 1, "one warning"
    listed = any((path, name) in MARKED for name in names)
    assert any(name and re.search(rf"\b{name}\b", d.message) for d in said for name in names) == (
        listed and ("", outer) not in MARKED)


def test_an_obsolete_word_without_effect_is_told_once(load: Any) -> None:
    loaded = load(INSTANCE % "native_ipv6")
    assert [d.code for d in (*loaded.diagnostics, *loaded.unsupported())] == [Code.DEPRECATED]


def test_an_entry_of_a_group_is_explained_as_an_entry(load: Any) -> None:
    (only,) = [d for d in load("virtual_server_group g {\n10.0.0.1 80\n10.0.0.300 80\n}\n").diagnostics
               if d.code is Code.BAD_ADDRESS]
    assert only.note.startswith("virtual_server_group entry: IP|")


@pytest.mark.parametrize(("table", "known"), [
    ("main", True), ("uplink", True), ("7", True), ("0x10", True), ("uplink2", False)])
def test_names_of_routing_tables(load: Any, table: str, known: bool) -> None:
    text = (f"static_routes {{\n10.9.0.0/16 dev eth0 table {table}\n}}\n"
            f"static_rules {{\nfrom 10.9.0.1 lookup {table} preference 5\n}}\n")
    host = Host(tables=frozenset({"main", "uplink"}))
    assert codes(load(text, host)) == ([] if known else [Code.ROUTE_TABLE] * 2)
    assert codes(load(text)) == [], "nothing is known, so nothing is judged"
