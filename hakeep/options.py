"""What the command line says, as far as the supervisor and its parts need it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hakeep.config.settled import Settings

#: What came of reading the configuration: settings to run with (None = none), and lines to log with their levels.
Reading = tuple[Settings | None, list[tuple[int, str]]]


@dataclass(frozen=True)
class Options:
    """`load` reads the configuration; `evidence()` is what it went by when this process did so last, and
    `holds(evidence)` says whether reading it anew would come to the same (see `config.witness`). `umask` None leaves it
    to the configuration. `vrrp`, `lvs` and `bfd` tell which workers may run."""

    config: str
    run_directory: Path
    pid_file: Path
    vrrp_pid_file: Path
    lvs_pid_file: Path
    bfd_pid_file: Path
    track_pid_file: Path
    control: Path
    dump_directory: Path
    dump_stem: str
    respawn: bool = True
    keep_addresses: bool = False
    keep_ipvs: bool = False
    vrrp: bool = True
    lvs: bool = True
    bfd: bool = True
    umask: int | None = None
    load: Callable[[], Reading] = field(default=lambda: (None, []))
    evidence: Callable[[], bytes] = field(default=lambda: b"")
    holds: Callable[[bytes], bool] = field(default=lambda _: False)
