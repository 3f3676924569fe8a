"""What operators want of real servers, over restarts: the file, and what a damaged one means."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path

import pytest

from hakeep.lvs.messages import Ordered
from hakeep.overrides import Overrides

WEB, OTHER = ip_address("10.0.0.2"), ip_address("fd00::2")


def after(file: Path, *orders: Ordered) -> list[Ordered]:
    """What holds in a daemon that starts after another one was given `orders`."""
    before = Overrides(file)
    for order in orders:
        before.put(order)
    again = Overrides(file)
    assert again.damage == ""
    assert list(again) == list(before)
    return list(again)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "made" / "on" / "demand.json"


def test_orders_outlive_a_restart(file: Path) -> None:
    orders = [Ordered("drain", WEB, 80), Ordered("weight", OTHER, 443, "group shop", 7)]
    assert after(file, *orders) == orders
    assert after(file) == orders
    assert file.stat().st_mode & 0o777 == 0o600


def test_there_is_no_file_at_first(file: Path) -> None:
    assert list(Overrides(file)) == []
    assert Overrides(file).damage == ""


def test_a_newer_order_takes_the_place_of_the_older(file: Path) -> None:
    newer = Ordered("down", WEB, 80)
    assert after(file, Ordered("drain", WEB, 80), newer) == [newer]


def test_ready_undoes(file: Path) -> None:
    assert after(file, Ordered("drain", WEB, 80), Ordered("ready", WEB, 80)) == []
    assert json.loads(file.read_text()) == []


def test_an_order_for_all_takes_the_place_of_those_for_one(file: Path) -> None:
    other = Ordered("drain", WEB, 81, "a")
    everywhere = Ordered("down", WEB, 80)
    assert after(file, Ordered("drain", WEB, 80, "a"), other, everywhere) == [other, everywhere]
    assert after(file, Ordered("ready", WEB, 80)) == [other]


def test_ready_in_one_of_them_is_an_exception_from_what_holds_in_all(file: Path) -> None:
    """As in the engine: or a restart would take the server out again."""
    orders = [Ordered("drain", WEB, 80), Ordered("ready", WEB, 80, "a")]
    assert after(file, *orders) == orders
    assert after(file, Ordered("ready", WEB, 80)) == []


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "7", '["drain"]', "[null]", '[{"what": "drain"}]',
        '[{"what": "drain", "ip": "10.0.0.2", "port": 80, "virtual": "", "weight": 0}, {"what": "drain"}]',
        '[{"what": "drain", "ip": "web", "port": 80, "virtual": "", "weight": 0}]',
        '[{"what": "drain", "ip": "10.0.0.2", "port": "x", "virtual": "", "weight": 0}]',
        '[{"what": "drain", "ip": "10.0.0.2", "port": Infinity, "virtual": "", "weight": 0}]',
        '[{"what": "drain", "ip": "10.0.0.2", "port": 65536, "virtual": "", "weight": 0}]',
        '[{"what": "weight", "ip": "10.0.0.2", "port": 80, "virtual": "", "weight": 2147483648}]',
        "[" * 100_000,
    ],
)  # fmt: skip
def test_a_damaged_file_is_not_taken_by_half_and_said(tmp_path: Path, text: str) -> None:
    file = tmp_path / "orders.json"
    file.write_text(text)
    overrides = Overrides(file)
    assert list(overrides) == []
    assert str(file) in overrides.damage
    assert after_damage(file, overrides) == [Ordered("drain", WEB, 80)]


def after_damage(file: Path, overrides: Overrides) -> list[Ordered]:
    overrides.put(Ordered("drain", WEB, 80))
    return list(Overrides(file))


def test_an_order_that_makes_no_sense_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "orders.json"
    file.write_text('[{"what": "explode", "ip": "10.0.0.2", "port": 80, "virtual": "", "weight": 0}]')
    assert list(Overrides(file)) == []


def test_a_file_that_cannot_be_written_does_not_undo_the_order(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    overrides = Overrides(tmp_path / "file" / "orders.json")
    with pytest.raises(OSError):
        overrides.put(Ordered("drain", WEB, 80))
    assert list(overrides) == [Ordered("drain", WEB, 80)]
