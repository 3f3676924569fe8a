"""Routes, rules and static addresses in `hakeep status`: without -v only what is not as it should be."""

from __future__ import annotations

from collections.abc import Sequence

from hakeep.report.snapshot import DaemonSnapshot, RoutingSnapshot
from hakeep.report.table import printable

#: How many are named one by one under the table.
MOST = 10


def amiss(snapshot: DaemonSnapshot) -> list[str]:
    """A line for each that the kernel does not have as it should be, and why."""
    found = [(router.name, thing) for router in snapshot.routers for thing in (*router.routes, *router.rules)]
    found += [("static", thing) for thing in snapshot.static]
    lines = [f"! {printable(whose)}: {printable(thing.kind)} {_said(thing)}" for whose, thing in found if thing.why]
    more = len(lines) - MOST
    return lines if more <= 0 else [*lines[:MOST], f"! and {more} more routes, rules or static addresses: see -v"]


def line(thing: RoutingSnapshot) -> str:
    """One among the details of its router."""
    return f"  {printable(thing.kind) + ':':12}{_said(thing)}"


def static(things: Sequence[RoutingSnapshot]) -> list[str]:
    """All that is static, under a line of its own."""
    return ["", "static", *map(line, things)] if things else []


def _said(thing: RoutingSnapshot) -> str:
    why = f" ({printable(thing.why)})" if thing.why else ""
    return f"{printable(thing.text)}: {'set' if thing.present else 'not set'}{why}"
