"""What `hakeep check` says a sync group will do, and what trackers do to forecasts."""

from __future__ import annotations

from pathlib import Path

import pytest

from hakeep.config.files import load
from hakeep.config.loaded import Loaded
from hakeep.vrrp.pair import judge, prospects
from hakeep.vrrp.pair.effective import trackers
from hakeep.vrrp.pair.groups import NAMED, group_fates

INSTANCE = """vrrp_instance %s {
    interface eth%d
    virtual_router_id %d
    virtual_ipaddress {
        192.0.2.%d/24 %s
    }
    %s
}
"""


def instance(name: str, more: str = "", dev: str = "") -> str:
    number = ord(name) - ord("A")
    return INSTANCE % (name, number, 51 + number, 100 + number, dev, more)


def group(members: str, more: str = "") -> str:
    return f"vrrp_sync_group G {{\n group {{\n {members}\n }}\n {more}\n}}\n"


@pytest.fixture
def read(tmp_path: Path) -> object:
    def read(text: str, name: str = "x.conf") -> Loaded:
        path = tmp_path / name
        path.write_text(text)
        return load(str(path), config_id="here", environment={})

    return read


@pytest.mark.parametrize(("text", "fate"), [
    (instance("A") + instance("B") + group("A B"), "when eth0 (A) or eth1 (B) fails, A and B hand over together"),
    (instance("A") + instance("B") + instance("C") + group("A B C", "track_interface {\neth9\n}"),
     "when eth0 (A), eth9, eth1 (B) or eth2 (C) fails, A, B and C hand over together"),
    (instance("A", dev="dev eth5") + instance("B", "track_interface {\neth6 weight -9\n}") + group("A B"),
     "when eth0 (A), eth5 (A), eth1 (B) or eth6 (B) fails, A and B hand over together"),
    (instance("A", "track_ping 10.0.0.1") + instance("B") + group("A B", "track_unit nginx weight -9"),
     "when eth0 (A), eth1 (B) or ping 10.0.0.1 fails, A and B hand over together; unit nginx.service (weight -9) "
     "moves their priorities"),
    (instance("A", "track_ping 10.0.0.1 reverse") + instance("B")
     + group("A B", "track_interface {\neth5 weight 7 reverse\n}\ntrack_tcp 10.0.0.1 25 weight 5"),
     "when eth0 (A), eth1 (B) or ping 10.0.0.1 (reverse: when it is well) fails, A and B hand over together; "
     "interface eth5 (weight 7 reverse) and tcp 10.0.0.1 25 (weight 5) move their priorities"),
    ("track_file f {\nfile /f\n}\n" + instance("A", "track_file {\nf weight 0\n}") + instance("B") + group("A B"),
     "when eth0 (A), eth1 (B) or file f (when it says anything but 0) fails, A and B hand over together"),
    (instance("A", "track_ping 10.0.0.1 weight -9") + instance("B") + group("A B", "sync_group_tracking_weight"),
     "when eth0 (A) or eth1 (B) fails, A and B hand over together; ping 10.0.0.1 (weight -9, only A) moves their "
     "priorities"),
    (instance("A") + instance("B") + group("A B", "last_standing on\ntrack_tcp 10.0.0.1 25"),
     "when eth0 (A), eth1 (B) or tcp 10.0.0.1 25 fails, A and B hand over together, unless failed checks are all that "
     "is wrong and nobody is better"),
    (instance("A", "dont_track_primary") + instance("B", "dont_track_primary") + group("A B"),
     "A and B change state together, but no failure that is watched here puts any of them in FAULT"),
    (instance("A") + group("A"), "A is its only member, so it has no effect"),
])
def test_what_a_group_will_do(read: object, text: str, fate: str) -> None:
    settings = read(text).settings  # type: ignore[operator]
    assert group_fates(settings) == [f"G: {fate}"]


def test_of_many_causes_some_are_named(read: object) -> None:
    pings = "\n".join(f"track_ping 10.0.0.{n}" for n in range(NAMED))
    (fate,) = group_fates(read(instance("A") + instance("B") + group("A B", pings)).settings)  # type: ignore[operator]
    assert "ping 10.0.0.5 or 2 more fails" in fate


