"""The filter lane: the newest wish is carried out, and a refusal is told in one line that says what it means."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

import pytest
import trio

from hakeep.kernel.filter_lane import FilterLane
from hakeep.kernel.nft import NftError
from hakeep.objects.filter import Device, Fence, FencedRouter, Filter, NoAccept, VmacReports

pytestmark = pytest.mark.trio

FENCE = Filter(fence=Fence((FencedRouter(1, "VI_1", 2.99),)))
SAID = """\
/dev/stdin:1:1-2: Error: Could not process rule: No such file or directory
add element netdev hakeep vips4 { "eth0" . 10.0.0.1 : goto vip_1 }
^^^^^^^
Error: Could not process rule: Device or resource busy
"""


class Refusing:
    """Stands for libnftables: says no, or takes what comes."""

    def __init__(self, said: str = "") -> None:
        self.said = said
        self.scripts: list[str] = []

    def run(self, script: str) -> None:
        self.scripts.append(script)
        if self.said:
            raise NftError(self.said)


async def carry_out(lane: FilterLane, until: Callable[[], object]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.run)
        with trio.fail_after(5):
            while not until():
                await trio.sleep(0.001)
        nursery.cancel_scope.cancel()


def make(said: str = "") -> tuple[FilterLane, Refusing, list[str], list[bool]]:
    lines: list[str] = []
    done: list[bool] = []
    lane = FilterLane(lambda level, text: lines.append(text), done.append)
    nft = Refusing(said)
    lane.nft = nft  # type: ignore[assignment]
    return lane, nft, lines, done


@pytest.mark.parametrize(
    ("wanted", "what", "meaning"),
    [
        (FENCE, "the fence", "a daemon that hangs answers"),
        (Filter(no_accept=(NoAccept(1, 4, (("eth0", ip_address("10.0.0.1")),)),)), "no_accept", "hosts reach this one"),
        (Filter(reports=(VmacReports("vrrp.1", Device("eth0", 2)),)), "the rules for reports of VMACs", "IGMP and MLD"),
    ],
)
async def test_a_refusal_is_one_line_that_says_what_it_means(wanted: Filter, what: str, meaning: str) -> None:
    lane, _, lines, done = make(SAID)
    lane.want(wanted)
    await carry_out(lane, lambda: done)
    [line] = lines
    assert line.startswith(f"nftables refuses {what}: {meaning}")
    assert line.endswith("(No such file or directory)")
    assert "\n" not in line
    assert ("fence" in line) == (wanted is FENCE)
    assert lane.error == "No such file or directory"
    assert done == [False]


async def test_all_parts_of_a_refused_filter_are_named() -> None:
    lane, _, lines, done = make(SAID)
    lane.want(Filter(fence=FENCE.fence, no_accept=(NoAccept(1, 4),), reports=(VmacReports("v", Device("e", 2)),)))
    await carry_out(lane, lambda: done)
    assert "the fence, no_accept and the rules for reports of VMACs: a daemon" in lines[0]
    assert lines[0].count("; ") == 2


async def test_the_same_refusal_is_told_once_and_its_end_is_an_end() -> None:
    lane, nft, lines, done = make(SAID)
    lane.want(FENCE)
    await carry_out(lane, lambda: done)
    lane.lost()
    await carry_out(lane, lambda: len(nft.scripts) == 2)
    assert len(lines) == 1
    nft.said = ""
    lane.lost()
    await carry_out(lane, lambda: lane.idle)
    assert (lane.error, done) == ("", [False, True])


async def test_what_was_lost_is_made_anew_after_the_pause_or_with_the_next_wish() -> None:
    lane, nft, _, _ = make()
    lane.want(FENCE)
    await carry_out(lane, lambda: lane.idle)
    lane.lost(0.2)
    begun = trio.current_time()
    await carry_out(lane, lambda: lane.idle)
    assert len(nft.scripts) == 2 and trio.current_time() - begun >= 0.2
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.run)
        lane.lost(60.0)
        await trio.sleep(0.1)
        assert len(nft.scripts) == 2
        lane.want(Filter(fence=Fence((FencedRouter(1, "VI_1", 1.99),))))
        with trio.fail_after(5):  # a takeover does not wait
            while not lane.idle:
                await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    assert len(nft.scripts) == 3
