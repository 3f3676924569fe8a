"""`hakeep watch [INSTANCE...]`: the status table, drawn again at every change and every second.

On a terminal that is a screen which stays; when the daemon goes it says so and waits for the next one. Anywhere else,
and on a dumb terminal, each change is a table below the last one, and the end of the daemon is the end.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import NoReturn

from hakeep.cli.hakeep_connection import Connection, Dead, add_socket_options, socket_of
from hakeep.cli.hakeep_status import choose
from hakeep.cli.hakeep_terminal import add_color_option, is_screen, wants_color, width
from hakeep.report.protocol import Watch, decode_status
from hakeep.report.snapshot import DaemonSnapshot
from hakeep.report.status import render_status

#: Seconds after which a screen is drawn again though nothing has changed: "10s ago" has.
REDRAW = 1.0

#: ECMA-48: cursor home, erase to the end of the line, erase to the end of the screen. To clear it all first flickers.
HOME, ERASE_LINE, ERASE_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("routers", nargs="*", metavar="INSTANCE", help="only these")
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
        while True:
            try:
                line = connection.line(REDRAW if is_screen() else None)
            except TimeoutError:
                if snapshot is None:
                    raise Dead(f"hakeepd does not answer at {socket_of(arguments)}") from None
            else:
                snapshot = choose(decode_status(line), arguments.routers)
            _show(snapshot, arguments)


def _show(snapshot: DaemonSnapshot, arguments: argparse.Namespace) -> None:
    text = render_status(snapshot, time.time(), width(), wants_color(arguments), arguments.verbose)
    if is_screen():
        _draw(text)
    else:
        print(text, flush=True)


def _draw(text: str) -> None:
    """Put `text` on the screen in place of what is there."""
    sys.stdout.write(HOME + text.replace("\n", f"{ERASE_LINE}\n") + ERASE_BELOW)
    sys.stdout.flush()
