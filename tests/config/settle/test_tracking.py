"""What is tracked with which weight (grammar sections 11 and 12): the tables' rows, from text to settled tracks."""

from __future__ import annotations

import pickle
from ipaddress import ip_address
from typing import Any

import pytest

from hakeep.config.diagnostic import Code, Severity
from hakeep.config.host import Host
from hakeep.config.settled import LinkBeat, LinkDelay, Notify, Script, Settings, SyncGroup
from hakeep.config.settled_track import (
    Rhythm,
    TrackFile,
    TrackHttp,
    TrackPing,
    TrackProcess,
    TrackRoute,
    TrackScript,
    TrackTcp,
    TrackUnit,
)

DEFINITIONS = """
global_defs {
    enable_script_security
    script_user watcher
}
vrrp_script s {
    script /usr/bin/s
    %s
}
track_file f {
    file /run/f
    %s
}
vrrp_track_process p {
    process nginx
    %s
}
bfd_instance b {
    neighbor_ip 192.0.2.9
    %s
}
"""
INSTANCE = """
vrrp_instance %s {
    interface eth%d
    virtual_router_id %d
    priority %d
    virtual_ipaddress {
        192.0.2.%d/24
    }
    %s
}
"""
GROUP = """
vrrp_sync_group G {
    group {
        A
        B
    }
    %s
}
"""
LISTS = {"interface": "track_interface", "script": "track_script", "file": "track_file", "process": "track_process",
         "bfd": "track_bfd"}
NAMES = {"interface": "eth9", "script": "s", "file": "f", "process": "p", "bfd": "b"}


def block(kind: str, words: str = "", name: str = "") -> str:
    return f"{LISTS[kind]} {{\n{name or NAMES[kind]} {words}\n}}\n"


def instance(name: str, body: str, priority: int = 100) -> str:
    number = ord(name) - ord("A")
    return INSTANCE % (name, number, 50 + number, priority, 100 + number, body)


def weights(**given: str) -> str:
    """The definitions, with a weight for some kinds."""
    return DEFINITIONS % tuple(f"weight {given[kind]}" if kind in given else "" for kind in (
        "script", "file", "process", "bfd"))


@pytest.fixture
def settle(load: Any) -> Any:
    def settle(text: str, host: Host | None = None) -> Settings:
        loaded = load(text, host)
        assert pickle.loads(pickle.dumps(loaded.settings)) == loaded.settings
        hash(loaded.settings)
        settings: Settings = loaded.settings
        return settings

    return settle


def tracks(settings: Settings, name: str = "A") -> list[tuple[str, str, int, bool, str]]:
    (found,) = [one for one in settings.vrrp if one.name == name]
    return [(t.kind, t.name, t.weight, t.reverse, t.group) for t in found.tracks]


# -------------------------------------------------------------------------------------------- weights of one instance


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize(("defined", "said", "weight", "reverse"), [
    ("", "", 0, False),
    ("-20", "", -20, False),
    ("-20", "weight 30", 30, False),
    ("-20", "weight 0", 0, False),
    ("-20 reverse", "", -20, True),
    ("-20 reverse", "weight 30", 30, True),
    ("-20 reverse", "weight 30 noreverse", 30, False),
    ("-20", "weight 30 reverse", 30, True),
])
def test_the_entry_s_weight_else_the_definition_s(
    settle: Any, kind: str, defined: str, said: str, weight: int, reverse: bool
) -> None:
    if kind == "interface" and (defined or "noreverse" in said):
        return  # which nothing defines
    given = {kind: defined} if defined else {}
    settings = settle(weights(**given) + instance("A", block(kind, said)))
    if kind == "file" and not defined and not said:
        weight = 1
    assert tracks(settings) == [(kind, NAMES[kind], weight, reverse, "")]


