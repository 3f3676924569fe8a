"""The real systemd and the real systemd-networkd, each shut in: nothing that they do reaches the machine.

systemd is the first process of a pid namespace, with a control group, a /proc, a /run and units of its own. It answers
nobody from without, so a daemon that is to ask it is one of its units. systemd-networkd sees the links of a network
namespace, a /run with nothing but its configuration, and a message bus for the orders that it gets.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import groundwork
import pytest
from hosts import Host, wait_until

PATIENCE = 20.0

SYSTEMD = {"/lib/systemd/systemd": "systemd", "systemctl": "systemd"}
NETWORKD = {"/lib/systemd/systemd-networkd": "systemd", "networkctl": "systemd", "dbus-daemon": "dbus-daemon"}

#: Begins in the test's folder, which may be below /run, and keeps it.
_ITS_OWN_RUN = ('here=$(pwd -P) && mount -t tmpfs tmpfs /run && mkdir -p "$here" && '
                'mount -c --bind . "$here" && cd "$here"')

#: $0 is the folder with the units. The settings of the kernel are not for it to change.
_SYSTEMD = f"""
mount --make-rprivate / && mount -t proc proc /proc && {_ITS_OWN_RUN} &&
mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys || exit
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit
export SYSTEMD_UNIT_PATH="$0" container=test
exec /lib/systemd/systemd --system --unit=calm.target --log-target=console --show-status=no
"""

#: $0 is the folder with the configuration. Where /sys is read-only it does not wait for udev.
_NETWORKD = f"""
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t sysfs -o ro sysfs /sys
{_ITS_OWN_RUN}
mkdir -p /run/dbus /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
cp -r "$0"/* /run/systemd/
chown -R systemd-network: /run/systemd/netif
dbus-daemon --config-file=/run/systemd/bus.conf --nofork --nopidfile &
until [ -S /run/dbus/system_bus_socket ]; do sleep 0.05; done
SYSTEMD_LOG_TARGET=console exec /lib/systemd/systemd-networkd
"""

_BUS = """<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
</policy></busconfig>
"""


_SPACES = {"--mount": "mnt", "--pid": "pid", "--net": "net"}


class Shut:
    """A program that is the first process of a pid namespace, and has mounts of its own."""

    def __init__(self, words: tuple[str, ...], folder: Path, log: Path, group: Path | None = None) -> None:
        self.log_path = log
        with log.open("ab") as output:
            self._outer = subprocess.Popen(
                words, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                preexec_fn=None if group is None else lambda: _enter(group))
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children")
        (pid,) = wait_until(lambda: children.read_text().split(), PATIENCE, f"{words} has a first process")
        spaces = (f"{option}=/proc/{pid}/ns/{kind}" for option, kind in _SPACES.items())
        self._inside = ("nsenter", *spaces, "--")

    def run(self, *words: str, check: bool = True) -> str:
        """A command in there; what it says."""
        done = subprocess.run((*self._inside, *words), capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, (words, done.stdout, done.stderr, self.log())
        return done.stdout

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def close(self) -> None:
        """With its first process all in it end."""
        self._outer.send_signal(signal.SIGKILL)
        self._outer.wait()


def _enter(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))


@contextlib.contextmanager
def booted(host: Host, files: Path, **units: str) -> Iterator[Shut]:
    """A host's systemd, with these services. Skips the test where there is none."""
    _need(SYSTEMD)
    folder = files / "units"
    folder.mkdir()
    for name, text in {"calm.target": "[Unit]\n", **{f"{name}.service": text for name, text in units.items()}}.items():
        (folder / name).write_text(text.replace("[Unit]\n", "[Unit]\nDefaultDependencies=no\n"))
    words = ("nsenter", f"--net={host.path}", "--", "unshare", "--mount", "--pid", "--cgroup", "--ipc", "--uts",
             "--fork", "--kill-child", "sh", "-c", _SYSTEMD, str(folder))
    with _control_group() as group:
        systemd = Shut(words, files, folder / "log", group)
        try:
            wait_until(lambda: systemd.run("systemctl", "is-active", "calm.target", check=False) == "active\n",
                       PATIENCE, "systemd is up")
            yield systemd
        finally:
            systemd.close()


@contextlib.contextmanager
def networkd(host: Host, folder: Path, **files: str) -> Iterator[Shut]:
    """systemd-networkd for a host; `files` are the texts of its .network files and drop-ins, by path below
    /run/systemd. Skips the test where there is none."""
    _need(NETWORKD)
    configuration = folder / "networkd"
    for name, text in {"bus.conf": _BUS, **files}.items():
        path = configuration / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    words = ("nsenter", f"--net={host.path}", "--", "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
             _NETWORKD, str(configuration))
    service = Shut(words, folder, folder / "networkd.log")
    try:
        yield service
    finally:
        service.close()


def _need(programs: dict[str, str]) -> None:
    missing = groundwork.missing_packages(programs)
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


@contextlib.contextmanager
def _control_group() -> Iterator[Path]:
    """A new one, version 2. Skips the test where that is not mounted."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    places = [place for _, place, kind, *_ in mounts if kind == "cgroup2"]
    if not places:
        pytest.skip("there is no cgroup2 file system")
    group = Path(places[0]) / f"hk-test-{os.getpid()}"
    group.mkdir()
    try:
        yield group
    finally:
        wait_until(lambda: "populated 0" in (group / "cgroup.events").read_text(), PATIENCE, "it is empty")
        for below, _, _ in os.walk(group, topdown=False):
            Path(below).rmdir()
