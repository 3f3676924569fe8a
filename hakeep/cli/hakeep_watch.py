"""`hakeep watch [INSTANCE...]`: the status table, drawn again at every change and every second.

On a terminal that is a screen which stays; when the daemon goes it says so and waits for the next one. Anywhere else,
and on a dumb terminal, each change is a table below the last one, and the end of the daemon is the end.

Virtual servers are asked for every second, as what they count changes all the time. Where there is no screen that is
not a change: there it is one when a server goes up or down, in or out, or is given another weight.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from typing import NoReturn

from hakeep.cli.hakeep_connection import Connection, Dead, add_socket_options, socket_of
from hakeep.cli.hakeep_status import choose
from hakeep.cli.hakeep_terminal import add_color_option, height, is_screen, wants_color, width
from hakeep.report.protocol import Watch, decode_status
from hakeep.report.snapshot import DaemonSnapshot
from hakeep.report.status import render_status

#: Seconds after which a screen is drawn again though nothing has changed: "10s ago" has.
REDRAW = 1.0

#: An answer that took so long is not asked for again for so many times as long: that of ten thousand servers is work.
LEISURE = 10

#: ECMA-48: cursor home, erase to the end of the line, erase to the end of the screen. To clear it all first flickers.
HOME, ERASE_LINE, ERASE_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("routers", nargs="*", metavar="INSTANCE", help="only these instances or virtual servers")
    parser.add_argument("-v", "--verbose", action="store_true", help="everything about each instance")
    add_color_option(parser)
    add_socket_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Draw until interrupted. Raises Dead when the daemon goes and this is not a screen."""
    if not is_screen():
        _follow(arguments)
    sys.stdout.write(HOME + ERASE_BELOW)
    while True:
        try:
            _follow(arguments)
        except Dead as error:
            _draw(f"{error}\n")
            time.sleep(REDRAW)


def _follow(arguments: argparse.Namespace) -> NoReturn:
    """Show what one connection says until it ends, which raises Dead."""
    with Connection(socket_of(arguments), Watch()) as connection:
        snapshot = None
        asked_at: float | None = time.monotonic()  # None = what comes now was not asked for
        rests_until = 0.0
        while True:
            before = snapshot
            asks = before is not None and before.virtual_servers
            try:
                line = connection.line(REDRAW if is_screen() or asks else None)
            except TimeoutError:
                if snapshot is None:
                    raise Dead(f"hakeepd does not answer at {socket_of(arguments)}") from None
                if snapshot.virtual_servers and time.monotonic() >= rests_until:
                    asked_at = time.monotonic()
                    connection.ask(Watch())
            else:
                if asked_at is not None:
                    rests_until = time.monotonic() + (time.monotonic() - asked_at) * LEISURE
                    asked_at = None
                snapshot = choose(decode_status(line), arguments.routers)
            if is_screen() or before is None or _differ(before, snapshot):
                _show(snapshot, arguments)


def _differ(before: DaemonSnapshot, now: DaemonSnapshot) -> bool:
    """True when there is more news than what is counted. A daemon without virtual servers speaks only when there is."""
    if before is now:
        return False
    return not now.virtual_servers or _essence(before) != _essence(now)


def _essence(snapshot: DaemonSnapshot) -> DaemonSnapshot:
    """What does not change all the time."""
    return replace(
        snapshot, recorder=0, packets={},
        routers=tuple(replace(each, counters={}, lease=None, lease_text="", since=0.0) for each in snapshot.routers),
        virtual_servers=tuple(
            replace(each, usage=None, since=0.0, reals=tuple(
                replace(real, usage=None, checks=(), since=0.0, why="" if real.state == "UP" else real.why)
                for real in each.reals))
            for each in snapshot.virtual_servers))  # fmt: skip


def _show(snapshot: DaemonSnapshot, arguments: argparse.Namespace) -> None:
    text = render_status(snapshot, time.time(), width(), wants_color(arguments), arguments.verbose)
    if is_screen():
        _draw(_fitting(text, height()))
    else:
        print(text, flush=True)


def _fitting(text: str, rows: int) -> str:
    """As much of `text` as a screen with so many rows can show, which says how much more there is."""
    lines = text.splitlines()
    if len(lines) < rows:
        return text
    shown = lines[: max(rows - 2, 0)]
    return "\n".join([*shown, f"... {len(lines) - len(shown)} more lines; name what you want to see"]) + "\n"


def _draw(text: str) -> None:
    """Put `text` on the screen in place of what is there."""
    sys.stdout.write(HOME + text.replace("\n", f"{ERASE_LINE}\n") + ERASE_BELOW)
    sys.stdout.flush()