@pytest.mark.parametrize("kind", LISTS)
def test_an_owner_is_not_moved_by_weights(settle: Any, kind: str) -> None:
    assert tracks(settle(weights() + instance("A", block(kind, "weight -20"), 255))) == []
    left = [("file", "f", 0, False, "")] if kind == "file" else []
    assert tracks(settle(weights() + instance("A", block(kind, "weight 1"), 255))) == left
    stays = [(kind, NAMES[kind], 0, False, "")]
    assert tracks(settle(weights() + instance("A", block(kind, "weight 0"), 255))) == stays


def test_the_order_is_that_of_kinds_and_of_the_text(settle: Any) -> None:
    body = "track_ping 10.0.0.2\n" + block("bfd") + block("script") + block("interface") + "track_ping 10.0.0.1\n"
    assert [(kind, name) for kind, name, *_ in tracks(settle(weights() + instance("A", body)))] == [
        ("interface", "eth9"), ("script", "s"), ("bfd", "b"), ("ping", "10.0.0.2"), ("ping", "10.0.0.1")]


@pytest.mark.parametrize(("text", "code"), [
    (instance("A", block("script")) + weights(), Code.UNKNOWN_REFERENCE),  # defined after its use
    (weights() + instance("A", block("script", name="nosuch")), Code.UNKNOWN_REFERENCE),
    (weights() + instance("A", block("file", name="nosuch")), Code.UNKNOWN_REFERENCE),
    (weights() + instance("A", block("process", name="nosuch")), Code.UNKNOWN_REFERENCE),
    (weights() + instance("A", block("bfd", name="nosuch")), Code.UNKNOWN_REFERENCE),
    ("vrrp_script s {\ninterval 2\n}\n" + instance("A", block("script")), Code.INCOMPLETE),
    (weights() + instance("A", block("interface", name="eth0")), Code.OWN_INTERFACE),
    (weights() + instance("A", "dont_track_primary\n" + block("interface", name="eth0")), Code.OWN_INTERFACE),
    (weights() + instance("A", "track_virtual_server 192.0.2.10 80"), Code.UNKNOWN_REFERENCE),
])
def test_what_names_nothing_is_left_out_with_an_error(load: Any, text: str, code: Code) -> None:
    loaded = load(text)
    assert loaded.settings.vrrp[0].tracks == ()
    assert loaded.settings.tracking is None
    assert code in [d.code for d in loaded.diagnostics if d.severity is Severity.ERROR]
    assert not loaded.fatal


@pytest.mark.parametrize("body", [
    "track_script {\ns weight 5\ns weight 7\n}", "track_script {\ns weight 5\n}\ntrack_script {\ns weight 7\n}"])
def test_of_the_same_twice_the_first_counts(load: Any, body: str) -> None:
    loaded = load(weights() + instance("A", body))
    assert tracks(loaded.settings) == [("script", "s", 5, False, "")]
    assert Code.TRACKED_TWICE in [d.code for d in loaded.diagnostics if d.severity is Severity.ERROR]


# ---------------------------------------------------------------------------------------------------------- sync groups


#: kind, weight in the member's entry, what is left: a weight, or None = nothing.
MEMBERS: list[tuple[str, str, int | None]] = [
    ("interface", "", 0), ("interface", "weight 20", 0), ("interface", "weight -20", 0),
    ("script", "", 0), ("script", "weight 20", None), ("script", "weight -20", None),
    ("bfd", "", 0), ("bfd", "weight 20", None), ("bfd", "weight -20", None),
    ("file", "", 0), ("file", "weight 0", 0), ("file", "weight 1", 0), ("file", "weight 2", None),
    ("file", "weight -1", None),
    ("process", "", 0), ("process", "weight 20", 20), ("process", "weight -20", -20),
]


