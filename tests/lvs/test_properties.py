"""Whatever happens, in whatever order: the invariants hold. (`test_worlds` tells likelier stories, and longer ones.)"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hakeep.config.settled_lvs import Check, FileProbe, VirtualServer
from hakeep.lvs import messages as m
from hakeep.lvs.lineup import Health, Lineup, Standing, line_up
from tests.effort import tries
from tests.lvs import invariants
from tests.lvs.stage import QUICK, VIP, Stage, http, real, sorry, tcp, virtual

IPS = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def variants() -> list[VirtualServer]:
    """The same virtual server in several configurations."""
    file = Check("FILE_CHECK", FileProbe("/run/w"))
    plain = virtual(*(real(ip) for ip in IPS), sorry=sorry(), quorum=2, hysteresis=1)
    return [
        plain,
        replace(plain, reals=(real(IPS[0], inhibit=True), real(IPS[1], 3, slow_start=20.0)), sorry=None),
        replace(plain, reals=(real(IPS[0], 5, [http(IPS[0], 2), file]), real(IPS[2])), quorum=5, hysteresis=4),
        replace(plain, panic_threshold=50, sorry=sorry(inhibit=True)),
        replace(plain, reals=tuple(real(ip, checks=[tcp(ip, alpha=True)]) for ip in IPS), ha_suspend=True),
        virtual(real(IPS[0], 0), real(IPS[1], slow_start=5.0, checks=[tcp(IPS[1], timing=replace(QUICK, retry=0))])),
    ]


HAPPENINGS = st.lists(st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([0.5, 3.0, 15.0])),
    st.tuples(st.just("sick"), st.sets(st.sampled_from(IPS))),
    st.tuples(st.just("file"), st.sampled_from([None, 0, 3, -9])),
    st.tuples(st.just("order"), st.tuples(st.sampled_from(["ready", "drain", "down", "weight"]), st.sampled_from(IPS))),
    st.tuples(st.just("reload"), st.integers(0, len(variants()) - 1)),
    st.tuples(st.just("address"), st.booleans()),
    st.tuples(st.just("respawn"), st.just(0)),
), max_size=15)


def happen(stage: Stage, what: str, detail: Any, current: VirtualServer) -> Stage:
    match what:
        case "wait":
            stage.until(stage.now + detail)
        case "sick":
            stage.sick = detail
        case "file":
            stage.step(m.FileSays("/run/w", detail))
        case "order":
            stage.order(*detail, weight=4)
        case "address":
            stage.step(m.AddressSeen(ip_address(VIP), detail))
        case "respawn":
            old, stage = stage, Stage(
                current, memory=stage.memory, orders=stage.engine.orders, start=stage.now, have=stage.table,
                latency=1.0)
            stage.sick = old.sick
    return stage


@settings(max_examples=tries(150), deadline=None)
@given(first=st.integers(0, len(variants()) - 1), story=HAPPENINGS)
def test_any_story(first: int, story: list[tuple[str, Any]]) -> None:
    configurations = variants()
    current = configurations[first]
    stage = Stage(current, latency=1.0)
    invariants.check(stage)
    for what, detail in story:
        if what == "reload":
            current = configurations[detail]
            stage.reload(current)
            assert stage.reload(current) == []
        else:
            stage = happen(stage, what, detail, current)
        invariants.check(stage)


HEALTHS = st.builds(
    Health, up=st.booleans(), failed=st.booleans(), weight=st.integers(0, 5), drained=st.booleans(),
    ordered_down=st.just(False),
).map(lambda one: one._replace(failed=one.failed and not one.up, weight=0 if one.drained else one.weight))


@settings(max_examples=tries(300), deadline=None)
@given(
    healths=st.lists(HEALTHS, min_size=1, max_size=5), quorum=st.integers(1, 6), data=st.data(),
    with_sorry=st.booleans(), inhibit=st.booleans(), panic=st.integers(0, 100), before=st.booleans(),
)
def test_a_line_up_depends_on_nothing_but_what_it_is_given(
    healths: list[Health], quorum: int, data: st.DataObject, with_sorry: bool, inhibit: bool, panic: int, before: bool
) -> None:
    """It is a fixed point: worked out again it is the same, and the states of the hystereses are all it remembers."""
    config = virtual(
        *(real(f"10.0.0.{n}", one.weight, checks=[], inhibit=inhibit) for n, one in enumerate(healths, 1)),
        quorum=quorum, hysteresis=data.draw(st.integers(0, quorum - 1)), sorry=sorry() if with_sorry else None,
        panic_threshold=panic)
    was = Lineup(before, data.draw(st.booleans()), 0,
                 tuple(Standing(one.up, one.failed, one.weight, None, 0.0) for one in healths), None, 0.0)
    found = line_up(config, healths, was, 5.0)
    assert line_up(config, healths, found, 9.0) == found
    anywhere = was._replace(reals=tuple(standing._replace(present=3, weight=9) for standing in was.reals))
    assert line_up(config, healths, anywhere, 5.0) == found
