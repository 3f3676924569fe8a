"""Sync groups in simulated worlds: never half a group MASTER, and one host for all when it is quiet."""

from __future__ import annotations

import pytest

from hakeep.vrrp.group import SyncGroup
from tests.effort import tries
from tests.simulation.groups import World

#: Worlds of a quick run, and of a thorough one.
FEW, MANY = 20, tries(120)


@pytest.mark.parametrize(
    "first", [pytest.param(first, marks=[] if first < FEW else pytest.mark.thorough) for first in range(0, MANY, 10)])
def test_worlds_with_groups(first: int) -> None:
    moves = 0
    for seed in range(first, first + 10):
        try:
            moves += World(seed).live().moves
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
    assert moves, "something has happened in them"


@pytest.mark.parametrize(
    ("rule", "instead"),
    [
        ("share_faults", lambda self, now: [
            member.set_faults(member.own_faults, now) for member in self._live] and False),
        ("_give_way", lambda self, now: False),
        ("_take_over", lambda self, now: [
            member.take_over(now, member.watch.wants) for member in self._live if member.watch.wants] and False),
    ],
)  # fmt: skip
def test_the_invariants_see_a_group_without_one_of_its_rules(
    rule: str, instead: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SyncGroup, rule, instead)
    with pytest.raises(AssertionError):
        for seed in range(30):
            World(seed).live()
