"""Names of hosts and ports: `Names` asks the system, `Numbers` (-n) knows none."""

from __future__ import annotations

import socket
from functools import cache
from ipaddress import ip_address

from hakeep.objects.ipvs import PROTOCOLS
from hakeep.objects.rtnl import IPAddress


class Numbers:
    """No names: an address and a port are called by themselves."""

    def host(self, ip: IPAddress) -> str:
        """What the address is called."""
        return str(ip)

    def port(self, port: int, protocol: int) -> str:
        """What the port is called in this protocol; 0 = in none, the service is a firewall mark."""
        return str(port)

    def shown(self, ip: IPAddress, port: int, protocol: int) -> str:
        """Both, as ipvsadm writes them: ``10.0.0.1:80``, ``[2001:db8::1]:80``."""
        host = self.host(ip)
        return f"{host if ip.version == 4 else f'[{host}]'}:{self.port(port, protocol)}"


class Names(Numbers):
    """The system's names, by its resolver and its list of services. Each is asked for once."""

    @cache  # noqa: B019 - lives as long as the program
    def host(self, ip: IPAddress) -> str:
        """The name of an address; itself when it has none."""
        try:
            return socket.gethostbyaddr(str(ip))[0]
        except OSError:
            return str(ip)

    @cache  # noqa: B019
    def port(self, port: int, protocol: int) -> str:
        """The name of a port; itself when it has none."""
        try:
            return socket.getservbyport(port, PROTOCOLS[protocol].lower())
        except (OSError, KeyError):
            return str(port)


def find_host(name: str, *, six: bool = False) -> IPAddress | None:
    """The address of a host: IPv4 if it has one and is not to be `six`. None when there is no such host."""
    for family in (socket.AF_INET6,) if six else (socket.AF_INET, socket.AF_INET6):
        try:
            found = socket.getaddrinfo(name, None, family, socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            continue
        return ip_address(found[0][4][0])
    return None


def find_port(name: str, protocol: int) -> int | None:
    """The number of a port by its name; None when it is not known."""
    try:
        return socket.getservbyname(name, PROTOCOLS[protocol].lower()) if protocol else socket.getservbyname(name)
    except OSError:
        return None