@pytest.mark.parametrize(("kind", "said", "left"), MEMBERS)
def test_what_a_group_leaves_of_its_members_trackers(load: Any, kind: str, said: str, left: int | None) -> None:
    loaded = load(weights() + instance("A", block(kind, said)) + instance("B", "") + GROUP % "")
    expected = [] if left is None else [(kind, NAMES[kind], left, False, "")]
    assert tracks(loaded.settings) == expected
    assert tracks(loaded.settings, "B") == []
    changed = said not in ("", "weight 0") or (kind == "file" and said == "")
    assert (Code.GROUP_WEIGHTS in [d.code for d in loaded.diagnostics]) is changed


@pytest.mark.parametrize("keyword", ["sync_group_tracking_weight", "global_tracking"])
@pytest.mark.parametrize("kind", LISTS)
def test_a_group_may_let_members_keep_their_weights(load: Any, kind: str, keyword: str) -> None:
    loaded = load(weights() + instance("A", block(kind, "weight -20")) + instance("B", "") + GROUP % keyword)
    assert tracks(loaded.settings) == [(kind, NAMES[kind], -20, False, "")]
    codes = [d.code for d in loaded.diagnostics]
    assert Code.GROUP_WEIGHTS not in codes
    assert (Code.DEPRECATED in codes) is (keyword == "global_tracking")


def test_a_weight_that_is_turned_round_stays_so_without_the_weight(settle: Any) -> None:
    """The instance is in FAULT while the interface is up. keepalived 2.2.7 shows the same in its dump."""
    settings = settle(instance("A", block("interface", "weight -20 reverse")) + instance("B", "") + GROUP % "")
    assert tracks(settings) == [("interface", "eth9", 0, True, "")]


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize(("said", "weight"), [("weight -20", -20), ("weight 20", 20), ("weight 0", 0)])
def test_what_the_group_tracks_goes_to_all_members_with_its_weight(
    settle: Any, kind: str, said: str, weight: int
) -> None:
    settings = settle(weights() + instance("A", "") + instance("B", "") + GROUP % block(kind, said))
    for name in "AB":
        assert tracks(settings, name) == [(kind, NAMES[kind], weight, False, "G")]


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize(("mine", "of_group", "weight", "group"), [
    ("weight -5", "weight -20", -20, "G"),  # the group's
    ("weight 0", "weight -20", 0, ""),  # but for the instance's 0
    ("weight -5", "weight 0", 0, "G"),
])
def test_the_same_on_both_sides(
    load: Any, kind: str, mine: str, of_group: str, weight: int, group: str
) -> None:
    loaded = load(weights() + instance("A", block(kind, mine)) + instance("B", "")
                  + GROUP % (block(kind, of_group) + "sync_group_tracking_weight"))
    assert tracks(loaded.settings) == [(kind, NAMES[kind], weight, False, group)]
    assert tracks(loaded.settings, "B")[0][4] == "G"
    assert Code.TRACKED_TWICE in [d.code for d in loaded.diagnostics]


VERDICTS = [  # what keepalived 2.2.7 -t makes of each: text, exit status
    (block("script", "weight 0"), 255, "", 0), (block("script", "weight 9"), 255, "", 5),
    (block("interface", "weight 9"), 255, "", 5), (block("file"), 255, "", 5), (block("file", "weight 2"), 255, "", 5),
    (block("process", "weight 9"), 255, "", 0),
    (block("script", "weight 9"), 100, GROUP % "", 5), (block("interface", "weight 9"), 100, GROUP % "", 5),
    (block("file"), 100, GROUP % "", 5), (block("file", "weight 2"), 100, GROUP % "", 5),
    (block("process", "weight 9"), 100, GROUP % "", 0),
    ("", 255, GROUP % block("script", "weight 9"), 5), ("", 255, GROUP % block("interface", "weight 9"), 5),
    ("", 255, GROUP % block("process", "weight 9"), 5), ("", 255, GROUP % block("script"), 0),
    (block("interface"), 100, GROUP % block("interface"), 5), (block("script"), 100, GROUP % block("script"), 0),
]


