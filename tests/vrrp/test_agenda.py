"""All timers in one heap: entries may be out of date, and nobody is called too late or twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hakeep.vrrp.agenda import Agenda
from hakeep.vrrp.timers import NEVER


@dataclass
class Timed:
    """As much of a router as an agenda looks at."""

    name: str
    deadline: float = NEVER


def agenda(**deadlines: float) -> tuple[Agenda, dict[str, Timed]]:
    routers: Any = {name: Timed(name, deadline) for name, deadline in deadlines.items()}
    made = Agenda(routers)
    for router in routers.values():
        made.touch(router)
    return made, routers


def test_what_is_due_comes_in_order_and_by_name() -> None:
    made, routers = agenda(B=1.0, A=1.0, C=0.5, D=9.0)
    taken = []
    for router in made.take(2.0):
        taken.append(router.name)
        routers[router.name].deadline = NEVER
        made.touch(router)
    assert taken == ["C", "A", "B"] and made.first == 9.0


def test_a_router_that_is_still_due_comes_again() -> None:
    made, routers = agenda(A=1.0)
    times = []
    for router in made.take(2.0):
        times.append(router.deadline)
        routers["A"].deadline += 0.6
        made.touch(router)
    assert times == [1.0, 1.6] and made.first == 2.2


def test_a_deadline_that_has_moved_on_costs_nothing_until_its_entry_comes_up() -> None:
    made, routers = agenda(A=1.0, B=3.0)
    routers["A"].deadline = 5.0
    made.touch(routers["A"])  # type: ignore[arg-type]
    assert made.soonest == 1.0, "it may be too early"
    assert made.first == 3.0 and made.soonest == 3.0


def test_who_is_gone_is_passed_over() -> None:
    made, routers = agenda(A=1.0, B=3.0)
    made.forget("A")
    del routers["A"]
    assert made.first == 3.0
    made.clear()
    assert made.first == made.soonest == NEVER and not list(made.take(10.0))


@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.integers(0, 50)), max_size=60), st.integers(0, 60))
def test_the_first_is_the_first_however_deadlines_move(moves: list[tuple[str, int]], now: int) -> None:
    made, routers = agenda(A=10.0, B=20.0, C=NEVER, D=0.0)
    for name, deadline in moves:
        routers[name].deadline = float(deadline)
        made.touch(routers[name])  # type: ignore[arg-type]
        first = min(router.deadline for router in routers.values())
        assert made.soonest <= first == made.first
    due = {router.name for router in routers.values() if router.deadline <= now}
    taken = set()
    for router in made.take(now):
        if router.deadline <= now:
            taken.add(router.name)
            routers[router.name].deadline = NEVER
        made.touch(router)
    assert taken == due
