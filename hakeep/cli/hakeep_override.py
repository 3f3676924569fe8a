"""`hakeep drain`, `ready`, `down` and `weight`: an operator's word about a real server, whatever its checks say.

Drain: it gets no new connections and keeps those that it has. Down: it is taken out, as if it had failed. Weight: it
gets this weight in place of the configured one. Ready undoes any of them, and what the checks say counts again.

A real server is written 10.0.0.2:80, [fd00::2]:80 or 10.0.0.2 80. VS names one virtual server as the configuration
does: 10.0.0.1 80, fwmark 5, group shop; 10.0.0.1:80 will do. Without it the word holds in all virtual servers.

It holds until it is undone: over reloads, restarts of the daemon and of the host. `hakeep status` shows it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable

from hakeep.cli.hakeep_connection import DONE, add_socket_options, ask, socket_of
from hakeep.cli.hakeep_terminal import add_color_option, wants_color, width
from hakeep.report import naming
from hakeep.report.protocol import Override, Refused, Status, decode_reply, decode_status
from hakeep.report.snapshot import DaemonSnapshot, RealSnapshot, VirtualSnapshot
from hakeep.report.status_virtual import excerpt

WEIGHT_MAX = 2**31 - 1


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("real_server", metavar="RS", help="the real server, such as 10.0.0.2:80")
    if command == "weight":
        parser.add_argument("weight", metavar="N", help=f"the weight, 0 to {WEIGHT_MAX}")
    parser.add_argument("virtual", nargs="*", metavar="VS", help="in this virtual server only")
    add_color_option(parser)
    add_socket_options(parser)
    parser.set_defaults(parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Give the order and show what is so now; the exit status."""
    words = [arguments.real_server, *([arguments.weight] if "weight" in arguments else []), *arguments.virtual]
    server, rest = _server(words, arguments.command == "weight")
    weight = 0
    if arguments.command == "weight":
        weight = _weight(arguments, rest[:1])
        rest = rest[1:]
    path = socket_of(arguments)
    try:
        request = _request(arguments.command, server, weight, " ".join(rest), _ask(path))
    except naming.Unknown as error:
        raise Refused(str(error)) from None
    decode_reply(ask(path, request))
    _show(_ask(path), request, arguments)
    return DONE


def _ask(path: str) -> DaemonSnapshot:
    return decode_status(ask(path, Status()))


def _server(words: list[str], weighs: bool) -> tuple[str, list[str]]:
    """The real server's part of the words, and the rest. An address without a port takes the number after it, unless
    that is the only one and a weight must follow."""
    found = naming.place(words[0])
    both = " ".join(words[:2])
    if found is None or found.port or len(words) < 2 or naming.place(both) is None:
        return words[0], words[1:]
    if weighs and not (len(words) > 2 and words[2].isdecimal()):
        return words[0], words[1:]
    return both, words[2:]


def _weight(arguments: argparse.Namespace, words: list[str]) -> int:
    text = words[0] if words else ""
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= WEIGHT_MAX):
        arguments.parser.error(f"after the real server say its weight, 0 to {WEIGHT_MAX}")
    return int(text)


def _request(what: str, server: str, weight: int, name: str, snapshot: DaemonSnapshot) -> Override:
    """The order in the daemon's words. Raises Unknown."""
    virtuals: Iterable[VirtualSnapshot] = snapshot.virtual_servers
    chosen = naming.virtual(name, virtuals) if name else None
    try:
        found = naming.real(server, (chosen,) if chosen else virtuals)
    except naming.Unknown:
        place = naming.place(server)
        if what != "ready" or place is None:
            raise
        found = place  # an order for a server that is not configured any more can be undone
    return Override(what, found.ip, found.port, chosen.name if chosen else "", weight)


def _show(snapshot: DaemonSnapshot, request: Override, arguments: argparse.Namespace) -> None:
    def meant(virtual: VirtualSnapshot, real: RealSnapshot) -> bool:
        return (real.ip, real.port) == (request.ip, request.port) and request.virtual in ("", virtual.name)

    virtuals = [each for each in snapshot.virtual_servers if any(meant(each, real) for real in each.reals)]
    if virtuals:
        print("\n".join(excerpt(virtuals, meant, time.time(), width(), wants_color(arguments))))
    else:
        print(f"no virtual server has {naming.Place(request.ip, request.port)} now; what was ordered is undone")
