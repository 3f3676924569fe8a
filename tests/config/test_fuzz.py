"""A short run of the fuzzer, which `python -m tests.config.fuzz` runs at length."""

from __future__ import annotations

import random

import pytest

from tests.config.fuzz import mutated, run, seeds


@pytest.mark.thorough
def test_mutated_configurations_are_read() -> None:
    assert list(run(files=1500, seed=0)) == []


def test_mutations_change_something() -> None:
    texts = seeds()
    changed = [mutated(texts, random.Random(number)) not in texts for number in range(200)]
    assert sum(changed) > 150
