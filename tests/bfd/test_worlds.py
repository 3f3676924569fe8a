"""Worlds of `world.py`, and proof that their invariants bite."""

from __future__ import annotations

import pytest

from hakeep.bfd.session import Session
from hakeep.wire.bfd import State
from tests.bfd.world import World
from tests.effort import tries

#: Worlds of a quick run, and of a thorough one.
FEW, MANY = 20, tries(300)


@pytest.mark.parametrize(
    "first", [pytest.param(first, marks=[] if first < FEW else pytest.mark.thorough) for first in range(0, MANY, 10)])
def test_worlds(first: int) -> None:
    for seed in range(first, first + 10):
        try:
            World(seed).live()
        except AssertionError as wrong:
            wrong.add_note(f"world {seed}: python -m tests.bfd.world --seed {seed}")
            raise


def test_a_seed_tells_the_same_story() -> None:
    stories: list[list[str]] = [[], []]
    for story in stories:
        World(11, story).live()
    assert stories[0] == stories[1]
    assert len(stories[0]) > 50


def _hasty(self: Session, now: float) -> None:
    """Down before the detection time is over."""
    if self.detect_at - 0.3 * self.detect_time <= now:
        self.detect_at = now
    _tick(self, now)


_tick = Session.tick


@pytest.mark.parametrize("defect", ["hasty", "late", "fast", "mute", "deaf to polls"])
def test_a_defect_is_found(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    match defect:
        case "hasty":
            monkeypatch.setattr(Session, "deadline", property(lambda session: session.send_at))
            monkeypatch.setattr(Session, "tick", _hasty)
        case "late":
            monkeypatch.setattr(Session, "_miss", lambda self, now: setattr(self, "detect_at", now + 5.0))
        case "fast":
            monkeypatch.setattr(Session, "_jittered", lambda self, interval: interval * 0.6)
        case "mute":
            monkeypatch.setattr(Session, "_allowed", lambda self: self.state is not State.UP)
        case "deaf to polls":
            monkeypatch.setattr(Session, "_answer", lambda self, now: None)
    with pytest.raises(AssertionError):
        for seed in range(30):
            World(seed).live()
