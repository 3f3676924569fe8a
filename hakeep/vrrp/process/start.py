"""What a worker starts with: what its parent says, and what was left behind for it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hakeep.config.settled import Settings
from hakeep.kernel.nft import Support
from hakeep.kernel.sysctl import SysctlKeeper
from hakeep.vrrp import messages as m
from hakeep.worker import Log


@dataclass(frozen=True, slots=True)
class Start:
    """What a worker starts with, beside its configuration and its line to the parent, whose pid is `parent`.

    `inherited` are sockets of the worker before it, if it is `respawned`. `fence` tells what nftables can
    do here. `keep` leaves addresses where they are at the end. `standby` has the orders that hold from the start, and
    `tracked` what is known of tracked things.
    """

    parent: int
    run_directory: Path
    inherited: Mapping[str, int] = field(default_factory=dict)
    respawned: bool = False
    fence: Support = field(default_factory=lambda: Support(False, "nftables was not asked"))
    keep: bool = False
    standby: Mapping[str, m.Commanded] = field(default_factory=dict)
    tracked: tuple[m.Tracked, ...] = ()


def own_mark(settings: Settings) -> str:
    """What tells the links and files of this daemon from those of another one on the same host."""
    names = [name for name in (settings.globals.net_namespace, settings.globals.instance) if name]
    return ":".join(["hakeep", *names])


def sysctl_keeper(settings: Settings, run_directory: Path, log: Log) -> SysctlKeeper:
    """What we borrowed is written down, so that a later run can give it back. A damaged file is put aside."""
    names = own_mark(settings).split(":")[1:]
    path = run_directory / ("_".join(["sysctl", *names]) + ".json")
    try:
        return SysctlKeeper(path)
    except OSError as error:
        log(m.Level.ERROR, f"{error}: put aside, its settings stay as they are")
        with suppress(OSError):
            path.rename(path.with_suffix(".damaged"))
        return SysctlKeeper(path)


def hold_until(settings: Settings, now: float, log: Log, *, respawned: bool) -> float:
    """The time before which there are no elections, which is logged; 0.0 = none."""
    delays = settings.globals
    until = now + delays.vrrp_startup_delay if not respawned else 0.0
    cause = "vrrp_startup_delay"
    if delays.vrrp_delay_after_boot:
        uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
        after_boot = now + delays.vrrp_delay_after_boot - uptime
        if after_boot > until:
            until, cause = after_boot, "vrrp_delay_after_boot"
    if until <= now:
        return 0.0
    log(m.Level.INFO, f"no elections for {until - now:.4g} s ({cause})")
    return until
