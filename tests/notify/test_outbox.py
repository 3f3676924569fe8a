"""What waits to be sent: bounds, order, pauses."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.notify.outbox import FRESH_PAUSE, LAST_PAUSE, NEVER, OLDEST, Letter, Outbox, Outcome

SENT, REFUSED, LATER, GONE = Outcome.SENT, Outcome.REFUSED, Outcome.LATER, Outcome.UNREACHABLE


@dataclass
class Desk:
    """An outbox, its log, and a clock that goes when it is told to."""

    most: int = 100
    newest_only: bool = False
    now: float = 1000.0
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.box = Outbox("mail", lambda level, text: self.said.append(text), self.most, newest_only=self.newest_only)

    def put(self, *titles: str) -> None:
        """Letters such as "a1", about "a"."""
        for title in titles:
            self.box.put(Letter(title[0], title, {}, self.now))

    def attempt(self, outcome: Outcome, why: str = "why") -> str:
        """What goes out when the next may, and how that ends; "" if nothing will."""
        due = self.box.due_at()
        if due == NEVER:
            return ""
        self.now = max(self.now, due)
        letter = self.box.take(self.now)
        assert letter is not None and self.box.take(self.now + 1e6) is None
        self.box.settle(self.now, outcome, why)
        return letter.title

    def all(self, outcome: Outcome = SENT) -> list[str]:
        return list(iter(lambda: self.attempt(outcome), ""))


def test_in_order_and_once() -> None:
    desk = Desk()
    desk.put("a1", "b1", "a2")
    assert desk.all() == ["a1", "b1", "a2"]
    assert desk.now == 1000.0 and not desk.said and not desk.box


def test_pauses_grow_up_to_an_hour() -> None:
    desk = Desk()
    desk.put("a1")
    pauses, before = [], desk.now
    for _ in range(15):
        desk.attempt(GONE)
        pauses.append(desk.now - before)
        before = desk.now
    assert pauses[:5] == [0.0, 2.0, 4.0, 8.0, 16.0]
    assert max(pauses) == pauses[-1] == LAST_PAUSE
    assert desk.said == ["mail cannot be sent, trying again: why"]
    assert desk.attempt(SENT) == "a1"
    assert desk.said[1:] == ["mail can be sent again"]


def test_something_new_is_not_kept_waiting_for_long() -> None:
    desk = Desk()
    desk.put("a1")
    for _ in range(12):
        desk.attempt(GONE)
    last = desk.now
    desk.put("b1")
    assert desk.box.due_at() == last + FRESH_PAUSE
    assert desk.attempt(SENT) == "a1" and desk.attempt(SENT) == "b1"


def test_the_oldest_is_dropped_and_the_log_says_so_once() -> None:
    desk = Desk(most=3)
    desk.put("a1", "b1", "c1", "d1", "e1")
    assert desk.said == ["mail: more than 3 wait, the oldest is dropped: a1"]
    desk.attempt(GONE)
    assert len(desk.box) == 3
    assert desk.all() == ["c1", "d1", "e1"]
    assert desk.said[-1] == "mail can be sent again; 2 were dropped meanwhile"


def test_the_one_on_the_way_is_not_dropped() -> None:
    desk = Desk(most=1)
    desk.put("a1")
    letter = desk.box.take(desk.now)
    desk.put("b1", "c1")
    assert letter is not None and desk.box.on_the_way is letter
    desk.box.settle(desk.now, SENT)
    assert desk.all() == ["c1"]


def test_refused_is_over() -> None:
    desk = Desk()
    desk.put("a1", "b1", "c1")
    assert desk.all(REFUSED) == ["a1", "b1", "c1"]
    assert desk.said == ["mail 'a1' is refused: why"]  # the same of the others need not be said


def test_one_that_is_not_taken_now_holds_up_those_about_the_same_only() -> None:
    desk = Desk()
    desk.put("a1", "b1", "a2", "c1")
    assert desk.attempt(LATER) == "a1"
    assert [desk.attempt(SENT), desk.attempt(SENT)] == ["b1", "c1"] and desk.now == 1000.0
    assert desk.all() == ["a1", "a2"] and desk.now == 1002.0


def test_nothing_is_tried_for_longer_than_a_day() -> None:
    desk = Desk()
    desk.put("a1")
    while desk.attempt(GONE):
        pass
    assert OLDEST < desk.now - 1000 <= OLDEST + LAST_PAUSE
    assert desk.said[-1] == "mail: given up after a day: a1"


def test_only_the_newest_about_each() -> None:
    desk = Desk(newest_only=True)
    desk.put("a1", "b1", "a2", "a3")
    assert desk.all() == ["b1", "a3"]


def test_one_that_comes_back_gives_way_to_what_is_newer() -> None:
    desk = Desk(newest_only=True)
    desk.put("a1")
    desk.box.take(desk.now)
    desk.put("a2")
    desk.box.settle(desk.now, GONE, "why")
    assert desk.all() == ["a2"]


def test_one_that_the_other_side_chokes_on_does_not_hold_up_the_rest() -> None:
    desk = Desk(newest_only=True)
    desk.put("a1", "b1", "c1")
    assert [desk.attempt(GONE), desk.attempt(SENT), desk.attempt(SENT), desk.attempt(GONE)] == ["a1", "b1", "c1", "a1"]


@pytest.mark.parametrize("newest_only", [False, True])
def test_many_at_once_cost_little(newest_only: bool) -> None:
    """Ten thousand instances may fail in one moment, and the supervisor has more to do than this."""
    desk = Desk(most=20_000, newest_only=newest_only)
    begin = time.process_time()
    for state in range(3):
        for n in range(10_000):
            desk.box.put(Letter(n, str(state), {}, desk.now))
    desk.attempt(GONE)
    while desk.attempt(SENT):
        pass
    assert time.process_time() - begin < 3.0  # a list that is gone through each time takes minutes
    heaps = desk.box._waiting
    assert max(len(heaps._by_due), len(heaps._by_age)) < 30_000


def test_switched_off() -> None:
    desk = Desk()
    desk.put("a1", "b1")
    desk.box.shrink(0)
    assert not desk.box and not desk.said


@pytest.mark.parametrize("newest_only", [False, True])
@given(st.lists(st.sampled_from(["put a", "put b", *Outcome]), max_size=60))
def test_whatever_happens(newest_only: bool, story: list[object]) -> None:
    """Never more than the bound, never older after newer about the same, nothing sent twice, nothing forgotten."""
    desk = Desk(most=5, newest_only=newest_only)
    sent: list[str] = []
    numbers = {"a": 0, "b": 0}
    for step in story:
        if isinstance(step, str):
            numbers[step[-1]] += 1
            desk.put(f"{step[-1]}{numbers[step[-1]]}")
        else:
            title = desk.attempt(step)  # type: ignore[arg-type]
            if title and step is SENT:
                sent.append(title)
        assert len(desk.box) <= 5
    before = len(desk.box)
    rest = desk.all()
    assert len(rest) == before
    for name in numbers:
        order = [int(title[1:]) for title in [*sent, *rest] if title[0] == name]
        assert order == sorted(set(order))


def test_the_oldest_and_the_last_error() -> None:
    desk = Desk(most=2)
    assert desk.box.oldest_at is None and desk.box.last_error == ""
    desk.put("a1")
    desk.now += 5
    desk.put("b1")
    assert desk.box.oldest_at == 1000.0
    desk.attempt(GONE, "nobody is there")
    assert (desk.box.oldest_at, desk.box.last_error, desk.box.dropped) == (1000.0, "nobody is there", 0)
    desk.now += 5
    desk.put("c1")
    assert (desk.box.oldest_at, desk.box.dropped) == (1005.0, 1)
    desk.attempt(LATER, "busy")
    assert desk.box.last_error == "the last one is not taken now, trying again: busy"
    letter = desk.box.take(desk.now + 1e6)
    assert letter is not None and desk.box.oldest_at == 1005.0, "one that is on the way is not sent yet"
    desk.box.settle(desk.now, SENT)
    assert desk.box.last_error == "" and desk.box.dropped == 0