@pytest.mark.parametrize(("body", "priority", "group", "status"), VERDICTS)
def test_the_verdict_on_each_correction_is_keepalived_s(
    load: Any, body: str, priority: int, group: str, status: int
) -> None:
    assert load(weights() + instance("A", body, priority) + instance("B", "") + group).exit_status() == status


@pytest.mark.parametrize("kind", LISTS)
def test_with_an_owner_among_the_members_the_group_s_weights_are_0(settle: Any, kind: str) -> None:
    settings = settle(weights() + instance("A", "", 255) + instance("B", "") + GROUP % block(kind, "weight -20"))
    for name in "AB":
        assert tracks(settings, name) == [(kind, NAMES[kind], 0, False, "G")]


def test_the_group_tracks_a_member_s_own_interface(settle: Any) -> None:
    """It is tracked by that member anyway, with weight 0, unless it is not to be."""
    text = instance("A", "") + instance("B", "") + GROUP % block("interface", "weight -20", "eth0")
    assert (tracks(settle(text)), tracks(settle(text), "B")) == ([], [("interface", "eth0", -20, False, "G")])
    text = text.replace("virtual_router_id 50", "virtual_router_id 50\n dont_track_primary")
    assert tracks(settle(text)) == [("interface", "eth0", -20, False, "G")]


def test_members(load: Any) -> None:
    many = "".join(instance(name, "") for name in "ABC")
    groups = "".join(f"vrrp_sync_group {group} {{\ngroup {{\n{members}\n}}\n}}\n" for group, members in (
        ("G", "A\nB\nB\nnosuch"), ("H", "B\nC"), ("I", "A"), ("J", "nosuch")))
    loaded = load(many + groups)
    assert [(group.name, group.members) for group in loaded.settings.groups] == [("G", ("A", "B")), ("H", ("C",))]
    assert [one.sync_group for one in loaded.settings.vrrp] == ["G", "G", "H"]
    errors = [d.message for d in loaded.diagnostics if d.severity is Severity.ERROR]
    assert sorted(errors) == [
        "G: B is given twice", "G: there is no vrrp_instance nosuch; it is left out", "H: B is in G already",
        "I: A is in G already", "J: there is no vrrp_instance nosuch; it is left out",
        "sync group H has one member only", "sync group I has no member; it is left out",
        "sync group J has no member; it is left out"]
    assert not loaded.fatal


def test_what_a_group_tells(settle: Any) -> None:
    said = "notify_master /m\nnotify_backup /b\nnotify_fault /f\nnotify_stop /s\nnotify /any\nnotify_priority_changes"
    settings = settle(instance("A", "notify_priority_changes off") + instance("B", "") + GROUP % said)
    paths = {"master": "/m", "backup": "/b", "fault": "/f", "stop": "/s", "any": "/any"}
    scripts: dict[str, Any] = {when: Script((path,)) for when, path in paths.items()}
    assert settings.groups == (SyncGroup("G", ("A", "B"), Notify(**scripts, priority_changes=True)),)
    assert [one.notify.priority_changes for one in settings.vrrp] == [False, True]


def test_what_a_group_says_for_its_members(settle: Any) -> None:
    settings = settle(instance("A", "hold_down 3\nlast_standing off") + instance("B", "")
                      + GROUP % "hold_down 7\nlast_standing on")
    assert [(one.hold_down, one.last_standing) for one in settings.vrrp] == [(3.0, False), (7.0, True)]
    settings = settle(instance("A", "hold_down 0") + instance("B", "") + GROUP % "hold_down 7")
    assert [(one.hold_down, one.last_standing) for one in settings.vrrp] == [(0.0, False), (7.0, False)]


# ------------------------------------------------------------------------------------------------ what is to be watched


