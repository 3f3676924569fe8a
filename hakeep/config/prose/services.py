"""virtual_server and real_server."""

TEXT = """\
real_server
    One of the machines that do the work. Without a port it is that of the service; only NAT can use another one.

delay_loop
    A server that fails is noticed after about this time, plus that of the retries.

retry
    A server that worked is taken for failed after this many further failed tries, `delay_before_retry` apart.

delay_before_retry
    See `retry`.

warmup
    The first checks are spread at random over this time, so that a thousand servers are not asked at the same moment. 0
    starts all at once.

connect_timeout
    Holds for connecting and for each answer.

virtualhost
    The name sent to a web server, which may have several sites. The nearest one counts: that of the page, the check,
    the real server, the virtual server.

snmp_name
    Shown instead of an address.

ip_family
    A firewall mark says nothing about the family. Otherwise it is seen from the addresses.

lvs_sched lb_algo
    rr gives each server its turn, wrr in proportion to weights; lc and wlc prefer the one with the fewest connections;
    sh, dh and mh choose by address, so that a client stays; lblc and lblcr are for caches; sed and nq expect the
    shortest wait; fo takes the one of highest weight, ovf fills one after the other. Both words are the same setting.
    keepalived complains when there is none.

lvs_method lb_kind
    NAT rewrites addresses and needs answers to come back through this host. DR leaves packets as they are and only
    changes the MAC: servers must have the address on a loopback interface and the same port. TUN wraps packets up, for
    servers elsewhere. Both words are the same setting. keepalived complains when there is none.

protocol
    Do not forget it: without it the service is UDP. Firewall marks need none.

ops
    Each packet is scheduled for itself, as for DNS over UDP.

hashed
    It is read so that old files stay valid.

flag-1 flag-2 flag-3
    What a flag means is a matter of the scheduler.

sh-port mh-port
    Connections of one client may then go to different servers.

sh-fallback mh-fallback
    If the server chosen is not available.

omega
    Then `notify_down` and `quorum_down` also run when the daemon ends.

alpha
    Otherwise a server is used from the start until a check fails.

inhibit_on_failure
    Connections that exist go on, and no new ones come. Otherwise a failed server is taken out of the table.

ha_suspend
    Checks run only on the host that has the address of the service.

persistence_engine
    The kernel has one, sip, which keeps the packets of a call together.

persistence_timeout
    A client that comes back within this time gets the same server. Without a number it is 360.

persistence_granularity
    Clients of one network then count as one. It includes `persistence_timeout`.

quorum_up quorum_down
    Run when the sum of the weights of servers that work passes `quorum`.

virtual_server/quorum
    The service counts as up while the weights of its servers that work add up to this number.

hysteresis
    The sum must be above `quorum` by as much to count as up again, and below by as much to count as down.

virtual_server/weight
    The more weight, the larger the share.

real_server/weight
    The more weight, the larger the share. 0 means no new connections.

panic_threshold
    When most servers fail at once, the fault is more likely on the way to them, or in the check, than in all of them.
    Then all stay in use until more are well again.

slow_start
    A server that has just come back has cold caches: it begins with a tenth of its weight.

sorry_server
    The page that says so when no server is left.

sorry_server_inhibit
    Must come after `sorry_server`.

sorry_server_lvs_method
    Must come after `sorry_server`.

uthreshold lthreshold
    Connections are counted by the kernel. 0 means no limit.

notify_up notify_down
    Runs with the account given after it, or that of `script_user`.

real_server/smtp_alert
    On by default as soon as mail is set up at all.
"""
