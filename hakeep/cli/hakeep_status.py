"""`hakeep status [INSTANCE...]`: the state of every instance, as a table or as JSON.

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
from hakeep.report.protocol import Refused, Status, decode_reply, decode_status
from hakeep.report.snapshot import DaemonSnapshot
from hakeep.report.status import render_status


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("routers", nargs="*", metavar="INSTANCE", help="only these")
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
    """`snapshot` with the routers called `names` only (none named = all). Raises Refused for an unknown name."""
    known = {router.name: router for router in snapshot.routers}
    for name in names:
        if name not in known:
            raise Refused(f"there is no instance {name!r}; there are {', '.join(known) or 'none'}")
    return replace(snapshot, routers=tuple(known[name] for name in names)) if names else snapshot
