"""Hosts, the wires between them, and the daemons they run: a topology made real in network namespaces.

Every host is a namespace. All segments are bridges in one more namespace, the switch; the switch's port to interface
`eth0` of host `a` is called `a.eth0`, so an observer there knows who sent a frame, whatever the frame says.

Every daemon has a mount namespace of its own with an empty /run, so that the pid files and sockets of two never meet,
and a host name of its own. That namespace is also what its processes are known by: what a daemon forked is found and
killed even when its parents are gone.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import world
from topology import HostPlan, Topology

ROOT = Path(__file__).resolve().parent.parent
HAKEEPD = (sys.executable, "-m", "hakeep.cli.hakeepd")
PATH = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"

_networks = itertools.count()

#: Run by sh in the daemon's own namespaces: $0 = host name, $1 = the lab's files, which stay in sight, $2... = command.
_FURNISH = """
cd "$1" && mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/tmp && mkdir -p "$1" &&
mount --no-canonicalize --bind . "$1" && hostname "$0" && shift && cd / && exec "$@"
"""

#: The same for one that was started before: what it left in /run is still there, as on a real host. $0 and $1 as above.
_RETURN = """
hostname "$0" && shift && exec "$@"
"""

#: FRR's two daemons share a /run. $0 = configuration of vrrpd.
_FRR = """
rm -rf /run/frr /var/tmp/frr && mkdir -m 777 /run/frr /var/tmp/frr && cd /usr/lib/frr
options="-z /run/frr/zserv.api --vty_socket /run/frr --log stdout"
./zebra $options -i /run/frr/zebra.pid -f /dev/null &
until [ -S /run/frr/zserv.api ]; do sleep 0.02; done
exec ./vrrpd $options -i /run/frr/vrrpd.pid -f "$0"
"""


def wait_until(condition: Callable[[], Any], deadline: float, what: str = "") -> Any:
    """The first true value of `condition()`; TimeoutError when `deadline` seconds have gone without one."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {deadline} s: {what or condition}")
        time.sleep(0.01)
    return value


def command(*words: str, check: bool = True, text: str | None = None) -> str:
    """The output of a command; RuntimeError with its error text when it fails."""
    done = subprocess.run(words, input=text, capture_output=True, text=True, env={**os.environ, "PATH": PATH})
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def all_pids() -> list[int]:
    """Every process there is."""
    return sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def mounts_of(pid: int | str) -> int:
    """The mount namespace that a process is in; 0 for one that is gone."""
    return _inode(f"/proc/{pid}/ns/mnt")


def _inode(path: str | Path) -> int:
    with contextlib.suppress(OSError):
        return Path(path).stat().st_ino
    return 0


class Host:
    """A network namespace with a name."""

    def __init__(self, name: str, namespace: str) -> None:
        self.name = name
        self.namespace = namespace
        self.path = Path("/run/netns") / namespace

    def ip(self, *words: str) -> str:
        """`ip WORDS` in this host; one word with spaces may be given as well."""
        return command("ip", "-n", self.namespace, *itertools.chain.from_iterable(w.split() for w in words))

    def run(self, *words: str, check: bool = True) -> str:
        """The output of a command run in this host."""
        return command("nsenter", f"--net={self.path}", "--", *words, check=check)

    def inside(self) -> contextlib.AbstractContextManager[None]:
        """The calling thread is in this host within the block; sockets made there stay there."""
        return world.network_namespace(self.path)

    def sysctl(self, name: str, value: object) -> None:
        """Sets a sysctl of the net tree, by its dotted name."""
        with self.inside():
            Path("/proc/sys", *name.split(".")).write_text(f"{value}\n")

    def holds(self, address: str) -> bool:
        """True while the address (without its prefix length) is on an interface of this host."""
        return f" {address}/" in self.ip("-o", "addr", "show")

    def macs(self) -> dict[str, str]:
        """The MAC address of each interface."""
        lines = (line.split() for line in self.ip("-o", "link", "show").splitlines())
        return {words[1].rstrip(":").partition("@")[0]: words[words.index("link/ether") + 1]
                for words in lines if "link/ether" in words}


