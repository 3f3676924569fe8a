"""Pages of what is wrong with values, each for itself."""

from __future__ import annotations

from hakeep.config.diagnostic import Code

VALUES: dict[Code, str] = {
    Code.BAD_NUMBER: """\
Not a number

The keyword takes a number. The line is left out, or the digits at its beginning are taken; the message says which.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        priority high
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        priority 200
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.OUT_OF_RANGE: """\
A number outside of its range

The line is left out and the default stays, unless the message says otherwise. Among them is `persistence_timeout 0`,
with which people mean to turn persistence off: it is off when the line is not there.

Example::

    virtual_server 192.0.2.100 80 {
        protocol TCP
        lvs_sched rr
        lvs_method DR
        persistence_timeout 0
        real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
    }

Cure::

    virtual_server 192.0.2.100 80 {
        protocol TCP
        lvs_sched rr
        lvs_method DR
        real_server 192.0.2.21 80 { TCP_CHECK { connect_timeout 3 } }
    }
""",
    Code.BAD_WORD: """\
A word that is not one of those possible

The keyword takes one of a few words, in exactly this spelling, capitals included.

Example::

    vrrp_instance VI_1 {
        state Master
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        state MASTER
        interface eth0
        virtual_router_id 51
        priority 150
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.BAD_ADDRESS: """\
Not an IP address

An address, or one of the right family or kind, is needed here. Names are not looked up: a router must not wait for
DNS to take over.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        unicast_src_ip router1.example.org
        unicast_peer { 192.0.2.12 }
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
    Code.BAD_ENTRY: """\
An entry that cannot be understood

A line of a list (addresses, routes, rules, trackers) lacks a word, or has one where it does not belong. The entry is
left out.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 dev }
        no_virtual_ipaddress
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 dev eth0 }
    }
""",
    Code.UNKNOWN_OPTION: """\
An option that does not exist

The line is read, and this word of it is left out. In a list each entry needs a line of its own: a second address on
the line is taken for an option.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 192.0.2.101/24 }
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
""",
    Code.TOO_LONG: """\
A word that is too long

Names of interfaces have at most 15 characters, and of auth_pass only 8 count: the rest is cut off. Two passwords that
begin alike are the same, and a long one is no safer than its first 8 characters.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        authentication {
            auth_type PASS
            auth_pass correct_horse
        }
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        authentication {
            auth_type PASS
            auth_pass correct_
        }
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.BAD_VALUE: """\
A value that cannot be used

It is of the right form, but something about it is not possible here; the message says what.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        use_vmac 01:00:5e:00:00:01
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        use_vmac 02:00:5e:00:00:01
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
}
