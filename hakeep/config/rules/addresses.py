"""Virtual addresses: each on one instance, on the link where its network is, and no router's own."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from hakeep.config.diagnostic import Code
from hakeep.config.rules.rule import Found, rule, warning
from hakeep.config.rules.view import View, Vip
from hakeep.objects.rtnl import IPAddress


@rule(Code.SAME_VIP)
def same_vip(view: View) -> Iterator[Found]:
    """Two instances hold the same address

    Each of them adds the address when it becomes master and takes it away when it is not. If they are not master on
    the same router, two routers answer for it; if they are, the first one that gives up removes it for both.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance VI_2 {
            interface eth0
            virtual_router_id 52
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance VI_2 {
            interface eth0
            virtual_router_id 52
            virtual_ipaddress { 192.0.2.101/24 }
        }
    """
    seen: dict[tuple[IPAddress, str], Vip] = {}
    for vip in view.vips:
        first = seen.setdefault((vip.entry.ip, vip.interface if vip.entry.ip.is_link_local else ""), vip)
        if first.written is not vip.written:
            yield warning(f"{vip.written.name}: {vip.entry.ip} is an address of {first.written.name} too", vip.span,
                          also=(first.span, "the other one"))


@rule(Code.VIP_OTHER_LINK)
def other_link(view: View) -> Iterator[Found]:
    """A virtual address whose network is on another interface

    This address lies in a network whose other virtual addresses are on another interface. The master then has the
    same network on two links: answers go out of one of them only, and hosts on the other one do not hear from it.
    Usually `dev` is missing.

    Example::

        vrrp_instance OUTSIDE {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress {
                192.0.2.100/24
                198.51.100.101/24
            }
        }
        vrrp_instance INSIDE {
            interface eth1
            virtual_router_id 52
            virtual_ipaddress {
                198.51.100.100/24
                198.51.100.102/24
            }
        }

    Cure::

        vrrp_instance OUTSIDE {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress {
                192.0.2.100/24
                198.51.100.101/24 dev eth1
            }
        }
        vrrp_instance INSIDE {
            interface eth1
            virtual_router_id 52
            virtual_ipaddress {
                198.51.100.100/24
                198.51.100.102/24
            }
        }
    """
    homes: dict[tuple[int, int, int], Vip] = {}
    for vip in view.vips:
        key = vip.network
        if key is None:
            continue
        first = homes.setdefault(key, vip)
        if vip.interface not in ("", first.interface) and first.interface and vip.entry.ip != first.entry.ip:
            network = ip_network((vip.entry.ip, key[1]), strict=False)
            yield warning(
                f"{vip.written.name}: {vip.entry.ip} is put on {vip.interface}, but {network} is on {first.interface}",
                vip.span, also=(first.span, f"an address of that network on {first.interface}"),
                fix="say on which interface it is: dev IFNAME")


@rule(Code.VIP_NOT_A_HOST)
def not_a_host(view: View) -> Iterator[Found]:
    """An address that no host can have

    The first address of an IPv4 network is the network's name and the last one its broadcast address; 0.0.0.0/8,
    127.0.0.0/8 and multicast addresses are nobody's. Other hosts will not talk to such an address.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.0/24 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    for vip in view.vips:
        ip, prefix = vip.entry.ip, vip.entry.prefix
        hosts = (1 << (ip.max_prefixlen - prefix)) - 1 if prefix is not None and ip.version == 4 else 0
        what = ""
        if ip.is_multicast or ip.is_unspecified or (ip.is_loopback and vip.interface != "lo"):
            what = ("a multicast address" if ip.is_multicast else "no address" if ip.is_unspecified
                    else "a loopback address")
        elif hosts > 1 and not vip.entry.peer and int(ip) & hosts in (0, hosts):
            what = "the broadcast address of its network" if int(ip) & hosts else "the name of its network"
        if what:
            yield warning(f"{vip.written.name}: {ip}{f'/{prefix}' if prefix is not None else ''} is {what}", vip.span)


@rule(Code.VIP_PREFIXES)
def prefixes(view: View) -> Iterator[Found]:
    """Addresses of one network with different prefix lengths

    Two addresses on one interface where one's network holds the other, but with another length. One of the lengths is
    wrong, and the master gets a route that sends part of a network the wrong way. (An address alone, /32 or /128,
    beside a network is usual and fine.)

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress {
                192.0.2.100/24
                192.0.2.101/16
            }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress {
                192.0.2.100/24
                192.0.2.101/24
            }
        }
    """
    links: dict[tuple[str, int], dict[int, dict[int, Vip]]] = {}  # the first address of each network, by length
    for vip in view.vips:
        network = vip.network
        if network and not vip.entry.peer:
            version, length, bits = network
            links.setdefault((vip.interface, version), {}).setdefault(length, {}).setdefault(bits, vip)
    for lengths in links.values():
        for length, networks in lengths.items():
            for shorter in (other for other in lengths if 8 <= other < length):
                for bits, vip in networks.items():
                    wide = lengths[shorter].get(bits >> (length - shorter))
                    if wide:
                        yield warning(
                            f"{wide.written.name}: {wide.entry.ip} has prefix length {shorter}, {vip.entry.ip} on the "
                            f"same interface has {length}", wide.span, also=(vip.span, "the other one"))
                        break


@rule(Code.VIP_OUTSIDE)
def outside(view: View) -> Iterator[Found]:
    """A virtual address outside of every network of its interface

    No address of this machine on the interface is in a network that holds the virtual address. Hosts of the link
    reach it only over a route that somebody else must have. Often it is a wrong digit, or the wrong interface. Known
    only with --host.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 203.0.113.100/24 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    subnets = view.host.subnets
    if subnets is None:
        return
    for vip in view.vips:
        own = subnets(vip.interface) if vip.interface and not vip.entry.ip.is_link_local else ()
        same = [subnet for subnet in own if subnet.version == vip.entry.ip.version and subnet.ip != vip.entry.ip
                and not subnet.is_link_local]
        if same and vip.listed and not any(vip.entry.ip in subnet.network for subnet in same):
            names = ", ".join(sorted({str(subnet.network) for subnet in same})[:4])
            yield warning(f"{vip.written.name}: {vip.entry.ip} is in no network of {vip.interface}", vip.span,
                          note=f"{vip.interface} has {names}")


@rule(Code.VIP_IS_SOURCE)
def source(view: View) -> Iterator[Found]:
    """Adverts are to come from a virtual address

    The source address of adverts (mcast_src_ip, unicast_src_ip) must be this router's own. A virtual address is on
    the master only, so a backup could not send, and a new master would send from an address that its peers believe to
    be somebody else's.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            mcast_src_ip 192.0.2.100
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            mcast_src_ip 192.0.2.11
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    vips = _by_address(view)
    for member in view.instances:
        ip = member.settled.source
        if ip is not None and ip in vips and not member.settled.owner:
            yield warning(f"{member.written.name}: {ip} is a virtual address, not one of this router's own",
                          member.written.span("source_ip", word=1), also=(vips[ip].span, "listed here"),
                          fix="use the address that the interface has all the time")


@rule(Code.STATIC_VIP)
def static(view: View) -> Iterator[Found]:
    """An address is both static and virtual

    What stands in static_ipaddress is there in every state. A virtual address must be on the master only, or all
    routers answer for it.

    Example::

        static_ipaddress { 192.0.2.100/24 dev eth0 }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        static_ipaddress { 192.0.2.11/24 dev eth0 }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    vips = _by_address(view)
    for index, entry in enumerate(view.config.static_ipaddress):
        if entry.ip in vips:
            vip = vips[entry.ip]
            yield warning(f"{entry.ip} is static, so {vip.written.name} cannot move it",
                          view.config.span("static_ipaddress", index, 0), also=(vip.span, "here it is virtual"))


@rule(Code.LABEL)
def label(view: View) -> Iterator[Found]:
    """A label that does not begin with the interface's name

    ifconfig and old scripts take the part of a label before the colon for the interface. With another name there they
    look at the wrong one, or at none.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 label eth1:1 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 label eth0:1 }
        }
    """
    for vip in view.vips:
        name = vip.entry.label.partition(":")[0]
        if vip.entry.label and vip.interface and name != vip.interface and not vip.written.use_vmac:
            yield warning(f"{vip.written.name}: the label {vip.entry.label} does not begin with {vip.interface}",
                          vip.span, fix=f"label {vip.interface}:{vip.entry.label.partition(':')[2] or '1'}")


def _by_address(view: View) -> dict[IPAddress, Vip]:
    return {vip.entry.ip: vip for vip in reversed(view.vips)}
