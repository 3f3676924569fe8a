"""For all tests of the director."""

from __future__ import annotations

import pytest

from hakeep.lvs import check


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """A delay_loop is exactly that, so that a test can say what happens in which moment."""
    monkeypatch.setattr(check, "SWAY", 0.0)
