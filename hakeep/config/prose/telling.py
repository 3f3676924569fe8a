"""Scripts and pipes that are told of changes, mail, SNMP and D-Bus."""

TEXT = """\
notify_fifo
    A named pipe, made if it is not there. Each event is one line: INSTANCE or GROUP, the name in quotes, the state, the
    priority. One program that reads a pipe is cheaper than a script started for each event, and sees them in order.

notify_fifo_script vrrp_notify_fifo_script
    Started with the daemon and started again when it ends. It gets the path of the pipe as its last argument.

vrrp_notify_fifo
    As `notify_fifo`, with the events of VRRP only.

lvs_notify_fifo
    As `notify_fifo`, with the events of virtual servers only.

lvs_notify_fifo_script
    Gets the path of the pipe as its last argument.

fifo_write_vrrp_states_on_reload
    A reader that was started anew, or that keeps a list, gets all states again.

notify_master
    Gets no arguments of its own; write those that it needs inside the quotes. Scripts of an instance run one state
    after the other: one that still runs at the next change is let finish first, and of the states that came meanwhile
    only the newest is told. Do not use it to put addresses on interfaces: that is what `virtual_ipaddress` is for.

notify_backup
    As `notify_master`. It also runs when the instance starts.

notify_fault
    As `notify_master`. FAULT means that the instance cannot work: its interface is down, or something that it tracks
    is.

notify_stop
    Runs when the daemon ends, not when it reads its configuration again.

notify
    Runs at each of these changes, besides the special script, with four more arguments: INSTANCE or GROUP, the name,
    the new state, and the priority. One script can so do everything.

notify_deleted
    Runs when the instance is no longer in the configuration after a reload. Without a script the word still matters:
    the other scripts and pipes are then told DELETED; otherwise they are told FAULT.

notify_master_rx_lower_pri
    It may mean that two hosts believe to be MASTER, each of which does not hear the other: worth an alarm.

notify_priority_changes
    Lines such as MASTER_PRIORITY are then written to the pipes when the priority changes and the state does not.

smtp_alert
    Mail is better sent by a `notify` script or by what watches the log.

notification_email
    Every word between the braces is an address.

notification_email_from smtp_server smtp_helo_name smtp_connect_timeout smtp_alert_vrrp smtp_alert_checker
no_email_faults no_checker_emails
    Part of keepalived's mail alerts. A `notify` script can do the same.

snmp_socket enable_traps enable_snmp_vrrp enable_snmp_rfc enable_snmp_rfcv2 enable_snmp_rfcv3
    Part of keepalived's SNMP agent. `hakeep status --json` tells states and numbers to any monitoring program.

enable_snmp_checker snmp_vs_stats_update_interval snmp_rs_stats_update_interval
    Part of keepalived's SNMP agent, for virtual servers.

enable_dbus dbus_service_name dbus_no_interface_name
    Part of keepalived's D-Bus interface. `hakeep status --json` and `hakeep watch` tell the same.
"""
