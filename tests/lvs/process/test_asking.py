"""The probes: what packages of others do to them."""

from __future__ import annotations

import pytest
import trio

from hakeep.lvs.checkers import CHECKERS, Kit
from hakeep.lvs.process import asking as module
from hakeep.lvs.process.asking import Asking


@pytest.mark.trio
async def test_a_package_that_cannot_be_imported_takes_only_its_own_checkers_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> None:
        raise ImportError("no module named loud")

    monkeypatch.setattr(module, "all_checkers", broken)
    said: list[str] = []
    async with trio.open_nursery() as nursery:
        asking = Asking(nursery, Kit(), lambda _: None, lambda level, text: said.append(text))  # type: ignore[arg-type]
    assert asking._checkers == CHECKERS
    assert len(said) == 1 and "loud" in said[0]
