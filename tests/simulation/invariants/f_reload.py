"""(f) A reload that changes nothing does nothing: not one effect comes of it, in whatever state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation.invariants import require

if TYPE_CHECKING:
    from tests.simulation.host import Host


def nothing_came_of_it(host: Host, effects: list[Any]) -> None:
    """Judge what the engine answered to the same configuration once more."""
    require(effects == [], "f", f"host {host.number} answered to a reload of the same with {effects}")
