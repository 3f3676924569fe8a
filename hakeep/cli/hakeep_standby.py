"""`hakeep standby` and `hakeep resume`: take instances out of service, and back.

A router in standby hands its addresses over and then stays BACKUP, whatever its priority, until it is resumed or the
time given has passed. Should no other router be heard, it serves all the same, unless --even-if-alone says not to.
"""

from __future__ import annotations

import argparse

from hakeep.cli.hakeep_connection import DONE, add_socket_options, ask, socket_of
from hakeep.report.duration import parse_duration, render_duration
from hakeep.report.protocol import Request, Resume, Standby, decode_reply


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("routers", nargs="*", metavar="INSTANCE", help="names of VRRP instances")
    parser.add_argument("--all", action="store_true", help="all instances")
    if command == "standby":
        parser.add_argument(
            "--for", dest="seconds", type=_duration, metavar="TIME", help="90s, 10m, 2h (default: until resumed)"
        )
        parser.add_argument(
            "--even-if-alone", action="store_true", help="do not serve again even when no other router is heard"
        )
    add_socket_options(parser)
    parser.set_defaults(parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Give the order; the exit status."""
    if arguments.all == bool(arguments.routers):
        arguments.parser.error("name the instances, or say --all, and not both")
    routers = tuple(arguments.routers)
    who = ", ".join(routers) or "all instances"
    request: Request
    if arguments.command == "standby":
        request = Standby(routers, arguments.seconds, arguments.even_if_alone)
        until = f"for {render_duration(arguments.seconds)}" if arguments.seconds else "until resumed"
        done = f"standby {until}: {who}"
    else:
        request = Resume(routers)
        done = f"resumed: {who}"
    decode_reply(ask(socket_of(arguments), request))
    print(done)
    return DONE


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
