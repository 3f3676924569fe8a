"""What differs in meaning, and that reload classes are what the engine does."""

from __future__ import annotations

from dataclasses import fields
from textwrap import dedent
from typing import Any

import pytest

from hakeep.config.difference import Change, Effect, changes, difference, sentences, worst
from hakeep.config.difference.running import _PARTS, keyword_of
from hakeep.config.loaded import Loaded
from hakeep.config.settled import Global, VrrpInstance
from hakeep.vrrp.engine import identity

BASE = """
vrrp_instance a {
    interface eth0
    virtual_router_id 51
    version 3
    virtual_ipaddress {
        192.0.2.1/24
        192.0.2.2/24
    }
    %s
}
"""


@pytest.fixture
def compare(load: Any) -> Any:
    def between(old: str, new: str) -> list[Change]:
        one, other = load(dedent(old)), load(dedent(new))
        assert isinstance(one, Loaded)
        return difference(one, other)

    return between


@pytest.mark.parametrize(("old", "new"), [
    (BASE % "", BASE % "priority 100"),
    (BASE % "", BASE % "advert_int 1.0\n nopreempt\n preempt"),
    (BASE % "", BASE.replace("192.0.2.1/24\n", "").replace("192.0.2.2/24", "192.0.2.2/24\n 192.0.2.1/24") % ""),
    (BASE % "" + BASE.replace(" a ", " b ").replace("51", "52") % "",
     BASE.replace(" a ", " b ").replace("51", "52") % "" + BASE % ""),
    (BASE % "unicast_peer {\n192.0.2.8\n192.0.2.9\n}\n", BASE % "unicast_peer {\n192.0.2.9\n192.0.2.8\n}\n"),
    (BASE % "", "# a comment\n$ID=51\n" + BASE.replace("51", "$ID") % ""),
    ("virtual_server 192.0.2.1 80 {\n lvs_sched wlc\n protocol TCP\n}\n",
     "virtual_server 192.0.2.1 80 {\n protocol TCP\n}\n"),
    ("vrrp_script s {\n script /x\n weight 2\n}\n", "vrrp_script s {\n weight 2\n fall 1\n script /x\n}\n"),
])
def test_no_difference(compare: Any, old: str, new: str) -> None:
    assert compare(old, new) == []
    assert compare(new, old) == []


@pytest.mark.parametrize(("old", "new", "change"), [
    ("", "priority 90", Change("vrrp_instance a", "priority", "100", "90", Effect.HOT)),
    ("nopreempt", "", Change("vrrp_instance a", "nopreempt", "on", "off", Effect.HOT)),
    ("", "use_vmac", Change("vrrp_instance a", "use_vmac", "none", "on", Effect.RESTART)),
    ("garp_master_delay 5", "garp_master_delay 7",
     Change("vrrp_instance a", "garp_master_delay", "5", "7", Effect.HOT)),
    ("", "notify /x", Change("vrrp_instance a", "notify", "none", "/x", Effect.HOT)),
    ("mcast_src_ip 192.0.2.7", "mcast_src_ip 192.0.2.8",
     Change("vrrp_instance a", "mcast_src_ip", "192.0.2.7", "192.0.2.8", Effect.HOT)),
    ("smtp_alert on", "", Change("vrrp_instance a", "smtp_alert", "on", "off", Effect.HOT)),
    ("", "track_interface {\n eth9 weight -5 reverse\n}",
     Change("vrrp_instance a", "track_interface", None, "eth9 weight -5 reverse", Effect.HOT)),
    ("track_ping 10.0.0.1", "track_ping 10.0.0.1 weight 7",
     Change("vrrp_instance a", "track_ping", "10.0.0.1", "10.0.0.1 weight 7", Effect.HOT)),
    ("hold_down 3", "hold_down 4", Change("vrrp_instance a", "hold_down", "3", "4", Effect.HOT)),
    ("", "last_standing on", Change("vrrp_instance a", "last_standing", "off", "on", Effect.HOT)),
])
def test_one_difference_of_an_instance(compare: Any, old: str, new: str, change: Change) -> None:
    assert change in compare(BASE % old, BASE % new)
    assert len(compare(BASE % old, BASE % new)) == 1


TRACKED = """
global_defs {
    enable_script_security
}
vrrp_script chk {
    script /x
    %s
}
vrrp_track_process web {
    process nginx
}
%s
vrrp_sync_group g {
    group {
        a
        b
    }
    %s
}
""" + BASE % "track_script {\n chk\n}" + BASE.replace(" a ", " b ").replace("51", "52") % ""


