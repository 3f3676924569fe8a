"""global_defs: settings for the whole daemon. Several such blocks add up."""

from __future__ import annotations

from typing import Any

from hakeep.config.backends import BUILT_IN, NO_COPIES
from hakeep.config.includes import CHECKS
from hakeep.config.schema import OURS, Entries, Repeat, Section, block_of, keyword
from hakeep.config.settled import Script
from hakeep.config.values.addresses import Ip, IpPort
from hakeep.config.values.links import ExtraInterfaces
from hakeep.config.values.numbers import AutoSeconds, Flag, OptBool, Seconds, Whole
from hakeep.config.values.options import Options, Pairs, anything, multicast, whole
from hakeep.config.values.scripts import Command, FifoPath, User
from hakeep.config.values.texts import HttpUrl
from hakeep.config.values.words import Choice, Cpus, Familiar, Umask, Word, Words, interface_name
from hakeep.objects.rtnl import IPAddress

U32 = 2**32 - 1
I32 = 2**31

_SNMP = "there is no SNMP agent"
_DBUS = "there is no D-Bus interface"
_ROOM = "each VRRP socket has room for about a thousand adverts (1 MiB), or kernel_rx_buf_size of its instance"
_TUNING = "buffers and priorities are chosen by hakeep"
_IPTABLES = "packets are filtered by nftables in any case"
_FILES = "files that keepalived keeps are not written"

_CHECKS = {sign + check: None for sign in ("", "+", "-") for check in sorted(CHECKS)}

Account = tuple[str, str | None]
FifoWords = tuple[str, str | None, str | None]


def _process_name(which: str, **facts: Any) -> Any:
    return keyword(Word("NAME", longest=15), f"title that ps shows for {which}", fatal=True, **facts)


def _nice(which: str, **facts: Any) -> Any:
    return keyword(Whole(-20, 19, "NICE"), f"how nice {which} is to others", default="unchanged", **facts)


def _real_time(which: str, **facts: Any) -> Any:
    return keyword(Whole(1, 99, "PRIO", clamp=True), f"real-time priority (SCHED_RR) of {which}", default="off",
                   sample="50", **facts)


def _rttime(which: str, old: str, **facts: Any) -> Any:
    return keyword(Whole(1, U32, "MICROSECONDS"), f"CPU time that {which} may use without a pause when real-time",
                   fatal=True, default="1000000", old=(old,), **facts)


def _buffer(which: str) -> Any:
    return keyword(Whole(0, U32, "BYTES"), f"how much {which} may hold unread", ignored=_TUNING,
                   default="kernel default")


def _force(which: str) -> Any:
    return keyword(OptBool(), f"let the receive buffer of {which} exceed rmem_max", ignored=_TUNING,
                   default="false")


def _fifo(what: str, **facts: Any) -> Any:
    return keyword(FifoPath(), f"named pipe that gets {what}", repeat=Repeat.FIRST, **facts)


def _fifo_script(which: str, **facts: Any) -> Any:
    return keyword(Command(), f"program that reads {which}, whose path it gets as last argument", repeat=Repeat.FIRST,
                   **facts)


