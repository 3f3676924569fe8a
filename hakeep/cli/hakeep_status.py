"""`hakeep status [INSTANCE...]`: the state of every instance and virtual server, as a table or as JSON.

A ! marks what is not as it should be. Of virtual servers: WEIGHT is what is in the table now, and behind the stroke
what is configured; -/10 is out, 0/10 gets no new connections. The line of the virtual server has the sum of those that
are well, which the quorum is about. ACTIVE, INACT and CONN/S (connections a second) are what the backend counts.

Besides instances, virtual servers can be named: 'fwmark 5', 'group shop', '10.0.0.1 80' or 10.0.0.1:80.

Exit status 3 also when the daemon answers but says that a worker has fallen silent: then what it shows is old.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace

from hakeep.cli.hakeep_connection import DEAD, DONE, add_socket_options, ask, socket_of
from hakeep.cli.hakeep_terminal import add_color_option, wants_color, width
from hakeep.report import naming
from hakeep.report.protocol import Refused, Status, decode_reply, decode_status
from hakeep.report.snapshot import DaemonSnapshot
from hakeep.report.status import render_status


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("routers", nargs="*", metavar="INSTANCE", help="only these instances or virtual servers")
    parser.add_argument("-v", "--verbose", action="store_true", help="everything about each instance")
    parser.add_argument("--json", action="store_true", help="the whole document, for programs")
    add_color_option(parser)
    add_socket_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the state; the exit status."""
    answer = ask(socket_of(arguments), Status())
    snapshot = decode_status(answer)
    if arguments.json:  # as the daemon sent it, with what only a newer one knows
        json.dump(decode_reply(answer)["status"], sys.stdout, indent=2)
        print()
    else:
        chosen = choose(snapshot, arguments.routers)
        text = render_status(chosen, time.time(), width(), wants_color(arguments), arguments.verbose)
        sys.stdout.write(text)
    return DEAD if snapshot.stale else DONE


def choose(snapshot: DaemonSnapshot, names: list[str]) -> DaemonSnapshot:
    """`snapshot` with the routers and virtual servers called `names` only (none named = all). Raises Refused for an
    unknown name."""
    if not names:
        return snapshot
    known = {router.name: router for router in snapshot.routers}
    routers, virtuals = [], []
    for name in names:
        if name in known:
            routers.append(known[name])
            continue
        try:
            virtuals.append(naming.virtual(name, snapshot.virtual_servers))
        except naming.Unknown:
            there = [*known, *(each.name for each in snapshot.virtual_servers)]
            what = "instance or virtual server" if snapshot.virtual_servers else "instance"
            raise Refused(f"there is no {what} {name!r}; there are {naming.listed(there)}") from None
    tracked = {(track.kind, track.name) for router in routers for track in router.tracks}
    return replace(
        snapshot, routers=tuple(routers), virtual_servers=tuple(virtuals),
        things=tuple(thing for thing in snapshot.things if (thing.kind, thing.name) in tracked),
        sessions=tuple(session for session in snapshot.sessions if ("bfd", session.name) in tracked))
