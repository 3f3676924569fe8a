"""The outermost level: what can stand outside all blocks, and the static lists."""

from __future__ import annotations

from hakeep.config.backends import NEAR
from hakeep.config.keywords.bfd import BFD_INSTANCE
from hakeep.config.keywords.global_defs import GLOBAL_DEFS, GlobalDefs
from hakeep.config.keywords.lvs import SSL, VIRTUAL_SERVER, VIRTUAL_SERVER_GROUP
from hakeep.config.keywords.tracking import (
    LINKBEAT,
    TRACK_FILE,
    TRACK_GROUP,
    VRRP_SCRIPT,
    VRRP_SYNC_GROUP,
    VRRP_TRACK_PROCESS,
    VrrpScript,
    VrrpSyncGroup,
)
from hakeep.config.keywords.vrrp import GARP_GROUP, VRRP_INSTANCE, GarpGroup, VrrpInstance
from hakeep.config.schema import Block, Entries, Plain, Repeat, Section, block_of, keyword
from hakeep.config.values.addresses import AddressEntry, Addresses
from hakeep.config.values.links import LinkDelays
from hakeep.config.values.numbers import Flag, Whole
from hakeep.config.values.options import Pairs
from hakeep.config.values.routes import ROUTE, RULE
from hakeep.config.values.words import Word

U32 = 2**32 - 1


class Config(Section):
    """A whole configuration, as written."""

    net_namespace: str | None = keyword(
        Word("NAME"), "network namespace to work in", process="all", repeat=Repeat.FIRST, reload="never",
        default="the one it is started in")
    net_namespace_ipvs: str | None = keyword(
        Word("NAME", default=""), "network namespace of the IPVS tables", process="lvs", reload="never", backends=NEAR,
        default="net_namespace")
    namespace_with_ipsets: bool | None = keyword(
        Flag(), "ipsets in namespaces on kernels before 3.13", ignored="packets are filtered by nftables in any case")
    use_pid_dir: bool | None = keyword(
        Flag(), "keep pid files in a folder", process="all", reload="never",
        ignored="pid files are in a folder of their own in any case")
    instance: str | None = keyword(
        Word("NAME"), "name of this daemon when several share a host", process="all", repeat=Repeat.FIRST,
        reload="never", default="none")
    child_wait_time: int | None = keyword(
        Whole(0, U32, "SECONDS"), "how long stopping may take", process="all", fatal=True, default="5")
    linkbeat_use_polling: bool | None = keyword(
        Flag(), "poll interfaces for carrier", default="off")
    global_defs: GlobalDefs | None = keyword(GLOBAL_DEFS, "settings for the whole daemon", process="all")

    vrrp_instance: tuple[VrrpInstance, ...] = keyword(VRRP_INSTANCE, "a virtual router", repeat=Repeat.ADD)
    garp_group: tuple[GarpGroup, ...] = keyword(
        GARP_GROUP, "rate limit of announcements on some interfaces", repeat=Repeat.ADD)
    vrrp_sync_group: tuple[VrrpSyncGroup, ...] = keyword(
        VRRP_SYNC_GROUP, "instances that change state together", repeat=Repeat.ADD)
    vrrp_script: tuple[VrrpScript, ...] = keyword(
        VRRP_SCRIPT, "a command whose result counts", repeat=Repeat.ADD, fatal=True)
    vrrp_track_process: tuple[Plain, ...] = keyword(
        VRRP_TRACK_PROCESS, "processes that count", repeat=Repeat.ADD, fatal=True)
    track_file: tuple[Plain, ...] = keyword(
        TRACK_FILE, "a file whose number counts", repeat=Repeat.ADD, fatal=True, old=("vrrp_track_file",))
    track_group: tuple[Plain, ...] = keyword(
        TRACK_GROUP, "instances that static addresses follow", repeat=Repeat.ADD)
    interface_up_down_delays: tuple[tuple[str, float, float], ...] = keyword(
        Entries(LinkDelays()), "wait before a change of a link counts")
    linkbeat_interfaces: tuple[Pairs, ...] = keyword(
        Entries(LINKBEAT), "interfaces to poll for carrier")

    static_ipaddress: tuple[AddressEntry, ...] = keyword(
        Entries(Addresses(static=True)), "addresses that stay")
    static_routes: tuple[Pairs, ...] = keyword(
        Entries(ROUTE), "routes that stay")
    static_rules: tuple[Pairs, ...] = keyword(
        Entries(RULE), "policy rules that stay")

    virtual_server: tuple[Plain, ...] = keyword(
        VIRTUAL_SERVER, "an IPVS service", repeat=Repeat.ADD, process="lvs", fatal=True)
    virtual_server_group: tuple[Plain, ...] = keyword(
        VIRTUAL_SERVER_GROUP, "addresses that share a service", repeat=Repeat.ADD, process="lvs", fatal=True)
    SSL: Plain | None = keyword(SSL, "client certificate of SSL_GET", repeat=Repeat.REPLACE, process="lvs")
    bfd_instance: tuple[Plain, ...] = keyword(
        BFD_INSTANCE, "a BFD session", repeat=Repeat.ADD, process="bfd")


ROOT: Block = block_of(Config)
