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
    Names of `bfd_instance` blocks, one a line. A weight here counts instead of the block's own.

virtual_routes
    One route a line in the words of ip-route(8), put in after the addresses and taken out before them.

virtual_rules
    One rule a line in the words of ip-rule(8).

vrrp_script/script
    Exit status 0 is success, any other is failure. Unlike with `notify`, further words are arguments, not an account.
    Give the full path. Keep it short: it runs every `interval`, on every host.

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

vrrp_script/user
    Running checks as root is seldom needed.

init_fail
    Without it a script is neither good nor bad until its first run has ended.

process
    The name of the program, as in /proc/PID/comm. If arguments follow, the whole list of them is compared.

param_match
    initial: the process may have further arguments after those given. partial: the last of those given may be the
    beginning of a longer one. Without a word they must be the same.

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
