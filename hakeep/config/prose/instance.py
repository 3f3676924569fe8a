"""vrrp_instance: everything about one virtual router but its trackers."""

TEXT = """\
state
    It decides less than one thinks: every router starts as BACKUP and becomes MASTER when nobody better is heard, and
    only `priority` says who is better. Write BACKUP on all hosts. MASTER switches `nopreempt` and `preempt_delay` off,
    and without a `priority` it means 255, the owner of the addresses.

vrrp_instance/interface
    The network that the hosts share. Addresses without dev are put here, too. Only a unicast instance with a source
    address can do without. If it goes down the instance goes to FAULT and another host takes over.

virtual_router_id
    Tells virtual routers on the same network apart. All routers of one group have the same number; nobody else on that
    network may have it, and the neighbour's router may well use 1 or 51 already. Two instances of a host may share a
    number on different interfaces, or one for IPv4 and the other for IPv6.

priority
    Give each host another one, far enough apart that weights of trackers fit between: 150 and 100, say. 255 is special:
    it says that the addresses belong to this host for good, which then is MASTER whenever it runs.

advert_int
    The same on all hosts. A backup takes over when it has heard nothing for `down_timer_adverts` times as long, plus a
    little that is shorter the higher its priority is: with 1, after three to four seconds. Version 2 counts in whole
    seconds. Version 3 counts in steps of 10 ms up to 40.95 s, and a backup believes the interval that the master
    states.

vrrp_instance/version
    The same on all routers. IPv6 needs 3, and so do intervals below a second; password and AH authentication need 2.

down_timer_adverts
    Fewer make the takeover faster and false alarms more likely. Adverts do not carry the number: each backup goes by
    its own, and routers of other makers by 3, which is the RFC's. Give all the same, or else the one that waits least
    takes over first, whatever its priority.

virtual_ipaddress
    One address a line, with the length of its network as /24; without a length it is a host address, /32 or /128. Only
    the master has them. All routers should list the same ones in the same order. All are of one family.

    dev puts the address on another interface, which is then watched too (no_track: it is not). scope, broadcast, label
    and peer are as in ip-address(8). -nodad lets the kernel look for duplicates of an IPv6 address, which delays its
    use: by default it does not, whatever the sign suggests. preferred_lft 0 keeps an address from being chosen as a
    source. use_vmac gives the address a VMAC of its own on its dev. home, mngtmpaddr, noprefixroute and autojoin set
    the kernel's flags of these names.

virtual_ipaddress_excluded
    Entries are written as in `virtual_ipaddress`. An advert has room for some hundred addresses only; more of them, and
    those of the other family, go here. They move together with the others.

no_virtual_ipaddress
    For an instance whose only purpose is to run scripts, or to move routes.

mcast_src_ip
    The packets' source must be an address that this host has. It also breaks ties: of two routers with the same
    priority the one with the higher source address wins.

unicast_src_ip
    The same setting as `mcast_src_ip`, under a name that fits unicast. The other hosts list this address in their
    `unicast_peer`.

mcast_dst_ip
    All routers of the group must use the same.

track_src_ip
    Without it the instance would go on sending from an address that this host no longer has.

unicast_peer
    For networks without multicast, such as most clouds. One address a line: those of the other hosts, not our own.
    min_ttl and max_ttl refuse packets that came over more or fewer routers; min_ttl 255 accepts direct neighbours only.

    A changed list is taken over at once; only an instance that changes between unicast and multicast begins anew.

unicast_fault_no_peer
    Without it an instance whose peers are all wrong would fall back to multicast, where it may meet a stranger.

unicast_ttl
    255 lets receivers see that nobody forwarded the packet. Use a smaller number only if something on the way demands
    it.

check_unicast_src
    A packet from an address that is not in `unicast_peer` is then counted and dropped.

old_unicast_checksum
    Only for peers that run very old versions. The keyword alone makes checksums the old way. Without it hakeep finds
    out by itself what a peer does; never forbids that.

vrrp_instance/v3_checksum_as_v2
    Some implementations compute the checksum of version 3 over IPv4 as in version 2. Both sides must do the same;
    hakeep understands what it receives either way and says so in `hakeep status`.

vrf
    For unicast instances without an interface.

kernel_rx_buf_size
    Where many routers send at the same moment, a larger buffer keeps adverts from being lost. The default has room for
    about a thousand.

use_vmac
    The addresses then have the MAC address 00:00:5e:00:01:VRID (IPv6: 02 instead of 01) on every host, as the RFC wants
    it. So after a takeover hosts have nothing to learn, and switches only behind which port it is now. It is done by a
    macvlan interface, made when needed and removed at the end. name is that of this interface, MAC another address for
    it, either six bytes or five to which the VRID is added. netlink_notify_msg and group are accepted and do nothing.

use_vmac_addr
    Addresses whose dev is another interface than the instance's get a VMAC there.

vmac_xmit_base
    Adverts are sent from the ordinary interface with its own MAC, while the addresses stay on the VMAC. With unicast it
    is always so.

use_ipvlan
    For networks that allow one MAC address on each port only. An ipvlan shares the MAC of its interface but has
    addresses of its own; IPv4 needs one here, or as source address. It cannot be together with `use_vmac`.

authentication
    Version 2 only. It keeps mistakes out, not attackers: a password is sent in the clear. Against attackers filter
    protocol 112 to the hosts concerned, or use `auth_hmac`.

auth_type
    PASS compares a password. AH signs the packets with MD5 and numbers them, for IPv4 only; few implementations agree
    on its details.

auth_pass
    The same on all routers. Only 8 characters are on the wire; what is longer is cut, so that two passwords which begin
    alike are the same.

auth_hmac
    Each advert gets a signature (HMAC-SHA256) and the time or a counter, so that it can be neither forged nor sent
    again. An extension of keepalived 2.4: routers of other makers do not know it. It excludes `authentication`.

auth_hmac/key
    May be given several times. hex: is followed by 64 to 128 digits, file: by the path of a file with the key, which
    only root should be able to read.

    To change a key: add the new one on all hosts, then make it the `active_key` on all, then remove the old one.

active_key
    Receivers accept every key that they know.

time_window
    Clocks of the hosts may differ by as much. Keep them right by NTP.

anti_replay
    With time, adverts carry the clock's time. With monotonic they carry a counter, for hosts whose clocks cannot be
    trusted.

mode
    For a change without an interruption: receive-only on all hosts first, then permissive, then enforce. permissive
    accepts unsigned adverts; receive-only checks what is signed but signs nothing itself.

nopreempt
    A host that comes back then stays BACKUP until the other one fails: one interruption less. Write it on all hosts,
    with state BACKUP.

preempt
    The default. It undoes a `nopreempt` before it.

preempt_delay
    So that a machine which has just started is really ready, for example has learned its routes. The time runs from the
    first advert of the lower master on; only then does the wait for missing adverts begin. A master that dies is not
    waited for. It means nothing with `nopreempt`, nor with state MASTER.

lower_prio_no_advert
    By default a master that hears a lesser one answers at once, so that the other steps back sooner. The RFC does not
    ask for it.

higher_prio_send_advert
    The better router, which is MASTER already, hears from it that the addresses were here and announces them once more.

owner_ignore_adverts
    Only for priority 255. Two owners of the same addresses are a mistake in the configuration of one of them; this does
    not cure it.

accept
    The default, though the RFC would have only an owner answer to pings. Without it services on the addresses would be
    out of reach.

no_accept
    Then packets to the addresses are dropped, but those that find neighbours: for routers that only forward.

strict_mode
    Insists on the RFC, and so forbids much that is useful: authentication, a MAC of one's own, another number of missed
    adverts than 3. Routers other than the owner do not accept packets to the addresses then, so these cannot
    even be pinged. Few want this.

skip_check_adv_addr
    Otherwise each advert is compared with our own list of addresses and a difference is logged.

dont_track_primary
    An instance whose interface is down normally goes to FAULT. With this word it does not, which makes sense on a
    direct cable between two hosts, where one that goes down takes the link of the other with it.

promote_secondaries
    When the first of several addresses of a network is removed, the kernel removes the others of that network too,
    unless this sysctl is set.

timer_expired_backup
    For `nopreempt`: a master that was asleep for so long (a suspended virtual machine) that a router of this priority
    would have taken over does not go on as if nothing had happened.

debug
    It is read so that old files stay valid.

native_ipv6
    It is read so that old files stay valid.

lvs_sync_daemon_interface
    Which instance the synchronisation of connections follows is said in global_defs today.

garp_master_delay
    A new master announces its addresses at once, and again after this time, for switches and hosts that missed the
    first burst. 0: no second burst.

garp_master_repeat
    How many times an address is announced in each burst.

garp_master_refresh
    Some switches forget what they have learned, or somebody else announces our address. Then repeat it now and then; a
    minute is a good value. 0 means never.

garp_master_refresh_repeat
    How many times an address is announced at each refresh.

garp_lower_prio_delay
    A lesser router that sends adverts may also have announced the addresses, so the master does it again. The default
    comes from global_defs, not from this instance's `garp_master_delay`.

garp_lower_prio_repeat
    See `garp_lower_prio_delay`.

garp_extra_if
    For addresses on other interfaces than the instance's, where no adverts go out that would keep the tables of
    switches fresh. With all on any other interface, otherwise on VMACs only.

vrrp_instance/vip_fence
    While our adverts leave the machine, the kernel (nftables) lets packets for the addresses in and ARP answers out.
    When they stop for longer than a backup waits, it does so no more: a daemon that is killed or hangs cannot keep an
    address that another host has. It needs Linux 5.16 and libnftables; `hakeep status` says whether it is at work. Turn
    it off only if another program's rules and this cannot live together.

vrrp_instance/vip_lease
    Addresses have a lifetime in the kernel which is renewed after each advert. If the daemon dies, the kernel removes
    them. auto chooses a time that ends before a backup takes over; in seconds it should be shorter than that. off keeps
    them for ever, as keepalived does.
"""