def watched(settle: Any, definition: str, kind: str, name: str = "x", host: Host | None = None) -> Any:
    settings = settle("global_defs {\nenable_script_security\n}\n" + definition + instance("A", block(kind, name=name)),
                      host)
    return settings.tracking and settings.tracking.watched


@pytest.mark.parametrize(("body", "expected"), [
    ("script /a", TrackScript("x", Script(("/a",)))),
    ("script \"/a 'b c'\"", TrackScript("x", Script(("/a", "b c")))),
    ("script /a\ninterval 5", TrackScript("x", Script(("/a",)), 5.0, 5.0)),
    ("script /a\ninterval 0.25\ntimeout 3", TrackScript("x", Script(("/a",)), 0.25, 3.0)),
    ("script /a\nrise 2\nfall 3\ninit_fail", TrackScript("x", Script(("/a",)), rise=2, fall=3, init_fail=True)),
    ("script /a\nuser u g", TrackScript("x", Script(("/a",), "u", "g"))),
])
def test_scripts(settle: Any, body: str, expected: TrackScript) -> None:
    assert watched(settle, f"vrrp_script x {{\n{body}\n}}\n", "script") == (expected,)


@pytest.mark.parametrize(("body", "expected"), [
    ("file /f", TrackFile("x", "/f")),
    ("file /f\ninit_file", TrackFile("x", "/f", 0)),
    ("file /f\ninit_file -7", TrackFile("x", "/f", -7)),
    ("file /f\ninit_file 7 overwrite", TrackFile("x", "/f", 7, overwrite=True)),
    ("file /f\ninit_file overwrite", TrackFile("x", "/f", 0, overwrite=True)),
])
@pytest.mark.parametrize("keyword", ["track_file", "vrrp_track_file"])
def test_files(settle: Any, body: str, expected: TrackFile, keyword: str) -> None:
    assert watched(settle, f"{keyword} x {{\n{body}\n}}\n", "file") == (expected,)


@pytest.mark.parametrize(("body", "expected"), [
    ("process nginx", TrackProcess("x", "nginx")),
    ("process nginx -g 'a", TrackProcess("x", "nginx", ("-g", "'a"), "exact")),
    ("process nginx a\nparam_match initial", TrackProcess("x", "nginx", ("a",), "initial")),
    ("process nginx\nparam_match partial", TrackProcess("x", "nginx", (), "partial")),
    ("process nginx\nfull_command\nquorum 2\nquorum_max 4",
     TrackProcess("x", "nginx", full_command=True, quorum=2, quorum_max=4)),
    ("process nginx\nquorum_max 0", TrackProcess("x", "nginx", quorum_max=0)),
    ("process nginx\ndelay 2", TrackProcess("x", "nginx", fork_delay=2.0, terminate_delay=2.0)),
    ("process nginx\ndelay 2\nfork_delay 1", TrackProcess("x", "nginx", fork_delay=1.0, terminate_delay=2.0)),
    ("process nginx\nterminate_delay 1\ndelay 2", TrackProcess("x", "nginx", fork_delay=2.0, terminate_delay=2.0)),
])
def test_processes(settle: Any, body: str, expected: TrackProcess) -> None:
    assert watched(settle, f"vrrp_track_process x {{\n{body}\n}}\n", "process") == (expected,)


def test_what_nobody_goes_by_is_not_watched(load: Any) -> None:
    loaded = load(weights() + instance("A", block("interface") + block("bfd")))
    assert loaded.settings.tracking is None
    assert [d.message for d in loaded.diagnostics if d.code is Code.UNUSED] == [
        "script s is not used", "file f is not used", "process p is not used"]


def test_what_a_group_takes_away_is_not_watched(settle: Any) -> None:
    text = weights() + instance("A", block("script", "weight 9")) + instance("B", "") + GROUP % ""
    assert settle(text).tracking is None


