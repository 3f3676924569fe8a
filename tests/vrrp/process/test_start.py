"""When a worker may hold its first election."""

from __future__ import annotations

import pytest

from hakeep.config.settled import Global, Settings
from hakeep.vrrp.process import start


@pytest.mark.parametrize(
    ("delays", "respawned", "expected", "said"),
    [
        ({}, False, 0.0, []),
        ({"vrrp_startup_delay": 2.5}, False, 102.5, ["no elections for 2.5 s (vrrp_startup_delay)"]),
        ({"vrrp_startup_delay": 2.5}, True, 0.0, []),
        ({"vrrp_delay_after_boot": 60.0}, False, 130.0, ["no elections for 30 s (vrrp_delay_after_boot)"]),
        ({"vrrp_delay_after_boot": 60.0}, True, 130.0, ["no elections for 30 s (vrrp_delay_after_boot)"]),
        ({"vrrp_delay_after_boot": 20.0}, False, 0.0, []),
        ({"vrrp_delay_after_boot": 60.0, "vrrp_startup_delay": 40.0}, False, 140.0,
         ["no elections for 40 s (vrrp_startup_delay)"]),
    ],
)
def test_elections_wait_and_that_is_told(
    delays: dict[str, float], respawned: bool, expected: float, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine has been up for 30 s, which the worker's clock calls 100."""
    monkeypatch.setattr(start.time, "clock_gettime", lambda clock: 30.0)
    lines: list[str] = []
    settings = Settings(globals=Global(**delays))  # type: ignore[arg-type]
    until = start.hold_until(settings, 100.0, lambda level, text: lines.append(text), respawned=respawned)  # type: ignore[arg-type]
    assert until == pytest.approx(expected)
    assert lines == said
