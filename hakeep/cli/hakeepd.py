"""hakeepd: the daemon's command line, which is keepalived's.

Options of keepalived that hakeepd does not have are known here too, so that it can say so instead of "unknown option".
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hakeep import __version__

if TYPE_CHECKING:
    from hakeep.config.diagnostic import Diagnostic
    from hakeep.config.files import Loaded
    from hakeep.config.host import Host
    from hakeep.config.settled import Settings
    from hakeep.config.witness import Witness
    from hakeep.options import Options, Reading
    from hakeep.worker import Log

DEFAULT_CONFIGS = ("/etc/hakeep/hakeep.conf", "/etc/keepalived/keepalived.conf")
RUN_DIRECTORY = "/run/hakeep"

#: Open files that a daemon with a thousand VMACs, and its parent, are sure to get along with.
FILES = 65_536

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


# ------------------------------------------------------------------------------------------------------------ start


def main(words: Sequence[str] | None = None) -> int:
    """The daemon's entry point. Returns the exit status."""
    words = sys.argv[1:] if words is None else words
    if words[:1] in (["-T"], ["--genhash"]):
        from hakeep.cli import hakeep

        return hakeep.main(["genhash", *words[1:]])
    try:
        return _run(parse(words))
    except UsageError as error:
        print(f"hakeepd: {error}", file=sys.stderr)
        return 1


def _run(arguments: Arguments) -> int:
    if "genhash" in arguments:
        raise UsageError("option --genhash must be the first one")
    if "version" in arguments:
        print(f"hakeep v{__version__}", file=sys.stderr)
        return 0
    if "help" in arguments:
        print(usage(), file=sys.stderr)
        return 0
    if "signum" in arguments:
        name = arguments.get("signum")
        if name not in SIGNUMS:
            raise UsageError(f"Unknown signal {name} (there are {', '.join(SIGNUMS)})")
        print(int(SIGNUMS[name]))
        return 0
    if arguments.rest:
        print(f"Unexpected argument(s): {' '.join(arguments.rest)}", file=sys.stderr)
    if "config-test" in arguments:
        return _test(arguments)
    return _serve(arguments)


def config_path(arguments: Arguments) -> str:
    """The configuration to read."""
    if "use-file" in arguments:
        name = arguments.get("use-file")
        return str(Path(name).absolute()) if name else ""  # a daemon in the background is in another directory
    return next((path for path in DEFAULT_CONFIGS if Path(path).exists()), DEFAULT_CONFIGS[0])


def _load(arguments: Arguments, witness: Witness | None = None) -> Loaded:
    from hakeep.config import files

    config_id = arguments.get("config-id") or socket.gethostname().partition(".")[0]
    return files.load(
        config_path(arguments), config_id=config_id, all_config="all-config" in arguments, host=_host(arguments),
        witness=witness,
    )


def _host(arguments: Arguments) -> Host:
    from hakeep.config import files

    return replace(files.this_host(), lvs_backend=arguments.get("lvs-backend"), bfd="no_bfd" not in arguments)


def _holds(arguments: Arguments, evidence: bytes) -> bool:
    """Whether reading the configuration again would come to the same."""
    from hakeep.config.files import open_files
    from hakeep.config.witness import holds

    return holds(evidence, open_files, _host(arguments))


def _test(arguments: Arguments) -> int:
    """-t: say what is wrong and exit with keepalived's status."""
    from hakeep.config.render import render_all

    out = sys.stderr
    if arguments.get("config-test"):
        try:
            out = Path(arguments.get("config-test")).open("w")  # noqa: SIM115
        except OSError as error:
            print(f"hakeepd: cannot write {arguments.get('config-test')}: {error.strerror}", file=sys.stderr)
            return 1
    loaded = _load(arguments)
    said = [line for group in (loaded.diagnostics, loaded.unsupported())
            for line in render_all(group, loaded.sources, color=out.isatty())]
    out.write("".join(f"{each}\n" for each in said))  # at once: standard error has a system call for each line
    out.flush()
    status = loaded.exit_status()
    if "strict" in arguments and any(str(diagnostic.severity) == "error" for diagnostic in loaded.diagnostics):
        return status or 5
    return status


