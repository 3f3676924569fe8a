"""`hakeep reload`: have the daemon read its configuration anew, and see what became of it.

Shown is what the daemon says about the configuration, what changes, and whether it runs with it now. Exit status 1 when
it does not. A daemon refuses a configuration that it could not start with and goes on with the one it has.
"""

from __future__ import annotations

import argparse

from hakeep.cli.hakeep_connection import DONE, FAILED, Connection, Dead, add_socket_options, socket_of
from hakeep.cli.hakeep_terminal import add_color_option, wants_color
from hakeep.report.protocol import Outcome, Reload, Reloaded, decode_reloaded

#: Seconds that the daemon has to read the configuration and take it over.
PATIENCE = 60.0

SENTENCES = {
    Outcome.TAKEN: "reloaded: the new configuration is in force",
    Outcome.UNCHANGED: "reloaded: the configuration means what it meant before",
    Outcome.REFUSED: "the daemon refuses the configuration and goes on with the one it has",
    Outcome.AWAITED: "the daemon goes over to the new configuration, but not all of it is in force yet",
    Outcome.GIVEN_UP: "the daemon could not take the configuration over and went back to the one before",
}


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    add_color_option(parser)
    add_socket_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Reload; the exit status."""
    return show(order(socket_of(arguments)), color=wants_color(arguments))


def order(path: str) -> Reloaded:
    """Have the daemon at that socket reload. Raises Dead, Refused or ProtocolError."""
    with Connection(path, Reload()) as connection:
        try:
            return decode_reloaded(connection.line(PATIENCE))
        except TimeoutError:
            raise Dead(f"hakeepd has not said within {PATIENCE:g} s what became of the reload; see its log") from None


def show(reloaded: Reloaded, *, color: bool) -> int:
    """Print what became of it; the exit status."""
    for _, text in reloaded.said:
        print("  " + "".join(c if c.isprintable() else "?" for c in text))
    good = reloaded.outcome in (Outcome.TAKEN, Outcome.UNCHANGED)
    start, end = ("\x1b[1;32m" if good else "\x1b[1;31m", "\x1b[0m") if color else ("", "")
    print(f"{start}{SENTENCES[reloaded.outcome]}{end}")
    return DONE if good else FAILED
