"""Real servers and sorry servers: each once, reachable the way that is chosen, and of use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hakeep.config.diagnostic import Code
from hakeep.config.keywords.lvs import CHECKERS
from hakeep.config.rules.rule import Found, error, rule, warning
from hakeep.config.rules.view import View
from hakeep.config.schema import Plain
from hakeep.config.values.services import AddressRange, ServiceKey


@rule(Code.SERVER_TWICE)
def twice(view: View) -> Iterator[Found]:
    """A real server is given twice

    The second one, with its weight and its checks, is dropped.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
            real_server 192.0.2.22 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    seen: dict[tuple[int, Any], Plain] = {}
    for service, server in view.servers:
        first = seen.setdefault((id(service), server.head), server)
        if first is not server:
            yield error(f"virtual_server {service.name}: real_server {server.name} is given twice", server.span(),
                        also=(first.span(), "first given here"))


@rule(Code.DIRECT_PORT)
def direct_port(view: View) -> Iterator[Found]:
    """Another port on the real server, without NAT

    With DR and TUN the packet reaches the real server as the client sent it: to the service's address and port. Only
    NAT can change the port. The server's port is taken to be that of the service.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 8080 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method NAT
            real_server 192.0.2.21 8080 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    for service, server in view.servers:
        key: ServiceKey = service.head
        _, port = server.head
        if port is not None and port != (key.port or 0) and key.ip and _method(service, server) != "NAT":
            yield error(f"virtual_server {service.name}: without NAT real_server {server.name} must have the same port",
                        server.span(word=2), also=(service.span(word=2), "the service's port") if key.port else None,
                        note=f"it is served on port {key.port} of the real server" if key.port else "")


@rule(Code.SERVER_FAMILY)
def family(view: View) -> Iterator[Found]:
    """A real server of another family than the service

    NAT and DR cannot turn IPv4 into IPv6 or back. Such a server is dropped, and so is such a sorry server; only TUN can
    reach it. The family of a firewall mark is ip_family, else that of the first real server.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method NAT
            real_server 2001:db8::21 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method NAT
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    for service in view.services:
        families = _families(service, view)
        also = (service.span(word=1), "the service's address" if service.head.ip else "the service")
        for server in service.get("real_server") or ():
            if server.head[0].version not in families and _method(service, server) != "TUN":
                yield error(f"virtual_server {service.name}: real_server {server.name} is of another family",
                            server.span(word=1), also=also)
        sorry = service.get("sorry_server")
        method = service.get("sorry_server_lvs_method") or service.get("lvs_method") or ()
        if sorry and sorry[0].version not in families and dict(method).get("method") != "TUN":
            yield error(f"virtual_server {service.name}: the sorry_server is of another family",
                        service.span("sorry_server", word=1), also=also)


@rule(Code.SERVER_IS_SERVICE)
def server_is_service(view: View) -> Iterator[Found]:
    """A real server with the address of the service

    The director would send the packets to itself, where IPVS catches them again. A real server needs its own address;
    to serve on the director, use 127.0.0.1 or its own address with NAT off the virtual one.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.100 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    for service, server in view.servers:
        key: ServiceKey = service.head
        ip, port = server.head
        if key.ip == ip and (port is None or port == key.port):
            yield warning(f"virtual_server {service.name}: real_server {server.name} is the service itself",
                          server.span(word=1), also=(service.span(word=1), "the service's address"))


@rule(Code.SORRY_IS_SERVER)
def sorry_is_server(view: View) -> Iterator[Found]:
    """The sorry server is a real server too

    The sorry server answers when too few real servers are up. If it is one of them, it is down together with them, or
    it was meant to be in use all the time and is the last one left anyway.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            sorry_server 192.0.2.21 80
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            sorry_server 192.0.2.29 80
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    for service, server in view.servers:
        sorry = service.get("sorry_server")
        if sorry and sorry[0] == server.head[0] and (sorry[1] or service.head.port) == (
                server.head[1] or service.head.port):
            yield warning(f"virtual_server {service.name}: the sorry_server is a real_server too",
                          service.span("sorry_server", word=1), also=(server.span(word=1), "this one"))


@rule(Code.SORRY_NEVER)
def sorry_never(view: View) -> Iterator[Found]:
    """A sorry server that is never used

    A real server without a check always counts as up. If no real server has one, the quorum is never lost and the
    sorry server never takes over, though all real servers may be dead.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            sorry_server 192.0.2.29 80
            real_server 192.0.2.21 80 { weight 1 }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            sorry_server 192.0.2.29 80
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    for service in view.services:
        servers = service.get("real_server") or ()
        if service.get("sorry_server") and servers and not any(checked(server) for server in servers):
            yield warning(f"virtual_server {service.name}: no real_server is checked, so the sorry_server is never "
                          "used",
                          service.span("sorry_server"), fix="add a check, such as TCP_CHECK, to each real_server")


@rule(Code.SORRY_ORDER)
def sorry_order(view: View) -> Iterator[Found]:
    """sorry_server_inhibit before sorry_server

    keepalived applies it to the sorry server that it has read so far. Before that there is none, and the line has no
    effect.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            sorry_server_inhibit
            sorry_server 192.0.2.29 80
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            sorry_server 192.0.2.29 80
            sorry_server_inhibit
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    for service in view.services:
        inhibits, sorry = service.order("sorry_server_inhibit", 0), service.order("sorry_server", 0)
        if inhibits >= 0 and not 0 <= sorry < inhibits:
            yield error(f"virtual_server {service.name}: sorry_server_inhibit has no effect before sorry_server",
                        service.span("sorry_server_inhibit", 0), also=(service.span("sorry_server"), "this one")
                        if sorry >= 0 else None, fix="write it after sorry_server")


def checked(server: Plain) -> bool:
    """True if the server has a check."""
    return not CHECKERS.keys().isdisjoint(server.values)


def _families(service: Plain, view: View) -> set[int]:
    """The IP versions of a service; a group may have both."""
    key: ServiceKey = service.head
    if key.ip:
        return {key.ip.version}
    said = {"inet": 4, "inet6": 6}.get(service.get("ip_family", ""), 0)
    servers = service.get("real_server") or ()
    of_marks = said or (servers[0].head[0].version if servers else service.get("sorry_server")[0].version)
    groups = (group.get("entries", ()) for group in view.config.virtual_server_group if group.name == key.group)
    entries: tuple[AddressRange, ...] = next(groups, ()) if key.group else ()
    return {entry.first.version if entry.first else entry.family or of_marks for entry in entries} or {of_marks}


def _method(service: Plain, server: Plain) -> str:
    """NAT, DR or TUN."""
    method = server.get("lvs_method") or service.get("lvs_method") or ()
    return str(dict(method).get("method", "NAT"))
