"""The virtual servers in `hakeep status`: which of them serve, with whom, and who does not and why.

First one line that counts, and one that names what is down, because a director can have thousands. Then the table: a
virtual server, and under it its real servers. A real server that has a fault has its reason on a line of its own, in
full, and a ``!`` in its state; one that is out by order or by its own wish has not.

WEIGHT is what stands in the table now, and what is configured if that is something else: ``-/10`` is out, ``0/10`` gets
no new connections. For a virtual server it is the sum of those that are well, which its quorum is about.

Pure: the time and the width are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from hakeep.report.duration import render_duration
from hakeep.report.snapshot import CheckSnapshot, DaemonSnapshot, RealSnapshot, UsageSnapshot, VirtualSnapshot
from hakeep.report.table import BOLD, DIM, GREEN, RED, YELLOW, Cell, ago, cut, flow, paint, printable, table

HEADINGS = ("VIRTUAL SERVER", "STATE", "SINCE", "WEIGHT", "ACTIVE", "INACT", "CONN/S", "LAST CHECK")
NUMBERS = ("WEIGHT", "ACTIVE", "INACT", "CONN/S")

#: A line under the table's own: its text and colour.
Note = tuple[str, str]


def address(real: RealSnapshot) -> str:
    """A real server as the command line takes it: ``10.0.0.2:80``, ``[fd00::2]:80``; without port 0."""
    ip = f"[{real.ip}]" if ":" in real.ip else real.ip
    return printable(f"{ip}:{real.port}" if real.port else real.ip)


def render(snapshot: DaemonSnapshot, now: float, width: int, color: bool) -> list[str]:
    """The lines; none without virtual servers. `now` is Unix time, `width` the columns of the terminal."""
    virtuals = snapshot.virtual_servers
    if not virtuals:
        return []
    lines = [cut(_counted(snapshot), max(width, 40))]
    lines += [paint(text, RED, color) for text in _broken(virtuals, width)]
    return [*lines, "", *excerpt(virtuals, lambda virtual, real: True, now, width, color)]


def excerpt(
    virtuals: Iterable[VirtualSnapshot], meant: Callable[[VirtualSnapshot, RealSnapshot], bool], now: float,
    width: int, color: bool,
) -> list[str]:
    """The table of these virtual servers, with those real servers that are meant."""
    rows = [[Cell(heading, DIM, heading in NUMBERS) for heading in HEADINGS]]
    notes: list[list[Note]] = [[]]
    for virtual in virtuals:
        reals = [real for real in virtual.reals if meant(virtual, real)]
        rows.append(_virtual_row(virtual, now))
        notes.append(list(_virtual_notes(virtual)))
        rows += [_real_row(virtual, real, now) for real in reals]
        notes += [list(_real_notes(virtual, real)) for real in reals]
    lines = []
    for shown, below in zip(table(rows, width, color), notes, strict=True):
        lines += shown
        lines += [paint(f"    {printable(text)}", sgr, color) for text, sgr in below]
    return lines


# ------------------------------------------------------------------------------------------------------ the summary


def _counted(snapshot: DaemonSnapshot) -> str:
    virtuals = snapshot.virtual_servers
    reals = [real for virtual in virtuals for real in virtual.reals]
    ordered = sum(bool(real.order) for real in reals)
    parts = [
        f"virtual servers: {sum(virtual.state == 'UP' for virtual in virtuals)} of {len(virtuals)} up",
        f"real servers: {sum(real.state == 'UP' for real in reals)} of {len(reals)} up"
        + (f", {ordered} by order" if ordered else ""),
        f"in {snapshot.backend}" if snapshot.backend else "! no backend yet: the kernel's table is not looked after",
    ]
    return printable("  ".join(parts))


def _broken(virtuals: Iterable[VirtualSnapshot], width: int) -> Iterator[str]:
    """One line each: what is down, and what the backend refuses. As many names as fit, and how many there are more."""
    virtuals = tuple(virtuals)
    down = [each.name for each in virtuals if each.state != "UP" and not each.suspended]
    refused = [each.name for each in virtuals if each.refused or any(real.refused for real in each.reals)]
    panics = [each.name for each in virtuals if each.panic]
    for what, names in (("down", down), ("refused by the backend", refused), ("in panic", panics)):
        if names:
            yield _names(f"! {what}: ", [printable(name) for name in names], width)


def _names(start: str, names: Sequence[str], width: int) -> str:
    fitting = flow(names, max(width - len(start) - len(", and 10000 more"), 1))[0]
    left = len(names) - fitting.count(", ") - 1
    return f"{start}{fitting}" + (f", and {left} more" if left else "")


# -------------------------------------------------------------------------------------------------- virtual servers


def _virtual_row(virtual: VirtualSnapshot, now: float) -> list[Cell]:
    quorum = f"quorum {virtual.quorum}"
    if virtual.hysteresis:
        quorum += f", hysteresis {virtual.hysteresis}"
    return [
        Cell(printable(virtual.name), BOLD),
        _virtual_state(virtual),
        Cell(ago(virtual.since, now)),
        Cell(str(virtual.total), right=True),
        *_usage(virtual.usage),
        Cell(quorum),
    ]


def _virtual_state(virtual: VirtualSnapshot) -> Cell:
    if virtual.refused:
        return Cell("REFUSED !", RED)
    if virtual.suspended:
        return Cell("suspended", DIM)
    if virtual.state != "UP":
        return Cell(printable(f"{virtual.state} !"), RED)
    return Cell("PANIC !", RED) if virtual.panic else Cell("UP", GREEN)


def _virtual_notes(virtual: VirtualSnapshot) -> Iterator[Note]:
    if virtual.refused:
        yield f"! the backend refuses it: {virtual.refused}", RED
    if virtual.suspended:
        yield "suspended: its address is not on this host (ha_suspend)", DIM
    elif virtual.state != "UP":
        yield f"! no quorum: weight {virtual.total} of {virtual.quorum + virtual.hysteresis}; {_instead(virtual)}", RED
    elif virtual.sorry_in_use:
        yield f"! {_instead(virtual)}", YELLOW
    if virtual.panic:
        yield "! panic: so many real servers have failed that they stay in (panic_threshold)", RED


def _instead(virtual: VirtualSnapshot) -> str:
    """Who serves without a quorum."""
    if virtual.sorry_in_use:
        return f"the sorry server {virtual.sorry} serves"
    if virtual.sorry:
        return f"the sorry server {virtual.sorry} does not serve yet"
    serving = sum(real.wanted is not None and real.wanted > 0 for real in virtual.reals)
    if serving == 1:
        return "1 real server still serves"
    return f"{serving} real servers still serve" if serving else "nobody serves"


# ----------------------------------------------------------------------------------------------------- real servers


def _real_row(virtual: VirtualSnapshot, real: RealSnapshot, now: float) -> list[Cell]:
    check = telling(real)
    fails = check is not None and not check.ok
    return [
        Cell(f"  {address(real)}"),
        real_state(virtual, real),
        Cell(ago(real.since, now)),
        Cell(weight(real), YELLOW if real.wanted != real.configured and real.state == "UP" else "", right=True),
        *_usage(real.usage),
        Cell("no checks", DIM) if check is None else Cell(_last(check, now), YELLOW if fails else ""),
    ]


def real_state(virtual: VirtualSnapshot, real: RealSnapshot) -> Cell:
    """What is the matter with it, the worst first."""
    if real.order == "down":
        return Cell("down by order", YELLOW)
    if real.state != "UP":
        return Cell(printable(f"{real.state} !"), RED) if known_down(real) else Cell("not known", YELLOW)
    if real.refused:
        return Cell("REFUSED !", RED)
    if real.order == "drain":
        return Cell("drained by order", YELLOW)
    if real.drained:
        return Cell("drained", YELLOW)
    if real.wanted is None:
        return Cell("well, out", DIM if virtual.suspended else YELLOW)
    if real.slow_start:
        return Cell("slow start", YELLOW)
    return Cell("weight by order", YELLOW) if real.order else Cell("UP", GREEN)


def known_down(real: RealSnapshot) -> bool:
    """False for one that is down because nobody has asked it yet (alpha)."""
    down = [check for check in real.checks if not check.up]
    return not down or any(check.proved for check in down)


def weight(real: RealSnapshot) -> str:
    """What stands in the table, ``-`` for nothing, and what is configured if that is something else."""
    wanted = "-" if real.wanted is None else str(real.wanted)
    return wanted if real.wanted == real.configured else f"{wanted}/{real.configured}"


def _real_notes(virtual: VirtualSnapshot, real: RealSnapshot) -> Iterator[Note]:
    if real.refused:
        yield f"! the backend refuses it: {real.refused}", RED
    failing = [check for check in real.checks if not check.ok and check.at]
    if real.state != "UP" and real.order != "down" and known_down(real):
        yield f"! {real.why}", RED
        failing = [check for check in failing if f"{check.kind}: {check.why}" != real.why]
    for check in failing:
        tries = f", {check.tries_left} more may fail" if check.up and check.tries_left else ""
        yield f"{check.kind}: {check.why}{tries}", YELLOW
    if real.state == "UP" and real.wanted is None and not virtual.suspended and virtual.sorry_in_use:
        yield "well again, and comes back with the quorum", YELLOW


def telling(real: RealSnapshot) -> CheckSnapshot | None:
    """The check to show where there is room for one: one that is down, else one that fails, else the latest."""
    down = [check for check in real.checks if not check.up]
    failing = [check for check in real.checks if not check.ok]
    return max(down or failing or real.checks, key=lambda check: check.at, default=None)


def _last(check: CheckSnapshot, now: float) -> str:
    """``2s ago, 3 ms: status 200``. What has failed has its reason elsewhere."""
    if not check.at:
        return printable(check.why if check.proved else "not checked yet")
    when = f"{render_duration(now - check.at)} ago" if check.running else f"rests since {ago(check.at, now)}"
    if check.latency:
        when += f", {milliseconds(check.latency)}"
    return printable(f"{when}: {check.why if check.ok else 'failed'}")


def milliseconds(seconds: float) -> str:
    """Two figures are enough: ``0.21 ms``, ``3.4 ms``, ``1200 ms``."""
    found = seconds * 1000
    return f"{found:.2f} ms" if found < 1 else f"{found:.1f} ms" if found < 10 else f"{found:.0f} ms"


def _usage(usage: UsageSnapshot | None) -> list[Cell]:
    if usage is None:
        return [Cell("-", DIM, right=True)] * 3
    counts = (usage.active, usage.inactive, usage.connection_rate)
    return [Cell("-", DIM, right=True) if count is None else Cell(str(count), right=True) for count in counts]


# ------------------------------------------------------------------------------------------------------ the details


def details(virtual: VirtualSnapshot, now: float, color: bool) -> list[str]:
    """Everything about one virtual server, one fact a line."""
    usage = virtual.usage
    facts = {
        "logs say": virtual.label,
        "services": ", ".join(virtual.services),
        "state": f"{virtual.state} for {ago(virtual.since, now)}",
        "quorum": f"{virtual.quorum}, hysteresis {virtual.hysteresis}; weight now {virtual.total}",
        "sorry": virtual.sorry + (" (serves)" if virtual.sorry_in_use else "") if virtual.sorry else "",
        "traffic": f"{usage.connections} connections so far, now {usage.in_byte_rate} bytes/s in, "
        f"{usage.out_byte_rate} out" if usage else "",
    }  # fmt: skip
    lines = [paint(printable(virtual.name), BOLD, color)]
    lines += [f"  {name + ':':12}{printable(text)}" for name, text in facts.items() if text]
    for real in virtual.reals:
        state = real_state(virtual, real).text
        lines.append(printable(f"  {'real:':12}{address(real)} {state} for {ago(real.since, now)}: {real.why}"))
        lines += [printable(f"  {'':12}{_told(check, now)}") for check in real.checks]
    return lines


def _told(check: CheckSnapshot, now: float) -> str:
    tries = f", {check.tries_left} more may fail" if check.up and check.tries_left and not check.ok else ""
    rests = "" if check.running else ", rests"
    if not check.at:
        return f"{check.kind} {check.asked}: {check.why}"
    took = f", {milliseconds(check.latency)}" if check.latency else ""
    last = f"{'ok' if check.ok else 'failed'} {render_duration(now - check.at)} ago{took}"
    return f"{check.kind} {check.asked} {last}: {check.why}{tries}{rests}"
