"""`hakeep record`: have the flight recorder written to files, and say where they are.

They hold what the daemon was told and what it did lately. `hakeep replay` shows them; they belong into a bug report.
"""

from __future__ import annotations

import argparse

from hakeep.cli.hakeep_connection import DONE, add_socket_options, ask, socket_of
from hakeep.report.protocol import ProtocolError, Record, decode_reply


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    add_socket_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one path a line; the exit status."""
    paths = decode_reply(ask(socket_of(arguments), Record())).get("paths")
    if not isinstance(paths, list):
        raise ProtocolError("the daemon does not say where it wrote its record")
    for path in paths:
        print(path)
    return DONE
