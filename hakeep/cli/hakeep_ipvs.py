"""`hakeep ipvs`: look at the kernel's virtual servers and change them, with ipvsadm's options and in its words.

It speaks to the kernel itself and needs neither ipvsadm nor a running hakeepd. What it prints is what ipvsadm prints,
so scripts can be fed by either, and `hakeep ipvs -S -n` by `ipvsadm -R`. Without a command it lists the table.

`hakeep ipvs -L -n -c` shows the connections. A client that stays in SYN_RECV was sent to a real server that does not
answer it: with direct routing the address is missing there, with NAT its way back does not lead through here.

A service that hakeepd keeps is put back by it when it is changed here; other services are left alone.

-R reads all its lines before it does the first, so a mistake in the last one leaves the table as it is. A command that
the kernel refuses does not stop the others.

Exit status: 0 done, 1 there is no such service to list, 2 wrong usage or no IPVS here, 255 the kernel refused.
"""

from __future__ import annotations

import argparse
import errno
import os
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from hakeep.cli.ipvs.command import Command
    from hakeep.kernel.ipvs import Ipvs
    from hakeep.objects.ipvs import DestinationKey, ServiceKey, Usage

DONE, ABSENT, UNUSABLE, REFUSED = 0, 1, 2, 255


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    from hakeep.cli.ipvs.command_line import declare

    declare(parser)
    parser.set_defaults(parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do the command; the exit status."""
    from hakeep.cli.ipvs.command import Refused, command
    from hakeep.kernel.ipvs_refusals import unavailable
    from hakeep.kernel.ipvs_rows import Unreadable
    from hakeep.kernel.netlink import NetlinkError

    try:
        order = command(arguments)
        orders = _read(sys.stdin) if order.verb == "restore" else []
    except Refused as refusal:
        return _complain(str(refusal), UNUSABLE)
    try:
        with _connect() as ipvs:
            if order.verb != "restore":
                return _perform(ipvs, order)
            return max((_perform(ipvs, each) for each in orders), default=DONE)
    except NetlinkError as error:
        return _complain(unavailable(error.errno), UNUSABLE)
    except (OSError, Unreadable) as error:
        return _complain(f"IPVS cannot be used: {error}", UNUSABLE)


def _connect() -> Ipvs:
    """Where the kernel has no IPVS yet, its module is loaded, as ipvsadm does. Raises NetlinkError."""
    from hakeep.kernel.ipvs import Ipvs, load_module
    from hakeep.kernel.netlink import NetlinkError

    try:
        return Ipvs()
    except NetlinkError as error:
        if error.errno != errno.ENOENT or os.geteuid() != 0:
            raise
    load_module()
    return Ipvs()


class _Lines(argparse.ArgumentParser):
    """Reads the lines of -R."""

    def error(self, message: str) -> NoReturn:
        from hakeep.cli.ipvs.command import Refused

        raise Refused(message)


def _read(lines: Iterable[str]) -> list[Command]:
    """The commands of -R. Raises Refused, also for a command that would print."""
    from hakeep.cli.ipvs.command import Refused, command
    from hakeep.cli.ipvs.command_line import declare

    parser = _Lines(add_help=False)
    declare(parser)
    orders = []
    for number, line in enumerate(lines, 1):
        try:
            words = shlex.split(line, comments=True)
            if not words[words[:1] == ["ipvsadm"] :]:
                continue
            order = command(parser.parse_args(words[words[:1] == ["ipvsadm"] :]))
            if order.verb in ("restore", "save", "list"):
                raise Refused(f"--{order.verb} is no command for --restore")
        except (Refused, ValueError) as refusal:
            raise Refused(f"line {number}: {refusal}") from None
        orders.append(order)
    return orders


def _perform(ipvs: Ipvs, order: Command) -> int:
    if order.verb == "list":
        return _list(ipvs, order)
    if order.verb == "save":
        return _save(ipvs, order)
    return _change(ipvs, order)


# ---------------------------------------------------------------------------------------------------------- changes


def _change(ipvs: Ipvs, order: Command) -> int:
    from hakeep.kernel.ipvs_refusals import daemon_refusal, refusal
    from hakeep.kernel.netlink import NetlinkError

    message = _message(ipvs.family, order)
    if message is not None:
        number, encoded = message
        errors = ipvs.order([encoded])
        subject = order.destination or order.service
        if errors and subject is not None:
            return _complain(refusal(number, subject, errors[0]), REFUSED)
        return DONE
    try:
        _others(ipvs)[order.verb](order)
    except NetlinkError as error:
        if order.daemon is not None:
            return _complain(daemon_refusal(order.daemon.state, order.daemon.interface, error.errno), REFUSED)
        if order.service is not None:
            return _complain(f"there is no such service: {order.service.key}", REFUSED)
        raise
    return DONE


def _message(family: int, order: Command) -> tuple[int, bytes] | None:
    """The command number and message for what is done to a service or a real server; None for anything else."""
    from hakeep.kernel import ipvs_rows as rows

    service = {"add-service": rows.NEW_SERVICE, "edit-service": rows.SET_SERVICE}.get(order.verb)
    server = {"add-server": rows.NEW_DEST, "edit-server": rows.SET_DEST}.get(order.verb)
    if order.destination is not None:
        if server is not None:
            return server, rows.encode_destination(family, server, order.destination)
        return rows.DEL_DEST, rows.encode_destination_key(family, order.destination.key)
    if order.service is not None and service is not None:
        return service, rows.encode_service(family, service, order.service)
    if order.service is not None and order.verb == "delete-service":
        return rows.DEL_SERVICE, rows.encode_service_key(family, rows.DEL_SERVICE, order.service.key)
    return None


def _others(ipvs: Ipvs) -> dict[str, Callable[[Command], None]]:
    def set_timeouts(order: Command) -> None:
        if order.timeouts is not None:
            ipvs.set_timeouts(order.timeouts)

    def start(order: Command) -> None:
        if order.daemon is not None:
            ipvs.start(order.daemon)

    def stop(order: Command) -> None:
        if order.daemon is not None:
            ipvs.stop(order.daemon.state)

    return {
        "clear": lambda order: ipvs.flush(),
        "zero": lambda order: ipvs.zero(order.service.key if order.service else None),
        "set": set_timeouts,
        "start-daemon": start,
        "stop-daemon": stop,
    }


# ------------------------------------------------------------------------------------------------------------ lists


def _list(ipvs: Ipvs, order: Command) -> int:
    from hakeep.cli.ipvs import connections, listing
    from hakeep.cli.ipvs.names import Names, Numbers
    from hakeep.objects.ipvs import Table

    view = order.view
    names = Numbers() if "numeric" in view else Names()
    if "connection" in view:
        with Path(connections.PATH).open() as lines:
            _print(connections.render(connections.parse(lines), names, engines="persistent_conn" in view))
        return DONE
    if "timeout" in view:
        _print([listing.timeouts(ipvs.timeouts())])
        return DONE
    if "daemon" in view:
        _print(map(listing.daemon, ipvs.daemons()))
        return DONE
    if order.service is None:
        _print([listing.title(*ipvs.info())])
        services = ipvs.services()
    else:
        found = ipvs.service(order.service.key)
        if found is None:
            return _complain(f"there is no such service: {order.service.key}", ABSENT)
        services = [found]
    counted = [pair for service in services for pair in ipvs.counted(service.key)]
    usage: dict[ServiceKey | DestinationKey, Usage] = {destination.key: each for destination, each in counted}
    if view & {"stats", "rate"}:
        usage |= {service.key: ipvs.usage_of(service.key) for service in services}
    table = Table.of(services, (destination for destination, _ in counted))
    _print(listing.listing(table, usage, view, names))
    return DONE


def _save(ipvs: Ipvs, order: Command) -> int:
    from hakeep.cli.ipvs.names import Names, Numbers
    from hakeep.cli.ipvs.rules import rules

    table = ipvs.table()
    exact = "exact" in order.view
    _print(rules(table, Numbers() if "numeric" in order.view else Names(), exact=exact))
    lost = sum(1 for each in table.destinations.values() if each.upper or each.lower)
    if lost and not exact:
        _complain(f"left out as ipvsadm does: connection thresholds of {lost} real servers; --exact prints them", DONE)
    return DONE


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def _complain(sentence: str, status: int) -> int:
    print(f"hakeep ipvs: {sentence}", file=sys.stderr)
    return status