def test_no_group_no_word(read: object) -> None:
    assert group_fates(read(instance("A")).settings) == []  # type: ignore[operator]


@pytest.mark.parametrize(("tracker", "said", "well", "failed", "delay"), [
    ("track_ping 10.0.0.1 weight -60 interval 2 fall 3", "ping 10.0.0.1 interval 2 fall 3", 0, -60, 8.0),
    ("track_tcp 10.0.0.1 25 weight 60 timeout 0.5", "tcp 10.0.0.1 25 timeout 0.5", 60, 0, 1.5),
    ("track_unit nginx", "unit nginx.service", 0, None, 2.0),
    ("track_route default", "route default", 0, None, 0.0),
    ("track_interface {\neth9 weight 7 reverse\n}", "interface eth9", 0, 7, 0.0),
])
def test_trackers_in_forecasts(
    read: object, tracker: str, said: str, well: int, failed: int | None, delay: float
) -> None:
    lineups, _ = judge({"here": read(instance("A", tracker))})  # type: ignore[operator]
    (found,) = trackers(lineups[0].sides[0])
    assert (str(found), found.well, found.failed, found.delay) == (said, well, failed, delay)
    assert found.span is not None and found.span.line == 7 + ("interface" in tracker)


@pytest.mark.parametrize(("heir", "master", "why"), [
    ("", "b", "priority 18"), ("nopreempt\n last_standing on", "b", "priority 18"),
    ("preempt_delay 60\n last_standing on", "b", "priority 18"), ("nopreempt", "a", "but b has nopreempt"),
])
def test_the_last_one_standing_in_forecasts(read: object, heir: str, master: str, why: str) -> None:
    one = instance("A", "priority 150\n last_standing on\n track_ping 10.0.0.1")
    lineups, _ = judge({"a": read(one), "b": read(instance("A", heir), "b.conf")})  # type: ignore[operator]
    found = {prospect.event: prospect for prospect in prospects(lineups[0])}["ping 10.0.0.1 fails on a"]
    assert found.master == master and why in found.why
    assert found.seconds is None or found.seconds < 10.0
    (alone,) = (each for each in prospects(judge({"a": read(one)})[0][0])  # type: ignore[operator]
                if each.event == "ping 10.0.0.1 fails on a")
    assert alone.master == "a" and "FAULT" not in alone.why


def test_the_group_s_trackers_are_foretold_for_each_member(read: object) -> None:
    text = instance("A", "priority 150") + instance("B") + group("A B", "track_ping 10.0.0.1 weight -60")
    other = instance("A") + instance("B") + group("A B")
    lineups, _ = judge({"a": read(text), "b": read(other, "b.conf")})  # type: ignore[operator]
    events = {prospect.event: prospect.master for prospect in prospects(lineups[0])}
    assert events["ping 10.0.0.1 fails on a"] == "b"


def test_the_link_of_another_member_moves_this_one_too(read: object) -> None:
    """Together, when the one that hears nothing has waited long enough. What both go by is said once."""
    text = instance("A", "version 3\npriority %d\nadvert_int 0.2")
    text += instance("B", "version 3\npriority %d\nadvert_int 1") + group("A B", "track_interface {\neth9\n}")
    hosts = {name: read(text % (number, number), name) for name, number in (("x", 150), ("y", 100))}  # type: ignore[operator]
    (a, b), _ = judge(hosts)
    said = [str(prospect) for prospect in prospects(a)]
    assert "interface eth1 of B fails on x: y takes over within 3.61 s (FAULT by the sync group)" in said
    assert sum("interface eth9" in each for each in said) == 1
    assert [str(each) for each in prospects(b) if "eth0" in each.event] == [
        "interface eth0 of A fails on x: y takes over within 0.72 s (FAULT by the sync group)"]
    (alone, _), _ = judge({"x": hosts["x"]})
    (fate,) = [str(each) for each in prospects(alone) if "eth1" in each.event]
    assert fate == ("interface eth1 of B fails on x: nobody takes over (FAULT by the sync group, and there is no other "
                    "router)")