@pytest.mark.parametrize(("old", "new", "change"), [
    (("", "", ""), ("interval 2", "", ""), "vrrp_script chk: interval: 1 -> 2"),
    (("", "", ""), ("", "interface_up_down_delays {\n eth0 1 1.5\n}", ""),
     ": + interface_up_down_delays eth0 1 1.5"),
    (("", "linkbeat_interfaces {\n eth0\n}", ""), ("", "linkbeat_interfaces {\n eth0 MII\n}", ""),
     ": linkbeat_interfaces: eth0 -> eth0 MII"),
    (("", "", "notify /x"), ("", "", "notify /y"), "vrrp_sync_group g: notify: /x -> /y"),
    (("", "", ""), ("weight -9", "", "sync_group_tracking_weight"),
     "vrrp_instance a: track_script: chk -> chk weight -9"),
    (("", "", ""), ("weight -9", "", ""), "vrrp_instance a: - track_script chk"),
])
def test_what_is_tracked(
    compare: Any, old: tuple[str, ...], new: tuple[str, ...], change: str
) -> None:
    found = [f"{each.block}: {each}" for each in compare(TRACKED % old, TRACKED % new)]
    assert found[0] == change
    assert all(each.effect is Effect.HOT for each in compare(TRACKED % old, TRACKED % new))


def test_a_tracker_of_the_group_is_one_of_each_member(compare: Any) -> None:
    found = compare(TRACKED % ("", "", ""), TRACKED % ("", "", "track_process {\n web weight 3\n}"))
    assert [f"{each.block}: {each}" for each in found] == [
        f"vrrp_instance {name}: + track_process web weight 3 (of g)" for name in "ab"]


def test_groups_come_and_go(compare: Any) -> None:
    alone = TRACKED.replace("        a\n", "")
    assert [str(change) for change in compare(TRACKED % ("", "", ""), alone % ("", "", ""))] == ["- group a"]
    assert [(change.block, change.effect) for change in compare(BASE % "", BASE % "" + (
        "vrrp_sync_group g {\n group {\n a\n }\n}\n"))] == [("vrrp_sync_group g", Effect.START)]


SESSION = "bfd_instance s {\nneighbor_ip 192.0.2.9\n%s\n}\n" + BASE % "track_bfd {\n s\n}"


@pytest.mark.parametrize(("old", "new", "changes"), [
    ("", "min_rx 10\nmultiplier 5\nvrrp\nchecker", []),
    ("", "min_tx 20\nidle_tx 1500", [
        ("bfd_instance s", "min_tx: 10 -> 20", "HOT"), ("bfd_instance s", "idle_tx: 1000 -> 1500", "HOT")]),
    ("max_hops 3\nmultihop", "", [
        ("bfd_instance s", "max_hops: 3 -> 0", "HOT"), ("bfd_instance s", "multihop: on -> off", "RESTART")]),
    ("", "neighbor_ip 192.0.2.8", [("bfd_instance s", "neighbor_ip: 192.0.2.9 -> 192.0.2.8", "RESTART")]),
    ("", "source_ip 192.0.2.7", [("bfd_instance s", "source_ip: none -> 192.0.2.7", "RESTART")]),
    ("", "vrrp", [("bfd_instance s", "checker: on -> off", "HOT")]),
    ("", "weight -9 reverse", [("vrrp_instance a", "track_bfd: s -> s weight -9 reverse", "HOT"),
                               ("bfd_instance s", "weight: 0 -> -9 reverse", "HOT")]),
])
def test_sessions(compare: Any, old: str, new: str, changes: list[tuple[str, str, str]]) -> None:
    found = compare(SESSION % old, SESSION % new)
    assert [(each.block, str(each), each.effect.name) for each in found] == changes


def test_sessions_come_and_go(compare: Any) -> None:
    session = "bfd_instance %s {\nneighbor_ip 192.0.2.%s\n}\n"
    found = compare(session % ("s", 8) + session % ("t", 9), session % ("t", 9) + session % ("u", 8))
    assert [(each.block, each.effect) for each in found] == [
        ("bfd_instance s", Effect.STOP), ("bfd_instance u", Effect.START)]
    assert [each.effect for each in compare("", session % ("s", 8))] == [Effect.START]
    assert [str(each) for each in compare(
        session % ("s", 8), "global_defs {\nbfd_rt_priority 5\nbfd_process_name x\n}\n" + session % ("s", 8))] == [
        "bfd_process_name: none -> x", "bfd_rt_priority: 0 -> 5"]


def test_addresses(compare: Any) -> None:
    found = compare(BASE % "", BASE.replace("192.0.2.2/24", "192.0.2.3/24 dev eth1") % "")
    assert [(c.before, c.after, c.effect) for c in found] == [
        ("192.0.2.2/24", None, Effect.HOT), (None, "192.0.2.3/24 dev eth1", Effect.HOT)]


