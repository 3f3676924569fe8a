"""Where adverts go and come from: peers, source addresses, interfaces."""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.diagnostic import Code
from hakeep.config.rules.rule import Found, advice, rule, warning
from hakeep.config.rules.view import View, Vip
from hakeep.config.schema import Section
from hakeep.objects.rtnl import IPAddress


@rule(Code.PEER_IS_SELF)
def peer_is_self(view: View) -> Iterator[Found]:
    """A unicast peer that is this router itself

    unicast_peer lists the other routers. With its own address in the list a router hears its own adverts and takes
    them for those of another one. It happens when one file is copied to all routers. With --host all addresses of
    this machine count, else unicast_src_ip.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            unicast_src_ip 192.0.2.11
            unicast_peer {
                192.0.2.11
                192.0.2.12
            }
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            unicast_src_ip 192.0.2.11
            unicast_peer {
                192.0.2.12
            }
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    for member in view.instances:
        written = member.written
        own: set[IPAddress] = {written.source_ip} if written.source_ip else set()
        if view.host.subnets is not None and member.settled.interface and written.unicast_peer:
            own |= {subnet.ip for subnet in view.host.subnets(member.settled.interface)}
        for index, peer in enumerate(written.unicast_peer):
            if peer.ip in own:
                place = written.span("source_ip", word=1) if peer.ip == written.source_ip else None
                yield warning(f"{written.name}: the peer {peer.ip} is this router itself",
                              written.span("unicast_peer", index, 0), also=(place, "our own address"),
                              fix="list the other routers only")


@rule(Code.PEER_IS_VIP)
def peer_is_vip(view: View) -> Iterator[Found]:
    """A unicast peer that is a virtual address

    A virtual address belongs to whoever is master, so the master sends its adverts to itself, and the others may
    never hear them: each of them becomes master. List the routers' own addresses.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            unicast_src_ip 192.0.2.11
            unicast_peer { 192.0.2.100 }
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            unicast_src_ip 192.0.2.11
            unicast_peer { 192.0.2.12 }
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    vips: dict[IPAddress, Vip] = {vip.entry.ip: vip for vip in reversed(view.vips)}
    for written, _ in view.instances:
        for index, peer in enumerate(written.unicast_peer):
            if peer.ip in vips:
                yield warning(f"{written.name}: the peer {peer.ip} is a virtual address",
                              written.span("unicast_peer", index, 0), also=(vips[peer.ip].span, "listed here"),
                              fix="list the router's own address")


@rule(Code.UNICAST_SOURCE)
def unicast_source(view: View) -> Iterator[Found]:
    """Unicast peers without unicast_src_ip

    The peers know this router by the source address of its adverts. Without unicast_src_ip that is the interface's
    first address; after somebody adds one or the order changes at boot, it is another one, and peers that check it
    (check_unicast_src, packet filters) drop the adverts: two masters. It matters most on an interface with several
    addresses.

    Example::

        global_defs { vrrp_check_unicast_src }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            unicast_peer { 192.0.2.12 }
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        global_defs { vrrp_check_unicast_src }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            unicast_src_ip 192.0.2.11
            unicast_peer { 192.0.2.12 }
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    for member in view.instances:
        written = member.written
        if written.unicast_peer and member.settled.unicast and written.source_ip is None:
            text = (f"{written.name}: its peers know it by its address, but without unicast_src_ip that is whichever "
                    "comes first")
            fix = "add unicast_src_ip with this router's own address"
            if member.settled.check_unicast_src:
                yield warning(text, written.span("unicast_peer", 0), fix=fix,
                              note="check_unicast_src, if the peers have it too, drops adverts from any other")
            else:
                yield advice(text, written.span("unicast_peer", 0), fix=fix)


@rule(Code.SOURCE_ABSENT)
def source_absent(view: View) -> Iterator[Found]:
    """The source address of adverts is not on the interface

    mcast_src_ip or unicast_src_ip names an address that the instance's interface does not have: adverts cannot be
    sent from it. Often the file was copied from the other router. Known only with --host.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            unicast_src_ip 192.0.2.12
            unicast_peer { 192.0.2.13 }
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            unicast_src_ip 192.0.2.11
            unicast_peer { 192.0.2.13 }
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    if view.host.subnets is None:
        return
    for member in view.instances:
        ip, interface = member.settled.source, member.settled.interface
        own = view.host.subnets(interface) if ip is not None and interface else ()
        if own and all(subnet.ip != ip for subnet in own):
            mine = ", ".join(str(subnet.ip) for subnet in own if subnet.version == ip.version) if ip else ""
            yield warning(f"{member.written.name}: {interface} does not have the address {ip}",
                          member.written.span("source_ip", word=1), note=f"it has {mine}" if mine else "")


