"""global_defs: the processes, accounts, files and how the configuration is read."""

TEXT = """\
process_names
    `ps` and `top` then tell the worker apart, as `hakeep_vrrp`. Names given by the keywords below win.

process_name
    At most 15 characters, as the kernel keeps no more.

vrrp_process_name
    At most 15 characters. It changes what `ps -e` shows, not the path of the program.

lvs_backend
    ipvs is the kernel's own load balancer. nftables does with less of it, by rewriting addresses, where the kernel has
    no IPVS, as in many containers. auto takes ipvs if the kernel has it, else nftables. memory forwards nothing and is
    for trying things out. Any other name is that of a backend in a package of somebody else, which must be installed
    for the Python that hakeep runs with: an entry point of the group hakeep.backends.

lvs_checks_in_flight
    With very many servers, checks that come due at the same moment wait for one another.

checker_process_name bfd_process_name
    At most 15 characters.

vrrp_priority
    The usual nice value: -20 gets most of the processor, 19 least. `vrrp_rt_priority` is stronger than any of them.

checker_priority bfd_priority
    The usual nice value: -20 gets most of the processor, 19 least.

vrrp_no_swap
    A worker that waits for its memory to come back from disk sends no adverts, and another host takes over.

checker_no_swap bfd_no_swap
    Its pages are locked, so that they never wait for the disk.

vrrp_rt_priority
    A real-time process runs before all ordinary ones, so a busy machine still sends its adverts in time. hakeep needs
    this less than others, since the kernel keeps its addresses safe; but use it where intervals are below a second.

checker_rt_priority bfd_rt_priority
    A real-time process runs before all ordinary ones. The checker process is never one, so that no check delays an
    advert: it gets the best nice value, -20, instead.

vrrp_cpu_affinity checker_cpu_affinity bfd_cpu_affinity
    Numbers of processors as in /proc/cpuinfo, from 0. The worker then runs on these only.

vrrp_rlimit_rttime checker_rlimit_rttime bfd_rlimit_rttime
    A real-time process that never pauses would lock the machine up. The kernel kills one that computes for longer than
    this without waiting for anything. In keepalived this is 10 ms if nothing is said, in which a hakeep worker with
    hundreds of instances or sessions cannot even start.

max_auto_priority
    keepalived can make itself a real-time process when it notices that its timers are late; this is how far.

min_auto_priority_delay
    Timers that are less late than this do not count for `max_auto_priority`.

router_id
    Appears in dumps and reports, nowhere on the network. It need not be an address.

script_user
    The account, and perhaps the group, under which scripts run that name none. Choose one that may do what the scripts
    need and no more. Without it, and without an account called hakeep_script or keepalived_script, they run as root.

enable_script_security
    A script that root runs, in a directory where somebody else may write, is a present to that somebody. With this word
    such scripts are not run: every directory on the path, and every link, must belong to root and be writable by root
    only. keepalived's -t ends with status 6 as long as there are scripts and this word is missing.

use_symlink_paths
    keepalived replaces links in the path of a script by what they point to, unless this is set.

set_supplementary_groups
    Otherwise a script has the one group of its account, or the group given after the account's name.

startup_script
    Runs to its end before the first worker is started, for example to load a kernel module. Whatever its exit status,
    the daemon goes on; it only says so in the log.

shutdown_script
    Runs after the workers have ended and the addresses are gone.

startup_script_timeout shutdown_script_timeout
    A script that takes longer is killed, and the daemon goes on.

umask
    The bits that new files do not get, as in umask(2): octal, or names such as IWGRP|IWOTH. The option -u wins.

random_seed
    With a fixed number `${_RANDOM}` gives the same values at each start, which helps in tests.

include_check
    Plain `include` accepts that nothing is found. The words say which failures are errors: read (a file cannot be
    read), match (nothing found), wildcard_match (a pattern found nothing), brace_match (one of several alternatives
    found nothing). A sign adds or removes; without words all count. It concerns the includes after it.

reload_check_config
    keepalived dies at a reload if the new file is bad, unless this is set. hakeep always reads a new file in a child
    first, and keeps the running configuration if it cannot be used. So the word is accepted and changes nothing.

reload_time_file
    A file with a time of day, or a date and a time, at which the configuration is read again.

reload_repeat
    Otherwise the file is removed once its time has come.

reload_file
    Whoever edits the configuration by program can wait until this file is gone. Without a path it is
    /run/hakeep/hakeepd.reload.

config_save_dir
    A history of what was really in force, one file for each time the configuration was read.

tmp_config_directory
    keepalived gives its workers a merged copy of all files. In hakeep the supervisor hands them the settings
    themselves.

data_use_instance
    Two daemons that dump into the same directory then do not overwrite each other's files.

json_version
    1 is a list of instances, as keepalived 2.2 and later write it. 2 is an object, with the instances under one of its
    names.

state_dump_file
    Written on SIGUSR1. `hakeep status` shows the same, and more, without a file.

stats_dump_file
    Written on SIGUSR2.

json_dump_file
    Written on the signal that `hakeepd --signum=JSON` prints. `hakeep status --json` needs neither signal nor file.

iproute_usr_dir
    Names of routing tables, protocols, TOS values, realms and groups of interfaces are looked up in the files of this
    directory (rt_tables, rt_protos, rt_dsfield, rt_realms, group, and rt_tables.d/*.conf and its likes), which belong
    to iproute2. A name that is not there is an error, and the entry is left out.

iproute_etc_dir
    What stands here wins over `iproute_usr_dir`.

vrrp_netlink_cmd_rcv_bufs vrrp_netlink_cmd_rcv_bufs_force lvs_netlink_cmd_rcv_bufs lvs_netlink_cmd_rcv_bufs_force
    The socket on which the kernel confirms what we asked of it.

lvs_netlink_monitor_rcv_bufs
    The kernel reports every change of a link or address here.

vrrp_netlink_monitor_rcv_bufs
    The kernel reports every change of a link or address here. When a host has so many that the room is not enough,
    hakeep notices that reports were lost and asks for everything anew, which takes longer.

vrrp_netlink_monitor_rcv_bufs_force lvs_netlink_monitor_rcv_bufs_force
    The limit for ordinary programs is net.core.rmem_max; a privileged one may go beyond.

process_monitor_rcv_bufs process_monitor_rcv_bufs_force
    The socket on which the kernel reports processes that begin and end, for `track_process`.
"""
