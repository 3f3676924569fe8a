"""A closer look at the machine that a configuration is for: addresses of its interfaces, and who could change scripts.

`this_host` knows what the daemon needs to start. This is more, for somebody who asks whether a configuration is good.
Nothing is asked of the kernel before a rule wants to know it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from hakeep.config.files import this_host
from hakeep.config.host import Host
from hakeep.config.settled import Script

Addresses = Mapping[str, tuple[IPv4Interface | IPv6Interface, ...]]


def inspect_host() -> Host:
    """The facts of the machine we are on, with the addresses of its interfaces. Raises nothing: what cannot be found
    out is not known."""
    addresses = cache(_addresses)
    return replace(this_host(), subnets=lambda name: addresses().get(name, ()), script_weakness=script_weakness)


def _addresses() -> Addresses:
    """The addresses of every interface, with the networks that they lie in."""
    import socket

    from hakeep.kernel.netlink import Netlink
    from hakeep.kernel.rtnl import read_addresses

    found: dict[str, tuple[IPv4Interface | IPv6Interface, ...]] = {}
    try:
        names = dict(socket.if_nameindex())
        with Netlink() as netlink:
            for address in read_addresses(netlink, names):
                entry = ip_interface((address.ip, address.prefix))
                found[address.interface] = (*found.get(address.interface, ()), entry)
    except OSError:
        return {}
    return found


def script_weakness(script: Script) -> str:
    """How somebody other than root could change the script, "" if nobody can, or if there is no such script."""
    from hakeep.notify.security import ScriptError, check_path, find_script

    try:
        path = find_script(script.argv)
    except ScriptError:
        return ""
    try:
        check_path(path)
    except ScriptError as weakness:
        return str(weakness)
    return ""
