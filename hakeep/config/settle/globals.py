"""global_defs and the outermost level, settled."""

from __future__ import annotations

from typing import Any

from hakeep.config.diagnostic import Code, Findings, Verdict
from hakeep.config.host import Host
from hakeep.config.keywords.global_defs import GlobalDefs
from hakeep.config.keywords.static import Config
from hakeep.config.settled import Fifo, GarpLimit, Global, Process, Script


def settle_globals(config: Config, host: Host, findings: Findings) -> Global:
    """What the supervisor and the vrrp worker take from outside the instances."""
    written = config.global_defs or GlobalDefs()
    _check(written, host, findings)
    policy = dict(written.vrrp_rx_bufs_policy or ()).get("policy", "")
    user, group = written.script_user or (None, None)
    relay, relay_port = written.smtp_server or ("", None)
    return Global(
        router_id=written.router_id or "",
        instance=config.instance or "",
        net_namespace=config.net_namespace or "",
        net_namespace_ipvs=config.net_namespace_ipvs,
        use_pid_dir=bool(config.use_pid_dir or config.instance or config.net_namespace),
        process_name=written.process_name or "",
        child_wait_time=5.0 if config.child_wait_time is None else float(config.child_wait_time),
        umask=0o177 if written.umask is None else written.umask,
        vrrp_process=settle_process(written, "vrrp", "vrrp"),
        startup_script=written.startup_script,
        startup_script_timeout=float(written.startup_script_timeout or 10),
        shutdown_script=written.shutdown_script,
        shutdown_script_timeout=float(written.shutdown_script_timeout or 10),
        script_user=user,
        script_group=group,
        enable_script_security=bool(written.enable_script_security),
        set_supplementary_groups=bool(written.set_supplementary_groups),
        notify_fifo=settle_fifo(written.notify_fifo, written.notify_fifo_script),
        vrrp_notify_fifo=settle_fifo(written.vrrp_notify_fifo, written.vrrp_notify_fifo_script),
        fifo_write_vrrp_states_on_reload=bool(written.fifo_write_vrrp_states_on_reload),
        notification_email=tuple(dict.fromkeys(written.notification_email)),
        notification_email_from=written.notification_email_from or "",
        smtp_server=str(relay),
        smtp_port=relay_port or 25,
        smtp_helo_name=written.smtp_helo_name or "",
        smtp_connect_timeout=float(30 if written.smtp_connect_timeout is None else written.smtp_connect_timeout),
        smtp_starttls=written.smtp_starttls or "auto",
        smtp_login=written.smtp_login or (),
        smtp_queue_max=written.smtp_queue_max or 1000,
        no_email_faults=bool(written.no_email_faults),
        no_checker_emails=bool(written.no_checker_emails),
        notify_webhook=written.notify_webhook or "",
        notify_webhook_secret=written.notify_webhook_secret or "",
        vrrp_startup_delay=written.vrrp_startup_delay or 0.0,
        vrrp_delay_after_boot=written.vrrp_delay_after_boot or 0.0,
        log_unknown_vrids=bool(written.log_unknown_vrids),
        dynamic_interfaces=written.dynamic_interfaces is not None,
        garp_limits=_garp_limits(config, written, host, findings),
        nftables_table=written.nftables or "",
        nftables_priority=-1 if written.nftables_priority is None else written.nftables_priority,
        nftables_counters=bool(written.nftables_counters),
        vrrp_rx_bufs_policy=policy,
        vrrp_rx_bufs_multiplier=written.vrrp_rx_bufs_multiplier or 3,
        netlink_monitor_rcv_bufs=written.vrrp_netlink_monitor_rcv_bufs or 0,
        data_use_instance=bool(written.data_use_instance),
        json_version=written.json_version or 1,
        state_dump_file=written.state_dump_file or "",
        stats_dump_file=written.stats_dump_file or "",
        json_dump_file=written.json_dump_file or "",
        reload_file=written.reload_file,
        reload_time_file=written.reload_time_file or "",
        reload_repeat=bool(written.reload_repeat),
        config_save_dir=written.config_save_dir or "",
    )


def settle_process(written: GlobalDefs, prefix: str, worker: str) -> Process:
    """How a worker is to run. `prefix` begins the keywords that say so."""

    def of(what: str) -> Any:
        return getattr(written, f"{prefix}_{what}")

    return Process(
        name=of("process_name") or (f"hakeep_{worker}" if written.process_names else ""),
        priority=of("priority") or 0,
        rt_priority=of("rt_priority") or 0,
        no_swap=bool(of("no_swap")),
        cpu_affinity=of("cpu_affinity") or (),
        rlimit_rttime=max(2, of("rlimit_rttime") or 1_000_000),
    )


