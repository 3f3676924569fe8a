"""Rules about trackers and groups beyond their pages: the cases that are told, and those that are left alone."""

from __future__ import annotations

from typing import Any

import pytest

from hakeep.config.diagnostic import Code

INSTANCE = """vrrp_instance {name} {{
    interface eth{number}
    virtual_router_id {number}
    priority {priority}
    virtual_ipaddress {{
        192.0.2.{number}/24
    }}
    {body}
}}
"""
SCRIPT = "global_defs {\nenable_script_security\n}\nvrrp_script s {\nscript /s\n%s\n}\n"


def instance(body: str = "", name: str = "A", priority: int = 100) -> str:
    return INSTANCE.format(name=name, number=ord(name) - 64, priority=priority, body=body)


def group(body: str = "") -> str:
    return f"vrrp_sync_group G {{\ngroup {{\nA\nB\n}}\n{body}\n}}\n"


PAIR = instance() + instance(name="B")


@pytest.mark.parametrize(("text", "code", "message"), [
    (instance("hold_down 3"), Code.IDLE_TRACKING, "A: hold_down has nothing to hold down"),
    (PAIR + group("hold_down 3"), Code.IDLE_TRACKING, "G: hold_down has nothing to hold down"),
    (instance("last_standing on"), Code.IDLE_TRACKING, "A: last_standing has no effect, as no check means FAULT"),
    (PAIR + group("last_standing on\ntrack_ping 10.0.0.1 weight -9"), Code.IDLE_TRACKING,
     "G: last_standing has no effect, as no check means FAULT"),
    (instance("track_ping 10.0.0.1\ntrack_ping 10.0.0.1 count 1 weight 9"), Code.TRACKED_TWICE,
     "A: track_ping 10.0.0.1 is given twice"),
    (instance("track_ping 10.0.0.1") + instance(name="B") + group("track_ping 10.0.0.1"), Code.TRACKED_TWICE,
     "A: track_ping 10.0.0.1 is tracked by the instance and by its sync group G"),
    (instance("track_unit nginx", priority=255), Code.OWNER_FAULT,
     "A owns its addresses (priority 255), and is to give them up when nginx.service fails"),
    (instance("track_unit nginx weight 9", priority=255), Code.WEIGHT_WITHOUT_EFFECT,
     "A: the weight of nginx.service has no effect: an address owner (priority 255) is not moved"),
    (instance("track_unit nginx weight 9", priority=254), Code.WEIGHT_WITHOUT_EFFECT,
     "A: the weight of nginx.service has no effect: priority 254 cannot rise"),
    (instance("track_unit nginx weight 9\nnopreempt"), Code.WEIGHT_NOPREEMPT,
     "A: the weight of nginx.service lowers the priority, but with nopreempt on the other router too no priority "
     "makes it take over"),
    (instance("track_ping 10.0.0.1 weight 9") + instance(name="B") + group(), Code.GROUP_WEIGHTS,
     "A: the weight of track_ping 10.0.0.1 is of no use to a member of a sync group"),
    (instance(priority=255) + instance(name="B") + group("track_tcp 10.0.0.1 25 weight 9"), Code.GROUP_OWNER,
     "G: the weight of 10.0.0.1 25 does not count"),
    (instance("track_virtual_server 10.0.0.9 80"), Code.UNKNOWN_REFERENCE,
     "A: there is no virtual_server 10.0.0.9 80; it is not tracked"),
    ("track_file f {\nfile /f\n}\n" + instance(), Code.UNUSED, "file f is not used"),
    (instance("track_ping fe80::1"), Code.BAD_ENTRY,
     "track_ping: fe80::1 means something on one link only: add dev IFNAME"),
    (instance("track_tcp fe80::1 80"), Code.BAD_ENTRY,
     "track_tcp: fe80::1 means something on one link only: track_ping, which has dev, can ask it"),
])
def test_what_is_told(load: Any, text: str, code: Code, message: str) -> None:
    assert message in [d.message for d in load(text).diagnostics if d.code is code]


@pytest.mark.parametrize(("text", "code"), [
    (instance("hold_down 3\ntrack_ping 10.0.0.1"), Code.IDLE_TRACKING),
    (instance("hold_down 0"), Code.IDLE_TRACKING),
    (instance("track_ping fe80::1 dev eth0\ntrack_ping 169.254.0.1\ntrack_tcp 2001:db8::1 80"), Code.BAD_ENTRY),
    (instance("last_standing off"), Code.IDLE_TRACKING),
    (instance("track_ping 10.0.0.1") + instance(name="B") + group("last_standing on\nhold_down 3"), Code.IDLE_TRACKING),
    (instance("track_ping 10.0.0.1\ntrack_ping 10.0.0.1 interval 2"), Code.TRACKED_TWICE),
    (instance("track_ping 10.0.0.1") + instance("track_ping 10.0.0.1", name="B"), Code.TRACKED_TWICE),
    (instance("track_unit nginx weight 9", priority=255), Code.OWNER_FAULT),
    (instance("track_ping 10.0.0.1") + instance(name="B") + group(), Code.GROUP_WEIGHTS),
    (instance("track_ping 10.0.0.1 weight 9") + instance(name="B") + group("sync_group_tracking_weight"),
     Code.GROUP_WEIGHTS),
    ("track_file f {\nfile /f\n}\nvirtual_server 10.0.0.1 80 {\nprotocol TCP\nreal_server 10.0.0.2 80 {\nFILE_CHECK {\n"
     "track_file f\n}\n}\n}\n", Code.UNUSED),
    # a weight that the group takes away does not count elsewhere either
    (SCRIPT % "weight 60" + instance("track_script {\ns\n}", priority=220) + instance(name="B", priority=220) + group(),
     Code.PRIORITY_CLAMPED),
])
def test_what_is_left_alone(load: Any, text: str, code: Code) -> None:
    assert [d.message for d in load(text).diagnostics if d.code is code] == []