def _usable(
    arguments: Arguments, loaded: Loaded | None = None, witness: Witness | None = None,
) -> tuple[Settings | None, list[tuple[int, str]], int]:
    """Settings to run with (None = none), what to log, and the exit status when there are none."""
    from hakeep.config.render import render

    loaded = loaded or _load(arguments, witness)
    lines: list[tuple[int, str]] = []
    for diagnostic in loaded.diagnostics:
        level = {"error": 3, "warning": 4}.get(str(diagnostic.severity), 6)
        lines.append((level, render(_in_one_line(diagnostic), loaded.sources, concise=True)))
    if loaded.settings is None or loaded.fatal:
        return None, lines, loaded.run_status() or 2
    if "strict" in arguments and any(level == 3 for level, _ in lines):
        return None, [*lines, (3, "--strict: there is an error in the configuration")], 2
    lines += [(4, render(_in_one_line(each), loaded.sources, concise=True)) for each in loaded.unsupported()]
    settings = loaded.settings
    if "dont-release-vrrp" in arguments:  # addresses that are to stay must not run out
        settings = replace(settings, vrrp=tuple(replace(i, vip_lease=None) for i in settings.vrrp))
    return settings, lines, 0


def _in_one_line(diagnostic: Diagnostic) -> Diagnostic:
    """With what comes of it and what puts it right in the message: a line of the log has no other place for them."""
    more = "; ".join(" ".join(part.split("\n")) for part in (diagnostic.note, diagnostic.fix) if part)
    return replace(diagnostic, message=f"{diagnostic.message}: {more}") if more else diagnostic


def _open_log(arguments: Arguments) -> Log:
    from hakeep.worker import FACILITIES, Log

    given = arguments.get("log-facility", "daemon")
    facility = FACILITIES.get(f"local{given}" if given.isdigit() else given)
    log = Log(
        "hakeepd", console="log-console" in arguments or "dont-fork" not in arguments,
        facility=None if "no-syslog" in arguments else facility or FACILITIES["daemon"],
        detail="log-detail" in arguments,
    )
    if facility is None:
        log(4, f"unknown log facility {given}, using daemon")
    return log


def _serve(arguments: Arguments) -> int:
    from hakeep.config.witness import Witness
    from hakeep.control import ControlSocket, InUse
    from hakeep.kernel import netns, sched
    from hakeep.pidfile import AlreadyRunning, PidFile
    from hakeep.supervisor import Supervisor

    _import_worker(arguments)
    log = _open_log(arguments)
    umask = _umask(arguments, log)
    namespace, loaded, witness = arguments.get("namespace"), None, Witness()
    if not namespace:  # net_namespace must be entered before the interfaces that the configuration names can be judged
        loaded = _load(arguments, witness)
        namespace = loaded.config.net_namespace or ""
    if namespace:
        loaded, witness = None, Witness()
        try:
            netns.enter(namespace)
        except FileNotFoundError:
            return _fail(log, f"there is no network namespace {namespace} ('ip netns add {namespace}' makes it)", 1)
        except OSError as error:
            return _fail(log, f"cannot enter network namespace {namespace}: {error.strerror}", 1)
        except ValueError as error:
            return _fail(log, f"cannot enter network namespace {namespace}: {error}", 1)
    missing = sched.missing_capabilities()
    if missing:
        return _fail(log, f"not permitted: {'; '.join(missing)} (run as root)", 4)
    settings, lines, status = _usable(arguments, loaded, witness)
    for level, text in lines:
        log(level, text)
    if settings is None:
        return _fail(log, f"{config_path(arguments)} cannot be used: not starting", status)
    _raise_file_limit()
    os.umask(settings.globals.umask if umask is None else umask)
    options = _options(arguments, settings, umask, witness)
    try:
        for directory in (options.run_directory, _pid_directory(arguments, settings.globals.instance)):
            _make_run_directory(directory)
        pid_file = PidFile(options.pid_file)
        control = ControlSocket(options.control)
    except (AlreadyRunning, InUse) as error:
        return _fail(log, str(error), 1)
    except OSError as error:
        return _fail(log, f"cannot set up {error.filename or options.run_directory}: {error.strerror}", 1)
    log(5, f"Starting hakeep v{__version__} with {options.config}")
    if "dump-conf" in arguments:
        from hakeep.report.dumps import render_data

        for line in render_data(settings, ()).splitlines():
            log(6, line)
    if "dont-fork" not in arguments:
        _into_the_background(log)
        pid_file.write(os.getpid())
    supervisor = Supervisor(settings, options, log, pid_file, control)
    del settings, loaded, lines  # what was written about thousands of servers would stay in memory
    return supervisor.run()


