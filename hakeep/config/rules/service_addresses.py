"""Addresses and ports of virtual servers: does anybody hold them, can they be served as they are?"""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.diagnostic import Code
from hakeep.config.rules.rule import Found, advice, error, rule, warning
from hakeep.config.rules.view import View
from hakeep.config.values.services import MOST_ADDRESSES, AddressRange, ServiceKey
from hakeep.objects.rtnl import IPAddress


@rule(Code.SERVICE_WITHOUT_VIP)
def without_vip(view: View) -> Iterator[Found]:
    """A virtual server whose address no instance holds

    The file has VRRP instances, and none of them (nor static_ipaddress) has the address of this service. Unless the
    address is put on the machine by something else, nobody answers for it: usually one of the two has a wrong digit,
    or was changed alone.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }
        virtual_server 192.0.2.101 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }
        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    held = {vip.entry.ip for vip in view.vips} | {entry.ip for entry in view.config.static_ipaddress}
    if not view.vips:
        return
    for service in view.services:
        ip = service.head.ip
        if ip is not None and ip not in held and not _leads_here(view, ip):
            held.add(ip)  # one address, one warning
            yield advice(f"virtual_server {service.name}: no vrrp_instance has the address {ip}", service.span(word=1),
                         fix=f"add {ip} to virtual_ipaddress")


@rule(Code.PORT_ZERO)
def port_zero(view: View) -> Iterator[Found]:
    """A service for all ports without persistence

    Port 0, or none, stands for every port of the address. IPVS takes such a service only with persistence; a
    persistence_timeout of 360 s is assumed.

    Example::

        virtual_server 192.0.2.100 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 { TCP_CHECK { connect_port 80 } }
        }

    Cure::

        virtual_server 192.0.2.100 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            persistence_timeout 300
            real_server 192.0.2.21 { TCP_CHECK { connect_port 80 } }
        }
    """
    for service in view.services:
        key: ServiceKey = service.head
        persists = "persistence_timeout" in service.places or "persistence_granularity" in service.places
        if key.ip is not None and not key.port and not persists:
            yield error(f"virtual_server {service.name} has no port, so it needs persistence; 360 s is used",
                        service.span(), fix="add a port, or persistence_timeout")


@rule(Code.HA_SUSPEND)
def ha_suspend(view: View) -> Iterator[Found]:
    """ha_suspend for an address that never comes

    With ha_suspend a service is checked only while its address is on this machine, and one of a group while any of the
    group's is. If no VRRP instance holds it, nothing ever brings it, and the checks may never run. A firewall mark has
    none to wait for. keepalived does not look at the addresses of groups.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            ha_suspend
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }
        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            ha_suspend
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    held = {vip.entry.ip for vip in view.vips} | {entry.ip for entry in view.config.static_ipaddress}
    for service in view.services:
        key: ServiceKey = service.head
        if not service.get("ha_suspend"):
            continue
        why = (f"no vrrp_instance has the address {key.ip}" if key.ip is not None and key.ip not in held
               else "a firewall mark has no address to wait for" if key.fwmark
               else "no vrrp_instance has an address of its group" if key.group and not _holds(held, view, key.group)
               else "")
        if why:
            yield warning(f"virtual_server {service.name}: {why}", service.span("ha_suspend"))


@rule(Code.GROUP_FAMILIES)
def group_families(view: View) -> Iterator[Found]:
    """A virtual_server_group of both families

    The real servers of a service are of one family, and only tunnels (TUN) carry the other one. With NAT or DR they can
    serve only a part of such a group. Make one group and one virtual_server for each family.

    Example::

        virtual_server_group web {
            192.0.2.100 80
            2001:db8::100 80
        }
        virtual_server group web {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        virtual_server_group web {
            192.0.2.100 80
            192.0.2.101 80
        }
        virtual_server group web {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    direct = {service.head.group for service in view.services
              if dict(service.get("lvs_method") or ()).get("method", "NAT") != "TUN"}
    for group in view.config.virtual_server_group:
        if group.name not in direct:
            continue
        entries: tuple[AddressRange, ...] = group.get("entries", ())
        families = [entry.first.version if entry.first else entry.family for entry in entries]
        known = [family for family in families if family]
        odd = next((index for index, family in enumerate(families) if family and family != known[0]), None)
        if odd is not None:
            yield warning(f"virtual_server_group {group.name} has IPv4 and IPv6 entries", group.span("entries", odd),
                          also=(group.span("entries", families.index(known[0])), "the first one"))


@rule(Code.GROUP_SIZE)
def group_size(view: View) -> Iterator[Found]:
    """A virtual_server_group of very many addresses

    Each address is a service in the kernel with all real servers in it: the network of one short prefix is more than
    any kernel has room for. Of one entry the first 65536 addresses are used. For a whole network, mark its packets and
    use the firewall mark.

    Example::

        virtual_server_group web {
            2001:db8::/64 80
        }
        virtual_server group web {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 2001:db8:1::21 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        virtual_server_group web {
            fwmark 7 inet6
        }
        virtual_server group web {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 2001:db8:1::21 80 { TCP_CHECK { connect_port 80 } }
        }
    """
    for group in view.config.virtual_server_group:
        entries: tuple[AddressRange, ...] = group.get("entries", ())
        for index, entry in enumerate(entries):
            if entry.first is None or entry.last is None:
                continue
            count = int(entry.last) - int(entry.first) + 1
            if count > MOST_ADDRESSES:
                many = f"{count}" if count < 10**12 else f"10^{len(str(count)) - 1}"
                yield warning(f"virtual_server_group {group.name}: these are {many} addresses; the first "
                              f"{MOST_ADDRESSES} are used", group.span("entries", index, 0), fix="use a fwmark")


@rule(Code.PERSISTENCE)
def persistence(view: View) -> Iterator[Found]:
    """persistence_granularity without persistence_timeout

    The granularity says how much of a client's address counts, and turns persistence on with 360 s. Clients then stay
    with their server for six minutes, though no line of the file says so.

    Example::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            persistence_granularity 255.255.255.0
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }

    Cure::

        virtual_server 192.0.2.100 80 {
            protocol TCP
            lvs_sched rr
            lvs_method DR
            persistence_timeout 360
            persistence_granularity 255.255.255.0
            real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
        }
    """
    for service in view.services:
        if service.get("persistence_granularity") is not None and "persistence_timeout" not in service.places:
            yield advice(f"virtual_server {service.name}: persistence_granularity turns persistence on, for 360 s",
                         service.span("persistence_granularity"), fix="add persistence_timeout SECONDS")


def _holds(held: set[IPAddress], view: View, name: str) -> bool:
    """Whether one of these is an address of the group."""
    entries = next((group.get("entries", ()) for group in view.config.virtual_server_group if group.name == name), ())
    return any(entry.first and entry.first.version == ip.version and int(entry.first) <= int(ip) <= int(entry.last)
               for entry in entries for ip in held)


def _leads_here(view: View, ip: IPAddress) -> bool:
    """True if the interfaces of the host, where known, have the address."""
    subnets, names = view.host.subnets, view.host.known_interfaces
    return bool(subnets and names and any(subnet.ip == ip for name in names for subnet in subnets(name)))
