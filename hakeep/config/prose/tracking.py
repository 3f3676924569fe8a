"""What priorities may depend on."""

TEXT = """\
track_interface
    One name a line. An interface that is down means FAULT; with a weight it only changes the priority: a positive one
    is added while the interface is up, a negative one is taken off while it is down. reverse turns up and down around.

track_script
    Names of `vrrp_script` blocks, one a line. A weight here counts instead of the script's own.

vrrp_instance/track_file vrrp_sync_group/track_file
    Names of `track_file` blocks, one a line. A weight here counts instead of the block's own.

track_process
    Names of `vrrp_track_process` blocks, one a line. A weight here counts instead of the block's own.

track_bfd
    Names of `bfd_instance` blocks, one a line. A weight here counts instead of the block's own. A session counts as
    failed until it is up for the first time. A neighbor that says that somebody has switched it off (AdminDown, as
    hakeepd and others do when they are stopped) has not failed (RFC 5882): what counted before goes on to count.

track_ping
    Echo requests to this address, or to the default gateway of the moment (inet6: that of IPv6): a check without a
    script. It has failed when more than loss percent of count requests remain without an answer. Ask something that
    both hosts should reach, and give it a weight: where all hosts fail at once, FAULT leaves nobody with the addresses.

    interval is from one question to the next, timeout how long an answer may take (as long as the interval, unless
    given). rise and fall are how many equal answers in a row make a change. The weight means what it means to a
    `vrrp_script`: none, and a failure is FAULT; reverse exchanges success and failure.

track_tcp
    A connection to this address and port can be opened. Options are those of `track_ping`, but for the packets' own.

track_http
    A GET of this URL has one of these status codes (200-299, unless given). With https the certificate must be good
    for the name, unless noverify is given. Other options are those of `track_ping`. Quote a URL that has a # or a ! in
    it.

track_unit
    A unit of systemd is active. A name without an ending is that of a service. Other options are those of `track_ping`.

track_route
    The kernel has a route to exactly this network; default is the default route, with inet6 that of IPv6. Without table
    the table main is meant. Learned routes come and go with a routing daemon: so does, with this, the priority.

track_virtual_server
    The virtual server of this name, as `hakeep status` writes it, has its quorum: a director that cannot serve need not
    have the address. For one of another protocol than TCP the protocol stands after the port.

hold_down
    Something that fails and recovers again and again moves the addresses each time. With this, what has failed must be
    well for so many seconds before it counts as well, after the next failure twice as long, and so on. `hakeep status`
    shows what is held down. In a group it holds for members that have none of their own.

last_standing
    When checks fail on every host, each goes to FAULT and nobody serves, though the checks may be what is wrong. With
    this on all hosts, the best of those whose checks failed keeps the addresses, and says so, until a host is well.
    Its own links must be up. In a group it holds for members that say nothing. A router with failed checks says a
    priority from 1 to 31: give all routers a `priority` above that.

virtual_routes
    One route a line in the words of ip-route(8), put in after the addresses and taken out before them.

virtual_rules
    One rule a line in the words of ip-rule(8).

vrrp_script/script
    Exit status 0 is success, any other is failure. Unlike with `notify`, further words are arguments, not an account.
    Give the full path. Keep it short: it runs every `interval`, on every host. What is not there or not executable when
    the configuration is read is left out with all that tracks it, and the log says so.

vrrp_script/interval
    A run that is still going on when the next is due is not disturbed; the next one is left out.

vrrp_script/timeout
    It is then ended by SIGTERM, and two seconds later by SIGKILL.

vrrp_script/weight
    With 0, failure means FAULT: the host is out of the election. A positive weight is added to the priority while the
    script succeeds, a negative one is taken off while it fails. Choose it so that the other host wins then: more than
    the difference of the priorities. reverse exchanges success and failure.

rise
    Guards against a service that comes and goes.

fall
    Guards against a single failure that means nothing. The time until a takeover is about this number of intervals.
    Failures in a row go on to count over a reload, also one that changes the script, and when the process that runs
    scripts had to be replaced.

vrrp_script/user
    Running checks as root is seldom needed.

init_fail
    Without it a script is neither good nor bad until its first run has ended.

process
    The name of the program, as in /proc/PID/comm. If arguments follow, the whole list of them is compared.

param_match
    partial: the process may have further arguments after those given. initial: so it may, and the last of those given
    may be the beginning of a longer one. Without a word they must be the same.

vrrp_track_process/weight
    As with a `vrrp_script`; 0 means FAULT while there are too few.

vrrp_track_process/quorum
    At least as many must run.

quorum_max
    At most as many may run. 0 is possible: then none may.

delay
    Sets `fork_delay` and `terminate_delay`.

terminate_delay
    A process that ends and is started again within this time is not missed.

fork_delay
    A process must have run for this long to be counted on.

full_command
    The whole command line is compared even if no arguments are given.

file
    The first number in it counts; 0 if there is none or no file. Write a new file and rename it, so that nobody reads
    half a number.

track_file/weight vrrp_track_file/weight
    The number is multiplied by it and added to the priority; -254 or less means FAULT. With 0, any number but 0 means
    FAULT.

init_file
    Creates the file with this value, 0 without one; overwrite does so even if there is one already.
"""
