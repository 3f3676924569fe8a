"""Pages of how an instance acts, settled against what was written; and of what hakeep does not act on."""

from __future__ import annotations

from hakeep.config.diagnostic import Code

CONDUCT: dict[Code, str] = {
    Code.ADVERT_INT: """\
An interval that the version of VRRP cannot say

Version 2 has whole seconds, version 3 steps of 10 ms up to 40.95 s. The interval is rounded, so `advert_int 0.3`
without version 3 is a second: a takeover takes three seconds longer than you think. All routers must have the same
interval.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        advert_int 0.3
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        version 3
        advert_int 0.3
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.STATE: """\
A state that the instance cannot start in

With AH authentication a router must hear its peers first, to learn their sequence numbers, so it starts as BACKUP.

Example::

    vrrp_instance VI_1 {
        state MASTER
        interface eth0
        virtual_router_id 51
        priority 150
        authentication {
            auth_type AH
            auth_pass secret
        }
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        state BACKUP
        interface eth0
        virtual_router_id 51
        priority 150
        authentication {
            auth_type AH
            auth_pass secret
        }
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.PREEMPTION: """\
nopreempt or preempt_delay has no effect

Both are for a router that starts as BACKUP: nopreempt keeps it there while a lower master is alive, preempt_delay for
a while. With state MASTER (or priority 255) nopreempt is dropped, so after a reboot the router takes its addresses
back at once, which is what nopreempt was to avoid. Give BACKUP to all routers and let the priority decide.

Example::

    vrrp_instance VI_1 {
        state MASTER
        interface eth0
        virtual_router_id 51
        priority 150
        nopreempt
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        state BACKUP
        interface eth0
        virtual_router_id 51
        priority 150
        nopreempt
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.AUTHENTICATION: """\
Authentication that is left out

Version 3 has none, strict mode allows none, AH is for IPv4, and a type needs a password. The adverts are sent
without, so a peer that does authenticate drops them: two masters.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        version 3
        authentication {
            auth_type PASS
            auth_pass secret
        }
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        version 3
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.AUTH_HMAC: """\
A key of auth_hmac that cannot be used

A key has 32 to 64 bytes, its number is used once, and active_key names one of them. With a key that cannot be read, or
no active one, nothing starts, and a reload leaves all as it is: unsigned adverts would not count with the other
routers, and there would be two masters.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        version 3
        auth_hmac {
            key 1 "0123456789abcdef0123456789abcdef"
            active_key 2
        }
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        version 3
        auth_hmac {
            key 1 "0123456789abcdef0123456789abcdef"
            active_key 1
        }
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.STRICT: """\
Something that strict mode does not allow

strict_mode (vrrp_strict) insists on the RFC: no authentication, three missed adverts, MASTER at the start only for the
owner. What does not fit is changed. Unicast, which the RFC does not know, works all the same, with a warning;
later versions of keepalived refuse it.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        version 3
        strict_mode
        accept
        down_timer_adverts 5
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        version 3
        strict_mode
        accept
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.TIMER: """\
timer_expired_backup without nopreempt

It makes a router that was frozen step back for a lower one that may have taken over. A router that preempts would
take the addresses right back, so it is for nopreempt only.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        timer_expired_backup
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        nopreempt
        timer_expired_backup
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.OWNER: """\
A router becomes the owner of its addresses

`state MASTER` without priority means priority 255: the router owns the addresses and is always master. That is rarely
meant; say which priority it has. owner_ignore_adverts is for such an owner only.

Example::

    vrrp_instance VI_1 {
        state MASTER
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
    Code.LEASE: """\
A lease that ends too late, or leases that are too many

hakeep gives its addresses a lifetime in the kernel, so that they go when it dies. The lifetime should end before a
backup takes over. Above a thousand IPv4 addresses (64 of IPv6) renewing them costs too much, and the fence alone
guards them.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        vip_lease 10
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        vip_lease auto
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.IGNORED: """\
hakeep does not act on this

The line is accepted and has no effect; the message says what happens instead. `hakeep keywords --unsupported` lists
all such keywords.

Example::

    global_defs { enable_snmp_vrrp }

Cure::

    global_defs { router_id here }
""",
}
