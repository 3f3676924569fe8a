"""What runs for the whole daemon, whatever the worker: global_defs after every default and correction.

Times are seconds as floats. See `settled`.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Script:
    """A command to run: argument vector, and the account (None = the daemon's script user)."""

    argv: tuple[str, ...]
    user: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class GarpLimit:
    """The smallest gap between announcements on a set of interfaces that share it (garp_group, vrrp_garp_interval)."""

    interfaces: tuple[str, ...]  # empty = every interface, each for itself
    garp_interval: float = 0.0
    gna_interval: float = 0.0


@dataclass(frozen=True, slots=True)
class Fifo:
    """A named pipe that receives events, and the script that reads it."""

    path: str
    user: str | None = None
    group: str | None = None
    script: Script | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """How a worker process is scheduled. 0 / None / () = leave as it is."""

    name: str = ""
    priority: int = 0
    rt_priority: int = 0
    no_swap: bool = False
    cpu_affinity: tuple[int, ...] = ()
    rlimit_rttime: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Global:
    """global_defs and the root level, as far as they concern the supervisor and the vrrp worker.

    `net_namespace_ipvs` is None where IPVS is in the namespace of the daemon, "" where it is in the one that the daemon
    was started in.
    """

    router_id: str = ""
    instance: str = ""
    net_namespace: str = ""
    net_namespace_ipvs: str | None = None
    use_pid_dir: bool = False
    process_name: str = ""  # of the supervisor; "" = hakeepd
    child_wait_time: float = 5.0
    umask: int = 0o177
    vrrp_process: Process = field(default_factory=Process)
    startup_script: Script | None = None
    startup_script_timeout: float = 10.0
    shutdown_script: Script | None = None
    shutdown_script_timeout: float = 10.0
    script_user: str | None = None
    script_group: str | None = None
    enable_script_security: bool = False
    set_supplementary_groups: bool = False
    notify_fifo: Fifo | None = None
    vrrp_notify_fifo: Fifo | None = None
    fifo_write_vrrp_states_on_reload: bool = False
    notification_email: tuple[str, ...] = ()
    notification_email_from: str = ""  # "" = this user at this host
    smtp_server: str = ""  # address or name
    smtp_port: int = 25
    smtp_helo_name: str = ""  # "" = the name of this host
    smtp_connect_timeout: float = 30.0
    smtp_starttls: str = "auto"  # off | auto | require
    smtp_login: tuple[str, ...] = field(default=(), repr=False)  # () or user and password
    smtp_queue_max: int = 1000
    no_email_faults: bool = False
    no_checker_emails: bool = False
    notify_webhook: str = field(default="", repr=False)  # such addresses often are secrets
    notify_webhook_secret: str = field(default="", repr=False)
    vrrp_startup_delay: float = 0.0
    vrrp_delay_after_boot: float = 0.0
    log_unknown_vrids: bool = False
    dynamic_interfaces: bool = False
    garp_limits: tuple[GarpLimit, ...] = ()
    nftables_table: str = ""  # "" = hakeep
    nftables_priority: int = -1
    nftables_counters: bool = False
    vrrp_rx_bufs_policy: str = ""
    vrrp_rx_bufs_multiplier: int = 3
    netlink_monitor_rcv_bufs: int = 0
    data_use_instance: bool = False
    json_version: int = 1
    state_dump_file: str = ""
    stats_dump_file: str = ""
    json_dump_file: str = ""
    reload_file: str | None = None  # None = off, "" = the default path
    reload_time_file: str = ""
    reload_repeat: bool = False
    config_save_dir: str = ""

    @property
    def mails(self) -> bool:
        """True when there is somebody to write to, and somebody who takes the letters."""
        return bool(self.smtp_server and self.notification_email)

    @property
    def tells(self) -> bool:
        """True when somebody is told of changes by mail or webhook."""
        return self.mails or bool(self.notify_webhook)