def test_unicast_comes(compare: Any) -> None:
    found = compare(BASE % "", BASE % "unicast_src_ip 192.0.2.7\nunicast_peer {\n192.0.2.8\n}\n")
    assert [(c.keyword, c.effect) for c in found] == [
        ("unicast_src_ip", Effect.HOT), ("unicast_peer", Effect.RESTART), ("unicast_peer", Effect.HOT)]
    assert worst(found) is Effect.RESTART


def test_instances_come_and_go(compare: Any) -> None:
    found = compare(BASE % "", BASE.replace(" a ", " b ") % "")
    assert [(c.block, c.effect) for c in found] == [
        ("vrrp_instance a", Effect.STOP), ("vrrp_instance b", Effect.START)]


def test_global_settings(compare: Any) -> None:
    found = compare(BASE % "", "instance x\nglobal_defs {\n router_id r\n vrrp_no_swap\n smtp_alert\n}\n" + BASE % "")
    assert {(c.block, c.keyword, c.effect) for c in found} == {
        ("", "instance", Effect.NEVER), ("global_defs", "router_id", Effect.HOT),
        ("global_defs", "vrrp_no_swap", Effect.NEVER), ("vrrp_instance a", "smtp_alert", Effect.HOT)}


def test_global_secrets_are_not_shown(compare: Any) -> None:
    said = "smtp_login u geheim%\nnotify_webhook http://x/geheim%\nnotify_webhook_secret geheim%\n".replace
    found = compare(*(f"global_defs {{\n{said('%', number)}}}\n" + BASE % "" for number in "12"))
    assert [c.keyword for c in found] == ["smtp_login", "notify_webhook", "notify_webhook_secret"]
    assert "geheim" not in str(found)


def test_a_default_for_all_shows_where_it_counts(compare: Any) -> None:
    found = compare(BASE % "", "global_defs {\n vrrp_garp_master_delay 9\n}\n" + BASE % "")
    assert [(c.block, c.keyword) for c in found] == [
        ("vrrp_instance a", "garp_master_delay"), ("vrrp_instance a", "garp_lower_prio_delay")]


def test_services(compare: Any) -> None:
    service = "virtual_server 192.0.2.1 80 {\n protocol TCP\n real_server 10.0.0.1 80 {\n weight %s\n}\n}\n"
    found = compare(service % "2", service % "3")
    where = "virtual_server 192.0.2.1 80"
    assert found == [Change(where, "real_server [10.0.0.1]:80: weight", "2", "3", Effect.HOT)]
    assert compare("", service % "1") == [Change(where, "", None, "", Effect.START)]
    assert compare(service % "1", "") == [Change(where, "", "", None, Effect.STOP)]


SERVICE = """global_defs {{
 {globals_}
}}
virtual_server 192.0.2.1 80 {{
 protocol TCP
 {body}
 real_server 10.0.0.1 80 {{
  {inside}
 }}
 real_server 10.0.0.9 80 {{
 }}
}}
"""


@pytest.mark.parametrize(("where", "before", "after", "said"), [
    ("body", "lvs_sched rr", "lvs_sched sh\nsh-port", "scheduling: rr -> sh, flags 0x10"),
    ("body", "", "persistence_timeout 50", "scheduling: wlc -> wlc, persistent for 50 s by /32, flags 0x1"),
    ("body", "", "quorum 2", "quorum: 1 -> 2"),
    ("body", "", "omega", "omega: off -> on"),
    ("body", "", "sorry_server 10.0.0.7", "+ sorry_server 10.0.0.7 80 NAT"),
    ("body", "", "real_server 10.0.0.2 80 {\n}", "+ real_server [10.0.0.2]:80"),
    ("inside", "", "lvs_method TUN type gue port 9 csum",
     "real_server [10.0.0.1]:80: lvs_method: NAT -> TUN type gue port 9 csum"),
    ("inside", "TCP_CHECK {\n}", "", "- real_server [10.0.0.1]:80: TCP_CHECK as it was"),
    ("globals_", "", "lvs_timeouts tcp 9", "lvs_timeouts: 0, 0, 0 -> 9, 0, 0"),
    ("globals_", "", "lvs_checks_in_flight 9", "lvs_checks_in_flight: 500 -> 9"),
    ("globals_", "", "checker_priority -3", "checker_priority: 0 -> -3"),
])
def test_what_changes_in_a_service(compare: Any, where: str, before: str, after: str, said: str) -> None:
    empty = {"globals_": "", "body": "", "inside": ""}
    found = compare(*(SERVICE.format(**{**empty, where: side}) for side in (before, after)))
    assert [str(change) for change in found] == [said]