def settle_alert(own: bool | None, written: GlobalDefs) -> bool:
    """smtp_alert of an instance or a group: its own word, else the nearest default."""
    defaults = (own, written.smtp_alert_vrrp, written.smtp_alert)
    return next((said for said in defaults if said is not None), False)


def settle_fifo(words: tuple[str, str | None, str | None] | None, script: Script | None) -> Fifo | None:
    """A named pipe and who reads it, if there is one."""
    return Fifo(*words, script=script) if words else None


def _garp_limits(config: Config, written: GlobalDefs, host: Host, findings: Findings) -> tuple[GarpLimit, ...]:
    limits = []
    if written.vrrp_garp_interval or written.vrrp_gna_interval:
        limits.append(GarpLimit((), written.vrrp_garp_interval or 0.0, written.vrrp_gna_interval or 0.0))
    taken: set[str] = set()
    for group in config.garp_group:
        interfaces = []
        for keyword, names in (("interface", group.interface), ("interfaces", group.interfaces)):
            for index, name in enumerate(names):
                span = group.span(keyword, index)
                if name in taken:
                    findings.error(Code.GARP_GROUP, f"{name} is in a garp_group already", span)
                    continue
                if host.lacks_interface(name) and not written.dynamic_interfaces:
                    findings.error(Code.UNKNOWN_INTERFACE, f"there is no interface {name}", span, stops=True,
                                   fix="dynamic_interfaces in global_defs allows for interfaces that come later")
                taken.add(name)
                interfaces.append(name)
        begin = group.span()
        if not {"garp_interval", "gna_interval"} & group.places.keys():
            findings.error(Code.GARP_GROUP, "this garp_group has no effect: it lacks an interval", group.closing(),
                           also=(begin, "it begins here") if begin else None)
        elif not interfaces:
            findings.warning(Code.GARP_GROUP, "this garp_group has no effect: it lacks an interface", begin)
        if not interfaces or not (group.garp_interval or group.gna_interval):
            continue
        limits.append(GarpLimit(tuple(interfaces), group.garp_interval or 0.0, group.gna_interval or 0.0))
    return tuple(limits)


def _check(written: GlobalDefs, host: Host, findings: Findings) -> None:
    group = written.vrrp_mcast_group6
    if group is not None and (int(group) >> 112) & 0xF != 2:
        findings.warning(Code.LINK_LOCAL, f"{group} is not of link-local scope", written.span("vrrp_mcast_group6"),
                         verdict=Verdict.GENERAL, note="adverts must not leave the link")
    for keyword in ("vrrp_iptables", "vrrp_ipsets"):
        if getattr(written, keyword) is not None:
            findings.warning(Code.IGNORED, f"{keyword}: packets are filtered by nftables, not iptables",
                             written.span(keyword), fix="write nftables", verdict=Verdict.GENERAL)
    if host.cpus is not None:
        for keyword in ("vrrp_cpu_affinity", "checker_cpu_affinity", "bfd_cpu_affinity"):
            for cpu in getattr(written, keyword) or ():
                if cpu >= host.cpus:
                    findings.error(Code.OUT_OF_RANGE, f"{keyword}: there is no CPU {cpu}", written.span(keyword))
    if host.users is not None and written.script_user and written.script_user[0] not in host.users:
        findings.error(Code.UNKNOWN_USER, f"there is no user {written.script_user[0]}", written.span("script_user"))
    elif host.groups is not None and written.script_user and written.script_user[1]:
        name = written.script_user[1]
        if name not in host.groups and not name.isdecimal():
            findings.error(Code.UNKNOWN_USER, f"there is no group {name}", written.span("script_user"))
    for keyword, needs in (("smtp_login", "smtp_server"), ("notify_webhook_secret", "notify_webhook")):
        if getattr(written, keyword) and not getattr(written, needs):
            findings.warning(Code.UNUSED, f"{keyword} has no effect without {needs}", written.span(keyword))
    for fifo in ("notify_fifo", "vrrp_notify_fifo", "lvs_notify_fifo"):
        if getattr(written, f"{fifo}_script") and not getattr(written, fifo):
            findings.warning(Code.UNUSED, f"{fifo}_script has nothing to read without {fifo}",
                             written.span(f"{fifo}_script"))