def test_what_several_go_by_is_watched_once(settle: Any) -> None:
    settings = settle(weights() + instance("A", block("script") + "track_ping 10.0.0.1")
                      + instance("B", block("script", "weight 9") + "track_ping 10.0.0.1 weight 7"))
    assert [thing.name for thing in settings.tracking.watched] == ["s", "10.0.0.1"]
    assert settings.tracking.script_user == "watcher"
    assert settings.tracking.enable_script_security is True


def test_how_the_worker_is_to_be(settle: Any) -> None:
    text = "global_defs {\nprocess_names\nprocess_monitor_rcv_bufs 70000\n}\n" + instance("A", "track_ping 10.0.0.1")
    tracking = settle(text).tracking
    assert (tracking.process_monitor_rcv_bufs, tracking.worker.name) == (70000, "hakeep_track")


HOST = Host(
    known_interfaces=frozenset({"eth0", "eth1", "eth9"}), users=frozenset({"root", "nobody"}),
    groups=frozenset({"root", "nogroup"}),
    script_problem=lambda script: "not there" if "missing" in script.argv[0] else "",
    script_weakness=lambda script: "anybody can write /tmp" if script.argv[0].startswith("/tmp/") else "")


@pytest.mark.parametrize(("body", "runs"), [
    ("script /a", True), ("script /missing", False), ("script /a\nuser nobody nogroup", True),
    ("script /a\nuser ghost", False), ("script /a\nuser nobody ghosts", False), ("script /a\nuser 4711 4711", True),
    ("script /tmp/a", False), ("script /tmp/a\nuser root", False), ("script /tmp/a\nuser nobody", True),
])
def test_a_script_that_cannot_run_here_is_left_out_with_a_word(load: Any, settle: Any, body: str, runs: bool) -> None:
    definition = f"vrrp_script x {{\n{body}\n}}\n"
    assert bool(watched(settle, definition, "script", host=HOST)) is runs
    assert watched(settle, definition, "script")  # where nothing is known of the machine it is kept
    loaded = load("global_defs {\nenable_script_security\n}\n" + definition + instance("A", block("script", name="x")),
                  HOST)
    said = {d.code for d in loaded.diagnostics} & {Code.SCRIPT, Code.UNKNOWN_USER, Code.SCRIPT_WRITABLE}
    assert bool(said) is not runs


# ----------------------------------------------------------------------------------------------------- our own trackers


@pytest.mark.parametrize(("line", "kind", "expected"), [
    ("track_ping 10.0.0.1", "ping", TrackPing("10.0.0.1", ip_address("10.0.0.1"))),
    ("track_ping 2001:DB8::1", "ping", TrackPing("2001:db8::1", ip_address("2001:db8::1"), 6)),
    ("track_ping gateway", "ping", TrackPing("gateway", None)),
    ("track_ping gateway inet6 dev eth7", "ping", TrackPing("gateway inet6 dev eth7", None, 6, "eth7")),
    ("track_ping 10.0.0.1 fall 3 rise 2 timeout 0.5 interval 2 loss 40 count 3 source 10.0.0.9", "ping", TrackPing(
        "10.0.0.1 source 10.0.0.9 count 3 loss 40 interval 2 timeout 0.5 rise 2 fall 3", ip_address("10.0.0.1"), 4, "",
        ip_address("10.0.0.9"), 3, 40.0, Rhythm(2.0, 0.5, 2, 3))),
    ("track_ping 10.0.0.1 interval 1 count 1 loss 0", "ping", TrackPing("10.0.0.1", ip_address("10.0.0.1"))),
    ("track_tcp 10.0.0.1 25", "tcp", TrackTcp("10.0.0.1 25", ip_address("10.0.0.1"), 25)),
    ("track_tcp fd00::1 25 interval 5", "tcp",
     TrackTcp("fd00::1 25 interval 5", ip_address("fd00::1"), 25, Rhythm(5.0, 5.0))),
    ("track_http http://a/", "http", TrackHttp("http://a/", "http://a/")),
    ("track_http https://a/ status 200-299,401 noverify", "http", TrackHttp(
        "https://a/ status 200-299,401 noverify", "https://a/", ((200, 299), (401, 401)), False)),
    ("track_unit nginx", "unit", TrackUnit("nginx.service", "nginx.service")),
    ("track_unit nginx.socket fall 2", "unit", TrackUnit("nginx.socket fall 2", "nginx.socket", Rhythm(fall=2))),
    ("track_route default", "route", TrackRoute("default", "default")),
    ("track_route 0.0.0.0/0 table main", "route", TrackRoute("default", "default")),
    ("track_route default inet6", "route", TrackRoute("default inet6", "default", 6)),
    ("track_route ::/0", "route", TrackRoute("default inet6", "default", 6)),
    ("track_route 10.1.2.3/8 table 100", "route", TrackRoute("10.0.0.0/8 table 100", "10.0.0.0/8", 4, 100)),
    ("track_route 2001:DB8::/32", "route", TrackRoute("2001:db8::/32", "2001:db8::/32", 6)),
])
def test_questions(settle: Any, line: str, kind: str, expected: Any) -> None:
    settings = settle(instance("A", line))
    assert settings.tracking.watched == (expected,)
    assert tracks(settings) == [(kind, expected.name, 0, False, "")]
    settings = settle(instance("A", f"{line} weight -60 reverse"))
    assert settings.tracking.watched == (expected,)
    assert tracks(settings) == [(kind, expected.name, -60, True, "")]


