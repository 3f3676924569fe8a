"""global_defs: what instances start from, announcements, packet filters, virtual servers."""

TEXT = """\
dynamic_interfaces
    Without it a name in the configuration that is no interface of this host stops the daemon at start: most likely it
    is a typing error. With it the instance waits in FAULT until the interface appears. The word allow_if_changes also
    lets it return as another kind of interface.

default_interface
    Only for `static_ipaddress` entries without dev.

vrrp_version
    2 is RFC 3768, the default for IPv4. 3 is RFC 9568: shorter intervals, IPv6, no authentication. All routers of a
    virtual router must use the same. IPv6 always uses 3.

vrrp_mcast_group4 vrrp_mcast_group6
    All routers of a virtual router must use the same group. Change it only if something in your network cannot pass the
    official one.

vrrp_strict
    See `strict_mode`. Many who copied this line from somewhere wondered why their addresses could not be pinged.

vrrp_down_timer_adverts
    See `down_timer_adverts`.

vrrp_skip_check_adv_addr
    See `skip_check_adv_addr`.

vrrp_check_unicast_src
    See `check_unicast_src`.

vrrp_lower_prio_no_advert
    See `lower_prio_no_advert`.

vrrp_higher_prio_send_advert
    See `higher_prio_send_advert`.

vrrp_owner_ignore_adverts
    See `owner_ignore_adverts`. It has no effect on instances with a priority below 255.

vrrp_notify_priority_changes
    See `notify_priority_changes`.

global_defs/v3_checksum_as_v2
    See the word of the same name inside `vrrp_instance`, which can undo it.

global_defs/vip_fence
    See `vip_fence` inside `vrrp_instance`.

global_defs/vip_lease
    See `vip_lease` inside `vrrp_instance`.

vrrp_garp_master_delay
    See `garp_master_delay`.

vrrp_garp_master_repeat
    See `garp_master_repeat`.

vrrp_garp_master_refresh
    See `garp_master_refresh`.

vrrp_garp_master_refresh_repeat
    See `garp_master_refresh_repeat`.

vrrp_garp_lower_prio_delay
    See `garp_lower_prio_delay`.

vrrp_garp_lower_prio_repeat
    See `garp_lower_prio_repeat`.

vrrp_garp_interval
    Spreads the announcements of many addresses over time, on each interface for itself. A `garp_group` does so for
    several interfaces together. The takeover gets longer by as much.

vrrp_gna_interval
    As `vrrp_garp_interval`, for IPv6.

vrrp_min_garp
    Sets the number of repetitions to one and leaves the second burst away. For large numbers of addresses, on a network
    that loses nothing.

vrrp_garp_extra_if
    See `garp_extra_if`.

vrrp_startup_delay
    Gives the rest of the machine, and the switch port, time to come up before we might become MASTER. It counts from
    the start of the daemon; a worker that is replaced does not wait.

vrrp_delay_after_boot
    As `vrrp_startup_delay`, but counted from the start of the machine: restarting the daemon on a machine that has been
    up for long costs nothing. Of the two, the later time counts.

log_unknown_vrids
    A line in the log for a virtual router that speaks on one of our networks and is not configured here: perhaps a
    neighbour's, perhaps your own with a typing error.

disable_local_igmp
    A switch that watches IGMP learns from joins where to send multicast.

vmac_prefix
    A VMAC without a name is called PREFIX.VRID, so the prefix may have up to 11 characters.

vmac_addr_prefix
    For VMACs that `use_vmac_addr` makes.

vrrp_rx_bufs_policy
    keepalived sizes the buffer by the MTU, by the size of an advert, or by a number of bytes.

vrrp_rx_bufs_multiplier
    Goes with `vrrp_rx_bufs_policy`.

vrrp_iptables vrrp_ipsets
    iptables and ipset are no longer needed: whatever must be filtered is filtered by nftables.

nftables
    All rules that hakeep makes are in one table, so that they cannot mix with yours and vanish together. This names it.

nftables_priority
    Where our chains stand among those of other programs: lower numbers see packets earlier.

nftables_ifindex
    keepalived's rules can name interfaces by number, which is a little faster and breaks when they are renamed.

nftables_counters
    `nft list table` then shows how many packets each rule has met. Good for finding out who is kept out.

nftables_ipvs
    Each address and port of a `virtual_server_group` is a service of the kernel's, with all real servers in it: twenty
    addresses and fifty servers make a thousand destinations, and when a server dies, twenty of them change. With this
    word a group is one service by firewall mark for each family and protocol, and an nftables table of this name
    (without a name: `hakeep_ipvs`) gives the mark to packets for its addresses. An address that comes or goes then
    disturbs no connection to the others. A client with `persistence_timeout` stays with its server at all addresses of
    the group. If somebody deletes the table, it is put back.

nftables_ipvs_priority
    Where the table looks at packets among other programs: those with lower numbers see them before it, and may also set
    marks, which it overwrites. What the host sends itself is marked before -98, where IPVS takes it.

nftables_ipvs_start_fwmark
    The groups get marks from this number on, in the order of the configuration; marks that stand in it anywhere are
    left out. A group keeps its mark over a reload. Choose numbers that no rule of yours uses for anything else.

checker_log_all_failures
    Otherwise only the change is logged, not each failed try.

rs_init_notifies
    Otherwise `notify_up` and `notify_down` run for changes only.

lvs_timeouts
    How long the kernel remembers an idle connection, for each protocol. 0 leaves a value alone.

lvs_flush
    Services that somebody else has put into the kernel's tables go too.

lvs_flush_on_stop
    Quicker than removing entry by entry. With the word VS only our own services are removed.

lvs_sync_daemon
    The other host then knows the connections that go through this one, so that they survive a takeover. The role
    follows the instance named.
"""
