"""Pages of what an instance needs: a number, an interface, addresses, and a way for its adverts."""

from __future__ import annotations

from hakeep.config.diagnostic import Code

INSTANCES: dict[Code, str] = {
    Code.NO_VRID: """\
An instance without virtual_router_id

Routers of one virtual router know each other by this number, 1 to 255. There is no default, and nothing starts
without it.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.NO_INTERFACE: """\
An instance without interface

Adverts need an interface to go out of. Only an instance with unicast peers and a source address can do without.

Example::

    vrrp_instance VI_1 {
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.NO_VIP: """\
An instance without addresses

Version 3 and strict mode need at least one address in virtual_ipaddress; nothing starts without it, unless
no_virtual_ipaddress says that it is meant. With version 2 it runs and moves nothing but what is excluded or scripted.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.VRID_CLASH: """\
Two instances with the same virtual_router_id on one link

They would take each other's adverts for their own. On one interface, for one family and one group or set of peers,
each virtual_router_id can be used once. Nothing starts with it.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }
    vrrp_instance VI_2 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.101/24 }
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
""",
    Code.FAMILY: """\
An address of the other family

An instance speaks IPv4 or IPv6: the first address decides. Addresses, peers and sources of the other family are left
out. Addresses that are only to come along may be of either family in virtual_ipaddress_excluded.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress {
            192.0.2.100/24
            2001:db8::100/64
        }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
        virtual_ipaddress_excluded { 2001:db8::100/64 }
    }
""",
    Code.VERSION: """\
Version 2 with IPv6

VRRP version 2 is for IPv4. Version 3 is used.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { fe80::100/64 }
        version 2
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { fe80::100/64 }
        version 3
    }
""",
    Code.UNICAST: """\
A unicast keyword that does not fit

Peers make an instance unicast. Words that only mean something with peers have no effect without them, and the group's
words have none with them. unicast_src_ip alone does not turn multicast off.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        unicast_src_ip 192.0.2.11
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
""",
    Code.VMAC: """\
A keyword of use_vmac or use_ipvlan that does not fit

vmac_xmit_base means nothing without use_vmac; with unicast peers adverts go out of the base interface in any case; an
ipvlan of IPv4 needs an address of its own.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        vmac_xmit_base
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        use_vmac
        vmac_xmit_base
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.VIP_COUNT: """\
More addresses than an advert has room for

An advert is one packet. Addresses that do not fit move with the others but are not listed, as if they stood in
virtual_ipaddress_excluded; write them there.

Example::

    $ echo 'vrrp_instance VI_1 {
          interface eth0
          virtual_router_id 51
          virtual_ipaddress {
              ~SEQ(A, 0, 1) ~SEQ(N, 1, 254) 10.0.${A}.${N}/16
          }
      }' > hakeep.conf
    $ hakeep check hakeep.conf

Cure::

    $ echo 'vrrp_instance VI_1 {
          interface eth0
          virtual_router_id 51
          virtual_ipaddress { 10.0.0.1/16 }
          virtual_ipaddress_excluded {
              ~SEQ(N, 2, 254) 10.0.0.${N}/16
              ~SEQ(N, 1, 254) 10.0.1.${N}/16
          }
      }' > hakeep.conf
    $ hakeep check hakeep.conf
""",
    Code.DUPLICATE_VIP: """\
An instance lists an address twice

The second one is left out, with its options.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress {
            192.0.2.100/24
            192.0.2.100/24 label eth0:1
        }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress {
            192.0.2.100/24 label eth0:1
        }
    }
""",
    Code.LINK_LOCAL: """\
The first IPv6 address is not link-local

RFC 9568 (5.2.9) wants a link-local address first: hosts use it as their router. It matters for a default router, less
for a service. Strict mode insists.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 2001:db8::100/64 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress {
            fe80::100/64
            2001:db8::100/64
        }
    }
""",
    Code.VIP_PLACE: """\
An address without an interface to go to

The instance has no interface, so each of its addresses must name one with dev.

Example::

    vrrp_instance VI_1 {
        virtual_router_id 51
        unicast_src_ip 192.0.2.11
        unicast_peer { 192.0.2.12 }
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        virtual_router_id 51
        unicast_src_ip 192.0.2.11
        unicast_peer { 192.0.2.12 }
        virtual_ipaddress { 192.0.2.100/24 dev eth0 }
    }
""",
    Code.GARP_GROUP: """\
A garp_group that has no effect

It needs an interval and at least one interface, and an interface can be in one group.

Example::

    garp_group {
        garp_interval 0.01
    }

Cure::

    garp_group {
        garp_interval 0.01
        interfaces { eth0 }
    }
""",
}
