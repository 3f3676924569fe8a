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
    One letter for each new state, sent by a process of its own: a relay that is slow, dead or hostile delays nothing.
    Letters that it does not take wait and are sent later. It takes `smtp_server` and `notification_email` to send any.

notification_email
    Every word between the braces is an address.

notification_email_from
    Relays often refuse a sender at a host that they cannot find.

smtp_server
    Port 25 unless another one follows. On port 465 everything is encrypted from the start.

smtp_helo_name
    Some relays refuse names without a dot, or names that they cannot find.

smtp_connect_timeout
    Each step of the conversation may take so long, and all of it four times that.

smtp_starttls
    With auto the way is encrypted if the relay offers it, whoever the relay may be: that keeps listeners out. With
    require the relay must also have a certificate for its name (as written in `smtp_server`) from an authority that
    this host trusts, or nothing is sent.

smtp_login
    The password is only ever given to a relay that has proved who it is by its certificate, unless `smtp_starttls` is
    off. Keep the file from being read by others.

smtp_queue_max
    When more wait, the oldest one is dropped, and the log says so. `hakeep status` says how many wait, since when, and
    why they could not be sent.

smtp_alert_vrrp smtp_alert_checker
    Stands for `smtp_alert` in all blocks of that kind that have none of their own.

no_email_faults
    A link that goes down for a moment, for instance at a reboot of the switch, is then no reason for a letter.

no_checker_emails
    A real server with several checks gets a letter when one more of them fails, although it was down already, and when
    one passes while another still fails. With this there are letters about new states only.

notify_webhook
    A POST for every new state of an instance, a group, a real server or a virtual server, whether mail is sent or not.
    The document says who reports (router_id), kind, name, state, priority, why and time. What cannot be delivered is
    tried again, of one object only its newest state. Redirects are not followed. Keep the file from being read by
    others if the address is a secret.

notify_webhook_secret
    Each post then has a header X-Hakeep-Signature: sha256= and the HMAC-SHA256 of the body, in hexadecimal digits.
    Compare it in constant time, and look at the time inside, or anybody can post or repeat.

snmp_socket enable_traps enable_snmp_vrrp enable_snmp_rfc enable_snmp_rfcv2 enable_snmp_rfcv3
    Part of keepalived's SNMP agent. `hakeep status --json` tells states and numbers to any monitoring program.

enable_snmp_checker snmp_vs_stats_update_interval snmp_rs_stats_update_interval
    Part of keepalived's SNMP agent, for virtual servers.

enable_dbus dbus_service_name dbus_no_interface_name
    Part of keepalived's D-Bus interface. `hakeep status --json` and `hakeep watch` tell the same.
"""
