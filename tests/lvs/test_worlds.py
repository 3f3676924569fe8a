"""Three hundred directors of twenty minutes each. `python -m tests.lvs.world --worlds 10000` looks at more."""

from __future__ import annotations

import pytest

from tests.effort import tries
from tests.lvs.world import run

#: Worlds of a quick run, and of a thorough one, each in pieces.
FEW, WORLDS, CHUNK = 20, tries(300), 20


@pytest.mark.parametrize("first", [
    pytest.param(first, marks=[] if first < FEW else pytest.mark.thorough) for first in range(0, WORLDS, CHUNK)])
def test_nothing_goes_wrong(first: int) -> None:
    for seed in range(first, first + CHUNK):
        run(seed)


def test_a_seed_tells_the_same_story_every_time() -> None:
    first: list[str] = []
    second: list[str] = []
    run(7, first)
    run(7, second)
    assert first == second and len(first) > 200


@pytest.mark.thorough
def test_the_worlds_are_worth_looking_at() -> None:
    """What the invariants are about does happen in them."""
    words = ("Lost quorum", "Gained quorum", "Adding sorry server", "Enabling sorry server", "slow_start",
             "failed ones stay", "is refused", "ordered: drain", "Disabling service", "checks rest", "put back",
             "Removing alive", "is well again, but", "Forget", "could not be made")
    trace: list[str] = []
    for seed in range(20):
        run(seed, trace)
    missing = [word for word in words if not any(word in line for line in trace)]
    assert missing == []
