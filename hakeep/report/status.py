"""`hakeep status`: the daemon's state as a table that answers, first, the question of three o'clock at night.

Who is master, since when and why; what priority this node goes with; which master it hears; and which addresses *the
kernel* holds, which is not the same as what the state says and is therefore looked at by itself. Where the two disagree
the cell has a ``!``, so that it can be seen without colours too. Then the virtual servers, if there are any.

Pure: the time and the width are arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hakeep.report import status_routing, status_tracking
from hakeep.report.duration import render_duration
from hakeep.report.snapshot import AddressSnapshot, DaemonSnapshot, PostSnapshot, RouterSnapshot
from hakeep.report.status_tracking import tracked
from hakeep.report.status_virtual import details as virtual_details
from hakeep.report.status_virtual import render as render_virtual
from hakeep.report.table import BOLD, DIM, GREEN, RED, YELLOW, Cell, ago, flow, paint, printable, table

HEADINGS = ("INSTANCE", "STATE", "SINCE", "PRIO", "MASTER", "ADDRESSES", "LEASE", "WHY")

STATE_COLORS = {"MASTER": GREEN, "FAULT": RED, "INIT": DIM, "STOP": DIM, "DELETED": DIM}


def render_status(
    snapshot: DaemonSnapshot, now: float, width: int = 100, color: bool = False, verbose: bool = False
) -> str:
    """The table, ending in a newline. `now` is Unix time, `width` the columns of the terminal."""
    lines = [paint(_headline(snapshot, now), BOLD, color)]
    if snapshot.stale:
        lines.append(paint(f"! {printable(snapshot.stale)}", RED, color))
    if snapshot.routers:
        lines += ["", *_table(snapshot.routers, now, width, color)]
    if snapshot.virtual_servers:
        lines += ["", *render_virtual(snapshot, now, width, color)]
    if not snapshot.routers and not snapshot.virtual_servers:
        lines += ["", "No VRRP instances are configured."]
    if snapshot.groups:
        lines += ["", *_groups(snapshot, width, color)]
    notes = [*_notes(snapshot), *_unsent(snapshot.posts, now), *status_tracking.amiss(snapshot.routers)]
    notes += status_routing.amiss(snapshot)
    lines += ["", *(paint(note, YELLOW, color) for note in notes)] if notes else []
    if verbose:
        for router in snapshot.routers:
            lines += ["", *_details(router, now, color)]
        for virtual in snapshot.virtual_servers:
            lines += ["", *virtual_details(virtual, now, color)]
        lines += status_routing.static(snapshot.static)
        lines += status_tracking.things(snapshot.things, now, width, color)
        lines += status_tracking.sessions(snapshot.sessions, now, width, color)
        counted = ", ".join(_counted(snapshot.packets))
        lines += ["", f"packets for no router, or refused: {counted}"] if counted else []
    return "\n".join(lines) + "\n"


def _headline(snapshot: DaemonSnapshot, now: float) -> str:
    workers = ", ".join(f"{name} {pid}" for name, pid in snapshot.workers.items())
    parts = [
        f"hakeep {snapshot.version}" + (f" ({snapshot.instance})" if snapshot.instance else ""),
        f"pid {snapshot.pid}" + (f" ({workers})" if workers else ""),
        f"up {render_duration(now - snapshot.started)}",
        snapshot.config,
    ]
    return printable("  ".join(part for part in parts if part))


def _notes(snapshot: DaemonSnapshot) -> list[str]:
    """What needs a whole line: once each, under the table."""
    notes = []
    for router in snapshot.routers:
        name = printable(router.name)
        if router.contested:
            notes.append(f"! {name}: contested, somebody else keeps removing its addresses; hakeep backs off")
        if router.fence.startswith("off"):
            notes.append(f"! {name}: fence {printable(router.fence)}")
    if snapshot.flooded:
        notes.append("! a flood of bad packets: the kernel drops what it can tell apart, not counted, until it ceases")
    if snapshot.restarts:
        times = "once" if snapshot.restarts == 1 else f"{snapshot.restarts} times"
        notes.append(f"! a worker has died and was started again {times}")
    return notes


def _unsent(posts: Sequence[PostSnapshot], now: float) -> list[str]:
    """What people have not been told; what is only on its way is no news."""
    notes = []
    for post in posts:
        if post.trouble or post.dropped:
            waiting = f"{post.waiting} not sent yet" if post.waiting else "nothing waits"
            since = f", the oldest for {render_duration(now - post.since)}" if post.since else ""
            lost = f", {post.dropped} dropped" if post.dropped else ""
            notes.append(f"! {post.kind}: {waiting}{since}{lost}: {printable(post.trouble) or 'too many at once'}")
    return notes


# ------------------------------------------------------------------------------------------------------- the table


def _table(routers: Sequence[RouterSnapshot], now: float, width: int, color: bool) -> list[str]:
    rows = [[Cell(heading, DIM) for heading in HEADINGS], *(_row(router, now) for router in routers)]
    return [line for lines in table(rows, width, color) for line in lines]


def _row(router: RouterSnapshot, now: float) -> list[Cell]:
    state = f"{router.state} standby" if router.standby else router.state
    if router.impaired:
        state += " last standing" if router.state == "MASTER" else " checks failed"
    priority = str(router.effective_priority)
    if router.effective_priority != router.priority:
        priority += f"/{router.priority}"
    return [
        Cell(printable(router.name)),
        Cell(printable(state), STATE_COLORS.get(router.state, "")),
        Cell(ago(router.since, now)),
        Cell(priority, YELLOW if router.effective_priority < router.priority else ""),
        Cell(_master(router)),
        _held(router),
        Cell(_lease(router)),
        Cell(printable(router.why)),
    ]


def _groups(snapshot: DaemonSnapshot, width: int, color: bool) -> list[str]:
    rows = [[Cell(heading, DIM) for heading in ("SYNC GROUP", "STATE", "INSTANCES")]]
    rows += [
        [Cell(printable(group.name)), Cell(printable(group.state or "changing"), STATE_COLORS.get(group.state, "")),
         Cell(printable(" ".join(group.members)))]
        for group in snapshot.groups
    ]
    return [line for lines in table(rows, width, color) for line in lines]


def _master(router: RouterSnapshot) -> str:
    if router.state == "MASTER" and router.master in (None, router.source):
        return "itself"
    if router.master is None:
        return "none heard"
    return f"{printable(router.master)} ({router.master_priority})"


def _held(router: RouterSnapshot) -> Cell:
    """The addresses as the kernel has them."""
    addresses = router.addresses
    if not addresses:
        return Cell("-")
    held = sum(address.present is True for address in addresses)
    unknown = sum(address.present is None for address in addresses)
    if len(addresses) == 1:
        text = f"{printable(addresses[0].ip)} {_presence(addresses[0])}"
    else:
        text = f"{held} of {len(addresses)} held" + (f", {unknown} unknown" if unknown else "")
    wrong = held + unknown < len(addresses) if router.state == "MASTER" else held > 0
    return Cell(f"{text} !", RED) if wrong else Cell(text)


def _presence(address: AddressSnapshot) -> str:
    return {True: "held", False: "not held", None: "unknown"}[address.present]


def _lease(router: RouterSnapshot) -> str:
    if router.lease_text:
        return printable(router.lease_text)
    return "-" if router.lease is None else f"{router.lease:.1f}s"


# ----------------------------------------------------------------------------------------------------- the details


def _details(router: RouterSnapshot, now: float, color: bool) -> list[str]:
    """Everything about one router, one fact a line."""
    where = f"{router.vmac} on {router.interface}" if router.vmac else router.interface
    facts = {
        "router": f"VRID {router.virtual_router_id} on {where or 'no interface'}, "
        f"IPv{router.family}, VRRP version {router.version}",
        "state": f"{router.state} for {ago(router.since, now)}" + (f": {router.why}" if router.why else ""),
        "priority": f"{router.effective_priority} (base {router.base_priority}, configured {router.priority})",
        "sends from": router.source,
        "master": _master(router)
        + (f", adverts every {router.master_advert_int:g}s" if router.master_advert_int else ""),
        "sync group": router.group,
        "fence": router.fence,
        "lease": "" if _lease(router) == "-" else _lease(router),
        "bounds": router.bounds,
        "standby": "yes" if router.standby else "",
        "contested": "yes" if router.contested else "",
    }
    lines = [paint(printable(router.name), BOLD, color)]
    lines += [f"  {name + ':':12}{printable(text)}" for name, text in facts.items() if text]
    lines += [f"  {'' if index else 'goes by:':12}{tracked(track)}" for index, track in enumerate(router.tracks)]
    for address in router.addresses:
        kind = "" if address.advertised else " (not in adverts)"
        lines.append(f"  {'address:':12}{printable(address.text)}{kind}: {_presence(address)}")
    lines += map(status_routing.line, (*router.routes, *router.rules))
    counters = flow(_counted(router.counters), 88)
    lines += [f"  {'counters:' if index == 0 else '':12}{text}" for index, text in enumerate(counters)]
    return lines


def _counted(counters: Mapping[str, int]) -> list[str]:
    """Those that have counted something."""
    return [f"{printable(name)} {count}" for name, count in counters.items() if count]
