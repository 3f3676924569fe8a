"""Scripts: are they allowed, do they exist, does their user, and do they come to an end in time.

keepalived's test mode fails a configuration with scripts but without enable_script_security, however good they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hakeep.config.diagnostic import Code, Verdict
from hakeep.config.keywords.tracking import VrrpScript
from hakeep.config.rules.rule import Found, advice, error, rule, warning
from hakeep.config.rules.view import Command, View
from hakeep.config.settled import Script

_SHELLS = frozenset({
    "sh", "bash", "dash", "ash", "ksh", "zsh", "busybox", "env", "su", "sudo", "timeout", "ssh", "nsenter"})
_SHELL_WORD = re.compile(r"\|\|?|&&?|;|\d?[<>]{1,2}(&\d)?|\d?>{1,2}[^=].*|&>.*|.*\$\(.*|.*`.*")
_STATES = frozenset({"master", "backup", "fault", "stop"})
_USER_NAME = re.compile(r"[A-Za-z0-9_][\w.@\\-]*\$?")


@rule(Code.SCRIPT)
def missing(view: View) -> Iterator[Found]:
    """A script that cannot run

    The file does not exist, is not a regular file, or nobody may execute it. It will not run, and what depends on it
    does not happen: a notification gets lost, a MISC_CHECK says nothing of its server, and a vrrp_script is
    left out with all that tracks it, as by keepalived, until a reload finds it. Known only with --host, and to the
    daemon itself.

    Example::

        global_defs { enable_script_security }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            notify /opt/missing/notify.sh
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            notify /usr/local/bin/notify.sh
        }
    """
    for command in view.commands:
        problem = _problem(view, command)
        if problem:
            counts = command.keyword == "script" and id(command.top) not in view.idle
            yield warning(f"{command.keyword}: {problem}", command.span, note=_loss(command),
                          fix="it must be an executable file; then reload",
                          verdict=Verdict.GENERAL if counts else Verdict.OK)


@rule(Code.UNKNOWN_USER)
def unknown_user(view: View) -> Iterator[Found]:
    """There is no such user or group

    After a notify script's path come the user and the group that it runs as, not its arguments. Command and arguments
    are quoted together. Known only with --host, and to the daemon itself.

    Example::

        global_defs { enable_script_security }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            notify /usr/local/bin/notify.sh nobody_here
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            notify "/usr/local/bin/notify.sh nobody_here"
        }
    """
    for command in view.commands:
        if not _is_shell_text(command.script) and not _problem(view, command):
            unknown = _unknown_account(view, command.script)
            if unknown:
                yield error(f"{command.keyword}: there is no {unknown}", command.account, note=_loss(command),
                            fix='quote command and arguments together: "COMMAND ARG" USER')
            elif unknown := _unknown_account(view, Script((), *(_user(command) or ()))):
                yield error(f"{command.keyword}: there is no {unknown}", command.owner.span("user", word=1),
                            note=_loss(command))


@rule(Code.SCRIPT_SECURITY)
def security(view: View) -> Iterator[Found]:
    """Scripts run without enable_script_security

    Scripts run as root unless something else is said. Anybody who can change such a script, or put another one in its
    place, is root at the next change of state. With enable_script_security a script that root would run and others
    could change is not run at all. keepalived -t does not accept scripts without it.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            notify /usr/local/bin/notify.sh
        }

    Cure::

        global_defs {
            enable_script_security
            script_user nobody
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            notify /usr/local/bin/notify.sh
        }
    """
    if view.globals.enable_script_security:
        return
    for command in view.commands:
        if command.keyword == "lvs_notify_fifo_script" and not view.config.virtual_server:
            continue  # nobody reads the line
        if (id(command.top) not in view.idle and not _is_shell_text(command.script) and not _problem(view, command)
                and not _unknown_account(view, command.script)):
            yield warning("scripts are run without enable_script_security", command.span,
                          note="anybody who can change a script that root runs is root", verdict=Verdict.SECURITY,
                          fix="put enable_script_security into global_defs, and a script_user")
            return


@rule(Code.SHELL_SYNTAX)
def shell_syntax(view: View) -> Iterator[Found]:
    """Shell syntax without a shell

    Commands are run as they are, not by a shell: pipes, redirections, `&&` and `$( )` become arguments of the
    program. A check such as `curl ... || exit 1` then calls curl with four more URLs. Put the command into a script,
    or call /bin/sh -c.

    Example::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/ || exit 1"
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/bin/sh -c '/usr/bin/curl -fs http://127.0.0.1/ || exit 1'"
        }
    """
    for command in view.commands:
        argv = command.script.argv
        fix = f"write /bin/sh -c '{' '.join(argv)}' in double quotes"
        if _is_shell_text(command.script):
            yield warning(f"{command.keyword}: '{argv[0]}' is no program, and no shell reads it", command.span, fix=fix)
        elif argv[0].rpartition("/")[2] not in _SHELLS:
            odd = next((word for word in argv[1:] if _SHELL_WORD.fullmatch(word)), "")
            if odd:
                yield warning(f"{command.keyword}: '{odd}' is handed to {argv[0]} as an argument, no shell reads it",
                              command.span, fix=fix)


@rule(Code.SCRIPT_ARGUMENT)
def argument(view: View) -> Iterator[Found]:
    """An argument where the user's name belongs

    After the path of a notify script come the user and the group that run it. An argument there is taken for a user
    that does not exist, and the script is not run. Command and arguments are quoted together.

    Example::

        global_defs { enable_script_security }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            notify_master /usr/local/bin/notify.sh MASTER
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            notify_master "/usr/local/bin/notify.sh MASTER"
        }
    """
    for command in view.commands if view.host.users is None else ():
        user, group = command.script.user, command.script.group
        if user and (user.lower() in _STATES or not _USER_NAME.fullmatch(user)):
            words = " ".join([*command.script.argv, *(word for word in (user, group) if word)])
            yield warning(f"{command.keyword}: '{user}' stands where the user's name belongs", command.account,
                          fix=f'quote command and arguments together: "{words}"')


@rule(Code.SCRIPT_WRITABLE)
def writable(view: View) -> Iterator[Found]:
    """A script that root runs and others can change

    The script, a directory above it, or a link on the way to it belongs to somebody else or can be written by others.
    Whoever that is can be root. With enable_script_security the script is not run. Known only with --host.

    Example::

        global_defs { enable_script_security }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            notify "/tmp/notify.sh" root
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            notify "/tmp/notify.sh" nobody
        }
    """
    if view.host.script_weakness is None:
        return
    for command in view.commands:
        if _is_shell_text(command.script) or _problem(view, command) or _unknown_account(view, command.script):
            continue
        weakness = view.host.script_weakness(command.script) if _by_root(view, command) else ""
        if weakness:
            note = (f"enable_script_security: {_loss(command)}" if view.globals.enable_script_security
                    else "whoever can do that can be root")
            yield warning(f"{command.keyword}: root runs {command.script.argv[0]}, and {weakness}", command.span,
                          note=note, fix="take write permission away, or name another user")


@rule(Code.SCRIPT_TIMEOUT)
def timeout(view: View) -> Iterator[Found]:
    """A script may take longer than its interval

    A script that still runs is not started again: its next turns are skipped until it ends or its timeout is over. A
    check that hangs is then noticed after the timeout, not after the interval, times fall.

    Example::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            interval 2
            timeout 10
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            interval 10
            timeout 10
        }
    """
    for script in view.config.vrrp_script:
        interval = script.interval or 1.0
        if script.timeout is not None and script.timeout > interval:
            yield advice(f"{script.name}: a run may take {script.timeout:g} s, but the next one is due after "
                         f"{interval:g} s", script.span("timeout", word=1),
                         also=(script.span("interval", word=1), "the interval"))


@rule(Code.SCRIPT_HASTY)
def hasty(view: View) -> Iterator[Found]:
    """One slow answer within a second means FAULT

    The script runs once a second or more often, one failure counts (fall 1), and a failure means FAULT (no weight): a
    single answer that is late moves the addresses, and if both routers check the same service, nobody has them. A
    higher fall rides over such moments.

    Example::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            interval 0.5
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            interval 0.5
            fall 3
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }
    """
    faults = {tracker.name for owner in view.owners for tracker in view.trackers(owner)
              if tracker.keyword == "track_script" and not tracker.weight}
    for script in view.config.vrrp_script:
        interval = script.interval or 1.0
        hasty = "interval" in script.places and interval <= 1.0 and (script.timeout or interval) <= 1.0
        if hasty and script.name in faults and (script.fall or 1) == 1:
            yield advice(f"{script.name}: one failure within {interval:g} s means FAULT",
                         script.span("interval", word=1), fix="add fall 2 or more")


def _loss(command: Command) -> str:
    """What comes of it that a command cannot run."""
    if isinstance(command.owner, VrrpScript):
        return f"vrrp_script {command.owner.name} is left out: no priority and no state goes by it"
    return "it will not run"


def _is_shell_text(script: Script) -> bool:
    return script.argv[0][0] in "<>|&;"


def _problem(view: View, command: Command) -> str:
    """What keeps the file from being executed."""
    problem = view.host.script_problem
    return problem(command.script) if problem and not _is_shell_text(command.script) else ""


def _unknown_account(view: View, script: Script) -> str:
    host = view.host
    if host.users is not None and script.user and script.user not in host.users and not script.user.isdecimal():
        return f"user {script.user}"
    if host.groups is not None and script.group and script.group not in host.groups and not script.group.isdecimal():
        return f"group {script.group}"
    return ""


def _user(command: Command) -> tuple[str, str | None] | None:
    """The account that the block around a command names, if it does."""
    own: tuple[str, str | None] | None = dict(command.owner.given()).get("user")
    return own


def _by_root(view: View, command: Command) -> bool:
    """True if root runs it: the account of the command, else of the block around it, else of all scripts."""
    own = _user(command)
    user = command.script.user or (own[0] if own else None)
    if user is None and view.globals.script_user:
        user = view.globals.script_user[0]
    if user is None:
        return not (view.host.users or frozenset()) & {"hakeep_script", "keepalived_script"}
    return user in ("root", "0")
