"""What is kept of the lvs worker's answers."""

from __future__ import annotations

from typing import Any

from hakeep.display import Display


def piece(number: int, text: str, last: bool = False, **reals: list[tuple[str, int]]) -> dict[str, Any]:
    return {"piece": number, "text": text, "last": last, "backend": "ipvs", "reals": reals}


def test_an_answer_counts_when_it_is_whole() -> None:
    display = Display()
    assert not display.take(piece(0, "a", web=[("10.0.0.1", 80)]))
    assert display.pieces == [] and not display.has("", "10.0.0.1", 80)
    assert display.take(piece(1, "b", last=True, shop=[("10.0.0.2", 80)]))
    assert (display.pieces, display.backend) == ([b"a", b"b"], "ipvs")
    assert display.has("", "10.0.0.1", 80) and display.has("shop", "10.0.0.2", 80)
    assert not display.has("shop", "10.0.0.1", 80) and not display.has("other", "10.0.0.1", 80)


def test_one_who_died_in_the_middle_leaves_nothing() -> None:
    display = Display()
    display.take(piece(0, "old", last=True, web=[("10.0.0.1", 80)]))
    display.take(piece(0, "a", web=[("10.0.0.3", 80)]))
    assert display.take(piece(0, "b", last=True))
    assert display.pieces == [b"b"] and display.reals == {}
    assert not display.take(piece(3, "d", last=True)), "the begin of it is not known"
    assert display.pieces == [b"b"]
    assert display.take(piece(0, "", last=True)) and display.pieces == [], "no virtual servers"
