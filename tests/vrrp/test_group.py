"""Sync groups: one in FAULT, all in FAULT; one gives way, all give way; all or nobody."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakeep.config.settled import SyncGroup
from hakeep.config.settled_track import Track
from hakeep.objects.rtnl import Address
from hakeep.vrrp import messages as m
from hakeep.vrrp.engine import Mark
from tests.effort import tries
from tests.vrrp.stage import ETH0, ETH1, HIGHER4, LOWER4, Stage, instance, vip

BACKUP, MASTER, FAULT, INIT, STOP = m.State.BACKUP, m.State.MASTER, m.State.FAULT, m.State.INIT, m.State.STOP
G = SyncGroup("G", ("A", "B"))


def pair(**fields: object) -> tuple[object, ...]:
    """Two instances of a group, on two interfaces."""
    return (
        instance("A", **{"addresses": (vip("10.9.0.100"),), "sync_group": "G", **fields}),
        instance("B", **{"virtual_router_id": 52, "interface": "eth1", "addresses": (vip("10.9.1.100"),),
                         "sync_group": "G", **fields}),
    )  # fmt: skip


def stage(*instances: object, **more: object) -> Stage:
    addresses = (Address("eth0", ip_address("10.9.0.5"), 24), Address("eth1", ip_address("10.9.1.5"), 24))
    return Stage(
        *(instances or pair()), links=(ETH0, ETH1), addresses=addresses, **{"groups": (G,), **more},  # type: ignore[arg-type]
    )


def masters(**fields: object) -> Stage:
    s = stage(*pair(**{"priority": 150, **fields}))
    s.until(10.25)
    assert s.states() == {"A": MASTER, "B": MASTER}
    s.effects.clear()
    return s


def test_they_become_master_in_the_same_moment() -> None:
    s = stage(*pair(priority=150))
    s.until(5.0)
    first = {router: s.sent(router=router)[0][0] for router in "AB"}
    assert first["A"] == first["B"] == pytest.approx(3.414, abs=0.01)
    assert s.logged("VRRP_Group(G) Syncing instances to MASTER state")


def test_who_is_alone_without_a_master_waits_for_the_others() -> None:
    s = stage(*pair(priority=150))
    for second in range(1, 20):
        s.hear(200, float(second), name="B", source=HIGHER4)
    assert s.states() == {"A": BACKUP, "B": BACKUP} and not s.sent()
    assert s.router("A").watch.wants
    waits = "no other master was heard, but sync group G waits for B"
    assert s.router("A").reason == waits
    said = [effect.text for _, effect in s.effects if isinstance(effect, m.Log) and "waits for" in effect.text]
    assert said == [f"(A) {waits}"], "once"
    s.until(30.0)
    assert s.states() == {"A": MASTER, "B": MASTER}
    assert s.router("A").reason == "no other master was heard"


def test_who_waits_for_its_group_does_not_name_a_master_that_fell_silent() -> None:
    s = stage(*pair(priority=150))
    for second in range(1, 20):
        if second < 5:
            s.hear(200, float(second), name="A", source=HIGHER4)
        s.hear(200, float(second), name="B", source=HIGHER4)
    assert s.router("A").watch.master is None
    assert s.router("A").reason == f"{HIGHER4} fell silent, but sync group G waits for B"
    s.hear(200, 20.0, name="A", source=HIGHER4)
    assert s.router("A").reason == "started", "its master is back"


def test_wanting_ends_when_a_master_is_heard() -> None:
    s = stage(*pair(priority=150))
    for second in range(1, 10):
        s.hear(200, float(second), name="B", source=HIGHER4)
    assert s.router("A").watch.wants
    s.hear(200, 10.0, name="A", source=HIGHER4)
    assert not s.router("A").watch.wants
    s.until(12.9)
    assert s.states() == {"A": BACKUP, "B": BACKUP}


def test_one_hears_a_better_master_and_all_give_way_without_a_word() -> None:
    s = masters()
    at = s.now
    s.hear(200, at, name="A", source=HIGHER4)
    assert s.states() == {"A": BACKUP, "B": BACKUP}
    assert s.sent(at) == []
    s.until(at + 0.2)
    assert not s.has("10.9.0.100") and not s.has("10.9.1.100")
    assert s.router("B").why == "A of the same sync group is not MASTER"


def test_the_link_of_one_goes_down_and_all_are_in_fault_until_it_is_back() -> None:
    s = masters()
    at = s.now
    s.link(replace(ETH1, running=False), "eth1")
    assert s.states() == {"A": FAULT, "B": FAULT}
    assert [priority for _, priority in s.sent(at, "A")] == [0], "so that the other router takes over at once"
    assert s.router("A").why == "sync group G: B has a fault"
    assert not s.has("10.9.0.100")
    s.until(at + 10.0)
    s.link(ETH1, "eth1")
    assert s.states() == {"A": BACKUP, "B": BACKUP}
    s.until(at + 13.4)
    assert s.states() == {"A": BACKUP, "B": BACKUP}, "with full down timers"
    s.until(at + 13.5)
    assert s.states() == {"A": MASTER, "B": MASTER}


def test_a_backup_with_a_fault_puts_the_others_in_fault_silently() -> None:
    s = stage(*pair(priority=50))
    s.hear(200, 1.0, name="A", source=HIGHER4)
    s.link(replace(ETH1, running=False), "eth1")
    assert s.states() == {"A": FAULT, "B": FAULT} and not s.sent()


def test_two_faults_end_when_the_last_is_over() -> None:
    s = masters()
    s.link(replace(ETH0, running=False), "eth0")
    s.link(replace(ETH1, running=False), "eth1")
    s.link(ETH0, "eth0")
    assert s.states() == {"A": FAULT, "B": FAULT}
    s.link(ETH1, "eth1")
    assert s.states() == {"A": BACKUP, "B": BACKUP}


def test_group_notifies_come_after_those_of_the_members() -> None:
    s = stage(*pair(priority=150))
    s.until(5.0)
    told = [(e.kind, e.name, e.what, e.priority) for _, e in s.effects if isinstance(e, m.NotifyChange)]
    assert told == [
        ("INSTANCE", "A", "BACKUP", 150), ("INSTANCE", "B", "BACKUP", 150), ("GROUP", "G", "BACKUP", 0),
        ("INSTANCE", "A", "MASTER", 150), ("INSTANCE", "B", "MASTER", 150), ("GROUP", "G", "MASTER", 0),
    ]  # fmt: skip


def test_the_group_is_told_of_only_when_all_addresses_are_there() -> None:
    s = stage(*pair(priority=150), lane=0.5)
    s.until(3.6)
    assert s.states() == {"A": MASTER, "B": MASTER}
    assert [e.kind for _, e in s.effects if isinstance(e, m.NotifyChange) and e.what == "MASTER"] == []
    s.until(4.2)
    assert [e.kind for _, e in s.effects if isinstance(e, m.NotifyChange) and e.what == "MASTER"] == [
        "INSTANCE", "INSTANCE", "GROUP"]


def test_owners_begin_at_once_only_if_all_are() -> None:
    s = stage(*pair(priority=255))
    assert s.states() == {"A": MASTER, "B": MASTER}
    a, b = pair(priority=255)
    s = stage(a, replace(b, priority=150))  # type: ignore[type-var]
    assert s.states() == {"A": BACKUP, "B": BACKUP}
    s.until(5.0)
    assert s.states() == {"A": MASTER, "B": MASTER}


def test_a_priority_of_zero_from_the_other_router_hands_over_the_whole_group() -> None:
    s = stage(*pair(priority=100))
    for name in "AB":
        s.hear(200, 1.0, name=name, source=HIGHER4)
    s.hear(0, 1.5, name="A", source=HIGHER4)
    s.hear(0, 1.501, name="B", source=HIGHER4)
    s.until(2.2)
    assert s.states() == {"A": MASTER, "B": MASTER}
    assert s.sent()[0][0] == pytest.approx(1.501 + 156 / 256, abs=0.001)


def test_it_waits_for_what_any_member_goes_by() -> None:
    a, b = pair()
    s = stage(a, replace(b, tracks=(Track("script", "x"),)))  # type: ignore[type-var]
    s.until(20.0)
    assert s.states() == {"A": INIT, "B": INIT}
    s.know("script", "x", True)
    assert s.states() == {"A": BACKUP, "B": BACKUP}
    s.until(24.0)
    assert s.states() == {"A": MASTER, "B": MASTER}


def test_standby_is_for_the_whole_group_by_the_name_of_a_member_or_of_the_group() -> None:
    for name in ("A", "G"):
        s = masters()
        s.step(m.Commanded("standby", (name,), even_if_alone=True))
        assert s.states() == {"A": BACKUP, "B": BACKUP}
        assert sorted(priority for _, priority in s.sent()) == [0, 0]
        s.until(s.now + 20)
        assert s.states() == {"A": BACKUP, "B": BACKUP}
        s.step(m.Commanded("resume", (name,)))
        s.until(s.now + 5)
        assert s.states() == {"A": MASTER, "B": MASTER}


def test_in_standby_and_alone_they_serve_together() -> None:
    s = masters()
    s.step(m.Commanded("standby", ("G",)))
    s.until(s.now + 10)
    assert s.states() == {"A": MASTER, "B": MASTER}
    assert s.router("A").rank.priority == s.router("B").rank.priority == 1


def test_a_respawned_worker_resumes_a_group_as_a_whole_or_not_at_all() -> None:
    marks = {name: Mark(99.9, {}, 50.0) for name in "AB"}
    s = stage(start=100.0, marks=marks)
    assert s.states() == {"A": MASTER, "B": MASTER}
    s = stage(start=100.0, marks={**marks, "B": Mark(90.0, {}, 50.0)})
    assert s.states() == {"A": BACKUP, "B": BACKUP}


def test_who_wakes_up_late_takes_the_group_along() -> None:
    s = masters()
    s.freeze(s.now + 30.0)
    s.step(m.Ticked())
    assert s.states() == {"A": BACKUP, "B": BACKUP}
    s.until(s.now + 5)
    assert s.states() == {"A": MASTER, "B": MASTER}


def test_stopping() -> None:
    s = masters()
    s.step(m.Stopped())
    s.until(s.now + 10)
    assert s.states() == {"A": STOP, "B": STOP}
    assert s.told()[-1] == "STOP" and s.kinds(e for _, e in s.effects)[-1] == "Finished"
    names = [e.name for _, e in s.effects if isinstance(e, m.NotifyChange)]
    assert sorted(names[:2]) == ["A", "B"] and names[2:] == ["G"]


def test_a_reload_makes_a_group_of_masters() -> None:
    s = stage(*pair(priority=150), groups=())
    s.until(5.0)
    s.reload(*pair(priority=150), groups=(G,))  # type: ignore[arg-type]
    assert s.states() == {"A": MASTER, "B": MASTER}
    s.hear(200, s.now, name="A", source=HIGHER4)
    assert s.states() == {"A": BACKUP, "B": BACKUP}


def test_a_reload_dissolves_a_group() -> None:
    s = stage(*pair(priority=150))
    for second in range(1, 10):
        s.hear(200, float(second), name="B", source=HIGHER4)
    assert s.states() == {"A": BACKUP, "B": BACKUP}
    s.reload(*pair(priority=150), groups=())  # type: ignore[arg-type]
    s.until(s.now + 0.5)
    for second in range(10, 15):
        s.hear(200, float(second), name="B", source=HIGHER4)
    assert s.states() == {"A": MASTER, "B": BACKUP}


def test_a_member_that_a_reload_adds_joins_a_group_that_is_master() -> None:
    a, b = pair(priority=150)
    s = stage(a, groups=(SyncGroup("G", ("A",)),))
    s.until(5.0)
    assert s.states() == {"A": MASTER}
    s.reload(a, b, groups=(G,))  # type: ignore[arg-type]
    assert s.states() == {"A": MASTER, "B": MASTER}


def test_two_members_that_a_reload_adds_join_it_without_a_gap() -> None:
    a, b = pair(priority=150)
    c = replace(b, name="C", virtual_router_id=53, addresses=(vip("10.9.1.101"),))  # type: ignore[type-var]
    s = stage(a, groups=(SyncGroup("G", ("A",)),))
    s.until(5.0)
    s.reload(a, b, c, groups=(SyncGroup("G", ("A", "B", "C")),))  # type: ignore[arg-type]
    assert s.states() == {"A": MASTER, "B": MASTER, "C": MASTER}
    assert s.has("10.9.0.100") and s.has("10.9.1.101")


def test_after_a_late_wake_up_nobody_goes_by_what_a_member_wanted_before() -> None:
    """B has had no master for long; A has one. Both overslept, and B has to listen for an interval of its own first."""
    a, b = pair(priority=150)
    s = stage(a, replace(b, advert_int=10.0))  # type: ignore[type-var]
    for second in range(1, 60):
        s.hear(200, float(second), name="A", source=HIGHER4)
    assert s.router("B").watch.wants
    s.freeze(s.now + 100.0)
    s.step(m.Ticked())
    s.until(s.now + 9.9)
    assert s.states() == {"A": BACKUP, "B": BACKUP}
    s.until(s.now + 5.0)
    assert s.states() == {"A": MASTER, "B": MASTER}


def test_owners_whose_standby_is_over_are_master_together_or_not_at_all() -> None:
    own = {"addresses": (vip("10.9.0.5"),), "priority": 255}
    a, b = pair(priority=150)
    for other, state in ((replace(b, priority=255), MASTER), (b, BACKUP)):  # type: ignore[type-var]
        s = stage(replace(a, **own), other)  # type: ignore[type-var]
        s.until(20.0)
        assert s.states() == {"A": MASTER, "B": MASTER}
        s.step(m.Commanded("standby", ("G",), even_if_alone=True))
        assert s.states() == {"A": BACKUP, "B": BACKUP}
        s.effects.clear()
        s.step(m.Commanded("resume", ("G",)))
        assert s.states() == {"A": state, "B": state}
        assert bool(s.sent()) is (state is MASTER), "nobody has said that it is, and gone back"
        s.until(s.now + 5.0)
        assert s.states() == {"A": MASTER, "B": MASTER}


# ------------------------------------------------------------------------------------------------- whatever happens

EVENTS = st.lists(st.tuples(
    st.sampled_from(["time", "better", "worse", "zero", "down", "up", "fail", "heal", "standby", "resume", "late"]),
    st.sampled_from("AB"),
    st.floats(0.0, 5.0),
), max_size=40)  # fmt: skip


@settings(max_examples=tries(300), deadline=None)
@given(EVENTS)
def test_never_half_a_group(events: list[tuple[str, str, float]]) -> None:
    a, b = pair(priority=150)
    s = stage(a, replace(b, tracks=(Track("script", "x"),)))  # type: ignore[type-var]
    for what, name, wait in events:
        s.until(s.now + wait)
        match what:
            case "better":
                s.hear(200, name=name, source=HIGHER4)
            case "worse":
                s.hear(20, name=name, source=LOWER4)
            case "zero":
                s.hear(0, name=name, source=HIGHER4)
            case "down" | "up":
                link = ETH0 if name == "A" else ETH1
                s.link(replace(link, running=what == "up"), link.name)
            case "fail" | "heal":
                s.know("script", "x", what == "heal")
            case "standby" | "resume":
                s.step(m.Commanded(what, (name,)))
            case "late":
                s.freeze(s.now + 20.0)
                s.step(m.Ticked())
        states = set(s.states().values())
        assert len(states) == 1, "settled within each step"
        for router, own in (("A", "10.9.0.100"), ("B", "10.9.1.100")):
            if s.states()[router] is MASTER:
                assert s.has(own)
