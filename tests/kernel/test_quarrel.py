"""When a change of our table is an accident, and when it is a quarrel."""

from __future__ import annotations

from hakeep.kernel.quarrel import ACCIDENTS, PAUSE, WITHIN, Quarrel


def test_accidents_are_mended_at_once() -> None:
    quarrel = Quarrel()
    for n in range(20):
        assert quarrel.blame("nft[7]", n * WITHIN / (ACCIDENTS - 1)) == 0
        assert quarrel.over(n * WITHIN)


def test_who_does_it_again_and_again_is_waited_for() -> None:
    quarrel = Quarrel()
    assert [quarrel.blame("nft[7]", n / 10) for n in range(ACCIDENTS + 2)] == [0.0] * ACCIDENTS + [PAUSE] * 2
    assert not quarrel.over(1.0) and quarrel.reason == "contested by nft[7]"


def test_another_hakeepd_is_one_from_the_start() -> None:
    quarrel = Quarrel()
    assert quarrel.blame("hakeepd_vrrp[9]", 0.0) == PAUSE
    assert "instance name" in quarrel.cure


def test_it_lasts_as_long_as_the_table_is_changed_after_it_was_put_back() -> None:
    quarrel = Quarrel()
    for n in range(10):
        quarrel.blame("hakeepd_vrrp[9]", n * PAUSE)
        assert not quarrel.over((n + 1) * PAUSE + 1)
    assert quarrel.over(9 * PAUSE + 2 * PAUSE)
    assert quarrel.blame("nft[7]", 100 * WITHIN) == 0