@rule(Code.INTERFACE_ALIAS)
def alias(view: View) -> Iterator[Found]:
    """An interface name with a colon

    eth0:1 is not an interface but the label of an address on eth0. There is no such thing to send adverts from or to
    watch: neither keepalived nor hakeepd starts with it. Use eth0, and `label eth0:1` with the address. (VLANs are
    written with a dot: eth0.7.)

    Example::

        vrrp_instance VI_1 {
            interface eth0:1
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 label eth0:1 }
        }
    """
    for instance in view.config.vrrp_instance:
        places: list[tuple[str, Section, str, int]] = [(instance.interface or "", instance, "interface", -1)]
        for keyword in ("virtual_ipaddress", "virtual_ipaddress_excluded"):
            places += [(entry.dev, instance, keyword, index) for index, entry in enumerate(getattr(instance, keyword))]
        places += [(name, instance, "track_interface", i) for i, (name, _, _) in enumerate(instance.track_interface)]
        for name, section, keyword, index in places:
            if ":" in name:
                base, _, number = name.partition(":")
                word = 1 if keyword == "interface" else None
                yield warning(f"{instance.name}: {name} is the label of an address, not an interface",
                              section.span(keyword, index, word), fix=f"write {base}, and label {base}:{number} with "
                              "the address")


@rule(Code.VMAC_NAME)
def vmac_name(view: View) -> Iterator[Found]:
    """A VMAC with a name that is taken

    use_vmac makes an interface. Its name must be its own: two instances with the same name, or one with the name of
    an interface that the configuration uses otherwise, get into each other's way, and the second one ends in FAULT.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            use_vmac vrrp0
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance VI_2 {
            interface eth0
            virtual_router_id 52
            use_vmac vrrp0
            virtual_ipaddress { 192.0.2.101/24 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            use_vmac vrrp0
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance VI_2 {
            interface eth0
            virtual_router_id 52
            use_vmac vrrp1
            virtual_ipaddress { 192.0.2.101/24 }
        }
    """
    used = {w.interface: (w, "interface") for w in view.config.vrrp_instance if w.interface}
    for written in view.config.vrrp_instance:
        for keyword, use in (("use_vmac", written.use_vmac), ("use_ipvlan", written.use_ipvlan)):
            if use and use.name:
                first, place = used.setdefault(use.name, (written, keyword))
                if first is not written or place != keyword:
                    yield warning(f"{written.name}: the name {use.name} is taken", written.span(keyword),
                                  also=(first.span(place), f"by {first.name}"))


@rule(Code.PRIMARY_UNTRACKED)
def untracked(view: View) -> Iterator[Found]:
    """dont_track_primary with nothing else to watch

    The instance stays master when its interface has failed, and nothing else tells it to give way. As nobody hears it
    any more, the other router takes over; when the link comes back there are two masters for a moment.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            dont_track_primary
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            dont_track_primary
            track_interface { eth1 }
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    for member in view.instances:
        watched = view.trackers(member.written) or any(
            entry.dev and entry.dev != member.written.interface and not entry.no_track
            for entry in member.written.virtual_ipaddress)
        group = view.groups.get(member.written.name)
        if member.settled.dont_track_primary and not watched and not (group and view.trackers(group)):
            yield advice(f"{member.written.name}: with dont_track_primary no failure makes it give way",
                         member.written.span("dont_track_primary"), fix="track another interface, or a script")