def _import_worker(arguments: Arguments) -> None:
    """What the first worker consists of; its successors have no time for that, and it takes longer after a fork. Not
    later: among thousands of servers it would keep their memory in use when they have gone."""
    if _runs_vrrp(arguments):
        import hakeep.vrrp.process  # noqa: F401
    else:
        import hakeep.lvs.process  # noqa: F401


def _runs_vrrp(arguments: Arguments) -> bool:
    return "check" not in arguments or "vrrp" in arguments


def _fail(log: Log, text: str, status: int) -> int:
    """Why we do not start: in the log, and in any case where the one who started us sees it."""
    log(3, text)
    if not log.on_console:
        print(f"hakeepd: {text}", file=sys.stderr)
    return status


def _raise_file_limit() -> None:
    """Each VMAC needs two descriptors: a thousand of them more than the usual soft limit. But not millions: there are
    scripts that close all that they could have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))


def _umask(arguments: Arguments, log: Log) -> int | None:
    """What -u says, None when it says nothing."""
    try:
        return int(arguments.get("umask"), 8) & 0o777 if "umask" in arguments else None
    except ValueError:
        log(4, f"umask {arguments.get('umask')} is not octal, ignored")
        return None


def _options(arguments: Arguments, settings: Settings, umask: int | None, witness: Witness) -> Options:
    from hakeep.config.witness import Witness
    from hakeep.options import Options
    from hakeep.report.protocol import socket_path

    instance = settings.globals.instance
    suffix = f"_{instance}" if instance else ""
    compat = "compat-paths" in arguments
    run = Path(RUN_DIRECTORY)
    pids = _pid_directory(arguments, instance)
    name = "keepalived" if compat else "hakeepd"
    witnesses = [witness]

    def load() -> Reading:
        witnesses[:] = [Witness()]
        return _usable(arguments, witness=witnesses[0])[:2]

    return Options(
        config=config_path(arguments),
        run_directory=run,
        pid_file=Path(arguments.get("pid") or pids / f"{name}{suffix}.pid"),
        vrrp_pid_file=Path(arguments.get("vrrp_pid") or pids / f"vrrp{suffix}.pid"),
        lvs_pid_file=Path(arguments.get("checkers_pid") or pids / f"{'checkers' if compat else 'lvs'}{suffix}.pid"),
        bfd_pid_file=Path(arguments.get("bfd_pid") or pids / f"bfd{suffix}.pid"),
        track_pid_file=pids / f"track{suffix}.pid",
        control=Path(socket_path(instance)),
        dump_directory=Path("/tmp") if compat else run,
        dump_stem="keepalived" if compat else "hakeep",
        respawn="dont-respawn" not in arguments,
        keep_addresses="dont-release-vrrp" in arguments,
        keep_ipvs="dont-release-ipvs" in arguments,
        vrrp=_runs_vrrp(arguments),
        lvs="vrrp" not in arguments or "check" in arguments,
        bfd="no_bfd" not in arguments,
        umask=umask,
        load=load,
        evidence=lambda: witnesses[0].evidence(),
        holds=partial(_holds, arguments),
    )


def _pid_directory(arguments: Arguments, instance: str) -> Path:
    """Where pid files are if the command line does not say."""
    if "compat-paths" not in arguments:
        return Path(RUN_DIRECTORY)
    return Path("/run/keepalived" if instance else "/run")


def _make_run_directory(path: Path) -> None:
    """Root's own directory; never a symbolic link that somebody put there. Two daemons may start at the same time."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(parents=True)
        path.chmod(0o755)  # whatever the umask says: the tool must get at the socket in it
    if path.is_symlink() or path.stat().st_uid != os.geteuid():
        raise PermissionError(1, "not a directory of ours", str(path))


def _into_the_background(log: Log) -> None:
    for step in (os.setsid, lambda: None):
        if os.fork():
            os._exit(0)
        step()
    os.chdir("/")
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    log.leave_console()


if __name__ == "__main__":
    sys.exit(main())