@pytest.mark.parametrize("line", [
    "track_ping here", "track_ping gateway inet6 source 10.0.0.1", "track_ping 10.0.0.1 inet6",
    "track_ping 10.0.0.1 source fd00::1", "track_ping 10.0.0.1 count 0", "track_ping 10.0.0.1 loss 100",
    "track_ping 10.0.0.1 weight 300", "track_ping 10.0.0.1 interval", "track_tcp 10.0.0.1 0",
    "track_tcp 10.0.0.1", "track_tcp example.org 25", "track_http ftp://a/", "track_http http:///",
    "track_http http://a:99999/", "track_http http://a/ status 299-200", "track_http http://a/ status 2xx",
    "track_unit a/b", "track_route 10.0.0.0/33", "track_route 10.0.0.0/8 inet6", "track_route default table 1x",
    "track_route default table 0", "track_virtual_server 10.0.0.1 99999", "track_virtual_server fwmark x",
    "track_virtual_server web 80",
])
def test_questions_that_cannot_be_asked(load: Any, line: str) -> None:
    loaded = load(instance("A", line))
    assert loaded.settings.vrrp[0].tracks == ()
    assert [d.severity for d in loaded.diagnostics if d.span and d.span.line == 9] == [Severity.ERROR]


def test_an_unknown_option_of_a_question_is_left_out(load: Any) -> None:
    loaded = load(instance("A", "track_ping 10.0.0.1 slowly weight 7"))
    assert tracks(loaded.settings) == [("ping", "10.0.0.1", 7, False, "")]
    assert [d.code for d in loaded.diagnostics if d.severity is Severity.ERROR] == [Code.UNKNOWN_OPTION]


def test_tables_of_routes_by_the_names_of_the_host(load: Any) -> None:
    text = instance("A", "track_route default table uplink\ntrack_route 10.0.0.0/8 table local")
    host = Host(names={"rt_tables": {"uplink": 77}})
    assert [thing.table for thing in load(text, host).settings.tracking.watched] == [77, 255]
    assert len(load(text).settings.tracking.watched) == 2  # without the host nobody knows
    loaded = load(text, Host(names={}))
    assert [thing.name for thing in loaded.settings.tracking.watched] == ["10.0.0.0/8 table local"]
    assert [d.message for d in loaded.diagnostics if d.severity is Severity.ERROR] == [
        "A: there is no routing table uplink; the route is not tracked"]


