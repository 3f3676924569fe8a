"""`hakeep realserver add|remove|check VIP...`: what a real server needs for direct routing or tunnels.

Packets come to it that are addressed to the virtual server. So it must have that address, and must not answer ARP for
it, or clients find the real server and not the director.

add sets net.ipv4.conf.*.arp_ignore to 1 and arp_announce to 2, on all and on the interfaces in the address's network,
and puts the address, with /32 or /128 and a label such as lo:hakeep0, on lo. IPv6 needs no settings. With --tun it sets
the tunnel's device up (tunl0; sit0 for an IPv6 address in IPv4 packets; ip6tnl0 with --ipv6), its rp_filter to 2 if
it is 1, and puts the address there. What is right already stays as it is. IPv4 in IPv6 packets is not provided for.

remove takes away what add has added and gives settings their old values, as soon as no other address needs them.

check says of each thing whether it is there, and if not, which command mends it.

With --persist it is there after a reboot, too: by the unit hakeep-realserver.service of systemd, which says add again.
remove takes it out of there.

Exit status: 0 done, 1 something is missing (check) or cannot be done, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from hakeep.cli.hakeep_connection import DONE, FAILED

if TYPE_CHECKING:
    from hakeep.cli.realserver.host import Host
    from hakeep.cli.realserver.needs import Need
    from hakeep.objects.rtnl import IPAddress

RUN = Path("/run/hakeep")
ETC = Path("/etc")
#: There is one where systemd is in charge (sd_booted(3)).
SYSTEMD = Path("/run/systemd/system")


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=("add", "remove", "check"), help="what to do")
    parser.add_argument("vips", nargs="+", type=_ip, metavar="VIP", help="addresses of virtual servers")
    parser.add_argument("--tun", action="store_true", help="the director sends through tunnels (lb_kind TUN)")
    parser.add_argument("--ipv6", action="store_true", help="with --tun: the tunnels' packets are IPv6")
    parser.add_argument("--persist", action="store_true", help="with add: after a reboot, too")
    parser.set_defaults(parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from hakeep.cli.realserver.host import Failed, Host
    from hakeep.kernel.netlink import Netlink

    if arguments.ipv6 and not arguments.tun:
        arguments.parser.error("--ipv6 says how tunnels are made: it goes with --tun")
    if arguments.ipv6 and any(ip.version == 4 for ip in arguments.vips):
        arguments.parser.error("the kernel's ip6tnl0 takes no IPv4; it needs a tunnel of its own for each director")
    if arguments.persist and arguments.action != "add":
        arguments.parser.error("--persist goes with add")
    if arguments.action != "check" and os.geteuid() != 0:
        return _complain(f"only root may {arguments.action} addresses and settings")
    if arguments.persist and not SYSTEMD.is_dir():
        return _complain("--persist needs systemd, which does not run here; have your init system say "
                         "`hakeep realserver add` at each boot")
    try:
        with Netlink() as netlink:
            return ACTIONS[arguments.action](Host(netlink, RUN), arguments)
    except Failed as failure:
        return _complain(str(failure))
    except OSError as error:
        return _complain(f"{error.filename or 'netlink'}: {error.strerror}")


def _ip(text: str) -> IPAddress:
    try:
        ip = ip_address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IP address") from None
    if ip.is_multicast or ip.is_unspecified or ip.is_loopback or ip.is_link_local:
        raise argparse.ArgumentTypeError(f"{text} is not an address that a virtual server can have")
    return ip


def _needs(host: Host, arguments: argparse.Namespace) -> list[Need]:
    from hakeep.cli.realserver.needs import needs

    return needs(arguments.vips, host.addresses, (6 if arguments.ipv6 else 4) if arguments.tun else 0)


def _check(host: Host, arguments: argparse.Namespace) -> int:
    from hakeep.cli.realserver.needs import Setting

    status = DONE
    for need in _needs(host, arguments):
        wrong = host.lacks(need)
        what = f"{need} is {' or '.join(need.accepted)}" if isinstance(need, Setting) else str(need)
        if wrong:
            print(f"missing  {what}: {wrong}; mend it: {need.cure}")
            status = FAILED
        else:
            print(f"ok       {what}")
    return status


def _add(host: Host, arguments: argparse.Namespace) -> int:
    from hakeep.cli.realserver import boot
    from hakeep.cli.realserver.needs import Setting

    with host.turn():
        for need in _needs(host, arguments):
            if host.lacks(need):
                host.fulfil(need)
                print(f"done     {need}" + (f" is {need.accepted[0]}" if isinstance(need, Setting) else ""))
            else:
                print(f"ok       {need}")
        if arguments.persist:
            options = [f"--{name}" for name in ("tun", "ipv6") if getattr(arguments, name)]
            print(f"done     after a reboot, too: {boot.keep(ETC, arguments.vips, options)}")
    return DONE


def _remove(host: Host, arguments: argparse.Namespace) -> int:
    from hakeep.cli.realserver import boot

    with host.turn():
        done = host.remove(arguments.vips)
        unit = boot.forget(ETC, arguments.vips)
    if unit is not None:
        done.append(f"removed  from {unit}" if unit.exists() else f"removed  {unit}")
    print("\n".join(done) or f"nothing to remove: {_listed(arguments.vips)} is not on this host by hakeep")
    return DONE


ACTIONS = {"add": _add, "remove": _remove, "check": _check}


def _listed(vips: Sequence[IPAddress]) -> str:
    return ", ".join(map(str, vips))


def _complain(sentence: str) -> int:
    print(f"hakeep realserver: {sentence}", file=sys.stderr)
    return FAILED
