"""hakeepd's options, which are keepalived's, and how they are read: as getopt_long(3) does.

Options of keepalived that hakeepd does not have are known here too, so that it can say so instead of "unknown option".
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

SIGNUMS = {
    "STOP": signal.SIGTERM,
    "RELOAD": signal.SIGHUP,
    "DATA": signal.SIGUSR1,
    "STATS": signal.SIGUSR2,
    "STATS_CLEAR": signal.SIGRTMAX - 1,
    "JSON": signal.SIGRTMIN + 2,
}


class Option(NamedTuple):
    """One option. `argument` is "" (none), "required" or "optional"; `absent` says why we do not have it."""

    short: str
    long: str
    argument: str
    meta: str
    text: str
    absent: str = ""


OPTIONS = (
    Option("f", "use-file", "required", "FILE", "the configuration (/etc/hakeep/hakeep.conf, else keepalived's)"),
    Option("P", "vrrp", "", "", "run only VRRP"),
    Option("C", "check", "", "", "run only the lvs worker (virtual servers and their checks)"),
    Option("B", "no_bfd", "", "", "no BFD"),
    Option("", "all", "", "", "start all workers even without configuration",
           "a worker that has nothing to do is not started"),
    Option("n", "dont-fork", "", "", "stay in the foreground"),
    Option("l", "log-console", "", "", "log to standard error too"),
    Option("D", "log-detail", "", "", "more log lines"),
    Option("S", "log-facility", "required", "FACILITY", "0-7, local0-local7, user or daemon (default)"),
    Option("G", "no-syslog", "", "", "do not log to syslog"),
    Option("g", "log-file", "optional", "FILE", "log to a file", "use -n -l and let the service manager keep the log"),
    Option("", "flush-log-file", "", "", "flush each line", "there is no log file to flush"),
    Option("u", "umask", "required", "MASK", "file mode mask, octal"),
    Option("X", "release-vips", "", "", "drop addresses when stopped by a signal (always done)"),
    Option("V", "dont-release-vrrp", "", "", "leave addresses where they are at exit"),
    Option("I", "dont-release-ipvs", "", "", "leave virtual servers where they are at exit"),
    Option("", "lvs-backend", "required", "NAME", "ipvs, nftables, memory or auto, whatever lvs_backend says"),
    Option("R", "dont-respawn", "", "", "end when a worker dies"),
    Option("d", "dump-conf", "", "", "log the configuration at start"),
    Option("p", "pid", "required", "FILE", "pid file of the supervisor"),
    Option("r", "vrrp_pid", "required", "FILE", "pid file of the vrrp worker"),
    Option("c", "checkers_pid", "required", "FILE", "pid file of the lvs worker"),
    Option("b", "bfd_pid", "required", "FILE", "pid file of the BFD worker"),
    Option("a", "address-monitoring", "", "", "log all address changes", "use 'ip monitor address'"),
    Option("s", "namespace", "required", "NAME", "run in this network namespace"),
    Option("m", "core-dump", "", "", "dump core", "set LimitCORE= in the service unit"),
    Option("M", "core-dump-pattern", "optional", "PATTERN", "set core_pattern", "set kernel.core_pattern by sysctl"),
    Option("i", "config-id", "required", "ID", "for lines with @ID (default: host name up to the first dot)"),
    Option("e", "all-config", "", "", "every include that fails is an error"),
    Option("t", "config-test", "optional", "LOG", "check the configuration and exit (0, 2, 4, 5, 6 as keepalived)"),
    Option("T", "genhash", "", "", "become `hakeep genhash`; must be the first option"),
    Option("x", "snmp", "", "", "SNMP", "SNMP is not supported"),
    Option("A", "snmp-agent-socket", "required", "ADDRESS", "SNMP", "SNMP is not supported"),
    Option("", "signum", "required", "NAME", "print the number of STOP, RELOAD, DATA, STATS, STATS_CLEAR or JSON"),
    Option("", "ignore-sigint", "", "", "ignore SIGINT", "run it under a service manager"),
    Option("", "strict", "", "", "refuse to run with any error in the configuration"),
    Option("", "compat-paths", "", "", "pid files and dumps where keepalived has them (/run, /tmp)"),
    Option("v", "version", "", "", "print the version and exit"),
    Option("h", "help", "", "", "print this and exit"),
)


class UsageError(Exception):
    """The command line is wrong; the text is the message."""


@dataclass
class Arguments:
    """The options given, by long name, and the words that are left."""

    given: dict[str, str] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def get(self, name: str, default: str = "") -> str:
        return self.given.get(name, default)


def parse(words: Sequence[str]) -> Arguments:
    """Read the command line as getopt_long(3) does. Raises UsageError."""
    found = Arguments()
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            found.rest += queue
            break
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            option = _long(name)
            if equals and not option.argument:
                raise UsageError(f"option --{option.long} takes no argument")
            _take(found, option, value if equals else None, queue)
        elif word.startswith("-") and len(word) > 1:
            letters = word[1:]
            while letters:
                option, letters = _short(letters[0]), letters[1:]
                _take(found, option, letters if option.argument and letters else None, queue)
                if option.argument:
                    break
        else:
            found.rest.append(word)
    return found


def _take(found: Arguments, option: Option, value: str | None, queue: list[str]) -> None:
    if option.argument == "required" and value is None:
        if not queue:
            raise UsageError(f"option --{option.long} needs an argument: {option.meta}")
        value = queue.pop(0)
    if option.absent:
        raise UsageError(f"option --{option.long} is not available: {option.absent}")
    found.given[option.long] = value or ""


def _long(name: str) -> Option:
    exact = [option for option in OPTIONS if option.long == name]
    fitting = exact or [option for option in OPTIONS if name and option.long.startswith(name)]
    if len(fitting) != 1:
        raise UsageError(f"Unknown option --{name}")
    return fitting[0]


def _short(letter: str) -> Option:
    for option in OPTIONS:
        if option.short == letter:
            return option
    raise UsageError(f"Unknown option -{letter}")


def usage() -> str:
    """The text of --help."""
    lines = ["Usage: hakeepd [OPTION...]", ""]
    for option in OPTIONS:
        if option.absent:
            continue
        names = f"-{option.short}, --{option.long}" if option.short else f"    --{option.long}"
        meta = {"": "", "required": f"={option.meta}", "optional": f"[={option.meta}]"}[option.argument]
        lines.append(f"  {names + meta:<32} {option.text}")
    return "\n".join(lines)