SERVICES = """
virtual_server_group shop {
    10.0.0.7 80
}
""" + "".join(f"""virtual_server {head} {{
    lvs_sched rr
    lvs_method NAT
    protocol {protocol}
    real_server {'fd00::2' if ':' in head else '10.0.0.2'} 80 {{
    }}
}}
""" for head, protocol in (
    ("10.0.0.1 80", "TCP"), ("10.0.0.1 53", "UDP"), ("2001:DB8::1 80", "TCP"), ("fwmark 5", "TCP"),
    ("group shop", "TCP"),
))


@pytest.mark.parametrize(("words", "name"), [
    ("10.0.0.1 80", "10.0.0.1 80"), ("10.0.0.1 80 TCP", "10.0.0.1 80"), ("10.0.0.1 53 UDP", "10.0.0.1 53 UDP"),
    ("2001:db8::1 80", "2001:DB8::1 80"), ("fwmark 5", "fwmark 5"), ("group shop", "group shop"),
])
def test_virtual_servers_by_the_name_that_the_status_has(settle: Any, words: str, name: str) -> None:
    settings = settle(instance("A", f"track_virtual_server {words} weight -9") + SERVICES)
    assert tracks(settings) == [("virtual_server", name, -9, False, "")]
    assert name in [virtual.name for virtual in settings.lvs.virtual]
    assert settings.tracking is None  # the lvs worker watches it


def test_a_member_s_own_question_keeps_its_weight_with_a_warning(load: Any) -> None:
    loaded = load(instance("A", "track_ping 10.0.0.1 weight -9") + instance("B", "") + GROUP % "track_tcp 10.0.0.1 25")
    assert tracks(loaded.settings) == [("ping", "10.0.0.1", -9, False, ""), ("tcp", "10.0.0.1 25", 0, False, "G")]
    assert Code.GROUP_WEIGHTS in [d.code for d in loaded.diagnostics]


# ---------------------------------------------------------------------------------------------------------------- links


@pytest.mark.parametrize(("delays", "body", "expected"), [
    ("eth7 3", "", (LinkDelay("eth7", 3.0, 0.0),)),
    ("eth0 1 1.9", "", (LinkDelay("eth0", 1.0, 1.9),)),
    ("eth0 2 9", "", (LinkDelay("eth0", 2 - 1 / 256, 2 - 1 / 256),)),  # a backup waits for (3 - 1) x 1 s
    ("eth0 2.5 4", "advert_int 2", (LinkDelay("eth0", 2.5, 4 - 2 / 256),)),
    ("eth0 0.1 0.1", "down_timer_adverts 1", ()),
    ("eth7 3\neth7 4 5", "", (LinkDelay("eth7", 4.0, 5.0),)),
    ("eth7 0", "", ()),
])
def test_delays_of_links(settle: Any, delays: str, body: str, expected: tuple[LinkDelay, ...]) -> None:
    text = f"interface_up_down_delays {{\n{delays}\n}}\n" + instance("A", body)
    assert settle(text).link_delays == expected


@pytest.mark.parametrize(("outside", "body", "expected"), [
    ("linkbeat_interfaces {\neth5 MII\neth6\n}", "", (LinkBeat("eth5", "MII"), LinkBeat("eth6"))),
    ("", "linkbeat_use_polling", (LinkBeat("eth0"),)),
    ("linkbeat_use_polling", block("interface"), (LinkBeat("eth0"), LinkBeat("eth9"))),
    ("linkbeat_interfaces {\neth0 ETHTOOL\n}\nlinkbeat_use_polling", "", (LinkBeat("eth0", "ETHTOOL"),)),
    ("", "", ()),
])
def test_links_that_are_asked(settle: Any, outside: str, body: str, expected: tuple[LinkBeat, ...]) -> None:
    assert settle(f"{outside}\n" + instance("A", body)).linkbeat == expected
