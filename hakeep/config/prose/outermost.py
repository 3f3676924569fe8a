"""Words that stand outside all blocks, and the blocks that have only a few words of their own."""

TEXT = """\
net_namespace
    The daemon enters the network namespace of this name (one that `ip netns add` made) before it looks at any
    interface. The option -s wins. Several daemons on one host, each in a namespace of its own, do not see each other.

net_namespace_ipvs
    The virtual servers are made in the IPVS tables of this network namespace, while VRRP speaks, and checks are made,
    in that of the daemon (`net_namespace`). Without a NAME it is the namespace in which the daemon was started. With
    `nftables_ipvs` the marks are set there as well. It needs IPVS: the backend `nftables` cannot do it. Where there is
    no namespace of this name yet, hakeepd says so and tries again.

namespace_with_ipsets
    A promise that the kernel keeps sets of addresses apart for each namespace. Any kernel that hakeep runs on does.

use_pid_dir
    keepalived then writes its pid files into a directory instead of directly into /run.

instance
    Names this daemon when several of them run on one host: the name becomes part of the paths of the pid file, the
    control socket and the dumps, and of the name of the nftables table. In the configuration itself it is
    `${_INSTANCE}`. It has nothing to do with a `vrrp_instance`.

child_wait_time
    How long the daemon waits for its workers when it stops, and so how long handing addresses over may take at most.
    After that they are killed.

/linkbeat_use_polling vrrp_instance/linkbeat_use_polling
    Made for network cards of the nineties, whose drivers did not report a lost carrier. The kernel reports it today.

global_defs
    Settings that concern the whole daemon, and defaults for all instances. The block may come several times, and its
    order among the others does not matter.

vrrp_instance
    One virtual router: some addresses that one host holds at a time, and how the hosts find out which one. Each host of
    a group has such a block with the same `virtual_router_id` and the same addresses, and with a `priority` of its own.
    The name is yours to choose; it appears in logs, in `hakeep status`, and is given to scripts.

    A second block of the same name is an error and is left out.

garp_group
    Switches and routers can be overwhelmed when a host with hundreds of addresses announces them all at once. The
    interfaces of a group share one smallest distance between two announcements. An interface may be in one group.

garp_group/garp_interval
    Applies to gratuitous ARP, that is to IPv4 addresses. The whole of a takeover gets longer by it: a hundred addresses
    10 ms apart take a second.

garp_group/gna_interval
    The same for IPv6, whose announcements are unsolicited neighbour advertisements.

garp_group/interface
    May be given several times. `interfaces` lists many at once.

interfaces
    Every word between the braces is a name, on as many lines as you like.

vrrp_sync_group
    Ties instances together, so that all of them are MASTER on the same host: a firewall with an inner and an outer
    address must not have one here and the other there. One member that fails takes the others with it.

vrrp_sync_group/group
    Names of `vrrp_instance` blocks, each in one group only. It does not matter whether they stand before or after.

sync_group_tracking_weight
    Without it, members of a group may not have trackers with weights: the members' priorities would drift apart.

vrrp_script
    Describes a command that tells whether something works, such as a web server. An instance makes use of it by
    `track_script`. It must stand before the instance that uses it.

vrrp_track_process
    Counts processes by name, without running anything. An instance makes use of it by `track_process`.

track_file
    A number in a file, written by whatever knows better, moves the priority. An instance makes use of it by
    `track_file` inside its own block. The file is read again when it changes.

track_group
    Static addresses, routes and rules may name such a group: they are there while one of its instances works.

track_group/group
    Names of `vrrp_instance` blocks.

interface_up_down_delays
    Holds back the news that a link went down or came up: a cable that wobbles then does not cause elections. The delays
    must stay well below the time after which a backup takes over.

linkbeat_interfaces
    Interfaces whose carrier is asked for again and again, in the way named, instead of waiting for the kernel to say.

static_ipaddress
    Addresses that are put on interfaces at start and stay there whatever the state of any instance. An entry is written
    as in `virtual_ipaddress`.

static_routes
    Routes that are there as long as the daemon runs, in the words of ip-route(8).

static_rules
    Policy rules that are there as long as the daemon runs, in the words of ip-rule(8).

virtual_server
    A service that the kernel's load balancer (IPVS) spreads over several real servers.

virtual_server_group
    Gives one service several addresses, ranges of addresses, or firewall marks, one on each line.

SSL
    The certificate that `SSL_GET` checks show to servers which ask for one.

SSL/password
    Opens the `key`, if that is encrypted. It is in the clear here: keep the file readable by root alone.

SSL/ca
    PEM file with the certificates of authorities.

SSL/certificate
    PEM file with our own certificate.

SSL/key
    PEM file with the private key to it.

bfd_instance
    A BFD session notices within some ten milliseconds that a neighbour can no longer be reached. Where that time is
    below 100 ms and the machine may be busy, give the worker a `bfd_rt_priority`: it must not wait for a processor.

source_ip
    Of the same family as the neighbour's address.

neighbor_ip neighbour_ip
    Both spellings are the same word. It is the one thing that a session cannot do without.

min_rx
    The other end sends no faster than this. Milliseconds, unlike most other times in this file.

min_tx
    We send no faster than this, and no faster than the other end can receive.

idle_tx
    A session that is down is not in a hurry.

multiplier
    The time after which the neighbour counts as gone is this number times the interval agreed on.

passive
    At least one of the two ends must not be passive.

ttl hoplimit
    Both words are the same setting. The receiver checks by it that a packet comes from near; see `max_hops`.
    keepalived sends IPv6 packets with 64 by itself: tell it `hoplimit 255`, or allow that here with `max_hops 191`.

max_hops
    A packet that was sent with 255 and arrives with 254 came over one router. 0 accepts direct neighbours only.

multihop
    Sessions over routers have a port of their own, 4784 instead of 3784. Both ends must agree.

bfd_instance/weight
    As the weight of a `vrrp_script`: it is added to the priority while the session is up, or, if it is negative, taken
    off while it is down. With 0 a session that is down means FAULT.

bfd_instance/vrrp
    Without `vrrp` and without `checker`, both hear of the session.

checker
    See `vrrp`: the two choose who hears of the session.
"""
