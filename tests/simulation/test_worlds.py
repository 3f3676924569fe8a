"""Five hundred worlds of ten minutes each. `python -m tests.simulation.run --worlds 10000` looks at more."""

from __future__ import annotations

import pytest

from tests.effort import tries
from tests.simulation.world import run

#: Worlds of a quick run, and of a thorough one, each in pieces.
FEW, WORLDS, CHUNK = 60, tries(500), 20


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
    assert first == second and len(first) > 1000


@pytest.mark.parametrize("seed", [11266, 11547, 13412, 13596])
def test_who_gives_way_late_does_not_keep_its_addresses(seed: int) -> None:
    """Frozen, it wakes up to an old advert of a master that has had the addresses for long."""
    run(seed)
