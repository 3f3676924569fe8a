"""What the packet filter is asked for and when, and which links matter."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from hakeep.kernel.nft import Support
from hakeep.objects.filter import Filter
from hakeep.vrrp import messages as m
from hakeep.vrrp.process.gate import Gate
from hakeep.vrrp.process.links import Links
from tests.vrrp.stage import ETH0, ETH1, VIP4, Stage, instance

OTHERS = replace(ETH1, index=77, name="veth77")


class Lane:
    """Stands for `FilterLane`."""

    def __init__(self) -> None:
        self.busy = False
        self.error = ""
        self.wishes: list[Filter] = []
        self.pauses: list[float] = []

    def lost(self, pause: float) -> None:
        self.pauses.append(pause)

    def want(self, wanted: Filter) -> None:
        self.wishes.append(wanted)


class Ears:
    """Stands for `LinkLane` and `Announcements`: what they are told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bool]] = []
        self.forgotten: list[str] = []

    def noticed(self, name: str, present: bool) -> None:
        self.told.append((name, present))

    def forget(self, name: str) -> None:
        self.forgotten.append(name)


class Door:
    """An engine with its gate and its links."""

    def __init__(self) -> None:
        self.stage = Stage(instance(priority=150))
        self.engine = self.stage.engine
        self.lines: list[str] = []
        self.gate = Gate(
            self.engine, Support(True), lambda level, text, detail=False: self.lines.append(text),  # type: ignore[arg-type]
            lambda router, priority: 0, lambda fd, reader: None,
        )
        self.lane: Any = Lane()
        self.gate.lane = self.lane
        self.ears = Ears()
        self.links = Links(self.engine, self.ears, self.ears, self.gate)  # type: ignore[arg-type]
        assert self.gate.wish()

    def link(self, link: Any, name: str = "") -> None:
        """A link comes, changes or goes."""
        event = m.LinkChanged(name or link.name, link)
        before = self.engine.host.links.get(event.name)
        self.stage.step(event)
        self.links.noticed(event, before)


def vips(filter: Filter) -> list[str]:
    return [str(ip) for router in filter.fence.routers for _, ip in router.vips]


def test_containers_come_and_go_and_nothing_is_done_anew() -> None:
    door = Door()
    door.link(OTHERS)
    door.link(replace(OTHERS, mac=b"\2" * 6))
    door.link(None, OTHERS.name)
    assert not door.gate.wish() and door.ears.forgotten == [] and door.ears.told == []


def test_a_link_of_ours_that_only_blinks_keeps_frames_and_filter() -> None:
    door = Door()
    door.link(replace(ETH0, running=False))
    door.link(ETH0)
    assert not door.gate.wish() and door.ears.forgotten == []


def test_another_mac_needs_other_frames_and_another_index_another_filter() -> None:
    door = Door()
    door.link(replace(ETH0, mac=b"\2" * 6))
    assert door.ears.forgotten == ["eth0"] and not door.gate.wish()
    door.link(replace(ETH0, index=9))
    assert door.gate.wish()
    assert [device.index for device in door.lane.wishes[-1].fence.ingress] == [9]
    door.link(None, "eth0")
    assert door.gate.wish() and door.lane.wishes[-1].fence.ingress == ()
    assert door.ears.told[-2:] == [("eth0", True), ("eth0", False)]


def test_who_holds_stands_in_the_filter_until_the_last_address_is_gone() -> None:
    door = Door()
    assert vips(door.lane.wishes[-1]) == []
    door.stage.until(20)
    assert not door.gate.wish()
    door.gate.holders_changed()
    assert door.gate.wish() and vips(door.lane.wishes[-1]) == [VIP4[0]]
    door.stage.hear(200)
    door.gate.holders_changed()
    assert door.gate.wish() and vips(door.lane.wishes[-1]) == [VIP4[0]], "handing over"
    door.stage.until(door.stage.now + 0.1)
    door.gate.holders_changed()
    assert door.gate.wish() and vips(door.lane.wishes[-1]) == []


def test_changes_during_a_transaction_become_one_wish() -> None:
    door = Door()
    door.lane.busy = True
    for _ in range(5):
        door.gate.holders_changed()
        assert not door.gate.wish()
    door.lane.busy = False
    assert door.gate.wish() and not door.gate.wish()


def test_a_refusal_is_the_reason_of_those_that_would_have_a_fence() -> None:
    door = Door()
    assert door.gate.unfenced == {}
    door.lane.error = "Operation not permitted"
    assert door.gate.unfenced == {"V": "nftables refuses: Operation not permitted"}
    door.stage.reload(instance(priority=150, vip_fence=False))
    door.gate.places_changed()
    door.gate.wish()
    assert door.gate.unfenced == {"V": "vip_fence off"}
    door.gate.tell_bounds()
    door.gate.tell_bounds()
    assert len(door.lines) == 1 and "bounds: without a holder for at most" in door.lines[0]


def test_another_hakeepd_at_our_table_is_named_once_and_not_fought() -> None:
    door = Door()
    assert not door.gate.unfenced
    for _ in range(20):
        door.gate._put_back("hakeepd_vrrp[4711]", time.monotonic(), False)
    (line,) = door.lines
    assert line.startswith("hakeepd_vrrp[4711] keeps changing our nftables table: putting it back every 10 s")
    assert door.lane.pauses == [10.0] * 20
    assert door.gate.unfenced == {"V": "contested by hakeepd_vrrp[4711]"}
    door.gate._put_back("hakeepd_vrrp[4711]", time.monotonic(), True)
    assert door.lane.pauses[-1] == 0.0 and not door.gate.unfenced, "it has ended"


def test_a_flush_by_a_script_is_mended_at_once() -> None:
    door = Door()
    door.gate._put_back("nft[4711]", time.monotonic(), True)
    assert door.lines == ["nft[4711] changed our nftables table: putting it back"]
    assert door.lane.pauses == [0.0] and not door.gate.unfenced