def test_passwords_of_checks_are_not_shown(compare: Any) -> None:
    check = "HTTP_GET {{\nurl {{\npath /\nbasic_auth me {}\n}}\n}}"
    found = compare(*(SERVICE.format(globals_="", body="", inside=check.format(word))
                      for word in ("geheim1", "geheim2")))
    assert [change.keyword for change in found] == ["real_server [10.0.0.1]:80: HTTP_GET"] * 2
    assert "geheim" not in str(found)


def test_secrets_are_not_shown(compare: Any) -> None:
    secret = "authentication {\n auth_type PASS\n auth_pass %s\n}\n"
    base = BASE.replace("version 3", "version 2")
    found = compare(base % secret % "geheim1", base % secret % "geheim2")
    assert [c.keyword for c in found] == ["auth_pass"]
    assert "geheim" not in str(found)


def test_sentences_for_a_log() -> None:
    change = Change("vrrp_instance a", "priority", "100", "90", Effect.HOT)
    assert sentences([change]) == ["vrrp_instance a, priority: 100 -> 90: taken up as it runs"]
    assert sentences([change] * 30)[-1] == "and 10 more changes"


# --------------------------------------------------------------------------------------------------------- the engine


@pytest.mark.parametrize("owner", [VrrpInstance, Global])
def test_every_setting_comes_from_a_keyword(owner: type) -> None:
    instance = owner is VrrpInstance
    whole = VrrpInstance("a", 1, "eth0") if instance else Global()
    for each in fields(owner):
        parts = [f"{each.name}.{part.name}" for part in fields(getattr(whole, each.name))] if (
            each.name in _PARTS) else [each.name]
        for path in parts:
            keyword = keyword_of(path, instance=instance)
            assert keyword or path in ("name", "config_fault", "sync_group"), path


VALUES = {  # another value than BASE has, for each keyword of which the settings hold something
    "state": "MASTER", "interface": "eth7", "virtual_router_id": "52", "priority": "90", "advert_int": "2",
    "version": "2", "down_timer_adverts": "5", "mcast_src_ip": "192.0.2.7", "mcast_dst_ip": "224.0.0.19",
    "track_src_ip": "", "unicast_peer": "{\n192.0.2.8\n}", "unicast_ttl": "5", "check_unicast_src": "",
    "old_unicast_checksum": "never", "v3_checksum_as_v2": "", "kernel_rx_buf_size": "70000",
    "use_vmac": "", "use_ipvlan": "", "nopreempt": "", "preempt_delay": "3", "lower_prio_no_advert": "",
    "higher_prio_send_advert": "", "owner_ignore_adverts": "", "no_accept": "", "strict_mode": "",
    "skip_check_adv_addr": "", "dont_track_primary": "", "promote_secondaries": "", "timer_expired_backup": "7",
    "garp_master_delay": "9", "garp_master_repeat": "9", "garp_master_refresh": "9", "garp_lower_prio_repeat": "9",
    "notify_master": "/x", "notify": "/x", "vip_fence": "off", "vip_lease": "9", "no_virtual_ipaddress": "",
    "virtual_ipaddress_excluded": "{\n192.0.2.99\n}", "unicast_fault_no_peer": "", "garp_extra_if": "9",
    "notify_deleted": "", "notify_priority_changes": "", "auth_hmac": (
        "{\nkey 1 0123456789abcdef0123456789abcdef\nactive_key 1\n}"),
}


#: What must be there too for the keyword to count.
CONTEXT = {
    "unicast_ttl": "unicast_peer {\n192.0.2.8\n}", "owner_ignore_adverts": "priority 255",
    "timer_expired_backup": "nopreempt", "garp_extra_if": "use_vmac\nvirtual_ipaddress {\n192.0.2.77/24 dev eth5\n}",
}


@pytest.mark.parametrize("keyword", VALUES)
def test_the_effect_is_what_the_engine_does(load: Any, keyword: str) -> None:
    """An instance is another virtual router for the engine exactly when we say that it is started anew."""
    fresh = {"interface": "interface eth0", "virtual_router_id": "virtual_router_id 51", "version": "version 3"}
    context = CONTEXT.get(keyword, "")
    old = BASE % context
    new = BASE % f"{context}\n{keyword} {VALUES[keyword]}" if keyword not in fresh else old.replace(
        fresh[keyword], f"{keyword} {VALUES[keyword]}")
    before, after = load(old).settings, load(new).settings
    other_router = identity(before.vrrp[0]) != identity(after.vrrp[0])
    found = changes(before, after)
    assert found
    assert (worst(found) is Effect.RESTART) == other_router
    assert worst(found) in (Effect.RESTART, Effect.HOT)