class GlobalDefs(Section):
    """Settings for the whole daemon."""

    # processes
    process_names: bool | None = keyword(
        Flag(), "give every process a title of its own", process="all", reload="never", default="off")
    process_name: str | None = _process_name(
        "the parent", process="all", reload="never", default="hakeepd", sample="hakeep_web")
    vrrp_process_name: str | None = _process_name("the VRRP process", reload="never", sample="hakeep_web_vrrp")
    checker_process_name: str | None = _process_name(
        "the checker process", old=("lvs_process_name",), process="lvs", reload="never", sample="hakeep_web_lvs")
    bfd_process_name: str | None = _process_name(
        "the BFD process", process="bfd", reload="never", sample="hakeep_web_bfd")
    vrrp_priority: int | None = _nice("the VRRP process", reload="never")
    vrrp_no_swap: bool | None = keyword(Flag(), "keep the VRRP process in memory", reload="never", default="off")
    vrrp_rt_priority: int | None = _real_time("the VRRP process", reload="never")
    vrrp_cpu_affinity: tuple[int, ...] | None = keyword(
        Cpus(), "CPUs of the VRRP process", reload="never", default="all")
    vrrp_rlimit_rttime: int | None = _rttime("the VRRP process", "vrrp_rlimit_rtime", reload="never")
    checker_priority: int | None = _nice("the checker process", process="lvs", reload="never")
    checker_no_swap: bool | None = keyword(
        Flag(), "keep the checker process in memory", process="lvs", reload="never", default="off")
    checker_rt_priority: int | None = _real_time("the checker process", process="lvs", reload="never")
    checker_cpu_affinity: tuple[int, ...] | None = keyword(
        Cpus(), "CPUs of the checker process", process="lvs", reload="never", default="all")
    checker_rlimit_rttime: int | None = _rttime(
        "the checker process", "checker_rlimit_rtime", process="lvs", reload="never")
    bfd_priority: int | None = _nice("the BFD process", process="bfd", reload="never")
    bfd_no_swap: bool | None = keyword(
        Flag(), "keep the BFD process in memory", process="bfd", reload="never", default="off")
    bfd_rt_priority: int | None = _real_time("the BFD process", process="bfd", reload="never")
    bfd_cpu_affinity: tuple[int, ...] | None = keyword(
        Cpus(), "CPUs of the BFD process", process="bfd", reload="never", default="all")
    bfd_rlimit_rttime: int | None = _rttime(
        "the BFD process", "bfd_rlimit_rtime", process="bfd", reload="never")
    max_auto_priority: int | None = keyword(
        Whole(-1, 99, "PRIO", default=99), "how far real-time priority may rise by itself when timers are late",
        process="all", ignored=_TUNING, default="0, never")
    min_auto_priority_delay: int | None = keyword(
        Whole(1, 10_000_000, "MICROSECONDS"), "lateness that makes it rise", process="all", ignored=_TUNING,
        sample="1000000")

    # this host, accounts and scripts
    router_id: str | None = keyword(Word("STRING"), "name of this host in reports", process="all", default="host name")
    script_user: Account | None = keyword(
        User(), "account of scripts that name none", process="all",
        default="hakeep_script or keepalived_script if there is such an account")
    enable_script_security: bool | None = keyword(
        Flag(), "run no script as root that somebody else could change", process="all", default="off")
    use_symlink_paths: bool | None = keyword(
        OptBool(), "keep symbolic links in script paths", process="all", since="2.4", default="false",
        ignored="script paths stay as they are written in any case")
    set_supplementary_groups: bool | None = keyword(
        OptBool(), "give scripts all groups of their account", process="all", since="2.4", default="false")
    startup_script: Script | None = keyword(
        Command(), "run before anything starts", process="all", repeat=Repeat.FIRST, reload="never",
        sample="/usr/lib/hakeep/prepare")
    shutdown_script: Script | None = keyword(
        Command(), "run when all has stopped", process="all", repeat=Repeat.FIRST, sample="/usr/lib/hakeep/tidy-up")
    startup_script_timeout: int | None = keyword(
        Whole(1, 1000, "SECONDS"), "how long to wait for it", process="all", default="10", reload="never",
        sample="60")
    shutdown_script_timeout: int | None = keyword(
        Whole(1, 1000, "SECONDS"), "how long to wait for it", process="all", default="10", sample="60")
    umask: int | None = keyword(Umask(), "file mode mask", process="all", fatal=True, default="0177")

    # what VRRP instances start from
    dynamic_interfaces: str | None = keyword(
        Choice("allow_if_changes", default=""), "interfaces may be missing and may come and go", default="off")
    default_interface: str | None = keyword(
        interface_name(), "interface of static addresses without dev", default="eth0")
    vrrp_version: int | None = keyword(
        Whole(2, 3, "VERSION"), "version of IPv4 instances without one of their own", fatal=True, default="2")
    vrrp_mcast_group4: IPAddress | None = keyword(
        Ip(4, multicast=True), "group of IPv4 adverts", fatal=True, default="224.0.0.18", reload="restart")
    vrrp_mcast_group6: IPAddress | None = keyword(
        Ip(6, multicast=True), "group of IPv6 adverts", fatal=True, default="ff02::12", reload="restart")
    vrrp_strict: bool | None = keyword(OptBool(), "default of strict_mode", default="false")
    vrrp_down_timer_adverts: int | None = keyword(Whole(1, 100), "default of down_timer_adverts", fatal=True,
                                                  default="3", sample="3")
    vrrp_skip_check_adv_addr: bool | None = keyword(OptBool(), "default of skip_check_adv_addr", default="false")
    vrrp_check_unicast_src: bool | None = keyword(Flag(), "default of check_unicast_src", default="off")
    vrrp_lower_prio_no_advert: bool | None = keyword(OptBool(), "default of lower_prio_no_advert", default="false")
    vrrp_higher_prio_send_advert: bool | None = keyword(
        OptBool(), "default of higher_prio_send_advert", default="false")
    vrrp_owner_ignore_adverts: bool | None = keyword(
        OptBool(), "owner_ignore_adverts for all that say nothing", since="2.4", default="false")
    vrrp_notify_priority_changes: bool | None = keyword(
        OptBool(), "default of notify_priority_changes", default="false")
    v3_checksum_as_v2: bool | None = keyword(Flag(), "default of v3_checksum_as_v2", since="2.4", default="off")
    vip_fence: str | None = keyword(Choice("auto", "off"), "default of vip_fence", default="auto", since=OURS)
    vip_lease: float | str | None = keyword(
        AutoSeconds(1, 3600), "default of vip_lease", default="auto", since=OURS)

    # announcements
    vrrp_garp_master_delay: int | None = keyword(
        Whole(0, 4294, "SECONDS"), "default of garp_master_delay", fatal=True, default="5")
    vrrp_garp_master_repeat: int | None = keyword(
        Whole(0, U32, zero=1), "default of garp_master_repeat", fatal=True, default="5", sample="3")
    vrrp_garp_master_refresh: int | None = keyword(
        Whole(0, U32, "SECONDS"), "default of garp_master_refresh", fatal=True, default="0", sample="60")
    vrrp_garp_master_refresh_repeat: int | None = keyword(
        Whole(0, U32, zero=1), "default of garp_master_refresh_repeat", fatal=True, default="1", sample="2")
    vrrp_garp_lower_prio_delay: int | None = keyword(
        Whole(0, 4294, "SECONDS"), "default of garp_lower_prio_delay", fatal=True, default="vrrp_garp_master_delay",
        sample="10")
    vrrp_garp_lower_prio_repeat: int | None = keyword(
        Whole(0, I32 - 1), "default of garp_lower_prio_repeat", fatal=True, default="vrrp_garp_master_repeat",
        sample="1")
    vrrp_garp_interval: float | None = keyword(
        Seconds(0.000001, 4294.967295), "smallest gap between ARPs on an interface", fatal=True, default="0",
        sample="0.001")
    vrrp_gna_interval: float | None = keyword(
        Seconds(0.000001, 4294.967295), "smallest gap between neighbour advertisements", fatal=True, default="0",
        sample="0.001")
    vrrp_min_garp: bool | None = keyword(OptBool(), "announce every address exactly once", default="false")
    vrrp_garp_extra_if: tuple[bool, int] | None = keyword(
        ExtraInterfaces(1), "default of garp_extra_if", old=("vrrp_vmac_garp_intvl!",), default="0, never")

    # VRRP and the system
    vrrp_startup_delay: float | None = keyword(
        Seconds(0.001, 4294.967295), "stay idle for this long after start", fatal=True, default="0", reload="never",
        sample="10")
    vrrp_delay_after_boot: float | None = keyword(
        Seconds(0.001, 4294.967295), "stay idle until the host has been up for this long", fatal=True, since="2.4",
        default="0", reload="never", sample="60")
    log_unknown_vrids: bool | None = keyword(Flag(), "log adverts of virtual routers that are not ours", default="off")
    disable_local_igmp: bool | None = keyword(
        Flag(), "send no IGMP joins", reload="never", ignored="the kernel joins the multicast group as usual")
    vmac_prefix: str | None = keyword(
        Word("PREFIX"), "start of generated VMAC names", fatal=True, default="vrrp", sample="vip")
    vmac_addr_prefix: str | None = keyword(
        Word("PREFIX"), "start of the names of VMACs for addresses", fatal=True, default="vmac_prefix", sample="vip",
        ignored="VMACs for addresses are named like the instance's own")
    vrrp_rx_bufs_policy: Pairs | None = keyword(
        Options("MTU|ADVERT|BYTES", [("policy", lambda word: "" if word in ("MTU", "ADVERT") else whole(1, U32)(word))],
                least=1, example="ADVERT"),
        "how large VRRP receive buffers are", default="kernel default", ignored=_ROOM)
    vrrp_rx_bufs_multiplier: int | None = keyword(
        Whole(1, U32), "adverts of each instance that the buffer should hold", default="3", ignored=_ROOM,
        sample="10")
    vrrp_netlink_cmd_rcv_bufs: int | None = _buffer("the VRRP netlink command socket")
    vrrp_netlink_cmd_rcv_bufs_force: bool | None = _force("the VRRP netlink command socket")
    vrrp_netlink_monitor_rcv_bufs: int | None = keyword(
        Whole(0, U32, "BYTES"), "how much the VRRP netlink event socket may hold unread", default="kernel default",
        reload="never")
    vrrp_netlink_monitor_rcv_bufs_force: bool | None = keyword(
        OptBool(), "let that buffer exceed rmem_max", default="false",
        ignored="the buffer may exceed rmem_max in any case")
    lvs_netlink_cmd_rcv_bufs: int | None = _buffer("the checker netlink command socket")
    lvs_netlink_cmd_rcv_bufs_force: bool | None = _force("the checker netlink command socket")
    lvs_netlink_monitor_rcv_bufs: int | None = _buffer("the checker netlink event socket")
    lvs_netlink_monitor_rcv_bufs_force: bool | None = _force("the checker netlink event socket")
    process_monitor_rcv_bufs: int | None = keyword(
        Whole(0, U32, "BYTES"), "how much the process event socket may hold unread", default="kernel default",
        reload="never")
    process_monitor_rcv_bufs_force: bool | None = _force("the process event socket")
    vrrp_iptables: tuple[str, ...] | None = keyword(
        Words("[INCHAIN [OUTCHAIN]]", 0, 2), "filter packets by iptables, in these chains", ignored=_IPTABLES)
    vrrp_ipsets: tuple[str, ...] | None = keyword(
        Words("[ADDR4 [ADDR6 [ADDR6IF [IGMP [MLD [ND]]]]]]", 0, 6), "names of ipsets for vrrp_iptables",
        ignored=_IPTABLES)
    nftables: str | None = keyword(Word("TABLE", default=""), "name of our nftables table", repeat=Repeat.FIRST,
                                   reload="never", default="hakeep")
    nftables_priority: int | None = keyword(
        Whole(-I32, I32 - 1), "priority of its hooks", fatal=True, default="-1", sample="-100")
    nftables_ifindex: bool | None = keyword(
        Flag(), "match interfaces by index", default="off", ignored="the rules name interfaces as hakeep thinks best")
    nftables_counters: bool | None = keyword(Flag(), "count what the rules match", default="off")
    nftables_ipvs: str | None = keyword(
        Word("TABLE", default=""), "one service by mark for all addresses of a group; the table that sets the marks",
        process="lvs", sample="hakeep_ipvs")
    nftables_ipvs_priority: int | None = keyword(
        Whole(-I32, I32 - 1), "priority of its hooks", fatal=True, process="lvs", default="-1", sample="-100")
    nftables_ipvs_start_fwmark: int | None = keyword(
        Whole(1, U32), "first mark that is given out", fatal=True, process="lvs", default="1000", sample="5000")

    # telling others
    notify_fifo: FifoWords | None = _fifo("all events", process="all")
    notify_fifo_script: Script | None = _fifo_script("notify_fifo", process="all",
                                                     sample="/usr/lib/hakeep/listen hakeep_script")
    vrrp_notify_fifo: FifoWords | None = _fifo("events of VRRP")
    vrrp_notify_fifo_script: Script | None = _fifo_script("vrrp_notify_fifo",
                                                          sample="/usr/lib/hakeep/listen hakeep_script")
    lvs_notify_fifo: FifoWords | None = _fifo("events of virtual servers", process="lvs",
                                              sample="/run/hakeep/services hakeep_script")
    lvs_notify_fifo_script: Script | None = _fifo_script("lvs_notify_fifo", process="lvs",
                                                         sample="/usr/lib/hakeep/listen hakeep_script")
    fifo_write_vrrp_states_on_reload: bool | None = keyword(Flag(), "repeat all states after a reload", default="off")
    notification_email: tuple[str, ...] = keyword(
        Entries(Word("ADDRESS"), words=True), "who gets mail", process="all")
    notification_email_from: str | None = keyword(
        Word("ADDRESS"), "sender of mail", process="all", default="our user at this host")
    smtp_server: tuple[IPAddress | str, int | None] | None = keyword(
        IpPort(host=True), "mail relay; without one there is no mail", process="all", fatal=True, default="none",
        sample="192.0.2.25 25")
    smtp_helo_name: str | None = keyword(
        Word("NAME", default=""), "who we say we are to the relay", process="all", default="host name",
        sample="first.example.org")
    smtp_connect_timeout: int | None = keyword(
        Whole(0, 4294, "SECONDS", zero=1), "how long the relay may be silent", process="all", fatal=True,
        default="30", sample="30")
    smtp_starttls: str | None = keyword(
        Choice("off", "auto", "require"), "whether to encrypt the way to the relay", process="all", since=OURS,
        default="auto")
    smtp_login: tuple[str, ...] | None = keyword(
        Words("USER PASSWORD", 2, 2, example="alerts secret"), "who we are to a relay that asks for a password",
        process="all", since=OURS, default="none")
    smtp_queue_max: int | None = keyword(
        Whole(1, 100_000), "so many letters wait at most for the relay", process="all", since=OURS, default="1000",
        sample="5000")
    smtp_alert: bool | None = keyword(OptBool(), "default of smtp_alert everywhere", process="all")
    smtp_alert_vrrp: bool | None = keyword(OptBool(), "default of smtp_alert of instances", default="smtp_alert")
    smtp_alert_checker: bool | None = keyword(
        OptBool(), "default of smtp_alert of virtual servers", process="lvs", default="smtp_alert")
    no_email_faults: bool | None = keyword(Flag(), "no mail about FAULT", process="all", default="off")
    no_checker_emails: bool | None = keyword(
        OptBool(), "no mail about checks that change nothing", process="lvs", default="false")
    notify_webhook: str | None = keyword(
        HttpUrl(), "every change of state is posted there, as JSON", process="all", since=OURS, default="none")
    notify_webhook_secret: str | None = keyword(
        Word("SECRET"), "what posts are signed with", process="all", since=OURS, default="none",
        sample="a-long-random-word")
    snmp_socket: str | None = keyword(Word("ADDRESS", default=""), "AgentX master", process="all", ignored=_SNMP,
                                      sample="tcp:localhost:705")
    enable_traps: bool | None = keyword(Flag(), "tell changes by SNMP traps", process="all", ignored=_SNMP)
    enable_snmp_vrrp: bool | None = keyword(
        Flag(), "keepalived's MIB for VRRP", old=("enable_snmp_keepalived",), ignored=_SNMP)
    enable_snmp_rfc: bool | None = keyword(Flag(), "both MIBs of the RFCs", ignored=_SNMP)
    enable_snmp_rfcv2: bool | None = keyword(Flag(), "the MIB of RFC 2787", ignored=_SNMP)
    enable_snmp_rfcv3: bool | None = keyword(Flag(), "the MIB of RFC 6527", ignored=_SNMP)
    enable_snmp_checker: bool | None = keyword(
        Flag(), "keepalived's MIB for virtual servers", process="lvs", ignored=_SNMP)
    snmp_vs_stats_update_interval: float | None = keyword(
        Seconds(0.001, 30), "age of statistics of virtual servers", process="lvs", since="2.4", ignored=_SNMP)
    snmp_rs_stats_update_interval: float | None = keyword(
        Seconds(0.001, 30), "age of statistics of real servers", process="lvs", since="2.4", ignored=_SNMP)
    enable_dbus: bool | None = keyword(Flag(), "offer a D-Bus interface", ignored=_DBUS)
    dbus_service_name: str | None = keyword(Word("NAME"), "D-Bus name", ignored=_DBUS, sample="org.example.Vrrp1")
    dbus_no_interface_name: str | None = keyword(
        Word("NAME"), "D-Bus path of instances without interface", since="2.4", ignored=_DBUS, sample="none")

    # virtual servers
    checker_log_all_failures: bool | None = keyword(
        OptBool(), "default of log_all_failures", process="lvs")
    rs_init_notifies: bool | None = keyword(
        OptBool(), "run notify scripts for the first state too", process="lvs")
    lvs_timeouts: Pairs | None = keyword(
        Options("[tcp N] [tcpfin N] [udp N] (0..2678400)",
                named=dict.fromkeys(("tcp", "tcpfin", "udp"), whole(0, 2678400)), least=2,
                example="tcp 7200 tcpfin 120 udp 300"),
        "timeouts of IPVS connections", process="lvs")
    lvs_flush: bool | None = keyword(Flag(), "empty the IPVS tables at start", process="lvs")
    lvs_flush_on_stop: str | None = keyword(
        Choice("VS", default=""), "empty the IPVS tables at stop", old=("lvs_flush_onstop",), process="lvs")
    lvs_sync_daemon: Pairs | None = keyword(
        Options("IFNAME [[inst] INSTANCE] [id N] [maxlen N] [port N] [ttl N] [group IP]",
                [("interface", anything), ("instance", anything)],
                {"inst": anything, "id": whole(0, 255), "maxlen": whole(1, 65507), "port": whole(1, 65535),
                 "ttl": whole(1, 255), "group": multicast}, least=1, example="eth0 inst web id 51"),
        "synchronise IPVS connections", process="lvs", repeat=Repeat.FIRST, backends=NO_COPIES)
    lvs_backend: str | None = keyword(
        Familiar(*BUILT_IN), "what of the kernel forwards connections", process="lvs",
        since=OURS, reload="restart", default="auto")
    lvs_checks_in_flight: int | None = keyword(
        Whole(1, 65535), "so many checks run at once", process="lvs", since=OURS, default="500", sample="200")

    # files, reading and reloading
    random_seed: int | None = keyword(Whole(0, U32), "where ${_RANDOM} starts from", process="all", fatal=True,
                                        default="the time of day", sample="42")
    include_check: Pairs | None = keyword(
        Options("[[+|-]read|match|wildcard_match|brace_match ...]", what="check", named=_CHECKS, example="match"),
        "which failed includes are errors", process="all", default="none")
    reload_check_config: str | None = keyword(
        Word("LOGFILE", default=""), "check a new configuration before it is taken", process="all",
        notes="hakeep always does", default="on")
    reload_time_file: str | None = keyword(
        Word("PATH"), "file that says when to reload", process="all", sample="/etc/hakeep/reload-at")
    reload_repeat: bool | None = keyword(
        Flag(), "reload at that time every day", process="all", default="off")
    reload_file: str | None = keyword(
        Word("PATH", default=""), "file that exists while the configuration is read", process="all", default="off",
        sample="/run/hakeep/reading")
    config_save_dir: str | None = keyword(
        Word("DIR"), "keep a copy of every configuration that was read", process="all", fatal=True, ignored=_FILES,
        sample="/var/lib/hakeep/history")
    tmp_config_directory: str | None = keyword(
        Word("DIR"), "where the merged configuration is kept", process="all", reload="never", ignored=_FILES,
        sample="/run/hakeep")
    data_use_instance: bool | None = keyword(
        OptBool(), "put instance and namespace into names of dump files", process="all", default="false")
    json_version: int | None = keyword(Whole(1, 2), "which form the JSON dump has", since="2.4", default="1",
                                       sample="2")
    state_dump_file: str | None = keyword(Word("PATH"), "where state is dumped to", process="all", since="2.4",
                                         default="/run/hakeep/hakeep.data", sample="/run/hakeep/state.data")
    stats_dump_file: str | None = keyword(Word("PATH"), "where statistics are dumped to", process="all", since="2.4",
                                         default="/run/hakeep/hakeep.stats", sample="/run/hakeep/state.stats")
    json_dump_file: str | None = keyword(Word("PATH"), "where the JSON dump goes", process="all", since="2.4",
                                        default="/run/hakeep/hakeep.json", sample="/run/hakeep/state.json")
    iproute_usr_dir: str | None = keyword(
        Word("DIR"), "iproute2's tables of names", process="all", since="2.4", sample="/usr/share/iproute2",
        default="/usr/lib/iproute2 and /usr/share/iproute2")
    iproute_etc_dir: str | None = keyword(
        Word("DIR"), "local tables of names", process="all", since="2.4", default="/etc/iproute2",
        sample="/etc/iproute2")


GLOBAL_DEFS = block_of(GlobalDefs, shown=("router_id", "script_user", "enable_script_security"))
