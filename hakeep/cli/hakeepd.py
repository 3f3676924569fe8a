"""hakeepd: the daemon, from its command line (`daemon_options`) to the supervisor."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hakeep import __version__
from hakeep.cli.daemon_options import SIGNUMS, Arguments, UsageError, parse, usage

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
        import hakeep.vrrp.process
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
