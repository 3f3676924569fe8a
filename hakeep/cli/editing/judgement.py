"""What is to be said about a draft before it is installed: what `hakeep check --host` says of all it is part of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hakeep.config.diagnostic import Diagnostic, Severity
from hakeep.config.files import load
from hakeep.config.host import Host
from hakeep.config.loaded import Loaded
from hakeep.config.render import render, summary
from hakeep.kernel.inspection import inspect_host


@dataclass(frozen=True)
class Judgement:
    """`fatal`: no daemon starts with it. `idle`: there is nothing in it that a daemon could do."""

    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, str]
    fatal: bool
    idle: bool

    def render(self, *, color: bool) -> str:
        """All that is wrong, for a person."""
        return "".join(render(each, self.sources, color=color) + "\n\n" for each in self.diagnostics)

    def summary(self) -> str:
        """ "2 errors, 1 warning"."""
        return summary(self.diagnostics)

    def doubtful(self, before: Judgement) -> bool:
        """True if somebody should decide: there are errors, or warnings that were not there before."""
        known = {_kind(each) for each in before.diagnostics}
        return any(
            each.severity is Severity.ERROR or (each.severity is Severity.WARNING and _kind(each) not in known)
            for each in self.diagnostics)


def _kind(diagnostic: Diagnostic) -> tuple[str, str]:
    return diagnostic.code.value, diagnostic.message


class Judge:
    """Judges texts for the file `target`, which is, or is included by, the configuration `main`. `pid` is the daemon's
    that it is for, 0 if there is none."""

    def __init__(self, main: str, target: Path, config_id: str | None, pid: int) -> None:
        self._main = main
        self._target = os.path.realpath(target)
        self._config_id = config_id
        self._elsewhere = pid != 0 and _network(pid) not in (None, _network(os.getpid()))

    def __call__(self, content: bytes) -> Judgement:
        text = content.decode("utf-8", "surrogateescape")
        host = inspect_host()
        unsaved = {self._target: text}
        if self._elsewhere or self._other_namespace(unsaved):
            host = replace(host, known_interfaces=None, subnets=None)
        loaded = self._load(unsaved, host)
        idle = not (loaded.config.vrrp_instance or loaded.config.virtual_server)
        return Judgement((*loaded.diagnostics, *loaded.unsupported()), loaded.sources, loaded.fatal, idle)

    def takes_in(self, path: Path) -> bool:
        """True if the configuration, as it is now on the disk, includes that file."""
        sources = load(self._main, config_id=self._config_id).sources
        return os.path.realpath(path) in map(os.path.realpath, sources)

    def _load(self, unsaved: Mapping[str, str], host: Host | None) -> Loaded:
        return load(self._main, config_id=self._config_id, host=host, unsaved=unsaved)

    def _other_namespace(self, unsaved: Mapping[str, str]) -> bool:
        """True if the configuration is for a network namespace, whose interfaces are not those that we see."""
        settings = self._load(unsaved, None).settings
        return settings is not None and bool(settings.globals.net_namespace)


def _network(pid: int) -> int | None:
    """The network namespace of a process, None if it may not be seen."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return None
