"""Words that are no keywords but are met in configurations, and what to say about each: data for `advice`.

They come from former versions of keepalived, from its cousins (DPVS, Vyatta), from other programs' names for the same
thing, and from what is left in a file by mistake.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Cure(NamedTuple):
    """What is to be known about a word and what to write instead; both may be empty."""

    note: str
    fix: str = ""


_FORMER = "a word of former versions of keepalived"
_DPVS = "a word of DPVS, the DPDK load balancer"
_VYATTA = "a word of Vyatta's keepalived"
_FORK = "a word of another branch of keepalived"
_CONFLICT = Cure("this is what a merge conflict leaves in a file", "resolve the conflict, then take the markers out")



def _same(words: Iterable[str], cure: Cure) -> dict[str, Cure]:
    return dict.fromkeys(words, cure)


#: What to say about a word, in whatever block it stands.
CURES: dict[str, Cure] = {
    # former versions
    "lvs_id": Cure(_FORMER, "write router_id"),
    "nat_mask": Cure(f"{_FORMER}; it has no meaning any more", "take it out"),
    "net_mask": Cure("nat_mask was a word of former versions of keepalived; it has no meaning any more", "take it out"),
    "nb_get_retry": Cure("only HTTP_GET and SSL_GET had nb_get_retry, and there it is called retry now", "write retry"),
    "nb_sock_retry": Cure(_FORMER, "write retry"),
    "vrrp_ipsets": Cure(f"{_FORMER}; packets are filtered by nftables", "write nftables, or take it out"),
    "notification_smtp": Cure(_FORMER, "write smtp_server"),
    "global_tracking": Cure(_FORMER, "write sync_group_tracking_weight"),
    "use_pid_file": Cure("", "write use_pid_dir at the outermost level"),
    # cousins
    **_same(("local_address_group", "laddr_group_name"),
            Cure(f"{_DPVS}; IPVS in the kernel needs no local addresses", "take it out, and use NAT, DR or TUN")),
    **_same(("deny_address_group", "daddr_group_name", "allow_address_group", "waddr_group_name"),
            Cure(_DPVS, "let a packet filter refuse these addresses")),
    "dpdk_interface": Cure(_DPVS, "write interface, and the name that ip link shows"),
    **_same(("establish_timeout", "conn_timeout", "est_timeout"),
            Cure(_DPVS, "write lvs_timeouts tcp SECONDS in global_defs")),
    **_same(("syn_proxy", "defence_tcp_drop", "defence_udp_drop", "expire_quiescent_conn", "hash_target", "bps",
             "limit_proportion", "quic", "proxy_protocol"), Cure(f"{_DPVS}; IPVS in the kernel cannot do it")),
    "start_delay": Cure(_VYATTA, "write vrrp_startup_delay SECONDS in global_defs"),
    "track_pathmon": Cure(_VYATTA, "track a script that looks at the path: track_script"),
    "track_route_to": Cure(_VYATTA, "track a script that looks at the route: track_script"),
    "rfc_compatibility": Cure(_VYATTA, "write use_vmac"),
    "hello-source-address": Cure(_VYATTA, "write mcast_src_ip ADDRESS"),
    "sync-group": Cure(_VYATTA, "write vrrp_sync_group NAME { group { INSTANCE ... } } at the outermost level"),
    **_same(("track_all", "track_vips", "track_vip_ifs", "track_vroutes", "track_vroute_ifs", "track_vrules",
             "track_vrule_ifs", "track_sip", "track_sroute"),
            Cure(f"{_FORK}; addresses, routes and rules are tracked unless they say no_track", "take it out")),
    **_same(("enable_filesystem", "filesystem_owner", "filesystem_group", "filesystem_other_read", "rest_port",
             "rest_private_key_file", "rest_chain_file", "rest_auth_groups", "rest_auth_users"),
            Cure(_FORK, "ask hakeep status --json instead")),
    "vrrp_defs": Cure(_FORK, "write global_defs"),
    # other names for the same thing
    **_same(("vrid", "virtual_router", "virtual_routerid"), Cure("", "write virtual_router_id")),
    **_same(("vip", "vips", "virtual_ip", "virtual_ips", "virtual_address", "virtual_addresses"),
            Cure("", "write virtual_ipaddress { ADDRESS }")),
    **_same(("advertisement_interval", "advertise_interval", "advert_interval", "advert_time", "hello_interval"),
            Cure("", "write advert_int SECONDS")),
    **_same(("password", "auth_password"), Cure("", "write authentication { auth_type PASS auth_pass TEXT }")),
    **_same(("script_security", "security"), Cure("", "write enable_script_security in global_defs")),
    **_same(("peer", "peers", "unicast_peers"), Cure("", "write unicast_peer { ADDRESS }")),
    **_same(("source_ip", "src_ip"), Cure("", "write unicast_src_ip or mcast_src_ip")),
    **_same(("vmac", "virtual_mac"), Cure("", "write use_vmac")),
    "connection_timeout": Cure("", "write connect_timeout"),
    "check_interval": Cure("", "write interval in a vrrp_script, delay_loop in a virtual_server"),
    "balance": Cure("", "write lb_algo"),
    # left in a file by mistake
    **_same(("<<<<<<<", "=======", ">>>>>>>", "|||||||"), _CONFLICT),
    "include:": Cure("", "write include FILE"),
    "}": Cure("a brace too many"),
}

#: What a word begins with, where the word as a whole is not in the table.
BEGINNINGS: tuple[tuple[str, Cure], ...] = (
    ("<<<<<<<", _CONFLICT), (">>>>>>>", _CONFLICT), ("=======", _CONFLICT),
    ("```", Cure("this is a mark of Markdown, not of a configuration", "take the line out")),
    ("//", Cure("comments begin with # or !", "write #")),
    ("/*", Cure("comments begin with # or !", "write # at each line")),
    ("--", Cure("comments begin with # or !", "write #")),
    (";", Cure("comments begin with # or !", "write #")),
    ("%", Cure("% has no meaning here", "write # for a comment")),
    ("[", Cure("configurations of this kind have no [sections]", "write global_defs { ... } and the like")),
    ("<", Cure("this looks like a placeholder that was not filled in")),
    ("\\", Cure("a backslash at the end of a line, be it in a comment, goes on to the next line in definitions only",
                "take the backslash out")),
)

#: Said of a word that stands where it is meant for another block.
ELSEWHERE: dict[tuple[str, str], Cure] = {
    ("router_id", "vrrp_instance"): Cure(
        "router_id names the host in global_defs", "write virtual_router_id if the number of the router is meant"),
    ("weight", "track_script"): Cure("", "write SCRIPT weight N on one line"),
    ("track_file", "vrrp_script"): Cure("", "track_file is a block of its own at the outermost level"),
    ("smtp_alert", "vrrp_script"): Cure("", "write it in the vrrp_instance"),
    ("user", "vrrp_instance"): Cure("", "write the user after the script: notify SCRIPT USER"),
    ("notify_up", "virtual_server"): Cure("", "write quorum_up, or notify_up in a real_server"),
    ("notify_down", "virtual_server"): Cure("", "write quorum_down, or notify_down in a real_server"),
}

#: What to write instead of a value that is refused, by the text of the line.
VALUES = {
    "persistence_timeout 0": "take the line out: without it there is no persistence",
    "priority 0": "the lowest priority is 1; 0 is what a master says when it stops",
    "priority 256": "254 is the highest priority, 255 is for the owner of the addresses",
    "virtual_router_id 0": "take a number from 1 to 255 that no other virtual router on the link has",
    "protocol http": "write protocol TCP",
    "protocol HTTP": "write protocol TCP",
}


def cure(word: str, block: str) -> Cure | None:
    """What to say about the word in a block of that keyword ("" = outermost level); None: nothing."""
    found = ELSEWHERE.get((word, block)) or CURES.get(word)
    return found or next((cure for beginning, cure in BEGINNINGS if word.startswith(beginning)), None)
