"""The heap of times, and the limit of what is done at the same time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hakeep.lvs.agenda import Agenda, InFlight

NEVER = float("inf")


def test_the_last_time_that_was_set_counts() -> None:
    agenda = Agenda()
    agenda.put("a", 5.0)
    agenda.put("a", 9.0)
    agenda.put("b", 7.0)
    assert agenda.deadline == 7.0
    assert agenda.due(8.0) == ["b"]
    agenda.put("a", 3.0)
    assert agenda.deadline == 3.0
    assert agenda.due(100.0) == ["a"]
    assert agenda.deadline == NEVER and not len(agenda)


def test_dropped_and_put_again() -> None:
    agenda = Agenda()
    agenda.put("a", 5.0)
    agenda.drop("a")
    agenda.drop("unknown")
    assert agenda.deadline == NEVER
    agenda.put("a", 5.0)
    agenda.put("a", 5.0)
    assert agenda.due(5.0) == ["a"]
    assert agenda.due(5.0) == []


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.integers(0, 20)), max_size=40), st.integers(0, 20))
def test_as_a_dictionary_would(acts: list[tuple[str, int | None]], now: int) -> None:
    agenda, plain = Agenda(), {}
    for name, at in acts:
        if at is None:
            agenda.drop(name)
            plain.pop(name, None)
        else:
            agenda.put(name, float(at))
            plain[name] = float(at)
    assert agenda.deadline == min(plain.values(), default=NEVER)
    due = sorted((at, name) for name, at in plain.items() if at <= now)
    assert agenda.due(float(now)) == [name for _, name in due]


def test_in_flight_is_limited_and_fair() -> None:
    flight = InFlight(2)
    assert [flight.take(name) for name in "abcd"] == [True, True, False, False]
    assert flight.next() is None
    assert flight.landed("b") and not flight.landed("b")
    assert (flight.next(), flight.next()) == ("c", None)
    assert flight.drop("a") and not flight.drop("d")
    assert flight.next() is None
    assert flight.asked == {"c"}
