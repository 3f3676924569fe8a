"""What a worker that died has left is believed only where it makes sense."""

from __future__ import annotations

from typing import Any

import pytest

from hakeep.bfd.messages import Memory
from hakeep.bfd.process import Start

GOOD: dict[str, Any] = {
    "path": ["B1", "10.9.0.2", "", ""], "discriminator": 7, "source_port": 50000, "up": True, "told": True,
    "remote_discriminator": 9, "remote_multiplier": 3, "remote_min_tx": 0.01, "remote_min_rx": 0.3,
}


def test_what_was_remembered_is_there_again() -> None:
    memory = Memory(("B1", "10.9.0.2", "", ""), 7, 50000, True, True, 9, 3, 0.01, 0.3)
    assert Start(1, {"B1": memory._asdict()}).memories() == {"B1": memory}
    assert Start(1, {"B1": GOOD}).memories() == {"B1": memory}


@pytest.mark.parametrize(
    "damage",
    [{"path": 5}, {"path": None}, {"discriminator": 0}, {"discriminator": 2**32}, {"discriminator": "x"},
     {"source_port": 0}, {"source_port": 70000}, {"remote_discriminator": 0}, {"remote_discriminator": -1},
     {"remote_multiplier": 0}, {"remote_multiplier": 256}, {"remote_min_tx": float("nan")}, {"remote_min_tx": None},
     {"remote_min_rx": float("inf")}, {"remote_min_rx": -1.0}, {"remote_min_rx": []}],
)
def test_what_makes_no_sense_is_left_out(damage: dict[str, Any]) -> None:
    assert Start(1, {"bad": GOOD | damage, "good": GOOD}).memories().keys() == {"good"}


@pytest.mark.parametrize("document", [None, 5, "x", [], {}, {name: GOOD[name] for name in list(GOOD)[:-1]}])
def test_what_is_something_else_is_left_out(document: Any) -> None:
    assert Start(1, {"bad": document}).memories() == {}


def test_who_was_down_need_not_know_a_neighbor() -> None:
    down = GOOD | {"up": False, "told": False, "remote_discriminator": 0, "remote_multiplier": 0}
    assert Start(1, {"B1": down}).memories()["B1"].up is False