class Daemon:
    """A process, and all that it forks, on a host. Not started by making one.

    What it is known by, the pid of the first process and the mount namespace, is kept in a file beside the log, so
    that another process can take it over. The kernel gives the number of a mount namespace away again when the last
    process has left it; so it is held open here, and the network namespace must be the host's as well.
    """

    def __init__(self, host: Host, name: str, words: Sequence[str], files: Path) -> None:
        self.host = host
        self.name = name
        self.words = tuple(words)
        self.log_path = files / f"{host.name}-{name}.log"
        self._files = files
        self._known_by = files / f"{host.name}-{name}.pid"
        self._process: subprocess.Popen[bytes] | None = None
        self._pin = self._root = -1  # its mounts, and its root in them, which need not be the first one

    @property
    def pid(self) -> int:
        """The first process; 0 when it was never started."""
        return self._identity()[0]

    def _identity(self) -> tuple[int, int]:
        with contextlib.suppress(FileNotFoundError):
            pid, mounts = self._known_by.read_text().split()
            return int(pid), int(mounts)
        return 0, 0

    def start(self) -> Daemon:
        """Starts it; its output is appended to the log. What it left in /run before is there again, except for
        keepalived and FRR, which trip over pid files and sockets of those that were killed."""
        modules = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PATH": PATH, "PYTHONPATH": modules, "PYTHONUNBUFFERED": "1",
                       "STATE_DIRECTORY": "/run/state"}
        prefix: tuple[str, ...] = ("nsenter", f"--net={self.host.path}")
        if self._pin >= 0 and self.words[0] not in ("keepalived", "sh"):
            pins = f"/proc/{os.getpid()}/fd"
            prefix += (f"--mount={pins}/{self._pin}", f"--root={pins}/{self._root}",
                       "--", "unshare", "--uts", "sh", "-c", _RETURN)
        else:
            prefix += ("--", "unshare", "--mount", "--uts", "--", "sh", "-c", _FURNISH)
        with self.log_path.open("ab") as log:
            started = subprocess.Popen(
                (*prefix, self.host.name, str(self._files), *self.words), env=environment, cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._process = started
        ours = mounts_of("self")
        wait_until(lambda: started.poll() is not None or mounts_of(started.pid) not in (0, ours), 10, "unshare")
        self._known_by.write_text(f"{started.pid} {mounts_of(started.pid)}")
        self.forget()
        with contextlib.suppress(OSError):  # it has ended already
            self._root = os.open(f"/proc/{started.pid}/root", os.O_PATH | os.O_CLOEXEC)
            self._pin = os.open(f"/proc/{started.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        return self

    def forget(self) -> None:
        """Lets the kernel clear the mount namespace away. For when all its processes have been killed."""
        for pin in (self._pin, self._root):
            if pin >= 0:
                os.close(pin)
        self._pin = self._root = -1

    def alive(self) -> bool:
        """True while the first process runs."""
        if self._process is not None:
            return self._process.poll() is None
        pid, mounts = self._identity()
        return mounts != 0 and mounts_of(pid) == mounts

    def processes(self) -> list[int]:
        """All its processes, the first one first."""
        _, mounts = self._identity()
        network = _inode(self.host.path)
        return [pid for pid in all_pids()
                if mounts and mounts_of(pid) == mounts and _inode(f"/proc/{pid}/ns/net") == network]

    def signal(self, number: int) -> None:
        """Sends a signal to the first process, as an init system would."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to all its processes. They are stopped first, so that none sees another one die."""
        while there := self.processes():
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for pid in there:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
        if self._process is not None:
            self._process.wait()

    def stop(self, patience: float = 10) -> None:
        """SIGTERM, and SIGKILL to what is left after `patience` seconds."""
        if self.alive():
            self.signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                wait_until(lambda: not self.alive(), patience)
        self.kill()

    def log(self) -> str:
        """All that it has written so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""


class Network:
    """The hosts of a topology, wired. A context manager: everything goes when the block ends.

    `hakeepd` is the command that plays hakeepd. With `standing`, what another Network made under the same `prefix` and
    in the same folder `files` is taken over instead of made.
    """

    def __init__(self, topology: Topology, hakeepd: Sequence[str] = HAKEEPD, prefix: str | None = None,
                 files: Path | None = None, standing: bool = False) -> None:
        self.topology = topology
        self.hakeepd = tuple(hakeepd)
        self.files = files or Path(tempfile.mkdtemp(prefix="hakeep-lab-", dir="/run" if world.inside() else None))
        self.daemons: dict[tuple[str, str], Daemon] = {}
        prefix = f"h{os.getpid()}-{next(_networks)}-" if prefix is None else prefix
        self.switch = Host("switch", prefix + "switch")
        self.hosts = {plan.name: Host(plan.name, prefix + plan.name) for plan in topology.hosts}
        for plan in topology.hosts:
            for run in plan.runs:
                self.add(plan.name, run.name, run.daemon, run.config)
        if not standing:
            self.files.chmod(0o755)
            try:
                self._make()
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def _make(self) -> None:
        for host in (self.switch, *self.hosts.values()):
            command("ip", "netns", "add", host.namespace)
            for key in ("accept_dad", "dad_transmits"):  # an address is usable at once: the lab has no duplicates
                host.sysctl(f"net.ipv6.conf.default.{key}", 0)
            host.ip("link set lo up")
        for key in ("all", "default"):
            self.switch.sysctl(f"net.ipv6.conf.{key}.disable_ipv6", 1)
        for segment in self.topology.segments:
            self.switch.ip(f"link add {segment} type bridge mcast_snooping 0 forward_delay 0")
            self.switch.ip(f"link set {segment} up")
        for plan in self.topology.hosts:
            self._furnish(plan)

    def _furnish(self, plan: HostPlan) -> None:
        host = self.hosts[plan.name]
        for interface in plan.interfaces:
            if interface.segment:
                port = f"{plan.name}.{interface.name}"
                host.ip(f"link add {interface.name} type veth peer name {port} netns {self.switch.namespace}")
                self.switch.ip(f"link set {port} master {interface.segment} up")
            else:
                host.ip(f"link add {interface.name} link {interface.over} type macvlan mode bridge")
                host.ip(f"link set {interface.name} address {interface.mac} addrgenmode random")
            host.ip(f"link set {interface.name} up")
            for address in interface.addresses:
                host.ip(f"addr add {address} dev {interface.name}" + (" nodad" if ":" in address else ""))
        for route in plan.routes:
            host.ip(f"route add {route}")
        for name, value in plan.sysctls:
            host.sysctl(name, value)

    def add(self, host: str, name: str, daemon: str, config: str = "") -> Daemon:
        """A daemon on a host, ready to be started; `config` is the text of its configuration."""
        path = self.files / f"{host}-{name}.conf"
        path.write_text(config)
        path.chmod(0o644)  # FRR reads it as a user of its own
        made = self.daemons[host, name] = Daemon(self.hosts[host], name, _words(daemon, path, self.hakeepd), self.files)
        return made

    def start_all(self) -> None:
        """Starts all daemons of the topology."""
        for daemon in self.daemons.values():
            daemon.start()

    def of(self, host: str) -> Iterator[Daemon]:
        """The daemons of a host."""
        return (daemon for (owner, _), daemon in self.daemons.items() if owner == host)

    def close(self) -> None:
        """Kills every daemon, deletes every namespace and file."""
        for daemon in self.daemons.values():
            daemon.kill()
            daemon.forget()
        for host in (self.switch, *self.hosts.values()):
            command("ip", "netns", "del", host.namespace, check=False)
        shutil.rmtree(self.files, ignore_errors=True)


def _words(daemon: str, config: Path, hakeepd: Sequence[str]) -> tuple[str, ...]:
    vrrp = ("-n", "-l", "-D", "-f", str(config), "-p", "/run/parent.pid", "-r", "/run/vrrp.pid")
    if daemon == "hakeepd":
        return (*hakeepd, *vrrp)
    if daemon == "keepalived":
        return ("keepalived", "-P", *vrrp)
    if daemon == "web":
        return (sys.executable, str(Path(__file__).with_name("web.py")))
    return ("sh", "-c", _FRR, str(config))
